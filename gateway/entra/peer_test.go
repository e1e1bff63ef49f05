package entra_test

import (
	"bufio"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"denwa/providers/providertest"
)

// caller is a Node program that encrypts, signs and calls as Entra ID does.
type caller struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Scanner
}

func newCaller(t *testing.T) *caller {
	t.Helper()
	node, folder := providertest.Node(t, "jose")
	cmd := exec.CommandContext(t.Context(), node, "testdata/caller.mjs", folder)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	return &caller{t: t, in: in, out: bufio.NewScanner(out)}
}

func (c *caller) line() []byte {
	c.t.Helper()
	if !c.out.Scan() {
		c.t.Fatalf("the caller is gone: %v", c.out.Err())
	}
	return c.out.Bytes()
}

// question is one request for the caller to make.
type question struct {
	URL         string            `json:"url"`
	Certificate string            `json:"certificate"`
	KID         string            `json:"kid"`
	Enc         string            `json:"enc"`
	Headers     map[string]string `json:"headers"`
	Claims      map[string]any    `json:"claims"`
	Envelope    map[string]any    `json:"envelope"`
	Context     map[string]any    `json:"context"`
}

func (c *caller) ask(q question) (status int, body map[string]string) {
	c.t.Helper()
	text, err := json.Marshal(q)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.in.Write(append(text, '\n')); err != nil {
		c.t.Fatal(err)
	}
	var answer struct {
		Status int               `json:"status"`
		Body   map[string]string `json:"body"`
	}
	if err := json.Unmarshal(c.line(), &answer); err != nil {
		c.t.Fatal(err)
	}
	return answer.Status, answer.Body
}

// TestCalledByJose: requests that another implementation made, encrypted to a
// certificate and signed with a key from a JWK Set.
func TestCalledByJose(t *testing.T) {
	c := newCaller(t)
	w := newWorld(t, embedded(t))
	set := append([]byte(nil), c.line()...)
	w.authority.answer(func(r http.ResponseWriter, _ *http.Request) { _, _ = r.Write(set) })

	usual := func() question {
		return question{
			URL: w.URL + "/entra/portal/api/SendOtp", Certificate: certificate(t), KID: kid, Enc: "A256GCM",
			Headers:  map[string]string{"x-ms-client-request-id": attempt, "x-ms-correlation-id": correlation},
			Claims:   map[string]any{"iss": issuer, "aud": audience, "tid": tenantID, "appid": "25ec60fa-f18d-41a4-b398-50044c90ce13", "ver": "1.0"},
			Envelope: map[string]any{"type": "microsoft.mfa.otpDeliver.v1", "tenantId": tenantID, "correlationId": correlation, "channel": 1, "mode": 1, "ttlSeconds": 180},
			Context:  map[string]any{"nonce": nonce, "phoneNumber": mobile, "message": message, "locale": "ja-JP"},
		}
	}
	taken := map[string]string{"nonce": nonce, "correlationId": correlation, "providerStatus": "accepted"}
	for _, tt := range []struct {
		name     string
		change   func(*question)
		status   int
		error    string
		messages int // by then
	}{
		{"evaluation", func(q *question) { q.Envelope["mode"] = 2 }, 200, "", 0},
		{"live", func(*question) {}, 200, "", 1},
		{"again", func(*question) {}, 200, "", 1},
		{"v2.0 token", func(q *question) {
			q.Claims = map[string]any{"iss": issuerV2, "aud": audience, "tid": tenantID, "azp": "25ec60fa-f18d-41a4-b398-50044c90ce13", "ver": "2.0"}
			q.Envelope["mode"] = "evaluation"
		}, 200, "", 1},
		{"call", func(q *question) { q.Envelope["channel"], q.Context["phoneNumber"] = 2, fixed }, 200, "", 1},
		{"other enc", func(q *question) { q.Enc = "A128GCM" }, 400, "decryption_failed", 1},
		{"other kid", func(q *question) { q.KID = otherKID }, 400, "decryption_failed", 1},
		{"other audience", func(q *question) { q.Claims["aud"] = "api://other" }, 401, "unauthorized", 1},
		{"other caller", func(q *question) { q.Claims["appid"] = otherKID }, 403, "forbidden", 1},
	} {
		q := usual()
		tt.change(&q)
		status, body := c.ask(q)
		if status != tt.status || body["error"] != tt.error || status == 200 && !maps.Equal(body, taken) {
			t.Errorf("%s: %d %v", tt.name, status, body)
		}
		if texts := w.texts(mobile); len(texts) != tt.messages || len(texts) > 0 && texts[0] != message {
			t.Errorf("%s: the phone got %q", tt.name, texts)
		}
	}
}

// certificate is what an administrator uploads for our key.
func certificate(t *testing.T) string {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Denwa"},
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, ours().Public(), ours())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

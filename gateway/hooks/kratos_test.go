package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"denwa/gateway"
)

var update = flag.Bool("update", false, "write the golden and recorded files again")

// kratosProgram is where testdata/build-kratos puts Ory Kratos.
const kratosProgram = "../../.tools/kratos-v1.3.1/kratos"

var sixDigits = regexp.MustCompile(`\b[0-9]{6}\b`)

// TestKratos registers a person at a real Ory Kratos with a phone number, proves
// the number with the code that Denwa brought to the phone, and signs in with
// another one. Kratos takes minutes to build, so this needs testdata/build-kratos
// to have run once; what Kratos sent is in testdata, for the other tests.
func TestKratos(t *testing.T) {
	if _, err := os.Stat(kratosProgram); err != nil {
		t.Skip("no Ory Kratos; gateway/hooks/testdata/build-kratos builds it")
	}
	g := newGateway(t, connect(t, ""), func(c *gateway.Config) { c.Limits.NumberCooldown.Burst = 10 })
	k := startKratos(t, g.server.URL+"/hooks/portal/kratos")
	const phone = "+" + recordedNumber

	// Registration.
	flow := k.post("/self-service/registration?flow="+k.flow("registration"), map[string]any{
		"method": "password", "password": "correct horse battery staple", "traits": map[string]any{"phone": phone},
	})
	var registered struct {
		Identity     struct{ ID string }
		ContinueWith []struct {
			Flow struct{ ID string }
		} `json:"continue_with"`
	}
	k.read(flow, &registered)
	if len(registered.ContinueWith) == 0 {
		t.Fatalf("Kratos asks for no verification: %s", flow)
	}
	if k.verified(registered.Identity.ID) {
		t.Fatal("the number is verified already")
	}
	verification := "/self-service/verification?flow=" + registered.ContinueWith[0].Flow.ID
	done := k.post(verification, map[string]any{"method": "code", "code": k.code(g, phone, 1)})
	if !strings.Contains(done, `"state":"passed_challenge"`) || !k.verified(registered.Identity.ID) {
		t.Errorf("the number isn't verified: %s", done)
	}

	// Sign-in with a code.
	login := "/self-service/login?flow=" + k.flow("login")
	if asked := k.post(login, map[string]any{"method": "code", "identifier": phone}); !strings.Contains(asked, `"state":"sent_email"`) {
		t.Errorf("no code is asked for: %s", asked) // the state has that name for SMS too
	}
	in := k.post(login, map[string]any{"method": "code", "identifier": phone, "code": k.code(g, phone, 2)})
	if !strings.Contains(in, `"session_token":"`) {
		t.Errorf("not signed in: %s", in)
	}

	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.requests) != 2 {
		t.Fatalf("%d requests", len(g.requests))
	}
	for i, name := range []string{"kratos.json", "kratos_login.json"} {
		if got := g.requests[i].header.Get("Content-Type"); got != "application/json" {
			t.Errorf("Content-Type: %s", got)
		}
		body := sixDigits.ReplaceAllString(g.requests[i].body, recordedCode)
		if *update {
			if err := os.WriteFile("testdata/"+name, []byte(body), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want := file(t, name); body != want {
			t.Errorf("%s isn't what Kratos sends: %s", name, body)
		}
	}
}

// kratos is a running Ory Kratos.
type kratos struct {
	t             *testing.T
	public, admin string
	client        *http.Client
}

// startKratos starts one whose messages go to hook, and stops it after the test.
func startKratos(t *testing.T, hook string) *kratos {
	t.Helper()
	absolute := func(path string) string {
		a, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	public, admin := freePort(t), freePort(t)
	config := strings.NewReplacer("PUBLIC", public, "ADMIN", admin, "HOOK", hook,
		"FOLDER", absolute("testdata"), "JSONNET", absolute("../../docs/integrations/kratos.jsonnet")).Replace(file(t, "kratos.yml"))
	path := filepath.Join(t.TempDir(), "kratos.yml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(kratosProgram, "serve", "--config", path, "--dev", "--watch-courier", "--sqa-opt-out")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	k := &kratos{t: t, public: "http://127.0.0.1:" + public, admin: "http://127.0.0.1:" + admin, client: &http.Client{}}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		k.client.CloseIdleConnections()
		if t.Failed() {
			t.Logf("Kratos: %s", log.String())
		}
	})
	deadline := time.Now().Add(60 * time.Second)
	for {
		if res, err := k.client.Get(k.admin + "/admin/health/ready"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return k
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("Kratos isn't ready: %s", log.String())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// flow begins a flow and returns its id.
func (k *kratos) flow(kind string) string {
	k.t.Helper()
	var f struct{ ID string }
	k.read(k.do(http.MethodGet, k.public+"/self-service/"+kind+"/api", nil), &f)
	return f.ID
}

func (k *kratos) post(path string, body map[string]any) string {
	k.t.Helper()
	return k.do(http.MethodPost, k.public+path, body)
}

func (k *kratos) verified(identity string) bool {
	k.t.Helper()
	var person struct {
		Addresses []struct{ Verified bool } `json:"verifiable_addresses"`
	}
	k.read(k.do(http.MethodGet, k.admin+"/admin/identities/"+identity, nil), &person)
	return len(person.Addresses) == 1 && person.Addresses[0].Verified
}

func (k *kratos) do(method, url string, body map[string]any) string {
	k.t.Helper()
	sent, err := json.Marshal(body)
	if err != nil {
		k.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(context.Background(), method, url, bytes.NewReader(sent))
	if err != nil {
		k.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	res, err := k.client.Do(r)
	if err != nil {
		k.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		k.t.Fatal(err)
	}
	return string(text)
}

func (k *kratos) read(text string, v any) {
	k.t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		k.t.Fatalf("%v: %s", err, text)
	}
}

// code is the one in the nth message to a phone.
func (k *kratos) code(g *testGateway, number string, n int) string {
	k.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if all := g.messages(number); len(all) >= n {
			return sixDigits.FindString(all[n-1].Text)
		}
		if time.Now().After(deadline) {
			k.t.Fatalf("message %d didn't come; log: %s", n, g.log.String())
		}
	}
}

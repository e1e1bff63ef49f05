package providertest_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"denwa/providers"
	"denwa/providers/providertest"
)

// defect is what is wrong with the provider under test; "" for nothing.
var defect = os.Getenv("PROVIDERTEST_DEFECT")

// TestRun: a correct provider passes.
func TestRun(t *testing.T) {
	refusals := []providertest.Refusal{
		{Behaviour: "400 no_such_number", Kind: providers.Invalid, Code: "no_such_number"},
		{Behaviour: "403 spam", Kind: providers.Rejected, Code: "spam"},
		{Behaviour: "401 credentials", Kind: providers.Auth, Code: "credentials"},
		{Behaviour: "429 slow_down", Kind: providers.Throttled, Code: "slow_down", RetryAfter: 7 * time.Second},
		{Behaviour: "503 maintenance", Kind: providers.Unavailable, Code: "maintenance"},
	}
	providertest.Run(t, providertest.Harness{
		New:      newProvider,
		Refusals: refusals,
		Secrets:  []string{key},
		Statuses: []providers.Status{providers.Sent, providers.Undelivered, providers.Delivered},
		Callback: func(_ *testing.T, _ providers.Provider, sent providertest.Sent, s providers.Status) *http.Request {
			body := `{"delivery":"` + sent.Delivery + `","status":"` + string(s) + `"}`
			r := httptest.NewRequest(http.MethodPost, "/status", strings.NewReader(body))
			r.Header.Set("Signature", sign(body))
			return r
		},
		Forgeries: map[string]func(*http.Request){
			"unsigned":        func(r *http.Request) { r.Header.Del("Signature") },
			"other signature": func(r *http.Request) { r.Header.Set("Signature", sign("other")) },
		},
		Skip: map[string]string{"ambiguous": "this carrier answers clearly"},
	})
}

// TestRunFinds: a provider with any of these defects doesn't pass.
func TestRunFinds(t *testing.T) {
	for defect, subtest := range map[string]string{
		"bad name":               "name",
		"refuses emoji":          "accept",
		"number in error":        "invalid",
		"number in log":          "accept",
		"key in wrapped error":   "down",
		"other error":            "rejected",
		"impatient":              "slow",
		"hang is unavailable":    "hang",
		"ignores context":        "hang",
		"down is ambiguous":      "down",
		"cut is accepted":        "cut",
		"wrong kind":             "throttled",
		"no code":                "auth",
		"no retry after":         "throttled",
		"receipt lost":           "receipts",
		"receipt under own name": "receipts",
		"receipt once":           "receipts",
		"parses first":           "forged_callback",
		"trusts":                 "forged_callback",
		"reads all":              "forged_callback",
		"idle connections":       "close",
		"goroutine":              "close",
	} {
		t.Run(defect, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.failfast", "-test.run=^TestRun$/^"+subtest+"$")
			cmd.Env = append(os.Environ(), "PROVIDERTEST_DEFECT="+defect)
			out, err := cmd.CombinedOutput()
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
				t.Fatalf("passed: %v\n%s", err, out)
			}
			if !strings.Contains(string(out), "--- FAIL: TestRun/"+subtest) {
				t.Errorf("didn't fail in %s:\n%s", subtest, out)
			}
		})
	}
}

const key = "ck_7Zb/Qm+4 secret"

func sign(body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = io.WriteString(mac, body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// newCarrier is a carrier with a JSON API that behaves as said.
func newCarrier(t *testing.T, b providertest.Behaviour) *httptest.Server {
	t.Helper()
	c := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		switch b {
		case providertest.Accept:
		case providertest.Slow:
			time.Sleep(200 * time.Millisecond)
		case providertest.Hang:
			<-r.Context().Done()
			return
		case providertest.Cut:
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"id":"`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		default:
			var status int
			var code string
			_, _ = fmt.Sscanf(string(b), "%d %s", &status, &code)
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"code":"`+code+`"}`)
			return
		}
		_, _ = io.WriteString(w, `{"id":"ref-1"}`)
	}))
	t.Cleanup(func() {
		c.CloseClientConnections() // a hanging request would keep Close waiting
		c.Close()
	})
	if b == providertest.Down {
		c.Close()
	}
	return c
}

// provider is a small one, correct but for its defect.
type provider struct {
	providertest.Env
	url    string
	client *http.Client
	seen   map[string]bool
	done   chan struct{}
}

func newProvider(t *testing.T, e providertest.Env) providers.Provider {
	t.Helper()
	c := newCarrier(t, e.Carrier)
	transport := &http.Transport{MaxIdleConnsPerHost: 10}
	p := &provider{Env: e, url: c.URL, client: &http.Client{Transport: transport}, seen: map[string]bool{}, done: make(chan struct{})}
	t.Cleanup(transport.CloseIdleConnections)
	if defect == "impatient" {
		p.client.Timeout = 100 * time.Millisecond
	}
	if defect == "goroutine" {
		go func() { <-p.done }()
	}
	return p
}

func (p *provider) Name() string {
	if defect == "bad name" {
		return "Example Inc."
	}
	return "example"
}

func (p *provider) Close() error {
	if defect != "idle connections" {
		p.client.CloseIdleConnections()
	}
	return nil
}

func (p *provider) SendMessage(ctx context.Context, msg providers.Message) (providers.Acceptance, error) {
	if defect == "ignores context" {
		ctx = context.WithoutCancel(ctx)
	}
	if defect == "number in log" {
		p.Log.Debug("sending", slog.String("to", msg.To))
	}
	body, err := json.Marshal(msg)
	if err != nil || defect == "refuses emoji" && strings.Contains(msg.Text, "👨") {
		return providers.Acceptance{}, &providers.Error{Kind: providers.Invalid, Err: errors.New("can't be encoded")}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/?key="+url.QueryEscape(key), strings.NewReader(string(body)))
	if err != nil {
		return providers.Acceptance{}, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return providers.Acceptance{}, unanswered(err)
	}
	defer resp.Body.Close()
	var reply struct{ ID, Code string }
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil && defect != "cut is accepted" {
		return providers.Acceptance{}, &providers.Error{Kind: providers.Ambiguous, Err: errors.New("the answer broke off")}
	}
	if resp.StatusCode != http.StatusOK {
		return providers.Acceptance{}, refused(resp.StatusCode, reply.Code, msg)
	}
	return providers.Acceptance{Reference: reply.ID}, nil
}

func unanswered(err error) error {
	var inURL *url.Error
	if errors.As(err, &inURL) && defect != "key in wrapped error" {
		err = inURL.Err
	}
	if errors.Is(err, syscall.ECONNREFUSED) && defect != "down is ambiguous" || defect == "hang is unavailable" {
		return &providers.Error{Kind: providers.Unavailable, Err: err}
	}
	return &providers.Error{Kind: providers.Ambiguous, Err: err}
}

func refused(status int, code string, msg providers.Message) error {
	e := &providers.Error{Code: code, Err: errors.New("refused")}
	switch status {
	case http.StatusBadRequest:
		e.Kind = providers.Invalid
	case http.StatusForbidden:
		e.Kind = providers.Rejected
	case http.StatusUnauthorized:
		e.Kind = providers.Auth
	case http.StatusTooManyRequests:
		e.Kind, e.RetryAfter = providers.Throttled, 7*time.Second
	default:
		e.Kind = providers.Unavailable
	}
	switch defect {
	case "number in error":
		e.Err = errors.New("can't reach " + msg.To)
	case "other error":
		return errors.New("refused")
	case "wrong kind":
		e.Kind = providers.Unavailable
	case "no code":
		e.Code = ""
	case "no retry after":
		e.RetryAfter = 0
	}
	return e
}

func (p *provider) Callbacks() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := int64(1000)
		if defect == "reads all" {
			limit = 1 << 30
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
		if err != nil {
			http.Error(w, "too long", http.StatusRequestEntityTooLarge)
			return
		}
		if defect == "parses first" && !json.Valid(body) {
			http.Error(w, "not JSON", http.StatusBadRequest)
			return
		}
		if r.Header.Get("Signature") != sign(string(body)) && defect != "trusts" {
			http.Error(w, "forged", http.StatusForbidden)
			return
		}
		var report providers.Receipt
		if err := json.Unmarshal(body, &report); err != nil {
			http.Error(w, "not JSON", http.StatusBadRequest)
			return
		}
		if err := p.take(r.Context(), report); err != nil {
			http.Error(w, "later", http.StatusServiceUnavailable)
		}
	})
}

func (p *provider) take(ctx context.Context, report providers.Receipt) error {
	name := p.Name()
	switch defect {
	case "receipt lost":
		_ = p.Receive(ctx, name, report)
		return nil
	case "receipt under own name":
		name = "carrier"
	case "receipt once":
		if seen := p.seen[string(report.Status)]; seen {
			return nil
		}
		p.seen[string(report.Status)] = true
	}
	return p.Receive(ctx, name, report)
}

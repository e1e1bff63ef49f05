package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"denwa/config"
	"denwa/ratelimit/redistest"
)

// TestDialects speaks to the program as login services do: each API is mounted
// where it should be, and delivers. What each of them answers to what is tested
// in its own package.
func TestDialects(t *testing.T) {
	t.Parallel()
	const account, service = "AC0123456789abcdef0123456789abcdef", "VA0123456789abcdef0123456789abcdef"
	const number = "+819012345678"
	c := redisConfig(t, redistest.Start(t).Addr(), `
    twilio: {account_sid: `+account+`, service_sid: `+service+`}
    hooks: [{type: logto, secret: sixteen-characters}]
`)
	g := serving(t, "--config", c.path)

	form := url.Values{"To": {number}, "Channel": {"sms"}}
	started := g.speak(t, "/v2/Services/"+service+"/Verifications", form.Encode(), func(r *http.Request) {
		r.SetBasicAuth(account, strings.TrimPrefix(config.PlaygroundKey, "dnw_"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	})
	if sid, _ := started["sid"].(string); !strings.HasPrefix(sid, "VE") || started["status"] != "pending" {
		t.Errorf("Twilio Verify answers %v", started)
	}
	g.speak(t, "/hooks/portal/logto", `{"to":"818011112222","type":"SignIn","payload":{"code":"493817"}}`, func(r *http.Request) {
		r.Header.Set("Authorization", "sixteen-characters")
		r.Header.Set("Content-Type", "application/json")
	})
	for phone, want := range map[string]string{number: "", "+818011112222": "493817"} {
		text := g.screen(t, phone)
		if !strings.Contains(text, "Example") || !strings.Contains(text, want) {
			t.Errorf("a phone got %s", text)
		}
	}
	// An app without the dialect is as good as no app.
	if r := g.do(t, http.MethodPost, "/entra/portal/api/SendOtp", "{}"); r.status != http.StatusNotFound {
		t.Errorf("Entra ID gets %d %v", r.status, r.body)
	}
}

// screen is what a phone shows.
func (r *running) screen(t *testing.T, phone string) string {
	t.Helper()
	resp, err := http.Get(r.server + "/sandbox/api/phones/" + phone + "/messages") //nolint:noctx // a test's.
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// speak posts a body and reads the reply, which must be good.
func (r *running) speak(t *testing.T, path, body string, prepare func(*http.Request)) map[string]any {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.server+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	prepare(q)
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("POST %s: %d %s %v", path, resp.StatusCode, text, err)
	}
	var fields map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &fields); err != nil {
			t.Fatalf("POST %s: %s", path, text)
		}
	}
	return fields
}

package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"denwa/gateway"
	"denwa/gateway/httpapi"
)

const sessions = "/v1/sessions"

// fakeSessions are sessions without pages.
type fakeSessions struct {
	mu    sync.Mutex
	asked []gateway.SessionRequest
	// result, if set, is the verification of every session.
	result *gateway.Verification
	fail   error
}

func newFakeSessions() *fakeSessions { return &fakeSessions{} }

func (f *fakeSessions) Create(_ context.Context, app *gateway.AppPolicy, r gateway.SessionRequest) (*gateway.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return nil, f.fail
	}
	f.asked = append(f.asked, r)
	return f.made(app, r, gateway.NewSessionID(nil)), nil
}

func (f *fakeSessions) made(app *gateway.AppPolicy, r gateway.SessionRequest, id gateway.SessionID) *gateway.Session {
	s := &gateway.Session{
		ID: id, App: app.Name, Status: gateway.Pending, SessionRequest: r,
		URL:       "https://verify.example.jp/verify/" + string(id) + "/secret",
		CreatedAt: epoch, ExpiresAt: epoch.Add(30 * time.Minute), Verification: f.result,
	}
	if f.result != nil {
		s.Status, s.URL = f.result.Status, ""
	}
	return s
}

func (f *fakeSessions) Get(_ context.Context, app *gateway.AppPolicy, id string) (*gateway.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return nil, f.fail
	}
	if !gateway.SessionID(id).Valid() {
		return nil, &gateway.Error{Code: gateway.CodeNotFound, Message: "no such session"}
	}
	return f.made(app, gateway.SessionRequest{ReturnURL: "https://portal.example.jp/back"}, gateway.SessionID(id)), nil
}

func TestSessionsOnTheWire(t *testing.T) {
	f := newFakeSessions()
	c := newClient(newServer(t, func(o *httpapi.Options) { o.Sessions = f }))

	r := c.do(t, "POST", sessions, `{"return_url":"https://portal.example.jp/back","channels":["voice","sms"],"to":"03-1234-5678",
		"country":"JP","extension":"12","locale":"en","purpose":"sign_in","reference":"user-42","mode":"keyed"}`)
	if r.StatusCode != http.StatusCreated {
		t.Fatal(r.text)
	}
	want := gateway.SessionRequest{
		ReturnURL: "https://portal.example.jp/back", Channels: []gateway.Channel{gateway.Voice, gateway.SMS},
		To: "03-1234-5678", Country: "JP", Extension: "12", Locale: "en", Purpose: "sign_in", Reference: "user-42", Mode: gateway.ModeKeyed,
	}
	if diff := cmp.Diff([]gateway.SessionRequest{want}, f.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	id := string(f.made(&gateway.AppPolicy{}, want, gateway.NewSessionID(nil)).ID)

	r = c.do(t, "GET", sessions+"/"+id, "")
	const pending = `","status":"pending","url":"https://verify.example.jp/verify/`
	if want := `{"id":"` + id + pending + id + `/secret","return_url":"https://portal.example.jp/back",` +
		`"created_at":"2026-04-01T00:00:00.123Z","expires_at":"2026-04-01T00:30:00.123Z"}`; r.text != want {
		t.Errorf("got %s\nwant %s", r.text, want)
	}

	f.result = &gateway.Verification{
		ID: "vf_aaaqaby7x2k4mzq3trw5hcn6vjd2esgu", Status: gateway.Approved, Channel: gateway.SMS, Mode: gateway.ModeCode,
		To: "+819012345678", ToMasked: "+81 90-****-5678", Country: "JP", NumberType: "mobile", Locale: "ja",
		CreatedAt: epoch, ExpiresAt: epoch, UpdatedAt: epoch,
	}
	r = c.do(t, "GET", sessions+"/"+id, "")
	if !strings.Contains(r.text, `"status":"approved","return_url"`) || !strings.Contains(r.text, `"verification":{"id":"vf_`) ||
		strings.Contains(r.text, "/secret") {
		t.Error(r.text)
	}
}

// TestSessionSeed: with an Idempotency-Key the session is made from its seed.
func TestSessionSeed(t *testing.T) {
	f := newFakeSessions()
	c := newClient(newServer(t, func(o *httpapi.Options) { o.Sessions = f }))
	body := `{"return_url":"https://portal.example.jp/back"}`
	first := c.do(t, "POST", sessions, body, "Idempotency-Key", "k")
	again := c.do(t, "POST", sessions, body, "Idempotency-Key", "k")
	if len(f.asked) != 1 || len(f.asked[0].Seed) == 0 || first.text != again.text {
		t.Errorf("asked %+v; replies %s and %s", f.asked, first.text, again.text)
	}
}

func TestSessionsRefuse(t *testing.T) {
	c := newClient(newServer(t, nil))
	for _, tc := range []struct{ method, path, body, code string }{
		{"POST", sessions, ``, "invalid_request"},
		{"POST", sessions, `{"return_url":"x","url":"y"}`, "invalid_request"},
		{"POST", sessions, `{"return_url":"x","channels":"sms"}`, "invalid_request"},
		{"GET", sessions + "/se_1", "", "not_found"},
		{"GET", sessions + "/" + string(gateway.NewSessionID(nil)) + "?wait=3", "", "invalid_request"},
	} {
		if r := c.do(t, tc.method, tc.path, tc.body); r.code() != tc.code {
			t.Errorf("%s %s %s: %s", tc.method, tc.path, tc.body, r.text)
		}
	}
}

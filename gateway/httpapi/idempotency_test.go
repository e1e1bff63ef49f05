package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"denwa/gateway"
	"denwa/gateway/httpapi"
)

// withGateway returns a client of a server, and the gateway behind it.
func withGateway(t *testing.T) (client, *fakeGateway, *fakeIdempotency) {
	t.Helper()
	g, i := newFakeGateway(), newFakeIdempotency()
	return newClient(newServer(t, func(o *httpapi.Options) { o.Verifier, o.Idempotency = g, i })), g, i
}

const aNumber = `{"to":"090-1234-5678"}`

func TestIdempotentReplay(t *testing.T) {
	c, g, _ := withGateway(t)
	first := c.do(t, "POST", start, aNumber, "Idempotency-Key", "k")
	again := c.do(t, "POST", start, aNumber, "Idempotency-Key", "k")
	want(t, first, http.StatusCreated, "")
	want(t, again, http.StatusCreated, "")
	if first.text != again.text || first.Header.Get("Content-Type") != again.Header.Get("Content-Type") {
		t.Errorf("replies differ:\n%s\n%s", first.text, again.text)
	}
	if first.Header.Get("Idempotent-Replayed") != "" || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Error("Idempotent-Replayed marks the wrong reply")
	}
	if g.started != 1 || string(g.seeds[0]) != "portal/k" {
		t.Errorf("started %d times, with seed %q", g.started, g.seeds)
	}
}

// TestRequestsAreNamed: a check and a resend bring along what tells a repeated
// one, whose first reply may not have been kept.
func TestRequestsAreNamed(t *testing.T) {
	c, g, _ := withGateway(t)
	path := begin(t, c)
	c.do(t, "POST", path+"/resend", "{}", "Idempotency-Key", "r")
	c.do(t, "POST", path+"/check", `{"code":"000000"}`, "Idempotency-Key", "c")
	c.do(t, "POST", path+"/check", `{"code":"000000"}`)
	if got := fmt.Sprint(g.requests); got != "[portal/r portal/c ]" {
		t.Errorf("requests %s", got)
	}
}

func TestIdempotencyKeyIsForOneRequest(t *testing.T) {
	c, g, _ := withGateway(t)
	path := begin(t, c)
	want(t, c.do(t, "POST", path+"/resend", "{}", "Idempotency-Key", "k"), http.StatusOK, "")
	for name, try := range map[string][2]string{
		"other body": {path + "/resend", `{"channel":"sms"}`},
		"other path": {path + "/cancel", "{}"},
		"no body":    {path + "/resend", ""},
	} {
		r := c.do(t, "POST", try[0], try[1], "Idempotency-Key", "k")
		if want(t, r, http.StatusUnprocessableEntity, "idempotency_mismatch"); t.Failed() {
			t.Fatal(name)
		}
	}
	if r := c.do(t, "GET", path, ""); r.body["status"] != "pending" || r.body["sends_remaining"] != 3.0 {
		t.Errorf("a refused request did something: %s", r.text)
	}
	other := client{server: c.server, key: loginKey}
	want(t, other.do(t, "POST", start, aNumber, "Idempotency-Key", "k"), http.StatusCreated, "")
	if g.started != 2 {
		t.Errorf("another app's key: started %d times, want 2", g.started)
	}
}

func TestIdempotencyKeyInFlight(t *testing.T) {
	c, g, _ := withGateway(t)
	var second reply
	g.starting = func(context.Context) {
		second = c.do(t, "POST", start, aNumber, "Idempotency-Key", "k")
	}
	want(t, c.do(t, "POST", start, aNumber, "Idempotency-Key", "k"), http.StatusCreated, "")
	want(t, second, http.StatusConflict, "idempotency_conflict")
}

// TestWhichRepliesAreKept repeats a request that failed: a failure that the
// caller should try again after must not be what it then gets.
func TestWhichRepliesAreKept(t *testing.T) {
	for code, kept := range map[gateway.Code]bool{
		gateway.CodeInvalidRequest: true, gateway.CodeInvalidNumber: true, gateway.CodeNotPending: true,
		gateway.CodeNotFound: true, gateway.CodeBlocked: true, gateway.CodeDeliveryFailed: true,
		gateway.CodeRateLimited: false, gateway.CodeUnavailable: false, "bug": false,
	} {
		t.Run(string(code), func(t *testing.T) {
			c, g, _ := withGateway(t)
			g.fail = &gateway.Error{Code: code, Message: "x"}
			if code == "bug" {
				g.fail = http.ErrBodyNotAllowed
			}
			first := c.do(t, "POST", start, aNumber, "Idempotency-Key", "k")
			g.fail = nil
			again := c.do(t, "POST", start, aNumber, "Idempotency-Key", "k")
			if kept && (again.text != first.text || g.started != 1) {
				t.Errorf("not kept: %s", again.text)
			}
			if !kept && (again.StatusCode != http.StatusCreated || g.started != 2) {
				t.Errorf("kept: %s", again.text)
			}
		})
	}
}

func TestMalformedRequestIsKept(t *testing.T) {
	c, g, _ := withGateway(t)
	want(t, c.do(t, "POST", start, `{"too":"1"}`, "Idempotency-Key", "k"), http.StatusBadRequest, "invalid_request")
	want(t, c.do(t, "POST", start, aNumber, "Idempotency-Key", "k"), http.StatusUnprocessableEntity, "idempotency_mismatch")
	if g.started != 0 {
		t.Error("started")
	}
}

func TestIdempotencyWithoutStore(t *testing.T) {
	c, g, i := withGateway(t)
	i.fail = &gateway.Error{Code: gateway.CodeUnavailable, Message: "the store doesn't answer"}
	r := c.do(t, "POST", start, aNumber, "Idempotency-Key", "k")
	want(t, r, http.StatusServiceUnavailable, "unavailable")
	if g.started != 0 || r.Header.Get("Retry-After") == "" {
		t.Errorf("started %d times; Retry-After %q", g.started, r.Header.Get("Retry-After"))
	}
}

func TestReplyIsKeptForClientThatHungUp(t *testing.T) {
	c, g, i := withGateway(t)
	ctx, hangUp := context.WithCancel(t.Context())
	g.starting = func(context.Context) { hangUp() }
	r := httptest.NewRequestWithContext(ctx, "POST", start, strings.NewReader(aNumber))
	r.Header.Set("Authorization", "Bearer "+portalKey)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", "k")
	c.server.Public().ServeHTTP(httptest.NewRecorder(), r)
	if e := i.entries["portal/k"]; e == nil || e.reply == nil || e.reply.Status != http.StatusCreated {
		t.Errorf("kept: %+v", e)
	}
	g.starting = nil
	if again := c.do(t, "POST", start, aNumber, "Idempotency-Key", "k"); again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("asked again: %s", again.text)
	}
}

func TestPanicGivesTheKeyBack(t *testing.T) {
	c, g, _ := withGateway(t)
	g.starting = func(context.Context) {
		g.starting = nil
		panic("at the worst moment")
	}
	want(t, c.do(t, "POST", start, aNumber, "Idempotency-Key", "k"), http.StatusInternalServerError, "internal")
	want(t, c.do(t, "POST", start, aNumber, "Idempotency-Key", "k"), http.StatusCreated, "")
}

package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"denwa/ratelimit/redistest"
)

// callee is the number that [serving] looks for in the log.
const callee = "090-1234-5678"

// calling is what a test of calls needs: a carrier, a store, somebody who is
// told of events, and a configuration with all of them.
type calling struct {
	*twilioDouble
	hook   *receiver
	config string
}

func newCalling(t *testing.T) *calling {
	t.Helper()
	c := &calling{twilioDouble: newTwilioDouble(t), hook: newReceiver(t, http.StatusNoContent)}
	webhook := fmt.Sprintf("    webhook: {url: %q, secret: %q, allow_private: true}\n", c.hook.URL, testWebhookSecret)
	c.config = twilioConfig(t, c.twilioDouble, redistest.Start(t).Addr(), webhook)
	return c
}

func (c *calling) serve(t *testing.T) *running {
	t.Helper()
	g := serving(t, "--config", c.config)
	g.key = twilioAppKey
	return g
}

// dial starts a verification by call, and returns it with the call.
func (c *calling) dial(t *testing.T, g *running, to string) (id string, call *twilioCall) {
	t.Helper()
	before := len(c.placed())
	v := g.post(t, "/v1/verifications", `{"to":"`+to+`","channel":"voice"}`)
	if v.status != http.StatusCreated {
		t.Fatalf("start: %d %v", v.status, v.body)
	}
	return v.text("id"), c.called(t, before+1)
}

// tells waits until the app was told n times that a verification got one of
// statuses, and fails if it was told more often.
func (c *calling) tells(t *testing.T, n int, statuses ...string) {
	t.Helper()
	told := func() (n int) {
		for _, e := range c.hook.events() {
			what, _, _ := strings.Cut(strings.TrimPrefix(e, "verification."), " ")
			if slices.Contains(statuses, what) {
				n++
			}
		}
		return n
	}
	for range 500 {
		if told() >= n {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond) // for one too many
	if told() != n {
		t.Errorf("told of %v %d times, want %d: %q", statuses, told(), n, c.hook.events())
	}
}

func (r *running) wantStatus(t *testing.T, id, want string) {
	t.Helper()
	if v := r.do(t, http.MethodGet, "/v1/verifications/"+id, ""); v.text("status") != want {
		t.Errorf("it is %v, want %s", v.body, want)
	}
}

// TestCallOutlivesGateway: the gateway goes away while a phone is in the middle
// of its call. The next one goes on with it, and calls nobody again.
func TestCallOutlivesGateway(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *running){
		"kill -9": func(t *testing.T, g *running) { g.kill(t) },
		"SIGTERM": func(t *testing.T, g *running) {
			g.stop(t)
			if err := <-g.ended; err != nil {
				t.Errorf("it ended with %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCalling(t)
			g := c.serve(t)
			id, call := c.dial(t, g, callee)
			call.report(g, "ringing")
			call.report(g, "in-progress")
			d := call.press(g, call.answer(g), "1") // not what was asked for: it asks again
			end(t, g)

			next := c.serve(t)
			if d := call.press(next, d, "#"); d.Hangup == nil || d.Gather != nil {
				t.Errorf("after the key: %+v", d)
			}
			next.wantStatus(t, id, "approved")
			call.report(next, "completed")
			c.tells(t, 1, "approved")
			if n := len(c.placed()); n != 1 {
				t.Errorf("%d calls were placed", n)
			}
		})
	}
}

// TestKilledWhileDialling: the gateway dies before it hears that the call was
// placed. The call is good, and whoever asks again causes no second one.
func TestKilledWhileDialling(t *testing.T) {
	t.Parallel()
	c := newCalling(t)
	c.hold = make(chan struct{})
	defer close(c.hold)
	g := c.serve(t)
	start := func(g *running) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.server+"/v1/verifications",
			strings.NewReader(`{"to":"`+callee+`","channel":"voice"}`))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+twilioAppKey)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "start-once")
		return http.DefaultClient.Do(r)
	}
	broken := make(chan error)
	go func() {
		resp, err := start(g)
		if err == nil {
			resp.Body.Close()
		}
		broken <- err
	}()
	call := c.called(t, 1)
	g.kill(t)
	if err := <-broken; err == nil {
		t.Fatal("the gateway answered before it died")
	}

	next := c.serve(t)
	resp, err := start(next)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusConflict {
		t.Errorf("the same start again is answered %d", resp.StatusCode)
	}
	if d := call.press(next, call.answer(next), "#"); d.Hangup == nil {
		t.Errorf("after the key: %+v", d)
	}
	c.tells(t, 1, "approved")
	if n := len(c.placed()); n != 1 {
		t.Errorf("%d calls were placed", n)
	}
}

// TestStoppedWhileDialling: a gateway that stops finishes the call it is
// placing, and says so to whoever asked.
func TestStoppedWhileDialling(t *testing.T) {
	t.Parallel()
	c := newCalling(t)
	c.hold = make(chan struct{})
	g := c.serve(t)
	started := make(chan reply)
	go func() { started <- g.post(t, "/v1/verifications", `{"to":"`+callee+`","channel":"voice"}`) }()
	call := c.called(t, 1)
	g.stop(t)
	g.logs.Await(t, "stopping: finishing what is in flight")
	close(c.hold)
	v := <-started
	if v.status != http.StatusCreated || len(c.placed()) != 1 {
		t.Fatalf("%d %v, %d calls", v.status, v.body, len(c.placed()))
	}
	if err := <-g.ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	next := c.serve(t)
	call.press(next, call.answer(next), "#")
	next.wantStatus(t, v.text("id"), "approved")
}

// TestCallbacksAtOnce has two gateways get callbacks many times, at once, too
// late, forged, and of nothing.
func TestCallbacksAtOnce(t *testing.T) {
	t.Parallel()
	c := newCalling(t)
	gateways := []*running{c.serve(t), c.serve(t)}
	g := gateways[0]

	t.Run("one key, 50 times", func(t *testing.T) {
		id, call := c.dial(t, g, callee)
		d := call.answer(g)
		// Forged first, when it could still do something.
		for _, signature := range []string{"", "forged", twilioSignature(d.Gather.Action, call.tells("in-progress", "Digits", "1"))} {
			if status, _ := call.post(g, d.Gather.Action, call.tells("in-progress", "Digits", "#"), signature); status != http.StatusForbidden {
				t.Errorf("signed %q: %d", signature, status)
			}
		}
		g.wantStatus(t, id, "pending")

		var mu sync.Mutex
		heard := map[string]int{}
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				last := call.press(gateways[i%2], d, "#")
				mu.Lock()
				defer mu.Unlock()
				heard[strings.Join(last.Say, " ")]++
				if last.Hangup == nil {
					t.Errorf("after the key: %+v", last)
				}
			})
		}
		wg.Wait()
		g.wantStatus(t, id, "approved")
		c.tells(t, 1, "approved")
		// Who asks again may not have had the answer, so all have the same.
		if len(heard) != 1 {
			t.Errorf("heard %v, want 50 approvals", heard)
		}

		// Replayed, and other keys, when it is over.
		if last := call.press(g, d, "#"); last.Hangup == nil || heard[strings.Join(last.Say, " ")] != 50 {
			t.Errorf("after the end: %+v", last)
		}
		if last := call.press(g, call.press(g, d, "0"), "#"); last.Hangup == nil || heard[strings.Join(last.Say, " ")] != 0 {
			t.Errorf("denied after the end: %+v", last)
		}
		call.report(g, "busy")
		g.wantStatus(t, id, "approved")
		c.tells(t, 1, "approved", "denied")
		if v := g.post(t, "/v1/verifications", `{"to":"`+callee+`"}`); v.status != http.StatusCreated {
			t.Errorf("a denial after the end blocks the number: %v", v.body)
		}
	})

	t.Run("yes and no at once", func(t *testing.T) {
		id, call := c.dial(t, g, "090-1111-2222")
		yes := call.answer(g)
		no := call.press(g, yes, "0")
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() { call.press(gateways[i%2], []document{yes, no}[i/2%2], "#") })
		}
		wg.Wait()
		v := g.do(t, http.MethodGet, "/v1/verifications/"+id, "")
		next := g.post(t, "/v1/verifications", `{"to":"090-1111-2222"}`)
		switch status := v.text("status"); {
		case status == "approved" && next.status == http.StatusCreated:
		case status == "denied" && next.text("code") == "blocked":
		default:
			t.Errorf("%s, and then %d %v", status, next.status, next.body)
		}
		c.tells(t, 2, "approved", "denied") // one of them before
	})

	t.Run("of nothing", func(t *testing.T) {
		_, call := c.dial(t, g, "090-3333-4444")
		unknown := publicURL + "/callbacks/twilio/call/keys?state=a0&delivery="
		for _, delivery := range []string{"vf_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.1", "x", "%00", "vf_.1"} {
			if d := call.ask(g, unknown+delivery, call.tells("in-progress", "Digits", "#")); d.Hangup == nil || d.Gather != nil {
				t.Errorf("%s: %+v", delivery, d)
			}
		}
	})

	t.Run("one call at once", func(t *testing.T) {
		v := g.post(t, "/v1/verifications", `{"to":"090-5555-6666","channel":"sms"}`)
		before := len(c.placed())
		resent := atOnce(20, func(i int) reply {
			return gateways[i%2].post(t, "/v1/verifications/"+v.text("id")+"/resend", `{"channel":"voice"}`)
		})
		if len(resent[200]) != 1 || len(resent[429]) != 19 || len(c.placed()) != before+1 {
			t.Errorf("200: %d, 429: %d, calls: %d", len(resent[200]), len(resent[429]), len(c.placed())-before)
		}
		for _, r := range resent[429] {
			if r.text("limit") != "call_in_progress" {
				t.Errorf("refused by %v", r.body)
			}
		}
	})
}

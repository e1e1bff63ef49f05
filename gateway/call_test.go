package gateway_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/ivr"
	"denwa/providers"
	"denwa/ratelimit"
)

// onScreen is a call on a phone on the screen.
type onScreen struct {
	ID        string   `json:"id"`
	Delivery  string   `json:"delivery"`
	Status    string   `json:"status"`
	Said      []string `json:"said"`
	Listening bool     `json:"listening"`
}

// lastCall is the latest call to number, by the first carrier.
func (g *testGateway) lastCall(number string) onScreen {
	g.t.Helper()
	var calls []onScreen
	if err := json.Unmarshal(g.ask("first", http.MethodGet, number+"/calls", ""), &calls); err != nil {
		g.t.Fatal(err)
	}
	if len(calls) == 0 {
		g.t.Fatalf("no call")
	}
	return calls[len(calls)-1]
}

// act answers, presses or hangs up.
func (g *testGateway) act(call onScreen, what, body string) {
	g.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/sandbox/api/calls/"+call.ID+"/"+what, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	g.phones["first"].Handler().ServeHTTP(w, r)
	if w.Code != http.StatusNoContent {
		g.t.Fatalf("%s: %d %s", what, w.Code, w.Body)
	}
}

// answer answers the phone and waits until it asks for keys.
func (g *testGateway) answer(number string) onScreen {
	g.t.Helper()
	for range 500 {
		if c := g.lastCall(number); c.Status == "ringing" {
			g.act(c, "answer", "")
		} else if c.Listening {
			return c
		}
		time.Sleep(10 * time.Millisecond)
	}
	g.t.Fatalf("the call never asks for keys: %+v", g.lastCall(number))
	return onScreen{}
}

// becomes waits for a verification to have a status.
func (g *testGateway) becomes(v *gateway.Verification, want gateway.Status) *gateway.Verification {
	g.t.Helper()
	var got *gateway.Verification
	for range 500 {
		var err error
		if got, err = g.Get(g.t.Context(), g.app("portal"), string(v.ID)); err != nil {
			g.t.Fatal(err)
		}
		if got.Status == want {
			return got
		}
		time.Sleep(10 * time.Millisecond)
	}
	g.t.Fatalf("it is %s, want %s", got.Status, want)
	return nil
}

func (g *testGateway) dial(r gateway.StartRequest) *gateway.Verification {
	g.t.Helper()
	r.To, r.Channel = mobile, gateway.Voice
	v, err := g.Start(g.t.Context(), g.app("portal"), r)
	if err != nil {
		g.t.Fatal(err)
	}
	return v
}

func TestCallConfirms(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		v := g.dial(gateway.StartRequest{})
		if v.Channel != gateway.Voice || v.Mode != gateway.ModeConfirm || v.ShownCode != "" || v.Deliveries[0].Segments != 0 {
			t.Errorf("%+v", v)
		}
		call := g.answer("+819012345678")
		if said := strings.Join(call.Said, " "); !strings.Contains(said, "Example") || !strings.Contains(said, "シャープ") {
			t.Errorf("it said %q", said)
		}
		g.act(call, "press", `{"digits":"#"}`)
		got := g.becomes(v, gateway.Approved)
		if got.Deliveries[0].Status != providers.Confirmed || got.AttemptsRemaining() != 5 {
			t.Errorf("%+v", got)
		}
		// Keys after approval change nothing.
		if verdict, err := g.Press(t.Context(), "first", call.Delivery, "0#"); err != nil || verdict != ivr.Over {
			t.Errorf("%v, %v", verdict, err)
		}
		g.becomes(v, gateway.Approved)
	})
}

func TestCallDeniesAndBlocks(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		v := g.dial(gateway.StartRequest{Reference: "attacker"})
		call := g.answer("+819012345678")
		g.act(call, "press", `{"digits":"0"}`)
		g.answer("+819012345678")
		g.act(call, "press", `{"digits":"#"}`)
		if got := g.becomes(v, gateway.Denied); got.Deliveries[0].Status != providers.Denied {
			t.Errorf("%+v", got.Deliveries)
		}
		g.clock.pass(23 * time.Hour)
		for _, ch := range []gateway.Channel{gateway.SMS, gateway.Voice} {
			_, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: mobile, Channel: ch, Reference: "another"})
			if gateway.CodeOf(err) != gateway.CodeBlocked {
				t.Errorf("%s after the denial: %v", ch, err)
			}
		}
		g.clock.pass(time.Hour)
		g.start(mobile)
	})
}

// TestKeyedMode: the digits on the page approve on the phone, and nowhere else.
func TestKeyedMode(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		v := g.dial(gateway.StartRequest{Mode: gateway.ModeKeyed})
		if len(v.ShownCode) != 6 {
			t.Fatalf("%+v", v)
		}
		if valid, _, err := g.Check(t.Context(), g.app("portal"), string(v.ID), v.ShownCode); valid || err != nil {
			t.Fatalf("who sees the page answers for the phone: %v, %v", valid, err)
		}
		call := g.answer("+819012345678")
		if slices.ContainsFunc(call.Said, func(s string) bool { return strings.Contains(s, v.ShownCode) }) {
			t.Errorf("the call gives the digits away: %q", call.Said)
		}
		g.act(call, "press", `{"digits":"`+other(v.ShownCode)+`#"}`)
		g.answer("+819012345678")
		if got, _ := g.Get(t.Context(), g.app("portal"), string(v.ID)); got.AttemptsRemaining() != 3 || got.Status != gateway.Pending {
			t.Errorf("after wrong digits: %+v", got)
		}
		g.act(call, "press", `{"digits":"`+v.ShownCode+`#"}`)
		if got := g.becomes(v, gateway.Approved); got.ShownCode != "" {
			t.Errorf("%+v", got)
		}
	})
}

func TestCodeByCall(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		v := g.start(mobile)
		code := g.lastCode("+819012345678")
		g.settle(v)
		again, err := g.Resend(t.Context(), g.app("portal"), string(v.ID), gateway.Voice)
		if err != nil || again.Mode != gateway.ModeCode || again.Channel != gateway.Voice {
			t.Fatalf("%+v, %v", again, err)
		}
		call := g.answer("+819012345678")
		var spoken strings.Builder
		for _, s := range call.Said {
			for _, digit := range s {
				if digit >= '0' && digit <= '9' && len(s) == 1 {
					spoken.WriteRune(digit)
				}
			}
		}
		if spoken.String() != code+code && spoken.Len() > 0 {
			t.Errorf("it read %q, want the code twice", spoken.String())
		}
		if valid, _, err := g.Check(t.Context(), g.app("portal"), string(v.ID), code); !valid || err != nil {
			t.Errorf("%v, %v", valid, err)
		}
		if _, err := g.Script(t.Context(), call.Delivery); err == nil {
			t.Error("a code that is over would be read out")
		}
	})
}

func TestOneCallAtOnce(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		v := g.dial(gateway.StartRequest{})
		g.clock.pass(time.Minute)
		_, err := g.Resend(t.Context(), g.app("portal"), string(v.ID), gateway.Voice)
		if gateway.CodeOf(err) != gateway.CodeRateLimited || !strings.Contains(err.Error(), string(gateway.LimitCalls)) {
			t.Errorf("a second call while the first rings: %v", err)
		}
		g.act(g.lastCall("+819012345678"), "hangup", "")
		for range 500 {
			if got, _ := g.Get(t.Context(), g.app("portal"), string(v.ID)); got.Deliveries[0].Status.Final() {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if _, err := g.Resend(t.Context(), g.app("portal"), string(v.ID), gateway.Voice); err != nil {
			t.Errorf("after the first is over: %v", err)
		}
	})
}

func TestPressFromElsewhere(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		v := g.dial(gateway.StartRequest{})
		sms := g.becomes(v, gateway.Pending)
		for _, p := range []struct{ provider, delivery, keys string }{
			{"second", string(v.ID) + ".1", "#"}, // another carrier's
			{"first", string(v.ID) + ".2", "#"},
			{"first", string(v.ID) + ".0", "#"},
			{"first", "vf_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.1", "#"},
			{"first", "", "#"},
		} {
			if verdict, err := g.Press(t.Context(), p.provider, p.delivery, p.keys); err != nil || verdict != ivr.Over {
				t.Errorf("%+v: %v, %v", p, verdict, err)
			}
		}
		for _, keys := range []string{"", "1", "##", "123456", "9#"} {
			if verdict, err := g.Press(t.Context(), "first", string(v.ID)+".1", keys); err != nil || verdict != ivr.Wrong {
				t.Errorf("%q: %v, %v", keys, verdict, err)
			}
		}
		if got := g.becomes(v, gateway.Pending); got.Attempts != sms.Attempts {
			t.Errorf("%+v", got)
		}
	})
}

// TestCallsAreLimited: calls and messages share the hour and the day, not the cooldown.
func TestCallsAreLimited(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		g.start(mobile)
		g.dial(gateway.StartRequest{})
		_, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: mobile, Channel: gateway.Voice})
		if gateway.CodeOf(err) != gateway.CodeRateLimited || !strings.Contains(err.Error(), string(ratelimit.NumberCooldown)) {
			t.Errorf("%v", err)
		}
	})
}

// TestCallKeepsNoBadOrigin: a call says neither the origin nor the app hash, but its
// record keeps them, and its fields must not be what a caller makes of them.
func TestCallKeepsNoBadOrigin(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		for _, tt := range []struct {
			field string
			r     gateway.StartRequest
		}{
			{"origin", gateway.StartRequest{Origin: "example.jp\nvf other first sms |JP"}},
			{"origin", gateway.StartRequest{Origin: "example.jp||Another brand"}},
			{"origin", gateway.StartRequest{Origin: "http://example.jp/path"}},
			{"app_hash", gateway.StartRequest{AppHash: "a|b|c|d|e|f"}},
			{"app_hash", gateway.StartRequest{AppHash: "FA+9qCX9VSu", Origin: "example.jp"}},
		} {
			tt.r.To, tt.r.Channel = mobile, gateway.Voice
			v, err := g.Start(t.Context(), g.app("portal"), tt.r)
			var refused *gateway.Error
			if !errors.As(err, &refused) || refused.Code != gateway.CodeInvalidRequest || refused.Field != tt.field {
				t.Errorf("%q %q: %+v, %v", tt.r.Origin, tt.r.AppHash, v, err)
			}
		}
		v := g.dial(gateway.StartRequest{Origin: "https://example.jp"})
		if got, err := g.Get(t.Context(), g.app("portal"), string(v.ID)); err != nil || got.Origin != "https://example.jp" || got.Brand != "" {
			t.Errorf("%+v, %v", got, err)
		}
		g.clock.pass(time.Hour)
		swept, err := g.store.Sweep(t.Context())
		if err != nil || len(swept.MovingOn) != 0 || len(swept.Expired) != 1 || swept.Expired[0].ID != v.ID {
			t.Errorf("swept %+v, %v", swept, err)
		}
	})
}

// TestKeyedCallOutlivesItsCodeLength: a configuration with longer codes doesn't make
// the digits on the page too few.
func TestKeyedCallOutlivesItsCodeLength(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		v := g.dial(gateway.StartRequest{Mode: gateway.ModeKeyed})
		longer := g.Policy().Config
		longer.Defaults.CodeLength = 8
		policy, err := gateway.NewPolicy(longer, g.Policy().Routes())
		if err != nil {
			t.Fatal(err)
		}
		g.SetPolicy(policy)
		if script, err := g.Script(t.Context(), string(v.ID)+".1"); err != nil || script.Digits != len(v.ShownCode) {
			t.Errorf("the call asks for %d digits, the page shows %d: %v", script.Digits, len(v.ShownCode), err)
		}
		g.act(g.lastCall("+819012345678"), "hangup", "")
		g.clock.pass(4 * time.Minute)
		if _, err := g.Resend(t.Context(), g.app("portal"), string(v.ID), ""); err != nil {
			t.Fatal(err)
		}
		call := g.answer("+819012345678")
		g.act(call, "press", `{"digits":"`+v.ShownCode+`#"}`)
		g.becomes(v, gateway.Approved)
	})
}

package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/ivr"
)

// TestAnswerGotLost makes requests again whose first answer never came: the
// check that approved is valid again, the wrong one is counted once, and the
// resend sends nothing more.
func TestAnswerGotLost(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		app, ctx := g.app("portal"), t.Context()
		v, err := g.Start(ctx, app, gateway.StartRequest{To: "+819012345678"})
		if err != nil {
			t.Fatal(err)
		}
		id, code := string(v.ID), g.lastCode("+819012345678")

		g.clock.pass(31 * time.Second)
		for range 2 {
			again, err := g.ResendOnce(ctx, app, id, gateway.SMS, "resend")
			if err != nil || again.Sends != 2 || len(again.Deliveries) != 2 {
				t.Fatalf("resend: %+v, %v", again, err)
			}
		}
		if _, err := g.ResendOnce(ctx, app, id, gateway.SMS, "another"); gateway.CodeOf(err) != gateway.CodeRateLimited {
			t.Errorf("another resend: %v", err)
		}

		for i, try := range []struct {
			code    string
			request gateway.StoreName
			valid   bool
			err     gateway.Code
		}{
			{other(code), "check", false, ""},
			{other(code), "check", false, ""},
			{other(code), "another", false, ""},
			{code, "check", true, ""},
			{code, "check", true, ""},
			{other(code), "check", false, gateway.CodeNotPending},
			{code, "another", false, gateway.CodeNotPending},
			{code, "", false, gateway.CodeNotPending},
		} {
			valid, v, err := g.CheckOnce(ctx, app, id, try.code, try.request)
			if valid != try.valid || gateway.CodeOf(err) != try.err {
				t.Errorf("check %d: %v, %v; want %v, %q", i, valid, err, try.valid, try.err)
			}
			if valid && (v.Status != gateway.Approved || v.Attempts != 3) {
				t.Errorf("check %d: %+v", i, v)
			}
		}
		if _, _, err := g.CheckOnce(ctx, g.app("other"), id, code, "check"); gateway.CodeOf(err) != gateway.CodeNotFound {
			t.Errorf("another app's request: %v", err)
		}
		counted := `# HELP denwa_checks_total Codes that came back, by what became of them.
# TYPE denwa_checks_total counter
denwa_checks_total{app="other",result="approved"} 0
denwa_checks_total{app="other",result="refused"} 1
denwa_checks_total{app="other",result="wrong"} 0
denwa_checks_total{app="portal",result="approved"} 1
denwa_checks_total{app="portal",result="refused"} 3
denwa_checks_total{app="portal",result="wrong"} 2
`
		if err := testutil.GatherAndCompare(g.registry, strings.NewReader(counted), "denwa_checks_total"); err != nil {
			t.Error(err)
		}
	})
}

// TestVerdictGotLost asks again what keys mean whose verdict never came: it is the
// same, and wrong digits are counted once.
func TestVerdictGotLost(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		press := func(v *gateway.Verification, keys string, want ivr.Verdict) {
			t.Helper()
			if got, err := g.Press(t.Context(), "first", string(v.ID)+".1", keys); got != want || err != nil {
				t.Errorf("%s: %q, %v; want %q", keys, got, err, want)
			}
		}
		begin := func(to string, mode gateway.Mode) *gateway.Verification {
			t.Helper()
			v, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: to, Channel: gateway.Voice, Mode: mode})
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		confirmed := begin("090-1234-5671", gateway.ModeConfirm)
		press(confirmed, "#", ivr.Approved)
		press(confirmed, "#", ivr.Approved)
		press(confirmed, "0#", ivr.Over)

		denied := begin("090-1234-5672", gateway.ModeConfirm)
		press(denied, "0#", ivr.Denied)
		press(denied, "0#", ivr.Denied)
		press(denied, "#", ivr.Over)

		keyed := begin("090-1234-5673", gateway.ModeKeyed)
		wrong := other(keyed.ShownCode)
		press(keyed, wrong, ivr.Wrong)
		press(keyed, wrong, ivr.Wrong)
		press(keyed, keyed.ShownCode, ivr.Approved)
		press(keyed, keyed.ShownCode, ivr.Approved)
		press(keyed, wrong, ivr.Over)
		if got := g.becomes(keyed, gateway.Approved); got.Attempts != 2 {
			t.Errorf("%d attempts, want 2", got.Attempts)
		}

		failed := begin("090-1234-5674", gateway.ModeKeyed)
		for i := range failed.MaxAttempts {
			typed := failed.ShownCode[:5] + string('0'+(failed.ShownCode[5]-'0'+byte(i)+1)%10)
			want := ivr.Wrong
			if i == failed.MaxAttempts-1 {
				want = ivr.Over
			}
			press(failed, typed, want)
			press(failed, typed, want)
		}
		g.becomes(failed, gateway.Failed)

		// What wasn't proved on this call isn't told as if it had been.
		elsewhere := begin("090-1234-5675", gateway.ModeConfirm)
		if _, err := g.Approve(t.Context(), g.app("portal"), string(elsewhere.ID)); err != nil {
			t.Fatal(err)
		}
		press(elsewhere, "#", ivr.Over)
	})
}

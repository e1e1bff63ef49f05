package gateway_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/providers"
)

// TestFinishedByProvider: a verification that ended counts for the provider that
// brought it last, whoever noticed its end, and what is to be expected begins at zero.
func TestFinishedByProvider(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGatewayWith(t, client, client, func(c *gateway.Config) { c.Apps[0].Countries = []string{"JP", "001"} })
		portal := g.app("portal")
		check := func(v *gateway.Verification) {
			t.Helper()
			if valid, _, err := g.Check(t.Context(), portal, string(v.ID), g.lastCode(v.To)); !valid || err != nil {
				t.Errorf("%v, %v", valid, err)
			}
		}
		check(g.start("090-1234-0001"))
		g.fail("first", "+819012340002", providers.Unavailable)
		check(g.start("090-1234-0002"))
		if _, err := g.Cancel(t.Context(), portal, string(g.start("090-1234-0003").ID)); err != nil {
			t.Fatal(err)
		}
		late := g.start("090-1234-0004")
		code := g.lastCode(late.To)
		g.start("090-1234-0005")
		g.fail("first", "+819012340006", providers.Unavailable)
		g.start("090-1234-0006")
		g.start("+883 5100 0000 0001") // of no country
		called := g.start("090-1234-0007")
		g.clock.pass(time.Minute)
		if _, err := g.Resend(t.Context(), portal, string(called.ID), gateway.Voice); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Dispatch(t.Context(), portal, gateway.DispatchRequest{To: "090-1234-0008", Message: "hello"}); err != nil {
			t.Fatal(err)
		}
		g.clock.pass(11 * time.Minute)
		if _, _, err := g.Check(t.Context(), portal, string(late.ID), code); gateway.CodeOf(err) != gateway.CodeNotPending {
			t.Error(err)
		}
		if err := g.MoveOnNow(t.Context()); err != nil {
			t.Fatal(err)
		}

		got := g.counts("denwa_provider_verifications_finished_total", "provider", "channel", "country", "result")
		if want := 2 * 2 * 5 * 2; len(got) != want { // providers, channels, results; Japan and no country
			t.Errorf("%d series, want %d", len(got), want)
		}
		maps.DeleteFunc(got, func(_ string, n float64) bool { return n == 0 })
		if diff := cmp.Diff(map[string]float64{
			"first sms JP approved": 1, "second sms JP approved": 1, "first sms JP canceled": 1,
			"first sms JP expired":     2, // one was checked too late
			"first voice none expired": 1, // networks of no country are called
			"second sms JP expired":    1,
			"first voice JP expired":   1,
		}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for _, name := range []string{"started", "finished"} {
			if n := g.counts("denwa_verifications_"+name+"_total", "country")["none"]; n != 1 {
				t.Errorf("%v %s of no country", n, name)
			}
		}
	})
}

// TestFinishedByNobodyKnown: which providers have series is up to the configuration,
// not to what the store remembers.
func TestFinishedByNobodyKnown(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		before := newGateway(t, client)
		before.start(mobile) // by the first one
		after := newGatewayOf(t, client, client, nil,
			[]providers.Route{{Channel: gateway.SMS, Providers: []string{"second"}}}, func(*gateway.Config) {})
		after.clock.set(before.clock.read().Add(11 * time.Minute))
		if err := after.MoveOnNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := after.counts("denwa_verifications_finished_total", "app", "channel", "country", "result"); got["portal sms JP expired"] != 1 {
			t.Errorf("ended at all: %v", got)
		}
		got := after.counts("denwa_provider_verifications_finished_total", "provider", "result")
		want := map[string]float64{"second approved": 0, "second canceled": 0, "second denied": 0, "second expired": 0, "second failed": 0}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// counts are the sums of a counter's series, by the values of these labels.
func (g *testGateway) counts(name string, labels ...string) map[string]float64 {
	g.t.Helper()
	families, err := g.registry.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, s := range f.GetMetric() {
			values := map[string]string{}
			for _, l := range s.GetLabel() {
				values[l.GetName()] = l.GetValue()
			}
			var words []string
			for _, l := range labels {
				words = append(words, values[l])
			}
			all[strings.Join(words, " ")] += s.GetCounter().GetValue()
		}
	}
	return all
}

package gateway_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/providers"
	"denwa/ratelimit"
)

// guarded has rules that three starts use up, and that each approval gives two
// starts back.
func guarded(mode gateway.FraudMode) func(*gateway.Config) {
	three := ratelimit.Limit{Burst: 3, Count: 3, Period: time.Hour}
	return func(c *gateway.Config) {
		c.Fraud = gateway.Fraud{Mode: mode, Conversion: 0.5, RangeDigits: 4, Range: three, Country: three, Budget: three}
	}
}

// in is the n-th number of a range.
func in(prefix string, n int) string { return fmt.Sprintf("%s%04d", prefix, n) }

// starts has the portal start, and returns "" or the limit that refused.
func (g *testGateway) starts(to string, change ...func(*gateway.StartRequest)) (v *gateway.Verification, limit string) {
	g.t.Helper()
	r := gateway.StartRequest{To: to}
	for _, c := range change {
		c(&r)
	}
	v, err := g.Start(g.t.Context(), g.app("portal"), r)
	if refused := (*gateway.Error)(nil); errors.As(err, &refused) && refused.Code == gateway.CodeRateLimited {
		return nil, refused.Limit
	}
	if err != nil {
		g.t.Fatal(err)
	}
	return v, ""
}

func (g *testGateway) approve(v *gateway.Verification) {
	g.t.Helper()
	valid, _, err := g.Check(g.t.Context(), g.app(v.App), string(v.ID), g.lastCode(v.To))
	if err != nil || !valid {
		g.t.Fatal(valid, err)
	}
	g.givenBack()
}

func (g *testGateway) givenBack() {
	g.t.Helper()
	if err := g.GiveBackNow(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
}

// decisions are what fraud rules decided, as rule and action.
func (g *testGateway) decisions() map[string]float64 {
	g.t.Helper()
	found := g.counts("denwa_fraud_decisions_total", "rule", "action")
	maps.DeleteFunc(found, func(_ string, n float64) bool { return n == 0 })
	return found
}

// TestFraudRange: starts that lead nowhere use a range up, for one app; each
// approval gives back what the conversion says.
func TestFraudRange(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGatewayWith(t, client, client, guarded(gateway.FraudEnforce))
		expect := func(what, to, want string) *gateway.Verification {
			t.Helper()
			v, limit := g.starts(to)
			if limit != want {
				t.Errorf("%s is refused by %q, want %q", what, limit, want)
			}
			return v
		}
		for n := range 3 {
			expect("an early start", in("+81901234", n), "")
		}
		expect("the fourth start", in("+81901234", 3), "fraud_range")
		if n := len(g.messages(in("+81901234", 3))); n != 0 {
			t.Errorf("%d messages were sent", n)
		}
		expect("another range", in("+81901235", 3), "")
		if _, err := g.Start(t.Context(), g.app("other"), gateway.StartRequest{To: in("+81901234", 4)}); err != nil {
			t.Errorf("another app: %v", err)
		}

		g.clock.pass(20 * time.Minute) // one is regained
		v := expect("a start after a third of the period", in("+81901234", 5), "")
		g.approve(v)
		expect("the first start after an approval", in("+81901234", 6), "")
		expect("the second start after an approval", in("+81901234", 7), "")
		expect("the third start after an approval", in("+81901234", 8), "fraud_range")
		if diff := cmp.Diff(map[string]float64{"range refused": 2}, g.decisions()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestFraudSparesHolders: who drains a range doesn't lock out those who proved
// to hold a number of it; only them, and only for that number.
func TestFraudSparesHolders(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGatewayWith(t, client, client, guarded(gateway.FraudEnforce))
		alice := func(r *gateway.StartRequest) { r.Reference = "alice" }
		v, _ := g.starts(in("+81901234", 0), alice)
		g.approve(v)
		for n := range 3 {
			g.starts(in("+81901234", 1+n))
		}
		g.clock.pass(31 * time.Second)
		for to, want := range map[string]string{in("+81901234", 0): "", in("+81901234", 9): "fraud_range"} {
			if _, limit := g.starts(to, alice); limit != want {
				t.Errorf("alice with %s is refused by %q, want %q", to, limit, want)
			}
		}
		if _, limit := g.starts(in("+81901234", 0), func(r *gateway.StartRequest) { r.Reference = "bob" }); limit != "fraud_range" {
			t.Errorf("a stranger with alice's number is refused by %q", limit)
		}
		if diff := cmp.Diff(map[string]float64{"range refused": 2, "range exempted": 1}, g.decisions()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestFraudCountsWhatIsSent: a start that sends nothing leaves no mark, and one
// that is refused as fraud costs nothing else.
func TestFraudCountsWhatIsSent(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGatewayWith(t, client, client, func(c *gateway.Config) {
			guarded(gateway.FraudEnforce)(c)
			c.Limits.App = ratelimit.Limit{Burst: 20, Count: 1, Period: time.Hour}
		})
		number := in("+81901234", 0)
		g.starts(number)
		for range 3 {
			if _, limit := g.starts(number); limit != string(ratelimit.NumberCooldown) {
				t.Fatalf("the second start of a number is refused by %q", limit)
			}
			g.givenBack()
		}
		g.fail("first", in("+81901234", 1), providers.Unavailable)
		g.fail("second", in("+81901234", 1), providers.Unavailable)
		if _, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: in("+81901234", 1)}); gateway.CodeOf(err) != gateway.CodeDeliveryFailed {
			t.Fatal(err)
		}
		g.givenBack()
		for n, want := range []string{"", "", "fraud_range"} {
			if _, limit := g.starts(in("+81901234", 2+n)); limit != want {
				t.Errorf("start %d is refused by %q, want %q", n, limit, want)
			}
		}
		for n := range 50 {
			g.starts(in("+81901234", 10+n))
		}
		if _, limit := g.starts(in("+81901235", 0)); limit != "" {
			t.Errorf("after many refusals, another range is refused by %q", limit)
		}
	})
}

// TestFraudModes: recording changes nothing for anybody and tells all; off, the
// store has nothing of it.
func TestFraudModes(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGatewayWith(t, client, client, guarded(gateway.FraudRecord))
		for n := range 5 {
			if _, limit := g.starts(in("+81901234", n)); limit != "" {
				t.Errorf("start %d is refused by %s", n, limit)
			}
		}
		if diff := cmp.Diff(map[string]float64{"range recorded": 2}, g.decisions()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n := bytes.Count(g.log.Bytes(), []byte(`"msg":"start looks like fraud","app":"portal","rule":"range","action":"recorded","country":"JP","number":"+81 90-****-000`)); n != 2 {
			t.Errorf("%d lines in the log:\n%s", n, g.log.Bytes())
		}
		keys := func() (found []string) {
			all, err := client.Keys(t.Context(), "*fraud*").Result()
			if err != nil {
				t.Fatal(err)
			}
			return all
		}
		if n := len(keys()); n != 1 {
			t.Errorf("%d keys: %q", n, keys())
		}
		for _, key := range keys() {
			if strings.Contains(key, "81901234") {
				t.Errorf("a key tells the range: %s", key)
			}
		}
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		off := newGatewayWith(t, client, client, guarded(gateway.FraudOff))
		v, _ := off.starts(in("+81901234", 9))
		off.approve(v)
		if len(keys()) != 0 || len(off.decisions()) != 0 {
			t.Errorf("off: keys %q, decisions %v", keys(), off.decisions())
		}
	})
}

// TestFraudAbroad: what isn't the app's own country has rules of its own. No
// approval gives the budget anything back, and texts of an app's own count there.
func TestFraudAbroad(t *testing.T) {
	korea := func(n int) string { return fmt.Sprintf("+82102000%04d", n) }
	dispatch := func(g *testGateway, to string) string {
		_, err := g.Dispatch(t.Context(), g.app("portal"), gateway.DispatchRequest{To: to, Channel: gateway.SMS, Message: "Hello"})
		if refused := (*gateway.Error)(nil); errors.As(err, &refused) {
			return refused.Limit
		}
		return ""
	}
	each(t, func(t *testing.T, client redis.UniversalClient) {
		for rule, wants := range map[gateway.FraudRule]struct{ approved, dispatched string }{
			gateway.FraudCountry: {"", ""},
			gateway.FraudBudget:  {"fraud_budget", "fraud_budget"},
		} {
			t.Run(string(rule), func(t *testing.T) {
				if err := client.FlushAll(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				g := newGatewayWith(t, client, client, func(c *gateway.Config) {
					guarded(gateway.FraudEnforce)(c)
					c.Fraud.Range.Count = 0
					if rule == gateway.FraudBudget {
						c.Fraud.Country.Count = 0
					} else {
						c.Fraud.Budget.Count = 0
					}
				})
				var v *gateway.Verification
				for n := range 3 {
					v, _ = g.starts(korea(n))
				}
				if _, limit := g.starts(korea(3)); limit != string(rule.Limit()) {
					t.Errorf("the fourth start is refused by %q", limit)
				}
				if limit := dispatch(g, korea(4)); limit != wants.dispatched {
					t.Errorf("a text of the app's own is refused by %q, want %q", limit, wants.dispatched)
				}
				for n := range 5 {
					if _, limit := g.starts(in("+81901234", n)); limit != "" {
						t.Errorf("a start at home is refused by %s", limit)
					}
				}
				g.approve(v)
				if _, limit := g.starts(korea(5)); limit != wants.approved {
					t.Errorf("after an approval refused by %q, want %q", limit, wants.approved)
				}
			})
		}
	})
}

// TestFraudSimulation: two hours of people, of whom seven in ten read the code, in
// ranges all over the country, and of an attacker with one range, who reads none.
// With the defaults all people get theirs, and the attacker what the range holds.
func TestFraudSimulation(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGatewayWith(t, client, client, func(c *gateway.Config) { c.Fraud.Mode = gateway.FraudEnforce })
		chance := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // G404: a simulation.
		const minutes, attacks = 120, 4
		people, sent, lost := 0, 0, 0
		for minute := range minutes {
			g.clock.pass(time.Minute)
			for range 2 {
				people++
				v, limit := g.starts(fmt.Sprintf("+8190%08d", 20000000+chance.IntN(70000000)))
				if limit != "" {
					lost++
				} else if chance.Float64() < 0.7 {
					g.approve(v)
				}
			}
			for n := range attacks {
				if _, limit := g.starts(in("+81901234", minute*attacks+n)); limit == "" {
					sent++
				}
			}
		}
		if lost > 0 {
			t.Errorf("%d of %d people were refused", lost, people)
		}
		// A full bucket at first, and what is regained in two hours.
		if want := 50 + 2*50; sent < want-2 || sent > want {
			t.Errorf("%d of %d messages of the attacker were sent, want %d", sent, minutes*attacks, want)
		}
	})
}

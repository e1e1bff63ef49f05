package gateway_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/gateway/phone"
	"denwa/ratelimit"
)

func parsed(t *testing.T, text string) phone.Number {
	t.Helper()
	n, err := phone.Parse(text, phone.Options{Region: "JP"})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (g *testGateway) desk() *gateway.Desk { return gateway.NewDesk(g.store, g.keys, g.Policy()) }

// refusedAsBlocked reports whether a start for number is refused, and for how long.
func (g *testGateway) refusedAsBlocked(number string) (time.Duration, bool) {
	g.t.Helper()
	_, err := g.Start(g.t.Context(), g.app("portal"), gateway.StartRequest{To: number})
	var refused *gateway.Error
	if err == nil {
		return 0, false
	}
	if !errors.As(err, &refused) || refused.Code != gateway.CodeBlocked {
		g.t.Fatal(err)
	}
	return refused.RetryAfter, true
}

func TestOperatorBlocksANumber(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx, g := t.Context(), newGateway(t, client)
		desk, n := g.desk(), parsed(t, "090-1234-5678")
		if was, err := desk.Unblock(ctx, n, "carol", ""); err != nil || was {
			t.Fatal("unblocked what wasn't blocked:", was, err)
		}
		pending := g.start("090-1234-5678")
		code := g.lastCode("+819012345678")
		g.clock.pass(time.Minute)
		until, err := desk.Block(ctx, n, "carol", "asked by phone", 2*time.Hour)
		if err != nil || !until.Equal(g.clock.read().Add(2*time.Hour)) {
			t.Fatal(until, err)
		}
		if wait, is := g.refusedAsBlocked("+819012345678"); !is || wait != 2*time.Hour {
			t.Error("a start isn't refused:", wait, is)
		}
		var refused *gateway.Error
		if _, err := g.Resend(ctx, g.app("portal"), string(pending.ID), gateway.SMS); !errors.As(err, &refused) || refused.Code != gateway.CodeBlocked {
			t.Error("a resend isn't refused:", err)
		}
		if valid, _, err := g.Check(ctx, g.app("portal"), string(pending.ID), code); err != nil || !valid {
			t.Error("what was sent before can't be checked:", valid, err)
		}
		r, err := desk.Number(ctx, n)
		if err != nil || !r.BlockedUntil.Equal(until) || r.Block == nil || r.Block.By != "carol" || r.Block.Reason != "asked by phone" {
			t.Errorf("%+v, %v", r, err)
		}
		blockedAt := g.clock.read()
		g.clock.pass(time.Second)
		if was, err := desk.Unblock(ctx, n, "dave", "a mistake"); err != nil || !was {
			t.Fatal(was, err)
		}
		if _, is := g.refusedAsBlocked("+819012345678"); is {
			t.Error("still blocked")
		}

		log, err := desk.Audit(ctx, time.Time{})
		if err != nil || len(log) != 2 {
			t.Fatalf("%+v, %v", log, err)
		}
		for i, want := range []gateway.AuditRecord{
			{AuditEntry: gateway.AuditEntry{At: blockedAt, Action: gateway.AuditBlock, By: "carol", Until: until}, Reason: "asked by phone"},
			{AuditEntry: gateway.AuditEntry{At: g.clock.read(), Action: gateway.AuditUnblock, By: "dave"}, Reason: "a mistake"},
		} {
			if e := log[i]; e.Action != want.Action || e.By != want.By || e.Reason != want.Reason || !e.Until.Equal(want.Until) ||
				e.To != "+819012345678" || e.Masked != n.Masked || e.Country != "JP" || !e.At.Equal(want.At) {
				t.Errorf("entry %d: %+v", i, e)
			}
		}
		if log, err := desk.Audit(ctx, g.clock.read().Add(time.Microsecond)); err != nil || len(log) != 0 {
			t.Errorf("since later: %+v, %v", log, err)
		}
	})
}

// TestBlocksOfHolderAndOperator: the longer one holds, and who made it is known.
func TestBlocksOfHolderAndOperator(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx, g := t.Context(), newGateway(t, client)
		desk, n := g.desk(), parsed(t, "03-1234-5678")
		deny := func(whileRinging func()) {
			t.Helper()
			r := gateway.Record{ID: g.keys.NewID(g.keys.NumberName(n.E164), 6, nil), App: "portal", Number: g.keys.NumberName(n.E164)}
			r.SealedTo = g.keys.Seal("to", string(r.ID), []byte("2"+n.E164+";"))
			begin := gateway.Begin{Channel: gateway.Voice, MaxAttempts: 5, MaxSends: 5, Life: time.Minute, Provider: "first"}
			if c, err := g.store.Start(ctx, r, begin, gateway.Rules{}, time.Hour); err != nil || c.Effect != gateway.EffectCreated {
				t.Fatal(c.Refusal, err)
			}
			whileRinging()
			if c, err := g.store.Apply(ctx, r.ID, "", gateway.Deny{Call: 1}, gateway.Rules{Block: 24 * time.Hour}); err != nil || c.Effect != gateway.EffectDenied {
				t.Fatal(c.Refusal, err)
			}
		}
		block := func(life time.Duration) func() {
			return func() {
				if _, err := desk.Block(ctx, n, "carol", "fraud", life); err != nil {
					t.Fatal(err)
				}
			}
		}
		deny(block(time.Hour))
		if r, err := desk.Number(ctx, n); err != nil || r.Block != nil || !r.BlockedUntil.Equal(g.clock.read().Add(24*time.Hour)) {
			t.Errorf("the holder's longer block doesn't hold: %+v, %v", r, err)
		}
		g.clock.pass(24 * time.Hour)
		deny(func() {})
		if r, err := desk.Number(ctx, n); err != nil || r.Block != nil || !r.BlockedUntil.Equal(g.clock.read().Add(24*time.Hour)) {
			t.Errorf("the holder's block: %+v, %v", r, err)
		}
		g.clock.pass(24 * time.Hour)
		deny(block(48 * time.Hour))
		if r, err := desk.Number(ctx, n); err != nil || r.Block == nil || !r.BlockedUntil.Equal(g.clock.read().Add(48*time.Hour)) {
			t.Errorf("the holder's denial shortened an operator's block: %+v, %v", r, err)
		}
		g.clock.pass(48 * time.Hour)
		if r, err := desk.Number(ctx, n); err != nil || !r.BlockedUntil.IsZero() || r.Block != nil {
			t.Errorf("after the block: %+v, %v", r, err)
		}
	})
}

func TestDeskShowsNumbersAndChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx, g := t.Context(), newGateway(t, client)
		desk, n := g.desk(), parsed(t, "090-1234-5678")
		fresh, err := desk.Number(ctx, n)
		if err != nil || len(client.Keys(ctx, "*").Val()) != 0 {
			t.Fatal("showing a number wrote something:", err, client.Keys(ctx, "*").Val())
		}
		v := g.start("090-1234-5678")
		g.settle(v)
		r, err := desk.Number(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range r.Stranger.Limits {
			spent := l.Name == ratelimit.NumberHour || l.Name == ratelimit.NumberDay || l.Name == ratelimit.NumberCooldown && l.Channel == gateway.SMS
			want := fresh.Stranger.Limits[i].Left
			if spent {
				want--
			}
			if l.Left != want || (l.RetryAfter > 0) != (l.Left == 0) {
				t.Errorf("%+v, want %d left", l, want)
			}
			if r.Holder.Limits[i] != fresh.Holder.Limits[i] {
				t.Errorf("a stranger spent the holder's: %+v", r.Holder.Limits[i])
			}
		}
		if len(r.Stranger.Limits) != 5 {
			t.Errorf("limits: %+v", r.Stranger.Limits)
		}

		got, err := desk.Verification(ctx, string(v.ID))
		if err != nil || got.App != "portal" || got.ToMasked != n.Masked || got.Status != gateway.Pending || len(got.Deliveries) != 1 {
			t.Errorf("%+v, %v", got, err)
		}
		for _, unknown := range []string{"", "vf_", "x", string(g.keys.NewID(g.keys.NumberName(n.E164), 6, nil))} {
			var refused *gateway.Error
			if _, err := desk.Verification(ctx, unknown); !errors.As(err, &refused) || refused.Code != gateway.CodeNotFound {
				t.Errorf("%q: %v", unknown, err)
			}
		}
	})
}

func TestBlockRefusesWhatItCantKeep(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx, g := t.Context(), newGateway(t, client)
		desk, n := g.desk(), parsed(t, "090-1234-5678")
		for _, c := range []struct {
			by, reason string
			life       time.Duration
		}{
			{"", "fraud", time.Hour},
			{"carol\n", "fraud", time.Hour},
			{strings.Repeat("c", gateway.MaxOperator+1), "fraud", time.Hour},
			{"carol", "", time.Hour},
			{"carol", "\x1b[31m", time.Hour},
			{"carol", strings.Repeat("x", gateway.MaxReason+1), time.Hour},
			{"carol", "fraud", 0},
			{"carol", "fraud", -time.Hour},
			{"carol", "fraud", gateway.MaxBlock + time.Second},
		} {
			if until, err := desk.Block(ctx, n, c.by, c.reason, c.life); err == nil {
				t.Errorf("%+v: blocked until %v", c, until)
			}
		}
		if keys := client.Keys(ctx, "*").Val(); len(keys) != 0 {
			t.Error("a refused block left", keys)
		}
	})
}

package redisstore_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"denwa/gateway"
	"denwa/providers"
	"denwa/ratelimit"
)

// TestLuaDoesAsTransition runs random histories, with time moving, through the
// scripts and through [gateway.Transition], and compares every step.
func TestLuaDoesAsTransition(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		rapid.Check(t, func(rt *rapid.T) {
			if err := client.FlushDB(context.Background()).Err(); err != nil {
				rt.Fatal(err)
			}
			newHistory(t, rt, client).run()
			requireTTLs(t, client)
		})
	})
}

// history is a world kept twice: in the store, and here.
type history struct {
	*rapid.T
	store interface {
		gateway.Store
	}
	keys  *gateway.Keyring
	now   time.Time
	rules gateway.Rules

	verifications []*modelled
	numbers       map[string]gateway.NumberState // by class and number
	blocked       map[string]time.Time           // by number
	proved        map[string][]gateway.StoreName // by number, newest first
}

// modelled is one verification of the model.
type modelled struct {
	id     gateway.ID
	app    string
	number gateway.StoreName
	party  gateway.StoreName
	class  string
	state  gateway.State
	// leased is the follow-up that a sweep has returned, until then.
	leased      gateway.FollowUp
	leasedUntil time.Time
}

func newHistory(t *testing.T, rt *rapid.T, client redis.UniversalClient) *history {
	h := &history{
		T: rt, keys: testKeyring(t), now: time.Now().Truncate(time.Microsecond).UTC(),
		numbers: map[string]gateway.NumberState{}, blocked: map[string]time.Time{}, proved: map[string][]gateway.StoreName{},
	}
	h.store = newStore(t, client).WithClock(func() time.Time { return h.now })
	gcra := func(name string) ratelimit.GCRA {
		return ratelimit.Limit{
			Burst: rapid.IntRange(1, 6).Draw(rt, name+" burst"),
			// 0 turns it off; 7 doesn't divide a second.
			Count:  rapid.SampledFrom([]int{0, 0, 1, 7}).Draw(rt, name+" count"),
			Period: rapid.SampledFrom([]time.Duration{time.Second, time.Minute}).Draw(rt, name+" period"),
		}.GCRA()
	}
	h.rules = gateway.Rules{
		Cooldown: gcra("cooldown"), Hour: gcra("hour"), Day: gcra("day"), FailedChecks: gcra("failed"),
		Lock:  gateway.Lock{After: rapid.IntRange(1, 6).Draw(rt, "lock after"), Base: 10 * time.Second, Max: 35 * time.Second},
		Block: rapid.SampledFrom([]time.Duration{0, 20 * time.Second, time.Hour}).Draw(rt, "block"),
	}
	return h
}

func (h *history) run() {
	h.Repeat(map[string]func(*rapid.T){
		"start": func(t *rapid.T) { h.begin(t) },
		"wrong": func(t *rapid.T) {
			h.apply(t, gateway.Check{Call: drawCall(t), Request: drawRequest(t), Guess: drawRequest(t)})
		},
		"right": func(t *rapid.T) {
			h.apply(t, gateway.Check{Match: true, Call: drawCall(t), Request: drawRequest(t), Guess: drawRequest(t)})
		},
		"confirm": func(t *rapid.T) { h.apply(t, gateway.Confirm{Call: drawCall(t)}) },
		"deny": func(t *rapid.T) {
			if rapid.IntRange(0, 3).Draw(t, "really") == 0 {
				h.apply(t, gateway.Deny{Call: drawCall(t)})
			}
		},
		"resend": func(t *rapid.T) {
			h.apply(t, gateway.Resend{
				Channel: drawChannel(t), Provider: "again", Segments: 2, FollowUp: drawFollowUp(t), Request: drawRequest(t),
			})
		},
		"failover": func(t *rapid.T) {
			h.apply(t, gateway.Failover{
				N: rapid.IntRange(0, 4).Draw(t, "n"), Next: rapid.SampledFrom([]string{"", "next"}).Draw(t, "next"),
				Ambiguous: rapid.Bool().Draw(t, "ambiguous"), FollowUp: drawFollowUp(t),
			})
		},
		"move on": func(t *rapid.T) {
			h.apply(t, gateway.MoveOn{
				N: rapid.IntRange(0, 4).Draw(t, "n"), Channel: drawChannel(t), Segments: 3,
				Provider: rapid.SampledFrom([]string{"", "moved", "moved"}).Draw(t, "provider"), FollowUp: drawFollowUp(t),
			})
		},
		"lost": func(t *rapid.T) { // the usual history of a follow-up
			h.lose(t)
		},
		"report": func(t *rapid.T) {
			h.apply(t, gateway.Report{
				N: rapid.IntRange(0, 4).Draw(t, "n"), Provider: rapid.SampledFrom([]string{"first", "next", "again", "moved"}).Draw(t, "provider"),
				Status: rapid.SampledFrom(append(providers.MessageStatuses(), providers.CallStatuses()...)).Draw(t, "status"),
				Kind:   rapid.SampledFrom([]providers.Kind{"", "", providers.Invalid, providers.Rejected, providers.Unavailable}).Draw(t, "kind"),
			})
		},
		"cancel": func(t *rapid.T) {
			if rapid.IntRange(0, 3).Draw(t, "really") == 0 {
				h.apply(t, gateway.Cancel{})
			}
		},
		"sweep": func(t *rapid.T) { h.sweep(t) },
		"boundary": func(t *rapid.T) { // the very microsecond at which something ends
			moments := []time.Time{h.now}
			for _, m := range h.verifications {
				moments = append(moments, m.state.ExpiresAt, m.state.FollowUp.At)
			}
			for _, n := range h.numbers {
				moments = append(moments, n.BlockedUntil, n.LockedUntil, n.Hour, n.FailedChecks, n.Cooldown[gateway.SMS])
			}
			if at := rapid.SampledFrom(moments).Draw(t, "moment"); at.After(h.now) {
				h.now = at
			}
		},
		"time": func(t *rapid.T) {
			h.now = h.now.Add(time.Duration(rapid.Int64Range(1, int64(40*time.Second)).Draw(t, "passes"))).Truncate(time.Microsecond)
		},
	})
}

func drawCall(t *rapid.T) int { return rapid.IntRange(0, 3).Draw(t, "call") }

// drawRequest is mostly a request that isn't repeated, or one of two.
func drawRequest(t *rapid.T) gateway.StoreName {
	return rapid.SampledFrom([]gateway.StoreName{"", "", "one", "two"}).Draw(t, "request")
}

func drawChannel(t *rapid.T) gateway.Channel {
	return rapid.SampledFrom([]gateway.Channel{gateway.SMS, gateway.Voice}).Draw(t, "channel")
}

func drawFollowUp(t *rapid.T) providers.FollowUp {
	f := providers.FollowUp{Then: rapid.SampledFrom([]providers.Then{"", providers.ThenProvider, providers.ThenVoice}).Draw(t, "then")}
	if f.Then != "" {
		f.Within = rapid.SampledFrom([]time.Duration{0, 15 * time.Second}).Draw(t, "within")
	}
	return f
}

// lose reports the latest delivery of some verification as lost, and moves on.
func (h *history) lose(t *rapid.T) {
	for _, m := range h.verifications {
		n := len(m.state.Deliveries)
		if m.state.Status != gateway.Pending || m.state.FollowUp.Then == "" || m.state.Deliveries[n-1].Status.Final() {
			continue
		}
		h.applyTo(t, m, gateway.Report{N: n, Provider: m.state.Deliveries[n-1].Provider, Status: providers.Undelivered})
		h.applyTo(t, m, gateway.MoveOn{N: n, Channel: drawChannel(t), Provider: "moved", Segments: 1, FollowUp: drawFollowUp(t)})
		return
	}
	t.Skip("nothing to lose")
}

func (h *history) begin(t *rapid.T) {
	number := rapid.SampledFrom([]string{"+819012345678", "+819087654321"}).Draw(t, "number")
	r := record(h.keys, rapid.SampledFrom([]string{"app", "other"}).Draw(t, "app"), number)
	if who := rapid.IntRange(0, 5).Draw(t, "party"); who > 0 {
		r.Party = h.keys.PartyName(r.App, "reference", strings.Repeat("x", who))
	}
	e := begin()
	e.Channel, e.FollowUp = drawChannel(t), drawFollowUp(t)
	e.MaxAttempts, e.MaxSends = rapid.IntRange(1, 5).Draw(t, "attempts"), rapid.IntRange(1, 3).Draw(t, "sends")
	e.Life = rapid.SampledFrom([]time.Duration{30 * time.Second, 10 * time.Minute}).Draw(t, "life")

	m := &modelled{id: r.ID, app: r.App, number: r.Number, party: r.Party, class: "u"}
	if again := rapid.IntRange(0, 9).Draw(t, "again"); again == 0 && len(h.verifications) > 0 {
		m = rapid.SampledFrom(h.verifications).Draw(t, "which") // the same request twice
		r.ID, r.App, r.Number, r.Party = m.id, m.app, m.number, m.party
	} else {
		for _, p := range h.proved[string(r.Number)] {
			if r.Party != "" && p == r.Party {
				m.class = "c"
			}
		}
	}
	want := gateway.Transition(m.state, h.numberOf(m), e, h.rules, h.now)
	got, err := h.store.Start(context.Background(), r, e, h.rules, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if want.Effect == gateway.EffectCreated {
		h.verifications = append(h.verifications, m)
	}
	h.settle(t, m, e, want, got)
}

func (h *history) apply(t *rapid.T, e gateway.Event) {
	if len(h.verifications) == 0 {
		t.Skip("nothing to apply it to")
	}
	latest := h.verifications[max(0, len(h.verifications)-3):] // older ones are mostly over
	h.applyTo(t, rapid.SampledFrom(latest).Draw(t, "verification"), e)
}

func (h *history) applyTo(t *rapid.T, m *modelled, e gateway.Event) {
	want := gateway.Transition(m.state, h.numberOf(m), e, h.rules, h.now)
	got, err := h.store.Apply(context.Background(), m.id, m.app, e, h.rules)
	if err != nil {
		t.Fatal(err)
	}
	h.settle(t, m, e, want, got)
}

// numberOf is what m shares with others.
func (h *history) numberOf(m *modelled) gateway.NumberState {
	n := h.numbers[m.class+string(m.number)]
	n.BlockedUntil = h.blocked[string(m.number)]
	return n
}

func (h *history) sweep(t *rapid.T) {
	got, err := h.store.Sweep(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	swept, moving := map[gateway.ID]gateway.Due{}, map[gateway.ID]bool{}
	for _, d := range got.Expired {
		swept[d.ID] = d
	}
	for _, id := range got.MovingOn {
		moving[id] = true
	}
	for _, m := range h.verifications {
		want := gateway.Transition(m.state, gateway.NumberState{}, gateway.Expire{}, h.rules, h.now)
		due, found := swept[m.id]
		if expired := want.Effect == gateway.EffectExpired; expired != found {
			t.Fatalf("%s: expired %v, swept %v", m.id, expired, found)
		}
		if last := len(m.state.Deliveries) - 1; found && (due.Provider != m.state.Deliveries[last].Provider || due.Channel != m.state.Deliveries[last].Channel) {
			t.Fatalf("%s: swept as %+v, of %+v", m.id, due, m.state.Deliveries)
		}
		m.state = want.State
		f := m.state.FollowUp
		moves := !f.At.IsZero() && !h.now.Before(f.At) && (f != m.leased || !h.now.Before(m.leasedUntil))
		if moves != moving[m.id] {
			t.Fatalf("%s: due to move on %v, found %v", m.id, moves, moving[m.id])
		}
		if moves {
			m.leased, m.leasedUntil = f, h.now.Add(time.Minute)
		}
	}
}

// settle compares both sides of a step and takes it over into the model.
func (h *history) settle(t *rapid.T, m *modelled, e gateway.Event, want gateway.Outcome, got gateway.Change) {
	if got.Effect != want.Effect || got.Refusal != want.Refusal {
		t.Fatalf("%+v:\n got effect %q, refusal %+v\nwant effect %q, refusal %+v", e, got.Effect, got.Refusal, want.Effect, want.Refusal)
	}
	m.state = want.State
	h.numbers[m.class+string(m.number)] = want.Number
	h.blocked[string(m.number)] = want.Number.BlockedUntil
	if want.Effect == gateway.EffectApproved && m.party != "" {
		parties := []gateway.StoreName{m.party}
		for _, p := range h.proved[string(m.number)] {
			if p != m.party && len(parties) < 4 {
				parties = append(parties, p)
			}
		}
		h.proved[string(m.number)] = parties
	}
	if want.State.Status == "" {
		return // refused before there was anything
	}
	loaded, err := h.store.Load(context.Background(), m.id, m.app)
	if err != nil {
		t.Fatal(err)
	}
	want.State.Request, want.State.Guess = "", "" // the store keeps them to itself
	for _, c := range []gateway.Change{got, loaded} {
		if !reflect.DeepEqual(c.Record.State, want.State) {
			t.Fatalf("%+v:\n got %+v\nwant %+v", e, c.Record.State, want.State)
		}
		if g, w := current(c.Number, h.now), current(want.Number, h.now); !reflect.DeepEqual(g, w) {
			t.Fatalf("%+v:\n got number %+v\nwant number %+v", e, g, w)
		}
	}
}

// current is n without what time has made meaningless, since a store may or may
// not have forgotten that.
func current(n gateway.NumberState, now time.Time) gateway.NumberState {
	still := func(t time.Time) time.Time {
		if t.After(now) {
			return t
		}
		return time.Time{}
	}
	return gateway.NumberState{
		Cooldown: map[gateway.Channel]time.Time{
			gateway.SMS: still(n.Cooldown[gateway.SMS]), gateway.Voice: still(n.Cooldown[gateway.Voice]),
		},
		Hour: still(n.Hour), Day: still(n.Day), FailedChecks: still(n.FailedChecks),
		Failures: n.Failures, LockedUntil: still(n.LockedUntil), BlockedUntil: still(n.BlockedUntil),
	}
}

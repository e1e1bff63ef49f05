package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/providers"
	"denwa/ratelimit/redistest"
)

func quietly(*gateway.Config) {}

// TestFollowUpOfTwoInstances: however many find it at once, one sends.
func TestFollowUpOfTwoInstances(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		routes := over(providers.Route{ReceiptWithin: 30 * time.Second})
		m := newMoving(t, client, routes, quietly)
		second := newMoving(t, client, routes, quietly)
		second.store.WithClock(m.clock.read)
		m.begin(gateway.SMS)
		m.clock.pass(30 * time.Second)
		var all sync.WaitGroup
		for _, g := range []*moving{m, second, m, second} {
			all.Go(func() { _ = g.MoveOnNow(context.WithoutCancel(t.Context())) })
		}
		all.Wait()
		if got := append(m.book.read(), second.book.read()...); len(got) != 2 || len(m.read().Deliveries) != 2 {
			t.Errorf("sent %v", got)
		}
	})
}

// TestFollowUpOutlivesItsInstance: one that found it and died, and one that
// recorded it and died before it sent.
func TestFollowUpOutlivesItsInstance(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		routes := over(providers.Route{ReceiptWithin: 30 * time.Second})
		m := newMoving(t, client, routes, quietly)
		m.begin(gateway.SMS)
		m.clock.pass(30 * time.Second)
		if swept, err := m.store.Sweep(t.Context()); err != nil || len(swept.MovingOn) != 1 || swept.MovingOn[0] != m.v.ID {
			t.Fatal(swept, err)
		}
		m.after(59 * time.Second)
		if got := m.book.read(); len(got) != 1 {
			t.Fatalf("sent %v, although another instance has it", got)
		}
		m.after(time.Second)
		if got := strings.Join(m.book.read(), ", "); got != "sms by a, sms by b" {
			t.Fatalf("sent %s", got)
		}

		// An instance records the next send, and dies before it asks the provider.
		m.clock.pass(30 * time.Second)
		c, err := m.store.Apply(t.Context(), m.v.ID, "", gateway.MoveOn{
			N: 2, Channel: gateway.SMS, Provider: "b", FollowUp: providers.FollowUp{Then: providers.ThenProvider, Within: 30 * time.Second},
		}, m.Policy().Rules())
		if err != nil || c.Effect != gateway.EffectSend {
			t.Fatal(c, err)
		}
		m.after(30 * time.Second)
		if got := strings.Join(m.book.read(), ", "); got != "sms by a, sms by b, sms by c" {
			t.Errorf("sent %s", got)
		}
	})
}

// TestFollowUpWaitsForProvider: where who is left to ask is left alone for its
// failures, nothing is spent on it. It is tried again, here or by an instance where it works.
func TestFollowUpWaitsForProvider(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		routes := []providers.Route{{Channel: gateway.SMS, Providers: []string{"a", "b"}, Then: providers.ThenProvider}}
		m := newMoving(t, client, routes, quietly, map[string]providers.Bounds{
			"b": {Breaker: providers.Breaker{Failures: 1, OpenFor: time.Hour}},
		})
		m.book.failing = map[string]providers.Kind{"sms by a": providers.Unavailable, "sms by b": providers.Unavailable}
		_, err := m.Start(t.Context(), m.app("portal"), gateway.StartRequest{To: "+819087654321"})
		if gateway.CodeOf(err) != gateway.CodeDeliveryFailed {
			t.Fatal(err)
		}
		m.book.failing, m.book.sends = nil, nil
		m.begin(gateway.SMS)
		m.lost(1)
		m.after(30 * time.Second)
		if v := m.read(); v.Sends != 1 || len(v.Deliveries) != 1 {
			t.Errorf("%d sends, %d deliveries: %v", v.Sends, len(v.Deliveries), m.book.read())
		}
		second := newMoving(t, client, routes, quietly)
		second.store.WithClock(m.clock.read)
		m.clock.pass(time.Minute)
		second.now()
		if got := strings.Join(append(m.book.read(), second.book.read()...), ", "); got != "sms by a, sms by b" {
			t.Errorf("sent %s", got)
		}
	})
}

// TestFollowUpWithoutRedis: what can't be recorded isn't sent, and is made up for.
func TestFollowUpWithoutRedis(t *testing.T) {
	server := redistest.Start(t)
	client := connect(t, server)
	m := newMoving(t, client, over(providers.Route{ReceiptWithin: 30 * time.Second}), quietly)
	m.begin(gateway.SMS)
	m.clock.pass(30 * time.Second)
	if _, err := m.store.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if m.MoveOnNow(ctx) == nil {
		t.Error("it found work without Redis")
	}
	server.Resume()
	if got := m.book.read(); len(got) != 1 {
		t.Errorf("sent %v", got)
	}
	m.after(time.Minute)
	if got := m.book.read(); len(got) != 2 {
		t.Errorf("sent %v when Redis was back", got)
	}
}

// TestAmbiguousSends: what may have been sent twice is counted twice, and the
// last send isn't doubled.
func TestAmbiguousSends(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		m := newMoving(t, client, over(providers.Route{}), func(c *gateway.Config) { c.Defaults.MaxSends = 3 })
		m.book.failing["sms by a"] = providers.Ambiguous
		m.begin(gateway.SMS)
		if got := strings.Join(m.book.read(), ", "); got != "sms by a, sms by b" || m.v.Sends != 2 {
			t.Fatalf("%d sends: %s", m.v.Sends, got)
		}
		m.clock.pass(30 * time.Second)
		_, err := m.Resend(t.Context(), m.app("portal"), string(m.v.ID), "")
		var failed *gateway.Error
		if !errors.As(err, &failed) || failed.Code != gateway.CodeDeliveryFailed {
			t.Fatalf("the last send, which may have arrived: %v", err)
		}
		if got := strings.Join(m.book.read(), ", "); got != "sms by a, sms by b, sms by a" {
			t.Errorf("sent %s", got)
		}
		if v := m.read(); v.Sends != 3 || v.Status != gateway.Pending {
			t.Errorf("%d sends, %s", v.Sends, v.Status)
		}
	})
}

// TestReportBeforeTheAnswer: a carrier whose answer gets lost, but whose report
// says that the phone has it, has sent it. Nobody sends it again, and the caller
// isn't told that nobody took it.
func TestReportBeforeTheAnswer(t *testing.T) {
	const sms, voice = gateway.SMS, gateway.Voice
	each(t, func(t *testing.T, client redis.UniversalClient) {
		for _, test := range []struct {
			channel gateway.Channel
			report  providers.Status
			fails   providers.Kind
			want    string // who sent, then how many sends that were, and the first one's status
		}{
			{sms, providers.Delivered, providers.Ambiguous, "sms by a, 1, delivered"},
			{sms, providers.Sent, providers.Ambiguous, "sms by a, sms by b, 2, failed"},
			{sms, providers.Undelivered, providers.Ambiguous, "sms by a, sms by b, 2, undelivered"},
			{sms, providers.Delivered, providers.Unavailable, "sms by a, 1, delivered"},
			{voice, providers.Ringing, providers.Ambiguous, "voice by a, 1, ringing"},
			{voice, providers.Busy, providers.Ambiguous, "voice by a, 1, busy"},
			{voice, providers.Unreachable, providers.Unavailable, "voice by a, voice by b, 1, unreachable"},
		} {
			if err := client.FlushDB(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			m := newMoving(t, client, over(providers.Route{}), quietly)
			m.book.failing[string(test.channel)+" by a"] = test.fails
			m.book.meanwhile = func(provider, delivery string) {
				if provider == "a" {
					if err := m.Receipt(t.Context(), "a", providers.Receipt{Delivery: delivery, Status: test.report}); err != nil {
						t.Error(err)
					}
				}
			}
			m.begin(test.channel)
			got := fmt.Sprintf("%s, %d, %s", strings.Join(m.book.read(), ", "), m.v.Sends, m.v.Deliveries[0].Status)
			if got != test.want {
				t.Errorf("%s by %s, then %s: %s; want %s", test.report, test.channel, test.fails, got, test.want)
			}
		}
	})
}

// TestFollowUpOfADispatch: an app's own text moves on, too, unchanged or read out.
func TestFollowUpOfADispatch(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		for then, want := range map[providers.Then]string{
			providers.ThenProvider: "sms by a, sms by b",
			providers.ThenVoice:    "sms by a, voice by a",
			providers.ThenStop:     "sms by a",
		} {
			if err := client.FlushDB(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			m := newMoving(t, client, over(providers.Route{Then: then}), quietly)
			const text = "Your order 1042 is ready."
			d, err := m.Dispatch(t.Context(), m.app("portal"), gateway.DispatchRequest{To: mobile, Message: text, Locale: "en"})
			if err != nil {
				t.Fatal(err)
			}
			err = m.Receipt(t.Context(), "a", providers.Receipt{Delivery: string(d.ID) + ".1", Status: providers.Undelivered})
			if err != nil {
				t.Fatal(err)
			}
			m.now()
			m.after(30 * time.Second)
			if got := strings.Join(m.book.read(), ", "); got != want {
				t.Errorf("%s: sent %s; want %s", then, got, want)
			}
			for _, sent := range m.book.texts {
				if sent != text {
					t.Errorf("%s: the text is %q", then, sent)
				}
			}
		}
	})
}

// TestRunMovesOn: the loop of a gateway does all this by itself.
func TestRunMovesOn(t *testing.T) {
	m := newMoving(t, connect(t, redistest.Start(t)), over(providers.Route{Then: providers.ThenVoice}), quietly)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx, time.Hour) }) // a receipt doesn't wait for the next sweep
	m.begin(gateway.SMS)
	err := m.Receipt(t.Context(), "a", providers.Receipt{Delivery: string(m.v.ID) + ".1", Status: providers.Undelivered})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); len(m.book.read()) < 2 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	stop()
	running.Wait()
	if got := strings.Join(m.book.read(), ", "); got != "sms by a, voice by a" {
		t.Errorf("sent %s", got)
	}
}

// TestSweepDoesNotWaitForCarriers: while they are slow, what is over still ends, and
// what is to move on is found again.
func TestSweepDoesNotWaitForCarriers(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		m := newMoving(t, client, over(providers.Route{ReceiptWithin: 30 * time.Second}), quietly)
		m.begin(gateway.SMS)
		m.clock.pass(30 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := m.SweepWhileBusy(ctx); err != nil {
			t.Fatalf("the sweep waits: %v", err)
		}
		m.after(time.Minute)
		if got := strings.Join(m.book.read(), ", "); got != "sms by a, sms by b" {
			t.Errorf("sent %s", got)
		}
	})
}

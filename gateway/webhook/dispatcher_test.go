package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"denwa/gateway"
)

func TestEventsAreDelivered(t *testing.T) {
	each(t, func(t *testing.T, q *queue) {
		r := newReceiver(t, nil)
		events := q.emitMany("app", 20)
		d := newDispatcher(t, q, map[string]gateway.Webhook{"app": r.webhook(), "idle": r.webhook()})
		stop := d.run(t)
		within(t, "all delivered", func() bool { return len(r.deliveries()) == len(events) && q.backlog("app") == 0 })
		stop()
		for _, id := range events {
			if n := r.deliveries()[id]; n != 1 {
				t.Errorf("%s was delivered %d times", id, n)
			}
		}
		got := r.got()[0]
		if h := got.header; h.Get("Content-Type") != "application/json" || h.Get("User-Agent") != "Denwa" {
			t.Errorf("header %v", h)
		}
		if !strings.HasPrefix(got.body, `{"type":"verification.approved","timestamp":"20`) || !strings.Contains(got.body, `"status":"pending"`) {
			t.Errorf("body %s", got.body)
		}
		if n := d.attempts(t, "app", Delivered); n != float64(len(events)) {
			t.Errorf("%v attempts counted", n)
		}
		if n := d.attempts(t, "idle", Timeout); n != 0 {
			t.Errorf("a series that doesn't begin at zero: %v", n)
		}
		if log := d.log.String(); strings.Count(log, "event delivered") != len(events) || strings.Count(log, "\n") != len(events) {
			t.Errorf("log: %s", log)
		}
	})
}

// TestTwoDispatchersShareTheWork: each event is delivered by one of them.
func TestTwoDispatchersShareTheWork(t *testing.T) {
	each(t, func(t *testing.T, q *queue) {
		r := newReceiver(t, nil)
		events := q.emitMany("app", 200)
		to := map[string]gateway.Webhook{"app": r.webhook()}
		one, two := newDispatcher(t, q, to), newDispatcher(t, q, to)
		stopOne, stopTwo := one.run(t), two.run(t)
		within(t, "all delivered", func() bool { return len(r.deliveries()) == len(events) && q.backlog("app") == 0 })
		stopOne()
		stopTwo()
		for id, n := range r.deliveries() {
			if n != 1 || !slices.Contains(events, id) {
				t.Errorf("%s was delivered %d times", id, n)
			}
		}
	})
}

// TestSlowReceiverHoldsNobodyElse: an app has its own requests under way, a
// bounded number of them.
func TestSlowReceiverHoldsNobodyElse(t *testing.T) {
	each(t, func(t *testing.T, q *queue) {
		var under, most atomic.Int32
		release := make(chan struct{})
		slow := newReceiver(t, func(http.ResponseWriter, *http.Request) {
			most.Store(max(most.Load(), under.Add(1)))
			<-release
			under.Add(-1)
		})
		once := sync.OnceFunc(func() { close(release) })
		t.Cleanup(once) // before the server, which waits for its requests
		fast := newReceiver(t, nil)
		q.emitMany("slow", 100)
		q.emitMany("fast", 100)
		d := newDispatcher(t, q, map[string]gateway.Webhook{"slow": slow.webhook(), "fast": fast.webhook()})
		d.concurrency = 3
		d.run(t)
		within(t, "the fast receiver has all", func() bool { return len(fast.got()) == 100 })
		if n := len(slow.got()); n > 3 {
			t.Errorf("%d requests at once", n)
		}
		once()
		within(t, "the slow receiver has all", func() bool { return q.backlog("slow") == 0 })
		if most.Load() > 3 || len(slow.deliveries()) != 100 {
			t.Errorf("%d requests at once, %d events", most.Load(), len(slow.deliveries()))
		}
	})
}

// TestRetriesThenDeadThenReplay lives through a day of a broken receiver.
func TestRetriesThenDeadThenReplay(t *testing.T) {
	each(t, func(t *testing.T, q *queue) {
		var works atomic.Bool
		r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
			if !works.Load() {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		event := q.emit("app")
		d := newDispatcher(t, q, map[string]gateway.Webhook{"app": r.webhook()})
		stop := d.run(t)
		for i, wait := range delays {
			// Each failure is stored before time moves on.
			within(t, "an attempt", func() bool { return strings.Count(d.log.String(), "\n") == i+1 })
			within(t, "its end", func() bool { return d.idle() })
			q.pass(wait - time.Microsecond)
			time.Sleep(20 * time.Millisecond)
			if n := len(r.got()); n != i+1 {
				t.Fatalf("attempt %d came before %v were over", n, wait)
			}
			q.pass(time.Microsecond)
		}
		within(t, "the last attempt", func() bool { return len(q.dead("app")) == 1 })
		got := r.got()
		if len(got) != Attempts {
			t.Errorf("%d attempts, want %d", len(got), Attempts)
		}
		for _, again := range got {
			if again.header.Get("Webhook-Id") != event || again.body != got[0].body {
				t.Errorf("another id or body: %v", again)
			}
		}
		letter := q.dead("app")[0]
		if letter.ID != event || letter.Attempts != Attempts || letter.Reason != string(Rejected) || letter.Type != "verification.approved" {
			t.Errorf("dead letter %+v", letter)
		}
		if log := d.log.String(); strings.Count(log, "\n") != Attempts || strings.Count(log, "event given up") != 1 {
			t.Errorf("log: %s", log)
		}
		requireQuiet(t, d.log.String())

		works.Store(true)
		if found, err := q.Replay(t.Context(), "app", event); err != nil || !found {
			t.Fatal(found, err)
		}
		within(t, "the replay", func() bool { return q.backlog("app") == 0 && len(r.got()) == Attempts+1 })
		stop()
		if r.deliveries()[event] != Attempts+1 || len(q.dead("app")) != 0 {
			t.Errorf("after the replay: %v, dead %v", r.deliveries(), q.dead("app"))
		}
	})
}

// idle reports whether nothing is under way.
func (d *Dispatcher) idle() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lanes {
		if l.claimed > 0 {
			return false
		}
	}
	return true
}

// TestGoneDisablesTheEndpoint for every instance, until a replay or another url.
func TestGoneDisablesTheEndpoint(t *testing.T) {
	each(t, func(t *testing.T, q *queue) {
		var works atomic.Bool
		r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
			if !works.Load() {
				w.WriteHeader(http.StatusGone)
			}
		})
		to := map[string]gateway.Webhook{"app": r.webhook()}
		first := q.emit("app")
		stop := newDispatcher(t, q, to).run(t)
		within(t, "410", func() bool { return len(q.dead("app")) == 1 })
		stop()

		q.emitMany("app", 5)
		d := newDispatcher(t, q, to)
		stop = d.run(t)
		within(t, "the others are given up", func() bool { return len(q.dead("app")) == 6 })
		if n := len(r.got()); n != 1 {
			t.Errorf("%d requests to an endpoint that is gone", n)
		}
		for _, l := range q.dead("app") {
			if want := map[bool]Outcome{true: Gone, false: Disabled}[l.ID == first]; l.Reason != string(want) {
				t.Errorf("%+v, want reason %s", l, want)
			}
		}
		works.Store(true)
		for _, l := range q.dead("app") {
			if found, err := q.Replay(t.Context(), "app", l.ID); err != nil || !found {
				t.Error(found, err)
			}
		}
		within(t, "all delivered after a replay", func() bool { return q.backlog("app") == 0 })
		stop()
		if len(r.deliveries()) != 6 || len(q.dead("app")) != 0 {
			t.Errorf("%d delivered, dead %v", len(r.deliveries()), q.dead("app"))
		}

		works.Store(false)
		q.emit("app")
		stop = newDispatcher(t, q, to).run(t)
		within(t, "410 again", func() bool { return len(q.dead("app")) == 1 })
		stop()
		moved := newReceiver(t, nil)
		q.emit("app")
		stop = newDispatcher(t, q, map[string]gateway.Webhook{"app": moved.webhook()}).run(t)
		within(t, "another url gets it", func() bool { return len(moved.got()) == 1 })
		stop()
	})
}

// TestStopGivesBack: what is under way when the gateway stops counts as no
// failure, and the next instance delivers it at once.
func TestStopGivesBack(t *testing.T) {
	each(t, func(t *testing.T, q *queue) {
		hang := newReceiver(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		events := q.emitMany("app", 10)
		d := newDispatcher(t, q, map[string]gateway.Webhook{"app": hang.webhook()})
		d.concurrency, d.grace = 2, 50*time.Millisecond
		stop := d.run(t)
		within(t, "two under way", func() bool { return len(hang.got()) == 2 })
		stop()
		if d.log.String() != "" || d.attempts(t, "app", Timeout) != 0 {
			t.Errorf("counted as a failure: %s", d.log)
		}
		works := newReceiver(t, nil)
		newDispatcher(t, q, map[string]gateway.Webhook{"app": works.webhook()}).run(t)
		within(t, "all delivered, without waiting for a lease", func() bool { return len(works.deliveries()) == len(events) })
	})
}

// TestStopLetsAttemptsEnd: an answer that is nearly there is waited for.
func TestStopLetsAttemptsEnd(t *testing.T) {
	each(t, func(t *testing.T, q *queue) {
		entered, answer := make(chan struct{}), make(chan struct{})
		r := newReceiver(t, func(http.ResponseWriter, *http.Request) {
			close(entered)
			<-answer
		})
		q.emit("app")
		d := newDispatcher(t, q, map[string]gateway.Webhook{"app": r.webhook()})
		stop := d.run(t)
		<-entered
		time.AfterFunc(50*time.Millisecond, func() { close(answer) })
		stop()
		if n := d.attempts(t, "app", Delivered); n != 1 || q.backlog("app") != 0 {
			t.Errorf("%v delivered, %d left", n, q.backlog("app"))
		}
	})
}

// TestLateTurnIsLeftToOthers: an event whose turn comes when its lease may end
// before the attempt does isn't tried.
func TestLateTurnIsLeftToOthers(t *testing.T) {
	r := newReceiver(t, nil)
	o := &oneEvent{}
	d := newDispatcher(t, o, map[string]gateway.Webhook{"app": r.webhook()})
	l := &lane{slots: make(chan struct{}, 1)}
	d.deliver(t.Context(), t.Context(), l, testEvent(), time.Now().Add(-time.Millisecond))
	if len(r.got()) != 0 || len(o.settled) != 0 {
		t.Errorf("%d requests, settled as %q", len(r.got()), o.settled)
	}
	if len(l.slots) != 0 {
		t.Error("its slot isn't free")
	}
}

// TestPublicEndpoint goes the way of an app without allow_private: https, a
// certificate that is checked, the guard asked.
func TestPublicEndpoint(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 1 || r.TLS == nil || r.TLS.Version < tls.VersionTLS12 {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer server.Close()
	d := newDispatcher(t, &oneEvent{}, map[string]gateway.Webhook{"app": {URL: server.URL + testPath, Secret: secretOf("now")}})
	var asked []string
	d.clients.public = newClient(guard(func(a netip.Addr) bool {
		asked = append(asked, a.String())
		return true
	}))
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	d.clients.public.Transport.(*http.Transport).TLSClientConfig.RootCAs = roots
	if r := d.attempt(t.Context(), testEvent()); r.outcome != Delivered || len(asked) != 1 || asked[0] != "127.0.0.1" {
		t.Errorf("%+v, asked for %v", r, asked)
	}
}

// TestStoreDown is said once, and once when it is over.
func TestStoreDown(t *testing.T) {
	q, r := newQueue(t, ""), newReceiver(t, nil)
	q.emit("app")
	broken := &brokenOutbox{Outbox: q}
	broken.down.Store(true)
	d := newDispatcher(t, broken, map[string]gateway.Webhook{"app": r.webhook()})
	d.run(t)
	within(t, "some rounds", func() bool { return broken.rounds.Load() > 5 })
	broken.down.Store(false)
	within(t, "delivered", func() bool { return len(r.got()) == 1 })
	within(t, "said so", func() bool { return strings.Contains(d.log.String(), "again") })
	if log := d.log.String(); strings.Count(log, "from the store") != 2 {
		t.Errorf("log: %s", log)
	}
}

// brokenOutbox can't be asked while it is down.
type brokenOutbox struct {
	Outbox
	down   atomic.Bool
	rounds atomic.Int32
}

func (b *brokenOutbox) Claim(ctx context.Context, apps []string, lease time.Duration) ([]gateway.Notification, error) {
	b.rounds.Add(1)
	if b.down.Load() {
		return nil, context.DeadlineExceeded
	}
	return b.Outbox.Claim(ctx, apps, lease)
}

// TestStoreHangsInAnAttempt: that is no failure of the receiver.
func TestStoreHangsInAnAttempt(t *testing.T) {
	t.Parallel()
	q := newQueue(t, "")
	r := newReceiver(t, nil)
	q.emit("app")
	d := newDispatcher(t, hanging{q}, map[string]gateway.Webhook{"app": r.webhook()})
	d.run(t)
	within(t, "delivered", func() bool { return q.backlog("app") == 0 })
	if n := d.attempts(t, "app", Timeout); n != 0 || len(r.got()) != 1 {
		t.Errorf("%v attempts took too long, %d deliveries", n, len(r.got()))
	}
}

// hanging is an outbox that doesn't say whether an endpoint is disabled.
type hanging struct{ Outbox }

func (hanging) Disabled(ctx context.Context, _, _ string) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

// TestUnsettledDeliveryIsMadeAgain: the answer came, but couldn't be stored.
func TestUnsettledDeliveryIsMadeAgain(t *testing.T) {
	each(t, func(t *testing.T, q *queue) {
		r := newReceiver(t, nil)
		event := q.emit("app")
		d := newDispatcher(t, unsettled{q}, map[string]gateway.Webhook{"app": r.webhook()})
		stop := d.run(t)
		within(t, "delivered", func() bool { return len(r.got()) == 1 })
		stop()
		if log := d.log.String(); strings.Count(log, "\n") != 2 || !strings.Contains(log, "not stored") {
			t.Errorf("log: %s", log)
		}
		newDispatcher(t, q, map[string]gateway.Webhook{"app": r.webhook()}).run(t)
		time.Sleep(30 * time.Millisecond)
		if n := r.deliveries()[event]; n != 1 {
			t.Errorf("delivered %d times before the lease ended", n)
		}
		q.pass(lease)
		within(t, "delivered again, under its own id", func() bool { return r.deliveries()[event] == 2 && q.backlog("app") == 0 })
	})
}

// unsettled is an outbox that can be read and not written.
type unsettled struct{ Outbox }

func (unsettled) Done(context.Context, gateway.Notification) error { return context.DeadlineExceeded }

// TestBacklog is counted for apps that have a webhook now.
func TestBacklog(t *testing.T) {
	q := newQueue(t, "")
	q.emitMany("app", 7)
	d := newDispatcher(t, q, map[string]gateway.Webhook{"app": {}, "idle": {}, "dead": {}})
	q.emit("dead")
	n, err := q.Claim(t.Context(), []string{"dead"}, time.Minute)
	if err != nil || len(n) != 1 {
		t.Fatal(n, err)
	}
	if err := q.Dead(t.Context(), n[0], "rejected", 1); err != nil {
		t.Fatal(err)
	}
	d.Metrics.setBacklog(map[string]gateway.Backlog{"removed": {Waiting: 3}})
	d.countBacklog(t.Context())
	for app, want := range map[string][2]float64{"app": {7, 0}, "idle": {0, 0}, "dead": {0, 1}, "removed": {-1, -1}} {
		for i, outcome := range []string{"waiting", "given_up"} {
			if got := d.metric(t, "denwa_webhook_backlog", map[string]string{"app": app, "outcome": outcome}); got != want[i] {
				t.Errorf("backlog of %s, %s: %v, want %v", app, outcome, got, want[i])
			}
		}
	}
}

// Package webhook tells apps what becomes of their verifications, by HTTP, as
// Standard Webhooks (https://www.standardwebhooks.com) describes it.
//
// Events wait in an [Outbox], where they came in the same step as the change
// that they tell of. A [Dispatcher] leases them, delivers them, and says how it
// went. If it dies in between, the lease ends and somebody else delivers the
// event, under the same id: at least once, in no promised order.
package webhook

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"denwa/gateway"
	"denwa/providers"
)

// Outbox holds the events that are to be delivered. It is shared by instances;
// its methods are safe for concurrent use and fail only when it can't be asked.
type Outbox interface {
	// Claim leases events of apps that are due, a few of each. What it claimed
	// is returned also beside an error.
	Claim(ctx context.Context, apps []string, lease time.Duration) ([]gateway.Notification, error)
	// Done forgets n, which was delivered. The others do nothing when n's lease
	// has ended: it is somebody else's then.
	Done(ctx context.Context, n gateway.Notification) error
	// Retry counts a failed attempt and makes n due again after a while.
	Retry(ctx context.Context, n gateway.Notification, after time.Duration) error
	// Release makes n due at once, as if it hadn't been claimed.
	Release(ctx context.Context, n gateway.Notification) error
	// Dead counts attempts more failed attempts and gives n up.
	Dead(ctx context.Context, n gateway.Notification, reason string, attempts int) error
	// Backlog counts what apps haven't taken.
	Backlog(ctx context.Context, apps []string) (map[string]gateway.Backlog, error)
	// Disable remembers that an app's endpoint wants no events for a while, and
	// Disabled whether that is so.
	Disable(ctx context.Context, app, endpoint string, d time.Duration) error
	Disabled(ctx context.Context, app, endpoint string) (bool, error)
}

// Render says where n goes now and renders its verification as JSON, the same
// each time. It fails where this instance can't: n is tried again later, maybe
// by another one.
type Render func(ctx context.Context, n gateway.Notification) (to gateway.Webhook, data json.RawMessage, err error)

const (
	// timeout bounds one attempt.
	timeout = 15 * time.Second
	// askTimeout bounds the question whether an endpoint is disabled: a store that
	// hangs must not use up an attempt, which its receiver would be blamed for.
	askTimeout = 2 * time.Second
	// lease is longer than an event waits for its turn and is then tried, unless
	// its receiver is slow. For as long it waits when its instance died, or the
	// answer to a claim was lost.
	lease = 40 * time.Second
	// concurrency is how many requests one app gets at once from one instance.
	concurrency = 16
	// poll is how long an event waits at most for an idle dispatcher.
	poll = 500 * time.Millisecond
	// grace is how long attempts may go on when the gateway stops.
	grace = 5 * time.Second
	// disabledFor is how long an endpoint that answered 410 is left alone.
	disabledFor = 24 * time.Hour
	// backlogEvery is how often the backlog is counted.
	backlogEvery = 15 * time.Second
	// settleTimeout bounds the word on how an attempt went.
	settleTimeout = 5 * time.Second
)

// Options are what a [Dispatcher] is made of.
type Options struct {
	Outbox Outbox
	// Apps are those that have an endpoint now.
	Apps    func() []string
	Render  Render
	Metrics *Metrics
	Log     *slog.Logger
	// Tracer makes a span of each attempt; nil for none. The receiver is told of
	// it: it is the app's own.
	Tracer trace.Tracer
	// Certificates are told of those that an app's endpoint shows; nil for nobody.
	Certificates func(app string) *providers.Certificates
}

// Dispatcher delivers events until it is stopped. Any number of instances may
// share an outbox.
type Dispatcher struct {
	Options
	clients     clients
	jitter      func() float64
	concurrency int
	timeout     time.Duration
	lease       time.Duration
	poll        time.Duration
	grace       time.Duration

	mu      sync.Mutex
	lanes   map[string]*lane
	room    chan struct{} // an app that was full isn't any more
	flights sync.WaitGroup
}

// lane is what one app has in this instance: so that a slow receiver keeps
// nobody else waiting.
type lane struct {
	claimed int           // events claimed and not settled, under the dispatcher's mutex
	slots   chan struct{} // one for each request under way
}

// New returns a dispatcher. Call [Dispatcher.Run] to start it.
func New(o Options) *Dispatcher {
	return &Dispatcher{
		Options: o, clients: newClients(), jitter: rand.Float64, //nolint:gosec // G404: spreads retries; guessing it helps nobody.
		concurrency: concurrency, timeout: timeout, lease: lease, poll: poll, grace: grace,
		lanes: map[string]*lane{}, room: make(chan struct{}, 1),
	}
}

// Run delivers what is due until ctx ends. Then it gives back what it hasn't
// begun, lets attempts go on for a moment, and returns.
func (d *Dispatcher) Run(ctx context.Context) {
	attempts, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	failing := false
	var counted time.Time
	for ctx.Err() == nil {
		if time.Since(counted) >= backlogEvery {
			counted = time.Now()
			d.countBacklog(ctx)
		}
		claimed, err := d.round(ctx, attempts)
		if failed := err != nil && ctx.Err() == nil; failed != failing {
			failing = failed
			if failed {
				d.Log.ErrorContext(ctx, "events can't be read from the store", "error", err)
			} else if ctx.Err() == nil {
				d.Log.InfoContext(ctx, "events can be read from the store again")
			}
		}
		if claimed > 0 && err == nil {
			continue // there may be more
		}
		select {
		case <-ctx.Done():
		case <-d.room:
		case <-time.After(d.poll):
		}
	}
	late := time.AfterFunc(d.grace, abort)
	defer late.Stop()
	d.flights.Wait()
	d.clients.close()
}

// round claims what is due for apps that have room, and sets off to deliver it.
func (d *Dispatcher) round(ctx, attempts context.Context) (claimed int, err error) {
	var apps []string
	d.mu.Lock()
	for _, app := range d.Apps() {
		if d.lanes[app] == nil {
			d.lanes[app] = &lane{slots: make(chan struct{}, d.concurrency)}
		}
		if d.lanes[app].claimed < d.concurrency {
			apps = append(apps, app)
		}
	}
	d.mu.Unlock()
	if len(apps) == 0 {
		return 0, nil
	}
	// The lease is counted from before it was asked for.
	begin := time.Now().Add(d.lease - d.timeout)
	events, err := d.Outbox.Claim(ctx, apps, d.lease)
	for _, n := range events {
		l := d.enter(n.App)
		d.flights.Go(func() {
			defer d.leave(l)
			d.deliver(ctx, attempts, l, n, begin)
		})
	}
	return len(events), err
}

func (d *Dispatcher) enter(app string) *lane {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lanes[app]
	l.claimed++
	return l
}

func (d *Dispatcher) leave(l *lane) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l.claimed--
	if l.claimed == d.concurrency-1 {
		select {
		case d.room <- struct{}{}:
		default: // told already
		}
	}
}

// deliver waits for n's turn, tries to deliver it, and settles it. After begin
// its lease could end before the attempt does: then it is left to whoever
// claims it next.
func (d *Dispatcher) deliver(ctx, attempts context.Context, l *lane, n gateway.Notification, begin time.Time) {
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	case <-ctx.Done():
		d.settle(attempts, n, result{outcome: outcomeReleased})
		return
	}
	if time.Now().After(begin) {
		return
	}
	traced, span := d.beginAttempt(attempts, n)
	r := d.attempt(traced, n)
	if attempts.Err() != nil && r.outcome != Delivered {
		r = result{outcome: outcomeReleased} // it was cut short; that is no failure of the receiver
	}
	d.settle(traced, n, r)
	endAttempt(span, r)
}

// attempt tries to deliver n once.
func (d *Dispatcher) attempt(ctx context.Context, n gateway.Notification) result {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	if n.Err != nil {
		return result{outcome: Unrendered, err: n.Err}
	}
	to, data, err := d.Render(ctx, n)
	if err != nil {
		return result{outcome: Unrendered, err: err}
	}
	body, err := payload(n, data)
	if err != nil {
		return result{outcome: Unrendered, err: err}
	}
	if d.disabled(ctx, n.App, to) {
		return result{outcome: Disabled}
	}
	r := d.clients.post(ctx, to, n.ID, body, time.Now())
	if r.tls != nil && d.Certificates != nil {
		d.Certificates(n.App).Seen(*r.tls)
	}
	r.endpoint = endpointName(to)
	return r
}

// disabled reports whether an app's endpoint wants no events. If that can't be
// told, it costs the receiver another 410 at most.
func (d *Dispatcher) disabled(ctx context.Context, app string, to gateway.Webhook) bool {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	disabled, err := d.Outbox.Disabled(ctx, app, endpointName(to))
	return err == nil && disabled
}

// settle says how an attempt went: to the outbox, in metrics, in the log. If
// the outbox can't be asked, n is due again when its lease ends.
func (d *Dispatcher) settle(ctx context.Context, n gateway.Notification, r result) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if r.outcome != outcomeReleased {
		d.Metrics.attempt(n.App, r.outcome)
	}
	var err error
	switch r.outcome {
	case Delivered:
		d.Log.InfoContext(ctx, "event delivered", r.attrs(n)...)
		err = d.Outbox.Done(ctx, n)
	case outcomeReleased:
		err = d.Outbox.Release(ctx, n)
	case Gone:
		if err = d.Outbox.Disable(ctx, n.App, r.endpoint, disabledFor); err == nil {
			err = d.giveUp(ctx, n, r, 1)
		}
	case Disabled:
		err = d.giveUp(ctx, n, r, 0)
	case Rejected, Throttled, Timeout, Unreachable, Forbidden, Unrendered:
		after, again := backOff(n.Attempts+1, r.retryAfter, d.jitter())
		if !again {
			err = d.giveUp(ctx, n, r, 1)
			break
		}
		d.Log.WarnContext(ctx, "event not delivered", append(r.attrs(n), "retry_in", after.Round(time.Second).String())...)
		err = d.Outbox.Retry(ctx, n, after)
	}
	if err != nil {
		d.Log.ErrorContext(ctx, "outcome of a delivery not stored; it will be made again",
			"app", n.App, "event", n.ID, "outcome", string(r.outcome), "error", err)
	}
}

func (d *Dispatcher) giveUp(ctx context.Context, n gateway.Notification, r result, attempts int) error {
	d.Log.ErrorContext(ctx, "event given up", r.attrs(n)...)
	return d.Outbox.Dead(ctx, n, string(r.outcome), attempts)
}

func (d *Dispatcher) countBacklog(ctx context.Context) {
	apps := d.Apps()
	d.Metrics.expect(apps)
	if len(apps) == 0 {
		return
	}
	// A failure shows where events are claimed.
	if backlog, err := d.Outbox.Backlog(ctx, apps); err == nil {
		d.Metrics.setBacklog(backlog)
	}
}

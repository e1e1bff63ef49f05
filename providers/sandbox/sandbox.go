// Package sandbox is a carrier without a network. Its messages arrive on
// phones on the screen, its calls ring there, and it fails on demand.
//
// [Phones] keeps what arrived and serves it as JSON; whoever reads it reads
// codes, so a sandbox doesn't belong next to real phones. A [Provider] is one
// carrier to these phones. Several can share them, to show how one takes over
// from another.
package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"denwa/providers"
)

const (
	// maxLines is how many calls a carrier has at once.
	maxLines        = 1000
	defaultRingTime = 30 * time.Second
	maxRingTime     = 10 * time.Minute
)

// Config describes one sandbox carrier.
type Config struct {
	// Name is what the provider is called in routes, logs and metrics: lower-case letters, digits and hyphens, at most 32.
	Name string `yaml:"name"`
	// RingTimeout is how long a phone rings before nobody has answered, at most 10m.
	RingTimeout time.Duration `yaml:"ring_timeout"`
}

// DefaultConfig returns what holds where the configuration says nothing.
func DefaultConfig() Config { return Config{RingTimeout: defaultRingTime} }

// Validate reports every mistake with the field it is in.
func (c Config) Validate(report func(field, problem string)) {
	if !providers.ValidName(c.Name) {
		report("name", "must be 1 to 32 lower-case letters, digits and hyphens")
	}
	if c.RingTimeout < 0 || c.RingTimeout > maxRingTime {
		report("ring_timeout", "must be at most 10m; 0 is the default, 30s")
	}
}

// Provider is one carrier to the phones on the screen.
type Provider struct {
	name        string
	ringTime    time.Duration
	phones      *Phones
	switchboard providers.Switchboard
	log         *slog.Logger
	reports     *reports

	mu     sync.Mutex
	closed bool
	cut    map[*line]context.CancelFunc // for each call under way
	lines  sync.WaitGroup
}

var (
	_ providers.Messenger = (*Provider)(nil)
	_ providers.Caller    = (*Provider)(nil)
)

// New returns a carrier to phones. Until it is closed, it gives its receipts to
// receive, and asks switchboard what the keys mean that are pressed in calls.
func New(cfg Config, phones *Phones, receive providers.Receiver, switchboard providers.Switchboard, log *slog.Logger) (*Provider, error) {
	var problems []error
	cfg.Validate(func(field, problem string) { problems = append(problems, fmt.Errorf("%s %s", field, problem)) })
	if len(problems) > 0 {
		return nil, fmt.Errorf("sandbox provider %q: %w", cfg.Name, errors.Join(problems...))
	}
	log = log.With("provider", cfg.Name)
	p := &Provider{
		name: cfg.Name, ringTime: cmp.Or(cfg.RingTimeout, defaultRingTime),
		phones: phones, switchboard: switchboard, log: log, cut: map[*line]context.CancelFunc{},
	}
	phones.join(cfg.Name)
	p.reports = startReports(func(ctx context.Context, r providers.Receipt) error {
		return receive(ctx, cfg.Name, r)
	}, phones.setStatus, log)
	return p, nil
}

// Name is the operator's name for the carrier.
func (p *Provider) Name() string { return p.name }

// Close cuts off the calls, and ends the reports that are under way. Those that
// are due later are dropped.
func (p *Provider) Close() error {
	p.mu.Lock()
	p.closed = true
	for _, cut := range p.cut {
		cut()
	}
	p.mu.Unlock()
	p.lines.Wait()
	p.reports.close()
	return nil
}

var (
	errAsked  = errors.New("the phone's behaviour asks for this failure")
	errClosed = errors.New("the sandbox is closed")
	errFull   = errors.New("too many deliveries wait for their receipts")
	errLines  = errors.New("too many calls are under way")
)

// SendMessage shows msg on its phone, or does what the phone's behaviour says.
func (p *Provider) SendMessage(ctx context.Context, msg providers.Message) (providers.Acceptance, error) {
	b, err := behave(ctx, p.phones.nextMessage, msg.To)
	if err != nil {
		return providers.Acceptance{}, err
	}
	prompt := b.DelayMS == 0
	if prompt {
		if err := p.reports.await(ctx); err != nil {
			return providers.Acceptance{}, err
		}
	}
	if err := p.reports.reserve(); err != nil {
		if prompt {
			<-p.reports.room
		}
		return providers.Acceptance{}, err
	}
	id, at := p.phones.arrive(msg)
	r := plan(b, msg.Delivery, id, at)
	r.prompt = prompt
	p.reports.add(r)
	return providers.Acceptance{Reference: id}, nil
}

// PlaceCall has the phone ring, or does what the phone's behaviour says. A call
// that isn't answered ends with its validity, if that is sooner.
func (p *Provider) PlaceCall(ctx context.Context, c providers.Call) (providers.Acceptance, error) {
	b, err := behave(ctx, p.phones.nextCall, c.To)
	if err != nil {
		return providers.Acceptance{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return providers.Acceptance{}, &providers.Error{Kind: providers.Unavailable, Err: errClosed}
	case len(p.cut) >= maxLines:
		return providers.Acceptance{}, &providers.Error{Kind: providers.Throttled, Err: errLines}
	}
	if err := p.reports.reserve(); err != nil {
		return providers.Acceptance{}, err
	}
	placed := p.phones.place(c)
	l := &line{
		call: placed, Provider: p, script: c.Script, behaviour: b, ringTime: p.ringTime,
		report: &report{delivery: c.Delivery, id: placed.ID, open: true},
	}
	if c.ValidFor > 0 {
		l.ringTime = min(l.ringTime, c.ValidFor)
	}
	// The call goes on when the request that placed it is over.
	ctx, cut := context.WithCancel(context.WithoutCancel(ctx))
	p.cut[l] = cut
	l.begin()
	p.lines.Go(func() {
		l.run(ctx)
		cut()
		p.mu.Lock()
		delete(p.cut, l)
		p.mu.Unlock()
	})
	return providers.Acceptance{Reference: placed.ID}, nil
}

// behave finds how the next delivery to number fares, and fails if it says so.
func behave(ctx context.Context, next func(number string) Behaviour, number string) (Behaviour, error) {
	if ctx.Err() != nil {
		return Behaviour{}, &providers.Error{Kind: providers.Unavailable, Err: context.Cause(ctx)}
	}
	b := next(number)
	if b.Error == "" {
		return b, nil
	}
	if err := sleep(ctx, b.delay()); err != nil {
		return Behaviour{}, &providers.Error{Kind: providers.Ambiguous, Err: err}
	}
	return Behaviour{}, &providers.Error{Kind: b.Error, Err: errAsked}
}

// plan is what the carrier will report of a message that came at the time at.
func plan(b Behaviour, delivery, id string, at time.Time) *report {
	r := &report{delivery: delivery, id: id, due: at, end: at.Add(b.delay())}
	switch b.SMS {
	case providers.Accepted: // and no more is heard of it
	case providers.Sent:
		r.statuses = []providers.Status{providers.Sent}
	case providers.Failed: // before the carrier's network had it
		r.statuses, r.due = []providers.Status{providers.Failed}, r.end
	default:
		r.statuses = []providers.Status{providers.Sent, b.SMS}
	}
	return r
}

// sleep waits, and returns the cause if ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Package sandbox is a carrier without a network. Its messages arrive on
// phones on the screen, and it fails on demand.
//
// [Phones] keeps what arrived and serves it as JSON; whoever reads it reads
// codes, so a sandbox doesn't belong next to real phones. A [Provider] is one
// carrier to these phones. Several can share them, to show how one takes over
// from another.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"denwa/providers"
)

// Config describes one sandbox carrier.
type Config struct {
	// Name is what the provider is called in routes, logs and metrics: lower-case letters, digits and hyphens, at most 32.
	Name string `yaml:"name"`
}

// Validate reports every mistake with the field it is in.
func (c Config) Validate(report func(field, problem string)) {
	if !providers.ValidName(c.Name) {
		report("name", "must be 1 to 32 lower-case letters, digits and hyphens")
	}
}

// Provider is one carrier to the phones on the screen.
type Provider struct {
	name    string
	phones  *Phones
	reports *reports
}

var _ providers.Messenger = (*Provider)(nil)

// New returns a carrier to phones. It gives its receipts to receive, until it
// is closed.
func New(cfg Config, phones *Phones, receive providers.Receiver, log *slog.Logger) (*Provider, error) {
	var problems []error
	cfg.Validate(func(field, problem string) { problems = append(problems, fmt.Errorf("%s %s", field, problem)) })
	if len(problems) > 0 {
		return nil, fmt.Errorf("sandbox provider %q: %w", cfg.Name, errors.Join(problems...))
	}
	p := &Provider{name: cfg.Name, phones: phones}
	p.reports = startReports(func(ctx context.Context, r providers.Receipt) error {
		return receive(ctx, cfg.Name, r)
	}, phones.setStatus, log.With("provider", cfg.Name))
	return p, nil
}

// Name is the operator's name for the carrier.
func (p *Provider) Name() string { return p.name }

// Close ends the reports that are under way. Those that are due later are dropped.
func (p *Provider) Close() error {
	p.reports.close()
	return nil
}

var (
	errAsked  = errors.New("the phone's behaviour asks for this failure")
	errClosed = errors.New("the sandbox is closed")
	errFull   = errors.New("too many deliveries wait for their receipts")
)

// SendMessage shows msg on its phone, or does what the phone's behaviour says.
func (p *Provider) SendMessage(ctx context.Context, msg providers.Message) (providers.Acceptance, error) {
	if ctx.Err() != nil {
		return providers.Acceptance{}, &providers.Error{Kind: providers.Unavailable, Err: context.Cause(ctx)}
	}
	b := p.phones.nextMessage(msg.To)
	if b.Error != "" {
		if err := sleep(ctx, b.delay()); err != nil {
			return providers.Acceptance{}, &providers.Error{Kind: providers.Ambiguous, Err: err}
		}
		return providers.Acceptance{}, &providers.Error{Kind: b.Error, Err: errAsked}
	}
	if err := p.reports.reserve(); err != nil {
		return providers.Acceptance{}, err
	}
	id, at := p.phones.arrive(msg)
	p.reports.add(plan(b, msg.Delivery, id, at))
	return providers.Acceptance{Reference: id}, nil
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

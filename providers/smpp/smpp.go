// Package smpp sends text messages through a carrier's or an aggregator's
// message centre (SMSC) over SMPP 3.4, and takes the receipts that come back on
// the same connections.
//
// One SendMessage is at most one submit_sm for each part of the message, never a
// second one: what was written and not answered may have been sent. Several
// connections share the messages, each with a window of unanswered ones; one
// that breaks is made again, later and later.
//
// A receipt names the centre's own id of a message. Which delivery that was is
// kept in an [IDStore], because it may reach another instance of Denwa, or this one
// after a restart.
package smpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"denwa/providers"
)

// closeTime bounds how long Close waits for messages that are being sent.
const closeTime = 5 * time.Second

// Provider is one account at one message centre.
type Provider struct {
	cfg     Config
	tls     *tls.Config // nil for none
	writer  writer
	ids     IDStore
	receive providers.Receiver
	metrics *Metrics
	log     *slog.Logger

	certificates *providers.Certificates
	pool         *pool
	throttle     throttle
	reference    atomic.Uint32 // of long messages
	form         atomic.Uint32 // the latest in which a receipt's id was found, an [idForm]

	receipts  chan struct{} // room for receipts that are being handled
	patience  chan struct{} // room for those that wait for their id
	complains rate.Sometimes

	// working is the context of receipts and of late answers; it ends after the links have.
	working context.Context //nolint:containedctx // it belongs to no request
	abort   context.CancelFunc
	stop    context.CancelFunc // ends the links
	links   sync.WaitGroup
	work    sync.WaitGroup // receipts and late answers

	mu     sync.Mutex
	closed bool
	sends  sync.WaitGroup
}

var (
	_ providers.Messenger = (*Provider)(nil)
	_ providers.Certified = (*Provider)(nil)
)

// New returns a provider for the account in cfg, and begins to connect. ids is
// shared by all instances; receive takes the receipts.
func New(cfg Config, ids IDStore, receive providers.Receiver, metrics *Metrics, log *slog.Logger) (*Provider, error) {
	var problems []error
	cfg.Validate(func(field, problem string) { problems = append(problems, fmt.Errorf("%s %s", field, problem)) })
	if len(problems) > 0 {
		return nil, fmt.Errorf("smpp provider %q: %w", cfg.Name, errors.Join(problems...))
	}
	certificates := &providers.Certificates{}
	secure, err := cfg.TLS.load(cfg.Address, certificates)
	if err != nil {
		return nil, fmt.Errorf("smpp provider %q: %w", cfg.Name, err)
	}
	p := &Provider{
		cfg: cfg, tls: secure, certificates: certificates, writer: newWriter(cfg), ids: ids, receive: receive, metrics: metrics,
		log: log.With("provider", cfg.Name), pool: newPool(cfg.Binds, cfg.Window),
		receipts: make(chan struct{}, receiptsAtOnce), patience: make(chan struct{}, patientAtOnce),
		complains: rate.Sometimes{Interval: time.Minute},
	}
	metrics.expect(cfg.Name)
	p.reference.Store(rand.Uint32()) //nolint:gosec // G404: it tells messages apart, no more.
	p.working, p.abort = context.WithCancel(context.Background())
	ctx, stop := context.WithCancel(p.working)
	p.stop = stop
	for _, l := range p.pool.lanes {
		p.links.Go(func() { p.keep(ctx, l) })
	}
	return p, nil
}

// Name is the operator's name for the account.
func (p *Provider) Name() string { return p.cfg.Name }

// Certificates are those of the connections to the message centre.
func (p *Provider) Certificates() *providers.Certificates { return p.certificates }

// Close lets messages that are being sent be answered, for some seconds,
// unbinds, and waits for all that goes on.
func (p *Provider) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.pool.close()
	sent := make(chan struct{})
	go func() { p.sends.Wait(); close(sent) }()
	timer := time.NewTimer(closeTime)
	defer timer.Stop()
	select {
	case <-sent:
	case <-timer.C:
	}
	p.stop()
	p.links.Wait()
	p.abort()
	<-sent // without links nothing is waited for
	p.work.Wait()
	return nil
}

// enter begins a send, unless the provider is closed.
func (p *Provider) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.sends.Add(1)
	return true
}

package smpp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"denwa/providers"
)

const (
	// dialTimeout bounds how long a connection may take to be made, with TLS.
	dialTimeout = 5 * time.Second
	// How long to wait before another connection is tried: twice as long after
	// each failure, and at random so that instances don't come all at once.
	leastWait = 500 * time.Millisecond
	mostWait  = 30 * time.Second
	// goodbye is how long the centre has to say so, too.
	goodbye = time.Second
)

// keep keeps one lane of the pool bound until the provider is closed.
func (p *Provider) keep(ctx context.Context, l *lane) {
	failures, said := 0, ""
	for {
		link, err := p.connect(ctx)
		if err == nil {
			p.log.InfoContext(ctx, "bound to the message centre", "address", p.cfg.Address)
			said = ""
			if p.serve(ctx, l, link) > mostWait {
				failures = 0
			}
		} else {
			p.pool.failed(l, err)
			if text := err.Error(); text != said && ctx.Err() == nil { // once for each reason, not for each attempt
				p.log.WarnContext(ctx, "can't bind to the message centre, trying on", "address", p.cfg.Address, "error", err)
				said = text
			}
		}
		if !pause(ctx, backoff(failures, rand.Float64())) { //nolint:gosec // G404: it spreads load.
			return
		}
		failures++
	}
}

// serve lets messages use the link until it is over or ctx ends, which says
// goodbye. It returns how long that was.
func (p *Provider) serve(ctx context.Context, l *lane, link *link) time.Duration {
	began := time.Now()
	p.pool.up(l, link)
	bound := p.metrics.binds.WithLabelValues(p.cfg.Name)
	bound.Inc()
	over := make(chan error, 1)
	go func() { over <- link.run(p.working) }()
	var why error
	select {
	case why = <-over:
	case <-ctx.Done():
		link.unbind(goodbye)
		why = <-over
	}
	bound.Dec()
	p.pool.down(l)
	if ctx.Err() == nil {
		p.log.WarnContext(ctx, "a connection to the message centre is over, binding again", "address", p.cfg.Address, "error", why)
	}
	return time.Since(began)
}

// backoff is how long to wait after so many failures before, between half and
// all of what doubles each time, by chance (0 to 1).
func backoff(failures int, chance float64) time.Duration {
	wait := mostWait
	if failures < 10 {
		wait = min(leastWait<<failures, mostWait)
	}
	return wait/2 + time.Duration(chance*float64(wait/2))
}

// pause waits, and reports whether ctx let it.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// connect makes a connection and binds it.
func (p *Provider) connect(ctx context.Context) (*link, *providers.Error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, &providers.Error{Kind: providers.Unavailable, Err: fmt.Errorf("connect to the message centre: %w", err)}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	in := bufio.NewReaderSize(conn, 16<<10)
	failure := p.bind(conn, in)
	if !stop() && failure == nil { // ctx ended, and took the deadline with it
		failure = unbound(context.Cause(ctx))
	}
	if failure != nil {
		_ = conn.Close()
		return nil, failure
	}
	return newLink(conn, in, p.cfg, p.request), nil
}

func (p *Provider) dial(ctx context.Context) (net.Conn, error) {
	if p.tls != nil {
		d := tls.Dialer{NetDialer: &net.Dialer{}, Config: p.tls}
		return d.DialContext(ctx, "tcp", p.cfg.Address)
	}
	d := net.Dialer{}
	return d.DialContext(ctx, "tcp", p.cfg.Address)
}

// bind asks for messages to be taken and receipts to be sent on conn.
func (p *Provider) bind(conn net.Conn, in *bufio.Reader) *providers.Error {
	request := pdu{command: bindTransceiver, sequence: 1, body: &bind{
		systemID: p.cfg.SystemID, password: p.cfg.Password, systemType: p.cfg.SystemType, version: interfaceVersion,
	}}
	if _, err := conn.Write(request.encode()); err != nil {
		return unbound(err)
	}
	frame, err := readFrame(in, nil)
	if err != nil {
		return unbound(err)
	}
	answer, err := decode(frame)
	switch {
	case err != nil:
		return unbound(err)
	case answer.sequence != request.sequence || answer.command != genericNack && answer.command != bindTransceiver.answer():
		return unbound(errGarbage)
	case answer.status != statusOK:
		failure := refused(answer.status)
		if !failure.Kind.TryNext() { // there is no message that it could be about
			failure.Kind = providers.Unavailable
		}
		return failure
	case answer.command == genericNack:
		return unbound(errGarbage)
	}
	return nil
}

func unbound(err error) *providers.Error {
	var network *net.OpError
	if errors.As(err, &network) { // which says what and where
		err = network
	}
	return &providers.Error{Kind: providers.Unavailable, Err: fmt.Errorf("bind to the message centre: %w", err)}
}

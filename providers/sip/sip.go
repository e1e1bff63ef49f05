// Package sip calls phones through a SIP trunk.
//
// A call is one INVITE, which no failure repeats: whatever answers one that was
// given up is canceled or hung up on. The sound is played by [sipcall].
//
// How responses become what the gateway knows:
//
//   - A provisional response is the trunk's word that it took the call: 100 if
//     no other follows within half a second, the others at once. So are final
//     ones that tell of the phone (busy, declined). Any other final response
//     before that fails PlaceCall: 401, 403 and 407 as auth, 404, 410, 484 and
//     604 as invalid, 607 and 608 as rejected, the rest as unavailable. No
//     response at all within four seconds is unavailable too, because the call
//     is taken back as soon as one comes. A connection that breaks leaves
//     nothing to take it back over: that is ambiguous.
//   - After that, 180 and 183 are ringing, a 2xx is answered, and the final
//     responses are busy (486, 600), declined (603, 607, 608), no_answer (408,
//     487, 480 after ringing, and the ring timeout), unreachable (404, 410, 484,
//     604, 480 without ringing) and failed. Receipts carry the code.
//   - Sound before the answer, 183 with SDP, is not listened to, and nothing is
//     said before the 2xx.
package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"denwa/ivr/sipcall"
	"denwa/providers"
)

const (
	// answerTime is how long a trunk may take to say anything to an INVITE. Over
	// UDP it is sent four times until then.
	answerTime = 4 * time.Second
	// settleTime is how long after 100 Trying a refusal still fails PlaceCall.
	settleTime = 500 * time.Millisecond
	// maxDuration bounds a call. No script takes as long.
	maxDuration = 10 * time.Minute
	// retrySoon is when a call may end that is one too many now.
	retrySoon = time.Second
	// drainTime is how long answered calls may go on after Close, and hangUpTime
	// how long ending them and handing over their receipts may take then.
	drainTime  = 5 * time.Second
	hangUpTime = 3 * time.Second
)

// Provider is one SIP trunk.
type Provider struct {
	cfg          Config
	board        providers.Switchboard
	receive      providers.Receiver
	log          *slog.Logger
	prompts      *sipcall.Prompts
	ports        *sipcall.Ports
	endpoint     *endpoint
	certificates *providers.Certificates

	// calls end when ctx does, with its cause; receipts are dropped.
	ctx  context.Context //nolint:containedctx // it is that of the calls, which outlive the requests that ask for them
	stop context.CancelFunc

	mu     sync.Mutex
	calls  map[sip.CallIDHeader]*call
	closed bool
	idle   chan struct{}  // closed when no call is left; nil before Drain
	work   sync.WaitGroup // calls and their receipts
}

var (
	_ providers.Caller    = (*Provider)(nil)
	_ providers.Certified = (*Provider)(nil)
	_ providers.Drainer   = (*Provider)(nil)
)

// New returns a provider for the trunk in cfg. It sends nothing yet. Keys that
// are pressed are put to board, and receipts handed to receive.
func New(cfg Config, receive providers.Receiver, board providers.Switchboard, log *slog.Logger) (*Provider, error) {
	var problems []error
	cfg.Validate(func(field, problem string) { problems = append(problems, fmt.Errorf("%s %s", field, problem)) })
	if len(problems) > 0 {
		return nil, fmt.Errorf("sip provider %q: %w", cfg.Name, errors.Join(problems...))
	}
	p := &Provider{
		cfg: cfg, board: board, receive: receive, log: log.With("provider", cfg.Name),
		calls: map[sip.CallIDHeader]*call{}, certificates: &providers.Certificates{},
	}
	var err error
	if p.prompts, err = sipcall.LoadPrompts(cfg.Prompts); err != nil {
		return nil, fmt.Errorf("sip provider %q: %w", cfg.Name, err)
	}
	if p.endpoint, err = listen(cfg, p.certificates, p.request); err != nil {
		return nil, fmt.Errorf("sip provider %q: %w", cfg.Name, err)
	}
	var host netip.Addr // calls are heard where signalling is
	if local := p.endpoint.local; local != nil && !local.IP.IsUnspecified() {
		host = local.AddrPort().Addr()
	}
	if p.ports, err = cfg.Media.open(host); err != nil {
		p.endpoint.close()
		return nil, fmt.Errorf("sip provider %q: media.ports: %w", cfg.Name, err)
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p, nil
}

// Name is the operator's name for the trunk.
func (p *Provider) Name() string { return p.cfg.Name }

// Certificates are those of the connections to the trunk.
func (p *Provider) Certificates() *providers.Certificates { return p.certificates }

// PlaceCall sends an INVITE and returns when the trunk took the call. It
// doesn't wait for longer than four seconds. More calls than configured, or
// than there are ports for, are throttled. What nobody recorded, such as a
// message of an app's own, is unavailable.
func (p *Provider) PlaceCall(ctx context.Context, c providers.Call) (providers.Acceptance, error) {
	if ctx.Err() != nil {
		return providers.Acceptance{}, &providers.Error{Kind: providers.Unavailable, Err: context.Cause(ctx)}
	}
	script, recorded := c.Script.Recorded()
	if !recorded || !p.prompts.Speaks(script) {
		return providers.Acceptance{}, &providers.Error{Kind: providers.Unavailable, Unfit: true, Err: errUnspeakable}
	}
	c.Script = script
	trying, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	local, err := p.endpoint.address(trying)
	if err != nil {
		return providers.Acceptance{}, &providers.Error{Kind: providers.Unavailable, Err: private(err)}
	}
	call, err := p.open(ctx, c, local)
	if err != nil {
		return providers.Acceptance{}, err
	}
	select {
	case err = <-call.placed:
	case <-trying.Done():
		failure := &providers.Error{Kind: providers.Unavailable, Err: errTimeout}
		if ctx.Err() != nil { // before its time
			failure = &providers.Error{Kind: providers.Ambiguous, Err: context.Cause(ctx)}
		}
		err = call.abandon(failure)
	}
	if err != nil {
		return providers.Acceptance{}, err
	}
	return providers.Acceptance{Reference: string(call.id)}, nil
}

var (
	errClosed      = errors.New("the provider is closed")
	errTooMany     = errors.New("as many calls as max_calls are under way")
	errUnspeakable = errors.New("it has no recording of what this call says")
	errShutdown    = errors.New("the gateway stops")
)

// open makes a call and starts it.
func (p *Provider) open(asking context.Context, c providers.Call, local netip.Addr) (*call, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed || p.idle != nil:
		return nil, &providers.Error{Kind: providers.Unavailable, Err: errClosed}
	case len(p.calls) >= p.cfg.MaxCalls:
		return nil, &providers.Error{Kind: providers.Throttled, RetryAfter: retrySoon, Err: errTooMany}
	}
	media, err := p.ports.Open(local)
	if err != nil {
		return nil, &providers.Error{Kind: providers.Throttled, RetryAfter: retrySoon, Err: err}
	}
	call := newCall(asking, p, c, media, local)
	p.calls[call.id] = call
	p.work.Go(call.run)
	return call, nil
}

// ended forgets a call.
func (p *Provider) ended(c *call) {
	c.media.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, c.id)
	if p.idle != nil && len(p.calls) == 0 {
		close(p.idle) // once: no more are taken
	}
}

// Drain implements [providers.Drainer]: calls that ring or are answered go on.
func (p *Provider) Drain(ctx context.Context) (left int) {
	p.mu.Lock()
	if p.idle == nil {
		p.idle = make(chan struct{})
		if len(p.calls) == 0 {
			close(p.idle)
		}
	}
	idle := p.idle
	p.mu.Unlock()
	select {
	case <-idle:
		return 0
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.calls)
}

// spawn does what no call waits for, unless the provider is closed.
func (p *Provider) spawn(work func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.work.Go(work)
	}
}

// Close refuses new calls, takes back those that still ring, lets answered
// ones go on for five seconds unless they had their time in Drain, and hangs up. It
// takes eight at most.
func (p *Provider) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	talking, drained := false, p.idle != nil
	for _, c := range p.calls {
		if c.answered.Load() {
			talking = true
		} else {
			c.end(errShutdown)
		}
	}
	p.mu.Unlock()

	done := make(chan struct{})
	go func() {
		p.work.Wait()
		close(done)
	}()
	if !talking || drained || !within(done, drainTime) {
		p.mu.Lock()
		for _, c := range p.calls {
			c.end(errShutdown)
		}
		p.mu.Unlock()
		within(done, hangUpTime)
	}
	p.stop()
	p.endpoint.close()
	<-done
	return nil
}

func within(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

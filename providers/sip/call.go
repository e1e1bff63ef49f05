package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.opentelemetry.io/otel/trace"

	"denwa/ivr"
	"denwa/ivr/sipcall"
	"denwa/providers"
)

const (
	// maxInvites bounds how often one call is asked for with other credentials.
	maxInvites = 6
	// byeTime is how long the other side may take to confirm the end.
	byeTime = 2 * time.Second
	// cancelTime is how long a call that was taken back may take to end: that of
	// an INVITE transaction without an answer.
	cancelTime = 32 * time.Second
	// pressTime bounds asking the gateway what keys mean, and pressTries how
	// often it is asked.
	pressTime  = 2 * time.Second
	pressTries = 3
)

// Why a call ends before its script, as causes of its context, besides
// [sipcall.ErrHungUp].
var (
	errRang      = errors.New("nobody picked up in time")
	errAbandoned = errors.New("nobody waits for this call")
	errTooLong   = errors.New("the call took too long")
	errNoAck     = errors.New("the other side doesn't confirm")
	errNoSDP     = errors.New("the other side's description of media can't be used")
)

// call is one call from INVITE to BYE. Its goroutine is run.
type call struct {
	provider *Provider
	call     providers.Call
	id       sip.CallIDHeader
	media    *sipcall.Media
	log      *slog.Logger
	reports  reports
	span     trace.Span // nil: none

	ctx context.Context //nolint:containedctx // it is the call's life, which others end by end
	end context.CancelCauseFunc
	// told is the context of receipts, which outlive the call.
	told context.Context //nolint:containedctx // it is the provider's, in the call's trace

	// placed tells PlaceCall how the call began, once that is decided.
	placed   chan error
	decision atomic.Int32
	settling bool // whether the decision comes by itself
	rang     bool
	answered atomic.Bool
	early    []byte // SDP of a provisional response
	outcome  bool   // whether one was reported

	mu        sync.Mutex // guards dialog once the call is answered, and what follows
	dialog    *dialog
	remoteSeq uint32
	unacked   *unacked
}

func newCall(asking context.Context, p *Provider, c providers.Call, media *sipcall.Media, local netip.Addr) *call {
	port := 0 // of the connection, see endpoint.begin
	if p.endpoint.local != nil {
		port = p.endpoint.local.Port
	}
	k := &call{
		provider: p, call: c, media: media, log: p.log.With("delivery", c.Delivery),
		dialog: newDialog(p.cfg, c.To, netip.AddrPortFrom(local, uint16(port))), //nolint:gosec // a port
		placed: make(chan error, 1),
	}
	k.id = k.dialog.callID
	k.told, k.span = beginCall(asking, p.ctx, p.cfg.Name, c.Delivery)
	k.ctx, k.end = context.WithCancelCause(k.told)
	k.reports = reports{
		receive: func(ctx context.Context, r providers.Receipt) error { return p.receive(ctx, p.cfg.Name, r) },
		log:     p.log, running: &p.work,
	}
	return k
}

// What is decided of how a call began.
const (
	undecided = iota
	accepted  // the trunk took it: from now on there are receipts
	forsaken  // PlaceCall failed: nobody is told anything more
)

// abandon gives the call up before the trunk took it, with this error. It
// returns what PlaceCall returns: the trunk may have been faster.
func (c *call) abandon(err *providers.Error) error {
	if !c.decision.CompareAndSwap(undecided, forsaken) {
		return <-c.placed
	}
	c.end(errAbandoned)
	return err
}

// decide tells PlaceCall how the call began, once.
func (c *call) decide(err error) {
	to := int32(accepted)
	if err != nil {
		to = forsaken
	}
	if c.decision.CompareAndSwap(undecided, to) {
		c.placed <- err
	}
}

// report hands a receipt over, if PlaceCall told of this call.
func (c *call) report(s providers.Status, code string) {
	if c.decision.Load() == accepted {
		c.became(s)
		c.reports.add(c.told, providers.Receipt{Delivery: c.call.Delivery, Status: s, Code: code})
	}
}

// run is the call.
func (c *call) run() {
	defer c.provider.ended(c)
	defer c.endSpan()
	defer c.end(nil)
	life := maxDuration
	if v := c.call.ValidFor; v > 0 {
		life = min(max(v, answerTime), life) // the trunk gets its time even at the last moment
	}
	limit := time.AfterFunc(life, func() { c.end(errTooLong) })
	defer limit.Stop()

	tx, res, err := c.dial()
	switch {
	case err != nil:
		c.decide(err)
		c.fail(err)
	case !res.IsSuccess():
		c.refused(res)
	default:
		c.established(tx, res)
	}
}

// refused ends a call with a final response that isn't 2xx.
func (c *call) refused(res *sip.Response) {
	code := strconv.Itoa(res.StatusCode)
	if c.decision.Load() == undecided {
		var err error // a nil *providers.Error would be one
		if e := refusal(res.StatusCode, retryAfter(res)); e != nil {
			err = e
		}
		c.decide(err)
	}
	switch cause := context.Cause(c.ctx); {
	case errors.Is(cause, errRang):
		c.report(providers.NoAnswer, code)
	case cause != nil:
		c.fail(cause)
	default:
		c.report(ended(res.StatusCode, c.rang), code)
	}
}

// fail reports the end of a call without an outcome.
func (c *call) fail(err error) {
	if c.outcome {
		return
	}
	status, code := providers.Failed, ""
	switch {
	case errors.Is(err, errRang), errors.Is(err, errTooLong) && !c.answered.Load():
		status = providers.NoAnswer
	case errors.Is(err, sipcall.ErrHungUp):
		status = providers.HungUp
	case errors.Is(err, sipcall.ErrNoMedia):
		code = "no_media"
	case errors.Is(err, errShutdown):
		code = "shutdown"
	case errors.Is(err, errTooLong):
		code = "too_long"
	case errors.Is(err, errNoAck):
		code = "no_ack"
	case errors.Is(err, errNoSDP):
		code = "sdp"
	}
	c.report(status, code)
}

func retryAfter(res *sip.Response) time.Duration {
	h := res.GetHeader("Retry-After")
	if h == nil {
		return 0
	}
	digits := 0
	for digits < len(h.Value()) && h.Value()[digits] >= '0' && h.Value()[digits] <= '9' {
		digits++
	}
	seconds, err := strconv.Atoi(h.Value()[:digits])
	if err != nil || seconds > 86_400 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// established is the call from its 2xx on.
func (c *call) established(tx *sip.ClientTx, res *sip.Response) {
	c.decide(nil)
	c.answered.Store(true)
	d := c.dialog.answered(res)
	c.mu.Lock()
	c.dialog = d
	c.mu.Unlock()
	c.acknowledge(tx, d)
	if cause := context.Cause(c.ctx); cause != nil { // taken back too late, or hung up on at once
		if errors.Is(cause, sipcall.ErrHungUp) {
			c.report(providers.Answered, "")
		}
		c.fail(cause)
		c.hangUp(cause)
		return
	}
	err := c.talk(res)
	c.fail(err)
	c.hangUp(err)
}

// acknowledge sends the ACK, and again for every time that the 2xx comes
// again. A 2xx of another phone is acknowledged, and that one hung up on.
func (c *call) acknowledge(tx *sip.ClientTx, d *dialog) {
	endpoint := c.provider.endpoint
	tx.OnRetransmission(func(res *sip.Response) {
		other := d.answered(res)
		_ = endpoint.write(c.provider.ctx, other.newAck())
		if other.tag() != d.tag() {
			c.provider.spawn(func() { c.bye(other) })
		}
	})
	if err := endpoint.write(c.provider.ctx, d.newAck()); err != nil {
		c.log.WarnContext(c.ctx, "the answer of a call can't be confirmed", "error", err)
	}
}

// talk plays the script.
func (c *call) talk(res *sip.Response) error {
	body := res.Body()
	if len(body) == 0 {
		body = c.early
	}
	if err := c.media.Answer(body); err != nil {
		c.log.WarnContext(c.ctx, "the answer of a call has no usable media", "error", err)
		return fmt.Errorf("%w: %w", errNoSDP, err)
	}
	c.report(providers.Answered, "")
	return c.media.Play(c.ctx, sipcall.Call{
		Script:    c.call.Script,
		Extension: c.call.Extension,
		Prompts:   c.provider.prompts,
		Press:     c.press,
		Outcome: func(o ivr.Outcome) {
			c.outcome = true
			c.report(providers.Status(o), "")
		},
		MediaTimeout: c.provider.cfg.Media.Timeout,
	})
}

// press asks the gateway what keys mean, even if the call is over meanwhile, but
// not when the provider is. The store may be away for a moment, and asking
// twice is as asking once.
func (c *call) press(ctx context.Context, keys string) (ivr.Verdict, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(c.provider.ctx, stop)() //nolint:contextcheck // it is the life of all calls
	for try := 1; ; try++ {
		one, cancel := context.WithTimeout(ctx, pressTime)
		verdict, err := c.provider.board.Press(one, c.provider.cfg.Name, c.call.Delivery, keys)
		cancel()
		if err == nil {
			return verdict, nil
		}
		if try == pressTries || !sleep(ctx, firstRetry) {
			c.log.ErrorContext(ctx, "keys that were pressed can't be judged", "error", err)
			return "", err
		}
	}
}

// hangUp ends an answered call, unless the other side did.
func (c *call) hangUp(why error) {
	if errors.Is(why, sipcall.ErrHungUp) {
		return
	}
	c.mu.Lock()
	d := c.dialog
	c.mu.Unlock()
	c.bye(d)
}

// bye ends a dialog. Some trunks ask for credentials even then.
func (c *call) bye(d *dialog) {
	ctx, cancel := context.WithTimeout(context.Background(), byeTime)
	defer cancel()
	own := *d // others may be reading
	auth := credentials{username: d.auth.username, password: d.auth.password}
	for range maxInvites {
		req := own.newBye(auth)
		res, err := c.provider.endpoint.do(ctx, req)
		if err != nil || !challenged(res) || !auth.answer(req, res) {
			return
		}
	}
}

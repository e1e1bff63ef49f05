package sip

import (
	"mime"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"denwa/ivr/sipcall"
)

// request takes a request from outside. Each comes in a goroutine of its own.
func (p *Provider) request(req *sip.Request, tx *sip.ServerTx) {
	c := p.callOf(req)
	if c == nil {
		// A stranger's request: one answer, of which nothing is kept.
		switch req.Method {
		case sip.ACK:
		case sip.OPTIONS: // trunks ask whether this side is alive
			respond(req, tx, 200, "OK", sip.NewHeader("Allow", allowed))
		default:
			respond(req, tx, 481, "Call/Transaction Does Not Exist")
		}
		tx.Terminate()
		return
	}
	c.request(req, tx)
	tx.TerminateGracefully()
}

// callOf finds the call that a request belongs to; nil if there is none.
func (p *Provider) callOf(req *sip.Request) *call {
	id := req.CallID()
	if id == nil {
		return nil
	}
	p.mu.Lock()
	c := p.calls[*id]
	p.mu.Unlock()
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dialog.owns(req) {
		return nil
	}
	return c
}

// request takes a request within the call.
func (c *call) request(req *sip.Request, tx *sip.ServerTx) {
	if req.Method == sip.ACK {
		c.acknowledged(req)
		return
	}
	if !c.inOrder(req) {
		respond(req, tx, 500, "Server Internal Error")
		return
	}
	switch req.Method {
	case sip.BYE: // at any point, even before the answer
		respond(req, tx, 200, "OK")
		c.end(sipcall.ErrHungUp)
	case sip.INFO:
		c.info(req, tx)
	case sip.INVITE, sip.UPDATE:
		c.renegotiate(req, tx)
	case sip.OPTIONS:
		respond(req, tx, 200, "OK", sip.NewHeader("Allow", allowed))
	default:
		respond(req, tx, 405, "Method Not Allowed", sip.NewHeader("Allow", allowed))
	}
}

// inOrder reports whether a request isn't older than the last one (RFC 3261,
// section 12.2.2).
func (c *call) inOrder(req *sip.Request) bool {
	seq := req.CSeq().SeqNo
	c.mu.Lock()
	defer c.mu.Unlock()
	if seq < c.remoteSeq {
		return false
	}
	c.remoteSeq = seq
	return true
}

// info takes keys, in the two forms that are in use.
func (c *call) info(req *sip.Request, tx *sip.ServerTx) {
	kind := ""
	if h := req.ContentType(); h != nil {
		kind, _, _ = mime.ParseMediaType(h.Value()) //nolint:errcheck // an unreadable one is unknown
	}
	switch kind {
	case "application/dtmf-relay", "application/dtmf":
		if key, ok := keyOf(kind, string(req.Body())); ok {
			c.media.Press(key)
		}
	case "": // it asks whether this side is alive
	default:
		respond(req, tx, 415, "Unsupported Media Type", sip.NewHeader("Accept", "application/dtmf-relay, application/dtmf"))
		return
	}
	respond(req, tx, 200, "OK")
}

// keyOf reads "Signal=5" of application/dtmf-relay, and "5" of
// application/dtmf. Some write * and # as events 10 and 11.
func keyOf(kind, body string) (key byte, ok bool) {
	signal := strings.TrimSpace(body)
	if kind == "application/dtmf-relay" {
		signal = ""
		for line := range strings.Lines(body) {
			if name, value, found := strings.Cut(line, "="); found && strings.EqualFold(strings.TrimSpace(name), "signal") {
				signal = strings.TrimSpace(value)
			}
		}
	}
	switch signal {
	case "10":
		signal = "*"
	case "11":
		signal = "#"
	}
	signal = strings.ToUpper(signal)
	if len(signal) != 1 || strings.Trim(signal, "0123456789*#ABCD") != "" {
		return 0, false
	}
	return signal[0], true
}

// unacked is a 200 to the other side's INVITE that it hasn't confirmed yet.
type unacked struct {
	seq       uint32
	offers    bool // whether it bears an offer, which the ACK answers
	confirmed chan struct{}
}

// renegotiate takes a new offer: another address, hold, or nothing new.
func (c *call) renegotiate(req *sip.Request, tx *sip.ServerTx) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.answered.Load() || c.unacked != nil && c.unacked.offers {
		// Both sides ask at once (RFC 3261, section 14.2).
		respond(req, tx, 491, "Request Pending")
		return
	}
	if c.unacked != nil && req.Method == sip.INVITE {
		// Nobody asks anew before the last answer has come (section 14.1), so
		// this confirms it: the ACK is lost, or was overtaken.
		close(c.unacked.confirmed)
		c.unacked = nil
	}
	res := sip.NewResponseFromRequest(req, 200, "OK", nil)
	res.AppendHeader(sip.HeaderClone(&c.dialog.contact))
	res.AppendHeader(sip.NewHeader("Allow", allowed))
	body := req.Body()
	switch {
	case len(body) > 0:
		answer, err := c.media.Reoffer(body)
		if err != nil {
			respond(req, tx, 488, "Not Acceptable Here")
			return
		}
		withSDP(res, answer)
	case req.Method == sip.INVITE: // the offer is wanted from here
		withSDP(res, c.media.Offer())
	}
	if contact := req.Contact(); contact != nil {
		d := *c.dialog
		d.target = *contact.Address.Clone()
		c.dialog = &d
	}
	if err := tx.Respond(res); err != nil || req.Method != sip.INVITE {
		return
	}
	u := &unacked{seq: req.CSeq().SeqNo, offers: len(body) == 0, confirmed: make(chan struct{})}
	c.unacked = u
	c.provider.spawn(func() { c.repeat(tx, res, u) })
}

func withSDP(res *sip.Response, body []byte) {
	res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	res.SetBody(body)
}

// repeat sends a 200 again until it is confirmed. Over any transport the one
// who answers does so (RFC 3261, section 13.3.1.4). Without an ACK the call is over.
func (c *call) repeat(tx *sip.ServerTx, res *sip.Response, u *unacked) {
	limit := time.NewTimer(64 * sip.T1)
	defer limit.Stop()
	for wait := sip.T1; ; wait = min(2*wait, sip.T2) {
		again := time.NewTimer(wait)
		select {
		case <-u.confirmed:
			again.Stop()
			return
		case <-c.ctx.Done():
			again.Stop()
			return
		case <-limit.C:
			again.Stop()
			c.end(errNoAck)
			return
		case <-again.C:
			_ = tx.Respond(res) // the next one may get through
		}
	}
}

// acknowledged takes an ACK, which answers the offer if one was asked for.
func (c *call) acknowledged(req *sip.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unacked == nil || c.unacked.seq != req.CSeq().SeqNo {
		return
	}
	close(c.unacked.confirmed)
	c.unacked = nil
	if len(req.Body()) > 0 {
		if err := c.media.Answer(req.Body()); err != nil {
			c.log.WarnContext(c.ctx, "a call has no usable media any more", "error", err)
		}
	}
}

// respond answers a request. What doesn't arrive is asked for again.
func respond(req *sip.Request, tx *sip.ServerTx, code int, reason string, headers ...sip.Header) {
	res := sip.NewResponseFromRequest(req, code, reason, nil)
	for _, h := range headers {
		res.AppendHeader(h)
	}
	_ = tx.Respond(res) //nolint:errcheck // see above
}

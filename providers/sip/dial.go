package sip

import (
	"context"
	"time"

	"github.com/emiago/sipgo/sip"

	"denwa/providers"
)

// dial sends INVITEs, one for each challenge that can be answered, and returns
// the final response to the last one. Its error says whether the trunk may
// have got it.
func (c *call) dial() (*sip.ClientTx, *sip.Response, error) {
	offer := c.media.Offer()
	for tries := 1; ; tries++ {
		req := c.dialog.newInvite(offer)
		tx, err := c.provider.endpoint.begin(c.ctx, req)
		if err != nil {
			return nil, nil, &providers.Error{Kind: providers.Unavailable, Err: err}
		}
		c.dialog.contact = *req.Contact().Clone() // which now has the connection's port
		res, err := c.await(tx)
		if err != nil { // it was sent, and the phone may ring
			return nil, nil, &providers.Error{Kind: providers.Ambiguous, Err: err}
		}
		if !challenged(res) || tries == maxInvites || c.ctx.Err() != nil || !c.dialog.auth.answer(req, res) {
			return tx, res, nil //nolint:nilerr // a call that was taken back has its answer all the same
		}
	}
}

// await returns the final response to an INVITE. When the call's context ends
// it takes the INVITE back, which it can from the first provisional response
// on (RFC 3261, section 9.1), and still waits: the phone may be faster.
func (c *call) await(tx *sip.ClientTx) (*sip.Response, error) {
	var limit <-chan time.Time // for a call that was taken back
	ended, provisional, canceled := c.ctx.Done(), false, false
	canceling, stop := context.WithCancel(c.provider.ctx)
	defer stop()
	for {
		if ended == nil && provisional && !canceled {
			canceled = true
			c.provider.work.Go(c.cancel(canceling, c.dialog.newCancel()))
		}
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, nil
			}
			if !provisional && ended != nil {
				ring := time.AfterFunc(c.provider.cfg.RingTimeout, func() { c.end(errRang) })
				defer ring.Stop()
			}
			provisional = true
			c.progress(res)
		case <-tx.Done():
			if cause := context.Cause(c.ctx); cause != nil {
				return nil, cause
			}
			return nil, private(tx.Err())
		case <-ended:
			ended = nil
			timer := time.NewTimer(cancelTime)
			defer timer.Stop()
			limit = timer.C
		case <-limit:
			tx.Terminate()
			return nil, context.Cause(c.ctx)
		}
	}
}

// progress takes a provisional response. 100 only says that the next hop is
// there. What it thinks of the call mostly follows at once, so that is waited
// for: a refusal can then be left to the next provider.
func (c *call) progress(res *sip.Response) {
	switch {
	case res.StatusCode > trying:
		c.decide(nil)
	case !c.settling:
		c.settling = true
		time.AfterFunc(settleTime, func() { c.decide(nil) })
	}
	if len(res.Body()) > 0 {
		c.early = res.Body()
	}
	if (res.StatusCode == ringing || res.StatusCode == sessionProgress) && !c.rang {
		c.rang = true
		c.report(providers.Ringing, "")
	}
}

// cancel sends a CANCEL, until the INVITE has its final response: that tells
// what becomes of the call.
func (c *call) cancel(ctx context.Context, req *sip.Request) func() {
	return func() {
		if _, err := c.provider.endpoint.do(ctx, req); err != nil && ctx.Err() == nil {
			c.log.WarnContext(ctx, "a call can't be taken back", "error", err)
		}
	}
}

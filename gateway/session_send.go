package gateway

import (
	"context"
	"errors"
	"time"

	"denwa/gateway/phone"
)

const (
	// sessionLease is how long a send may take before another one takes over. It
	// is longer than any send takes.
	sessionLease = 60 * time.Second
	// busyFor is how long a request waits for a send that another one began:
	// the second click of two shows what the first one did.
	busyFor = 8 * time.Second
)

// SessionSend is what the person asks for.
type SessionSend struct {
	Channel Channel
	// Seen names the number that the page showed, see [Sessions.Seen].
	Seen string
	// Locale is the language of the page, for the message, unless the app chose one.
	Locale string
	// ClientIP is the person's address.
	ClientIP string
}

// Seen names a number, without giving it away, for a form that shows it.
func (s *Sessions) Seen(v *Visit, n phone.Number) string {
	return string(s.keys.PartyName(v.App, "seen", string(v.ID)+n.E164+";"+n.Extension))
}

// Send starts a verification of the number that the person typed. Who asks
// again for the same, by another click, tab or reload, is not sent it again as
// long as the first is pending.
//
// It fails as [Service.Start] does. With delivery_failed the verification is
// the current one all the same.
func (s *Sessions) Send(ctx context.Context, v *Visit, r SessionSend) error {
	n, err := s.Number(v)
	if err != nil {
		return err
	}
	switch {
	case v.Status != Pending:
		return ErrSessionOver
	case r.Seen != s.Seen(v, n):
		return ErrSessionStale
	}
	for _, w := range s.Ways(v, n) {
		if w.Channel == r.Channel && w.Obstacle != "" {
			return ErrSessionStale
		}
	}
	claim := SessionClaim{
		Browser: v.browser, Lease: sessionLease, Seed: s.keys.NewSeed(),
		What: s.keys.PartyName(v.App, "send", string(v.ID)+n.E164+";"+n.Extension+";"+string(r.Channel)),
	}
	if v.Verification != nil && v.Verification.Status != Pending {
		claim.Verification = v.Verification.ID
	}
	seed, lease, err := s.claim(ctx, v, claim)
	if err != nil || lease == "" {
		return err
	}
	// A second click makes the browser give up the first one's request.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sessionLease)
	defer cancel()
	made, err := s.start(ctx, v, r, seed)
	settled := s.settle(ctx, v, lease, made)
	if made != nil && v.Verification != nil && v.Verification.Status == Pending && v.Verification.ID != made.ID {
		// What was sent to another number must not prove this one.
		settled = errors.Join(settled, s.withdraw(ctx, v.Policy, v.Verification.ID))
	}
	if err != nil {
		return err
	}
	return settled
}

// start starts the verification that r asks for. With delivery_failed it returns
// the verification as well.
func (s *Sessions) start(ctx context.Context, v *Visit, r SessionSend, seed []byte) (*Verification, error) {
	q := StartRequest{
		To: v.Draft.Number, Country: v.Draft.Country, Extension: v.Draft.Extension,
		Channel: r.Channel, Locale: v.Locale, Purpose: v.Purpose, Reference: v.Reference,
		ClientIP: r.ClientIP, Seed: seed,
	}
	if match, ok := v.Policy.messages.Match(r.Locale); ok && q.Locale == "" {
		q.Locale = match
	}
	if r.Channel == Voice {
		q.Mode = v.Mode
	} else if s.base.Scheme == "https" {
		q.Origin = s.base.Hostname() // the browser reads the code for the page
	}
	made, err := s.service.Start(ctx, v.Policy, q)
	var refused *Error
	if q.Origin != "" && errors.As(err, &refused) && refused.Field == "origin" {
		q.Origin = "" // there is no room for it: the person types
		made, err = s.service.Start(ctx, v.Policy, q)
	}
	if errors.As(err, &refused) && refused.Verification != nil {
		made = refused.Verification
	}
	return made, err
}

// Resend sends the code of the current verification again, by a channel. turn is
// [Visit.Turn] of the page that asked: a page that asks again is not obeyed.
func (s *Sessions) Resend(ctx context.Context, v *Visit, ch Channel, turn int) error {
	if err := v.current(); err != nil {
		return err
	}
	if v.Verification.Status != Pending || ch != SMS && ch != Voice {
		return ErrSessionStale
	}
	_, lease, err := s.claim(ctx, v, SessionClaim{
		Browser: v.browser, Lease: sessionLease, Verification: v.Verification.ID, Turn: turn,
	})
	if err != nil || lease == "" {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sessionLease)
	defer cancel()
	_, err = s.service.Resend(ctx, v.Policy, string(v.Verification.ID), ch)
	if settled := s.settle(ctx, v, lease, nil); err == nil {
		err = settled
	}
	return err
}

// claim takes the right to send. Without a lease it was sent before.
func (s *Sessions) claim(ctx context.Context, v *Visit, c SessionClaim) (seed []byte, lease string, err error) {
	ctx, cancel := context.WithTimeout(ctx, busyFor)
	defer cancel()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 300*time.Millisecond) {
		o, seed, lease, err := s.store.ClaimSession(ctx, v.ID, c)
		if err := s.outcome(o, err); err != nil {
			return nil, "", err
		}
		switch o { //nolint:exhaustive // outcome has the others.
		case SessionDone:
			return seed, lease, nil
		case SessionRepeat:
			return nil, "", nil
		}
		select {
		case <-ctx.Done():
			return nil, "", nil // the page shows that it is being sent
		case <-time.After(pause):
		}
	}
}

// settle ends a claim, whether or not the person still waits.
func (s *Sessions) settle(ctx context.Context, v *Visit, lease string, made *Verification) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), idempotencyFinish)
	defer cancel()
	var id ID
	var expires time.Time
	if made != nil {
		id, expires = made.ID, made.ExpiresAt
	}
	if err := s.store.SettleSession(ctx, v.ID, lease, id, expires); err != nil {
		return unavailable(err)
	}
	return nil
}

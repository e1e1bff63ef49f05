package twilioverify

import (
	"context"
	"errors"
	"strings"

	"denwa/gateway"
)

// pointer names the verification that an app has for a number: its id, and with
// a code of the app's own, what that is called in the store, so that asking
// again with the same code is told from asking with another.
type pointer struct {
	id   gateway.ID
	code gateway.StoreName
}

func (p pointer) String() string { return p.id.Name() + " " + string(p.code) }

func parsePointer(text string) pointer {
	name, code, _ := strings.Cut(text, " ")
	return pointer{id: gateway.IDFromName(name), code: gateway.StoreName(code)}
}

// current is the verification that app has for a number, pending or not.
func (s *server) current(ctx context.Context, app *gateway.AppPolicy, e164 string) (gateway.ID, error) {
	p, err := s.pointed(ctx, app, e164)
	if err == nil && p.id == "" {
		err = gone()
	}
	return p.id, err
}

func (s *server) pointed(ctx context.Context, app *gateway.AppPolicy, e164 string) (pointer, error) {
	text, err := s.store.Pointed(ctx, app.Name, s.keys.NumberName(e164))
	if err != nil {
		return pointer{}, &refusal{code: unavailable, retry: 2, err: err}
	}
	if text == "" {
		return pointer{}, nil
	}
	return parsePointer(text), nil
}

// send sends a code: that of the verification which is pending for the number,
// or of a new one. It runs in the number's turn.
func (s *server) send(ctx context.Context, app *gateway.AppPolicy, w wish, seed []byte) (*gateway.Verification, error) {
	p, err := s.pointed(ctx, app, w.number.E164)
	if err != nil {
		return nil, err
	}
	var code gateway.StoreName
	if w.request.Code != "" {
		code = s.keys.PartyName(app.Name, "twilio code", w.number.E164+" "+w.request.Code)
	}
	var pending *gateway.Verification
	if p.id != "" {
		v, err := s.verifier.Get(ctx, app, string(p.id))
		if err != nil && gateway.CodeOf(err) != gateway.CodeNotFound {
			return nil, err
		}
		if err == nil && v.Status == gateway.Pending {
			pending = v
		}
	}
	// Another code or extension than those of the pending verification can't be
	// sent in its name.
	if pending != nil && pending.Extension == w.request.Extension && (code == "" || code == p.code) {
		v, err := s.verifier.Resend(ctx, app, string(p.id), w.request.Channel)
		s.sent(ctx, app, about(v, err), len(pending.Deliveries))
		return v, err
	}
	w.request.Seed = seedOf(seed, string(code), w.request.Extension)
	w.request.To = w.number.E164
	v, err := s.verifier.Start(ctx, app, w.request)
	if err == nil && v.Repeated && v.Status != gateway.Pending {
		// The seed is that of an earlier turn, whose end couldn't be noted.
		w.request.Seed = seedOf(s.keys.NewSeed())
		v, err = s.verifier.Start(ctx, app, w.request)
	}
	if begun := about(v, err); begun != nil {
		s.begun(ctx, app, begun, code)
		if pending != nil && pending.ID != begun.ID {
			s.withdraw(ctx, app, pending)
		}
	}
	return v, err
}

// about is the verification that was sent, or that a provider refused to send.
func about(v *gateway.Verification, err error) *gateway.Verification {
	var failed *gateway.Error
	if errors.As(err, &failed) {
		return failed.Verification
	}
	return v
}

// begun makes v its number's verification.
func (s *server) begun(ctx context.Context, app *gateway.AppPolicy, v *gateway.Verification, code gateway.StoreName) {
	s.sent(ctx, app, v, 0)
	ctx, cancel := bookkeeping(ctx)
	defer cancel()
	p := pointer{id: v.ID, code: code}
	if err := s.store.Point(ctx, app.Name, s.keys.NumberName(v.To), p.String(), v.ExpiresAt.Sub(v.CreatedAt)); err != nil {
		s.warn(ctx, "point to the verification", err) // it can still be checked by its SID
	}
}

// withdraw cancels a verification that another one takes the place of. It may
// be over already.
func (s *server) withdraw(ctx context.Context, app *gateway.AppPolicy, v *gateway.Verification) {
	ctx, cancel := bookkeeping(ctx)
	defer cancel()
	if _, err := s.verifier.Cancel(ctx, app, string(v.ID)); err != nil && gateway.CodeOf(err) != gateway.CodeNotPending {
		s.warn(ctx, "cancel the verification before", err)
	}
}

// sent records the latest send of v as an attempt. Deliveries before first
// belong to earlier sends.
func (s *server) sent(ctx context.Context, app *gateway.AppPolicy, v *gateway.Verification, first int) {
	if v == nil || first >= len(v.Deliveries) {
		return
	}
	sid, ok := sidOf(v.ID)
	if !ok {
		return
	}
	ctx, cancel := bookkeeping(ctx)
	defer cancel()
	number, at := sid.attempt(v.Sends), v.Deliveries[first].At
	err := s.store.Record(ctx, app.Name, gateway.TwilioAttempt{
		SID: number, Channel: v.Channel, Country: v.Country, CreatedAt: at, UpdatedAt: at,
		SealedTo: s.keys.Seal("twilio attempt", string(number[:]), []byte(v.To)),
	})
	if err != nil {
		s.warn(ctx, "record the attempt", err)
	}
}

// converted notes that the latest send of v led to its approval: the latest that
// was asked for here, for the gateway may have sent the code again by itself.
func (s *server) converted(ctx context.Context, app *gateway.AppPolicy, v *gateway.Verification) {
	sid, ok := sidOf(v.ID)
	if !ok {
		return
	}
	ctx, cancel := bookkeeping(ctx)
	defer cancel()
	var sends [][gateway.TwilioSIDSize]byte
	for n := v.Sends; n > 0; n-- {
		sends = append(sends, sid.attempt(n))
	}
	if err := s.store.Convert(ctx, app.Name, sends...); err != nil {
		s.warn(ctx, "note the conversion", err)
	}
}

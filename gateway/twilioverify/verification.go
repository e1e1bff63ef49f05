package twilioverify

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"denwa/gateway"
)

// create starts a verification, or sends the code of the one that is pending
// for the number again.
func (s *server) create(c *call) error {
	f, err := form(c)
	if err != nil {
		return err
	}
	w, err := s.wishOf(c, f)
	if err != nil {
		return err
	}
	var v *gateway.Verification
	var sendErr error
	// One request at a time for each number, so that two at once don't start two
	// verifications.
	_, err = s.turns.Once(c.Request().Context(), c.app.Name, "twilio verify "+w.number.E164,
		func(ctx context.Context, seed []byte) (*gateway.Reply, bool) {
			v, sendErr = s.send(ctx, c.app, w, seed)
			return nil, false
		})
	if err = errors.Join(err, sendErr); err != nil {
		asked := w.request.Channel
		if gateway.CodeOf(err) == gateway.CodeChannelNotAvailable && asked != gateway.Voice && !w.number.Number.Channel(gateway.SMS).Allowed {
			return &refusal{code: landline, err: err}
		}
		return err
	}
	return s.show(c, http.StatusCreated, v)
}

// fetch shows a verification, by its SID or its number.
func (s *server) fetch(c *call) error {
	id, err := s.named(c)
	if err != nil {
		return err
	}
	v, err := s.verifier.Get(c.Request().Context(), c.app, string(id))
	if err != nil {
		return err
	}
	return s.show(c, http.StatusOK, v)
}

// update ends a verification on the app's word.
func (s *server) update(c *call) error {
	f, err := form(c)
	if err != nil {
		return err
	}
	end := s.verifier.Cancel
	switch f.Get("Status") {
	case "canceled":
	case "approved":
		end = s.verifier.Approve
	default:
		return refuse(invalidParameter, "`Status` must be canceled or approved")
	}
	id, err := s.named(c)
	if err != nil {
		return err
	}
	v, err := end(c.Request().Context(), c.app, string(id))
	if err != nil {
		return err
	}
	if v.Status == gateway.Approved {
		s.converted(c.Request().Context(), c.app, v)
	}
	return s.show(c, http.StatusOK, v)
}

// maxCode is the longest code that Twilio takes, in characters.
const maxCode = 10

// check tries a code. A wrong one is no error.
func (s *server) check(c *call) error {
	f, err := form(c)
	if err != nil {
		return err
	}
	code := f.Get("Code")
	if code == "" {
		return refuse(invalidParameter, "`Code` is required")
	}
	id, err := s.checked(c, f)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	valid, v, err := s.verifier.Check(ctx, c.app, string(id), code)
	if gateway.CodeOf(err) == gateway.CodeInvalidRequest {
		// It can't be this verification's code by its form, and costs no check.
		// Twilio calls it wrong, too, if it can be a code at all.
		if utf8.RuneCountInString(code) > maxCode {
			return refuse(invalidParameter, "`Code` has at most %d characters", maxCode)
		}
		v, err = s.verifier.Get(ctx, c.app, string(id))
		if err == nil && v.Status != gateway.Pending {
			return gone()
		}
	}
	switch {
	case err != nil:
		return err
	case v.Status == gateway.Failed:
		return refuse(maxChecks, "start a new verification")
	case valid:
		s.converted(ctx, c.app, v)
	}
	return c.JSON(http.StatusOK, checkBody(c.app, v, valid))
}

// checked is the verification that a check is about. With both To and
// VerificationSid, it has to be the number's: who brings the SID may not be who
// brings the number.
func (s *server) checked(c *call, f url.Values) (gateway.ID, error) {
	to, name := f.Get("To"), f.Get("VerificationSid")
	if to == "" && name == "" {
		return "", refuse(invalidParameter, "`To` or `VerificationSid` is required")
	}
	if name == "" {
		number, err := s.lookup(c, to)
		if err != nil {
			return "", err
		}
		return s.current(c.Request().Context(), c.app, number.E164)
	}
	sid, ok := parseSID("VE", name)
	id, isVerification := sid.id()
	if !ok || !isVerification {
		return "", gone()
	}
	if to != "" {
		number, err := s.lookup(c, to)
		if err != nil {
			return "", err
		}
		v, err := s.verifier.Get(c.Request().Context(), c.app, string(id))
		if err != nil {
			return "", err
		}
		if v.To != number.E164 {
			return "", gone()
		}
	}
	return id, nil
}

// named is the verification in the path: its SID, or its number. That number is
// never logged.
func (s *server) named(c *call) (gateway.ID, error) {
	name, err := url.PathUnescape(c.Param("sid"))
	if err != nil {
		return "", gone()
	}
	if sid, ok := parseSID("VE", name); ok {
		if id, ok := sid.id(); ok {
			return id, nil
		}
		return "", gone()
	}
	number, err := s.lookup(c, name)
	if err != nil {
		if refusalOf(err).code == invalidParameter {
			err = gone()
		}
		return "", err
	}
	return s.current(c.Request().Context(), c.app, number.E164)
}

// show answers with a verification.
func (s *server) show(c *call, status int, v *gateway.Verification) error {
	sid, ok := sidOf(v.ID)
	if !ok {
		return gone()
	}
	ctx, cancel := bookkeeping(c.Request().Context())
	defer cancel()
	sids := make([][gateway.TwilioSIDSize]byte, 0, v.Sends)
	for n := range v.Sends {
		sids = append(sids, sid.attempt(n+1))
	}
	attempts, err := s.store.Attempts(ctx, c.app.Name, sids...)
	if err != nil { // the code is on its way: not worth an error
		s.warn(ctx, "read attempts", err)
	}
	return c.JSON(status, s.verificationBody(c, v, sid, attempts))
}

// bookkeeping is a context for what goes with an answer and must not be lost
// when the caller hangs up.
func bookkeeping(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}

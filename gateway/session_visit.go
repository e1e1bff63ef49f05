package gateway

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"denwa/gateway/phone"
)

// What a browser is told, besides the codes of [Error].
var (
	// ErrSessionOver: the session has ended, or its time is over.
	ErrSessionOver = errors.New("the session is over")
	// ErrSessionTaken: another browser has the session, or this one has none.
	ErrSessionTaken = errors.New("another browser has the session")
	// ErrSessionStale: the page that was sent shows something else than what is
	// now. Show the person what is.
	ErrSessionStale = errors.New("the page is out of date")
)

// Visit is a session as its browser has it.
type Visit struct {
	Session
	Policy *AppPolicy
	// Draft is the number that the person typed, or that the app gave; zero if none.
	Draft Draft
	// Typed is whether Draft was typed in this browser.
	Typed bool
	// Turn counts the sends that were asked for. A resend names it.
	Turn int
	// Sending is whether one of them is being worked on.
	Sending bool
	// Now is the store's time, which all the times of the verification are of.
	Now time.Time

	browser string
	token   string
}

// Draft is a number as a person types it.
type Draft struct{ Number, Country, Extension string }

// Open gives the session to a browser, which then has the cookie that it
// returns. It fails with [ErrSessionTaken] when another one has sent something already.
func (s *Sessions) Open(ctx context.Context, id, secret string) (cookie string, err error) {
	record, err := s.load(ctx, SessionID(id))
	if err != nil {
		return "", err
	}
	app := s.service.Policy().App(record.App)
	if app == nil {
		return "", sessionNotFound()
	}
	session, want, err := s.read(ctx, app, record)
	switch {
	case err != nil:
		return "", err
	case !opens(want, secret):
		return "", sessionNotFound()
	case session.Status != Pending:
		return "", ErrSessionOver
	}
	cookie = newSecret()
	o, err := s.store.OpenSession(ctx, record.ID, browserName(cookie))
	return cookie, s.outcome(o, err)
}

// outcome is what the caller sees of a store's answer.
func (s *Sessions) outcome(o SessionOutcome, err error) error {
	if err != nil {
		return unavailable(err)
	}
	switch o {
	case SessionUnknown:
		return sessionNotFound()
	case SessionOver:
		return ErrSessionOver
	case SessionTaken:
		return ErrSessionTaken
	case SessionDone, SessionRepeat, SessionBusy:
	}
	return nil
}

// Visit reads the session of the browser with cookie. It fails with
// [ErrSessionTaken] if that isn't the one that has it.
func (s *Sessions) Visit(ctx context.Context, id, cookie string) (*Visit, error) {
	record, err := s.load(ctx, SessionID(id))
	if err != nil {
		return nil, err
	}
	app := s.service.Policy().App(record.App)
	if app == nil {
		return nil, sessionNotFound()
	}
	browser := browserName(cookie)
	if cookie == "" || subtle.ConstantTimeCompare([]byte(browser), []byte(record.Browser)) != 1 {
		return nil, ErrSessionTaken
	}
	session, _, err := s.read(ctx, app, record)
	if err != nil {
		return nil, err
	}
	v := &Visit{
		Session: *session, Policy: app, Turn: record.Turn, Sending: record.Sending, Now: record.Now,
		Draft:   Draft{Number: session.To, Country: session.Country, Extension: session.Extension},
		browser: browser, token: string(s.keys.PartyName(record.App, "form", cookie)),
	}
	if len(record.SealedDraft) > 0 {
		plain, err := s.keys.Unseal("draft", string(record.ID), record.SealedDraft)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(plain, &v.Draft); err != nil {
			return nil, errors.New("read sealed draft: not a draft")
		}
		v.Typed = true
	}
	return v, nil
}

// Token is what each form of this visit carries, so that no other site can send
// one: it comes from the cookie, which no other site can read.
func (v *Visit) Token() string { return v.token }

// HasToken reports, in constant time, whether a form carries the token.
func (v *Visit) HasToken(token string) bool {
	return subtle.ConstantTimeCompare([]byte(v.token), []byte(token)) == 1
}

// Enter keeps the number that the person typed, if it can be verified; and
// otherwise fails with invalid_number, number_not_allowed or
// country_not_allowed.
func (s *Sessions) Enter(ctx context.Context, v *Visit, d Draft) error {
	if _, err := s.service.Policy().number(v.Policy, d.Number, d.Country, d.Extension); err != nil {
		return err
	}
	plain, err := json.Marshal(d)
	if err != nil {
		return err
	}
	o, err := s.store.DraftSession(ctx, v.ID, v.browser, s.keys.Seal("draft", string(v.ID), plain))
	if err := s.outcome(o, err); err != nil {
		return err
	}
	v.Draft, v.Typed = d, true
	return nil
}

// Obstacle is why a channel can't be used.
type Obstacle string

// The obstacles.
const (
	ByExtension Obstacle = "extension"  // a message can't reach an extension
	ByFixedLine Obstacle = "fixed_line" // the number is of a fixed line
	ByVoIP      Obstacle = "voip"       // the number is of an internet phone
	ByApp       Obstacle = "app"        // the app doesn't offer it
	ByGateway   Obstacle = "gateway"    // the gateway has no provider for it
)

// Way is a channel, and why it can't be used; nothing if it can.
type Way struct {
	Channel  Channel
	Obstacle Obstacle
}

// Number is what the person typed, as it was read. It fails where there is
// none, or where it can't be verified any more.
func (s *Sessions) Number(v *Visit) (phone.Number, error) {
	return s.service.Policy().number(v.Policy, v.Draft.Number, v.Draft.Country, v.Draft.Extension)
}

// Ways are the channels, and which of them may reach n.
func (s *Sessions) Ways(v *Visit, n phone.Number) []Way {
	ways, routes := []Way{{Channel: SMS}, {Channel: Voice}}, s.service.Policy().Routes()
	offered := func(ch Channel, by []Channel) bool { return len(by) == 0 || slices.Contains(by, ch) }
	for i := range ways {
		ch := ways[i].Channel
		switch {
		case !offered(ch, v.Policy.Channels), !offered(ch, v.Channels):
			ways[i].Obstacle = ByApp
		case !slices.Contains(routes.Offered(), ch), n.Channel(ch).Allowed && !routes.Reaches(v.Policy.destination(ch, n)):
			ways[i].Obstacle = ByGateway
		case n.Channel(ch).Allowed:
		case n.Extension != "":
			ways[i].Obstacle = ByExtension
		case n.Type == phone.VoIP:
			ways[i].Obstacle = ByVoIP
		default:
			ways[i].Obstacle = ByFixedLine
		}
	}
	return ways
}

// Check tries a code, as [Service.Check] does. attempts is how many had been used
// when the page was drawn that the code was typed on: who posts that page twice
// uses one. A page that doesn't say has -1.
func (s *Sessions) Check(ctx context.Context, v *Visit, code string, attempts int) (valid bool, err error) {
	if err := v.current(); err != nil {
		return false, err
	}
	var request StoreName
	if attempts >= 0 {
		request = s.keys.PartyName(v.App, "page", string(v.ID)+";"+strconv.Itoa(attempts))
	}
	valid, verification, err := s.service.CheckOnce(ctx, v.Policy, string(v.Verification.ID), code, request)
	if err != nil {
		return false, err
	}
	v.Verification = verification
	if valid {
		v.Status = Approved
		if err := s.store.FinishSession(ctx, v.ID, Approved); err != nil {
			// It is approved all the same, and whoever reads it next will say so.
			s.log.WarnContext(ctx, "session not marked approved", "app", v.App, "error", err)
		}
	}
	return valid, nil
}

// Digits is how many the code of v has.
func (v *Verification) Digits() int {
	p, _ := v.ID.parse()
	return p.digits
}

// current fails if there is nothing to check or resend.
func (v *Visit) current() error {
	if v.Status != Pending {
		return ErrSessionOver
	}
	if v.Verification == nil {
		return ErrSessionStale
	}
	return nil
}

// Leave ends the session without a result.
func (s *Sessions) Leave(ctx context.Context, v *Visit) error {
	if v.Status != Pending {
		return nil
	}
	if err := s.store.FinishSession(ctx, v.ID, Canceled); err != nil {
		return unavailable(err)
	}
	v.Status = Canceled
	if v.Verification != nil {
		return s.withdraw(ctx, v.Policy, v.Verification.ID)
	}
	return nil
}

// withdraw cancels a verification unless it is over.
func (s *Sessions) withdraw(ctx context.Context, app *AppPolicy, id ID) error {
	_, err := s.service.Cancel(ctx, app, string(id))
	if c := CodeOf(err); c == CodeNotPending || c == CodeNotFound {
		return nil
	}
	return err
}

// Wait waits up to d for news of v's verification, which the page knows as it
// was updated at known.
func (s *Sessions) Wait(ctx context.Context, v *Visit, known time.Time, d time.Duration) (*Verification, error) {
	if v.Verification == nil {
		return nil, ErrSessionStale
	}
	return s.service.WaitSince(ctx, v.Policy, string(v.Verification.ID), known, d)
}

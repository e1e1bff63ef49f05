package gateway

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"denwa/providers"
)

// Dispatch is a text of an app's own that was brought to a phone. Login services
// that make their codes themselves ask for one; it has the same policy, limits,
// routes and receipts as a verification, and nothing to check.
type Dispatch struct {
	ID  ID
	App string
	// Status is that of the latest attempt.
	Status  providers.Status
	Channel Channel

	To         string // E.164; never log it
	ToMasked   string
	Extension  string
	Country    string // ISO 3166-1 alpha-2
	NumberType string
	Locale     string
	Reference  string

	CreatedAt time.Time
	// ExpiresAt is when the text makes no sense any more.
	ExpiresAt time.Time
	UpdatedAt time.Time

	// Attempts are what each provider that was asked made of it.
	Attempts []Delivery
}

// DispatchRequest is what an app asks for. Empty fields take the app's defaults.
type DispatchRequest struct {
	// To is the number as a person types it.
	To string
	// Country is the region of a number without a country code.
	Country   string
	Extension string
	// Channel is sms, voice or auto.
	Channel Channel
	// Message is the text, sent unchanged. A call reads it twice, and digits that
	// look like a code one by one.
	Message string
	// Locale is the language of Message (BCP 47), for the voice of a call.
	Locale string
	// ClientIP is the end user's address.
	ClientIP string
	// Reference is the app's own word for its user or request.
	Reference string
	// ValidFor is how long the text makes sense, at most [MaxValidFor].
	ValidFor time.Duration
	// Within bounds the time for all providers, EachWithin that for one; 0 leaves
	// it to the route. A provider that is cut off may still have sent it.
	Within, EachWithin time.Duration
	// Seed makes the same dispatch again, see [Idempotency]; nil for a new one.
	Seed []byte
}

const (
	// MaxMessage bounds a text, in characters.
	MaxMessage = 1600
	// MaxValidFor bounds the life of a dispatch.
	MaxValidFor = time.Hour
)

// Dispatch sends a text. What it spends of limits and its record are one step;
// then the providers are asked, whether or not the caller still waits. It fails
// with delivery_failed, and what became of it, if none of them accepted; that
// error wraps the one of [providers.Router.Send].
func (s *Service) Dispatch(ctx context.Context, app *AppPolicy, r DispatchRequest) (*Dispatch, error) {
	p := s.Policy()
	d, life, err := p.dispatchDraft(app, r)
	if err != nil {
		return nil, err
	}
	plan := s.sender.Plan(d.destination()).Within(r.EachWithin, r.Within)
	if plan.First() == "" {
		return nil, p.noRoute(d.channel)
	}
	what, err := compose(d)
	if err != nil {
		return nil, err
	}
	number := s.keys.NumberName(d.to.E164)
	shared, watched, err := s.spendShared(ctx, p, claim{draft: d, number: number})
	if err != nil {
		return nil, err
	}
	id := s.keys.newID(number, idParts{}, r.Seed)
	record := Record{
		ID: id, App: app.Name, Number: number,
		Mode: ModeMessage, Country: d.to.Country, NumberType: string(d.to.Type), Locale: d.locale,
		SealedTo: s.sealTo(id, d.to), SealedContent: s.sealContent(id, d.message),
	}
	if r.Reference != "" {
		record.SealedReference = s.keys.Seal("reference", string(id), []byte(r.Reference))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout) // as in Start
	defer cancel()
	c, err := s.store.Start(ctx, record, Begin{
		Channel: d.channel, Provider: plan.First(), Segments: what.segments, Life: life, MaxSends: app.defaults.MaxSends,
		FollowUp: p.followUp(d, plan),
	}, p.rules, app.defaults.Retention)
	if err != nil {
		return nil, unavailable(err)
	}
	s.changed(c)
	if c.Effect != EffectCreated {
		s.unspent(append(shared, watched...))
	}
	if err := s.refused(app, c); err != nil {
		return nil, err
	}
	if c.Effect != EffectCreated { // the same request again: it was sent
		return s.dispatch(c, p)
	}
	c, sendErr := s.handOver(ctx, p, c, parcel{draft: d, plan: plan, content: what})
	sent, err := s.dispatch(c, p)
	if err != nil {
		return nil, err
	}
	if sendErr != nil {
		err := &Error{
			Code: CodeDeliveryFailed, Dispatch: sent, Err: sendErr,
			Message: "no provider took it; try again, or another channel",
		}
		if nothingSent(err) {
			s.unspent(watched)
		}
		return nil, err
	}
	return sent, nil
}

// Dispatched reads a dispatch and, while its text makes sense, waits for news of
// it as [Service.WaitSince] does.
func (s *Service) Dispatched(ctx context.Context, app *AppPolicy, id string, known time.Time, d time.Duration) (*Dispatch, error) {
	did := ID(id)
	if !s.keys.Knows(did) || !did.IsDispatch() {
		return nil, noDispatch()
	}
	c, err := s.waitSince(ctx, app, did, known, d)
	if CodeOf(err) == CodeNotFound {
		return nil, noDispatch()
	}
	if err != nil {
		return nil, err
	}
	return s.dispatch(c, s.Policy())
}

func noDispatch() *Error {
	return &Error{Code: CodeNotFound, Message: "there is no such delivery, or it is no longer kept"}
}

// dispatchDraft checks a request against the policy.
func (p *Policy) dispatchDraft(app *AppPolicy, r DispatchRequest) (d draft, life time.Duration, err error) {
	d, err = p.draft(app, StartRequest{
		To: r.To, Country: r.Country, Extension: r.Extension, Channel: r.Channel, ClientIP: r.ClientIP, Reference: r.Reference,
	})
	if err != nil {
		return d, 0, err
	}
	d.mode, d.message = ModeMessage, r.Message
	if err := checkMessage(r.Message); err != nil {
		return d, 0, err
	}
	if r.Locale != "" {
		tag, err := language.Parse(r.Locale)
		if err != nil || len(r.Locale) > 35 {
			return d, 0, invalid("locale", "locale must be a language tag such as ja, en or pt-BR")
		}
		d.locale = tag.String()
	}
	life = cmp.Or(r.ValidFor, app.defaults.ExpiresIn)
	if life < time.Second || life > MaxValidFor {
		return d, 0, invalid("valid_for", "valid_for must be 1 to %d seconds", int(MaxValidFor.Seconds()))
	}
	return d, life, nil
}

// checkMessage refuses what can't be sent as it is.
func checkMessage(text string) error {
	n := utf8.RuneCountInString(text)
	switch {
	case strings.TrimSpace(text) == "":
		return invalid("message", "message is required: the text to send")
	case n > MaxMessage:
		return invalid("message", "message has %d characters and may have %d", n, MaxMessage)
	case !utf8.ValidString(text):
		return invalid("message", "message is not UTF-8")
	}
	for _, c := range text {
		if unicode.IsControl(c) && c != '\n' && c != '\r' && c != '\t' {
			return invalid("message", "message has the control character %U; remove it", c)
		}
	}
	return nil
}

// dispatch is c as its app sees it.
func (s *Service) dispatch(c Change, p *Policy) (*Dispatch, error) {
	v, err := s.verification(c, p)
	if err != nil {
		return nil, err
	}
	if len(v.Deliveries) == 0 {
		return nil, errors.New("read dispatch: it has no attempt")
	}
	return &Dispatch{
		ID: v.ID, App: v.App, Status: v.Deliveries[len(v.Deliveries)-1].Status, Channel: v.Channel,
		To: v.To, ToMasked: v.ToMasked, Extension: v.Extension, Country: v.Country, NumberType: v.NumberType,
		Locale: v.Locale, Reference: v.Reference,
		CreatedAt: v.CreatedAt, ExpiresAt: v.ExpiresAt, UpdatedAt: v.UpdatedAt, Attempts: v.Deliveries,
	}, nil
}

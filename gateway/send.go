package gateway

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"denwa/ivr"
	"denwa/providers"
	"denwa/ratelimit"
)

// StartRequest is what an app asks for. Empty fields take the app's defaults.
type StartRequest struct {
	// To is the number as a person types it.
	To string
	// Country is the region of a number without a country code.
	Country   string
	Extension string
	// Channel is sms, voice or auto.
	Channel Channel
	Mode    Mode
	Locale  string
	Purpose string
	// ClientIP is the end user's address.
	ClientIP string
	// Origin is the domain for WebOTP, AppHash the hash for SMS Retriever.
	Origin, AppHash string
	// Reference is the app's own word for its user or request.
	Reference string
	// Code is the caller's own code, [MinOwnCodeLength] to [MaxCodeLength] digits,
	// to be sent instead of a derived one.
	Code string
	// Brand is who the message says it is from, instead of the app's brand.
	Brand string
	// Seed makes the same verification again, see [Idempotency]; nil for a new one.
	Seed []byte
}

// maxReference bounds a reference, in bytes.
const maxReference = 200

// sendTimeout bounds a send after its record was written. The router's own
// deadlines are shorter.
const sendTimeout = 45 * time.Second

// Start creates a verification and sends its code. The verification and what it
// spends of limits are one step; then the providers are asked, whether or not
// the caller still waits. It fails with delivery_failed, and the verification,
// if none of them accepted.
func (s *Service) Start(ctx context.Context, app *AppPolicy, r StartRequest) (*Verification, error) {
	p := s.Policy()
	d, err := p.draft(app, r)
	if err != nil {
		return nil, err
	}
	plan := s.sender.Plan(d.destination())
	if plan.First() == "" {
		return nil, p.noRoute(d.channel)
	}
	number := s.keys.NumberName(d.to.E164)
	parts := idParts{digits: app.defaults.CodeLength}
	if d.code != "" {
		parts = idParts{digits: len(d.code), own: true}
	}
	id := s.keys.newID(number, parts, r.Seed)
	if d.code == "" {
		d.code = s.keys.Code(id, app.Name)
	}
	content, err := compose(d)
	if err != nil {
		return nil, err
	}
	c := claim{draft: d, number: number, party: s.party(app, r, d.clientIP), proves: true}
	shared, watched, err := s.spendShared(ctx, p, c)
	if err != nil {
		return nil, err
	}
	record := Record{
		ID: id, App: app.Name, Number: number, Party: c.party,
		Mode: d.mode, Country: d.to.Country, NumberType: string(d.to.Type), Locale: d.locale, Purpose: r.Purpose,
		Origin: r.Origin, AppHash: r.AppHash, Brand: r.Brand,
		Hook: app.Webhook.Enabled(), SealedTo: s.sealTo(id, d.to),
	}
	if r.Reference != "" {
		record.SealedReference = s.keys.Seal("reference", string(id), []byte(r.Reference))
	}
	if parts.own {
		record.SealedContent = s.sealContent(id, d.code)
	}
	// From here on the work is finished even if the caller hangs up: half a
	// start would spend the number's limits for nothing.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	started, err := s.store.Start(ctx, record, Begin{
		Channel: d.channel, Provider: plan.First(), Segments: content.segments, Life: app.defaults.ExpiresIn,
		MaxAttempts: app.defaults.MaxAttempts, MaxSends: app.defaults.MaxSends, FollowUp: p.followUp(d, plan),
	}, p.rules, app.defaults.Retention)
	if err != nil {
		return nil, unavailable(err)
	}
	s.changed(started)
	if started.Effect != EffectCreated {
		s.unspent(append(shared, watched...))
	}
	if err := s.refused(app, started); err != nil {
		return nil, err
	}
	if started.Effect != EffectCreated { // the same request again: it was sent
		v, err := s.verification(started, p)
		if err == nil {
			v.Repeated = true
		}
		return v, err
	}
	v, err := s.send(ctx, p, started, parcel{draft: d, plan: plan, content: content})
	if nothingSent(err) {
		s.unspent(watched)
	}
	return v, err
}

// nothingSent reports whether no provider took it, and the last one that was asked
// is sure of that.
func nothingSent(err error) bool {
	return CodeOf(err) == CodeDeliveryFailed && providers.KindOf(err) != providers.Ambiguous
}

// Resend sends the same code again, by channel, or by the one of the last send
// if that is empty. It doesn't give back any attempts.
func (s *Service) Resend(ctx context.Context, app *AppPolicy, id string, channel Channel) (*Verification, error) {
	return s.ResendOnce(ctx, app, id, channel, "")
}

// ResendOnce is Resend for a request that its caller may make again, because
// the answer got lost: it sends once. See [Ticket.Request].
func (s *Service) ResendOnce(ctx context.Context, app *AppPolicy, id string, channel Channel, request StoreName) (*Verification, error) {
	vid, err := s.id(id)
	if err != nil {
		return nil, err
	}
	known, err := s.read(ctx, app, vid)
	if err != nil {
		return nil, err
	}
	v, err := s.verification(known, s.Policy())
	if err != nil {
		return nil, err
	}
	if v.Status != Pending {
		return nil, s.refused(app, Change{Record: Record{State: State{Status: v.Status}}, Refusal: Refusal{Reason: RefusedNotPending}})
	}
	p := s.Policy()
	if channel == "" {
		channel = v.Channel
	}
	next, err := s.pack(p, app, known, channel)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	c, err := s.store.Apply(ctx, vid, app.Name, Resend{
		Channel: next.draft.channel, Provider: next.plan.First(), Segments: next.content.segments, FollowUp: p.followUp(next.draft, next.plan),
		Request: request,
	}, p.rules)
	if err != nil {
		return nil, unavailable(err)
	}
	s.changed(c)
	if err := s.refused(app, c); err != nil {
		return nil, err
	}
	if c.Effect != EffectSend { // the same request again: it was sent
		return s.verification(c, p)
	}
	return s.send(ctx, p, c, next)
}

// parcel is a send that is ready to be recorded and handed over.
type parcel struct {
	draft   draft
	plan    providers.Plan
	content content
}

// content is what a send brings to the phone: a text, or a call.
type content struct {
	text     string
	segments int
	script   ivr.Script
}

// compose makes the content of a send.
func compose(d draft) (c content, err error) {
	switch {
	case d.channel == Voice:
		c.script = script(d)
	case d.mode == ModeMessage:
		c.text, c.segments = d.message, Segments(d.message)
	default:
		c.text, c.segments, err = d.text(d.code)
	}
	return c, err
}

// pack makes another send of what c is about, by channel. It fails with an [*Error]
// if that isn't possible.
func (s *Service) pack(p *Policy, app *AppPolicy, c Change, channel Channel) (next parcel, err error) {
	r := &c.Record
	v, err := s.verification(c, p)
	if err != nil {
		return parcel{}, err
	}
	d, err := p.again(app, v, channel)
	if err != nil {
		return parcel{}, err
	}
	d.mode = r.Mode // v has that of the last send, which a message makes "code"
	d.minutes, d.digits = minutes(r.ExpiresAt.Sub(c.Now)), v.Digits()
	if r.ID.IsDispatch() {
		d.locale = r.Locale
		d.message, err = s.content(r)
	} else {
		d.code, err = s.code(r)
	}
	if err != nil {
		return parcel{}, err
	}
	next = parcel{draft: d, plan: s.sender.Plan(d.destination())}
	if next.plan.First() == "" {
		return parcel{}, p.noRoute(d.channel)
	}
	next.content, err = compose(d)
	return next, err
}

// send hands next to the providers of its plan, for the verification in c.
func (s *Service) send(ctx context.Context, p *Policy, c Change, next parcel) (*Verification, error) {
	c, sendErr := s.handOver(ctx, p, c, next)
	v, err := s.verification(c, p)
	if err != nil {
		return nil, err
	}
	if sendErr != nil {
		return nil, &Error{
			Code: CodeDeliveryFailed, Verification: v, Err: sendErr,
			Message: "no provider took it; the verification stays pending, so try to resend or another channel",
		}
	}
	return v, nil
}

// errOver ends a send that became pointless: it is approved, canceled or
// expired meanwhile, it arrived although the provider's answer got lost, or a
// later send took its place.
var errOver = errors.New("it is over")

// handOver asks the providers of next's plan. The first one's delivery is recorded
// already, as the last of c; each further one is recorded before it is asked.
// It returns what is recorded then, and why no provider took it, if none did.
func (s *Service) handOver(ctx context.Context, p *Policy, c Change, next parcel) (Change, error) {
	id, n := c.Record.ID, len(c.Record.Deliveries)
	journal := func(ctx context.Context, f providers.Failover) (string, error) {
		was := n
		now, err := s.store.Apply(ctx, id, c.Record.App, Failover{
			N: n, Next: f.To, Ambiguous: f.Err.Kind == providers.Ambiguous, FollowUp: p.followUp(next.draft, next.plan),
		}, p.rules)
		if err != nil {
			return "", err
		}
		s.changed(now)
		if now.Record.ID != "" {
			c, n = now, len(now.Record.Deliveries)
		}
		if now.Refusal.Reason != "" {
			return "", errOver
		}
		switch {
		case f.To == "" || now.Effect == EffectSend:
			return deliveryName(id, n), nil
		case n > was:
			return "", errOver
		}
		return "", f.Err // it may have been sent, and that was the last send
	}
	validFor, country := c.Record.ExpiresAt.Sub(c.Now), c.Record.Country
	var err error
	if d := next.draft; d.channel == Voice {
		_, _, err = s.sender.Call(ctx, next.plan, providers.Call{
			Delivery: deliveryName(id, n), To: d.to.E164, Extension: d.to.Extension, Script: next.content.script, ValidFor: validFor,
		}, country, journal)
	} else {
		_, _, err = s.sender.Send(ctx, next.plan, providers.Message{
			Delivery: deliveryName(id, n), To: d.to.E164, Text: next.content.text, ValidFor: validFor,
		}, country, journal)
	}
	if errors.Is(err, errOver) {
		err = nil
	}
	return c, err
}

// claim is who wants to send, as far as limits go.
type claim struct {
	draft
	number StoreName
	// party is who acts for the app, see [Service.party]; empty if unknown.
	party StoreName
	// proves is whether it is a verification, and so may be approved.
	proves bool
}

// spendShared spends the limits that don't live with the number, and says what it
// spent, of those of the fraud rules apart.
func (s *Service) spendShared(ctx context.Context, p *Policy, c claim) (shared, watched []ratelimit.Bucket, err error) {
	app := c.app
	buckets := []ratelimit.Bucket{{Name: ratelimit.App, Limit: p.Limits.App, Key: string(s.keys.PartyName(app.Name, "app", ""))}}
	if c.clientIP.IsValid() {
		buckets = append(buckets, ratelimit.Bucket{
			Name: ratelimit.ClientAddress, Limit: p.Limits.ClientAddress,
			Key: string(s.keys.PartyName(app.Name, "address", c.clientIP.String())),
		})
	}
	own := len(buckets)
	buckets = append(buckets, s.watched(p, app, c.to.E164, c.to.Country, c.proves)...)
	decisions, err := s.limits.Spend(ctx, buckets...)
	if err != nil {
		return nil, nil, unavailable(err)
	}
	for i, d := range decisions {
		if d.Unchecked != nil {
			s.log.WarnContext(ctx, "limit not checked, and it fails open", "limit", string(d.Limit), "error", d.Unchecked)
		}
		if !d.Allowed && i < own {
			s.metrics.limit(app.Name, d.Limit)
			return nil, nil, limited(d.Limit, buckets[i].Limit, d.RetryAfter)
		}
	}
	shared = buckets[:own:own]
	watched, err = s.judge(ctx, p, c, buckets[own:], decisions[own:])
	if err != nil { // what else was spent, was spent for nothing
		_ = s.limits.Refund(ctx, append(shared, watched...)...)
		return nil, nil, err
	}
	return shared, watched, nil
}

// party is who proves, for the app, to hold the number: the user that the app
// refers to, else the address. Who has proved it before has limits of their
// own, so that a stranger can't use them up.
func (s *Service) party(app *AppPolicy, r StartRequest, client netip.Addr) StoreName {
	switch {
	case r.Reference != "":
		return s.keys.PartyName(app.Name, "reference", r.Reference)
	case client.IsValid():
		return s.keys.PartyName(app.Name, "address", client.String())
	}
	return ""
}

func (p *Policy) noRoute(ch Channel) *Error {
	return &Error{Code: CodeChannelNotAvailable, Field: "channel", Message: p.unrouted(ch)}
}

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
	plan := s.sender.Plan(d.channel, d.to.Country)
	if plan.First() == "" {
		return nil, noProvider(d.channel)
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
	if err := s.spendShared(ctx, p, app, d.clientIP); err != nil {
		return nil, err
	}
	record := Record{
		ID: id, App: app.Name, Number: number, Party: s.party(app, r, d.clientIP),
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
	c, err := s.store.Start(ctx, record, Begin{
		Channel: d.channel, Provider: plan.First(), Segments: content.segments, Life: app.defaults.ExpiresIn,
		MaxAttempts: app.defaults.MaxAttempts, MaxSends: app.defaults.MaxSends,
	}, p.rules, app.defaults.Retention)
	if err != nil {
		return nil, unavailable(err)
	}
	s.metrics.change(c)
	if err := s.refused(app, c); err != nil {
		return nil, err
	}
	if c.Effect != EffectCreated { // the same request again: it was sent
		return s.verification(c, p)
	}
	return s.send(ctx, p, c, plan, d, content)
}

// Resend sends the same code again, by channel, or by the one of the last send
// if that is empty. It doesn't give back any attempts.
func (s *Service) Resend(ctx context.Context, app *AppPolicy, id string, channel Channel) (*Verification, error) {
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
	d, err := p.again(app, v, channel)
	if err != nil {
		return nil, err
	}
	if d.channel == Voice {
		d.mode = known.Record.Mode // v has that of the last send, which a message makes "code"
	}
	if d.code, err = s.code(&known.Record); err != nil {
		return nil, err
	}
	plan := s.sender.Plan(d.channel, d.to.Country)
	if plan.First() == "" {
		return nil, noProvider(d.channel)
	}
	content, err := compose(d)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	c, err := s.store.Apply(ctx, vid, app.Name, Resend{Channel: d.channel, Provider: plan.First(), Segments: content.segments}, p.rules)
	if err != nil {
		return nil, unavailable(err)
	}
	s.metrics.change(c)
	if err := s.refused(app, c); err != nil {
		return nil, err
	}
	return s.send(ctx, p, c, plan, d, content)
}

// content is what a send brings to the phone: a text, or a call.
type content struct {
	text     string
	segments int
	script   ivr.Script
}

// compose makes the content of a send.
func compose(d draft) (c content, err error) {
	if d.channel == Voice {
		c.script = script(d)
		return c, nil
	}
	c.text, c.segments, err = d.text(d.code)
	return c, err
}

// send hands content to the providers of plan, for the verification in c.
func (s *Service) send(ctx context.Context, p *Policy, c Change, plan providers.Plan, d draft, what content) (*Verification, error) {
	c, sendErr := s.handOver(ctx, p, c, plan, d, what)
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

// handOver asks the providers of plan. The first one's delivery is recorded
// already, as the last of c; each further one is recorded before it is asked.
// It returns what is recorded then, and why no provider took it, if none did.
func (s *Service) handOver(ctx context.Context, p *Policy, c Change, plan providers.Plan, d draft, what content) (Change, error) {
	id, n := c.Record.ID, len(c.Record.Deliveries)
	over := errors.New("it is over")
	journal := func(ctx context.Context, f providers.Failover) (string, error) {
		next, err := s.store.Apply(ctx, id, c.Record.App, Failover{N: n, Next: f.To}, p.rules)
		if err != nil {
			return "", err
		}
		s.metrics.change(next)
		if next.Refusal.Reason != "" {
			return "", over // approved, canceled or expired meanwhile: nothing more is sent
		}
		c = next
		n = len(c.Record.Deliveries)
		return deliveryName(id, n), nil
	}
	validFor, country := c.Record.ExpiresAt.Sub(c.Now), c.Record.Country
	var err error
	if d.channel == Voice {
		_, _, err = s.sender.Call(ctx, plan, providers.Call{
			Delivery: deliveryName(id, n), To: d.to.E164, Extension: d.to.Extension, Script: what.script, ValidFor: validFor,
		}, country, journal)
	} else {
		_, _, err = s.sender.Send(ctx, plan, providers.Message{
			Delivery: deliveryName(id, n), To: d.to.E164, Text: what.text, ValidFor: validFor,
		}, country, journal)
	}
	if errors.Is(err, over) {
		err = nil
	}
	return c, err
}

// spendShared spends the limits that don't live with the number.
func (s *Service) spendShared(ctx context.Context, p *Policy, app *AppPolicy, client netip.Addr) error {
	buckets := []ratelimit.Bucket{{Name: ratelimit.App, Limit: p.Limits.App, Key: string(s.keys.PartyName(app.Name, "app", ""))}}
	if client.IsValid() {
		buckets = append(buckets, ratelimit.Bucket{
			Name: ratelimit.ClientAddress, Limit: p.Limits.ClientAddress,
			Key: string(s.keys.PartyName(app.Name, "address", client.String())),
		})
	}
	decisions, err := s.limits.Spend(ctx, buckets...)
	if err != nil {
		return unavailable(err)
	}
	for i, d := range decisions {
		if d.Unchecked != nil {
			s.log.WarnContext(ctx, "limit not checked, and it fails open", "limit", string(d.Limit), "error", d.Unchecked)
		}
		if !d.Allowed {
			s.metrics.limit(app.Name, d.Limit)
			return limited(d.Limit, buckets[i].Limit, d.RetryAfter)
		}
	}
	return nil
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

func noProvider(ch Channel) *Error {
	return &Error{
		Code: CodeChannelNotAvailable, Field: "channel",
		Message: "This gateway has no provider for " + string(ch) + " to this country.",
	}
}

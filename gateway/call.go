package gateway

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"denwa/ivr"
	"denwa/providers"
)

var _ providers.Switchboard = (*Service)(nil)

// script is what a call says.
func script(d draft) ivr.Script {
	script := ivr.Script{Mode: ivr.Mode(d.mode), Locale: ivr.Locale(d.locale), Brand: d.brand}
	switch d.mode {
	case ModeCode:
		script.Code = d.code
	case ModeKeyed:
		script.Digits = d.digits
	case ModeMessage:
		script.Message = d.message
	case ModeConfirm:
	}
	own := d.app.Greetings[script.Locale]
	script.Greeting, script.GreetingAudio = own.Text, own.Audio
	return script
}

// Script implements [providers.Switchboard].
func (s *Service) Script(ctx context.Context, delivery string) (ivr.Script, error) {
	c, _, err := s.call(ctx, delivery)
	if err != nil {
		return ivr.Script{}, err
	}
	r := &c.Record
	app := s.Policy().App(r.App)
	if app == nil {
		return ivr.Script{}, providers.ErrNoCall // it was taken out of the configuration
	}
	made, _ := r.ID.parse() // the configured length may be another one by now
	d := draft{app: app, mode: r.Mode, locale: r.Locale, brand: cmp.Or(r.Brand, app.Brand), digits: made.digits}
	switch r.Mode {
	case ModeCode:
		d.code, err = s.code(r)
	case ModeMessage:
		d.message, err = s.content(r)
	case ModeConfirm, ModeKeyed:
	}
	if err != nil {
		return ivr.Script{}, err
	}
	if r.Status != Pending && r.Mode != ModeConfirm && r.Mode != ModeKeyed {
		return ivr.Script{}, providers.ErrNoCall // a code that is over isn't read out
	}
	return script(d), nil
}

// Press implements [providers.Switchboard]: it decides what keys mean that were
// pressed in a call, by the verification's mode. Who asks again, because the
// answer got lost, is told the same, and the same wrong digits count once.
func (s *Service) Press(ctx context.Context, provider, delivery, keys string) (ivr.Verdict, error) {
	c, n, err := s.call(ctx, delivery)
	if errors.Is(err, providers.ErrNoCall) {
		return ivr.Over, nil
	}
	if err != nil {
		return "", err
	}
	r := &c.Record
	if r.Deliveries[n-1].Provider != provider {
		return ivr.Over, nil
	}
	var e Event
	switch mode := r.Mode; {
	case mode == ModeMessage:
		return ivr.Over, nil // a message asks for nothing
	case keys == string(ivr.AskDeny):
		e = Deny{Call: n}
	case mode == ModeConfirm && keys == string(ivr.AskApprove):
		e = Confirm{Call: n}
	case mode == ModeKeyed:
		typed, err := NormaliseCode(strings.TrimSuffix(keys, "#"), r.ID)
		if err != nil {
			return ivr.Wrong, nil //nolint:nilerr // not a code at all: no attempt.
		}
		e = Check{
			Match: s.keys.ShownCodeMatches(r.ID, r.App, typed), Call: n,
			Guess: s.keys.PartyName(r.App, "guess", delivery+";"+typed),
		}
	default:
		return ivr.Wrong, nil
	}
	c, err = s.store.Apply(ctx, r.ID, r.App, e, s.Policy().rules)
	if err != nil {
		return "", err
	}
	s.changed(c)
	if _, isCheck := e.(Check); isCheck && c.Effect != EffectRepeated {
		s.metrics.check(r.App, c)
	}
	switch {
	case c.Refusal.Reason == RefusedLimit:
		s.metrics.limit(r.App, c.Refusal.Limit)
		return ivr.Over, nil
	case c.Refusal.Reason == RefusedNotPending:
		return sameVerdict(c, n, e), nil
	case c.Refusal.Reason != "":
		return ivr.Over, nil
	}
	switch c.Effect {
	case EffectApproved:
		s.reported(c, n)
		return ivr.Approved, nil
	case EffectDenied:
		s.reported(c, n)
		s.log.WarnContext(ctx, "a person reported a call that they hadn't asked for; the number is blocked",
			"verification", string(r.ID), "app", r.App, "country", r.Country)
		return ivr.Denied, nil
	case EffectWrong:
		return ivr.Wrong, nil
	case EffectRepeated:
		if c.Record.Status == Pending {
			return ivr.Wrong, nil
		}
	case EffectNone, EffectCreated, EffectFailed, EffectExpired, EffectCanceled, EffectSend, EffectReport:
	}
	return ivr.Over, nil
}

// sameVerdict is what e meant when it came before, on the same call, c's n-th
// delivery. If something else ended the verification, the call is over.
func sameVerdict(c Change, n int, e Event) ivr.Verdict {
	status, answer := c.Record.Status, c.Record.Deliveries[n-1].Status
	confirmed := status == Approved && answer == providers.Confirmed
	switch e := e.(type) {
	case Confirm:
		if confirmed {
			return ivr.Approved
		}
	case Check:
		if confirmed && e.Match {
			return ivr.Approved
		}
	case Deny:
		if status == Denied && answer == providers.Denied {
			return ivr.Denied
		}
	}
	return ivr.Over
}

// call reads the verification of a call, and which of its deliveries (from 1) that is.
func (s *Service) call(ctx context.Context, delivery string) (c Change, n int, err error) {
	id, n, ok := parseDelivery(delivery)
	if !ok || !s.keys.Knows(id) {
		return c, 0, providers.ErrNoCall
	}
	if c, err = s.store.Load(ctx, id, ""); err != nil {
		return c, 0, err
	}
	if c.Refusal.Reason != "" || n > len(c.Record.Deliveries) || c.Record.Deliveries[n-1].Channel != Voice {
		return c, 0, providers.ErrNoCall
	}
	return c, n, nil
}

// reported counts the news of the n-th delivery.
func (s *Service) reported(c Change, n int) {
	d := c.Record.Deliveries[n-1]
	s.receipts.Receipt(d.Provider, d.Channel, c.Record.Country, d.Status, c.Now.Sub(d.At))
}

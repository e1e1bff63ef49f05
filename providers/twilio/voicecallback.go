package twilio

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	"denwa/ivr"
	"denwa/ivr/twiml"
	"denwa/providers"
	"denwa/providers/carrierhttp"
)

// callAnswered begins the call.
func (p *Provider) callAnswered(w http.ResponseWriter, r *http.Request, form url.Values) {
	p.proceed(w, r, form, ivr.State{}, twiml.Answer(form))
}

// callKeys goes on after keys, or after silence.
func (p *Provider) callKeys(w http.ResponseWriter, r *http.Request, form url.Values) {
	st, stateErr := ivr.ParseState(r.URL.Query().Get("state"))
	in, inputErr := twiml.Gathered(form)
	if stateErr != nil || inputErr != nil {
		carrierhttp.Refuse(w, http.StatusBadRequest)
		return
	}
	p.proceed(w, r, form, st, in)
}

// proceed answers with what the call says next. All that is known of the call
// is its delivery, the state in the address, and what the switchboard says, so
// any instance can answer, and any number of times.
func (p *Provider) proceed(w http.ResponseWriter, r *http.Request, form url.Values, st ivr.State, in ivr.Input) {
	ctx, delivery := r.Context(), r.URL.Query().Get("delivery")
	if delivery == "" || !callSIDForm.MatchString(form.Get("CallSid")) {
		carrierhttp.Refuse(w, http.StatusBadRequest)
		return
	}
	document, err := p.next(ctx, delivery, st, in)
	switch {
	case errors.Is(err, providers.ErrNoCall):
		document = twiml.HangUp()
	case err != nil:
		p.log.WarnContext(ctx, "a call can't go on, twilio will ask again", "delivery", delivery, "error", err)
		carrierhttp.Refuse(w, http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", twiml.ContentType)
	// If Twilio went away, it asks again, or the call is over.
	_, _ = io.WriteString(w, document) //nolint:gosec // it is XML, escaped in Render, for a machine that signed its request
}

// next is the document for what follows, after a verdict on keys that need one.
// It reports how the call ended.
func (p *Provider) next(ctx context.Context, delivery string, st ivr.State, in ivr.Input) (document string, err error) {
	script, err := p.calls.Script(ctx, delivery)
	if err != nil {
		return "", err
	}
	st, step, outcome, ask := script.Next(st, in)
	if ask != "" {
		verdict, err := p.calls.Press(ctx, p.name, delivery, string(ask))
		if err != nil {
			return "", err
		}
		st, step, outcome, _ = script.Next(st, ivr.Input{Kind: ivr.Judged, Verdict: verdict})
	}
	if outcome != "" {
		err = p.receive(ctx, p.name, providers.Receipt{Delivery: delivery, Status: providers.Status(outcome)})
	}
	if err != nil && ask == "" {
		return "", err
	}
	if err != nil {
		// Twilio must not ask again: the keys are used up, and who pressed them has to hear what they meant.
		p.log.WarnContext(ctx, "outcome of a call not taken", "delivery", delivery, "outcome", string(outcome), "error", err)
	}
	action := p.callbacks + "/call/keys?delivery=" + url.QueryEscape(delivery) + "&state=" + st.String() + retryOverride
	return twiml.Render(step, p.voice.speaks(script.Locale), action), nil
}

// callReport takes a status callback of a call.
func (p *Provider) callReport(w http.ResponseWriter, r *http.Request, form url.Values) {
	delivery := r.URL.Query().Get("delivery")
	code, codeErr := errorCodeField(form.Get("ErrorCode"))
	if delivery == "" || codeErr != nil || form.Get("CallStatus") == "" || !callSIDForm.MatchString(form.Get("CallSid")) {
		carrierhttp.Refuse(w, http.StatusBadRequest)
		return
	}
	status, known := callStatus(form.Get("CallStatus"), form.Get("SipResponseCode"), twiml.Answer(form).Kind == ivr.Machine)
	if !known {
		p.log.WarnContext(r.Context(), "unknown call status from twilio", "status", form.Get("CallStatus"))
	}
	p.report(w, r, providers.Receipt{Delivery: delivery, Status: status, Code: codeText(code), Kind: failures[code].kind})
}

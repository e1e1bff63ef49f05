package twilio

import (
	"net/http"
	"net/url"
	"strconv"

	"denwa/providers"
	"denwa/providers/carrierhttp"
)

// maxCallback bounds a callback's body; a status callback is about 500 bytes.
const maxCallback = 64 << 10

// Callbacks returns the handler for what Twilio reports:
//
//	POST /status?delivery=<delivery>                  what became of a message
//	POST /call?delivery=<delivery>                    a call was answered
//	POST /call/keys?delivery=<delivery>&state=<state> keys were pressed in it, or not
//	POST /call/status?delivery=<delivery>             how it goes on
//
// It answers reports with 204, also those that are no news, and what asks how a
// call goes on with TwiML; with 403 what Twilio didn't sign or what is of
// another account; with 400 what makes no sense; and with 503 when the receiver
// or the switchboard failed, which Twilio then repeats. All of it comes more
// than once and in any order: sorting that out is the receiver's.
func (p *Provider) Callbacks() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /status", p.signed(p.messageReport))
	if p.voice.enabled() {
		mux.HandleFunc("POST /call", p.signed(p.callAnswered))
		mux.HandleFunc("POST /call/keys", p.signed(p.callKeys))
		mux.HandleFunc("POST /call/status", p.signed(p.callReport))
	}
	return mux
}

// signed lets through only what Twilio signed for this account. The signature
// covers the address as Twilio knows it, so the request's own Host says nothing.
func (p *Provider) signed(next func(http.ResponseWriter, *http.Request, url.Values)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, ok := carrierhttp.ReadReport(w, r, maxCallback)
		if !ok {
			return
		}
		form, err := url.ParseQuery(string(body))
		if err != nil || !p.genuine(r, form) {
			ctx := r.Context()
			p.refusals.Do(func() {
				p.log.WarnContext(ctx, "callback refused: not signed by twilio for public_url and auth_token")
			})
			carrierhttp.Refuse(w, http.StatusForbidden)
			return
		}
		next(w, r, form)
	}
}

// genuine checks X-Twilio-Signature. The vendor's validator compares in
// constant time, and tries the address with and without a port, because
// Twilio's back ends don't agree on that. What else speaks Twilio's API may sign
// the address as it was given, with its fragment.
func (p *Provider) genuine(r *http.Request, form url.Values) bool {
	if p.callbacks == "" {
		return false
	}
	address := p.callbacks + r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		address += "?" + r.URL.RawQuery
	}
	params := make(map[string]string, len(form))
	for name := range form {
		params[name] = form.Get(name) // the first value, here and wherever a value is used
	}
	signature := r.Header.Get("X-Twilio-Signature")
	return (p.validator.Validate(address, params, signature) || p.validator.Validate(address+retryOverride, params, signature)) &&
		form.Get("AccountSid") == p.client.AccountSid()
}

// messageReport takes a status callback of a message.
func (p *Provider) messageReport(w http.ResponseWriter, r *http.Request, form url.Values) {
	delivery := r.URL.Query().Get("delivery")
	code, codeErr := errorCodeField(form.Get("ErrorCode"))
	if delivery == "" || codeErr != nil || form.Get("MessageStatus") == "" || !messageSIDForm.MatchString(form.Get("MessageSid")) {
		carrierhttp.Refuse(w, http.StatusBadRequest)
		return
	}
	status, known := messageStatus(form.Get("MessageStatus"), code)
	if !known {
		p.log.WarnContext(r.Context(), "unknown message status from twilio", "status", form.Get("MessageStatus"))
	}
	p.report(w, r, providers.Receipt{Delivery: delivery, Status: status, Code: codeText(code), Kind: failures[code].kind})
}

// report hands a receipt on, if it is news, and answers Twilio.
func (p *Provider) report(w http.ResponseWriter, r *http.Request, receipt providers.Receipt) {
	if receipt.Status != providers.Accepted {
		if err := p.receive(r.Context(), p.name, receipt); err != nil {
			p.log.WarnContext(r.Context(), "receipt not taken, twilio will repeat it", "error", err)
			carrierhttp.Refuse(w, http.StatusServiceUnavailable)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// errorCodeField reads ErrorCode, which is absent or empty where there was no error.
func errorCodeField(value string) (int, error) {
	if value == "" {
		return 0, nil
	}
	code, err := strconv.ParseUint(value, 10, 31)
	return int(code), err
}

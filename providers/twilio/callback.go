package twilio

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"denwa/providers"
)

// maxCallback bounds a callback's body; a status callback is about 500 bytes.
const maxCallback = 64 << 10

// Callbacks returns the handler for what Twilio reports:
//
//	POST /status?delivery=<delivery>   what became of a message
//
// It answers 204 to what was taken, also to what is no news; 403 to what
// Twilio didn't sign or what is of another account; 400 to what makes no
// sense; and 503 when the receiver failed, which Twilio then repeats. Reports
// come more than once and in any order: sorting that out is the receiver's.
func (p *Provider) Callbacks() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /status", p.signed(p.messageReport))
	return mux
}

// signed lets through only what Twilio signed for this account. The signature
// covers the address as Twilio knows it, so the request's own Host says nothing.
func (p *Provider) signed(next func(http.ResponseWriter, *http.Request, url.Values)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCallback))
		if err != nil {
			status := http.StatusBadRequest
			if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
				status = http.StatusRequestEntityTooLarge
			}
			http.Error(w, http.StatusText(status), status)
			return
		}
		form, err := url.ParseQuery(string(body))
		if err != nil || !p.genuine(r, form) {
			ctx := r.Context()
			p.refusals.Do(func() {
				p.log.WarnContext(ctx, "callback refused: not signed by twilio for public_url and auth_token")
			})
			http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
			return
		}
		next(w, r, form)
	}
}

// genuine checks X-Twilio-Signature. The vendor's validator compares in
// constant time, and tries the address with and without a port, because
// Twilio's back ends don't agree on that.
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
	return p.validator.Validate(address, params, r.Header.Get("X-Twilio-Signature")) &&
		form.Get("AccountSid") == p.client.AccountSid()
}

// messageReport takes a status callback of a message.
func (p *Provider) messageReport(w http.ResponseWriter, r *http.Request, form url.Values) {
	delivery := r.URL.Query().Get("delivery")
	code, codeErr := errorCodeField(form.Get("ErrorCode"))
	if delivery == "" || codeErr != nil || form.Get("MessageStatus") == "" || !messageSIDForm.MatchString(form.Get("MessageSid")) {
		http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
		return
	}
	status, known := messageStatus(form.Get("MessageStatus"), code)
	if !known {
		p.log.WarnContext(r.Context(), "unknown message status from twilio", "status", form.Get("MessageStatus"))
	}
	if status != providers.Accepted {
		receipt := providers.Receipt{Delivery: delivery, Status: status, Code: codeText(code)}
		if err := p.receive(r.Context(), p.name, receipt); err != nil {
			p.log.WarnContext(r.Context(), "receipt not taken, twilio will repeat it", "error", err)
			http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
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

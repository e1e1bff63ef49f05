package hooks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/text/language"

	"denwa/gateway"
	"denwa/providers"
)

// deliver decodes a request that is the service's, and has it delivered once.
func (h *Handler) deliver(ctx context.Context, w http.ResponseWriter, p *gateway.Policy, app *gateway.AppPolicy, s service, hook gateway.Hook, r *request) {
	o, err := s.decode(hook, r)
	if err != nil {
		h.finish(ctx, w, app, s, resultOf(languageOf(p, app, ""), nil, err))
		return
	}
	lang := languageOf(p, app, o.locale)
	if o.validFor <= 0 {
		o.validFor = hook.ValidFor
	}
	// The service hangs up then, so nobody would read a later answer.
	ctx, cancel := context.WithTimeout(ctx, s.patience-s.margin())
	defer cancel()
	var res *result
	var first reply
	kept, err := h.once.OnceIn(ctx, app.Name, o.name(s.kind), s.memory, func(ctx context.Context, seed []byte) (*gateway.Reply, bool) {
		d, err := h.dispatch(ctx, p, app, s, o, seed)
		res = resultOf(lang, d, err)
		first = s.answer(res)
		return &first.Reply, res.final()
	})
	switch {
	case err != nil: // the store is down, or the first try takes too long
		h.finish(ctx, w, app, s, resultOf(lang, nil, err))
	case res == nil:
		h.record(ctx, app, s, &result{outcome: repeated})
		write(w, reply{Reply: *kept})
	default:
		h.record(ctx, app, s, res)
		write(w, first)
	}
}

// dispatch sends what o asks for.
func (h *Handler) dispatch(ctx context.Context, p *gateway.Policy, app *gateway.AppPolicy, s service, o order, seed []byte) (*gateway.Dispatch, error) {
	req := gateway.DispatchRequest{
		To: number(p, app, o), Channel: gateway.SMS, Message: o.text, Locale: tag(o.locale), ClientIP: publicAddress(o.clientIP),
		ValidFor: min(o.validFor, gateway.MaxValidFor), Within: s.within(), EachWithin: s.each(), Seed: seed,
	}
	if o.call {
		req.Channel = gateway.Voice
	}
	if req.Message == "" {
		var err error
		if req.Message, req.Locale, err = p.CodeMessage(app, req.To, o.locale, o.code, req.ValidFor); err != nil {
			return nil, err
		}
	}
	return h.service.Dispatch(ctx, app, req)
}

// name is the idempotency key of o.
func (o order) name(kind gateway.HookType) string {
	parts, err := json.Marshal(append([]string{"hook", string(kind)}, o.key...)) // so that no two lists of parts are alike
	if err != nil {
		panic(err) // strings always marshal.
	}
	return string(parts)
}

// number is o's number in a form that can be read: with its plus, if it has a
// country code.
func number(p *gateway.Policy, app *gateway.AppPolicy, o order) string {
	to := strings.TrimSpace(o.to)
	if to == "" || strings.Trim(to, "0123456789") != "" || to[0] == '0' {
		return to
	}
	if !o.international { // it may still be a national one
		if _, err := p.Lookup(app, to, ""); err == nil {
			return to
		}
	}
	return "+" + to
}

// tag is a locale in its usual form, or nothing if it isn't one: a message must
// not fail by its language.
func tag(locale string) string {
	t, err := language.Parse(locale)
	if err != nil || len(locale) > 35 || t == language.Und {
		return ""
	}
	return t.String()
}

// publicAddress is an address that can be a person's. A private one is that of a
// proxy which the login service wasn't told about: limits would take everybody
// for one person.
func publicAddress(text string) string {
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Unmap().IsGlobalUnicast() || a.Unmap().IsPrivate() {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// languageOf is the language in which a person is told what went wrong: ja or en.
func languageOf(p *gateway.Policy, app *gateway.AppPolicy, locale string) string {
	t, err := language.Parse(cmp.Or(tag(locale), app.Locale, p.Defaults.Locale))
	if base, _ := t.Base(); err == nil && base.String() == japanese {
		return japanese
	}
	return english
}

// until is how long it is from now to a moment that a service names as RFC 3339;
// 0 if it names none, or one that is over.
func until(moment string, now time.Time) time.Duration {
	t, err := time.Parse(time.RFC3339, moment)
	if err != nil {
		return 0
	}
	if d := t.Sub(now).Truncate(time.Second); d >= time.Second {
		return d
	}
	return 0
}

// decodeJSON reads a JSON object into v. It ignores what v has no field for.
func decodeJSON(r *request, v any) error {
	if r.media() != "application/json" {
		return unsupported("the Content-Type must be application/json")
	}
	if err := json.Unmarshal(r.body, v); err != nil {
		return invalid("the body is not the JSON that this service sends") // err may quote it
	}
	return nil
}

// invalid is the error for a request that the service itself wouldn't make.
func invalid(message string) error {
	return &gateway.Error{Code: gateway.CodeInvalidRequest, Message: message}
}

// errMedia is a body in a format that the service doesn't use.
var errMedia = errors.New("unsupported media type")

func unsupported(message string) error {
	return &gateway.Error{Code: gateway.CodeInvalidRequest, Message: message, Err: errMedia}
}

// need refuses an order without a number, or with nothing to send.
func (o order) need(numberField, textField string) (order, error) {
	switch {
	case o.to == "":
		return o, invalid(numberField + " is missing")
	case o.text == "" && o.code == "":
		return o, invalid(textField + " is missing")
	}
	return o, nil
}

// settled reports whether a dispatch that failed may have reached the phone, or
// never can: then a repeat must not send again.
func settled(err error) bool {
	switch providers.KindOf(err) {
	case providers.Ambiguous, providers.Invalid, providers.Rejected:
		return true
	case providers.Throttled, providers.Unavailable, providers.Auth:
	}
	return false
}

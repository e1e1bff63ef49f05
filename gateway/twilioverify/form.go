package twilioverify

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"denwa/gateway"
)

// maxForm bounds a form, in bytes.
const maxForm = 64 << 10

// form reads the parameters of a POST. Those in the address don't count: a
// number or a code doesn't belong there.
func form(c *call) (url.Values, error) {
	r := c.Request()
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/x-www-form-urlencoded" {
		return nil, &refusal{
			code: invalidParameter, status: http.StatusUnsupportedMediaType,
			detail: "send the parameters as application/x-www-form-urlencoded",
		}
	}
	r.Body = http.MaxBytesReader(c.Response(), r.Body, maxForm)
	r.URL.RawQuery = ""
	if err := r.ParseForm(); err != nil {
		if r := refusalOf(err); r.status == http.StatusRequestEntityTooLarge {
			return nil, r
		}
		return nil, refuse(invalidParameter, "the form is malformed")
	}
	for name, values := range r.PostForm {
		if !utf8.ValidString(values[0]) {
			return nil, refuse(invalidParameter, "`%s` is not UTF-8", known(name))
		}
	}
	return r.PostForm, nil
}

// known keeps a caller's own words out of messages.
func known(name string) string {
	if len(name) > 40 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.") != "" {
		return "a parameter"
	}
	return name
}

// wish is what a POST to Verifications asks for.
type wish struct {
	number  gateway.Lookup
	request gateway.StartRequest
}

// wishOf reads a form. What it doesn't read is ignored, or refused where that
// would mislead; docs/twilio-verify.md says which.
func (s *server) wishOf(c *call, f url.Values) (w wish, err error) {
	for _, name := range []string{"Amount", "Payee"} {
		if f.Get(name) != "" {
			return w, refuse(unsupported, "`%s`: the message can't say what is paid to whom", name)
		}
	}
	w.request = gateway.StartRequest{
		To: f.Get("To"), Mode: gateway.ModeCode, Locale: f.Get("Locale"), ClientIP: f.Get("DeviceIp"),
		AppHash: f.Get("AppHash"), Code: f.Get("CustomCode"), Brand: f.Get("CustomFriendlyName"),
	}
	if w.request.To == "" {
		return w, refuse(invalidParameter, "`To` is required")
	}
	if w.request.Channel, err = channelOf(f.Get("Channel")); err != nil {
		return w, err
	}
	if w.request.Channel == gateway.Voice {
		w.request.AppHash = "" // nothing reads it to a person
	}
	if w.request.Channel != gateway.SMS { // a message has nobody to press keys for
		if w.request.Extension, err = extensionOf(f.Get("SendDigits")); err != nil {
			return w, err
		}
	}
	if err := checkIgnored(f); err != nil {
		return w, err
	}
	w.number, err = s.lookup(c, w.request.To)
	if err != nil {
		return w, err
	}
	if w.request.Extension == "" {
		w.request.Extension = w.number.Extension
	}
	return w, nil
}

// lookup reads a number as a person or a program writes it.
func (s *server) lookup(c *call, to string) (gateway.Lookup, error) {
	number, err := s.verifier.Lookup(c.Request().Context(), c.app, to, "")
	digits := strings.TrimSpace(to)
	if gateway.CodeOf(err) == gateway.CodeInvalidNumber && digits != "" && digits[0] != '0' && strings.Trim(digits, "0123456789") == "" {
		// Some programs keep E.164 without its plus.
		if abroad, e := s.verifier.Lookup(c.Request().Context(), c.app, "+"+digits, ""); e == nil {
			number, err = abroad, nil
		}
	}
	if err != nil {
		return number, err
	}
	if ok, why := number.Verifiable(); !ok {
		return number, refuse(invalidParameter, "`To`. %s", why)
	}
	return number, nil
}

// auto leaves the channel to the number's type.
const auto gateway.Channel = "auto"

func channelOf(text string) (gateway.Channel, error) {
	switch strings.ToLower(text) {
	case "sms":
		return gateway.SMS, nil
	case "call":
		return gateway.Voice, nil
	case "auto":
		return auto, nil
	case "":
		return "", refuse(invalidParameter, "`Channel` is required: sms, call or auto")
	case "email", "whatsapp", "sna", "rbm", "rcs", "push", "totp", "silent_device_approval", "telegram", "viber":
		return "", refuse(unsupported, "`Channel` must be sms, call or auto")
	}
	return "", refuse(invalidParameter, "`Channel` must be sms, call or auto")
}

func channelText(ch gateway.Channel) string {
	if ch == gateway.Voice {
		return "call"
	}
	return "sms"
}

// extensionOf reads SendDigits: keys to press after the answer, where "w" waits
// half a second. The gateway waits by itself.
func extensionOf(digits string) (string, error) {
	extension := strings.NewReplacer("w", "", "W", "").Replace(digits)
	if len(digits) > 32 || strings.Trim(extension, "0123456789") != "" || digits != "" && extension == "" {
		return "", refuse(invalidParameter, "`SendDigits` must be the digits of an extension, with w to wait")
	}
	return extension, nil
}

// Bounds of tags, https://www.twilio.com/docs/verify/api/verification.
const (
	maxTags      = 10
	maxTagLength = 128
)

// checkIgnored checks what is taken and not acted upon, so that a caller's
// mistake shows here as it would there.
func checkIgnored(f url.Values) error {
	if text := f.Get("RateLimits"); text != "" {
		if _, ok := object(text); !ok {
			return refuse(invalidParameter, "`RateLimits` must be a JSON object of strings")
		}
	}
	if text := f.Get("Tags"); text != "" {
		tags, ok := object(text)
		ok = ok && len(tags) <= maxTags
		for name, value := range tags {
			ok = ok && name != "" && len(name) <= maxTagLength && len(value) <= maxTagLength
		}
		if !ok {
			return refuse(invalidParameter, "`Tags` must be a JSON object of up to %d strings of up to %d bytes", maxTags, maxTagLength)
		}
	}
	switch strings.ToLower(f.Get("RiskCheck")) {
	case "", "enable", "disable":
		return nil
	}
	return refuse(invalidParameter, "`RiskCheck` must be enable or disable")
}

func object(text string) (o map[string]string, ok bool) {
	err := json.Unmarshal([]byte(text), &o)
	return o, err == nil && o != nil
}

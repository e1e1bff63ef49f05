package gateway

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/idna"
	"golang.org/x/text/language"
)

// builtIn are the texts that every gateway has, for one segment: the Japanese
// one, in UCS-2, has room for a brand and a WebOTP domain of 22 characters
// together, and without its optional line for 36.
func builtIn() map[string]string {
	return map[string]string{
		"ja": "【{brand}】認証コード：{code}（{minutes}分間有効）\n{optional}第三者に教えないでください。",
		"en": "{brand}: {code} is your verification code, valid for {minutes} min.\n{optional}Do not share it with anyone.",
	}
}

// Messages are the SMS texts of one app, by locale. They are compiled once and
// safe for concurrent use.
type Messages struct {
	templates map[string]*template // by BCP 47 tag
	locales   []string             // sorted, and the matcher's order
	matcher   language.Matcher
	countries sync.Map // country -> locale or ""; what ForCountry found
}

// Text is what one message says.
type Text struct {
	// Locale is one of [Messages.Locales], or one that [Messages.Match] accepts.
	Locale string
	// Brand is who the message is from. It has passed [Messages.Check].
	Brand string
	Code  string
	// Minutes is how long the code is valid.
	Minutes int
	// Origin binds the code to a web site, whose domain becomes the last line
	// (WebOTP). A host name, or an origin such as "https://example.jp".
	Origin string
	// AppHash lets an Android app read the message (SMS Retriever). Not with Origin.
	AppHash string
	// MaxSegments is the most the message may take; 0 is 1.
	MaxSegments int
}

// SegmentsError says that a message is too long.
type SegmentsError struct{ Needed, Allowed int }

func (e *SegmentsError) Error() string {
	return fmt.Sprintf("the message takes %d SMS segments and may take %d", e.Needed, e.Allowed)
}

// NewMessages compiles the built-in texts and templates, by locale; one for
// "ja" or "en" takes the place of the built-in one. [template] says what a
// template may hold. The error has one line per bad template.
func NewMessages(templates map[string]string) (*Messages, error) {
	m := &Messages{templates: map[string]*template{}}
	var problems []error
	add := func(texts map[string]string) {
		for _, locale := range slices.Sorted(maps.Keys(texts)) {
			tag, err := language.Parse(locale)
			if err != nil || tag == language.Und {
				problems = append(problems, fmt.Errorf("%q is not a language tag: write one such as ja, en or pt-BR", locale))
				continue
			}
			t, err := compile(texts[locale])
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", locale, err))
				continue
			}
			m.templates[tag.String()] = t
		}
	}
	add(builtIn())
	add(templates)
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	m.locales = slices.Sorted(maps.Keys(m.templates))
	tags := make([]language.Tag, len(m.locales))
	for i, l := range m.locales {
		tags[i] = language.Make(l)
	}
	m.matcher = language.NewMatcher(tags)
	return m, nil
}

// Locales lists the locales that have a text, sorted.
func (m *Messages) Locales() []string { return slices.Clone(m.locales) }

// Match finds the text for a BCP 47 tag: "ja-JP" finds ja. ok is false when
// there is none that its readers would call their language.
func (m *Messages) Match(locale string) (match string, ok bool) {
	if _, ok := m.templates[locale]; ok {
		return locale, true
	}
	if len(locale) > 64 { // RFC 5646 asks for 35
		return "", false
	}
	tag, err := language.Parse(locale)
	if err != nil {
		return "", false
	}
	return m.match(tag)
}

// ForCountry finds the text in the language that most people of a country
// (ISO 3166-1 alpha-2) speak, if there is one.
func (m *Messages) ForCountry(country string) (locale string, ok bool) {
	if found, known := m.countries.Load(country); known {
		locale, _ = found.(string)
		return locale, locale != ""
	}
	region, err := language.ParseRegion(country)
	if err != nil {
		return "", false
	}
	tag, err := language.Compose(language.Und, region)
	if err != nil {
		return "", false
	}
	locale, ok = m.match(tag)
	m.countries.Store(country, locale)
	return locale, ok
}

func (m *Messages) match(tag language.Tag) (locale string, ok bool) {
	// Low would give people of Taiwan a text in simplified characters.
	_, i, confidence := m.matcher.Match(tag)
	if confidence < language.High {
		return "", false
	}
	return m.locales[i], true
}

// Check tries the text of a locale with this brand at its longest, and reports
// what would make every message fail: a brand that can't be sent, a link, too
// many segments ([*SegmentsError]).
func (m *Messages) Check(locale, brand string, codeLength, minutes, maxSegments int) error {
	if err := checkText(brand, false); err != nil {
		return fmt.Errorf("the brand %w", err)
	}
	text, _, err := m.SMS(Text{
		Locale: locale, Brand: brand, Code: strings.Repeat("0", codeLength), Minutes: minutes, MaxSegments: maxSegments,
	})
	if err != nil {
		return err
	}
	if hasLink(text) { // the brand is a domain and the template goes on with a path
		return errLink
	}
	return nil
}

// SMS writes the message. Optional lines are left out when it would be too long
// with them. An origin or app hash that can't be used, or that makes the message
// too long, is an [*Error] that names the field; otherwise a message that is too
// long is a [*SegmentsError].
func (m *Messages) SMS(t Text) (text string, segments int, err error) {
	tmpl := m.templates[t.Locale]
	if tmpl == nil {
		match, ok := m.Match(t.Locale)
		if !ok {
			return "", 0, invalid("locale", "locale must be one of %s", strings.Join(m.locales, ", "))
		}
		tmpl = m.templates[match]
	}
	end, field, err := t.ending()
	if err != nil {
		return "", 0, err
	}
	allowed := max(1, t.MaxSegments)
	for _, pieces := range tmpl.variants {
		text = render(pieces, t, end)
		segments = Segments(text)
		if segments <= allowed && (t.AppHash == "" || len(text) <= maxRetriever) {
			return text, segments, nil
		}
	}
	if segments > allowed {
		err = &SegmentsError{Needed: segments, Allowed: allowed}
		if field == "" {
			return "", 0, err
		}
	}
	return "", 0, &Error{
		Code: CodeInvalidRequest, Field: field, Err: err,
		Message: field + " makes the message too long: leave it out, or shorten the brand or the template",
	}
}

// maxRetriever is the longest message that Android's SMS Retriever reads, in
// bytes; https://developers.google.com/identity/sms-retriever/verify.
const maxRetriever = 140

// ending is what follows the template's text: an empty line and the line that
// a browser (https://wicg.github.io/sms-one-time-codes/) or an app reads. field
// is the request field it comes from.
func (t Text) ending() (end, field string, err error) {
	switch {
	case t.Origin != "" && t.AppHash != "":
		return "", "", invalid("app_hash", "origin and app_hash can't be used together: the last line is for one of them")
	case t.Origin != "":
		host, err := originHost(t.Origin)
		if err != nil {
			return "", "", err
		}
		return "\n\n@" + host + " #" + t.Code, "origin", nil
	case t.AppHash != "":
		if len(t.AppHash) != 11 || strings.Trim(t.AppHash, base64Digits) != "" {
			return "", "", invalid("app_hash", "app_hash must be the app's 11-character hash: letters, digits, + and /")
		}
		return "\n\n" + t.AppHash, "app_hash", nil
	}
	return "", "", nil
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// maxOrigin bounds the work on an origin, in bytes: a name of 253 characters
// may be three times as long before it is in ASCII.
const maxOrigin = 1024

// originHost returns the host of an origin in ASCII. The line in the message
// has no room for a scheme or a port: browsers take https as said, and match
// every port of the site.
func originHost(origin string) (string, error) {
	bad := func(problem string) (string, error) {
		return "", invalid("origin", "origin %s: write a domain such as example.jp, or https://example.jp", problem)
	}
	if len(origin) > maxOrigin {
		return bad("is too long")
	}
	host := origin
	if strings.Contains(origin, "://") {
		u, err := url.Parse(origin)
		switch {
		case err != nil || u.User != nil || u.Host == "":
			return bad("is not an origin")
		case u.Scheme != "https":
			return bad("must be https, or browsers don't fill the code in")
		case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
			return bad("must have nothing after the domain")
		}
		host = u.Hostname()
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return bad("must be a domain, not an address")
	}
	if !isHostname(host) {
		ascii, err := idna.Lookup.ToASCII(host)
		if err != nil || !isHostname(ascii) {
			return bad("is not a domain name")
		}
		host = ascii
	}
	return host, nil
}

// isHostname reports whether s is a host name (RFC 1123) in lower case that a
// web site may have: of two labels or more, or localhost.
func isHostname(s string) bool {
	if len(s) > 253 || s != "localhost" && !strings.Contains(s, ".") {
		return false
	}
	label := ""
	for label = range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return strings.Trim(label, "0123456789") != "" // the last one: 192.0.2.300 is no name
}

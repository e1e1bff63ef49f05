package gateway

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"denwa/gateway/phone"
	"denwa/ivr"
	"denwa/ratelimit"
)

// Validate reports every mistake in c, with the field's path.
func (c Config) Validate(report func(field, problem string)) {
	c.Defaults.validate(func(f, p string) { report("defaults."+f, p) })
	c.Limits.validate(c.Defaults.ResendAfter, func(f, p string) { report("limits."+f, p) })
	c.Fraud.validate(func(f, p string) { report("fraud."+f, p) })

	shared, err := NewMessages(c.Messages)
	if err != nil {
		report("messages", err.Error())
	} else if _, ok := shared.Match(c.Defaults.Locale); !ok {
		report("defaults.locale", "has no message: add one, or use one of "+strings.Join(shared.Locales(), ", "))
	}
	names, hashes := map[string]bool{}, map[string]string{}
	for i, a := range c.Apps {
		at := func(field string) string { return fmt.Sprintf("apps[%d].%s", i, field) }
		a.validate(func(f, p string) { report(at(f), p) })
		if names[a.Name] {
			report(at("name"), "is the name of another app already")
		}
		names[a.Name] = true
		for j, k := range a.APIKeys {
			if other, dup := hashes[strings.ToLower(k.SHA256)]; dup && k.SHA256 != "" {
				report(at(fmt.Sprintf("api_keys[%d].sha256", j)), "is a key of app "+other+" already")
			}
			hashes[strings.ToLower(k.SHA256)] = a.Name
		}
		if err == nil {
			c.validateMessages(a, func(f, p string) { report(at(f), p) })
		}
	}
}

func (d Defaults) validate(report func(field, problem string)) {
	if !phone.IsRegion(d.Country) {
		report("country", "must be an ISO 3166-1 alpha-2 code, such as JP")
	}
	between(report, "code_length", d.CodeLength, MinCodeLength, MaxCodeLength)
	between(report, "expires_in", d.ExpiresIn, 30*time.Second, 10*time.Minute)
	between(report, "max_attempts", d.MaxAttempts, 1, 10)
	between(report, "max_sends", d.MaxSends, 1, 10)
	between(report, "resend_after", d.ResendAfter, time.Second, 10*time.Minute)
	between(report, "retention", d.Retention, time.Minute, 24*time.Hour)
	between(report, "max_segments", d.MaxSegments, 1, 10)
	between(report, "block_for", d.BlockFor, 0, 366*24*time.Hour)
}

func between[T int | time.Duration](report func(field, problem string), field string, v, low, high T) {
	if v < low || v > high {
		report(field, fmt.Sprintf("must be between %v and %v", low, high))
	}
}

// ParseDay reads a day such as 2026-01-31, in UTC.
func ParseDay(s string) (time.Time, error) {
	day, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Time{}, errors.New("must be a day, such as 2026-01-31")
	}
	return day, nil
}

func (a App) validate(report func(field, problem string)) {
	if !validName(a.Name) {
		report("name", "must be 1 to 32 of a-z, 0-9 and -")
	}
	for i, k := range a.APIKeys {
		if !validName(k.ID) {
			report(fmt.Sprintf("api_keys[%d].id", i), "must be 1 to 32 of a-z, 0-9 and -")
		}
		if sum, err := hex.DecodeString(k.SHA256); err != nil || len(sum) != 32 {
			report(fmt.Sprintf("api_keys[%d].sha256", i), `must be 64 hexadecimal digits, as "denwa key new" prints`)
		}
		if _, err := ParseDay(k.Created); k.Created != "" && err != nil {
			report(fmt.Sprintf("api_keys[%d].created", i), err.Error())
		}
		if slices.IndexFunc(a.APIKeys, func(o APIKey) bool { return o.ID == k.ID }) < i {
			report(fmt.Sprintf("api_keys[%d].id", i), "is the id of another key of this app already")
		}
	}
	for i, country := range a.Countries {
		switch {
		case country == phone.NoCountry && len(a.Countries) == 1:
			report("countries", "must name a country beside 001, which is none")
		case country != phone.NoCountry && !phone.IsRegion(country):
			report(fmt.Sprintf("countries[%d]", i), "must be an ISO 3166-1 alpha-2 code, such as JP")
		}
	}
	if a.Country != "" && !phone.IsRegion(a.Country) {
		report("country", "must be an ISO 3166-1 alpha-2 code, such as JP")
	}
	for i, ch := range a.Channels {
		if ch != SMS && ch != Voice {
			report(fmt.Sprintf("channels[%d]", i), "must be sms or voice")
		}
	}
	a.Webhook.Validate(func(f, p string) { report("webhook."+f, p) })
	a.Pages.Validate(func(f, p string) { report("pages."+f, p) })
	a.Twilio.Validate(func(f, p string) { report("twilio."+f, p) })
	a.Entra.Validate(func(f, p string) { report("entra."+f, p) })
	for i, h := range a.Hooks {
		h.Validate(func(f, p string) { report(fmt.Sprintf("hooks[%d].%s", i, f), p) })
	}
	for locale, g := range a.Greetings {
		if !slices.Contains(ivr.Locales(), locale) {
			report("greetings."+locale, "must be one of the locales that calls speak: "+strings.Join(ivr.Locales(), ", "))
		}
		if g.Text == "" && g.Audio == "" {
			report("greetings."+locale, "needs a text or an audio")
		}
	}
	for i, p := range a.Purposes {
		if !validLabel(p) {
			report(fmt.Sprintf("purposes[%d]", i), "must be 1 to 32 of a-z, 0-9, - and _")
		}
	}
}

// appMessages are the texts of a: the built-in ones, the gateway's, its own.
func (c Config) appMessages(a App) (*Messages, error) {
	texts := maps.Clone(c.Messages)
	if texts == nil {
		texts = map[string]string{}
	}
	maps.Copy(texts, a.Messages)
	return NewMessages(texts)
}

// validateMessages tries every text of a at its longest.
func (c Config) validateMessages(a App, report func(field, problem string)) {
	messages, err := c.appMessages(a)
	if err != nil {
		report("messages", err.Error())
		return
	}
	if a.Locale != "" {
		if _, ok := messages.Match(a.Locale); !ok {
			report("locale", "has no message: add one, or use one of "+strings.Join(messages.Locales(), ", "))
		}
	}
	if a.Brand == "" {
		report("brand", "must say who the message is from")
		return
	}
	for _, l := range messages.Locales() {
		if err := messages.Check(l, a.Brand, c.Defaults.CodeLength, c.Defaults.minutes(), c.Defaults.MaxSegments); err != nil {
			report("brand", fmt.Sprintf("in the %s message: %v", l, err))
		}
	}
}

func (l Limits) validate(resendAfter time.Duration, report func(field, problem string)) {
	if p := l.NumberCooldown.Period; p != 0 && p != resendAfter {
		report("number_cooldown.period", "is set by defaults.resend_after; leave it out")
	}
	l = l.withCooldown(resendAfter)
	for _, name := range ratelimit.Names() {
		limit := l.byName(name)
		at := func(f, p string) { report(string(name)+"."+f, p) }
		limit.Validate(at)
		if limit.OnError == ratelimit.Open && strings.HasPrefix(string(name), "number_") {
			at("on_error", "must be closed: this limit is spent in the same step that creates or checks a verification")
		}
	}
}

// validName reports whether s may be a name that becomes a metric label.
func validName(s string) bool { return validLabel(s) && !strings.Contains(s, "_") }

func validLabel(s string) bool {
	return len(s) >= 1 && len(s) <= 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

package gateway

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"denwa/gateway/phone"
	"denwa/providers"
)

// draft is a send that policy allows.
type draft struct {
	app      *AppPolicy
	to       phone.Number
	channel  Channel
	mode     Mode
	locale   string
	brand    string
	code     string
	message  string // of a dispatch
	origin   string
	appHash  string
	minutes  int // that a message says the code is valid for
	digits   int // that are typed in ModeKeyed
	clientIP netip.Addr
}

// destination is where d is to go.
func (d draft) destination() providers.Destination { return d.app.destination(d.channel, d.to) }

// draft checks a request against the policy.
func (p *Policy) draft(app *AppPolicy, r StartRequest) (d draft, err error) {
	if r.ClientIP != "" {
		if d.clientIP, err = clientAddress(r.ClientIP); err != nil {
			return d, err
		}
	}
	if len(r.Reference) > maxReference {
		return d, invalid("reference", "reference has at most %d bytes", maxReference)
	}
	if r.Purpose != "" && !slices.Contains(app.Purposes, r.Purpose) {
		return d, invalid("purpose", "purpose isn't one that this app is configured for")
	}
	d.app, d.origin, d.appHash = app, r.Origin, r.AppHash
	d.minutes, d.digits = app.defaults.minutes(), app.defaults.CodeLength
	if d.to, err = app.parse(r.To, r.Country, r.Extension); err != nil {
		return d, err
	}
	if refused := app.admits(d.to); refused != nil {
		return d, refused
	}
	if d.channel, err = p.channel(app, d.to, r.Channel); err != nil {
		return d, err
	}
	if d.mode, err = modeFor(d.channel, r.Mode); err != nil {
		return d, err
	}
	if d.locale, err = app.locale(r.Locale, d.to); err != nil {
		return d, err
	}
	// A call says neither, but they are kept for a message that may follow it.
	if _, _, err = (Text{Origin: r.Origin, AppHash: r.AppHash}).ending(); err != nil {
		return d, err
	}
	d.brand, d.code = app.Brand, r.Code
	if r.Code != "" && !isOwnCode(r.Code) {
		return d, invalid("code", "a code of your own has %d to %d digits", MinOwnCodeLength, MaxCodeLength)
	}
	if r.Brand != "" {
		d.brand = r.Brand
		if err := app.messages.Check(d.locale, r.Brand, app.defaults.CodeLength, app.defaults.minutes(), app.defaults.MaxSegments); err != nil {
			return d, invalid("brand", "the brand can't be sent: %v", err)
		}
	}
	return d, nil
}

func isOwnCode(code string) bool {
	return len(code) >= MinOwnCodeLength && len(code) <= MaxCodeLength && strings.Trim(code, "0123456789") == ""
}

// again is the draft of another send of v.
func (p *Policy) again(app *AppPolicy, v *Verification, asked Channel) (d draft, err error) {
	d = draft{
		app: app, mode: v.Mode, locale: app.defaults.Locale, brand: cmp.Or(v.Brand, app.Brand),
		origin: v.Origin, appHash: v.AppHash,
	}
	if l, ok := app.messages.Match(v.Locale); ok { // it may be gone from the configuration
		d.locale = l
	}
	if d.to, err = phone.Parse(v.To, phone.Options{Extension: v.Extension}); err != nil {
		return d, err
	}
	if d.channel, err = p.channel(app, d.to, asked); err != nil {
		return d, err
	}
	return d, nil
}

// modeFor is the mode that a channel has.
func modeFor(ch Channel, asked Mode) (Mode, error) {
	switch {
	case ch == SMS && (asked == "" || asked == ModeCode):
		return ModeCode, nil
	case ch == Voice && asked == "":
		return ModeConfirm, nil
	case ch == Voice && (asked == ModeCode || asked == ModeConfirm || asked == ModeKeyed):
		return asked, nil
	case ch == SMS:
		return "", invalid("mode", "mode must be code for sms")
	}
	return "", invalid("mode", "mode must be confirm, code or keyed")
}

// text is the message with code.
func (d draft) text(code string) (text string, segments int, err error) {
	text, segments, err = d.app.messages.SMS(Text{
		Locale: d.locale, Brand: d.brand, Code: code, Minutes: d.minutes,
		Origin: d.origin, AppHash: d.appHash, MaxSegments: d.app.defaults.MaxSegments,
	})
	var refused *Error
	if err != nil && !errors.As(err, &refused) {
		refused = invalid("", "%v", err)
	}
	if refused != nil {
		return "", 0, refused
	}
	return text, segments, nil
}

// clientAddress reads an address; a person has a whole /64 of IPv6.
func clientAddress(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, invalid("client_ip", "client_ip must be an IPv4 or IPv6 address")
	}
	a = a.Unmap().WithZone("")
	if a.Is6() {
		prefix, err := a.Prefix(64)
		return prefix.Addr(), err
	}
	return a, nil
}

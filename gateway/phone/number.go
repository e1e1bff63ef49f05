// Package phone reads phone numbers as people type them.
//
// [Parse] knows the habits of contact lists, web forms and keyboards: full-width
// digits, every kind of dash, invisible characters, "tel:" links, prefixes that
// hide the caller's number. It answers with a [Number], or with an [Error] whose
// sentence a person understands.
//
// That a number can be read doesn't mean that it can be verified: toll-free,
// premium-rate and emergency numbers exist, and are never called.
// [Number.Verifiable] and [Number.Channel] say so, with the reason.
package phone

import (
	"fmt"
	"io"
	"log/slog"

	"denwa/providers"
)

// Number is one phone number. However it is printed or logged, only the masked
// form shows.
type Number struct {
	// E164 is the number as "+819012345678". It is empty for an emergency
	// number, which has no international form.
	E164 string
	// National is the number as people of its country write it: "090-1234-5678".
	National string
	// Masked may be shown and logged: "+81 90-****-5678".
	Masked string
	// Country is ISO 3166-1 alpha-2, or [NoCountry].
	Country string
	// Extension is up to MaxExtension digits, dialed after the call is answered.
	Extension string
	// Type is what kind of number it is.
	Type Type
	// CallingCode is the country calling code: 81.
	CallingCode int
}

// NoCountry is the country of networks that belong to none, such as a satellite's.
const NoCountry = providers.NoCountry

// String returns the masked form.
func (n Number) String() string { return n.Masked }

// Format prints the masked form for every verb, so that no %+v or %d prints the
// fields.
func (n Number) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, n.Masked) }

// LogValue is the masked form.
func (n Number) LogValue() slog.Value { return slog.StringValue(n.Masked) }

package phone

import "denwa/providers"

// Type is what kind of number it is, as its country's numbering plan says.
type Type string

// The types.
const (
	Mobile    Type = "mobile"
	FixedLine Type = "fixed_line"
	// FixedLineOrMobile: the plan doesn't tell them apart, as in North America.
	FixedLineOrMobile Type = "fixed_line_or_mobile"
	VoIP              Type = "voip"
	TollFree          Type = "toll_free"
	PremiumRate       Type = "premium_rate"
	SharedCost        Type = "shared_cost"
	// PersonalNumber follows a person from phone to phone, as Japan's
	// ten-digit 060 numbers did.
	PersonalNumber Type = "personal_number"
	Pager          Type = "pager"
	// UAN is a company's one number for all its offices, as Japan's 0570.
	UAN       Type = "uan"
	Voicemail Type = "voicemail"
	Emergency Type = "emergency"
	// Unknown is the type of the zero Number. Parse doesn't return it.
	Unknown Type = "unknown"
)

// Types lists every type.
func Types() []Type {
	return []Type{
		Mobile, FixedLine, FixedLineOrMobile, VoIP, TollFree, PremiumRate, SharedCost,
		PersonalNumber, Pager, UAN, Voicemail, Emergency, Unknown,
	}
}

// Verifiable says whether a number like n can belong to a person, and if not,
// why, in one sentence.
func (n Number) Verifiable() (ok bool, reason string) {
	switch n.Type {
	case Mobile, FixedLine, FixedLineOrMobile, VoIP:
		return true, ""
	case TollFree:
		return false, "This is a toll-free number, which a company answers, not a person."
	case PremiumRate:
		return false, "This is a premium-rate number, which charges whoever calls it."
	case SharedCost:
		return false, "This is a shared-cost number, which charges whoever calls it."
	case PersonalNumber:
		return false, "This is a personal forwarding number, and nobody can say which phone it reaches."
	case Pager:
		return false, "This is a number for pagers and machines, not a phone."
	case UAN:
		return false, "This is a company's shared number, not one person's phone."
	case Voicemail:
		return false, "This is a voicemail number, not a phone."
	case Emergency:
		return false, "This is an emergency number, which is never called to verify anything."
	case Unknown:
	}
	return false, "Nobody can say what kind of number this is."
}

// Availability says whether a channel may be used.
type Availability struct {
	Allowed bool
	// Reason is why not, in one sentence; empty when allowed.
	Reason string
}

// Channel says whether c can reach a number like n. It looks at the number
// alone: what the app and the gateway offer is theirs to say.
func (n Number) Channel(c providers.Channel) Availability {
	if ok, reason := n.Verifiable(); !ok {
		return Availability{Reason: reason}
	}
	switch c {
	case providers.Voice:
		return Availability{Allowed: true}
	case providers.SMS:
		switch {
		case n.Extension != "":
			return Availability{Reason: "A message can't reach an extension; it can only be called."}
		case n.Type == FixedLine:
			return Availability{Reason: "This is a fixed line, which receives no messages; it can only be called."}
		case n.Type == VoIP:
			return Availability{Reason: "This is an internet phone number, which receives no messages; it can only be called."}
		}
		return Availability{Allowed: true}
	}
	return Availability{Reason: "There is no such channel."}
}

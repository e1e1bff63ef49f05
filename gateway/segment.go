package gateway

import "unicode/utf16"

// What fits into one SMS of 140 octets, alone and as a part of a longer one,
// where the header that joins the parts takes six octets (3GPP TS 23.040).
const (
	gsmAlone, gsmPart = 160, 153 // septets of the GSM 7-bit alphabet
	ucsAlone, ucsPart = 70, 67   // UTF-16 units
)

// Segments returns how many SMS segments a carrier counts for text: in the GSM
// 7-bit alphabet if all of it is there, in UCS-2 otherwise. Empty text takes none.
func Segments(text string) int {
	if n, ok := segments(text, septets, gsmAlone, gsmPart); ok {
		return n
	}
	n, _ := segments(text, utf16.RuneLen, ucsAlone, ucsPart)
	return n
}

// segments fills parts with characters of the given widths. A character is
// never cut in two, so a part may end one short. ok is false at a character
// that has no width.
func segments(text string, width func(rune) int, alone, part int) (n int, ok bool) {
	total, used, parts := 0, 0, 1
	for _, r := range text {
		w := width(r)
		if w <= 0 {
			return 0, false
		}
		if used+w > part {
			parts++
			used = 0
		}
		used += w
		total += w
	}
	switch {
	case total == 0:
		return 0, true
	case total <= alone:
		return 1, true
	}
	return parts, true
}

// septets is the width of r in the GSM 7-bit default alphabet (3GPP TS 23.038):
// 2 for one of its extension table, 0 if it isn't there.
func septets(r rune) int {
	switch r {
	case '^', '{', '}', '\\', '[', '~', ']', '|', '€', '\f':
		return 2
	case '`':
		return 0
	case '\n', '\r', '£', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', 'Ø', 'ø', 'Å', 'å',
		'Δ', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', 'Æ', 'æ', 'ß', 'É',
		'¤', '¡', 'Ä', 'Ö', 'Ñ', 'Ü', '§', '¿', 'ä', 'ö', 'ñ', 'ü', 'à':
		return 1
	}
	if ' ' <= r && r <= '~' {
		return 1
	}
	return 0
}

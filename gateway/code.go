package gateway

import (
	"crypto/subtle"
	"encoding/binary"
	"unicode"
)

// Lengths that a code may have, in digits.
const (
	MinCodeLength = 6
	MaxCodeLength = 10
	// MinOwnCodeLength is for a code that the caller chose.
	MinOwnCodeLength = 4
)

// Code returns the code of a verification. It is derived, never stored:
// HMAC-SHA256 over app and id under the id's master key, truncated. Eight bytes
// are taken rather than the four of RFC 4226's dynamic truncation: modulo 10^10
// they are still uniform to one part in 10^9.
func (r *Keyring) Code(id ID, app string) string { return r.derive(id, app, sentCode) }

// ShownCode returns the digits that a page shows in [ModeKeyed], to be typed on
// the phone. They are others than the code: who sees the page must not be able
// to answer for the phone.
func (r *Keyring) ShownCode(id ID, app string) string { return r.derive(id, app, shownCode) }

// What digits are derived for.
const (
	sentCode  = "\x00"
	shownCode = "\x01"
)

func (r *Keyring) derive(id ID, app string, use string) string {
	var digits [MaxCodeLength]byte
	return string(r.appendCode(digits[:0], id, app, use))
}

// CodeMatches reports, in constant time, whether typed is the code of id. typed
// is as [NormaliseCode] left it.
func (r *Keyring) CodeMatches(id ID, app, typed string) bool {
	return r.matches(id, app, typed, sentCode)
}

// ShownCodeMatches does so for the digits that the page shows.
func (r *Keyring) ShownCodeMatches(id ID, app, typed string) bool {
	return r.matches(id, app, typed, shownCode)
}

func (r *Keyring) matches(id ID, app, typed string, use string) bool {
	var want, got [MaxCodeLength]byte
	w := r.appendCode(want[:0], id, app, use)
	g := append(got[:0], typed...)
	return subtle.ConstantTimeCompare(w, g) == 1
}

func (r *Keyring) appendCode(dst []byte, id ID, app string, use string) []byte {
	p, _ := id.parse()
	sum := r.key(id).code.sum(app, use, string(id))
	n := binary.BigEndian.Uint64(sum[:8])
	dst = dst[:p.digits]
	for i := p.digits - 1; i >= 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

// NormaliseCode reads a code as a person types it: full-width digits, spaces
// and dashes are fine. The error says how many digits are wanted; a code of
// another form isn't a guess, so it doesn't cost an attempt.
func NormaliseCode(typed string, id ID) (string, error) {
	p, _ := id.parse()
	wrong := invalid("code", "the code has %d digits", p.digits)
	if len(typed) > 128 {
		return "", wrong
	}
	var buf [MaxCodeLength]byte
	digits := buf[:0]
	for _, c := range typed {
		switch {
		case c >= '0' && c <= '9':
		case c >= '０' && c <= '９':
			c -= '０' - '0'
		case unicode.IsSpace(c) || unicode.Is(unicode.Pd, c) || c == 'ー' || c == '−' || c == '\u200b' || c == '\ufeff':
			continue
		default:
			return "", wrong
		}
		if len(digits) == p.digits {
			return "", wrong
		}
		digits = append(digits, byte(c)) //nolint:gosec // G115: an ASCII digit.
	}
	if len(digits) != p.digits {
		return "", wrong
	}
	return string(digits), nil
}

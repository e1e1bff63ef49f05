package phone

//go:generate go test -run=^TestGroupsAreCurrent$ -update .

import (
	"bytes"
	"strings"
)

// What the library doesn't know about Japan, or knows differently.
//
// The numbering plan is a ministerial ordinance (電気通信番号規則); 060 with
// eleven digits joined the mobile prefixes in July 2026, and the library's
// metadata has only the first blocks that were handed out.

const (
	japan     = "JP"
	japanCode = 81
)

// japaneseMobile returns the national significant number of a Japanese mobile:
// 60, 70, 80 or 90, then a digit that isn't 0, then seven more. The rule is so
// short, and these numbers so many of all, that this is also the fast path.
func japaneseMobile(digits []byte, international bool, region string) (nsn []byte, ok bool) {
	switch {
	case international:
		if digits, ok = bytes.CutPrefix(digits, []byte("81")); !ok {
			return nil, false
		}
	case region != japan:
		return nil, false
	case len(digits) > 11: // "8190…", the plus forgotten
		digits = bytes.TrimPrefix(digits, []byte("81"))
	}
	nsn = bytes.TrimPrefix(digits, []byte("0"))
	ok = len(nsn) == 10 && '6' <= nsn[0] && nsn[0] <= '9' && nsn[1] == '0' && nsn[2] != '0'
	return nsn, ok
}

// newJapaneseMobile makes the Number without asking the library.
func newJapaneseMobile(nsn []byte) Number {
	s := "+81" + string(nsn)
	d := s[len("+81"):]
	return Number{
		E164:        s,
		National:    "0" + d[:2] + "-" + d[2:6] + "-" + d[6:],
		Masked:      Mask(s, 81),
		Country:     japan,
		Type:        Mobile,
		CallingCode: 81,
	}
}

// hidesCaller reports whether digits are what is dialed in Japan before a
// number to hide (184) or show (186) the caller's own.
func hidesCaller(digits []byte) bool {
	return len(digits) == 3 && digits[0] == '1' && digits[1] == '8' && (digits[2] == '4' || digits[2] == '6')
}

// stripJapanesePrefixes removes what is dialed in Japan before the number
// itself, and sets plus where that was an international prefix.
func (t *typed) stripJapanesePrefixes() *Error {
	// Only before a 0: 184 and 186 also begin area codes, 0184 and 0186.
	if len(t.digits) > 12 && hidesCaller(t.digits[:3]) && t.digits[3] == '0' {
		t.digits = t.digits[3:]
	}
	if rest, ok := bytes.CutPrefix(t.digits, []byte("010")); ok {
		t.digits, t.plus = rest, true
		return nil
	}
	rest, ok := bytes.CutPrefix(t.digits, []byte("00"))
	if !ok {
		return nil
	}
	// 00 is the international prefix of most of the world; in Japan 00XY picks
	// a carrier. A national number after it tells: 0033-03-… is Tokyo by NTT
	// Communications, not France. 0081-090-… is Japan either way.
	if len(rest) > 2 && rest[2] == '0' && !bytes.HasPrefix(rest, []byte("81")) {
		return refuse(CarrierPrefix)
	}
	t.digits, t.plus, t.carrier = rest, true, true
	return nil
}

// japaneseService reports whether digits are one of the three-digit numbers
// that begin with 1: 104, 117, 177, 188 and so on.
func japaneseService(digits string) bool { return len(digits) == 3 && digits[0] == '1' }

// japaneseEmergency reports whether digits reach the police, the coast guard or
// the fire brigade. The library's list lacks 118.
func japaneseEmergency(digits string) bool {
	return digits == "110" || digits == "118" || digits == "119"
}

// japaneseReason says what is wrong with a number that is in Japan's plan
// nowhere: most often digits are missing. The library takes each for possible
// that has as many digits as any number of Japan.
func japaneseReason(nsn string) Reason {
	nsn = strings.TrimPrefix(nsn, "0") // the library keeps it where too little follows
	switch digits := japaneseDigits(nsn); {
	case len(nsn) < digits:
		return TooShort
	case len(nsn) > digits:
		return TooLong
	}
	return NoSuchNumber
}

// japaneseDigits is how many digits a Japanese number that begins so has, without
// the 0: nine, and ten where it is 020, 050, 0800 or mobile.
func japaneseDigits(nsn string) int {
	if len(nsn) > 1 && nsn[1] == '0' && strings.IndexByte("256789", nsn[0]) >= 0 {
		return 10
	}
	return 9
}

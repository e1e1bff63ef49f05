package phone

import "strings"

// The digits of a national number that a mask shows.
const (
	maskHead = 2
	maskTail = 4
	// A national number shorter than this shows at most half of its digits.
	maskWhole = 10
)

// Mask returns the form of a number that may be shown and logged. It keeps the
// calling code and the first two and last four digits: "+81 90-****-5678". A
// short number shows less: "+65 ****-5678". The asterisks don't say how many
// digits they hide. What isn't "+", callingCode and digits is masked whole.
func Mask(e164 string, callingCode int) string {
	var buf [40]byte
	country := appendCode(append(buf[:0], '+'), callingCode)
	national, ok := strings.CutPrefix(e164, string(country))
	if !ok || strings.Trim(national, "0123456789") != "" {
		return "****"
	}
	return string(appendMask(append(country, ' '), national))
}

func appendMask(b []byte, national string) []byte {
	head, tail := maskHead, maskTail
	if n := len(national); n < maskWhole {
		tail = min(maskTail, n/2)
		head = min(maskHead, n/2-tail)
	}
	if head > 0 {
		b = append(append(b, national[:head]...), '-')
	}
	b = append(b, "****"...)
	if tail > 0 {
		b = append(append(b, '-'), national[len(national)-tail:]...)
	}
	return b
}

// appendCode appends a calling code, which has one to three digits.
func appendCode(b []byte, code int) []byte {
	if code >= 10 {
		b = appendCode(b, code/10)
	}
	return append(b, byte('0'+code%10))
}

package phone

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxInput bounds the work on outside input, in bytes.
	maxInput = 256
	// maxTyped is how many digits are read at all, prefixes included.
	maxTyped = 32
	// MaxExtension is the most digits of an extension.
	MaxExtension = 10
)

// typed is what a person typed, reduced to what a phone dials.
type typed struct {
	plus      bool   // it is in international form
	carrier   bool   // plus was guessed from Japan's 00, which may be a carrier's
	digits    []byte // ASCII
	extension string // the one in the text; its digits, ASCII
}

// read reduces text. The digits are kept in buf, so that reading a number
// allocates nothing.
func read(text, region string, buf []byte) (typed, *Error) {
	t := typed{digits: buf}
	if len(text) > maxInput {
		return t, refuse(TooLong)
	}
	if !utf8.ValidString(text) {
		return t, refuse(NotANumber)
	}
	rest := text
	if hasPrefixFold(text, "tel:") && strings.Contains(text, "%") {
		if u, err := url.PathUnescape(text); err == nil && utf8.ValidString(u) {
			rest = u
		}
	}
	for rest != "" {
		r, size := utf8.DecodeRuneInString(rest)
		d, isDigit := digit(r)
		switch {
		case isDigit:
			if len(t.digits) == maxTyped {
				return t, refuse(TooLong)
			}
			t.digits = append(t.digits, d)
		case r == '+', r == '＋', r == '﹢':
			if hidesCaller(t.digits) && region == japan && !t.plus {
				t.digits = t.digits[:0]
			}
			if len(t.digits) > 0 {
				return t, refuse(SeveralNumbers)
			}
			t.plus = true
		case splits(r):
			// "030/123456" is one German number. Once that much has been read,
			// what follows is another number or another last digit.
			if len(t.digits) >= 9 && countDigits(rest) > 0 {
				return t, refuse(SeveralNumbers)
			}
		case separates(r):
		case len(t.digits) == 0 && (r == ':' || r == '：'):
		case len(t.digits) == 0 && cutLabel(rest) != rest:
			rest = cutLabel(rest)
			continue
		default:
			return t, t.readTail(rest, r)
		}
		rest = rest[size:]
	}
	if len(t.digits) == 0 {
		if strings.TrimSpace(text) == "" {
			return t, refuse(Empty)
		}
		return t, refuse(NotANumber)
	}
	return t, nil
}

// readTail reads what follows the number, where r is the first character that
// a number doesn't have: parameters of a "tel:" link, an extension, or a note.
func (t *typed) readTail(tail string, r rune) *Error {
	if r == ';' && len(tail) > 1 && isASCIILetter(tail[1]) {
		return t.readParameters(tail[1:])
	}
	if len(t.digits) >= 7 && countDigits(tail) >= 7 {
		return refuse(SeveralNumbers)
	}
	if len(t.digits) > 0 {
		if ext := cutExtensionLabel(tail); ext != tail && countDigits(ext) > 0 {
			return t.setExtension(ext)
		}
		switch note := strings.TrimFunc(tail, separates); {
		case note == "代", note == "代表", cutLabel(note) == "" && note != "":
			return nil
		}
	}
	if unicode.IsLetter(r) {
		return refuse(Letters)
	}
	return refuse(NotANumber)
}

// readParameters reads the parameters of a "tel:" link (RFC 3966): ext, and
// phone-context for a number without its country code. The others don't change
// where a call goes.
func (t *typed) readParameters(s string) *Error {
	for parameter := range strings.SplitSeq(s, ";") {
		name, value, _ := strings.Cut(parameter, "=")
		switch strings.ToLower(name) {
		case "ext":
			if err := t.setExtension(value); err != nil {
				return err
			}
		case "phone-context":
			if context, ok := strings.CutPrefix(value, "+"); ok && !t.plus {
				if strings.Trim(context, "0123456789") != "" || len(context)+len(t.digits) > maxTyped {
					return refuse(NotANumber)
				}
				t.digits = append([]byte(context), t.digits...)
				t.plus = true
			}
		default:
			if name == "" || !isASCIILetter(name[0]) {
				return refuse(NotANumber)
			}
		}
	}
	if len(t.digits) == 0 {
		return refuse(NotANumber)
	}
	return nil
}

func (t *typed) setExtension(s string) *Error {
	ext, err := readExtension(s)
	if err == nil && t.extension != "" && t.extension != ext {
		err = refuse(BadExtension)
	}
	t.extension = ext
	return err
}

// readExtension reduces an extension to its digits.
func readExtension(s string) (string, *Error) {
	if len(s) > maxInput || !utf8.ValidString(s) {
		return "", refuse(BadExtension)
	}
	s = strings.TrimFunc(cutExtensionLabel(strings.TrimFunc(s, separates)), separates)
	s = strings.TrimSuffix(s, "#")
	var b []byte
	for _, r := range s {
		if d, ok := digit(r); ok {
			b = append(b, d)
		} else if !separates(r) {
			return "", refuse(BadExtension)
		}
	}
	if len(b) == 0 || len(b) > MaxExtension {
		return "", refuse(BadExtension)
	}
	return string(b), nil
}

// cutLabel removes a word that people put before a number, or returns s.
func cutLabel(s string) string {
	for _, label := range []string{
		"電話番号", "電話", "携帯電話", "携帯", "telephone", "tel", "ｔｅｌ", "phone", "mobile", "℡", "☎", "☏", "📞", "📱",
	} {
		if hasPrefixFold(s, label) {
			return s[len(label):]
		}
	}
	return s
}

// cutExtensionLabel removes what announces an extension, or returns s.
func cutExtensionLabel(s string) string {
	for _, label := range []string{"内線番号", "内線", "extension", "extn", "ext", "x", "#", "＃", ",,", ",", "，"} {
		if hasPrefixFold(s, label) {
			return strings.TrimLeft(s[len(label):], ".:：= ")
		}
	}
	return s
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// digit returns the ASCII form of a decimal digit of any script.
func digit(r rune) (byte, bool) {
	switch {
	case '0' <= r && r <= '9':
		return byte(r), true
	case r < 0x80:
		return 0, false
	case '０' <= r && r <= '９':
		return byte('0' + r - '０'), true
	case !unicode.Is(unicode.Nd, r):
		return 0, false
	}
	// Unicode keeps the ten digits of a script together and in order, each run
	// beginning where the category does, so the distance tells the value.
	zero := r
	for unicode.Is(unicode.Nd, zero-1) {
		zero--
	}
	return byte('0' + (r-zero)%10), true
}

func countDigits(s string) int {
	n := 0
	for _, r := range s {
		if _, ok := digit(r); ok {
			n++
		}
	}
	return n
}

// splits reports whether r may stand between two numbers, or inside one.
func splits(r rune) bool {
	switch r {
	case '\n', '\r', '\u2028', '\u2029', '/', '／', '|', '｜':
		return true
	}
	return false
}

// separates reports whether r may stand anywhere in a number and mean nothing:
// spaces, dashes, dots, brackets, quotes, and characters that can't be seen.
func separates(r rune) bool {
	switch r {
	case ' ', '-', '.', '(', ')', '\t',
		'~', '～', '∼', '⁓', // 〜 is a dash to Unicode
		'−', 'ー', 'ｰ', '─', '━', // minus, and what a Japanese keyboard has near the dash
		'．', '。', '｡', '・', '･', '·', '•', '‧',
		'\'', '"', '＇', '＂', '<', '>', '＜', '＞',
		'\u20e3': // the box around a digit of an emoji
		return true
	}
	if r < 0x80 {
		return r == '_' || r == '[' || r == ']' || unicode.IsSpace(r)
	}
	return unicode.IsSpace(r) || unicode.In(r,
		unicode.Pd, unicode.Pc, unicode.Ps, unicode.Pe, unicode.Pi, unicode.Pf,
		unicode.Cf, unicode.Variation_Selector)
}

func isASCIILetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

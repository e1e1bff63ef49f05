package smpp

import (
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	x, k := func(n int) string { return strings.Repeat("x", n) }, func(n int) string { return strings.Repeat("認", n) }
	for _, tt := range []struct {
		name   string
		text   string
		coding byte
		parts  []int // octets of each
	}{
		{"empty", "", 0, []int{0}},
		{"all of the alphabet", strings.ReplaceAll(gsmAlphabet, "\x1b", ""), 0, []int{127}},
		{"a full one", x(160), 0, []int{160}},
		{"one more", x(161), 0, []int{153, 8}},
		{"two full ones", x(306), 0, []int{153, 153}},
		{"three", x(307), 0, []int{153, 153, 1}},
		{"an escape fits", x(151) + "€" + x(10), 0, []int{153, 10}},
		{"an escape is not cut", x(152) + "€" + x(10), 0, []int{152, 12}},
		{"escapes alone", strings.Repeat("[", 80), 0, []int{160}},
		{"escapes, one more", strings.Repeat("[", 81), 0, []int{152, 10}},
		{"a backquote is not GSM", "`", 8, []int{2}},
		{"one that is not GSM", x(69) + "認", 8, []int{140}},
		{"UCS-2, a full one", k(70), 8, []int{140}},
		{"UCS-2, one more", k(71), 8, []int{134, 8}},
		{"an emoji fits", k(65) + "😀" + k(10), 8, []int{134, 20}},
		{"an emoji is not cut", k(66) + "😀" + k(10), 8, []int{132, 24}},
		{"emoji alone", strings.Repeat("😀", 35), 8, []int{140}},
		{"bytes that are no text", "\xff\xfe", 8, []int{4}},
	} {
		a := gsm()
		parts, ok := a.split(tt.text)
		if !ok {
			a = ucs2()
			parts, ok = a.split(tt.text)
		}
		if !ok || a.coding != tt.coding || len(parts) != len(tt.parts) {
			t.Errorf("%s: coding %d, %d parts", tt.name, a.coding, len(parts))
			continue
		}
		for i, want := range tt.parts {
			if len(parts[i]) != want {
				t.Errorf("%s: part %d has %d octets, want %d", tt.name, i+1, len(parts[i]), want)
			}
		}
	}
}

// Septets that are easy to get wrong, by hand after 3GPP TS 23.038, 6.2.1.
func TestSeptets(t *testing.T) {
	t.Parallel()
	for r, want := range map[rune]string{
		'@': "\x00", '$': "\x02", '\n': "\x0a", '\r': "\x0d", '_': "\x11", 'Ξ': "\x1a", 'É': "\x1f", ' ': " ", '¤': "\x24",
		'¡': "\x40", 'A': "A", 'Ä': "\x5b", '§': "\x5f", '¿': "\x60", 'z': "z", 'ä': "\x7b", 'à': "\x7f",
		'\f': "\x1b\x0a", '^': "\x1b\x14", '{': "\x1b\x28", '}': "\x1b\x29", '\\': "\x1b\x2f", '[': "\x1b\x3c", '~': "\x1b\x3d",
		']': "\x1b\x3e", '|': "\x1b\x40", '€': "\x1b\x65",
	} {
		if got := string(gsm().add(nil, r)); got != want {
			t.Errorf("%q is %x, want %x", r, got, want)
		}
	}
}

// Whatever the text, its parts say it, and each is text by itself.
func TestSplitKeepsText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("aé€[]認😀👨‍")), 0, 400, -1).Draw(t, "text")
		parts, ok := ucs2().split(text)
		if !ok {
			t.Fatal("UCS-2 has no such character")
		}
		var whole strings.Builder
		for _, part := range parts {
			var units []uint16
			for i := 0; i < len(part); i += 2 {
				units = append(units, uint16(part[i])<<8|uint16(part[i+1]))
			}
			s := string(utf16.Decode(units))
			if strings.ContainsRune(s, utf8.RuneError) || len(part) > ucsAlone || len(parts) > 1 && len(part) > ucsPart {
				t.Fatalf("part of %d octets: %q", len(part), s)
			}
			whole.WriteString(s)
		}
		if whole.String() != text {
			t.Fatalf("%q became %q", text, whole.String())
		}
	})
}

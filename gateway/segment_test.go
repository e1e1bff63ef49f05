package gateway

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

func TestSegments(t *testing.T) {
	rep := strings.Repeat
	tests := []struct {
		name, text string
		want       int
	}{
		{"empty", "", 0},
		{"one", "a", 1},
		{"160 septets", rep("a", 160), 1},
		{"161 septets", rep("a", 161), 2},
		{"two full parts", rep("a", 306), 2},
		{"one more", rep("a", 307), 3},
		{"extension characters count twice", rep("€", 80), 1},
		{"81 of them", rep("€", 81), 2},
		{"159 and an extension character", rep("a", 159) + "[", 2},
		// 76 pairs fill 152 of 153 septets; the pair that would be cut moves on.
		{"a pair isn't cut", rep("€", 152), 2},
		{"153 pairs", rep("€", 153), 3},
		{"escape at the edge of a part", rep("a", 152) + "^" + rep("a", 152), 3},
		{"escape inside a part", rep("a", 151) + "^" + rep("a", 153), 2},
		{"70 units", rep("あ", 70), 1},
		{"71 units", rep("あ", 71), 2},
		{"two full UCS-2 parts", rep("あ", 134), 2},
		{"one unit more", rep("あ", 135), 3},
		{"emoji are two units", rep("📞", 35), 1},
		{"36 emoji", rep("📞", 36), 2},
		{"a surrogate pair isn't cut", rep("あ", 66) + "📞" + rep("あ", 66), 3},
		{"a surrogate pair inside", rep("あ", 65) + "📞" + rep("あ", 67), 2},
		{"one Japanese character makes all UCS-2", rep("a", 70) + "あ", 2},
		{"backtick isn't GSM", rep("a", 70) + "`", 2},
		{"small c with cedilla isn't GSM", rep("a", 70) + "ç", 2},
		{"capital C with cedilla is", rep("a", 70) + "Ç", 1},
		{"tab isn't", rep("a", 70) + "\t", 2},
		{"the example", "【Example】認証コード：123456（10分間有効）\n第三者に教えないでください。\n\n@example.co.jp #123456", 1},
	}
	for _, tt := range tests {
		if got := Segments(tt.text); got != tt.want {
			t.Errorf("%s: %d segments, want %d", tt.name, got, tt.want)
		}
	}
}

// The alphabet as the standard prints it, column by column, without the escape.
const (
	gsmAlphabet = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtension = "\f^{}\\[~]|€"
)

func TestSeptets(t *testing.T) {
	if n := len([]rune(gsmAlphabet)); n != 127 {
		t.Fatalf("the alphabet has %d characters", n)
	}
	for r := rune(0); r <= 0xFFFF; r++ {
		want := 0
		switch {
		case strings.ContainsRune(gsmAlphabet, r):
			want = 1
		case strings.ContainsRune(gsmExtension, r):
			want = 2
		}
		if 0xD800 <= r && r <= 0xDFFF {
			want = 0 // ContainsRune looks for U+FFFD
		}
		if got := septets(r); got != want {
			t.Errorf("septets(%U) = %d, want %d", r, got, want)
		}
	}
}

// naiveSegments encodes and cuts, as a sender would.
func naiveSegments(text string) int {
	var units []int // the encoded text; a character of two units is 1, 2, others 0
	alone, part := 160, 153
	gsm := !strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(gsmAlphabet+gsmExtension, r) })
	if !gsm {
		alone, part = 70, 67
	}
	for _, r := range text {
		if gsm && strings.ContainsRune(gsmExtension, r) || !gsm && len(utf16.Encode([]rune{r})) == 2 {
			units = append(units, 1, 2)
		} else {
			units = append(units, 0)
		}
	}
	if len(units) == 0 {
		return 0
	}
	if len(units) <= alone {
		return 1
	}
	n := 0
	for len(units) > 0 {
		cut := min(part, len(units))
		if cut < len(units) && units[cut] == 2 {
			cut--
		}
		units = slices.Delete(units, 0, cut)
		n++
	}
	return n
}

func FuzzSegments(f *testing.F) {
	for _, s := range []string{"", "a", "あ", "📞", "€", "\xff", "a\x00", "`"} {
		for _, n := range []int{1, 66, 67, 70, 76, 77, 153, 160, 161} {
			f.Add(s, n, "^")
			f.Add(s, n, "📞")
		}
	}
	f.Fuzz(func(t *testing.T, text string, n int, tail string) {
		if len(text) > 1000 {
			text = text[:1000]
		}
		text = strings.Repeat(text, min(max(n, 1), 200)) + tail + text
		if got, want := Segments(text), naiveSegments(text); got != want {
			t.Errorf("Segments(%q) = %d, a sender makes %d", text, got, want)
		}
	})
}

func BenchmarkSegments(b *testing.B) {
	for _, bb := range []struct{ name, text string }{
		{"ja", "【Example】認証コード：123456（10分間有効）\n第三者に教えないでください。\n\n@example.co.jp #123456"},
		{"en", "Example: 123456 is your verification code, valid for 10 min.\nDo not share it with anyone.\n\n@example.co.jp #123456"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = Segments(bb.text)
			}
		})
	}
}

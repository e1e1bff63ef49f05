package ivr

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestTextsAreWhole(t *testing.T) {
	want := slices.Sorted(slices.Values(append(recorded(), keyGreetingBrand)))
	for locale, texts := range map[string]map[string]string{"ja": japanese, "en": english} {
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(texts))); diff != "" {
			t.Errorf("%s has other keys (-want +got):\n%s", locale, diff)
		}
		said := map[string]string{}
		for key, text := range texts {
			if strings.TrimSpace(text) == "" || said[text] != "" {
				t.Errorf("%s: %s is %q, as is %q", locale, key, text, said[text])
			}
			said[text] = key
			if strings.Contains(text, "{brand}") != (key == keyGreetingBrand) {
				t.Errorf("%s: %s is %q", locale, key, text)
			}
			// A synthesiser would read a digit or a sign in its own way.
			if i := strings.IndexFunc(text, func(r rune) bool { return unicode.IsDigit(r) || strings.ContainsRune("#＃*<&", r) }); i >= 0 {
				t.Errorf("%s: %s has %q", locale, key, text[i:])
			}
		}
	}
}

func TestLocale(t *testing.T) {
	for tag, want := range map[string]string{
		"ja": "ja", "ja-JP": "ja", "JA": "ja", "en": "en", "en-GB": "en", "fr": "en", "jam": "en", "": "en",
	} {
		if got := Locale(tag); got != want {
			t.Errorf("Locale(%q) is %q, want %q", tag, got, want)
		}
	}
}

func TestPrompts(t *testing.T) {
	for _, locale := range Locales() {
		keys := map[string]bool{}
		for _, p := range Prompts(locale) {
			if keys[p.Key] || p.Text != textsFor(locale)[p.Key] {
				t.Errorf("%s: %+v", locale, p)
			}
			keys[p.Key] = true
		}
		if len(keys) != 22 {
			t.Errorf("%s has %d prompts, want 22", locale, len(keys))
		}
	}
}

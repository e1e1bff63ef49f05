package sipcall

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"denwa/ivr"
)

// Every prompt of every locale is there, audible, and about as long as its
// text takes to say.
func TestShippedPrompts(t *testing.T) {
	prompts := shippedPrompts(t)
	want := 0
	for _, locale := range ivr.Locales() {
		for _, prompt := range ivr.Prompts(locale) {
			want++
			recording := prompts.of(locale, prompt)
			length := duration(recording)
			perCharacter := map[string]time.Duration{"ja": 150 * time.Millisecond, "en": 70 * time.Millisecond}[locale]
			about := time.Duration(utf8.RuneCountInString(prompt.Text)) * perCharacter
			if length < about/2 || length > about*2+500*time.Millisecond {
				t.Errorf("%s/%s takes %v to say %q", locale, prompt.Key, length, prompt.Text)
			}
			if level := loudness(linear(recording)); level < -30 || level > 0 {
				t.Errorf("%s/%s is at %.0f dB", locale, prompt.Key, level)
			}
		}
	}
	if got := len(prompts.recordings); got != want {
		t.Errorf("%d recordings for %d prompts", got, want)
	}
}

func TestOwnPrompts(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "ja/greeting.wav", wav(16000, 2, tone(1000, 32000, 32000)))
	write(t, dir, "apps/portal.WAV", wav(8000, 1, tone(500, 8000, 4000)))
	write(t, dir, "README.txt", []byte("not a recording"))
	prompts, err := LoadPrompts(dir)
	if err != nil {
		t.Fatal(err)
	}
	shipped := shippedPrompts(t)
	for _, c := range []struct {
		what, locale string
		prompt       ivr.Prompt
		want         time.Duration
	}{
		{"replaced", "ja", ivr.Prompt{Key: "greeting"}, time.Second},
		{"replaced for a region", "ja-JP", ivr.Prompt{Key: "greeting"}, time.Second},
		{"as shipped", "en", ivr.Prompt{Key: "greeting"}, duration(shipped.of("en", ivr.Prompt{Key: "greeting"}))},
		{"unknown locale", "fr", ivr.Prompt{Key: "approved"}, duration(shipped.of("en", ivr.Prompt{Key: "approved"}))},
		{"named", "en", ivr.Prompt{Key: "greeting", Audio: "apps/portal.wav"}, time.Second / 2},
		{"named without extension", "en", ivr.Prompt{Key: "greeting", Audio: "./apps/portal"}, time.Second / 2},
		{"named, but missing", "ja", ivr.Prompt{Key: "greeting", Audio: "apps/shop.wav"}, time.Second},
	} {
		if got := duration(prompts.of(c.locale, c.prompt)); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
	if !prompts.Has("apps/portal.wav") || prompts.Has("apps/shop.wav") || prompts.Has("../greeting") {
		t.Error("Has tells something else than what is there")
	}
}

func TestSpeaks(t *testing.T) {
	p := shippedPrompts(t)
	for _, s := range []ivr.Script{confirm, {Mode: ivr.ModeKeyed, Digits: 6}, {Mode: ivr.ModeCode, Code: "0123456789", Locale: "en-GB"}} {
		if !p.Speaks(s) {
			t.Errorf("mode %s can't be spoken", s.Mode)
		}
	}
	if p.Speaks(ivr.Script{Mode: ivr.ModeCode, Code: "12a"}) {
		t.Error("a letter is spoken, which nobody recorded")
	}
}

// A mistake in any file is told with the file's name, all at once.
func TestOwnPromptsRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "ja/greeting.wav", []byte("ID3"))
	write(t, dir, "en/goodbye.wav", wav(8000, 1, nil))
	_, err := LoadPrompts(dir)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"ja/greeting.wav: it isn't a WAV file", "en/goodbye.wav: it has no audio"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	if _, err := LoadPrompts(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a folder that doesn't exist is no error")
	}
}

func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func shippedPrompts(tb testing.TB) *Prompts {
	tb.Helper()
	p, err := LoadPrompts("")
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func duration(recording []byte) time.Duration {
	return time.Duration(len(recording)) * time.Second / sampleRate
}

func linear(recording []byte) []float64 {
	samples := make([]float64, len(recording))
	for i, b := range recording {
		samples[i] = float64(decodeMuLaw(b)) / (1 << 15)
	}
	return samples
}

package gateway

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func newMessages(tb testing.TB, templates map[string]string) *Messages {
	tb.Helper()
	m, err := NewMessages(templates)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestSMS(t *testing.T) {
	long := strings.Repeat("x", 63) + ".example.jp"
	own := map[string]string{
		"fr":    "{brand} : votre code est {code}.\r\n{optional}Valable {minutes} minutes.\n",
		"de":    "{optional}Nicht weitergeben.\n\n{brand}: {code}",
		"pt-BR": "{code}",
	}
	tests := []struct {
		name     string
		text     Text
		want     string
		segments int
	}{
		{
			"ja",
			Text{Locale: "ja", Brand: "Example", Code: "123456", Minutes: 10, Origin: "example.co.jp"},
			"【Example】認証コード：123456（10分間有効）\n第三者に教えないでください。\n\n@example.co.jp #123456", 1,
		},
		{
			"ja alone",
			Text{Locale: "ja", Brand: "Example", Code: "012345", Minutes: 5},
			"【Example】認証コード：012345（5分間有効）\n第三者に教えないでください。", 1,
		},
		{
			"ja drops its warning for a long domain",
			Text{Locale: "ja", Brand: "Example", Code: "123456", Minutes: 10, Origin: "portal.example.co.jp"},
			"【Example】認証コード：123456（10分間有効）\n\n@portal.example.co.jp #123456", 1,
		},
		{
			"ja keeps it with two segments",
			Text{Locale: "ja", Brand: "Example", Code: "123456", Minutes: 10, Origin: "portal.example.co.jp", MaxSegments: 2},
			"【Example】認証コード：123456（10分間有効）\n第三者に教えないでください。\n\n@portal.example.co.jp #123456", 2,
		},
		{
			"en",
			Text{Locale: "en", Brand: "Example", Code: "123456", Minutes: 10, Origin: "https://Example.co.jp:8443/"},
			"Example: 123456 is your verification code, valid for 10 min.\nDo not share it with anyone.\n\n@example.co.jp #123456", 1,
		},
		{
			"en with a Japanese brand is UCS-2",
			Text{Locale: "en", Brand: "電話", Code: "123456", Minutes: 10},
			"電話: 123456 is your verification code, valid for 10 min.", 1,
		},
		{
			"en drops for a long domain",
			Text{Locale: "en", Brand: "Example", Code: "123456", Minutes: 10, Origin: long},
			"Example: 123456 is your verification code, valid for 10 min.\n\n@" + long + " #123456", 1,
		},
		{
			"international domain",
			Text{Locale: "en", Brand: "Example", Code: "123456", Minutes: 10, Origin: "日本語.jp"},
			"Example: 123456 is your verification code, valid for 10 min.\nDo not share it with anyone.\n\n@xn--wgv71a119e.jp #123456", 1,
		},
		{
			"app hash",
			Text{Locale: "en", Brand: "Example", Code: "123456", Minutes: 10, AppHash: "FA+9qCX9VS/"},
			"Example: 123456 is your verification code, valid for 10 min.\nDo not share it with anyone.\n\nFA+9qCX9VS/", 1,
		},
		{
			"app hash drops the warning by bytes",
			Text{Locale: "ja", Brand: strings.Repeat("例", 15), Code: "123456", Minutes: 10, AppHash: "FA+9qCX9VSu", MaxSegments: 2},
			"【" + strings.Repeat("例", 15) + "】認証コード：123456（10分間有効）\n\nFA+9qCX9VSu", 1,
		},
		{
			"operator's",
			Text{Locale: "fr", Brand: "Example", Code: "123456", Minutes: 10},
			"Example : votre code est 123456.\nValable 10 minutes.", 1,
		},
		{
			"operator's, optional line first",
			Text{Locale: "de", Brand: strings.Repeat("B", 140), Code: "123456", Minutes: 10},
			strings.Repeat("B", 140) + ": 123456", 1,
		},
		{
			"locale that matches",
			Text{Locale: "ja-JP", Brand: "Example", Code: "123456", Minutes: 10, Origin: "localhost"},
			"【Example】認証コード：123456（10分間有効）\n第三者に教えないでください。\n\n@localhost #123456", 1,
		},
	}
	m := newMessages(t, own)
	for _, tt := range tests {
		text, n, err := m.SMS(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if text != tt.want || n != tt.segments {
			t.Errorf("%s: %d segments\n%s\nwant %d\n%s", tt.name, n, text, tt.segments, tt.want)
		}
	}
}

// TestBuiltInRoom is what builtIn promises.
func TestBuiltInRoom(t *testing.T) {
	m := newMessages(t, nil)
	for _, tt := range []struct {
		chars   int
		warning bool
		ok      bool
	}{{22, true, true}, {23, false, true}, {37, false, true}, {38, false, false}} {
		domain := "example.co.jp"
		text, n, err := m.SMS(Text{Locale: "ja", Brand: strings.Repeat("例", tt.chars-len(domain)), Code: "123456", Minutes: 10, Origin: domain})
		if (err == nil) != tt.ok || err == nil && n != 1 || strings.Contains(text, "第三者") != tt.warning {
			t.Errorf("%d characters: %q, %d segments, %v", tt.chars, text, n, err)
		}
	}
}

func TestSMSRefuses(t *testing.T) {
	base := Text{Locale: "en", Brand: "Example", Code: "123456", Minutes: 10}
	with := func(change func(*Text)) Text { t := base; change(&t); return t }
	origin := func(s string) Text { return with(func(t *Text) { t.Origin = s }) }
	hash := func(s string) Text { return with(func(t *Text) { t.AppHash = s }) }
	tests := []struct {
		name, field string
		text        Text
	}{
		{"unknown locale", "locale", with(func(t *Text) { t.Locale = "ko" })},
		{"no locale", "locale", with(func(t *Text) { t.Locale = "" })},
		{"malformed locale", "locale", with(func(t *Text) { t.Locale = strings.Repeat("a", 1000) })},
		{"both", "app_hash", with(func(t *Text) { t.Origin, t.AppHash = "example.jp", "FA+9qCX9VSu" })},
		{"short hash", "app_hash", hash("FA+9qCX9VS")},
		{"long hash", "app_hash", hash("FA+9qCX9VSuu")},
		{"hash of other characters", "app_hash", hash("FA-9qCX9VSu")},
		{"hash of other bytes", "app_hash", hash("FA+9qCXあu")},
		{"hash with a line break", "app_hash", hash("FA+9qCX9VS\n")},
		{"message too long for the hash", "app_hash", with(func(t *Text) { t.AppHash, t.Brand, t.MaxSegments = "FA+9qCX9VSu", strings.Repeat("b", 90), 3 })},
		{"message too long with the origin", "origin", with(func(t *Text) { t.Origin, t.Brand = "example.jp", strings.Repeat("b", 90) })},
		{"http", "origin", origin("http://example.jp")},
		{"app link", "origin", origin("android-app://example.jp")},
		{"path", "origin", origin("https://example.jp/login")},
		{"query", "origin", origin("https://example.jp/?a=b")},
		{"fragment", "origin", origin("https://example.jp#a")},
		{"user", "origin", origin("https://user@example.jp")},
		{"no host", "origin", origin("https://")},
		{"not a URL", "origin", origin("https://exa mple.jp")},
		{"port without a scheme", "origin", origin("example.jp:443")},
		{"path without a scheme", "origin", origin("example.jp/")},
		{"code of its own", "origin", origin("example.jp #654321")},
		{"line break", "origin", origin("example.jp\n@evil.example")},
		{"IPv4", "origin", origin("192.0.2.1")},
		{"IPv6", "origin", origin("https://[2001:db8::1]:443")},
		{"no IPv4", "origin", origin("192.0.2.300")},
		{"one label", "origin", origin("intranet")},
		{"empty label", "origin", origin("example..jp")},
		{"final dot", "origin", origin("example.jp.")},
		{"hyphen first", "origin", origin("-example.jp")},
		{"underscore", "origin", origin("ex_ample.jp")},
		{"long label", "origin", origin(strings.Repeat("a", 64) + ".jp")},
		{"long name", "origin", origin(strings.Repeat("a.", 127) + "jp")},
		{"huge", "origin", origin(strings.Repeat("例", 1<<18) + ".jp")},
		{"bad punycode", "origin", origin("xn--\x80.jp")},
	}
	m := newMessages(t, nil)
	for _, tt := range tests {
		text, _, err := m.SMS(tt.text)
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeInvalidRequest || e.Field != tt.field {
			t.Errorf("%s: %q, error %v, want one of %s", tt.name, text, err, tt.field)
		}
	}
}

func TestSMSTooLong(t *testing.T) {
	m := newMessages(t, nil)
	for _, tt := range []struct {
		origin string
		needed int
	}{{"", 2}, {"example.jp", 3}} {
		_, _, err := m.SMS(Text{Locale: "ja", Brand: strings.Repeat("例", 100), Code: "123456", Minutes: 10, Origin: tt.origin})
		var e *SegmentsError
		if !errors.As(err, &e) || e.Needed != tt.needed || e.Allowed != 1 {
			t.Errorf("origin %q: %v, want %d segments", tt.origin, err, tt.needed)
		}
		var public *Error
		if errors.As(err, &public) != (tt.origin != "") {
			t.Errorf("origin %q: the request is at fault only with an origin: %v", tt.origin, err)
		}
	}
}

func TestNewMessagesRefuses(t *testing.T) {
	tests := []struct{ locale, template, want string }{
		{"ja", "", "is empty"},
		{"ja", " \n", "is empty"},
		{"ja", "認証コード", "{code} 0 times"},
		{"ja", "{code} {code}", "{code} 2 times"},
		{"ja", "{Code}", "unknown placeholder {Code}: write {code}"},
		{"ja", "{code} { brand }", "unknown placeholder { brand }: write {brand}"},
		{"ja", "{code} {name}", "unknown placeholder {name}: write {brand}, {code} or {minutes}"},
		{"ja", "{code} {}", "unknown placeholder {}"},
		{"ja", "{code} {", "without its other half"},
		{"ja", "{code} }", "without its other half"},
		{"ja", "{{code}}", "without its other half"},
		{"ja", "{code} {brand\n}", "without its other half"},
		{"ja", "{code}\n{optional}{", "without its other half"},
		{"ja", "{brand}\n{optional}{code}", "{code} can't be on an {optional} line"},
		{"ja", "{code} {optional}x", "at the beginning of a line"},
		{"ja", "{code}\n{optional}{optional}x", "at the beginning of a line"},
		{"ja", "{code}\a", "control character U+0007"},
		{"ja", "{code}\tx", "control character U+0009"},
		{"ja", "{code}\u2028x", "control character U+2028"},
		{"ja", "{code}\xff", "is not UTF-8"},
		{"ja", "{code} https://example.jp", "has a link"},
		{"ja", "{code} HTTP://EXAMPLE.JP", "has a link"},
		{"ja", "{code} www.example.jp", "has a link"},
		{"ja", "{code} example.jp/login", "has a link"},
		{"ja", "詳細は例example.jp:8080/へ{code}", "has a link"},
		{"", "{code}", "is not a language tag"},
		{"und", "{code}", "is not a language tag"},
		{"japanese!", "{code}", "is not a language tag"},
	}
	for _, tt := range tests {
		_, err := NewMessages(map[string]string{tt.locale: tt.template})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.template, err, tt.want)
		}
	}
	_, err := NewMessages(map[string]string{"ja": "{x}", "en": "{y}"})
	if err == nil || !strings.Contains(err.Error(), "{x}") || !strings.Contains(err.Error(), "{y}") {
		t.Errorf("not every bad template is reported: %v", err)
	}
	for _, good := range []string{"{code}", "{code} and/or 3.5/10", "example.jp {code}", "Node.js: {code}", "{code}（有効）"} {
		if _, err := NewMessages(map[string]string{"ja": good}); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func TestCheck(t *testing.T) {
	m := newMessages(t, map[string]string{"fr": "{brand}/{code}", "de": "{brand}: {code} 📞"})
	tests := []struct {
		locale, brand string
		segments      int
		want          string
	}{
		{"ja", "Example", 1, ""},
		{"ja", "株式会社例示📞", 1, ""},
		{"en", "example.jp", 1, ""},
		{"ja", strings.Repeat("例", 50), 1, "takes 2 SMS segments and may take 1"},
		{"ja", strings.Repeat("例", 50), 2, ""},
		{"de", strings.Repeat("b", 70), 1, "takes 2 SMS segments and may take 1"},
		{"ja", "", 1, "the brand is empty"},
		{"ja", "Exam\nple", 1, "line break or control character (U+000A)"},
		{"ja", "Example\x00", 1, "U+0000"},
		{"ja", "Exam\u2029ple", 1, "U+2029"},
		{"ja", "\xff", 1, "the brand is not UTF-8"},
		{"ja", "https://example.jp", 1, "the brand has a link"},
		{"fr", "example.jp", 1, "has a link"},
		{"fr", "Example", 1, ""},
		{"ko", "Example", 1, "locale must be one of de, en, fr, ja"},
	}
	for _, tt := range tests {
		err := m.Check(tt.locale, tt.brand, 6, 10, tt.segments)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("Check(%s, %q, %d segments): %v, want %q", tt.locale, tt.brand, tt.segments, err, tt.want)
		}
	}
	// The code's length counts: this fits with six digits and not with ten.
	brand := strings.Repeat("例", 47)
	if err := m.Check("ja", brand, 6, 10, 1); err != nil {
		t.Error(err)
	}
	if err := m.Check("ja", brand, 10, 10, 1); err == nil {
		t.Error("ten digits fit as well")
	}
}

func TestMatch(t *testing.T) {
	m := newMessages(t, map[string]string{"zh-hans": "{code}", "PT-br": "{code}"})
	if got, want := m.Locales(), []string{"en", "ja", "pt-BR", "zh-Hans"}; !slices.Equal(got, want) {
		t.Errorf("Locales() = %q, want %q", got, want)
	}
	for in, want := range map[string]string{
		"ja": "ja", "ja-JP": "ja", "JA": "ja", "ja_JP": "ja", "en-GB": "en", "en-JP": "en",
		"pt-BR": "pt-BR", "pt": "pt-BR", "zh-CN": "zh-Hans", "zh": "zh-Hans",
		"zh-TW": "", "zh-Hant": "", "ko": "", "ja-Latn": "", "": "", "*": "", "und": "", "x": "",
		strings.Repeat("ja-", 100): "",
	} {
		if got, ok := m.Match(in); got != want || ok != (want != "") {
			t.Errorf("Match(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
	for in, want := range map[string]string{
		"JP": "ja", "US": "en", "GB": "en", "BR": "pt-BR", "CN": "zh-Hans",
		"TW": "", "KR": "", "DE": "", "": "", "??": "", "ZZZZ": "",
	} {
		for range 2 { // found, then remembered
			if got, ok := m.ForCountry(in); got != want || ok != (want != "") {
				t.Errorf("ForCountry(%q) = %q, %v, want %q", in, got, ok, want)
			}
		}
	}
}

func TestLocalesIsACopy(t *testing.T) {
	m := newMessages(t, nil)
	m.Locales()[0] = "x"
	if got := m.Locales()[0]; got != "en" {
		t.Errorf("Locales()[0] = %q after a caller wrote to it", got)
	}
}

func FuzzSMS(f *testing.F) {
	f.Add("{brand} {code} {minutes}\n{optional}x", "Example", "example.jp", "")
	f.Add("{code}", "例", "https://日本語.jp:1", "FA+9qCX9VSu")
	f.Add("{{code}}", "{code}", "", "FA+9qCX9VSu")
	f.Fuzz(func(t *testing.T, template, brand, origin, hash string) {
		m, err := NewMessages(map[string]string{"ja": template})
		if err != nil {
			return
		}
		if m.Check("ja", brand, 6, 10, 3) != nil {
			return
		}
		const code = "123456"
		text, n, err := m.SMS(Text{Locale: "ja", Brand: brand, Code: code, Minutes: 10, Origin: origin, AppHash: hash, MaxSegments: 3})
		if err != nil {
			if origin == "" && hash == "" {
				t.Fatalf("Check passed: %v", err)
			}
			return
		}
		if n < 1 || n > 3 || n != Segments(text) || !utf8.ValidString(text) || !strings.Contains(text, code) {
			t.Errorf("%d segments: %q", n, text)
		}
		lines := strings.Split(text, "\n")
		last := lines[len(lines)-1]
		switch {
		case hash != "":
			if last != hash || len(text) > maxRetriever {
				t.Errorf("with a hash: %q", text)
			}
		case origin != "":
			host, ok := strings.CutSuffix(strings.TrimPrefix(last, "@"), " #"+code)
			if !ok || !isHostname(host) || lines[len(lines)-2] != "" {
				t.Errorf("with an origin: %q", text)
			}
		}
	})
}

func BenchmarkSMS(b *testing.B) {
	m := newMessages(b, nil)
	t := Text{Locale: "ja", Brand: "Example", Code: "123456", Minutes: 10, Origin: "https://example.co.jp", MaxSegments: 1}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := m.SMS(t); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkForCountry(b *testing.B) {
	m := newMessages(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := m.ForCountry("JP"); !ok {
			b.Fatal("no locale")
		}
	}
}

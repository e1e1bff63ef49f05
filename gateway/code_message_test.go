package gateway_test

import (
	"strings"
	"testing"
	"time"

	"denwa/gateway"
)

func TestCodeMessage(t *testing.T) {
	c := gateway.DefaultConfig()
	// 48 characters is the longest brand that a Japanese message has room for.
	brand := strings.Repeat("B", 48)
	c.Apps = []gateway.App{{Name: "portal", Brand: brand}, {Name: "short", Brand: "Ex", Locale: "en"}}
	p, err := gateway.NewPolicy(c, gateway.Everywhere{gateway.SMS})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []struct {
		name, app, to, locale, code string
		validFor                    time.Duration
		text, language              string
		fails                       gateway.Code
	}{
		{"by the country", "short", "+819012345678", "", "1234", 0, "【Ex】認証コード：1234（10分間有効）\n第三者に教えないでください。", "ja", ""},
		{"as asked for", "short", "+819012345678", "en-GB", "1234", 5 * time.Minute, "Ex: 1234 is your verification code, valid for 5 min.\nDo not share it with anyone.", "en", ""},
		{"a language without a text", "short", "+819012345678", "xx", "A1b2", 59 * time.Second, "【Ex】認証コード：A1b2（1分間有効）\n第三者に教えないでください。", "ja", ""},
		{"by the app", "short", "+4915112345678", "", "1234", 0, "Ex: 1234 is your verification code, valid for 10 min.\nDo not share it with anyone.", "en", ""},
		{"one segment", "portal", "+819012345678", "", "123456", 0, "【" + brand + "】認証コード：123456（10分間有効）", "ja", ""},
		{"two segments", "portal", "+819012345678", "", "123456789012", 0, "【" + brand + "】認証コード：123456789012（10分間有効）\n第三者に教えないでください。", "ja", ""},
		{"no number", "short", "12", "", "1234", 0, "", "", gateway.CodeInvalidNumber},
		{"short code", "short", "+819012345678", "", "123", 0, "", "", gateway.CodeInvalidRequest},
		{"long code", "short", "+819012345678", "", "1234567890123", 0, "", "", gateway.CodeInvalidRequest},
		{"a code with a link", "short", "+819012345678", "", "x.jp/1", 0, "", "", gateway.CodeInvalidRequest},
	} {
		text, language, err := p.CodeMessage(p.App(w.app), w.to, w.locale, w.code, w.validFor)
		if text != w.text || language != w.language || gateway.CodeOf(err) != w.fails || (err == nil) != (w.fails == "") {
			t.Errorf("%s: %q, %q, %v", w.name, text, language, err)
		}
	}
}

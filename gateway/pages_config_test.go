package gateway_test

import (
	"strings"
	"testing"
	"time"

	"denwa/gateway"
)

func TestPagesConfig(t *testing.T) {
	back := []string{"https://portal.example.jp/"}
	for _, c := range []struct {
		pages gateway.Pages
		want  string // the fields at fault
	}{
		{gateway.Pages{}, ""},
		{gateway.Pages{
			ReturnURLs: []string{"https://portal.example.jp", "https://portal.example.jp/a/b", "http://localhost:3000/", "http://127.0.0.1/x", "http://[::1]:80/"},
			TermsURL:   "https://portal.example.jp/terms?x=1", PrivacyURL: "http://localhost/p", HelpURL: "https://portal.example.jp/help",
			Logo: "/etc/denwa/Logo.SVG", Color: "#0B57a4", FrameAncestors: []string{"https://portal.example.jp", "http://localhost:3000"},
			ExpiresIn: time.Hour,
		}, ""},
		{
			gateway.Pages{ReturnURLs: []string{"portal.example.jp", "javascript:alert(1)", "http://portal.example.jp/", "https://u:p@portal.example.jp/"}},
			"return_urls[0] return_urls[1] return_urls[2] return_urls[3]",
		},
		{
			gateway.Pages{ReturnURLs: []string{"https://portal.example.jp/?a=b", "https://portal.example.jp/#a", "https://portal.example.jp/a/../b", "https:///a"}},
			"return_urls[0] return_urls[1] return_urls[2] return_urls[3]",
		},
		{gateway.Pages{ReturnURLs: back, TermsURL: "ftp://x/", PrivacyURL: "x", HelpURL: "mailto:a@b.example"}, "terms_url privacy_url help_url"},
		{gateway.Pages{ReturnURLs: back, Logo: "logo.gif", Color: "red"}, "logo color"},
		{
			gateway.Pages{ReturnURLs: back, FrameAncestors: []string{"*", "https://portal.example.jp/", "https://*.example.jp;x", "'self'"}},
			"frame_ancestors[0] frame_ancestors[1] frame_ancestors[2] frame_ancestors[3]",
		},
		{gateway.Pages{ReturnURLs: back, ExpiresIn: time.Minute}, "expires_in"},
		{gateway.Pages{ReturnURLs: back, ExpiresIn: 25 * time.Hour}, "expires_in"},
	} {
		var fields []string
		c.pages.Validate(func(field, _ string) { fields = append(fields, field) })
		if got := strings.Join(fields, " "); got != c.want {
			t.Errorf("%+v: %q, want %q", c.pages, got, c.want)
		}
	}
}

// TestReturnURLs: only what the operator allowed, however it is written.
func TestReturnURLs(t *testing.T) {
	p := gateway.Pages{ReturnURLs: []string{"https://portal.example.jp/app/", "https://exact.example.jp/back", "http://localhost:3000/"}}
	for address, want := range map[string]bool{
		"https://portal.example.jp/app/":              true,
		"https://portal.example.jp/app/a/b?c=d&e=%2F": true,
		"https://PORTAL.example.jp/app/x":             true,
		"https://exact.example.jp/back":               true,
		"https://exact.example.jp/back?step=2":        true,
		"http://localhost:3000/x":                     true,

		"": false, "/app/": false, "//portal.example.jp/app/": false,
		"http://portal.example.jp/app/":                              false,
		"https://portal.example.jp:8443/app/":                        false,
		"https://portal.example.jp/app":                              false,
		"https://portal.example.jp/application":                      false,
		"https://portal.example.jp/app/../admin":                     false,
		"https://portal.example.jp/app/%2e%2e/admin":                 false,
		"https://portal.example.jp/app/..%2fadmin":                   false,
		"https://portal.example.jp/app//evil.example":                false,
		"https://portal.example.jp/app/\\evil.example":               false,
		"https://portal.example.jp/app/#x":                           false,
		"https://portal.example.jp/app/#":                            false,
		"https://portal.example.jp@evil.example/app/":                false,
		"https://user@portal.example.jp/app/":                        false,
		"https://portal.example.jp.evil.example/app/":                false,
		"https://evil.example/https://portal.example.jp/app/":        false,
		"https://exact.example.jp/back/":                             false,
		"https://exact.example.jp/back/x":                            false,
		"https://exact.example.jp/bac%6b":                            false,
		"http://localhost:3001/x":                                    false,
		"javascript:alert(1)//https://portal.example.jp/app/":        false,
		"https://portal.example.jp/app/x\n":                          false,
		"https://portal.example.jp/app/" + strings.Repeat("a", 2000): false,
	} {
		if got := p.Allows(address); got != want {
			t.Errorf("%q: %v, want %v", address, got, want)
		}
	}
}

package gateway

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"denwa/providers"
)

// Pages let an app send a person's browser to pages of the gateway's own, which
// ask for the number and verify it.
type Pages struct {
	// Where the pages may send the browser back to. One that ends with a slash stands for everything below it; with none the app has no pages.
	ReturnURLs []string `yaml:"return_urls"`
	// The app's terms of use, linked next to the button that sends.
	TermsURL string `yaml:"terms_url"`
	// The app's privacy policy, linked likewise.
	PrivacyURL string `yaml:"privacy_url"`
	// Where a person finds help, linked where the pages can't.
	HelpURL string `yaml:"help_url"`
	// Path of an image that stands for the brand: .svg, .png, .webp or .jpg.
	Logo string `yaml:"logo"`
	// Colour of buttons and links, such as #0b57a4. It is darkened or lightened where it couldn't be read.
	Color string `yaml:"color"`
	// Origins of the sites that may show the pages in a frame, such as https://portal.example.jp; empty allows none. Cookies reach a frame on the same site only.
	FrameAncestors []string `yaml:"frame_ancestors"`
	// How long a person has, from the link to the result; 0 is 30m.
	ExpiresIn time.Duration `yaml:"expires_in"`
}

// defaultPagesLife is [Pages.ExpiresIn] where the operator says nothing.
const defaultPagesLife = 30 * time.Minute

// Enabled reports whether the app has pages.
func (p Pages) Enabled() bool { return len(p.ReturnURLs) > 0 }

// Allows reports whether a page may send the browser to returnURL. Scheme, host
// and port must be those of a configured URL. So must the path, unless the
// configured one ends with a slash and this one lies below it. The query is free.
func (p Pages) Allows(returnURL string) bool {
	u, ok := parsePage(returnURL)
	if !ok || strings.ContainsAny(returnURL, "\\\t\r\n") || len(returnURL) > maxReturnURL {
		return false
	}
	return slices.ContainsFunc(p.ReturnURLs, func(allowed string) bool {
		a, ok := parsePage(allowed)
		if !ok || u.Scheme != a.Scheme || !strings.EqualFold(u.Host, a.Host) {
			return false
		}
		if !strings.HasSuffix(a.Path, "/") {
			return u.EscapedPath() == a.EscapedPath()
		}
		// A path with "..", or with a slash that is hidden by escaping, is read
		// one way here and another way there.
		return clean(u.Path) && !strings.Contains(strings.ToLower(u.EscapedPath()), "%2f") && strings.HasPrefix(u.Path, a.Path)
	})
}

// maxReturnURL bounds a return URL, in bytes.
const maxReturnURL = 2000

// parsePage reads the URL of a page: https, or http on this machine, without a
// user or fragment.
func parsePage(s string) (u *url.URL, ok bool) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || strings.HasSuffix(s, "#") {
		return nil, false
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, u.Scheme == "https" || u.Scheme == "http" && providers.Loopback(u.Hostname())
}

func clean(p string) bool {
	return path.Clean(p) == strings.TrimSuffix(p, "/") || p == "/"
}

var hexColor = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// Validate reports every mistake in p.
func (p Pages) Validate(report func(field, problem string)) {
	const form = "must be a URL such as https://portal.example.jp/, or http on this machine"
	for i, s := range p.ReturnURLs {
		if u, ok := parsePage(s); !ok || u.RawQuery != "" || u.ForceQuery || !clean(u.Path) {
			report(fmt.Sprintf("return_urls[%d]", i), form+", without a query")
		}
	}
	for _, l := range []struct{ field, url string }{
		{"terms_url", p.TermsURL}, {"privacy_url", p.PrivacyURL}, {"help_url", p.HelpURL},
	} {
		if _, ok := parsePage(l.url); l.url != "" && !ok {
			report(l.field, form)
		}
	}
	if p.Logo != "" && LogoType(p.Logo) == "" {
		report("logo", "must be the path of a .svg, .png, .webp or .jpg file")
	}
	if p.Color != "" && !hexColor.MatchString(p.Color) {
		report("color", "must be # and 6 hexadecimal digits, such as #0b57a4")
	}
	for i, s := range p.FrameAncestors {
		if u, ok := parsePage(s); !ok || s != u.Scheme+"://"+u.Host || strings.ContainsAny(s, " ;,'\"") {
			report(fmt.Sprintf("frame_ancestors[%d]", i), "must be an origin, such as https://portal.example.jp")
		}
	}
	if p.ExpiresIn != 0 {
		between(report, "expires_in", p.ExpiresIn, 5*time.Minute, 24*time.Hour)
	}
}

// LogoType is the media type of an image by its name, or "" if it isn't one that
// [Pages.Logo] takes.
func LogoType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".webp":
		return "image/webp"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	}
	return ""
}

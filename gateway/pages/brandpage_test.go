package pages_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"denwa/gateway"
	"denwa/providers/sandbox/browsertest"
)

const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 40"><rect width="120" height="40" rx="8" fill="#7b2d8b"/><script>alert(1)</script></svg>`

// TestBrand: the operator's colour and logo, of the gateway's own origin.
func TestBrand(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "logo.svg")
	if err := os.WriteFile(file, []byte(logo), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *gateway.Config) { c.Apps[0].Pages.Logo, c.Apps[0].Pages.Color = file, "#7b2d8b" })
	tab := browser.Open(t, phone)
	tab.Go(w.create(given).URL)
	tab.Wait("the logo", `document.querySelector("header img[alt='Example 大学']")?.naturalWidth > 0`)
	tab.Wait("the colour", `getComputedStyle(document.querySelector(".choice")).borderColor === "rgb(123, 45, 139)"`)
	tab.Look("brand", axe)

	dark := browser.Open(t, browsertest.View{Dark: true})
	dark.Go(w.create(given).URL)
	dark.Wait("a lighter colour", `document.readyState === "complete" && getComputedStyle(document.querySelector(".choice")).borderColor !== "rgb(123, 45, 139)"`)

	pale := newWorld(t, func(c *gateway.Config) {
		c.Apps[0].Channels, c.Apps[0].Pages.Color = []gateway.Channel{gateway.SMS}, "#ffee00"
	})
	tab = browser.Open(t, phone)
	tab.Go(pale.create(given).URL)
	tab.WaitFor(".note a")
	tab.Look("brand-pale", axe)

	reply := w.visitor().get(w.URL + "/verify/-/brand/portal/logo")
	if h := reply.Header; h.Get("Content-Type") != "image/svg+xml" || !strings.HasSuffix(h.Get("Content-Security-Policy"), "sandbox") || reply.body != logo {
		t.Errorf("%v", h)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if reply := w.visitor().get(w.URL + "/verify/-/brand/portal/logo"); reply.StatusCode != http.StatusNotFound || !strings.Contains(w.log.String(), "logo can't be read") {
		t.Errorf("without its file: %d", reply.StatusCode)
	}
}

// TestAssetsAreKept by the browser for as long as their address holds.
func TestAssetsAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	v := w.visitor()
	page := v.get(w.create(given).URL)
	_, rest, _ := strings.Cut(page.body, `rel="stylesheet" href="./../`)
	address, _, _ := strings.Cut(rest, `"`)
	reply := v.get(w.URL + "/verify/" + address)
	if got := reply.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" || !strings.HasPrefix(reply.Header.Get("Content-Type"), "text/css") {
		t.Errorf("%s: %s", address, got)
	}
	if got := v.get(w.URL + "/verify/-/once.js").Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("without its hash: %s", got)
	}
}

package pages_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"denwa/gateway"
	"denwa/providers/sandbox/browsertest"
)

// TestHostileTexts: what people, apps and links bring along is text, on every
// page that shows it.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	const script = `"'><script>window.hurt=1</script><img src=x onerror=window.hurt=1>`
	w := newWorld(t, func(c *gateway.Config) { c.Apps[0].Brand = `"'><img src=x onerror=hurt()>` })
	v := w.visitor()
	look := func(page shown) {
		t.Helper()
		if strings.Contains(page.body, "<script>window") || strings.Contains(page.body, "<img src=x") {
			t.Errorf("%s: %s", page.Request.URL.Path, page.body)
		}
	}
	s := w.create(`"reference":` + fmt.Sprintf("%q", script))
	number := v.get(s.URL)
	look(number)
	look(v.post(w.at(s, "number"), number.form("number", script, "country", script, "extension", script)))
	look(v.post(w.at(s, "number"), number.form("number", "090-1234-5678", "country", "JP", "extension", script, "lang", script)))
	method := v.post(w.at(s, "number"), number.form("number", "090-1234-5678", "country", "JP"))
	look(method)
	look(v.post(w.at(s, "method"), method.form("channel", script, "seen", script)))
	code := v.post(w.at(s, "method"), method.form("channel", "sms"))
	look(code)
	look(v.post(w.at(s, "code"), code.form("code", script)))
	look(v.post(w.at(s, "code"), code.form("code", script, "lang", "en")))
	look(v.post(w.at(s, "resend"), code.form("channel", script, "turn", script)))
	for _, address := range []string{"number?lang=" + url.QueryEscape(script), url.PathEscape(script), "events?since=0&shown=" + url.QueryEscape(script)} {
		if !strings.HasPrefix(address, "events") { // which goes on until there is news
			look(v.get(w.at(s, address)))
		}
	}
	look(v.post(w.at(s, "leave"), code.form()))

	tab := browser.Open(t, phone)
	back := w.URL + `/portal/back?q="><script>window.hurt=1</script>`
	tab.Go(w.api(http.MethodPost, "/v1/sessions", fmt.Sprintf(`{"return_url":%q}`, back)).URL)
	tab.Click("footer form button")
	tab.WaitText("h1", "中止")
	if tab.Evaluate(`window.hurt`) != nil || !strings.HasPrefix(fmt.Sprint(tab.Evaluate(`document.querySelector(".first").href`)), w.URL+"/portal/back?q=%22") {
		t.Errorf("the way back is %v", tab.Evaluate(`document.querySelector(".first").outerHTML`))
	}
}

// TestRubbish: whatever a form holds, the answer is a page, and nothing is sent.
func TestRubbish(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	v, s := w.visitor(), w.create("")
	token := v.get(s.URL).form().Get("token")
	long := strings.Repeat("9", 15<<10)
	for _, value := range []string{"", " ", "\x00", "\xff\xfe", "%", "😀", "-1", "1e9", "99999999999999999999", "0x10", "a;b=c&d", "../..", long, strings.Repeat("１", 5000)} {
		for _, page := range []string{"number", "method", "code", "resend"} {
			form := url.Values{"token": {token}}
			for _, field := range []string{"number", "country", "extension", "channel", "seen", "code", "turn", "lang"} {
				form[field] = []string{value, value}
				if len(value) > 1000 && field != "number" && field != "code" {
					form[field] = nil
				}
			}
			reply := v.post(w.at(s, page), form)
			if reply.StatusCode >= 500 || !strings.Contains(reply.body, "<h1>") || !utf8.ValidString(reply.body) {
				t.Errorf("%s with %.20q: %d %s", page, value, reply.StatusCode, reply.body)
			}
		}
	}
	for _, body := range []string{"%zz=1", "token=" + token + ";number=1", "{}", "\x00", strings.Repeat("a=&", 8000), strings.Repeat("x", 1<<20)} {
		for _, kind := range []string{"application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json", ""} {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, w.at(s, "number"), strings.NewReader(body))
			r.Header.Set("Content-Type", kind)
			if reply := v.read(v.Do(r)); reply.StatusCode < 400 || reply.StatusCode >= 500 {
				t.Errorf("%.20q as %q: %d", body, kind, reply.StatusCode)
			}
		}
	}
	for _, path := range []string{"%00", "%2e%2e/%2e%2e/v1/sessions", "//evil.example", "\\evil.example", "number%0d%0aX-Injected:%201?lang=en", strings.Repeat("a", 4000), "?lang=en&lang=ja", "%ff?lang=en"} {
		reply := v.get(w.at(s, path))
		if reply.StatusCode >= 500 || reply.Request.URL.Host != strings.TrimPrefix(w.URL, "http://") || reply.Header.Get("X-Injected") != "" {
			t.Errorf("%.20q: %d at %s", path, reply.StatusCode, reply.Request.URL)
		}
	}
	for _, last := range []string{"x", "-1", "99999999999999999999", long} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.at(s, "events")+"?since="+url.QueryEscape(last), nil)
		r.Header.Set("Last-Event-ID", last)
		if reply := v.read(v.Do(r)); reply.StatusCode >= 500 {
			t.Errorf("events since %.20q: %d", last, reply.StatusCode)
		}
	}
	if got := w.look(s.ID); got.Status != "pending" || got.Verification != nil {
		t.Errorf("%+v", got)
	}
}

// TestFrames: no site shows the pages in a frame but those that the operator named.
func TestFrames(t *testing.T) {
	t.Parallel()
	for _, named := range []bool{false, true} {
		t.Run(fmt.Sprintf("named: %v", named), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(c *gateway.Config) {
				if p := &c.Apps[0].Pages; named {
					p.FrameAncestors = []string{strings.TrimSuffix(p.ReturnURLs[0], "/portal/")}
				}
			})
			s := w.create("")
			serve := func(rw http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/frame" {
					return false
				}
				rw.Header().Set("Content-Type", "text/html")
				_, _ = fmt.Fprintf(rw, `<!doctype html><title>x</title><link rel="icon" href="data:,"><iframe src=%q onload="window.loaded = true"></iframe>`, s.URL)
				return true
			}
			w.serve.Store(&serve)
			tab := browser.Open(t, browsertest.View{})
			tab.Expect("frame-ancestors")
			tab.Go(w.URL + "/frame")
			tab.Wait("the frame", `window.loaded`)
			if shown, _ := tab.Evaluate(`document.querySelector("iframe").contentDocument?.querySelector("#number") != null`).(bool); shown != named {
				t.Errorf("the page is in the frame: %v", shown)
			}
		})
	}
}

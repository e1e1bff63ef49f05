package pages_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/gateway/redisstore"
	"denwa/ratelimit/redistest"
)

// visitor is a browser without a screen.
type visitor struct {
	*http.Client
	t testing.TB
	w *world
}

func (w *world) visitor() visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return visitor{&http.Client{Jar: jar, Timeout: time.Minute}, w.t, w}
}

// shown is a page.
type shown struct {
	*http.Response
	body string
}

func (v visitor) get(address string) shown {
	v.t.Helper()
	reply, err := v.Get(address)
	return v.read(reply, err)
}

func (v visitor) post(address string, form url.Values) shown {
	v.t.Helper()
	reply, err := v.PostForm(address, form)
	return v.read(reply, err)
}

func (v visitor) read(reply *http.Response, err error) shown {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return shown{reply, string(body)}
}

var hidden = regexp.MustCompile(`type="hidden" name="([a-z]+)" value="([^"]*)"`)

// form is what the forms of a page hold already.
func (s shown) form(more ...string) url.Values {
	values := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(s.body, -1) {
		values.Set(m[1], m[2])
	}
	for i := 0; i < len(more); i += 2 {
		values.Set(more[i], more[i+1])
	}
	return values
}

// at is the address of a page of a session.
func (w *world) at(s session, page string) string { return w.URL + "/verify/" + s.ID + "/" + page }

// send goes from the link to the page for the code.
func (v visitor) send(s session) shown {
	v.t.Helper()
	method := v.get(s.URL)
	code := v.post(v.w.at(s, "method"), method.form("channel", "sms"))
	if !strings.Contains(code.body, `id="code"`) {
		v.t.Fatalf("%d %s", code.StatusCode, code.body)
	}
	return code
}

const given = `"to":"090-1234-5678"`

// TestManyAtOnce: of many clicks at once one sends, and all see the same page.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, client redis.UniversalClient) {
		w := newWorldOn(t, client, func(c *gateway.Config) { c.Defaults.ResendAfter = time.Second })
		s, v := w.create(given), w.visitor()
		method := v.get(s.URL)
		atOnce := func(page string, form url.Values, shows string) {
			t.Helper()
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					if reply := v.post(w.at(s, page), form); reply.StatusCode != http.StatusOK || !strings.Contains(reply.body, shows) {
						t.Errorf("%d %s", reply.StatusCode, reply.body)
					}
				})
			}
			all.Wait()
		}
		const code, done = `id="code"`, `class="tick"`
		atOnce("method", method.form("channel", "sms"), code)
		if n := len(w.texts(mobile)); n != 1 {
			t.Fatalf("%d messages", n)
		}
		page := v.get(w.at(s, "code"))
		w.clock.pass(2 * time.Second)
		atOnce("resend", page.form("channel", "sms"), code)
		if n := len(w.texts(mobile)); n != 2 {
			t.Fatalf("%d messages after a resend", n)
		}
		w.clock.pass(2 * time.Second)
		v.post(w.at(s, "resend"), page.form("channel", "sms"))
		if n := len(w.texts(mobile)); n != 2 {
			t.Errorf("an old page has sent again: %d messages", n)
		}
		atOnce("code", page.form("code", w.code(mobile)), done)
	})
}

// TestWrongCodeAtOnce: a page that posts the same wrong code many times at once
// uses one attempt and shows one answer, the last attempt too. Two codes use two.
func TestWrongCodeAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, client redis.UniversalClient) {
		w := newWorldOn(t, client, nil) // five attempts
		s, v := w.create(given), w.visitor()
		page := v.send(s)
		wrong := w.wrongCode(mobile)
		other := wrong[1:] + "7"
		if other == w.code(mobile) {
			other = wrong[1:] + "8"
		}
		atOnce := func(code, shows string) {
			t.Helper()
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() {
					if reply := v.post(w.at(s, "code"), page.form("code", code)); !strings.Contains(reply.body, shows) {
						t.Errorf("not %q: %d %s", shows, reply.StatusCode, reply.body)
					}
				})
			}
			all.Wait()
		}
		left := func(n int) string { return fmt.Sprintf("あと\u00a0%d\u00a0回", n) }
		atOnce(wrong, left(4))
		if reply := v.post(w.at(s, "code"), page.form("code", " "+wrong)); !strings.Contains(reply.body, left(4)) {
			t.Errorf("the same code, typed otherwise: %d %s", reply.StatusCode, reply.body)
		}
		page = v.post(w.at(s, "code"), page.form("code", other))
		if !strings.Contains(page.body, left(3)) {
			t.Errorf("another code: %d %s", page.StatusCode, page.body)
		}
		page = v.post(w.at(s, "code"), page.form("code", other))
		if !strings.Contains(page.body, left(2)) {
			t.Errorf("the same code on the next page: %d %s", page.StatusCode, page.body)
		}
		reply := v.post(w.at(s, "code"), page.form("code", other, "used", "")) // a page of an earlier release
		if !strings.Contains(reply.body, left(1)) {
			t.Errorf("a page that doesn't say: %d %s", reply.StatusCode, reply.body)
		}
		page = v.get(w.at(s, "code"))
		atOnce(wrong, "入力できる回数を超えました")
	})
}

// TestTwoWrongCodesAtOnce: only the same code is free.
func TestTwoWrongCodesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s, v := w.create(given), w.visitor()
	page := v.send(s)
	var all sync.WaitGroup
	for _, code := range []string{"111111", "222222"} {
		all.Go(func() { v.post(w.at(s, "code"), page.form("code", code)) })
	}
	all.Wait()
	if reply := v.post(w.at(s, "code"), v.get(w.at(s, "code")).form("code", "333333")); !strings.Contains(reply.body, "あと\u00a02\u00a0回") {
		t.Errorf("%d %s", reply.StatusCode, reply.body)
	}
}

// TestLinkIsForOneBrowser: until something is sent, whoever comes last has it;
// then nobody else does.
func TestLinkIsForOneBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.create("")
	first, second, third := w.visitor(), w.visitor(), w.visitor()
	number := first.get(s.URL)
	first.post(w.at(s, "number"), number.form("number", "090-1234-5678", "country", "JP"))
	page := second.get(s.URL)
	if strings.Contains(page.body, "5678\"") || !strings.Contains(page.body, `id="number"`) {
		t.Errorf("the second browser sees what the first one typed: %s", page.body)
	}
	if reply := first.get(w.at(s, "number")); reply.StatusCode != http.StatusForbidden {
		t.Errorf("the first browser still has it: %d", reply.StatusCode)
	}
	page = second.post(w.at(s, "number"), page.form("number", "090-1234-5678", "country", "JP"))
	page = second.post(w.at(s, "method"), page.form("channel", "sms"))
	for _, address := range []string{s.URL, w.at(s, ""), w.at(s, "code"), w.at(s, "done")} {
		if reply := third.get(address); reply.StatusCode != http.StatusForbidden || strings.Contains(reply.body, "5678") {
			t.Errorf("%s: %d", address, reply.StatusCode)
		}
	}
	page = second.post(w.at(s, "code"), page.form("code", w.code(mobile)))
	if !strings.HasSuffix(page.Request.URL.Path, "/done") {
		t.Errorf("%d %s", page.StatusCode, page.body)
	}
	if reply := third.get(s.URL); reply.StatusCode != http.StatusForbidden {
		t.Errorf("after the end: %d", reply.StatusCode)
	}
}

// TestLookingAheadOpensNothing: what fetches a link without a person leaves the
// browser that has it alone.
func TestLookingAheadOpensNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s, v := w.create(""), w.visitor()
	v.get(s.URL)
	for method, purpose := range map[string]string{http.MethodHead: "", http.MethodGet: "prefetch;prerender"} {
		r, _ := http.NewRequestWithContext(t.Context(), method, s.URL, nil)
		if purpose != "" {
			r.Header.Set("Sec-Purpose", purpose)
		}
		reply := w.visitor().read(w.Client().Do(r))
		if reply.StatusCode != http.StatusNoContent || len(reply.Cookies()) > 0 {
			t.Errorf("%s: %d %v", method, reply.StatusCode, reply.Cookies())
		}
	}
	if reply := v.get(w.at(s, "number")); reply.StatusCode != http.StatusOK {
		t.Errorf("the browser has lost it: %d", reply.StatusCode)
	}
}

// TestGuessing: what isn't the link, the cookie or the session shows the same as
// what doesn't exist, or as what is another's.
func TestGuessing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s, other := w.create(given), w.create(given)
	secret := s.URL[strings.LastIndex(s.URL, "/")+1:]
	for address, want := range map[string]int{
		w.at(s, secret[:31]+"a") + "x":             http.StatusNotFound,
		w.at(other, secret):                        http.StatusNotFound,
		w.URL + "/verify/se_aaaa/" + secret:        http.StatusNotFound,
		w.URL + "/verify/" + secret:                http.StatusNotFound,
		w.at(s, "number"):                          http.StatusForbidden,
		w.at(session{ID: "se_aaaa"}, "number"):     http.StatusNotFound,
		w.at(s, "events"):                          http.StatusNoContent,
		w.URL + "/verify/-/brand/portal/logo":      http.StatusNotFound,
		w.URL + "/verify/-/brand/portal/color.css": http.StatusNotFound,
		w.URL + "/verify/-/layout.html":            http.StatusNotFound,
	} {
		if reply := w.visitor().get(address); reply.StatusCode != want || len(reply.Cookies()) > 0 {
			t.Errorf("%s: %d, want %d", address, reply.StatusCode, want)
		}
	}
	// A cookie that somebody else chose is no session's.
	v := w.visitor()
	address, _ := url.Parse(w.at(s, ""))
	v.Jar.SetCookies(address, []*http.Cookie{{Name: "denwa_visit", Value: strings.Repeat("a", 32), Path: address.Path}})
	v.get(s.URL)
	if got := v.Jar.Cookies(address)[0].Value; got == strings.Repeat("a", 32) {
		t.Error("the session has taken a cookie that it didn't make")
	}
}

// TestForgedForms: a form without the page's token does nothing, nor does one
// with another session's.
func TestForgedForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	v := w.visitor()
	other := v.get(w.create(given).URL).form().Get("token")
	s := w.create(given)
	page := v.get(s.URL)
	for _, token := range []string{"", "x", other} {
		for _, to := range []string{"number", "method", "code", "resend", "leave"} {
			reply := v.post(w.at(s, to), page.form("token", token, "channel", "sms", "number", "080-1111-2222"))
			if reply.StatusCode != http.StatusForbidden || !strings.Contains(reply.body, "ページが古くなりました") {
				t.Errorf("%s with token %q: %d %s", to, token, reply.StatusCode, reply.body)
			}
		}
	}
	if got := w.look(s.ID); got.Status != "pending" || got.Verification != nil || len(w.texts(mobile)) > 0 {
		t.Errorf("%+v", got)
	}
	if reply := v.post(w.at(s, "method"), page.form("channel", "sms")); !strings.Contains(reply.body, `id="code"`) {
		t.Errorf("with its own: %d %s", reply.StatusCode, reply.body)
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, w.at(s, "code"), strings.NewReader(strings.Repeat("a", 20<<10)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if reply := v.read(v.Do(r)); reply.StatusCode != http.StatusForbidden {
		t.Errorf("with a huge body: %d", reply.StatusCode)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *gateway.Config) { c.Apps[0].Pages.FrameAncestors = []string{"https://portal.example.jp"} })
	s, v := w.create(given), w.visitor()
	v.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	opened := v.get(s.URL)
	if c := opened.Header.Get("Set-Cookie"); !regexp.MustCompile(`^denwa_visit=[a-z2-7]{32}; Path=/verify/` + s.ID + `/; HttpOnly; SameSite=Lax$`).MatchString(c) {
		t.Errorf("cookie: %s", c)
	}
	if opened.Header.Get("Location") != "./" || opened.StatusCode != http.StatusSeeOther {
		t.Errorf("%d to %s", opened.StatusCode, opened.Header.Get("Location"))
	}
	const csp = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors "
	for page, frames := range map[string]string{"method": "https://portal.example.jp", "number": "https://portal.example.jp", "-": "'none'"} {
		h := v.get(w.at(s, page)).Header
		for name, want := range map[string]string{
			"Content-Security-Policy": csp + frames, "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
			"Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q", page, name, got)
			}
		}
	}
}

// TestSecureCookies: behind https, cookies go nowhere else.
func TestSecureCookies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.rebase("https://verify.example.jp/denwa")
	s := w.create(given)
	if !strings.HasPrefix(s.URL, "https://verify.example.jp/denwa/verify/"+s.ID+"/") {
		t.Fatal(s.URL)
	}
	v := w.visitor()
	v.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	opened := v.get(w.at(s, s.URL[strings.LastIndex(s.URL, "/")+1:]))
	if c := opened.Header.Get("Set-Cookie"); !strings.HasSuffix(c, "; Path=/denwa/verify/"+s.ID+"/; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("cookie: %s", c)
	}
}

// TestNothingPersonalIsLeft: after a whole visit neither the log nor the store
// holds the number, the code, the link or the cookie, and no address or title
// has held them.
func TestNothingPersonalIsLeft(t *testing.T) {
	t.Parallel()
	store := redisstore.StartEmbedded()
	client := store.Client()
	t.Cleanup(func() { _, _ = client.Close(), store.Close() })
	w := newWorldOn(t, client, nil)
	s, v := w.create(`"reference":"user-42"`), w.visitor()
	var seen []string
	v.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		seen = append(seen, r.URL.String())
		return nil
	}
	title := regexp.MustCompile(`<title>.*</title>`)
	note := func(p shown) shown { seen = append(seen, title.FindString(p.body)); return p }
	page := note(v.get(s.URL))
	page = note(v.post(w.at(s, "number"), page.form("number", "090-1234-5678", "country", "JP")))
	page = note(v.post(w.at(s, "method"), page.form("channel", "sms")))
	code := w.code(mobile)
	dump := store.Dump() // before the end, when most is kept
	note(v.post(w.at(s, "code"), page.form("code", code)))
	if got := w.look(s.ID); got.Status != "approved" {
		t.Fatalf("%+v", got)
	}
	address, _ := url.Parse(w.at(s, ""))
	cookie := v.Jar.Cookies(address)[0].Value
	secret := s.URL[strings.LastIndex(s.URL, "/")+1:]
	for what, text := range map[string]string{"log": w.log.String(), "store": dump + store.Dump(), "addresses and titles": strings.Join(seen, "\n")} {
		for _, private := range []string{"9012345678", "1234-5678", "12345678", code, secret, cookie, page.form().Get("token"), "user-42"} {
			if strings.Contains(text, private) {
				t.Errorf("the %s holds %s", what, private)
			}
		}
	}
	if !strings.Contains(w.log.String(), `"route":"/verify/"`) {
		t.Error("the log has no line of these pages")
	}
}

// TestStoreDown: a page that says so, with the way on, and nothing is sent.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	w := newWorldOn(t, client, nil)
	s, v := w.create(given), w.visitor()
	page := v.get(s.URL)
	server.Kill()
	reply := v.post(w.at(s, "method"), page.form("channel", "sms"))
	if reply.StatusCode != http.StatusServiceUnavailable || !strings.Contains(reply.body, "混み合っています") ||
		!strings.Contains(reply.body, `action="method"`) || reply.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", reply.StatusCode, reply.body)
	}
	reply = v.get(w.at(s, "method"))
	if reply.StatusCode != http.StatusServiceUnavailable || !strings.Contains(reply.body, `href="./"`) {
		t.Errorf("a page that nothing was typed on: %d %s", reply.StatusCode, reply.body)
	}
	if n := len(w.texts(mobile)); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// TestStoreDownWhileTyping: the page says that what was typed is kept, and so it is.
func TestStoreDownWhileTyping(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes")
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	w := newWorldOn(t, client, nil)
	s, v := w.create(""), w.visitor()
	page := v.get(s.URL)
	server.Kill()
	page = v.post(w.at(s, "number"), page.form("number", "03-1234-5678", "country", "JP", "extension", "12", "strange", "x"))
	if page.StatusCode != http.StatusServiceUnavailable || !strings.Contains(page.body, `action="number"`) || strings.Contains(page.body, "strange") {
		t.Fatalf("%d %s", page.StatusCode, page.body)
	}
	// Another language costs nothing either.
	page = v.post(w.at(s, "number"), page.form("lang", "en"))
	if page.StatusCode != http.StatusServiceUnavailable || !strings.Contains(page.body, "What you entered is kept") {
		t.Errorf("%d %s", page.StatusCode, page.body)
	}
	server.Restart()
	// The client may take a moment to see that. Each page can be posted again.
	for end := time.Now().Add(time.Minute); page.StatusCode == http.StatusServiceUnavailable && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		page = v.post(w.at(s, "number"), page.form())
	}
	if !strings.HasSuffix(page.Request.URL.Path, "/method") || !strings.Contains(page.body, "ext. 12") {
		t.Errorf("%d at %s: %s", page.StatusCode, page.Request.URL.Path, page.body)
	}
}

// TestStreamEndsWithServer: a server that stops doesn't wait for the pages that
// listen.
func TestStreamEndsWithServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s, v := w.create(given), w.visitor()
	v.send(s)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.at(s, "events")+"?since=0", nil)
	stream, err := v.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	first := make([]byte, 16)
	if _, err := io.ReadFull(stream.Body, first); err != nil || !strings.HasPrefix(string(first), "retry: 1000") {
		t.Fatalf("%q %v", first, err)
	}
	if err := w.pages.Close(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := w.Config.Shutdown(ctx); err != nil {
		t.Errorf("the server waits for a stream: %v", err)
	}
}

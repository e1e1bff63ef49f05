package demo

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"denwa/gateway"
	"denwa/providers/sandbox/browsertest"
)

var browser browsertest.Browser

const (
	axe = "../../.peers/node_modules/axe-core/axe.min.js"
	key = "dnw_demodemodemodemodemodemodemodemodemodemo"
)

func TestMain(m *testing.M) { os.Exit(browser.Main(m).Run()) }

var discard = slog.New(slog.DiscardHandler)

func TestRegistration(t *testing.T) {
	for _, v := range []struct {
		name, done, greeting string
		browsertest.View
	}{
		{"ja", "登録が完了しました", "鈴木 さん、電話番号の確認が済みました。", browsertest.View{}},
		{"en", "You are registered", "Thank you, 鈴木. Your phone number is proved.", browsertest.View{Language: "en"}},
		{"ja, without JavaScript", "登録が完了しました", "鈴木 さん", browsertest.View{NoScript: true}},
	} {
		t.Run(v.name, func(t *testing.T) {
			h := open(t, discard)
			tab := browser.Open(t, v.View)
			look := func(page string) {
				t.Helper()
				if !v.NoScript {
					tab.Look("demo-"+page+"-"+v.name, axe)
				}
			}
			tab.Go(h.url + "/demo/")
			look("form")
			tab.Type("#name", "鈴木")
			tab.Type("#number", "090-1234-5678")
			tab.Click("[value=sms]")
			tab.Click("button")
			tab.Wait("the hosted page", `document.title === "hosted"`)

			// The browser says that it is approved. It isn't.
			tab.Click("#back")
			tab.Wait("the way on", `document.querySelector("a.button")?.href.includes("/verify/")`)
			look("open")
			tab.Click("a.button")
			h.finish(gateway.Approved)
			tab.Click("#back")
			tab.WaitText("h1", v.done)
			tab.WaitText("main", v.greeting)
			tab.WaitText("dd", "+81 90-****-5678")
			look("done")
			want := gateway.SessionRequest{To: "090-1234-5678", ReturnURL: h.url + "/demo/return", Channels: []gateway.Channel{gateway.SMS}}
			if got := h.requests(); len(got) != 1 || cmp.Diff(want, got[0]) != "" {
				t.Errorf("the portal asked for %+v, want %+v", got, want)
			}
		})
	}
}

func TestRegistrationThatFails(t *testing.T) {
	h := open(t, discard)
	tab := browser.Open(t, browsertest.View{})
	tab.Expect("the server responded with a status of")
	tab.Go(h.url + "/demo/return")
	tab.WaitText("h1", "確認できませんでした") // nobody went anywhere

	tab.Go(h.url + "/demo/")
	for refusal, want := range map[gateway.Code]string{
		gateway.CodeInvalidNumber: "この電話番号は使えません", gateway.CodeRateLimited: "回数が多すぎます", gateway.CodeUnavailable: "ただいま確認を始められません",
	} {
		h.set(refusal)
		tab.Type("#number", "1")
		tab.Click("button")
		tab.WaitText("main", want)
		tab.Wait("what was typed", `document.querySelector("#number").value.endsWith("1")`)
		tab.Look("demo-"+string(refusal), axe)
	}
	h.set("")
	tab.Click("button")
	tab.Wait("the hosted page", `document.title === "hosted"`)
	h.set(gateway.CodeUnavailable)
	tab.Click("#back")
	tab.WaitText("main", "まだ終わっていません")
	h.set("")
	h.finish(gateway.Canceled)
	tab.Evaluate("location.reload()")
	tab.WaitText("h1", "確認できませんでした")
	tab.Click("a.button")
	tab.WaitText("h1", "利用登録")
}

// form reads the form's key.
func form(t *testing.T, client *http.Client, h *denwa) url.Values {
	t.Helper()
	page, err := client.Get(h.url + "/demo/")
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	html, _ := io.ReadAll(page.Body)
	_, after, _ := strings.Cut(string(html), `name="key" value="`)
	value, _, found := strings.Cut(after, `"`)
	if !found {
		t.Fatalf("no key in %s", html)
	}
	return url.Values{"key": {value}, "name": {"x"}, "number": {"09012345678"}, "channels": {""}}
}

func TestFormPostedTwiceIsOneRegistration(t *testing.T) {
	h := open(t, discard)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	values := form(t, client, h)
	for range 2 {
		answer, err := client.PostForm(h.url+"/demo/", values)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != h.page() {
			t.Errorf("%d to %s", answer.StatusCode, answer.Header.Get("Location"))
		}
	}
	if n := len(h.requests()); n != 1 {
		t.Errorf("%d pages were asked for", n)
	}
	values.Set("key", "../x")
	if answer, err := client.PostForm(h.url+"/demo/", values); err != nil || answer.StatusCode != http.StatusBadRequest {
		t.Errorf("a key of somebody else's making: %v %v", answer, err)
	}
}

func TestOtherSitesCantPostTheForm(t *testing.T) {
	h := open(t, discard)
	for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
		r, _ := http.NewRequest(http.MethodPost, h.url+"/demo/", strings.NewReader(form(t, http.DefaultClient, h).Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(name, value)
		answer, err := http.DefaultClient.Do(r)
		if err != nil || answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %v %v", name, answer, err)
		}
	}
	if len(h.requests()) > 0 {
		t.Error("a page was asked for")
	}
}

// TestNothingPrivateLeaves looks for the key, the number and the name in what
// the browser, the URL and the log get.
func TestNothingPrivateLeaves(t *testing.T) {
	var log bytes.Buffer
	h := open(t, slog.New(slog.NewTextHandler(&log, nil)))
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	values := form(t, client, h)
	values.Set("name", "Hanako")
	for _, refuse := range []gateway.Code{gateway.CodeUnavailable, ""} {
		h.set(refuse)
		answer, err := client.PostForm(h.url+"/demo/", values)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		for _, c := range answer.Cookies() {
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/demo/" {
				t.Errorf("cookie %s is too open: %v", c.Name, c)
			}
		}
		head := fmt.Sprint(answer.Header)
		for _, secret := range []string{"Hanako", "9012345678", key[4:]} {
			if strings.Contains(head, secret) || strings.Contains(log.String(), secret) {
				t.Errorf("%q leaves: %s\n%s", secret, head, log.String())
			}
		}
		if strings.Contains(string(body), key) {
			t.Error("the API key is on the page")
		}
	}
}

func TestStateOfAnothersMaking(t *testing.T) {
	mine, err := newStates(key)
	if err != nil {
		t.Fatal(err)
	}
	other, err := newStates(strings.ToUpper(key))
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(http.ResponseWriter){
		"another key": func(w http.ResponseWriter) { other.set(w, false, state{Session: "ps_1", Until: 1 << 40}) },
		"too old":     func(w http.ResponseWriter) { mine.set(w, false, state{Session: "ps_1", Until: 1}) },
		"no state":    func(w http.ResponseWriter) { http.SetCookie(w, mine.cookie(stateCookie, "AAAA", false)) },
		"no base64":   func(w http.ResponseWriter) { http.SetCookie(w, mine.cookie(stateCookie, "!", false)) },
		"none":        func(http.ResponseWriter) {},
	} {
		w := httptest.NewRecorder()
		write(w)
		r := httptest.NewRequest(http.MethodGet, "/demo/return", nil)
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
		if st, ok := mine.get(r); ok {
			t.Errorf("%s: %+v", name, st)
		}
	}
}

func TestAnotherNameOfTheMachine(t *testing.T) {
	h := open(t, discard)
	r, _ := http.NewRequest(http.MethodGet, h.url+"/demo/?lang=en", nil)
	r.Host = "localhost"
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusFound || answer.Header.Get("Location") != h.url+"/demo/?lang=en" {
		t.Errorf("%d to %s", answer.StatusCode, answer.Header.Get("Location"))
	}
}

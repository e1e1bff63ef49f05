package pages_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"denwa/gateway"
	"denwa/providers/sandbox/browsertest"
)

var phone = browsertest.View{Width: 390, Height: 844}

// here is the address of the page.
func here(tab *browsertest.Tab) string { return fmt.Sprint(tab.Evaluate(`location.href`)) }

// arrive waits for the last page, goes back to the portal, and returns what the
// API says of the session then.
func arrive(tab *browsertest.Tab, w *world, s session) session {
	w.t.Helper()
	tab.Wait("the end", `document.querySelector(".tick")`)
	tab.Click(".first")
	tab.WaitText("#session", s.ID)
	if want := w.URL + "/portal/back?step=2&session=" + s.ID; here(tab) != want {
		w.t.Errorf("came back to %s, want %s", here(tab), want)
	}
	got := w.look(s.ID)
	if got.Status != "approved" || got.Verification == nil || got.Verification.Status != "approved" {
		w.t.Fatalf("%+v", got)
	}
	return got
}

// TestMessage is the shortest way through: a number, a message, its code.
func TestMessage(t *testing.T) {
	t.Parallel()
	for _, v := range []browsertest.View{
		{Width: 390, Height: 844, Language: "ja"},
		{Width: 390, Height: 844, Language: "en", Dark: true},
		{Width: 390, Height: 844, Language: "ja", NoScript: true},
		{Language: "en", NoScript: true},
	} {
		t.Run(fmt.Sprintf("%s, without JavaScript: %v", v.Language, v.NoScript), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			s := w.create(`"reference":"user-42","purpose":"registration"`)
			tab := browser.Open(t, v)
			tab.Go(s.URL)
			if want := w.URL + "/verify/" + s.ID + "/number"; here(tab) != want {
				t.Errorf("at %s, want %s", here(tab), want)
			}
			enter(tab, "０９０12345678")
			tab.Click("[value=sms]")
			tab.Wait("the code", `document.querySelector("#code")`)
			tab.Type("#code", w.code(mobile))
			tab.Click(".first")
			got := arrive(tab, w, s).Verification
			if got.To != mobile || got.Reference != "user-42" || got.Locale != v.Language || len(w.texts(mobile)) != 1 {
				t.Errorf("%+v; %d messages", got, len(w.texts(mobile)))
			}
		})
	}
}

// TestCall is the way by a call to an office: the page completes by itself.
func TestCall(t *testing.T) {
	t.Parallel()
	for _, v := range []browsertest.View{{Language: "ja"}, {Language: "en", NoScript: true}} {
		t.Run(fmt.Sprintf("%s, without JavaScript: %v", v.Language, v.NoScript), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			s := w.create("")
			tab := browser.Open(t, v)
			tab.Go(s.URL)
			tab.Click("details summary")
			tab.Type("#extension", "１２３")
			enter(tab, "03-1234-5678")
			if tab.Evaluate(`document.querySelector("[value=sms]")`) != nil {
				t.Error("a message is offered to an extension")
			}
			tab.Click(".acts a[href=number]") // nothing that was typed is lost
			tab.Wait("the extension", `document.querySelector("#extension")?.value.normalize("NFKC") === "123" && document.querySelector("details").open`)
			tab.Click(".first")
			tab.WaitText(".note", map[string]string{"ja": "内線のある電話には、SMS が届きません", "en": "gets no text messages"}[v.Language])
			tab.Click("[value=voice]")
			tab.WaitText("#news", map[string]string{"ja": "呼び出しています", "en": "ringing"}[v.Language])
			call := w.ringing(fixed)
			w.answer(call)
			tab.WaitText("#news", map[string]string{"ja": "#\u00a0を押してください", "en": "Press #"}[v.Language])
			w.press(call, "#")
			got := arrive(tab, w, s).Verification
			if got.Channel != "voice" || got.Mode != "confirm" || got.Extension != "123" || len(w.calls(fixed)) != 1 {
				t.Errorf("%+v; %d calls", got, len(w.calls(fixed)))
			}
		})
	}
}

// TestKeyed: the digits on the page are keyed in on the phone.
func TestKeyed(t *testing.T) {
	t.Parallel()
	for _, noScript := range []bool{false, true} {
		t.Run(fmt.Sprintf("without JavaScript: %v", noScript), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			s := w.create(`"mode":"keyed","to":"03-1234-5678","locale":"en"`)
			tab := browser.Open(t, browsertest.View{NoScript: noScript})
			tab.Go(s.URL)
			tab.WaitText("h1", "Choose how") // the app chose the language
			tab.Click("[value=voice]")
			tab.Wait("the digits", `document.querySelector(".digits output")`)
			digits := strings.ReplaceAll(tab.Text(".digits output"), " ", "")
			call := w.ringing(fixed)
			w.answer(call)
			w.press(call, digits+"#")
			if got := arrive(tab, w, s).Verification; got.Mode != "keyed" {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestCallsThatFail: the page says what became of the call, and offers the other
// way, which works.
func TestCallsThatFail(t *testing.T) {
	t.Parallel()
	for voice, says := range map[string]string{"busy": "話し中", "machine": "留守番電話", "declined": "着信が拒否", "no_answer": "応答がありません"} {
		t.Run(voice, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.behave(mobile, `{"voice":"`+voice+`","delay_ms":200}`)
			s := w.create(`"to":"090-1234-5678"`)
			tab := browser.Open(t, browsertest.View{NoScript: voice == "no_answer"})
			tab.Go(s.URL)
			tab.Click("[value=voice]")
			tab.WaitText("h1", "確認できませんでした")
			tab.WaitText("#news", says)
			tab.Click(".ways [value=sms]")
			tab.Wait("the code", `document.querySelector("#code")`)
			tab.Type("#code", w.code(mobile)+"\r")
			arrive(tab, w, s)
		})
	}
}

// TestReadOut: a code can be asked for by a call where the message doesn't come.
func TestReadOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.behave(mobile, `{"sms":"undelivered"}`)
	s := w.create(`"to":"090-1234-5678"`)
	tab := browser.Open(t, phone)
	tab.Go(s.URL)
	tab.Click("[value=sms]")
	tab.WaitText("#news.note", "SMS を届けられませんでした")
	tab.Click(".ways [value=voice]")
	tab.WaitText("main", "電話をかけ、6\u00a0桁のコードをお伝えします")
	call := w.ringing(mobile)
	w.answer(call)
	tab.Type("#code", w.code(mobile))
	tab.Click(".first")
	arrive(tab, w, s)
}

// TestAttempts: each wrong code says how many are left; then there is a way on.
func TestAttempts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.create(`"to":"090-1234-5678"`)
	tab := browser.Open(t, browsertest.View{NoScript: true})
	expectRefusals(tab)
	tab.Go(s.URL)
	tab.Click("[value=sms]")
	tab.Type("#code", "12 34\r")
	tab.WaitText("#code-wrong", "6\u00a0桁の数字")
	for left := 4; left > 0; left-- {
		tab.Evaluate(`document.querySelector("#code").value = ""`)
		tab.Type("#code", w.wrongCode(mobile)+"\r")
		tab.WaitText("#code-wrong", fmt.Sprintf("あと\u00a0%d\u00a0回", left))
	}
	tab.Type("#code", w.wrongCode(mobile)+"\r")
	tab.WaitText("h1", "入力できる回数を超えました")
	if got := w.look(s.ID); got.Status != "pending" || got.Verification.Status != "failed" {
		t.Errorf("%+v", got)
	}
	w.clock.pass(time.Minute)
	tab.Click(".first")
	tab.Click("[value=sms]")
	tab.Wait("the code", `document.querySelector("#code") && !document.querySelector("#code-wrong")`)
	tab.Type("#code", w.code(mobile)+"\r")
	arrive(tab, w, s)
}

// TestResend: the countdown can be seen, and when it is over the code is sent
// again.
func TestResend(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *gateway.Config) { c.Defaults.ResendAfter = 3 * time.Second })
	s := w.create(`"to":"090-1234-5678"`)
	tab := browser.Open(t, phone)
	tab.Go(s.URL)
	tab.Click("[value=sms]")
	tab.Wait("the countdown", `document.querySelector(".ways [value=sms]")?.disabled && /あと.[123].秒/.test(document.querySelector(".wait").innerText)`)
	tab.Click(".ways [value=sms]") // once it may be
	tab.Wait("the next countdown", `document.querySelector(".ways [value=sms]")?.disabled`)
	if texts := w.texts(mobile); len(texts) != 2 || texts[1] != strings.Replace(texts[0], "10分", "9分", 1) {
		t.Errorf("%q", texts)
	}
	tab.Type("#code", w.code(mobile)+"\r")
	arrive(tab, w, s)
}

// TestResendWithoutJavaScript: the page says how long it takes, and an early
// click sends nothing.
func TestResendWithoutJavaScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.create(given)
	tab := browser.Open(t, browsertest.View{NoScript: true})
	tab.Go(s.URL)
	tab.Click("[value=sms]")
	again := func() { // on the next page, which looks the same
		tab.Evaluate(`void (window.old = true)`)
		tab.Click(".ways [value=sms]")
		tab.Wait("the next page", `!window.old && document.readyState === "complete" && document.querySelector("#code")`)
	}
	tab.WaitText(".ways [value=sms]", "秒")
	again()
	tab.WaitText(".ways [value=sms]", "秒")
	if n := len(w.texts(mobile)); n != 1 {
		t.Errorf("%d messages after an early click", n)
	}
	w.clock.pass(31 * time.Second)
	again()
	tab.Type("#code", w.code(mobile)+"\r")
	arrive(tab, w, s)
	if n := len(w.texts(mobile)); n != 2 {
		t.Errorf("%d messages", n)
	}
}

// TestAnotherNumber: what was sent to the first number proves nothing then.
func TestAnotherNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.create("")
	tab := browser.Open(t, phone)
	expectRefusals(tab)
	tab.Go(s.URL)
	enter(tab, "08011112222")
	tab.Click("[value=sms]")
	tab.Click("section a[href=number]")
	tab.Wait("the number that was typed", `document.querySelector("#number")?.value === "080-1111-2222"`)
	tab.Evaluate(`document.querySelector("#number").value = ""`)
	enter(tab, "09012345678")
	tab.Click("[value=sms]")
	tab.Wait("the code", `document.querySelector("#code")`)
	tab.Type("#code", w.code("+818011112222")+"\r")
	tab.WaitText("#code-wrong", "コードが違います")
	tab.Type("#code", w.code(mobile)+"\r")
	if got := arrive(tab, w, s).Verification; got.To != mobile {
		t.Errorf("%+v", got)
	}
}

// TestLeave: who gives up goes back too, and the portal sees it.
func TestLeave(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.create(`"to":"090-1234-5678"`)
	tab := browser.Open(t, phone)
	tab.Go(s.URL)
	tab.Click("[value=sms]")
	tab.Wait("the code", `document.querySelector("#code")`)
	tab.Click("footer form button")
	tab.WaitText("h1", "確認を中止しました")
	tab.Click(".first")
	tab.WaitText("#session", s.ID)
	if got := w.look(s.ID); got.Status != "canceled" || got.Verification.Status != "canceled" || got.URL != "" {
		t.Errorf("%+v %+v", got, got.Verification)
	}
}

// TestCallsThatEnd: where there was no code, the page speaks of none.
func TestCallsThatEnd(t *testing.T) {
	t.Parallel()
	for mode, says := range map[string][2]string{
		"confirm": {"時間内に確認できませんでした", ""}, "keyed": {"時間内に確認できませんでした", "押し間違いの回数が上限を超えました"}, "code": {"コードの有効期限が切れました", ""},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(c *gateway.Config) { c.Defaults.MaxAttempts = 1 })
			v := w.visitor()
			send := func(number string) (s session, page shown) {
				s = w.create(`"to":"` + number + `","mode":"` + mode + `"`)
				method := v.get(s.URL)
				return s, v.post(w.at(s, "method"), method.form("channel", "voice"))
			}
			if says[1] != "" {
				s, page := send("03-1234-5678")
				digits := strings.ReplaceAll(shownDigits.FindStringSubmatch(page.body)[1], " ", "")
				wrong := strings.Map(func(r rune) rune { return '0' + (r-'0'+1)%10 }, digits)
				call := w.ringing(fixed)
				w.answer(call)
				w.press(call, wrong+"#")
				if page := v.get(w.at(s, "code")); !strings.Contains(page.body, says[1]) || strings.Contains(page.body, "コード") {
					t.Errorf("after wrong digits: %s", page.body)
				}
			}
			s, _ := send("06-1234-5678")
			w.clock.pass(gateway.DefaultConfig().Defaults.ExpiresIn + time.Second)
			if page := v.get(w.at(s, "code")); !strings.Contains(page.body, says[0]) || strings.Contains(page.body, "コード") != (mode == "code") {
				t.Errorf("after its time: %s", page.body)
			}
		})
	}
}

var shownDigits = regexp.MustCompile(`<output[^>]*>([0-9 ]+)</output>`)

// TestBlocked: an operator's block is not said to be its holder's, and may be long.
func TestBlocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.block("090-1234-5678", 30*24*time.Hour)
	s, v := w.create(given), w.visitor()
	page := v.post(w.at(s, "method"), v.get(s.URL).form("channel", "sms"))
	if page.StatusCode != http.StatusForbidden || !strings.Contains(page.body, "運営者の判断") || !strings.Contains(page.body, "30\u00a0日後") ||
		!strings.Contains(page.body, `href="number"`) || !strings.Contains(page.body, `/portal/back?`) {
		t.Errorf("%d %s", page.StatusCode, page.body)
	}
}

// TestTooManyWrongCodes: the number's limit isn't blamed on messages.
func TestTooManyWrongCodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *gateway.Config) {
		l := &c.Limits.NumberFailedChecks
		l.Burst, l.Count = 1, 1
	})
	s, v := w.create(given), w.visitor()
	page := v.send(s)
	v.post(w.at(s, "code"), page.form("code", w.wrongCode(mobile)))
	w.clock.pass(time.Minute)
	v.post(w.at(s, "resend"), page.form("channel", "sms"))
	if page := v.post(w.at(s, "resend"), v.get(w.at(s, "code")).form("channel", "sms")); page.StatusCode != http.StatusTooManyRequests ||
		strings.Contains(page.body, "送信") || !strings.Contains(page.body, "何度もためされた") {
		t.Errorf("%d %s", page.StatusCode, page.body)
	}
}

// TestWithdrawn: what the app does by the API shows at once.
func TestWithdrawn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.create(`"to":"090-1234-5678"`)
	tab := browser.Open(t, phone)
	tab.Go(s.URL)
	tab.Click("[value=sms]")
	tab.Wait("the code", `document.querySelector("#code")`)
	w.api(http.MethodPost, "/v1/verifications/"+w.look(s.ID).Verification.ID+"/cancel", "")
	tab.WaitText("h1", "確認が取り消されました")
}

// TestCarrierDown: nothing left the gateway, and the page says so.
func TestCarrierDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.behave(mobile, `{"error":"rejected"}`)
	s := w.create(`"to":"090-1234-5678"`)
	tab := browser.Open(t, phone)
	tab.Go(s.URL)
	tab.Click("[value=sms]")
	tab.WaitText("h1", "いまは送れませんでした")
	tab.Click(".ways [value=voice]")
	tab.WaitText("main", "コードをお伝えします")
	w.answer(w.ringing(mobile))
	if tab.Evaluate(`document.querySelector("#code")`) == nil {
		t.Error("nowhere to type the code")
	}
}

// TestConsent: what it may cost stands next to the buttons, with the operator's
// links.
func TestConsent(t *testing.T) {
	t.Parallel()
	for _, linked := range []bool{true, false} {
		w := newWorld(t, func(c *gateway.Config) {
			if p := &c.Apps[0].Pages; !linked {
				p.TermsURL, p.PrivacyURL, p.HelpURL = "", "", ""
			}
		})
		for language, says := range map[string]string{"ja": "料金がかかることがあります", "en": "may apply"} {
			page := w.visitor().get(w.create(given + `,"locale":"` + language + `"`).URL)
			if !strings.Contains(page.body, says) {
				t.Errorf("%s: no word of costs in %s", language, page.body)
			}
			for _, link := range []string{"terms", "privacy", "help"} {
				if strings.Contains(page.body, `href="https://portal.example.jp/`+link+`"`) != linked {
					t.Errorf("link to %s, want %v: %s", link, linked, page.body)
				}
			}
		}
	}
}

// TestObstacles: where a method is missing, a sentence says why.
func TestObstacles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for number, says := range map[string][2]string{
		"050-1234-5678": {"IP 電話の番号なので、SMS は使えません", "internet phone"},
		"03-1234-5678":  {"固定電話の番号なので、SMS は使えません", "landline"},
	} {
		for i, language := range []string{"ja", "en"} {
			page := w.visitor().get(w.create(`"to":"` + number + `","locale":"` + language + `"`).URL)
			plain := strings.NewReplacer("\u00a0", " ", "\u2060", "").Replace(page.body)
			if !strings.Contains(plain, says[i]) || strings.Contains(page.body, `value="sms"`) || !strings.Contains(page.body, `value="voice"`) {
				t.Errorf("%s: %s", number, page.body)
			}
		}
	}
}

// TestSwitchedOff: what the operator doesn't offer isn't there, and the person
// learns whom to ask.
func TestSwitchedOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *gateway.Config) { c.Apps[0].Channels = []gateway.Channel{gateway.SMS} })
	tab := browser.Open(t, phone)
	tab.Go(w.create(`"to":"090-1234-5678"`).URL)
	tab.WaitText(".note", "電話での確認は、Example 大学 では使えません。必要なときは、Example 大学 にお問い合わせください。")
	if link := tab.Evaluate(`document.querySelector(".note a").href`); link != "https://portal.example.jp/help" {
		t.Errorf("help is at %v", link)
	}
	if tab.Evaluate(`document.querySelector("[value=voice]")`) != nil {
		t.Error("calls are offered")
	}
	// The server doesn't take the page's word for it.
	tab.Evaluate(`(document.querySelector("[value=sms]").value = "voice")`)
	tab.Click("[value=voice]")
	tab.Wait("the choice again", `document.querySelector("[value=sms]")`)
	if n := len(w.calls(mobile)); n != 0 {
		t.Errorf("%d calls", n)
	}
	tab.Go(w.create(`"to":"03-1234-5678"`).URL)
	tab.WaitText("main", "この番号を確認できる方法がありません")
}

package pages_test

import (
	"fmt"
	"net/http"
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
	click(tab, ".first")
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
			click(tab, "[value=sms]")
			tab.Wait("the code", `document.querySelector("#code")`)
			write(tab, "#code", w.code(mobile))
			click(tab, ".first")
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
			click(tab, "details summary")
			write(tab, "#extension", "１２３")
			enter(tab, "03-1234-5678")
			if tab.Evaluate(`document.querySelector("[value=sms]")`) != nil {
				t.Error("a message is offered to an extension")
			}
			tab.WaitText(".note", map[string]string{"ja": "内線のある電話には、SMS が届きません", "en": "gets no text messages"}[v.Language])
			click(tab, "[value=voice]")
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
	w := newWorld(t, nil)
	s := w.create(`"mode":"keyed","to":"03-1234-5678","locale":"en"`)
	tab := browser.Open(t, phone)
	tab.Go(s.URL)
	tab.WaitText("h1", "Choose how") // the app chose the language
	click(tab, "[value=voice]")
	tab.Wait("the digits", `document.querySelector(".digits output")`)
	digits := strings.ReplaceAll(tab.Text(".digits output"), " ", "")
	call := w.ringing(fixed)
	w.answer(call)
	w.press(call, digits+"#")
	if got := arrive(tab, w, s).Verification; got.Mode != "keyed" {
		t.Errorf("%+v", got)
	}
}

// TestCallsThatFail: the page says what became of the call, and offers the other
// way, which works.
func TestCallsThatFail(t *testing.T) {
	t.Parallel()
	for voice, says := range map[string]string{"busy": "話し中", "machine": "留守番電話", "declined": "着信が拒否"} {
		t.Run(voice, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.behave(mobile, `{"voice":"`+voice+`","delay_ms":200}`)
			s := w.create(`"to":"090-1234-5678"`)
			tab := browser.Open(t, phone)
			tab.Go(s.URL)
			click(tab, "[value=voice]")
			tab.WaitText("h1", "確認できませんでした")
			tab.WaitText("#news", says)
			click(tab, ".way [value=sms]")
			tab.Wait("the code", `document.querySelector("#code")`)
			write(tab, "#code", w.code(mobile)+"\r")
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
	click(tab, "[value=sms]")
	tab.WaitText("#news.note", "SMS を届けられませんでした")
	click(tab, ".way [value=voice]")
	tab.WaitText("main", "電話をかけ、6\u00a0桁のコードをお伝えします")
	call := w.ringing(mobile)
	w.answer(call)
	write(tab, "#code", w.code(mobile))
	click(tab, ".first")
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
	click(tab, "[value=sms]")
	write(tab, "#code", "12 34\r")
	tab.WaitText("#code-wrong", "6\u00a0桁の数字")
	for left := 4; left > 0; left-- {
		tab.Evaluate(`document.querySelector("#code").value = ""`)
		write(tab, "#code", w.wrongCode(mobile)+"\r")
		tab.WaitText("#code-wrong", fmt.Sprintf("あと\u00a0%d\u00a0回", left))
	}
	write(tab, "#code", w.wrongCode(mobile)+"\r")
	tab.WaitText("h1", "入力できる回数を超えました")
	if got := w.look(s.ID); got.Status != "pending" || got.Verification.Status != "failed" {
		t.Errorf("%+v", got)
	}
	w.clock.pass(time.Minute)
	click(tab, ".first")
	click(tab, "[value=sms]")
	tab.Wait("the code", `document.querySelector("#code") && !document.querySelector("#code-wrong")`)
	write(tab, "#code", w.code(mobile)+"\r")
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
	click(tab, "[value=sms]")
	tab.Wait("the countdown", `document.querySelector(".way [value=sms]")?.disabled && /あと.[123].秒/.test(document.querySelector(".wait").innerText)`)
	click(tab, ".way [value=sms]") // once it may be
	tab.Wait("the next countdown", `document.querySelector(".way [value=sms]")?.disabled`)
	if texts := w.texts(mobile); len(texts) != 2 || texts[0] != texts[1] {
		t.Errorf("%q", texts)
	}
	write(tab, "#code", w.code(mobile)+"\r")
	arrive(tab, w, s)
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
	click(tab, "[value=sms]")
	click(tab, "section a[href=number]")
	tab.Wait("the number that was typed", `document.querySelector("#number")?.value === "080-1111-2222"`)
	tab.Evaluate(`document.querySelector("#number").value = ""`)
	enter(tab, "09012345678")
	click(tab, "[value=sms]")
	tab.Wait("the code", `document.querySelector("#code")`)
	write(tab, "#code", w.code("+818011112222")+"\r")
	tab.WaitText("#code-wrong", "コードが違います")
	write(tab, "#code", w.code(mobile)+"\r")
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
	click(tab, "[value=sms]")
	tab.Wait("the code", `document.querySelector("#code")`)
	click(tab, "footer form button")
	tab.WaitText("h1", "確認を中止しました")
	click(tab, ".first")
	tab.WaitText("#session", s.ID)
	if got := w.look(s.ID); got.Status != "canceled" || got.Verification.Status != "canceled" || got.URL != "" {
		t.Errorf("%+v %+v", got, got.Verification)
	}
}

// TestWithdrawn: what the app does by the API shows at once.
func TestWithdrawn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.create(`"to":"090-1234-5678"`)
	tab := browser.Open(t, phone)
	tab.Go(s.URL)
	click(tab, "[value=sms]")
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
	click(tab, "[value=sms]")
	tab.WaitText("h1", "いまは送れませんでした")
	click(tab, ".way [value=voice]")
	tab.WaitText("main", "コードをお伝えします")
	w.answer(w.ringing(mobile))
	if tab.Evaluate(`document.querySelector("#code")`) == nil {
		t.Error("nowhere to type the code")
	}
}

// TestSwitchedOff: what the operator doesn't offer isn't there, and the person
// learns whom to ask.
func TestSwitchedOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *gateway.Config) { c.Apps[0].Channels = []gateway.Channel{gateway.SMS} })
	tab := browser.Open(t, phone)
	tab.Go(w.create(`"to":"090-1234-5678"`).URL)
	tab.WaitText(".note", "電話での確認は、Example 大学 では使えません")
	if link := tab.Evaluate(`document.querySelector(".note a").href`); link != "https://portal.example.jp/help" {
		t.Errorf("help is at %v", link)
	}
	if tab.Evaluate(`document.querySelector("[value=voice]")`) != nil {
		t.Error("calls are offered")
	}
	// The server doesn't take the page's word for it.
	tab.Evaluate(`(document.querySelector("[value=sms]").value = "voice")`)
	click(tab, "[value=voice]")
	tab.Wait("the choice again", `document.querySelector("[value=sms]")`)
	if n := len(w.calls(mobile)); n != 0 {
		t.Errorf("%d calls", n)
	}
	tab.Go(w.create(`"to":"03-1234-5678"`).URL)
	tab.WaitText("main", "この番号を確認できる方法がありません")
}

package sandbox

import (
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"denwa/ivr"
	"denwa/providers"
	"denwa/providers/sandbox/browsertest"
)

var browser browsertest.Browser

const axe = "../../.peers/node_modules/axe-core/axe.min.js"

// screenOf opens the page, with a carrier to the phones on it.
func screenOf(t *testing.T, v browsertest.View) (*browsertest.Tab, *Provider, *Phones, *httptest.Server) {
	t.Helper()
	phones := NewPhones()
	server := httptest.NewServer(phones.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() { _ = phones.Close() })
	p, _ := open(t, phones, "a", discard)
	tab := browser.Open(t, v)
	tab.Go(server.URL + "/sandbox/")
	tab.Wait("the first phone", `document.querySelector("[data-number='+819012345678'] .empty")?.checkVisibility()`)
	return tab, p, phones, server
}

func text(to, text string) providers.Message {
	return providers.Message{Delivery: "vf_a.1", To: to, Text: text}
}

const (
	first  = `[data-number="+819012345678"] `
	second = `[data-number="+818011112222"] `
)

func TestMessageArrivesOnItsPhone(t *testing.T) {
	tab, p, _, _ := screenOf(t, browsertest.View{})
	tab.Type("#number", "０８０−1111 2222\r")
	tab.WaitText(second+"h2", "+81 80-1111-2222")
	if _, err := p.SendMessage(t.Context(), text("+818011112222", "【例】認証コード：123456\n<b>5 分</b>")); err != nil {
		t.Fatal(err)
	}
	tab.WaitText(second+".history", "配信済み")
	if got, want := tab.Text(second+".text"), "【例】認証コード：123456\n<b>5 分</b>"; got != want {
		t.Errorf("the phone shows %q, want %q", got, want)
	}
	if got := tab.Text(first + ".history"); got != "" {
		t.Errorf("the other phone shows %q", got)
	}

	tab.Click(second + ".reset")
	tab.WaitText(second+".empty", "まだ何も")
	tab.Click(second + ".remove")
	tab.Wait("one phone less", `document.querySelectorAll(".phone").length === 1`)
	tab.Evaluate(`location.reload()`)
	tab.Wait("the same phones again", `document.querySelectorAll(".phone").length === 1 && document.querySelector("#lost").hidden`)

	tab.Type("#number", "rain\r")
	tab.WaitText("#wrong", "読めません")
}

func TestPhoneInUseComesOnTheScreenByItself(t *testing.T) {
	tab, p, _, _ := screenOf(t, browsertest.View{Language: "en"})
	if _, err := p.SendMessage(t.Context(), text("+818011112222", "Your code is 123456.")); err != nil {
		t.Fatal(err)
	}
	tab.WaitText(second+".history", "Delivered")
	tab.Click(second + ".remove")
	tab.WaitText("#more", "+81 80-1111-2222")
	tab.Click("#more button")
	tab.WaitText(second+".history", "Your code is 123456.")
}

func TestCallRingsAndIsKeyed(t *testing.T) {
	tab, _, phones, _ := screenOf(t, browsertest.View{})
	p, g := open(t, phones, "b", discard)
	// The synthesiser of a machine without sound says nothing; what it was given counts.
	tab.Evaluate(`void (window.heard = [], speechSynthesis.speak = (u) => heard.push(u.lang + " " + u.text))`)
	if _, err := p.PlaceCall(t.Context(), callOf(ivr.ModeKeyed, "ja")); err != nil {
		t.Fatal(err)
	}
	tab.WaitText(first+".state", "着信中")
	tab.Click(first + ".answer")
	tab.WaitText(first+".state", "通話中")
	tab.WaitText(first+".said", "電話番号を確認するための")
	tab.Wait("speech", `heard.length > 0 && heard[0].startsWith("ja-JP ")`)
	tab.WaitText(first+".listening", "キー入力を待っています")
	for _, key := range []string{"9", "#"} {
		tab.Click(first + `.keypad [value="` + key + `"]`)
	}
	tab.Wait("another try", `document.querySelectorAll(".said p").length > 2`)
	tab.WaitText(first+"output", "9#")
	tab.Press("012345#") // on the keyboard
	tab.WaitText(first+".history", "確認されました")
	if got := g.wasAsked(); !slices.Equal(got, []string{"b d1 012345"}) {
		t.Errorf("the gateway was asked %q", got)
	}
	tab.Wait("no call any more", `!document.querySelector(".call").checkVisibility()`)
}

func TestCallIsDeclinedAndHungUp(t *testing.T) {
	tab, p, _, _ := screenOf(t, browsertest.View{Language: "en"})
	if _, err := p.PlaceCall(t.Context(), callOf(ivr.ModeConfirm, "en")); err != nil {
		t.Fatal(err)
	}
	tab.WaitText(first+".hangup", "Decline")
	tab.Click(first + ".hangup")
	tab.WaitText(first+".history", "Declined")
	if _, err := p.PlaceCall(t.Context(), callOf(ivr.ModeConfirm, "en")); err != nil {
		t.Fatal(err)
	}
	tab.Click(first + ".answer")
	tab.WaitText(first+".hangup", "Hang up")
	tab.Click(first + ".hangup")
	tab.WaitText(first+".history", "Hung up")
}

func TestBehavioursAtAClick(t *testing.T) {
	tab, p, phones, _ := screenOf(t, browsertest.View{})
	choose := func(name, value string, want Behaviour) {
		t.Helper()
		tab.Click(first + `[data-name="` + name + `"][value="` + value + `"]`)
		for end := time.Now().Add(time.Minute); phones.behaviour(number) != want; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("after a click on %s %s it behaves as %+v, want %+v", name, value, phones.behaviour(number), want)
			}
		}
	}
	choose("sms", "undelivered", Behaviour{SMS: providers.Undelivered, Voice: providers.Ringing})
	choose("voice", "busy", Behaviour{SMS: providers.Undelivered, Voice: providers.Busy})
	if _, err := p.SendMessage(t.Context(), text(number, "123456")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.PlaceCall(t.Context(), callOf(ivr.ModeConfirm, "ja")); err != nil {
		t.Fatal(err)
	}
	tab.WaitText(first+".history", "届きませんでした")
	tab.WaitText(first+".history", "話し中")
	tab.Wait("both are used up", `document.querySelector("[data-name=sms][value=delivered]").checked && document.querySelector("[data-name=voice][value=ringing]").checked`)

	choose("voice", "machine", Behaviour{SMS: providers.Delivered, Voice: providers.Machine})
	choose("sms", "slow", Behaviour{SMS: providers.Delivered, Voice: providers.Machine, DelayMS: 10_000})
	choose("sms", "sent", Behaviour{SMS: providers.Sent, Voice: providers.Machine})
	choose("error", "throttled", Behaviour{SMS: providers.Sent, Voice: providers.Machine, Error: providers.Throttled})
	if _, err := p.SendMessage(t.Context(), text(number, "123456")); err == nil {
		t.Error("a carrier that is throttled accepts")
	}
}

func TestStreamBreaksAndComesBack(t *testing.T) {
	tab, p, _, server := screenOf(t, browsertest.View{})
	tab.Expect("ERR_INCOMPLETE_CHUNKED_ENCODING")
	server.CloseClientConnections()
	if _, err := p.SendMessage(t.Context(), text(number, "missed nothing")); err != nil {
		t.Fatal(err)
	}
	tab.WaitText(first+".history", "missed nothing")
	tab.Wait("the notice is gone", `document.querySelector("#lost").hidden`)
}

// TestPageInEveryView looks at the page as people see it.
func TestPageInEveryView(t *testing.T) {
	for locale, body := range map[string]string{
		"ja": "【例のポータル】認証コード：493027\nこのコードを他の人に教えないでください。",
		"en": "493027 is your Example code. Don't share it with anyone.",
	} {
		t.Run(locale, func(t *testing.T) {
			tab, p, _, _ := screenOf(t, browsertest.View{Width: 1080, Height: 760, Language: locale})
			for _, to := range []string{number, "+818011112222", "+12025550123"} {
				if _, err := p.SendMessage(t.Context(), text(to, body)); err != nil {
					t.Fatal(err)
				}
			}
			ringing := callOf(ivr.ModeConfirm, locale)
			ringing.To = "+818011112222"
			if _, err := p.PlaceCall(t.Context(), ringing); err != nil {
				t.Fatal(err)
			}
			if _, err := p.PlaceCall(t.Context(), callOf(ivr.ModeKeyed, locale)); err != nil {
				t.Fatal(err)
			}
			tab.Click(first + ".answer")
			tab.Click(first + `.keypad [value="1"]`)
			tab.Wait("three phones, and what is on them", `document.querySelectorAll(".history li[data-status=delivered]").length === 3 && document.querySelector("[data-state=ringing]")`)
			tab.Look("sandbox-"+locale, axe)
			tab.Evaluate(`window.scrollTo(0, 0)`)
			tab.Shot("readme-sandbox-"+locale, false)
		})
	}
}

func TestPageWithoutScript(t *testing.T) {
	server := httptest.NewServer(NewPhones().Handler())
	t.Cleanup(server.Close)
	tab := browser.Open(t, browsertest.View{NoScript: true})
	tab.Go(server.URL + "/sandbox/?lang=en")
	tab.WaitText("main", "needs JavaScript")
}

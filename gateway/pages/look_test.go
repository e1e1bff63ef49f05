package pages_test

import (
	"fmt"
	"testing"
	"time"

	"denwa/gateway"
	"denwa/providers/sandbox/browsertest"
)

// looks are the ways in which every page is looked at.
var looks = []browsertest.View{
	{Width: 320, Height: 640, Language: "ja"},
	{Width: 390, Height: 844, Language: "en", Dark: true},
	{Width: 1280, Height: 900, Language: "ja", Dark: true},
	{Width: 1280, Height: 900, Language: "en"},
}

// walk is a tab that looks at pages on its way.
type walk struct {
	*browsertest.Tab
	t     *testing.T
	w     *world
	name  string
	phone bool
}

// see waits for a page, by what only it has, and looks at it.
func (w walk) see(page, selector string) {
	w.t.Helper()
	w.Wait(page, fmt.Sprintf(`document.readyState === "complete" && document.querySelector(%q)?.checkVisibility()`, selector))
	w.Narrow()
	if w.phone { // a desktop has the same page in the same colours
		w.Axe(axe)
	}
	w.Shot(page + "-" + w.name)
}

// click clicks once the page's scripts have run: it moves while they come.
func click(tab *browsertest.Tab, selector string) {
	tab.Wait("visible "+selector, fmt.Sprintf(`document.readyState === "complete" && document.querySelector(%q)?.checkVisibility()`, selector))
	tab.Click(selector)
}

// write types where a selector says. [browsertest.Tab.Type] reads the element's
// attributes while chromedp writes those that a script changes, which is a race.
func write(tab *browsertest.Tab, selector, text string) {
	tab.Wait("visible "+selector, fmt.Sprintf(`document.readyState === "complete" && document.querySelector(%q)?.checkVisibility()`, selector))
	tab.Evaluate(fmt.Sprintf(`(document.querySelector(%q).focus(), 0)`, selector))
	tab.Press(text)
}

// enter types a number and goes on to the choice of a method.
func enter(tab *browsertest.Tab, number string) {
	write(tab, "#number", number)
	click(tab, ".first")
	tab.Wait("the choice", `document.querySelector(".acts a[href=number]") && !document.querySelector("#number")`)
}

// expectRefusals: a page that says what is wrong has a status that says so too.
func expectRefusals(tab *browsertest.Tab) { tab.Expect("the server responded with a status of 4") }

// TestLooks sees every page in both languages and themes, on a phone and on a
// desktop: no barrier that axe-core knows, and nothing wider than the screen.
func TestLooks(t *testing.T) {
	t.Parallel()
	for _, v := range looks {
		theme := "light"
		if v.Dark {
			theme = "dark"
		}
		name := fmt.Sprintf("%s-%d-%s", v.Language, v.Width, theme)
		for part, steps := range map[string]func(walk){
			"numbers": walk.numbers, "message": walk.message, "call": walk.call, "ends": walk.ends,
		} {
			t.Run(name+"/"+part, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, nil)
				at := walk{browser.Open(t, v), t, w, name, v.Width < 1000}
				expectRefusals(at.Tab)
				steps(at)
			})
		}
	}
}

func (w walk) numbers() {
	w.Go(w.w.create("").URL)
	w.see("number", "#number")
	click(w.Tab, "#country-search")
	write(w.Tab, "#country-search", "かんこく")
	w.see("picker", "[role=option][data-value=KR]")
	click(w.Tab, "details summary")
	write(w.Tab, "#number", "123")
	write(w.Tab, "#extension", "12")
	click(w.Tab, ".first")
	w.see("number-wrong", "#number-wrong")
	w.Go(w.w.create(`"to":"03-1234-5678"`).URL)
	w.see("method-fixed", ".choice")
	w.Go(w.w.create(`"to":"090-1234-5678"`).URL)
	w.see("method", "[value=sms]")
}

func (w walk) message() {
	w.Go(w.w.create("").URL)
	enter(w.Tab, "09012345678")
	click(w.Tab, "[value=sms]")
	w.see("code", "#code")
	w.WaitText("#news", map[string]string{"ja": "届きました", "en": "arrived"}[w.name[:2]])
	write(w.Tab, "#code", w.w.wrongCode(mobile))
	click(w.Tab, ".first")
	w.see("code-wrong", "#code-wrong")
	for range 4 {
		write(w.Tab, "#code", w.w.wrongCode(mobile))
		w.Evaluate(`document.querySelector("#code-wrong").remove()`)
		click(w.Tab, ".first")
		w.Wait("the answer", `document.querySelector("#code-wrong") || !document.querySelector("#code")`)
	}
	w.see("attempts", ".first[href=method]")
	click(w.Tab, ".first[href=method]")
	click(w.Tab, "[value=sms]")
	w.see("limited", ".first[href=method]")
	w.w.behave("+818011112222", `{"error":"rejected"}`)
	click(w.Tab, ".second[href=number]")
	w.Wait("the number", `document.querySelector("#number")`)
	w.Evaluate(`document.querySelector("#number").value = ""`)
	enter(w.Tab, "08011112222")
	click(w.Tab, "[value=sms]")
	w.see("carrier", "#news.note")
}

func (w walk) call() {
	w.Go(w.w.create("").URL)
	enter(w.Tab, "03-1234-5678")
	click(w.Tab, "[value=voice]")
	w.see("wait", "#news.live")
	call := w.w.ringing(fixed)
	w.w.answer(call)
	w.w.press(call, "#")
	w.see("done", ".tick")
	w.Go(w.w.create(`"to":"06-1234-5678","mode":"keyed"`).URL)
	click(w.Tab, "[value=voice]")
	w.see("keyed", ".digits")
	w.w.behave("+81612345679", `{"voice":"busy"}`)
	w.Go(w.w.create(`"to":"06-1234-5679"`).URL)
	click(w.Tab, "[value=voice]")
	w.see("over", "#news.note")
}

func (w walk) ends() {
	canceled := w.w.create("")
	w.Go(canceled.URL)
	click(w.Tab, "footer form button")
	w.see("canceled", ".acts a")
	w.Go(w.w.URL + "/verify/")
	w.see("unknown", "h1")
	denied := w.w.create(`"to":"06-1234-5670"`)
	w.Go(denied.URL)
	click(w.Tab, "[value=voice]")
	call := w.w.ringing("+81612345670")
	w.w.answer(call)
	w.w.press(call, "0#")
	w.see("denied", ".first[href=number]")
	w.Go(w.w.create(`"to":"06-1234-5670"`).URL)
	click(w.Tab, "[value=voice]")
	w.see("blocked", ".first[href=number]")
	late := w.w.create(`"to":"070-1234-5678"`)
	w.Go(late.URL)
	click(w.Tab, "[value=sms]")
	w.Wait("the code", `document.querySelector("#code")`)
	w.w.clock.pass(gateway.DefaultConfig().Defaults.ExpiresIn + time.Second)
	w.Evaluate(`location.reload()`)
	w.see("expired", ".first[href=method]")
	w.w.clock.pass(30 * time.Minute)
	w.Evaluate(`location.reload()`)
	w.see("timeout", ".acts a:only-child")
}

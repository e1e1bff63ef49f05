package pages_test

import (
	"testing"
	"time"

	"denwa/gateway"
	"denwa/providers/sandbox/browsertest"
)

// walk is a tab that looks at pages on its way.
type walk struct {
	*browsertest.Tab
	w        *world
	language string
}

// see waits for a page, by what only it has, and looks at it in every way.
func (w walk) see(page, selector string) {
	w.w.t.Helper()
	w.WaitFor(selector)
	w.Look(page+"-"+w.language, axe)
	w.Shot("readme-"+page+"-"+w.language, false)
	if w.language == "ja" {
		w.reach(page)
	}
}

// reach goes to all that can be used, as the Tab key does: each is large enough
// for a thumb, and shows that it has the focus.
func (w walk) reach(page string) {
	w.w.t.Helper()
	found := w.Evaluate(`(() => {
		const had = document.activeElement, faults = [];
		for (const e of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary")) {
			if (!e.checkVisibility() || e.disabled) continue;
			const inSentence = e.matches("p:not(.links) > a");
			if (e.getBoundingClientRect().height < (inSentence ? 20 : 44)) faults.push("small: " + e.outerHTML);
			e.focus({ focusVisible: true });
			const { outlineStyle, outlineWidth } = getComputedStyle(e);
			if (outlineStyle !== "solid" || parseFloat(outlineWidth) < 2) faults.push("no focus to be seen: " + e.outerHTML);
		}
		had.focus();
		return faults.join("\n");
	})()`)
	if found != "" {
		w.w.t.Errorf("%s: %v", page, found)
	}
}

// enter types a number and goes on to the choice of a method.
func enter(tab *browsertest.Tab, number string) {
	tab.Type("#number", number)
	tab.Click(".first")
	tab.Wait("the choice", `document.querySelector(".acts a[href=number]") && !document.querySelector("#number")`)
}

// expectRefusals: a page that says what is wrong has a status that says so too.
func expectRefusals(tab *browsertest.Tab) { tab.Expect("the server responded with a status of 4") }

// TestLooks sees every page in both languages and themes, on phones and on a
// desktop: no barrier that axe-core knows, and nothing wider than the screen.
func TestLooks(t *testing.T) {
	t.Parallel()
	for _, language := range []string{"ja", "en"} {
		for part, steps := range map[string]func(walk){
			"numbers": walk.numbers, "message": walk.message, "call": walk.call, "ends": walk.ends,
		} {
			t.Run(language+"/"+part, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, func(c *gateway.Config) {
					if language == "en" {
						c.Apps[0].Brand = "Example University"
					}
				})
				at := walk{browser.Open(t, browsertest.View{Width: 390, Height: 844, Language: language}), w, language}
				expectRefusals(at.Tab)
				steps(at)
			})
		}
	}
}

func (w walk) numbers() {
	w.Go(w.w.create("").URL)
	w.see("number", "#number")
	w.Click("#country-search")
	w.Type("#country-search", "かんこく")
	w.see("picker", "[role=option][data-value=KR]")
	w.Click("details summary")
	w.Type("#number", "123")
	w.Type("#extension", "12")
	w.Click(".first")
	w.see("number-wrong", "#number-wrong")
	w.Go(w.w.create(`"to":"03-1234-5678"`).URL)
	w.see("method-fixed", ".choice")
	w.Go(w.w.create(`"to":"090-1234-5678"`).URL)
	w.see("method", "[value=sms]")
}

func (w walk) message() {
	w.Go(w.w.create("").URL)
	enter(w.Tab, "09012345678")
	w.Click("[value=sms]")
	w.see("code", "#code")
	w.WaitText("#news", map[string]string{"ja": "届きました", "en": "arrived"}[w.language])
	w.Type("#code", w.w.wrongCode(mobile))
	w.Click(".first")
	w.see("code-wrong", "#code-wrong")
	for range 4 {
		w.Type("#code", w.w.wrongCode(mobile))
		w.Evaluate(`document.querySelector("#code-wrong").remove()`)
		w.Click(".first")
		w.Wait("the answer", `document.querySelector("#code-wrong") || !document.querySelector("#code")`)
	}
	w.see("attempts", ".first[href=method]")
	w.Click(".first[href=method]")
	w.Click("[value=sms]")
	w.see("limited", ".first[href=method]")
	w.w.behave("+818011112222", `{"error":"rejected"}`)
	w.Click(".second[href=number]")
	w.Wait("the number", `document.querySelector("#number")`)
	w.Evaluate(`document.querySelector("#number").value = ""`)
	enter(w.Tab, "08011112222")
	w.Click("[value=sms]")
	w.see("carrier", "#news.note")
}

func (w walk) call() {
	w.Go(w.w.create("").URL)
	enter(w.Tab, "03-1234-5678")
	w.Click("[value=voice]")
	w.see("wait", "#news.live")
	call := w.w.ringing(fixed)
	w.w.answer(call)
	w.w.press(call, "#")
	w.see("done", ".tick")
	w.Go(w.w.create(`"to":"06-1234-5678","mode":"keyed"`).URL)
	w.Click("[value=voice]")
	w.see("keyed", ".digits")
	w.w.behave("+81612345679", `{"voice":"busy"}`)
	w.Go(w.w.create(`"to":"06-1234-5679"`).URL)
	w.Click("[value=voice]")
	w.see("over", "#news.note")
}

func (w walk) ends() {
	canceled := w.w.create("")
	w.Go(canceled.URL)
	w.Click("footer form button")
	w.see("canceled", ".acts a")
	w.Go(w.w.URL + "/verify/")
	w.see("unknown", "h1")
	denied := w.w.create(`"to":"06-1234-5670"`)
	w.Go(denied.URL)
	w.Click("[value=voice]")
	call := w.w.ringing("+81612345670")
	w.w.answer(call)
	w.w.press(call, "0#")
	w.see("denied", ".first[href=number]")
	w.Go(w.w.create(`"to":"06-1234-5670"`).URL)
	w.Click("[value=voice]")
	w.see("blocked", ".first[href=number]")
	late := w.w.create(`"to":"070-1234-5678"`)
	w.Go(late.URL)
	w.Click("[value=sms]")
	w.Wait("the code", `document.querySelector("#code")`)
	w.w.clock.pass(gateway.DefaultConfig().Defaults.ExpiresIn + time.Second)
	w.Evaluate(`location.reload()`)
	w.see("expired", ".first[href=method]")
	w.w.clock.pass(30 * time.Minute)
	w.Evaluate(`location.reload()`)
	w.see("timeout", ".acts a:only-child")
}

package pages_test

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"denwa/providers/sandbox/browsertest"
)

// TestDoubleClick sends once, with the page's script and without it.
func TestDoubleClick(t *testing.T) {
	t.Parallel()
	for _, view := range []browsertest.View{{}, {NoScript: true}} {
		t.Run(fmt.Sprintf("without JavaScript: %v", view.NoScript), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			tab := browser.Open(t, view)
			tab.Go(w.create(`"to":"090-1234-5678"`).URL)
			tab.Wait("the choice", `document.readyState === "complete" && document.querySelector("[value=sms]")`)
			tab.Evaluate(`(document.querySelector("[value=sms]").click(), document.querySelector("[value=sms]")?.click())`)
			tab.Wait("the code", `document.querySelector("#code")`)
			if n := len(w.texts(mobile)); n != 1 {
				t.Errorf("%d messages", n)
			}
			tab.Type("#code", w.code(mobile))
			tab.Evaluate(`(document.querySelector("#main .first").click(), document.querySelector("#main .first")?.click())`)
			tab.Wait("the end", `document.querySelector(".tick")`)
		})
	}
}

// TestStopped: who stops the browser while a form is on its way can send it again.
func TestStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	tab := browser.Open(t, phone)
	tab.Go(w.create(given).URL)
	var stuck sync.Once
	serve := func(_ http.ResponseWriter, r *http.Request) (served bool) {
		if r.Method == http.MethodPost {
			stuck.Do(func() {
				served = true
				_, _ = io.Copy(io.Discard, r.Body) // or the server doesn't see that the browser is gone
				<-r.Context().Done()
			})
		}
		return served
	}
	w.serve.Store(&serve)
	tab.Wait("the choice", `document.readyState === "complete" && document.querySelector("[value=sms]")`)
	tab.Evaluate(`(document.querySelector("[value=sms]").click(), setTimeout(() => window.stop(), 300), 0)`)
	tab.Wait("the page as it was", `document.querySelector("[aria-busy]")`)
	tab.Wait("the page as new", `!document.querySelector("[aria-busy], [data-sent]")`)
	tab.Click("[value=sms]")
	tab.Wait("the code", `document.querySelector("#code")`)
	if n := len(w.texts(mobile)); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// TestReloadAndBack: neither sends again, nor loses what was typed.
func TestReloadAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.create("")
	tab := browser.Open(t, phone)
	tab.Go(s.URL)
	enter(tab, "09012345678")
	tab.Click("[value=sms]")
	tab.Wait("the code", `document.querySelector("#code")`)
	for range 2 {
		tab.Evaluate(`(window.old = true, location.reload())`)
		tab.Wait("the code again", `!window.old && document.querySelector("#code")`)
	}
	tab.Evaluate(`history.back()`)
	tab.Wait("the choice", `document.querySelector("[value=sms].choice")`)
	tab.Evaluate(`history.back()`)
	tab.Wait("the number", `document.querySelector("#number")?.value === "090-1234-5678"`)
	// A page that the browser had kept is out of chromedp's reach.
	tab.Evaluate(`(document.querySelector(".first").click(), 0)`)
	tab.Wait("the choice", `document.querySelector("[value=sms].choice")`)
	tab.Evaluate(`(document.querySelector("[value=sms].choice").click(), 0)`)
	tab.Wait("the code", `document.querySelector("#code")`)
	if n := len(w.texts(mobile)); n != 1 {
		t.Errorf("%d messages", n)
	}
	// The link leads to where the person was.
	tab.Go(s.URL)
	tab.Wait("the code", `document.querySelector("#code")`)
	tab.Type("#code", w.code(mobile)+"\r")
	tab.Wait("the end", `document.querySelector(".tick")`)
	tab.Evaluate(`history.back()`)
	tab.Wait("the end again", `document.querySelector(".tick")`)
	tab.Go(s.URL)
	tab.Wait("the end after the link", `document.querySelector(".tick")`)
}

// TestTwoTabs: the second tab, of the same browser, is driven from the first.
func TestTwoTabs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.create(`"to":"090-1234-5678"`)
	tab := browser.Open(t, phone)
	tab.Go(s.URL)
	tab.Wait("the choice", `document.querySelector("[value=sms]")`)
	tab.Evaluate(`(window.second = window.open(location.href), 0)`)
	const second = `second.document?.querySelector`
	tab.Wait("the second tab", second+`("[value=sms]") && second.document.readyState === "complete"`)
	tab.Evaluate(`(document.querySelector("[value=sms]").setAttribute("formtarget", "third"), second.document.querySelector("[value=sms]").click(), 0)`)
	tab.Wait("the code in the second tab", second+`("#code")`)
	tab.Evaluate(`(window.third = window.open("", "third"), document.querySelector("[value=sms]").click(), 0)`)
	tab.Wait("the code in the third tab", `third.document?.querySelector("#code")`)
	if n := len(w.texts(mobile)); n != 1 {
		t.Errorf("%d messages", n)
	}
	// What one tab completes, the other shows by itself.
	tab.Evaluate(fmt.Sprintf(`(second.document.querySelector("#code").value = %q, second.document.querySelector("#main .first").click(), 0)`, w.code(mobile)))
	tab.Wait("the end in the second tab", second+`(".tick")`)
	tab.Wait("the end in the third tab", `third.document?.querySelector(".tick")`)
}

// TestOldPage: a page that shows another number than the one that was typed
// since doesn't send to either.
func TestOldPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	tab := browser.Open(t, phone)
	tab.Go(w.create(`"to":"090-1234-5678"`).URL)
	tab.Wait("the choice", `document.querySelector("[value=sms]")`)
	tab.Evaluate(`(window.second = window.open("number"), 0)`)
	tab.Wait("the second tab", `second.document?.querySelector("#number") && second.document.readyState === "complete"`)
	tab.Evaluate(`(second.document.querySelector("#number").value = "08011112222", second.document.querySelector("#main .first").click(), 0)`)
	tab.Wait("the choice in the second tab", `second.document?.querySelector("[value=sms]")`)
	tab.Click("[value=sms]")
	tab.Wait("the new number", `/080-.?1111-.?2222/.test(document.querySelector(".number b")?.innerText)`)
	if n := len(w.texts(mobile)) + len(w.texts("+818011112222")); n != 0 {
		t.Errorf("%d messages", n)
	}
}

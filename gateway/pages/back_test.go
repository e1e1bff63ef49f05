package pages_test

import "testing"

// TestThereAndBack: after a call that failed, and a message that wasn't read, the
// next call asks for the key again, as the page says.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.behave(mobile, `{"voice":"busy"}`)
	s := w.create(given)
	tab := browser.Open(t, phone)
	tab.Go(s.URL)
	tab.Click("[value=voice]")
	tab.WaitText("h1", "確認できませんでした")
	tab.Click(".ways [value=sms]")
	tab.Wait("the code", `document.querySelector("#code")`)
	w.clock.pass(31e9)
	tab.Evaluate(`(window.old = true, location.reload())`)
	tab.Wait("the page again", `!window.old && document.querySelector("#code")`)
	tab.Click(".ways [value=voice]")
	tab.WaitText("h1", "電話をかけています")
	call := w.ringing(mobile)
	w.answer(call)
	w.press(call, "#")
	arrive(tab, w, s)
}

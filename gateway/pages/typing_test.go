package pages_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"denwa/gateway"
	"denwa/providers/sandbox/browsertest"
)

// TestCountrySearch: by name in both languages, in either kana, and by code,
// whatever the page's language.
func TestCountrySearch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, language := range []string{"ja", "en"} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			tab := browser.Open(t, browsertest.View{Language: language})
			tab.Go(w.create("").URL)
			tab.Wait("the picker", `document.querySelector("#country-search")?.value.endsWith("(+81)")`)
			for query, want := range map[string]string{
				"ドイツ": "DE", "どいつ": "DE", "ﾄﾞｲﾂ": "DE", "germ": "DE", "+49": "DE", "４９": "DE",
				"アメリカ合衆国": "US", "usa": "US", "united st": "US", "英国": "GB", "にほん": "JP", "cote d'ivoire": "CI",
			} {
				click(tab, "#country-search")
				write(tab, "#country-search", query)
				if tab.Wait(query, fmt.Sprintf(`[...document.querySelectorAll("[role=option]")].slice(0, 3).some(o => o.dataset.value === %q)`, want)); t.Failed() {
					return
				}
				tab.Evaluate(`(document.querySelector("#country-search").blur(), 0)`)
			}
			click(tab, "#country-search")
			write(tab, "#country-search", "xyzzy")
			tab.Wait("nothing", `document.querySelectorAll("[role=option]").length === 1 && document.querySelector("[role=option][aria-disabled]")`)
			tab.Press("\u001b") // Escape: as before
			tab.Wait("Japan", `document.querySelector("#country").value === "JP" && document.querySelector("#country-search").value.includes("81")`)
			write(tab, "#country-search", "アメリカ合衆国") // which needs no mouse
			tab.Wait("the only one", `document.querySelectorAll("[role=option]").length === 1`)
			tab.Press("\r")
			tab.Wait("the choice", `document.querySelector("#country").value === "US" && document.querySelector("#countries").hidden`)
			enter(tab, "(201) 555-0123")
			tab.Wait("the number", `document.querySelector(".number b").innerText.replace(/\u2060/g, "") === "+12015550123"`)
		})
	}
}

// TestCountries: Japan comes first and is chosen; an app's own countries are all
// there is.
func TestCountries(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	tab := browser.Open(t, browsertest.View{NoScript: true})
	tab.Go(w.create("").URL)
	if got := tab.Text("#country option"); got != "日本 (+81)" || tab.Evaluate(`document.querySelector("#country").value`) != "JP" {
		t.Errorf("first is %s", got)
	}
	if n, _ := tab.Evaluate(`document.querySelectorAll("#country option").length`).(float64); n < 240 {
		t.Errorf("%v countries", n)
	}

	only := newWorld(t, func(c *gateway.Config) { c.Apps[0].Countries = []string{"JP"} })
	tab = browser.Open(t, browsertest.View{})
	expectRefusals(tab)
	tab.Go(only.create("").URL)
	tab.WaitText("#country", "日本 (+81)")
	write(tab, "#number", "+1 201 555 0123\r")
	tab.WaitText("#number-wrong", "この国の電話番号は、Example 大学 では使えません")
}

// TestWrongNumbers says in the reader's language what is wrong, next to the
// field, and keeps what was typed.
func TestWrongNumbers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	tab := browser.Open(t, phone)
	expectRefusals(tab)
	tab.Go(w.create("").URL)
	for _, c := range []struct{ number, says string }{
		{"", "電話番号を入力してください"},
		{"abc", "文字が入っています"},
		{"+44 20 79", "桁が足りません"},
		{"+999 12345678", "国番号が正しくありません"},
		{"0120-123-456", "フリーダイヤル"},
		{"110", "緊急通報"},
		{"0570-123456", "この種類の電話番号"},
	} {
		tab.Evaluate(fmt.Sprintf(`(document.querySelector("#number").value = %q, document.querySelector("#main .first").click(), 0)`, c.number))
		tab.WaitText("#number-wrong", c.says)
		tab.Wait("the focus and the text", fmt.Sprintf(
			`document.activeElement.id === "number" && document.activeElement.value === %q && document.title.startsWith("入力を確かめてください")`, c.number))
	}
}

// TestTyping: numbers are grouped as they are typed, codes freed of what isn't a
// digit.
func TestTyping(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	tab := browser.Open(t, phone)
	tab.Go(w.create("").URL)
	for typed, want := range map[string]string{
		"0901": "090-1", "０９０１２３４５６７８": "090-1234-5678", "0312345678": "03-1234-5678", "0451234567": "0451234567", "+8190": "+8190",
	} {
		tab.Evaluate(`(document.querySelector("#number").value = "", 0)`)
		write(tab, "#number", typed)
		tab.Wait(want, fmt.Sprintf(`document.querySelector("#number").value === %q`, want))
	}
	tab.Go(w.create(`"to":"090-1234-5678"`).URL)
	click(tab, "[value=sms]")
	tab.Wait("the code", `document.readyState === "complete" && document.querySelector("#code")`)
	for pasted, want := range map[string]string{"123 456": "123456", "１２３４５６": "123456", "Code: 123-456.": "123456", "1234567": "123456"} {
		tab.Evaluate(fmt.Sprintf(`(() => { const c = document.querySelector("#code"); c.focus(); c.select(); document.execCommand("insertText", false, %q) })()`, pasted))
		if got := tab.Evaluate(`document.querySelector("#code").value`); got != want {
			t.Errorf("%q became %q", pasted, got)
		}
	}
	for name, want := range map[string]string{"autocomplete": "one-time-code", "inputmode": "numeric"} {
		if got := tab.Evaluate(fmt.Sprintf(`document.querySelector("#code").getAttribute(%q)`, name)); got != want {
			t.Errorf("%s is %v", name, got)
		}
	}
}

// TestPastedWithoutJavaScript: the server reads a code as it was pasted.
func TestPastedWithoutJavaScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.create(`"to":"090-1234-5678"`)
	tab := browser.Open(t, browsertest.View{NoScript: true})
	tab.Go(s.URL)
	click(tab, "[value=sms]")
	tab.Wait("the code", `document.querySelector("#code")`)
	wide := strings.Map(func(r rune) rune { return r - '0' + '０' }, w.code(mobile))
	write(tab, "#code", wide[:9]+" "+wide[9:]+"\r")
	arrive(tab, w, s)
}

// TestWebOTP: the code in a message fills the page by itself. Chromium's virtual
// authenticators have no WebOTP, so what it would answer stands in for it.
func TestWebOTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const stub = `
		window.OTPCredential = class {};
		navigator.credentials.get = (asked) => {
			window.asked = JSON.stringify(asked.otp) + " " + (asked.signal instanceof AbortSignal);
			return new Promise((resolve) => { window.receive = (code) => resolve({ code }); });
		};
	`
	serve := func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/-/code.js") {
			return false
		}
		rw.Header().Set("Content-Type", "text/javascript")
		_, _ = rw.Write([]byte(`import "./stub.js"; import "./code-itself.js";`))
		return true
	}
	inner := serve
	serve = func(rw http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, "/-/stub.js"):
			rw.Header().Set("Content-Type", "text/javascript")
			_, _ = rw.Write([]byte(stub))
			return true
		case strings.HasSuffix(r.URL.Path, "/-/code-itself.js"):
			r.URL.Path = strings.Replace(r.URL.Path, "code-itself", "code", 1)
			return false
		}
		return inner(rw, r)
	}
	w.serve.Store(&serve)
	s := w.create(`"to":"090-1234-5678"`)
	tab := browser.Open(t, phone)
	tab.Go(s.URL)
	click(tab, "[value=sms]")
	tab.Wait("the page to ask", `window.asked === '{"transport":["sms"]} true'`)
	tab.Evaluate(fmt.Sprintf(`(window.receive(%q), 0)`, w.code(mobile)))
	arrive(tab, w, s)
}

// TestLanguage: the person's choice holds for all pages, and costs nothing that
// was typed.
func TestLanguage(t *testing.T) {
	t.Parallel()
	for _, noScript := range []bool{false, true} {
		w := newWorld(t, nil)
		s := w.create(`"locale":"ja"`)
		tab := browser.Open(t, browsertest.View{Language: "en", NoScript: noScript})
		tab.Go(s.URL)
		tab.WaitText("h1", "電話番号を入力")
		write(tab, "#number", "090-12")
		click(tab, "footer [lang=en]")
		tab.WaitText("h1", "Enter your phone number")
		if got := tab.Evaluate(`document.querySelector("#number").value + document.documentElement.lang`); got != "090-12en" {
			t.Errorf("after the choice: %v", got)
		}
		tab.Evaluate(`(document.querySelector("#number").value = "090-1234-5678", 0)`)
		click(tab, ".first")
		tab.WaitText("h1", "Choose how")
		click(tab, "[value=sms]")
		write(tab, "#code", "12")
		click(tab, "footer [lang=ja]")
		tab.WaitText("h1", "コードを入力")
		if got := tab.Evaluate(`document.querySelector("#code").value`); got != "12" {
			t.Errorf("after the second choice: %v", got)
		}
		tab.Go(w.URL + "/verify/nowhere/at/all?lang=en")
		tab.Expect("the server responded with a status of 404")
		tab.WaitText("h1", "Page not found")
	}
}

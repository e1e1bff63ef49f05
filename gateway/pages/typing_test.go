package pages_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"denwa/gateway"
	parse "denwa/gateway/phone"
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
				tab.Click("#country-search")
				tab.Type("#country-search", query)
				if tab.Wait(query, fmt.Sprintf(`[...document.querySelectorAll("[role=option]")].slice(0, 3).some(o => o.dataset.value === %q)`, want)); t.Failed() {
					return
				}
				tab.Evaluate(`(document.querySelector("#country-search").blur(), 0)`)
			}
			tab.Click("#country-search")
			tab.Type("#country-search", "xyzzy")
			tab.Wait("nothing", `document.querySelectorAll("[role=option]").length === 1 && document.querySelector("[role=option][aria-disabled]")`)
			tab.Press("\u001b") // Escape: as before
			tab.Wait("Japan", `document.querySelector("#country").value === "JP" && document.querySelector("#country-search").value.includes("81")`)
			tab.Press("アメリカ合衆国") // which needs no mouse
			tab.Wait("the only one", `document.querySelectorAll("[role=option]").length === 1`)
			tab.Press("\t") // as Enter does
			tab.Wait("the next field", `document.activeElement.id === "number"`)
			tab.Wait("the choice", `document.querySelector("#country").value === "US" && document.querySelector("#countries").hidden`)
			enter(tab, "(201) 555-0123")
			tab.Wait("the number", `document.querySelector(".number b").innerText.replace(/\u2060/g, "") === "+12015550123"`)
		})
	}
}

// TestEveryCountryIsFound by its name in Japanese and in English, by its calling
// code and by its ISO code.
func TestEveryCountryIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	names := map[string][]string{}
	japanese, english := display.Japanese.Regions(), display.English.Regions()
	for _, code := range parse.Regions() {
		region := language.MustParseRegion(code)
		names[code] = []string{japanese.Name(region), english.Name(region), fmt.Sprintf("+%d", parse.CallingCode(code)), code}
	}
	all, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	tab := browser.Open(t, browsertest.View{})
	tab.Go(w.create("").URL)
	tab.WaitFor("#country-search")
	missed := tab.Evaluate(`(() => {
		Element.prototype.scrollIntoView = () => {}; // nobody looks, a thousand times
		const missed = [], input = document.querySelector("#country-search"), list = document.querySelector("#countries");
		for (const [code, names] of Object.entries(` + string(all) + `)) for (const name of names) {
			input.value = name;
			input.dispatchEvent(new Event("input"));
			if (!list.querySelector("[data-value=" + code + "]")) missed.push(code + " by " + name);
		}
		return missed.join(", ");
	})()`)
	if missed != "" {
		t.Errorf("not found: %v", missed)
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
	tab.Type("#number", "+1 201 555 0123\r")
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
		"0901": "090-1", "０９０１２３４５６７８": "090-1234-5678", "0312345678": "03-1234-5678", "+8190": "+8190",
		"04": "04", "0451234567": "045-123-4567", "0422512345": "0422-51-2345", "0742123456": "0742-12-3456", "0120123456": "0120-123-456",
		"08001234567": "0800-123-4567", "0126712345": "01267-1-2345", "045-12": "045-12", "031234567890": "03-1234-567890",
	} {
		tab.Evaluate(`(document.querySelector("#number").value = "", document.querySelector("#number").focus(), 0)`)
		tab.Press(typed)
		tab.Wait(want, fmt.Sprintf(`document.querySelector("#number").value === %q`, want))
	}
	// An input method writes as it likes, and tells when it is done.
	tab.Evaluate(`(() => {
		const number = document.querySelector("#number");
		number.value = "０９０１２３４５６７８";
		number.dispatchEvent(new InputEvent("input", { isComposing: true }));
		number.dispatchEvent(new CompositionEvent("compositionend"));
	})()`)
	if got := tab.Evaluate(`document.querySelector("#number").value`); got != "090-1234-5678" {
		t.Errorf("an input method's number became %q", got)
	}
	tab.Go(w.create(`"to":"090-1234-5678"`).URL)
	tab.Click("[value=sms]")
	tab.Wait("the code", `document.readyState === "complete" && document.querySelector("#code")`)
	for pasted, want := range map[string]string{"123 456": "123456", "１２３４５６": "123456", "Code: 123-456.": "123456", "1234567": "123456"} {
		tab.Evaluate(`(document.querySelector("#code").focus(), document.querySelector("#code").select())`)
		tab.Insert(pasted)
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
	tab.Click("[value=sms]")
	tab.Wait("the code", `document.querySelector("#code")`)
	wide := strings.Map(func(r rune) rune { return r - '0' + '０' }, w.code(mobile))
	tab.Type("#code", wide[:9]+" "+wide[9:]+"\r")
	arrive(tab, w, s)
}

// TestLanguage: the person's choice holds for all pages, and costs nothing that
// was typed.
func TestLanguage(t *testing.T) {
	t.Parallel()
	for _, noScript := range []bool{false, true} {
		t.Run(fmt.Sprintf("without JavaScript: %v", noScript), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			s := w.create(`"locale":"ja"`)
			tab := browser.Open(t, browsertest.View{Language: "en", NoScript: noScript})
			tab.Go(s.URL)
			tab.WaitText("h1", "電話番号を入力")
			tab.Type("#number", "090-12")
			tab.Click("footer [lang=en]")
			tab.WaitText("h1", "Enter your phone number")
			if got := tab.Evaluate(`document.querySelector("#number").value + document.documentElement.lang`); got != "090-12en" {
				t.Errorf("after the choice: %v", got)
			}
			tab.Evaluate(`(document.querySelector("#number").value = "090-1234-5678", 0)`)
			tab.Click(".first")
			tab.WaitText("h1", "Choose how")
			tab.Click("[value=sms]")
			tab.Type("#code", "12")
			tab.Click("footer [lang=ja]")
			tab.WaitText("h1", "コードを入力")
			if got := tab.Evaluate(`document.querySelector("#code").value`); got != "12" {
				t.Errorf("after the second choice: %v", got)
			}
			tab.Go(w.URL + "/verify/nowhere/at/all?lang=en")
			tab.Expect("the server responded with a status of 404")
			tab.WaitText("h1", "Page not found")
		})
	}
}

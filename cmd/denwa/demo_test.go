package main

import (
	"regexp"
	"testing"

	"denwa/providers/sandbox/browsertest"
)

// chromium is the browser of all tests here.
var chromium browsertest.Browser

// TestDemo registers at the demo portal as a person does, twice: by a message,
// and by a call to an office phone that somebody answers.
func TestDemo(t *testing.T) {
	g := serving(t)
	t.Run("message", func(t *testing.T) {
		tab := chromium.Open(t, browsertest.View{Width: 390, Height: 844})
		tab.Go(g.server + "/demo/")
		tab.Type("#name", "鈴木")
		tab.Click("button")
		tab.WaitText("h1", "電話番号")
		tab.Type("#number", "090-1234-5678")
		tab.Click("#main button")
		tab.Click("[name=channel][value=sms]")
		tab.Wait("the code's page", `document.querySelector("#code")`)
		code := regexp.MustCompile(`[0-9]{6}`).FindString(g.screen(t, "+819012345678"))
		tab.Type("#code", code)
		tab.Click("#main button")
		tab.Wait("the end", `document.querySelector("a.first")`)
		tab.Click("a.first")
		tab.WaitText("h1", "登録が完了しました")
		tab.WaitText("dd", "+81 90-****-5678")
	})
	t.Run("call", func(t *testing.T) {
		const number = "+81312345678"
		tab := chromium.Open(t, browsertest.View{Language: "en"})
		tab.Go(g.server + "/demo/")
		tab.Type("#number", "03-1234-5678")
		tab.Click("button")
		tab.Click("[name=channel][value=voice]") // a number that is known isn't asked for
		call := g.phoneCall(t, number, "ringing", false)
		g.keys(t, call, "answer", "")
		g.phoneCall(t, number, "answered", true)
		g.keys(t, call, "press", `{"digits":"#"}`)
		tab.Wait("the end, which comes by itself", `document.querySelector("a.first")`)
		tab.Click("a.first")
		tab.WaitText("h1", "You are registered")
	})
}

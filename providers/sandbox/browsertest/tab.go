package browsertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Tab is one tab with a profile of its own. Its methods end the test when they
// fail.
type Tab struct {
	tb   testing.TB
	ctx  context.Context //nolint:containedctx // the tab's life, which is how chromedp names it.
	view View

	mu      sync.Mutex
	origin  string // of the first page
	strange []string
	allowed []string // errors that the test expects
}

// dress has the tab look at pages as v says.
func (t *Tab) dress(v View) {
	t.tb.Helper()
	if v.Language == "" {
		v.Language = "ja"
	}
	agent := fmt.Sprint(t.evaluate("navigator.userAgent"))
	call(t, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent, AcceptLanguage: v.Language})
	call(t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: v.NoScript})
	t.resize(v)
}

// resize gives the tab, and the page in it, the size and the colours of v.
func (t *Tab) resize(v View) {
	t.tb.Helper()
	if v.Width == 0 {
		v.Width, v.Height = 1280, 900
	}
	scheme := "light"
	if v.Dark {
		scheme = "dark"
	}
	t.do("resize the tab", chromedp.EmulateViewport(v.Width, v.Height))
	call(t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// Go opens a page and waits until it is loaded.
func (t *Tab) Go(address string) {
	t.tb.Helper()
	t.mu.Lock()
	if t.origin == "" {
		t.origin = originOf(address)
	}
	t.mu.Unlock()
	t.do("open "+strings.TrimPrefix(address, originOf(address)), chromedp.Navigate(address))
}

// Before runs a script in each page that is opened from now on, before its own.
func (t *Tab) Before(script string) {
	t.tb.Helper()
	added, err := chromedp.Call(t.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	if err != nil {
		t.tb.Fatal(err)
	}
	t.tb.Cleanup(func() {
		call(t, page.RemoveScriptToEvaluateOnNewDocument, page.RemoveScriptToEvaluateOnNewDocumentParams(added))
	})
}

// Click clicks what a CSS selector finds, once the page has loaded and it is
// visible. It goes by the place on the screen: chromedp's nodes are gone when the
// page changes meanwhile, and its reading of them races with its own events. The
// mouse points first, since a page that is still settling moves what it shows.
func (t *Tab) Click(selector string) {
	t.tb.Helper()
	deadline := time.Now().Add(patience)
	for tries := 0; ; tries++ {
		t.WaitFor(selector)
		at, _ := t.evaluate(fmt.Sprintf(`(() => {
			const found = document.querySelector(%q);
			found.scrollIntoView({block: "center", behavior: "instant"});
			const box = found.getBoundingClientRect();
			return [box.x + box.width / 2, box.y + box.height / 2];
		})()`, selector)).([]any)
		if len(at) != 2 {
			t.tb.Fatalf("click %s: it is nowhere", selector)
		}
		x, _ := at[0].(float64)
		y, _ := at[1].(float64)
		t.do("point at "+selector, chromedp.MouseEvent(chromedp.MouseMoved, x, y))
		if hit, _ := t.evaluate(fmt.Sprintf(`document.querySelector(%q)?.matches(":hover")`, selector)).(bool); hit {
			t.do("click "+selector, chromedp.MouseClickXY(x, y))
			return
		}
		if time.Now().After(deadline) {
			t.tb.Fatalf("click %s: at %v, %v is %v", selector, x, y, t.evaluate(fmt.Sprintf(`document.elementFromPoint(%v, %v)?.outerHTML`, x, y)))
		}
		time.Sleep(pause(tries))
	}
}

// Type types into what a CSS selector finds, after what is there, once the page
// has loaded and it is visible. The text comes at once, as from an input method;
// "\r" at its end is the Enter key.
func (t *Tab) Type(selector, text string) {
	t.tb.Helper()
	t.WaitFor(selector)
	t.evaluate(fmt.Sprintf(`(() => {
		const found = document.querySelector(%q);
		found.focus();
		found.setSelectionRange?.(found.value.length, found.value.length);
	})()`, selector))
	text, enter := strings.CutSuffix(text, "\r")
	t.Insert(text)
	if enter {
		t.Press("\r")
	}
}

// Insert puts text where the focus is, in the place of what is selected, as
// pasting does.
func (t *Tab) Insert(text string) {
	t.tb.Helper()
	call(t, input.InsertText, input.InsertTextParams{Text: text})
}

// Press presses keys wherever the focus is.
func (t *Tab) Press(keys string) {
	t.tb.Helper()
	t.do("press keys", chromedp.KeyEvent(keys))
}

// WaitFor waits until the page has loaded and shows what a CSS selector finds,
// ready for use.
func (t *Tab) WaitFor(selector string) {
	t.tb.Helper()
	t.Wait(selector, fmt.Sprintf(
		`document.readyState === "complete" && document.querySelector(%q)?.checkVisibility() && !document.querySelector(%[1]q).disabled`, selector))
}

// Text is what a person reads of what a CSS selector finds.
func (t *Tab) Text(selector string) string {
	t.tb.Helper()
	return fmt.Sprint(t.evaluate(fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector)))
}

// WaitText waits until what a CSS selector finds says so, on a page that is all there.
func (t *Tab) WaitText(selector, want string) {
	t.tb.Helper()
	t.Wait(fmt.Sprintf("%q in %s", want, selector),
		fmt.Sprintf(`document.readyState !== "loading" && document.querySelector(%q)?.innerText.includes(%q)`, selector, want))
}

// Wait waits until a JavaScript expression is true. What says what for.
func (t *Tab) Wait(what, expression string) {
	t.tb.Helper()
	deadline := time.Now().Add(patience)
	for tries := 0; ; tries++ {
		// While a page is being left there is nothing to ask.
		value, err := chromedp.Run(t.ctx, chromedp.Evaluate[any]("!!("+expression+")"))
		if yes, _ := value.(bool); err == nil && yes {
			return
		}
		if time.Now().After(deadline) || t.ctx.Err() != nil {
			t.tb.Fatalf("waited in vain for %s (%v); the page says:\n%v", what, err, t.evaluate("document.body?.innerText"))
		}
		time.Sleep(pause(tries))
	}
}

// Evaluate returns what a JavaScript expression is; it waits for a promise.
func (t *Tab) Evaluate(expression string) any {
	t.tb.Helper()
	return t.evaluate(expression)
}

// Expect says that the page will complain with this text, which is no failure.
func (t *Tab) Expect(complaint string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.allowed = append(t.allowed, complaint)
}

func (t *Tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	t.tb.Helper()
	if err := chromedp.Do(t.ctx, actions...); err != nil {
		t.tb.Fatalf("%s: %v", what, err)
	}
}

func (t *Tab) evaluate(expression string) any {
	t.tb.Helper()
	value, err := chromedp.Run(t.ctx, chromedp.Evaluate[any](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.tb.Fatalf("evaluate: %v", err)
	}
	return value
}

// asked notes a request that leaves the origin.
func (t *Tab) asked(address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if origin := originOf(address); t.origin != "" && origin != "" && origin != t.origin { // about: and data: are nowhere
		t.strange = append(t.strange, "a request to another origin: "+address)
	}
}

// complains notes what the page complains of.
func (t *Tab) complains(of string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.strange = append(t.strange, of)
}

// judge fails the test for what the page complained of.
func (t *Tab) judge() {
	t.tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.strange {
		if !slices.ContainsFunc(t.allowed, func(a string) bool { return strings.Contains(s, a) }) {
			t.tb.Error(s)
		}
	}
}

func call[P, R any](t *Tab, command cdp.Command[P, R], params P) {
	t.tb.Helper()
	if _, err := chromedp.Call(t.ctx, command, params); err != nil {
		t.tb.Fatal(err)
	}
}

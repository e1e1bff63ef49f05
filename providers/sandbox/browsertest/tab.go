package browsertest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// Go opens a page and waits until it is loaded.
func (t *Tab) Go(address string) {
	t.tb.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.tb.Fatal(err)
	}
	t.mu.Lock()
	if t.origin == "" {
		t.origin = u.Scheme + "://" + u.Host
	}
	t.mu.Unlock()
	t.do("open "+u.Path, chromedp.Navigate(address))
}

// Click clicks what a CSS selector finds, once it is visible. It goes by the
// place on the screen: chromedp's nodes are gone when the page changes meanwhile,
// and its reading of them races with its own events.
func (t *Tab) Click(selector string) {
	t.tb.Helper()
	t.Wait("visible "+selector, fmt.Sprintf(`document.querySelector(%q)?.checkVisibility() && !document.querySelector(%[1]q).disabled`, selector))
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
	t.do("click "+selector, chromedp.MouseClickXY(x, y))
}

// Type types into what a CSS selector finds, after what is there, once it is visible.
func (t *Tab) Type(selector, text string) {
	t.tb.Helper()
	t.Wait("visible "+selector, fmt.Sprintf(`document.querySelector(%q)?.checkVisibility()`, selector))
	t.evaluate(fmt.Sprintf(`(() => {
		const found = document.querySelector(%q);
		found.focus();
		found.setSelectionRange?.(found.value.length, found.value.length);
	})()`, selector))
	t.Press(text)
}

// Press presses keys wherever the focus is.
func (t *Tab) Press(keys string) {
	t.tb.Helper()
	t.do("press keys", chromedp.KeyEvent(keys))
}

// Text is what a person reads of what a CSS selector finds.
func (t *Tab) Text(selector string) string {
	t.tb.Helper()
	return fmt.Sprint(t.evaluate(fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector)))
}

// WaitText waits until what a CSS selector finds says so.
func (t *Tab) WaitText(selector, want string) {
	t.tb.Helper()
	t.Wait(fmt.Sprintf("%q in %s", want, selector),
		fmt.Sprintf(`document.querySelector(%q)?.innerText.includes(%q)`, selector, want))
}

// Wait waits until a JavaScript expression is true. What says what for.
func (t *Tab) Wait(what, expression string) {
	t.tb.Helper()
	deadline := time.Now().Add(patience)
	for {
		// While a page is being left there is nothing to ask.
		value, err := chromedp.Run(t.ctx, chromedp.Evaluate[any]("!!("+expression+")"))
		if yes, _ := value.(bool); err == nil && yes {
			return
		}
		if time.Now().After(deadline) || t.ctx.Err() != nil {
			t.tb.Fatalf("waited in vain for %s (%v); the page says:\n%v", what, err, t.evaluate("document.body?.innerText"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Evaluate returns what a JavaScript expression is; it waits for a promise.
func (t *Tab) Evaluate(expression string) any {
	t.tb.Helper()
	return t.evaluate(expression)
}

// Shot writes a picture of the whole page into the folder that the variable
// DENWA_SCREENSHOTS names; without it, nothing.
func (t *Tab) Shot(name string) {
	t.tb.Helper()
	folder := os.Getenv("DENWA_SCREENSHOTS")
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(t.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.tb.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		t.tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600); err != nil {
		t.tb.Fatal(err)
	}
}

// Axe fails the test for each serious barrier that axe-core finds on the page.
// Script is the path of axe.min.js, which .ci/setup installs.
func (t *Tab) Axe(script string) {
	t.tb.Helper()
	source, err := os.ReadFile(script) //nolint:gosec // G304: the test's own.
	if err != nil {
		missing(t.tb, "npm package axe-core (run .ci/setup)")
	}
	t.do("load axe-core", chromedp.Evaluate[chromedp.Void](string(source)))
	found := t.evaluate(`axe.run({resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations.map(v =>
		({impact: v.impact, id: v.id, help: v.help, nodes: v.nodes.map(n => n.html + " " + n.any.map(a => a.message).join("; "))}))))`)
	var violations []struct {
		Impact, ID, Help string
		Nodes            []string
	}
	if err := json.Unmarshal([]byte(fmt.Sprint(found)), &violations); err != nil {
		t.tb.Fatal(err)
	}
	for _, v := range violations {
		if v.Impact == "serious" || v.Impact == "critical" {
			t.tb.Errorf("axe: %s: %s\n%s", v.ID, v.Help, strings.Join(v.Nodes, "\n"))
		}
	}
}

// Narrow fails the test if the page has to be scrolled sideways.
func (t *Tab) Narrow() {
	t.tb.Helper()
	if wide, _ := t.evaluate(`document.documentElement.scrollWidth > document.documentElement.clientWidth`).(bool); wide {
		t.tb.Error("the page is wider than the screen")
	}
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

// checkOrigin notes a request that leaves the origin.
func (t *Tab) checkOrigin(address string) {
	t.mu.Lock()
	origin := t.origin
	t.mu.Unlock()
	if origin == "" || strings.HasPrefix(address, origin+"/") || strings.HasPrefix(address, "about:") {
		return
	}
	t.note("a request to another origin: " + address)
}

func (t *Tab) note(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.strange = append(t.strange, what)
}

// finish fails the test for what the page complained of.
func (t *Tab) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.strange {
		expected := false
		for _, a := range t.allowed {
			expected = expected || strings.Contains(s, a)
		}
		if !expected {
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

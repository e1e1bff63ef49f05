// Package browsertest looks at pages with a real Chromium, for tests.
//
// One browser serves all tests of a package; each [Tab] has a profile of its
// own and ends with its test. A tab fails its test when the page writes an
// error to the console, throws, or asks another origin for anything. A test is
// skipped where Chromium is not installed, and fails there when CI=true.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

const (
	// tabLife bounds what a test does with one tab.
	tabLife = 60 * time.Second
	// patience is how long something may take to show. A loaded machine needs it.
	patience = 20 * time.Second
)

// Browser is one Chromium, started when the first tab is opened. The zero value
// is ready. [Browser.Main] ends it.
type Browser struct {
	start  sync.Once
	ctx    context.Context //nolint:containedctx // the browser's life, which is how chromedp names it.
	cancel context.CancelFunc
	err    error
}

// Main is m with the browser ended after its tests, for TestMain.
func (b *Browser) Main(m *testing.M) *Main { return &Main{m, b} }

// Main are the tests of a package and their browser.
type Main struct {
	tests   *testing.M
	browser *Browser
}

// Run runs the tests and returns the exit code.
func (m *Main) Run() int {
	code := m.tests.Run()
	if m.browser.cancel != nil {
		m.browser.cancel()
	}
	return code
}

func (b *Browser) launch() {
	path, err := exec.LookPath("chromium")
	if err != nil {
		b.err = err
		return
	}
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, // it sees nothing but the tests' own pages
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("mute-audio", true),
	)...)
	ctx, end := chromedp.NewContext(allocator)
	b.ctx, b.cancel = ctx, func() { end(); endAllocator() }
	b.err = chromedp.Do(ctx)
}

// View is how a tab looks at pages. Zero values are a desktop, light, in
// Japanese, with JavaScript.
type View struct {
	Width, Height int64 // CSS pixels; 1280 by 900 if 0
	Dark          bool
	Language      string // Accept-Language
	NoScript      bool
}

// Tab is one tab with a profile of its own. Its methods end the test when they
// fail.
type Tab struct {
	tb  testing.TB
	ctx context.Context //nolint:containedctx // the tab's life, which is how chromedp names it.

	mu      sync.Mutex
	origin  string // of the first page
	strange []string
	allowed []string // errors that the test expects
}

// Open opens a tab.
func (b *Browser) Open(tb testing.TB, v View) *Tab {
	tb.Helper()
	b.start.Do(b.launch)
	if b.err != nil {
		missing(tb, "chromium (Debian: apt-get install chromium fonts-noto-cjk): "+b.err.Error())
	}
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	tb.Cleanup(cancel)
	ctx, cancelLife := context.WithTimeout(ctx, tabLife)
	tb.Cleanup(cancelLife)
	t := &Tab{tb: tb, ctx: ctx}
	t.open(v)
	tb.Cleanup(t.finish)
	return t
}

func (t *Tab) open(v View) {
	t.tb.Helper()
	if v.Width == 0 {
		v.Width, v.Height = 1280, 900
	}
	scheme := "light"
	if v.Dark {
		scheme = "dark"
	}
	if v.Language == "" {
		v.Language = "ja"
	}
	t.do("open a tab", chromedp.EmulateViewport(v.Width, v.Height))
	agent := t.evaluate("navigator.userAgent")
	call(t, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: fmt.Sprint(agent), AcceptLanguage: v.Language})
	call(t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	if v.NoScript {
		call(t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	}
	console, requests := chromedp.Console(t.ctx), chromedp.Events(t.ctx, network.RequestWillBeSent)
	call(t, network.Enable, network.EnableParams{})
	go func() {
		for m, err := range console {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == "error" || m.Type == "warning" {
				t.note("console: " + m.String() + " " + m.URL)
			}
		}
	}()
	go func() {
		for r, err := range requests {
			if err != nil {
				return
			}
			t.checkOrigin(r.Request.URL)
		}
	}()
}

// missing skips a test whose peer isn't installed; in CI it fails.
func missing(tb testing.TB, what string) {
	tb.Helper()
	message := "missing peer: " + what
	if ci, _ := strconv.ParseBool(os.Getenv("CI")); ci {
		tb.Fatal(message)
	}
	tb.Skip(message)
}

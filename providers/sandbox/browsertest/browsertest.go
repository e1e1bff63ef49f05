// Package browsertest looks at pages with a real Chromium, for tests.
//
// One browser serves all tests of a package. A [Tab] has a profile that nobody
// else uses meanwhile, and ends with its test; the window behind it is emptied
// and serves the next, since a new one costs as much as many pages. A tab fails
// its test when the page writes an error to the console, throws, or asks another
// origin for anything. A test is skipped where Chromium is not installed, and
// fails there when CI=true.
package browsertest

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const (
	// tabLife bounds what a test does with one tab.
	tabLife = 3 * time.Minute
	// patience is how long something may take to show. A loaded machine needs it.
	patience = 30 * time.Second
)

// Browser is one Chromium, started when the first tab is opened. The zero value
// is ready. [Browser.Main] ends it.
type Browser struct {
	// Features are those of Blink's runtime to turn on, separated by commas.
	Features string

	start  sync.Once
	ctx    context.Context //nolint:containedctx // the browser's life, which is how chromedp names it.
	cancel context.CancelFunc
	err    error

	mu   sync.Mutex
	idle []*window
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
		chromedp.Flag("enable-blink-features", b.Features),
		chromedp.Flag("process-per-site", true), // a process for each page would cost more than the page
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

// Open opens a tab.
func (b *Browser) Open(tb testing.TB, v View) *Tab {
	tb.Helper()
	b.start.Do(b.launch)
	if b.err != nil {
		missing(tb, "chromium (Debian: apt-get install chromium fonts-noto-cjk): "+b.err.Error())
	}
	w := b.take(tb)
	ctx, cancel := context.WithTimeout(w.ctx, tabLife)
	t := &Tab{tb: tb, ctx: ctx, view: v}
	w.serve(t)
	tb.Cleanup(func() {
		w.serve(nil)
		cancel()
		t.judge()
		b.giveBack(w, tb.Failed())
	})
	t.dress(v)
	return t
}

// take returns an empty window.
func (b *Browser) take(tb testing.TB) *window {
	tb.Helper()
	b.mu.Lock()
	if last := len(b.idle) - 1; last >= 0 {
		w := b.idle[last]
		b.idle = b.idle[:last]
		b.mu.Unlock()
		return w
	}
	b.mu.Unlock()
	w, err := b.open()
	if err != nil {
		tb.Fatal("open a tab: ", err)
	}
	return w
}

// giveBack takes a window for the next test, unless something of the last one
// might stay.
func (b *Browser) giveBack(w *window, failed bool) {
	if failed || !w.empty() {
		w.close()
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.idle = append(b.idle, w)
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

package browsertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// window is what Chromium calls a tab, in a profile of its own. It serves one
// [Tab] after another.
type window struct {
	ctx   context.Context //nolint:containedctx // its life, which is how chromedp names it.
	close context.CancelFunc

	mu      sync.Mutex
	tab     *Tab // whose events these are
	origins map[string]bool
	popups  bool // it has opened others
}

// open opens a window.
func (b *Browser) open() (*window, error) {
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	w := &window{ctx: ctx, close: cancel, origins: map[string]bool{}}
	// What a page did before a command returns is noted before it returns.
	err := chromedp.Listen(ctx, w.note)
	if err == nil {
		_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return w, nil
}

// serve has w serve t; nil for nobody.
func (w *window) serve(t *Tab) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tab = t
}

// note tells the tab what its page does.
func (w *window) note(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tab == nil {
		return
	}
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		w.tab.asked(e.Request.URL)
	case *page.EventWindowOpen:
		w.popups = true
	case *page.EventFrameNavigated:
		w.origins[originOf(e.Frame.URL)] = true
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			var words []string
			for _, a := range e.Args {
				words = append(words, string(a.Value)+a.Description)
			}
			w.tab.complains("console: " + strings.Join(words, " "))
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		w.tab.complains("exception: " + text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			w.tab.complains(fmt.Sprintf("console: %s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	}
}

// originOf is the origin of a URL, or "" where there is none.
func originOf(address string) string {
	scheme, rest, found := strings.Cut(address, "://")
	host, _, _ := strings.Cut(rest, "/")
	if !found || host == "" {
		return ""
	}
	return scheme + "://" + host
}

// empty reports whether nothing is left of what was done in w.
func (w *window) empty() bool {
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.Navigate("about:blank"))
	w.mu.Lock()
	origins, popups := w.origins, w.popups
	w.origins = map[string]bool{}
	w.mu.Unlock()
	for origin := range origins {
		if err == nil && origin != "" {
			_, err = chromedp.Call(ctx, storage.ClearDataForOrigin, storage.ClearDataForOriginParams{Origin: origin, StorageTypes: "all"})
		}
	}
	if err == nil {
		_, err = chromedp.Call(ctx, network.ClearBrowserCookies, cdp.Empty{})
	}
	if err == nil {
		_, err = chromedp.Call(ctx, page.ResetNavigationHistory, cdp.Empty{})
	}
	return err == nil && !popups
}

// pause is how long to wait before looking again: quick at first, then sparing.
func pause(tries int) time.Duration { return 5 * time.Millisecond << min(tries, 4) }

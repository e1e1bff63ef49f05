package browsertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

var browser Browser

func TestMain(m *testing.M) { os.Exit(browser.Main(m).Run()) }

// TestClickOnWhatMoves: a page that is still settling is clicked on where it
// settles.
func TestClickOnWhatMoves(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, `<!doctype html><title>x</title><link rel="icon" href="data:,"><button onclick="window.clicked = true">x</button><script>
			const button = document.querySelector("button"), measure = button.getBoundingClientRect;
			let moves = 2;
			button.getBoundingClientRect = function () {
				const box = measure.call(this);
				if (moves-- > 0) button.style.marginTop = 100 * moves + 100 + "px";
				return box;
			};</script>`)
	}))
	t.Cleanup(server.Close)
	tab := browser.Open(t, View{})
	tab.Go(server.URL)
	tab.Click("button")
	tab.Wait("the click", "window.clicked")
}

package pages

import (
	"net/http"
	"time"

	"denwa/gateway"
)

// trouble is a page that says why it doesn't go on here, and where it does.
type trouble struct {
	key    string // of its texts, "trouble.<key>"
	status int
	ways   []wayOn
	wait   time.Duration // until it makes sense to try again
}

// wayOn is a link out of trouble.
type wayOn string

const (
	toAgain  wayOn = "again"  // start again with the same number
	toChange wayOn = "change" // another number
	toMethod wayOn = "method" // the same number, later
	toOpen   wayOn = "open"   // what is now
	toRetry  wayOn = "retry"  // the same, after a failure
	toReturn wayOn = "return" // back to the app
)

// troubles are all there are, by key.
var troubles = func() map[string]trouble {
	all := map[string]trouble{}
	add := func(key string, status int, ways ...wayOn) { all[key] = trouble{key: key, status: status, ways: ways} }
	// Of a verification.
	add("code_expired", http.StatusOK, toAgain, toChange)
	add("attempts", http.StatusOK, toAgain, toChange)
	add("withdrawn", http.StatusOK, toAgain, toReturn)
	add("denied", http.StatusOK, toChange, toReturn)
	// Of a number.
	add("blocked", http.StatusForbidden, toChange, toReturn)
	add("limited", http.StatusTooManyRequests, toMethod, toChange)
	// Of the session.
	add("timeout", http.StatusGone, toReturn)
	add("canceled", http.StatusOK, toReturn)
	add("taken", http.StatusForbidden)
	add("unknown", http.StatusNotFound)
	// Of the request.
	add("form", http.StatusForbidden, toOpen)
	add("unavailable", http.StatusServiceUnavailable, toRetry)
	add("internal", http.StatusInternalServerError, toRetry)
	return all
}()

// troubleOf is the page for an error of the domain.
func troubleOf(code gateway.Code) trouble {
	switch code { //nolint:exhaustive // the others are the program's own fault.
	case gateway.CodeNotFound:
		return troubles["unknown"]
	case gateway.CodeBlocked:
		return troubles["blocked"]
	case gateway.CodeRateLimited:
		return troubles["limited"]
	case gateway.CodeUnavailable:
		return troubles["unavailable"]
	}
	return troubles["internal"]
}

// ended shows what became of a session that is over without a result.
func (h *Handler) ended(p *page) {
	if p.Status == gateway.Canceled {
		h.troubled(p, troubles["canceled"])
		return
	}
	h.troubled(p, troubles["timeout"])
}

// troubleView is what trouble.html shows.
type troubleView struct {
	Key, Wait string
	Ways      []link
}

type link struct{ Label, To string }

// troubled shows t to the browser that has the session.
func (h *Handler) troubled(p *page, t trouble) { h.trouble(p.w, p.r, p.Visit, t) }

// trouble shows t; v may be nil.
func (h *Handler) trouble(w http.ResponseWriter, r *http.Request, v *gateway.Visit, t trouble) {
	words := h.wordsOf(r, v)
	view := troubleView{Key: t.key, Wait: words.duration(t.wait)}
	for _, way := range t.ways {
		switch way {
		case toAgain:
			view.Ways = append(view.Ways, link{words.text("again"), "method"})
		case toChange:
			view.Ways = append(view.Ways, link{words.text("method.change"), "number"})
		case toMethod:
			view.Ways = append(view.Ways, link{words.text("retry"), "method"})
		case toOpen:
			view.Ways = append(view.Ways, link{words.text("trouble.open"), "./"})
		case toRetry:
			view.Ways = append(view.Ways, link{words.text("retry"), "./"})
		case toReturn:
			if v != nil {
				view.Ways = append(view.Ways, link{words.text("return", "brand", v.Policy.Brand), v.BackURL()})
			}
		}
	}
	if t.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	h.render(w, r, v, words, layout{Name: "trouble", Status: t.status, Title: words.text("trouble." + t.key), Body: view})
}

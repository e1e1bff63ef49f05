package pages

import (
	"net/http"
	"path"
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
	add("call_expired", http.StatusOK, toAgain, toChange)
	add("attempts", http.StatusOK, toAgain, toChange)
	add("keyed_attempts", http.StatusOK, toAgain, toChange)
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
	// Action is where to post Fields again, so that what was typed isn't lost;
	// empty where nothing was.
	Action string
	Fields []hidden
}

// hidden is a field that a form carries unseen.
type hidden struct{ Name, Value string }

// posted are the fields that r came with, of those that the pages have. The
// token is one, so a form of another site's making does no more the second time.
func posted(r *http.Request) (fields []hidden) {
	for _, name := range []string{"token", "number", "country", "extension", "channel", "seen", "code", "used", "turn"} {
		if r.PostForm.Has(name) {
			fields = append(fields, hidden{name, r.PostForm.Get(name)})
		}
	}
	return fields
}

type link struct {
	Label, To string
	Wait      int // seconds until it makes sense, if that is worth waiting for
}

// short is d in seconds if a person may sit it out, else 0.
func short(d time.Duration) int {
	if d > 2*time.Minute {
		return 0
	}
	return secondsUntil(d)
}

// troubled shows t to the browser that has the session.
func (h *Handler) troubled(p *page, t trouble) { h.trouble(p.w, p.r, p.Visit, t) }

// trouble shows t; v may be nil.
func (h *Handler) trouble(w http.ResponseWriter, r *http.Request, v *gateway.Visit, t trouble) {
	words := h.wordsOf(r, v)
	view := troubleView{Key: t.key, Wait: words.duration(t.wait)}
	for _, way := range t.ways {
		switch way {
		case toAgain:
			view.Ways = append(view.Ways, link{Label: words.text("again"), To: "method"})
		case toChange:
			view.Ways = append(view.Ways, link{Label: words.text("method.change"), To: "number"})
		case toMethod:
			view.Ways = append(view.Ways, link{Label: words.text("retry"), To: "method", Wait: short(t.wait)})
		case toOpen:
			view.Ways = append(view.Ways, link{Label: words.text("trouble.open"), To: "./"})
		case toRetry:
			if view.Fields = posted(r); len(view.Fields) > 0 {
				view.Action = path.Base(r.URL.Path)
				continue
			}
			view.Ways = append(view.Ways, link{Label: words.text("retry"), To: "./"})
		case toReturn:
			if v != nil {
				view.Ways = append(view.Ways, link{Label: words.text("return", "brand", v.Policy.Brand), To: v.BackURL()})
			}
		}
	}
	if t.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	h.render(w, r, v, words, layout{
		Name: "trouble", Status: t.status, Title: words.text("trouble." + t.key), Script: t.wait > 0, Form: view.Action != "", Body: view,
	})
}

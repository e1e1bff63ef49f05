package pages

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"denwa/gateway"
)

const (
	// heartbeat is how often a silent stream shows that it lives.
	heartbeat = 15 * time.Second
	// streamFor bounds a stream; the page then comes back for another one.
	streamFor = 10 * time.Minute
	// writeWithin is how long a browser may take to make room for an event. It
	// replaces the server's limit for a whole reply.
	writeWithin = 10 * time.Second
)

// told is what an event tells a page.
type told struct {
	Text  string `json:"text"`
	Alert bool   `json:"alert"`
	// Next is the page to load; empty to stay.
	Next string `json:"next,omitempty"`
}

// events streams what becomes of a verification, as server-sent events. It
// begins with what changed since the page was made, which says so in "since".
func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	p, known, ok := h.follower(w, r)
	if !ok {
		return
	}
	life, stop := context.WithTimeout(r.Context(), streamFor)
	defer stop()
	defer context.AfterFunc(h.draining, stop)() //nolint:contextcheck // draining is the server's life, not the request's.

	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no") // nginx would collect events
	header.Set("Connection", "close")     // coming back is a new connection, and so maybe another instance
	control := http.NewResponseController(w)
	send := func(text string) bool {
		_ = control.SetWriteDeadline(time.Now().Add(writeWithin)) // not every writer can
		_, err := w.Write([]byte(text))                           //nolint:gosec // G705: an event stream, of our own texts in JSON.
		return err == nil && control.Flush() == nil
	}
	_ = control.SetReadDeadline(time.Time{}) // a stream outlives what bounds a request
	if !send("retry: 1000\n\n") {
		return
	}
	h.follow(life, p, known, send)
}

// follower is the visit that follows its verification, and when that last
// changed as far as the page knows.
func (h *Handler) follower(w http.ResponseWriter, r *http.Request) (p *page, known time.Time, ok bool) {
	v, err := h.sessions.Visit(r.Context(), r.PathValue("id"), cookieOf(r))
	if err != nil || v.Verification == nil {
		w.WriteHeader(http.StatusNoContent) // tells the browser not to come back
		return nil, known, false
	}
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = r.URL.Query().Get("since")
	}
	micros, _ := strconv.ParseInt(last, 10, 64)
	return &page{Visit: v, w: w, r: r, words: h.wordsOf(r, v)}, time.UnixMicro(micros), true
}

// follow sends each change until the page has to be loaded anew.
func (h *Handler) follow(life context.Context, p *page, known time.Time, send func(string) bool) {
	shown := p.r.URL.Query().Get("shown")
	for life.Err() == nil {
		v, err := h.sessions.Wait(life, p.Visit, known, heartbeat)
		switch {
		case err != nil:
			return // the page comes back, and shows why if it can't
		case v.UpdatedAt.Equal(known) && v.Status == gateway.Pending:
			if life.Err() == nil && !send(":\n\n") {
				return
			}
			continue
		}
		known = v.UpdatedAt
		t := toldOf(p.words, v, shown)
		data, err := json.Marshal(t)
		if err != nil {
			panic(err) // strings always marshal
		}
		if !send(fmt.Sprintf("id: %d\ndata: %s\n\n", known.UnixMicro(), data)) || t.Next != "" {
			return
		}
	}
}

// toldOf is what a page is told of v. shown is the [sight] that it shows.
func toldOf(w *words, v *gateway.Verification, shown string) told {
	n := newsOf(v)
	t := told{Text: w.text(n.key), Alert: n.alert}
	switch {
	case v.Status == gateway.Approved:
		t.Next = "done"
	case v.Status != gateway.Pending, sight(v) != shown, n.carrier:
		t.Next = "code"
	case v.Mode != gateway.ModeCode && n.over:
		t.Next = "code"
	}
	return t
}

// sight names what kind of page v has: a page that shows another is out of date.
func sight(v *gateway.Verification) string {
	return v.ID.Name() + "." + string(v.Channel) + "." + string(v.Mode)
}

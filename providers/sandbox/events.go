package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	// maxFollowed is how many phones one stream follows.
	maxFollowed = 16
	// maxRecent is how many of the phones used last a stream names.
	maxRecent = 8
	// heartbeat is how often a silent stream shows that it lives.
	heartbeat = 15 * time.Second
	// pause is the least time between events: many changes at once are one.
	pause = 50 * time.Millisecond
	// writeWithin is how long a client may take to make room for an event.
	writeWithin = 10 * time.Second
)

// sight is all that there is to see of one phone.
type sight struct {
	Number    string    `json:"number"`
	Messages  []message `json:"messages"`
	Calls     []screen  `json:"calls"`
	Behaviour Behaviour `json:"behaviour"`

	version int
}

// see looks at a phone. p.mu is held.
func (p *Phones) see(number string) sight {
	s := sight{Number: number, Messages: []message{}, Calls: []screen{}, Behaviour: usual()} // never null in JSON
	ph, ok := p.look(number)
	if !ok {
		return s
	}
	for _, m := range ph.messages {
		s.Messages = append(s.Messages, *m)
	}
	for _, c := range ph.calls {
		s.Calls = append(s.Calls, c.screen)
	}
	s.Behaviour, s.version = ph.next, ph.version
	return s
}

// recent are the numbers of the phones used last, the latest first. p.mu is held.
func (p *Phones) recent() []string {
	numbers := []string{}
	for e := p.used.Front(); e != nil && len(numbers) < maxRecent; e = e.Next() {
		numbers = append(numbers, phoneOf(e).number)
	}
	return numbers
}

// getEvents streams, as server-sent events,
//
//	event: phones   ["+819012345678"]: those used last, the latest first
//	event: phone    {"number","messages","calls","behaviour"}: one of those that the query names
//
// each at first, and again when it changed. A client that comes back is told
// everything again, so nothing is missed.
func (p *Phones) getEvents(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()["phone"]
	f := follower{phones: p}
	for _, number := range asked {
		digits := strings.TrimPrefix(strings.TrimSpace(number), "+") // "+" is a space in a query
		if !e164Form.MatchString(digits) || len(asked) > maxFollowed {
			writeProblem(w, http.StatusUnprocessableEntity, "invalid_number", "phone",
				"phone names up to 16 numbers in E.164: a country code and the number, 7 to 15 digits")
			return
		}
		f.numbers = append(f.numbers, "+"+digits)
	}
	f.seen = make([]int, len(f.numbers))
	for i := range f.seen {
		f.seen[i] = -1
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store") // it holds codes
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // nginx would collect events
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // a stream outlives what bounds a request; not every writer can
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for text := f.news(); ; text = f.news() {
		_ = control.SetWriteDeadline(time.Now().Add(writeWithin))
		if _, err := w.Write(text); err != nil || control.Flush() != nil {
			return
		}
		if !f.wait(r, beat.C) {
			return
		}
	}
}

// follower is one stream.
type follower struct {
	phones  *Phones
	numbers []string
	seen    []int // the version of each that was told
	recent  []string
	changed <-chan struct{} // closed by a change after the last news
}

// news is what changed since the last news; a comment if nothing did.
func (f *follower) news() []byte {
	p := f.phones
	p.mu.Lock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	f.changed = p.changed
	recent := p.recent()
	var changed []sight
	for i, number := range f.numbers {
		version := 0
		if ph, ok := p.look(number); ok {
			version = ph.version
		}
		if version != f.seen[i] {
			f.seen[i] = version
			changed = append(changed, p.see(number))
		}
	}
	p.mu.Unlock()

	var text bytes.Buffer
	if f.recent == nil || !slices.Equal(recent, f.recent) {
		f.recent = recent
		writeEvent(&text, "phones", recent)
	}
	for _, s := range changed {
		writeEvent(&text, "phone", s)
	}
	if text.Len() == 0 {
		text.WriteString(":\n\n")
	}
	return text.Bytes()
}

// wait returns when there may be news, or false when the stream is over.
func (f *follower) wait(r *http.Request, beat <-chan time.Time) (goOn bool) {
	select {
	case <-time.After(pause):
	case <-f.phones.over:
		return false
	case <-r.Context().Done():
		return false
	}
	select {
	case <-f.changed:
	case <-beat:
	case <-f.phones.over:
		return false
	case <-r.Context().Done():
		return false
	}
	return true
}

// writeEvent writes an event. JSON has no line breaks outside of strings and
// escapes them inside, so it is one line.
func writeEvent(to *bytes.Buffer, name string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, numbers and times always marshal
	}
	to.WriteString("event: " + name + "\ndata: ")
	to.Write(data)
	to.WriteString("\n\n")
}

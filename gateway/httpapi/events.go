package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"denwa/gateway"
)

const (
	// heartbeat is how often a stream without news shows that it lives. Proxies
	// hang up on streams that are silent for a minute, some for half of one.
	heartbeat = 15 * time.Second
	// streamFor bounds a stream, so that keys and connections are renewed.
	streamFor = 10 * time.Minute
	// writeWithin is how long a client may take to make room for an event. It
	// replaces WriteTimeout, which bounds a whole reply.
	writeWithin = 10 * time.Second
	// reconnectAfter is how soon a client whose stream ended should come back.
	reconnectAfter = time.Second
)

// events serves a verification as server-sent events, as in the HTML standard:
// as it is at first, then after each change, until it is over.
//
// A stream also ends when the server drains, after streamFor, when the store
// fails, and when the client reads too slowly. The client then comes back with
// the id of the last event, and nothing is repeated or missed.
func (s *Server) events(ec echo.Context) error {
	c := callOf(ec)
	v, known, err := s.followed(c)
	switch {
	case err != nil:
		return err
	case known && v.Status != gateway.Pending:
		return c.NoContent(http.StatusNoContent) // tells the client not to come back
	}
	life, stop := context.WithTimeout(c.Request().Context(), streamFor)
	defer stop()
	defer context.AfterFunc(s.draining, stop)() //nolint:contextcheck // draining is the server's life, not the request's.
	out := newStream(c, stop)
	defer out.end()
	if err := out.begin(v, known); err != nil {
		return err
	}
	return s.follow(life, c, v, out)
}

// followed is the verification to follow, and whether the client knows already
// what it says now.
func (s *Server) followed(c *call) (v *gateway.Verification, known bool, err error) {
	private(c.Response().Header())
	if err := s.authenticate(c); err != nil {
		return nil, false, err
	}
	r := c.Request()
	if r.URL.RawQuery != "" {
		return nil, false, refuse("", "this call takes no query parameters")
	}
	v, err = s.o.Verifier.Get(r.Context(), c.app, c.Param("id"))
	if err != nil {
		return nil, false, err
	}
	// An unknown id is no error: machinery sends it, not the developer.
	return v, r.Header.Get("Last-Event-ID") == eventID(v), nil
}

// follow writes each change of v to out until v or life is over.
func (s *Server) follow(life context.Context, c *call, v *gateway.Verification, out *stream) error {
	for v.Status == gateway.Pending && life.Err() == nil {
		now, err := s.o.Verifier.WaitSince(life, c.app, c.Param("id"), v.UpdatedAt, streamFor)
		switch {
		case err != nil && life.Err() == nil:
			s.log.WarnContext(life, "event stream broken off", "app", c.app.Name, "error", err)
			return err
		case err != nil || now.Status == v.Status && now.UpdatedAt.Equal(v.UpdatedAt):
			continue // no news
		}
		v = now
		if err := out.send(v); err != nil {
			return err // the client is gone, or too slow
		}
	}
	return nil
}

// stream writes server-sent events to a client, and a heartbeat after each time
// without one. A timer does that, rather than the request's goroutine: thousands
// that wake up to write three bytes would ask the store as often, and keep the
// memory that they need for it. Each method fails once the client didn't take
// it within writeWithin.
type stream struct {
	response *echo.Response
	control  *http.ResponseController // of the writer below, whose Flush reports errors
	broken   func()                   // called when a heartbeat fails

	mu    sync.Mutex
	beats *time.Timer
	over  bool // nothing may be written any more
}

func newStream(c *call, broken func()) *stream {
	h := c.Response().Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would collect events
	h.Set("Connection", "close")     // coming back is a new connection, and so maybe another instance
	return &stream{response: c.Response(), control: http.NewResponseController(c.Response().Writer), broken: broken}
}

// begin says when to come back, and sends v unless the client knows it.
func (o *stream) begin(v *gateway.Verification, known bool) error {
	text := "retry: " + strconv.FormatInt(reconnectAfter.Milliseconds(), 10) + "\n"
	if known {
		return o.write(text + "\n")
	}
	return o.write(text + eventOf(v))
}

func (o *stream) send(v *gateway.Verification) error { return o.write(eventOf(v)) }

// beat writes a comment, which clients skip.
func (o *stream) beat() {
	if o.write(":\n\n") != nil {
		o.broken()
	}
}

func (o *stream) write(text string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return nil
	}
	if err := o.control.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	if _, err := o.response.Write([]byte(text)); err != nil {
		return err
	}
	if err := o.control.Flush(); err != nil {
		return err
	}
	if o.beats == nil {
		o.beats = time.AfterFunc(heartbeat, o.beat)
	} else {
		o.beats.Reset(heartbeat)
	}
	return nil
}

// end returns when no heartbeat is being written, and there will be none.
func (o *stream) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	_ = o.control.SetWriteDeadline(time.Now().Add(writeWithin)) // for how net/http ends the reply
	if o.beats != nil {
		o.beats.Stop()
	}
}

// eventOf is v as an event. JSON has no line breaks outside of strings and
// escapes them inside, so it is one line.
func eventOf(v *gateway.Verification) string {
	data, err := json.Marshal(verificationOf(v))
	if err != nil {
		panic(err) // strings and numbers always marshal.
	}
	return "id: " + eventID(v) + "\nevent: verification\ndata: " + string(data) + "\n\n"
}

// eventID names what v says: when it last changed, in microseconds as the store
// counts them.
func eventID(v *gateway.Verification) string { return version(v.UpdatedAt) }

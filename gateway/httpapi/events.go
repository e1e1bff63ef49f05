package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
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
	h := c.Response().Header()
	private(h)
	if err := s.authenticate(c); err != nil {
		return err
	}
	r := c.Request()
	if r.URL.RawQuery != "" {
		return refuse("", "this call takes no query parameters")
	}
	ctx := r.Context()
	v, err := s.o.Verifier.Get(ctx, c.app, c.Param("id"))
	if err != nil {
		return err
	}
	// An unknown id is no error: machinery sends it, not the developer.
	known := r.Header.Get("Last-Event-ID") == eventID(v)
	if known && v.Status != gateway.Pending {
		return c.NoContent(http.StatusNoContent) // tells the client not to come back
	}
	life, stop := context.WithTimeout(ctx, streamFor)
	defer stop()
	defer context.AfterFunc(s.draining, stop)() //nolint:contextcheck // draining is the server's life, not the request's.

	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would collect events
	h.Set("Connection", "close")     // coming back is a new connection, and so maybe another instance
	out := stream{c.Response(), http.NewResponseController(c.Response().Writer)}
	if err := out.begin(v, known); err != nil {
		return err
	}
	return s.follow(life, c, v, out)
}

// follow writes each change of v to out until v or life is over.
func (s *Server) follow(life context.Context, c *call, v *gateway.Verification, out stream) error {
	for v.Status == gateway.Pending && life.Err() == nil {
		now, err := s.o.Verifier.WaitSince(life, c.app, c.Param("id"), v.UpdatedAt, heartbeat)
		switch {
		case life.Err() == nil && err != nil:
			s.log.WarnContext(life, "event stream broken off", "app", c.app.Name, "error", err)
			return err
		case err != nil || now.Status == v.Status && now.UpdatedAt.Equal(v.UpdatedAt):
			err = out.beat()
		default:
			v = now
			err = out.send(v)
		}
		if err != nil {
			return err // the client is gone, or too slow
		}
	}
	return nil
}

// stream writes server-sent events to a client. Each method fails once the
// client didn't take it within writeWithin.
type stream struct {
	response *echo.Response
	control  *http.ResponseController // of the writer below, whose Flush reports errors
}

// begin says when to come back, and sends v unless the client knows it.
func (o stream) begin(v *gateway.Verification, known bool) error {
	text := "retry: " + strconv.FormatInt(reconnectAfter.Milliseconds(), 10) + "\n"
	if known {
		return o.write(text + "\n")
	}
	return o.write(text + eventOf(v))
}

func (o stream) send(v *gateway.Verification) error { return o.write(eventOf(v)) }

// beat writes a comment, which clients skip.
func (o stream) beat() error { return o.write(":\n\n") }

func (o stream) write(text string) error {
	if err := o.control.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	if _, err := o.response.Write([]byte(text)); err != nil {
		return err
	}
	return o.control.Flush()
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
func eventID(v *gateway.Verification) string { return strconv.FormatInt(v.UpdatedAt.UnixMicro(), 10) }

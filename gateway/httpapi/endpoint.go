package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"

	"denwa/gateway"
)

// endpoint answers one authenticated request: with a status and a body to be
// rendered as JSON, or with an error. It never writes the reply itself, so that
// the reply can be kept for whoever repeats the request.
type endpoint func(ctx context.Context, c *call) (status int, body any, err error)

// finishWithin bounds how long keeping a reply may hold it up.
const finishWithin = 5 * time.Second

// get serves an endpoint that only reads.
func (s *Server) get(e endpoint) echo.HandlerFunc {
	return func(ec echo.Context) error {
		c := callOf(ec)
		private(c.Response().Header())
		if err := s.authenticate(c); err != nil {
			return err
		}
		return c.send(c.outcome(c.Request().Context(), e))
	}
}

// post serves an endpoint that reads a body. With an Idempotency-Key it runs
// once, and whoever repeats the request gets the same reply.
func (s *Server) post(e endpoint) echo.HandlerFunc {
	return func(ec echo.Context) error {
		c := callOf(ec)
		private(c.Response().Header())
		if err := s.authenticate(c); err != nil {
			return err
		}
		if c.Request().URL.RawQuery != "" {
			return refuse("", "this call takes no query parameters")
		}
		var err error
		if c.body, err = s.readBody(c); err != nil {
			return err
		}
		key, err := idempotencyKey(c.Request().Header)
		if err != nil {
			return err
		}
		ctx := c.Request().Context()
		if key == "" {
			return c.send(c.outcome(ctx, e))
		}
		return s.once(ctx, c, key, e)
	}
}

// once runs e unless its reply is known already.
func (s *Server) once(ctx context.Context, c *call, key string, e endpoint) error {
	ticket, err := s.o.Idempotency.Begin(ctx, c.app.Name, key, fingerprint(c))
	if err != nil {
		return err
	}
	if ticket.Replay != nil {
		c.repeats(ticket.Replay)
		c.Response().Header().Set("Idempotent-Replayed", "true")
		return c.send(ticket.Replay)
	}
	c.seed, c.request = ticket.Seed, ticket.Request
	return c.send(s.finish(ctx, c, ticket, e))
}

// repeats notes what a reply told that is given once more, for the log: which
// verification or dispatch it was about, how that was then, and what was wrong.
func (c *call) repeats(r *gateway.Reply) {
	c.repeated = true
	type subject struct {
		ID     gateway.ID     `json:"id"`
		Status gateway.Status `json:"status"`
	}
	var told struct {
		ID           gateway.ID      `json:"id"`
		Status       json.RawMessage `json:"status"` // a problem's is a number
		Code         gateway.Code    `json:"code"`
		Verification subject         `json:"verification"`
		Delivery     subject         `json:"delivery"`
	}
	if json.Unmarshal(r.Body, &told) != nil {
		return
	}
	var top gateway.Status
	_ = json.Unmarshal(told.Status, &top)
	for _, s := range []subject{{told.ID, top}, told.Verification, told.Delivery} {
		if s.ID.IsVerification() || s.ID.IsDispatch() {
			c.Follow(s.ID, s.Status)
		}
	}
	if told.Code != "" {
		c.err = &gateway.Error{Code: told.Code, Message: "as the request was answered before"}
	}
}

// finish runs e and keeps its reply, or gives the key back if the reply isn't
// one to repeat. It does so before the caller sees the reply, and detached from
// ctx: a client that hung up is the one that will ask again with this key.
func (s *Server) finish(ctx context.Context, c *call, ticket *gateway.Ticket, e endpoint) (reply *gateway.Reply) {
	defer func() { // deferred, so that a panic gives the key back too.
		keep := reply
		if reply != nil && !lasting(reply.Status) {
			keep = nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
		defer cancel()
		if err := s.o.Idempotency.Finish(ctx, ticket, keep); err != nil {
			s.log.WarnContext(ctx, "idempotent reply not kept", "app", c.app.Name, "error", err)
		}
	}()
	return c.outcome(ctx, e)
}

// lasting reports whether a reply would be the same if the request were made
// again. The others ask the caller to try again, so they can't be kept.
func lasting(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusTooManyRequests, statusClientGone,
		http.StatusInternalServerError, http.StatusServiceUnavailable:
		return false
	}
	return true
}

// outcome runs e and renders what it returns. Thousands may wait in e, so its
// own frame is kept small: the runtime halves the stack of who waits only while
// less than a quarter of it is in use.
func (c *call) outcome(ctx context.Context, e endpoint) *gateway.Reply {
	status, body, err := e(ctx, c)
	return c.rendered(ctx, status, body, err)
}

// rendered is what an endpoint returned, as a reply.
//
//go:noinline
func (c *call) rendered(ctx context.Context, status int, body any, err error) *gateway.Reply {
	if err != nil {
		c.err = err
		return problemOf(ctx, err, c.Response().Header()).reply()
	}
	data, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings and numbers always marshal.
	}
	return &gateway.Reply{Status: status, ContentType: "application/json", Body: data}
}

func (c *call) send(r *gateway.Reply) error {
	if r.Status == http.StatusNotModified {
		return c.NoContent(r.Status)
	}
	return c.Blob(r.Status, r.ContentType, r.Body)
}

// readBody reads at most MaxBody bytes, whatever the client announced.
func (s *Server) readBody(c *call) ([]byte, error) {
	r := c.Request()
	if r.ContentLength > s.o.Config.MaxBody {
		return nil, tooLarge(s.o.Config.MaxBody)
	}
	if r.ContentLength > 0 {
		body := make([]byte, r.ContentLength)
		_, err := io.ReadFull(r.Body, body)
		return body, bodyError(err)
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, s.o.Config.MaxBody))
	return body, bodyError(err)
}

func bodyError(err error) error {
	if err == nil {
		return nil
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return tooLarge(large.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &httpError{status: http.StatusRequestTimeout, detail: "the body took too long to arrive", err: err}
	}
	return &httpError{status: http.StatusBadRequest, detail: "the body ended early", err: err}
}

func tooLarge(limit int64) error {
	return &gateway.Error{Code: gateway.CodePayloadTooLarge, Message: fmt.Sprintf("the body is larger than %d bytes", limit)}
}

// fingerprint tells requests apart that carry the same Idempotency-Key.
func fingerprint(c *call) [sha256.Size]byte {
	r := c.Request()
	data := make([]byte, 0, len(r.Method)+len(r.URL.Path)+len(c.body)+2)
	data = append(data, r.Method...)
	data = append(append(data, ' '), r.URL.Path...)
	data = append(append(data, '\n'), c.body...)
	return sha256.Sum256(data)
}

// idempotencyKey returns the key that the caller chose, or "".
func idempotencyKey(h http.Header) (string, error) {
	values := h["Idempotency-Key"]
	if len(values) == 0 {
		return "", nil
	}
	if key := values[0]; len(values) == 1 && len(key) >= 1 && len(key) <= 255 && isVisible(key) {
		return key, nil
	}
	return "", refuse("Idempotency-Key", "Idempotency-Key must be one value of 1 to 255 visible ASCII characters")
}

func isVisible(s string) bool {
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' {
			return false
		}
	}
	return true
}

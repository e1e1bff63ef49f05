package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"denwa/gateway"
)

// What the fields of each body are called.
var (
	startSchema  = schemaOf[startBody]()
	checkSchema  = schemaOf[checkBody]()
	resendSchema = schemaOf[resendBody]()
	cancelSchema = schemaOf[cancelBody]()
	lookupSchema = schemaOf[lookupBody]()
)

// decode reads a body that must be there.
func (c *call) decode(v any, s schema) error {
	if len(c.body) == 0 {
		return refuse("", "the body is empty; send a JSON object")
	}
	return c.decodeOptional(v, s)
}

// decodeOptional reads a body that may be empty.
func (c *call) decodeOptional(v any, s schema) error {
	if len(c.body) == 0 {
		return nil
	}
	if err := checkMediaType(c.Request().Header); err != nil {
		return err
	}
	return decode(c.body, v, s)
}

func (s *Server) start(ctx context.Context, c *call) (int, any, error) {
	var in startBody
	if err := c.decode(&in, startSchema); err != nil {
		return 0, nil, err
	}
	if in.To == nil {
		return 0, nil, refuse("to", "to is required")
	}
	v, err := s.o.Verifier.Start(ctx, c.app, gateway.StartRequest{
		To: *in.To, Country: in.Country, Extension: in.Extension,
		Channel: gateway.Channel(in.Channel), Mode: gateway.Mode(in.Mode),
		Locale: in.Locale, Purpose: in.Purpose, ClientIP: in.ClientIP,
		Origin: in.Origin, AppHash: in.AppHash, Reference: in.Reference,
		Seed: c.seed,
	})
	return shown(http.StatusCreated, v, err)
}

func (s *Server) check(ctx context.Context, c *call) (int, any, error) {
	var in checkBody
	if err := c.decode(&in, checkSchema); err != nil {
		return 0, nil, err
	}
	if in.Code == "" {
		return 0, nil, refuse("code", "code is required")
	}
	valid, v, err := s.o.Verifier.CheckOnce(ctx, c.app, c.Param("id"), in.Code, c.request)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, checkReply{Valid: valid, Verification: verificationOf(v)}, nil
}

func (s *Server) resend(ctx context.Context, c *call) (int, any, error) {
	var in resendBody
	if err := c.decodeOptional(&in, resendSchema); err != nil {
		return 0, nil, err
	}
	v, err := s.o.Verifier.ResendOnce(ctx, c.app, c.Param("id"), gateway.Channel(in.Channel), c.request)
	return shown(http.StatusOK, v, err)
}

func (s *Server) cancel(ctx context.Context, c *call) (int, any, error) {
	if err := c.decodeOptional(&cancelBody{}, cancelSchema); err != nil {
		return 0, nil, err
	}
	v, err := s.o.Verifier.Cancel(ctx, c.app, c.Param("id"))
	return shown(http.StatusOK, v, err)
}

func (s *Server) show(ctx context.Context, c *call) (int, any, error) {
	wait, err := waitOf(c.Request().URL.RawQuery)
	if err != nil {
		return 0, nil, err
	}
	known := knownOf(c.Request().Header)
	v, err := s.seen(ctx, c, known, wait)
	if err != nil {
		return 0, nil, err
	}
	return fresh(c, v.UpdatedAt, known, verificationOf(v))
}

// seen is the verification now, or as soon as it isn't what the client knows.
func (s *Server) seen(ctx context.Context, c *call, known time.Time, wait time.Duration) (*gateway.Verification, error) {
	if wait == 0 {
		return s.o.Verifier.Get(ctx, c.app, c.Param("id"))
	}
	c.route += "?wait"
	waiting, stop := s.patience(ctx)
	defer stop()
	v, err := s.o.Verifier.WaitSince(waiting, c.app, c.Param("id"), known, wait)
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		v, err = s.o.Verifier.Get(ctx, c.app, c.Param("id"))
	}
	return v, err
}

// patience is ctx for a client that waits. A gateway that stops lets it go: it
// asks again, and another instance answers.
func (s *Server) patience(ctx context.Context) (waiting context.Context, stop func()) {
	waiting, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(s.draining, cancel)
	return waiting, func() {
		release()
		cancel()
	}
}

func (s *Server) lookup(ctx context.Context, c *call) (int, any, error) {
	var in lookupBody
	if err := c.decode(&in, lookupSchema); err != nil {
		return 0, nil, err
	}
	if in.Number == nil {
		return 0, nil, refuse("number", "number is required")
	}
	l, err := s.o.Verifier.Lookup(ctx, c.app, *in.Number, in.Country)
	if err != nil {
		return 0, nil, ofNumber(err)
	}
	return http.StatusOK, lookupReplyOf(l), nil
}

// ofNumber names the field at fault as a lookup does: what the domain calls
// "to" is "number" there.
func ofNumber(err error) error {
	var refused *gateway.Error
	if !errors.As(err, &refused) || refused.Field != "to" {
		return err
	}
	renamed := *refused
	renamed.Field = "number"
	return &renamed
}

// shown is a verification as a reply.
func shown(status int, v *gateway.Verification, err error) (int, any, error) {
	if err != nil {
		return 0, nil, err
	}
	return status, verificationOf(v), nil
}

// knownOf is when what the client has was updated, by its If-None-Match; zero
// if it has nothing, or nothing that we gave it.
func knownOf(h http.Header) time.Time {
	tag := strings.Trim(strings.TrimPrefix(h.Get("If-None-Match"), "W/"), `"`) // proxies that compress make it weak
	micros, err := strconv.ParseInt(tag, 10, 64)
	if err != nil || micros <= 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros)
}

// fresh is a reply with body, as it was updated at; or none if the client knows that.
func fresh(c *call, updated, known time.Time, body any) (int, any, error) {
	c.Response().Header().Set("ETag", `"`+version(updated)+`"`)
	if version(updated) == version(known) {
		return http.StatusNotModified, nil, nil
	}
	return http.StatusOK, body, nil
}

// version tells states of one thing apart, in ETags and as the ids of events.
func version(updated time.Time) string { return strconv.FormatInt(updated.UnixMicro(), 10) }

// waitOf reads the query of a GET: wait, in whole seconds, or nothing.
func waitOf(query string) (time.Duration, error) {
	if query == "" {
		return 0, nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return 0, refuse("", "the query is malformed")
	}
	for name := range values {
		if name != "wait" {
			return 0, refuse("", "unknown query parameter; this call takes wait")
		}
	}
	seconds, err := strconv.ParseUint(values.Get("wait"), 10, 8)
	wait := time.Duration(seconds) * time.Second
	if err != nil || wait > MaxWait || len(values["wait"]) != 1 {
		return 0, refuse("wait", "wait must be a whole number of seconds, 0 to %d", int(MaxWait.Seconds()))
	}
	return wait, nil
}

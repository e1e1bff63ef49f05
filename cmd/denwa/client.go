package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The time that a gateway gets for an answer. A start may ask several
// providers in turn; a watch waits for something to happen.
const (
	answerWithin = 45 * time.Second
	watchFor     = 30 * time.Second
	cancelWithin = 3 * time.Second
	maxReply     = 1 << 20
)

// client calls a gateway's native API.
type client struct {
	base *url.URL
	key  string
	http *http.Client
}

// newClient returns a client of the gateway at server. A nil transport is the
// usual one.
func newClient(server, key string, transport http.RoundTripper) (*client, error) {
	base, err := url.Parse(server)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil {
		return nil, errors.New("--server takes a URL such as http://127.0.0.1:8080")
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the API key holds a character that no key has, such as a space or a line break")
	}
	return &client{base: base, key: key, http: &http.Client{
		Transport: transport,
		// A gateway never redirects; whatever does isn't given the key.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// verification is what the API says of a verification, as far as a terminal
// shows it. Raw is all of it.
type verification struct {
	ID                string               `json:"id"`
	Status            string               `json:"status"`
	Channel           string               `json:"channel"`
	Mode              string               `json:"mode"`
	To                string               `json:"to"`
	ToMasked          string               `json:"to_masked"`
	DisplayCode       string               `json:"display_code"`
	AttemptsRemaining int                  `json:"attempts_remaining"`
	CreatedAt         time.Time            `json:"created_at"`
	ExpiresAt         time.Time            `json:"expires_at"`
	NextSendAt        map[string]time.Time `json:"next_send_at"`
	Deliveries        []delivery           `json:"deliveries"`

	Raw json.RawMessage `json:"-"`
}

type delivery struct {
	Provider string `json:"provider"`
	Channel  string `json:"channel"`
	Status   string `json:"status"`
}

func (v *verification) UnmarshalJSON(b []byte) error {
	type plain verification
	if err := json.Unmarshal(b, (*plain)(v)); err != nil {
		return err
	}
	v.Raw = bytes.Clone(b)
	return nil
}

// latest is the delivery that was tried last.
func (v *verification) latest() delivery {
	if len(v.Deliveries) == 0 {
		return delivery{Channel: v.Channel}
	}
	return v.Deliveries[len(v.Deliveries)-1]
}

// problem is a refusal by the gateway: RFC 9457 and Denwa's own members.
type problem struct {
	Status       int           `json:"status"`
	Title        string        `json:"title"`
	Code         string        `json:"code"`
	Detail       string        `json:"detail"`
	Field        string        `json:"field"`
	RetryAfter   int           `json:"retry_after"` // seconds
	RequestID    string        `json:"request_id"`
	Verification *verification `json:"verification"`
}

// Error is one sentence: what, its code, and what to do about it.
func (p *problem) Error() string {
	text := strings.TrimSuffix(p.Detail, ".") + " (" + p.Code + ")"
	switch {
	case p.Code == "unauthorized":
		text += "; give the app's key with --key or DENWA_API_KEY"
	case p.Code == "internal" && p.RequestID != "":
		text += ", " + p.RequestID
	case p.RetryAfter > 0:
		text += "; try again in " + inWords(time.Duration(p.RetryAfter)*time.Second)
	}
	return text
}

// hasCode reports whether err is a problem with one of these codes.
func hasCode(err error, codes ...string) bool {
	var p *problem
	if !errors.As(err, &p) {
		return false
	}
	for _, code := range codes {
		if p.Code == code {
			return true
		}
	}
	return false
}

// startRequest starts a verification. Empty members take the app's defaults.
type startRequest struct {
	To        string `json:"to"`
	Country   string `json:"country,omitempty"`
	Extension string `json:"extension,omitempty"`
	Channel   string `json:"channel,omitempty"`
	Mode      string `json:"mode,omitempty"`
	Locale    string `json:"locale,omitempty"`
}

func (c *client) start(ctx context.Context, r startRequest) (*verification, error) {
	v := new(verification)
	return v, c.post(ctx, r, v, "v1", "verifications")
}

func (c *client) check(ctx context.Context, id, code string) (*verification, error) {
	var reply struct {
		Verification verification `json:"verification"`
	}
	err := c.post(ctx, map[string]string{"code": code}, &reply, "v1", "verifications", id, "check")
	return &reply.Verification, err
}

func (c *client) resend(ctx context.Context, id string) (*verification, error) {
	v := new(verification)
	return v, c.post(ctx, struct{}{}, v, "v1", "verifications", id, "resend")
}

// cancel withdraws a verification that nobody will finish. It is done on the
// way out, when ctx may be over, so it takes its time from elsewhere.
func (c *client) cancel(ctx context.Context, id string) (*verification, error) {
	ctx, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), cancelWithin, errNoAnswer)
	defer stop()
	v := new(verification)
	return v, c.post(ctx, struct{}{}, v, "v1", "verifications", id, "cancel")
}

// get reads a verification.
func (c *client) get(ctx context.Context, id string) (*verification, error) {
	v := new(verification)
	ctx, cancel := context.WithTimeoutCause(ctx, answerWithin, errNoAnswer)
	defer cancel()
	_, err := c.do(ctx, http.MethodGet, c.base.JoinPath("v1", "verifications", id), nil, nil, v)
	return v, err
}

// await reads a verification as soon as it isn't any more what known names, a
// tag that an earlier await returned or "", and returns what names it now. It is
// nil if nothing changed for as long as a gateway waits.
func (c *client) await(ctx context.Context, id, known string) (v *verification, tag string, err error) {
	u := c.base.JoinPath("v1", "verifications", id)
	var header http.Header
	var wait time.Duration
	if known != "" {
		wait = watchFor
		u.RawQuery = "wait=" + strconv.Itoa(int(wait.Seconds()))
		header = http.Header{"If-None-Match": {known}}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, answerWithin+wait, errNoAnswer)
	defer cancel()
	v = new(verification)
	tag, err = c.do(ctx, http.MethodGet, u, header, nil, v)
	if err != nil || known != "" && tag == known {
		return nil, tag, err
	}
	return v, tag, nil
}

// post sends body and decodes the reply into out. Its Idempotency-Key makes
// it safe to repeat what may have arrived: once after a broken connection, and
// while the gateway says that it is still at work on the first.
func (c *client) post(ctx context.Context, body, out any, path ...string) error {
	sent, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, answerWithin, errNoAnswer)
	defer cancel()
	header := http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {rand.Text()}}
	for retried := false; ; {
		_, err := c.do(ctx, http.MethodPost, c.base.JoinPath(path...), header, sent, out)
		var broken *unreachableError
		switch {
		case errors.As(err, &broken) && !retried:
			retried = true
		case retried && hasCode(err, "idempotency_conflict"):
		default:
			return err
		}
		if !sleep(ctx, 500*time.Millisecond) {
			return err
		}
	}
}

// errNoAnswer is the cause of a request's deadline.
var errNoAnswer = errors.New("no answer in time")

// unreachableError is a request that got no answer.
type unreachableError struct {
	server string
	err    error
}

func (e *unreachableError) Error() string {
	text := fmt.Sprintf("no gateway answers at %s: %v", e.server, e.err)
	if errors.Is(e.err, syscall.ECONNREFUSED) {
		text += `; does "denwa serve" run there?`
	}
	return text
}

func (e *unreachableError) Unwrap() error { return e.err }

// do sends a request and decodes the reply into out, unless it is that nothing
// changed. It returns the reply's ETag. It fails with a *problem
// if the gateway refuses, and with an *unreachableError, whose cause may be the
// context's, if no whole answer came.
func (c *client) do(ctx context.Context, method string, u *url.URL, header http.Header, body []byte, out any) (tag string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body)) //nolint:gosec // whoever runs the command names the server.
	if err != nil {
		return "", err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Accept", "application/json, application/problem+json")
	server := c.base.Redacted()
	resp, err := c.http.Do(req) //nolint:gosec // as above.
	if err != nil {
		return "", &unreachableError{server, networkCause(ctx, err)}
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return "", &unreachableError{server, networkCause(ctx, err)}
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // an unreadable one is none of these
	switch {
	case resp.StatusCode/100 == 2 && kind == "application/json":
		if err := json.Unmarshal(reply, out); err != nil {
			return "", fmt.Errorf("read the answer of %s: %w", server, err)
		}
		return resp.Header.Get("ETag"), nil
	case resp.StatusCode == http.StatusNotModified:
		return resp.Header.Get("ETag"), nil
	case resp.StatusCode/100 != 2 && kind == "application/problem+json":
		p := new(problem)
		if err := json.Unmarshal(reply, p); err == nil && p.Code != "" {
			return "", p
		}
	}
	return "", fmt.Errorf("%s answered %s, not as a gateway does; is --server right?", server, resp.Status)
}

// sleep waits for d and reports whether ctx lasted.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

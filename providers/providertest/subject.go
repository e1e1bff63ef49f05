package providertest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"denwa/ivr"
	"denwa/providers"
)

const (
	// prompt is how soon a provider must be back once it has no reason to
	// stay. It is long, because the machine may be busy.
	prompt = 10 * time.Second
	// validFor is the life of the messages.
	validFor = 10 * time.Minute
)

const code = "493817"

// text is what a real message looks like.
const text = "【Example】認証コード：" + code + "（10分間有効）\n第三者に教えないでください。\n\n@example.com #" + code

// message is the n-th message.
func message(n int) providers.Message {
	return providers.Message{
		Delivery: fmt.Sprintf("vf_mzxw6ytboi2gk3tuonuxg5dpnrxw4zlt.%d", n),
		To:       Number, Text: text, ValidFor: validFor,
	}
}

// subject is a provider under test.
type subject struct {
	providers.Provider
	harness  Harness
	receipts receipts
	log      buffer
}

// start makes a provider, and looks at the end of the test for what leaked
// into its log.
func start(t *testing.T, h Harness, b Behaviour) *subject {
	t.Helper()
	s := &subject{harness: h}
	s.Provider = h.New(t, Env{
		Carrier: b, Receive: s.receipts.receive,
		Log: slog.New(slog.NewJSONHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	t.Cleanup(func() { s.private(t, "the log", s.log.String()) })
	return s
}

// open is start with a Close at the end of the test.
func open(t *testing.T, h Harness, b Behaviour) *subject {
	t.Helper()
	s := start(t, h, b)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// hand gives msg to the provider, or a call that reads its code out.
func (s *subject) hand(ctx context.Context, msg providers.Message) (providers.Acceptance, error) {
	if s.harness.Channel == providers.Voice {
		c, ok := s.Provider.(providers.Caller)
		if !ok {
			return providers.Acceptance{}, fmt.Errorf("%T is no providers.Caller", s.Provider)
		}
		return c.PlaceCall(ctx, providers.Call{
			Delivery: msg.Delivery, To: msg.To, ValidFor: msg.ValidFor,
			Script: ivr.Script{Mode: ivr.ModeCode, Locale: "ja", Brand: "Example", Code: code},
		})
	}
	m, ok := s.Provider.(providers.Messenger)
	if !ok {
		return providers.Acceptance{}, fmt.Errorf("%T is no providers.Messenger", s.Provider)
	}
	return m.SendMessage(ctx, msg)
}

// send sends msg. It fails the test if the provider isn't back promptly after
// ctx ended, or if its error isn't what the contract says.
func (s *subject) send(ctx context.Context, t *testing.T, msg providers.Message) (providers.Acceptance, *providers.Error) {
	t.Helper()
	type result struct {
		accepted providers.Acceptance
		err      error
	}
	back := make(chan result, 1)
	go func() {
		accepted, err := s.hand(ctx, msg)
		back <- result{accepted, err}
	}()
	late := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(prompt, func() { close(late) }) })
	defer stop()
	var r result
	select {
	case r = <-back:
	case <-late:
		t.Fatalf("the provider is not back %v after its context ended", prompt)
	}
	s.private(t, "the reference", r.accepted.Reference)
	if r.err == nil {
		return r.accepted, nil
	}
	for _, err := range chain(r.err) {
		s.private(t, "the error", err.Error())
	}
	var e *providers.Error
	if !errors.As(r.err, &e) {
		t.Fatalf("the error is a %T, not a *providers.Error: %v", r.err, r.err)
	}
	if e.Err == nil {
		t.Errorf("the error has no cause: %v", e)
	}
	return providers.Acceptance{}, e
}

// accept sends msg, which the carrier must accept.
func (s *subject) accept(t *testing.T, msg providers.Message) Sent {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*prompt)
	defer cancel()
	accepted, err := s.send(ctx, t, msg)
	if err != nil {
		t.Fatalf("not accepted: %v", err)
	}
	return Sent{msg, accepted}
}

// fail sends a message, which must fail with the kind.
func (s *subject) fail(ctx context.Context, t *testing.T, kind providers.Kind) *providers.Error {
	t.Helper()
	_, err := s.send(ctx, t, message(1))
	if err == nil {
		t.Fatalf("accepted, want a failure of kind %s", kind)
	}
	if err.Kind != kind {
		t.Errorf("kind %s, want %s: %v", err.Kind, kind, err)
	}
	return err
}

// private reports what must not be in text.
func (s *subject) private(t *testing.T, where, text string) {
	t.Helper()
	for _, word := range s.secrets() {
		if strings.Contains(text, word) {
			t.Errorf("%s holds %q: %s", where, word, text)
		}
	}
}

// secrets are the number, the text and the credentials in every form in which
// they travel.
func (s *subject) secrets() []string {
	national := "0" + strings.TrimPrefix(Number, "+81")
	words := []string{
		strings.TrimPrefix(Number, "+"), national, national[:3] + "-" + national[3:7] + "-" + national[7:],
		code, "認証コード", url.QueryEscape("認証コード"), strings.Trim(fmt.Sprintf("%+q", "認証コード"), `"`),
	}
	for _, secret := range s.harness.Secrets {
		words = append(words, secret, url.QueryEscape(secret), url.PathEscape(secret),
			base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)))
	}
	return words
}

// chain is err and all that it wraps.
func chain(err error) []error {
	all := []error{err}
	switch e := err.(type) { //nolint:errorlint // it walks the chain itself.
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			all = append(all, chain(inner)...)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			all = append(all, chain(inner)...)
		}
	}
	return all
}

// receipts is a receiver that remembers.
type receipts struct {
	mu      sync.Mutex
	got     []receipt
	failing bool
}

type receipt struct {
	Provider string
	providers.Receipt
}

func (r *receipts) receive(_ context.Context, provider string, got providers.Receipt) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing {
		return errors.New("the store doesn't answer")
	}
	r.got = append(r.got, receipt{provider, got})
	return nil
}

func (r *receipts) fail(failing bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failing = failing
}

// take returns the receipts since the last call.
func (r *receipts) take() []receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

// buffer is a bytes.Buffer for concurrent use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

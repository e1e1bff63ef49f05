package httpapi_test

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/gateway"
	"denwa/gateway/httpapi"
	"denwa/gateway/phone"
	"denwa/providers"
	"denwa/ratelimit"
)

const (
	portalKey = "dnw_portalportalportalportalportalportalport"
	loginKey  = "dnw_loginloginloginloginloginloginloginloginx"
	rightCode = "123456"
	shownCode = "042917"
)

// fakeGateway is a gateway without a store or providers. Its errors stand for
// the service's own, which has tests of its own.
type fakeGateway struct {
	mu   sync.Mutex
	byID map[string]*gateway.Verification
	// fail, if set, is what every call returns.
	fail error
	// starting, if set, is called while a start is worked on.
	starting func(ctx context.Context)
	seeds    [][]byte
	requests []gateway.StoreName // of checks and resends
	started  int
	// dispatched is the latest dispatch.
	dispatched *gateway.Dispatch
	changed    chan struct{} // closed when something changes
	waiting    atomic.Int32  // how many wait
}

func newFakeGateway() *fakeGateway {
	return &fakeGateway{byID: map[string]*gateway.Verification{}, changed: make(chan struct{})}
}

var epoch = time.Date(2026, 4, 1, 9, 0, 0, 123_456_789, time.FixedZone("JST", 9*60*60))

func (f *fakeGateway) Start(ctx context.Context, app *gateway.AppPolicy, r gateway.StartRequest) (*gateway.Verification, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started++
	f.seeds = append(f.seeds, r.Seed)
	if f.starting != nil {
		f.starting(ctx)
	}
	switch {
	case f.fail != nil:
		return nil, f.fail
	case r.Country != "" && r.Country != "JP":
		return nil, &gateway.Error{Code: gateway.CodeInvalidRequest, Field: "country", Message: "country is not a region that numbers have"}
	case len(r.To) < 8:
		return nil, &gateway.Error{Code: gateway.CodeInvalidNumber, Field: "to", Message: "the number is too short"}
	}
	random := make([]byte, 20)
	_, _ = rand.Read(random)
	v := &gateway.Verification{
		ID:  gateway.ID("vf_" + strings.ToLower(base32.StdEncoding.EncodeToString(random))),
		App: app.Name, Status: gateway.Pending, Channel: gateway.SMS, Mode: gateway.ModeCode,
		To: "+819012345678", ToMasked: "+81 90-****-5678", Country: "JP", NumberType: "mobile", Locale: "ja",
		Purpose: r.Purpose, Reference: r.Reference, Extension: r.Extension,
		MaxAttempts: 5, Sends: 1, MaxSends: 5,
		CreatedAt: epoch, ExpiresAt: epoch.Add(10 * time.Minute), UpdatedAt: epoch.Truncate(time.Microsecond), // as the store has it
		NextSendAt: map[gateway.Channel]time.Time{gateway.SMS: epoch.Add(30 * time.Second), gateway.Voice: epoch},
		Deliveries: []gateway.Delivery{{Provider: "sandbox", Channel: gateway.SMS, Status: providers.Accepted, At: epoch, Segments: 1}},
	}
	if r.Channel == gateway.Voice {
		v.Channel, v.Mode = gateway.Voice, r.Mode
		v.Deliveries[0].Channel, v.Deliveries[0].Segments = gateway.Voice, 0
		if v.Mode == gateway.ModeKeyed {
			v.ShownCode = shownCode
		}
	}
	f.byID[string(v.ID)] = v
	return clone(v), nil
}

func (f *fakeGateway) find(app *gateway.AppPolicy, id string) (*gateway.Verification, error) {
	if f.fail != nil {
		return nil, f.fail
	}
	v, ok := f.byID[id]
	if !ok || v.App != app.Name {
		return nil, &gateway.Error{Code: gateway.CodeNotFound, Message: "no such verification"}
	}
	return v, nil
}

func (f *fakeGateway) CheckOnce(_ context.Context, app *gateway.AppPolicy, id, code string, request gateway.StoreName) (bool, *gateway.Verification, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, request)
	v, err := f.find(app, id)
	switch {
	case err != nil:
		return false, nil, err
	case len(code) != 6:
		return false, nil, &gateway.Error{Code: gateway.CodeInvalidRequest, Field: "code", Message: "code must have 6 digits"}
	case v.Status != gateway.Pending:
		return false, nil, &gateway.Error{Code: gateway.CodeNotPending, Message: "the verification is over"}
	}
	v.Attempts++
	if code == rightCode {
		v.Status, v.NextSendAt, v.ShownCode = gateway.Approved, nil, ""
	}
	f.changedNow(v)
	return code == rightCode, clone(v), nil
}

func (f *fakeGateway) ResendOnce(_ context.Context, app *gateway.AppPolicy, id string, channel gateway.Channel, request gateway.StoreName) (*gateway.Verification, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, request)
	v, err := f.find(app, id)
	if err != nil {
		return nil, err
	}
	if channel != "" {
		v.Channel = channel
	}
	v.Sends++
	v.Deliveries = append(v.Deliveries, gateway.Delivery{Provider: "sandbox", Channel: v.Channel, Status: providers.Accepted, At: epoch})
	f.changedNow(v)
	return clone(v), nil
}

func (f *fakeGateway) Cancel(_ context.Context, app *gateway.AppPolicy, id string) (*gateway.Verification, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, err := f.find(app, id)
	if err != nil {
		return nil, err
	}
	v.Status = gateway.Canceled
	f.changedNow(v)
	return clone(v), nil
}

func (f *fakeGateway) Get(_ context.Context, app *gateway.AppPolicy, id string) (*gateway.Verification, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, err := f.find(app, id)
	if err != nil {
		return nil, err
	}
	return clone(v), nil
}

func (f *fakeGateway) Dispatch(_ context.Context, app *gateway.AppPolicy, r gateway.DispatchRequest) (*gateway.Dispatch, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seeds = append(f.seeds, r.Seed)
	d := &gateway.Dispatch{
		ID: "dl_aaaqaaaex2k4mzq3trw5hcn6vjd2esgu", App: app.Name, Status: providers.Accepted, Channel: gateway.SMS,
		To: "+819012345678", ToMasked: "+81 90-****-5678", Country: "JP", NumberType: "mobile", Locale: "ja",
		Extension: r.Extension, Reference: r.Reference,
		CreatedAt: epoch, ExpiresAt: epoch.Add(r.ValidFor), UpdatedAt: epoch.Truncate(time.Microsecond),
		Attempts: []gateway.Delivery{{Provider: "sandbox", Channel: gateway.SMS, Status: providers.Accepted, At: epoch, Segments: 1}},
	}
	if f.fail != nil {
		return nil, f.fail
	}
	f.dispatched = d
	return d, nil
}

func (f *fakeGateway) Dispatched(ctx context.Context, app *gateway.AppPolicy, id string, _ time.Time, d time.Duration) (*gateway.Dispatch, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.fail != nil:
		return nil, f.fail
	case f.dispatched == nil || string(f.dispatched.ID) != id || f.dispatched.App != app.Name:
		return nil, &gateway.Error{Code: gateway.CodeNotFound, Message: "no such delivery"}
	}
	if d > 0 {
		f.waiting.Add(1)
		defer f.waiting.Add(-1)
		f.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
		f.mu.Lock()
	}
	return f.dispatched, ctx.Err()
}

func (f *fakeGateway) Lookup(_ context.Context, _ *gateway.AppPolicy, number, _ string) (gateway.Lookup, error) {
	if len(number) < 8 {
		return gateway.Lookup{}, &gateway.Error{Code: gateway.CodeInvalidNumber, Field: "to", Message: "the number is too short"}
	}
	return gateway.Lookup{
		Number: phone.Number{
			E164: "+81312345678", National: number, Masked: "+81 3-****-5678", Country: "JP",
			Type: "fixed_line", CallingCode: 81,
		},
		Channels: map[gateway.Channel]phone.Availability{
			gateway.SMS:   {Reason: "a fixed-line phone gets no text messages"},
			gateway.Voice: {Allowed: true},
		},
	}, nil
}

// WaitSince returns what is known when ctx ends, as the service does.
func (f *fakeGateway) WaitSince(ctx context.Context, app *gateway.AppPolicy, id string, known time.Time, d time.Duration) (*gateway.Verification, error) {
	f.waiting.Add(1)
	defer f.waiting.Add(-1)
	over := time.After(d)
	waited := false
	for last := false; ; {
		f.mu.Lock()
		changed := f.changed
		v, err := f.find(app, id)
		if err == nil {
			v = clone(v)
		}
		f.mu.Unlock()
		if err != nil || last || v.Status != gateway.Pending || !known.IsZero() && v.UpdatedAt.After(known) || known.IsZero() && waited {
			return v, err
		}
		select {
		case <-changed:
			waited = true
		case <-over:
			last = true
		case <-ctx.Done():
			last = true
		}
	}
}

// breakDown makes every call fail from now on.
func (f *fakeGateway) breakDown(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = err
	f.wake()
}

// changedNow wakes whoever waits. It takes a microsecond of the store's time.
func (f *fakeGateway) changedNow(v *gateway.Verification) {
	v.UpdatedAt = v.UpdatedAt.Add(time.Microsecond)
	f.wake()
}

func (f *fakeGateway) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// clone keeps what a caller got from changing under it.
func clone(v *gateway.Verification) *gateway.Verification {
	c := *v
	c.NextSendAt = maps.Clone(v.NextSendAt)
	c.Deliveries = append([]gateway.Delivery(nil), v.Deliveries...)
	return &c
}

// fakeIdempotency keeps replies in a map.
type fakeIdempotency struct {
	mu      sync.Mutex
	entries map[string]*idempotent
	tickets map[*gateway.Ticket]string
	fail    error
}

type idempotent struct {
	fingerprint [32]byte
	reply       *gateway.Reply // nil while in flight
}

func newFakeIdempotency() *fakeIdempotency {
	return &fakeIdempotency{entries: map[string]*idempotent{}, tickets: map[*gateway.Ticket]string{}}
}

func (f *fakeIdempotency) Begin(_ context.Context, app, key string, fingerprint [32]byte) (*gateway.Ticket, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return nil, f.fail
	}
	key = app + "/" + key
	switch e := f.entries[key]; {
	case e == nil:
		t := &gateway.Ticket{Seed: []byte(key), Request: gateway.StoreName(key)}
		f.entries[key] = &idempotent{fingerprint: fingerprint}
		f.tickets[t] = key
		return t, nil
	case e.fingerprint != fingerprint:
		return nil, &gateway.Error{Code: gateway.CodeIdempotencyMismatch, Message: "this Idempotency-Key was used with another request"}
	case e.reply == nil:
		return nil, &gateway.Error{Code: gateway.CodeIdempotencyConflict, Message: "a request with this Idempotency-Key is still being worked on"}
	default:
		return &gateway.Ticket{Replay: e.reply}, nil
	}
}

func (f *fakeIdempotency) Finish(ctx context.Context, t *gateway.Ticket, r *gateway.Reply) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	key := f.tickets[t]
	delete(f.tickets, t)
	if r == nil {
		delete(f.entries, key)
	} else {
		f.entries[key].reply = r
	}
	return nil
}

// unlimited allows everything.
type unlimited struct{}

func (unlimited) Allow(string) ratelimit.Decision { return ratelimit.Decision{Allowed: true} }

// never allows nothing.
type never struct{}

func (never) Allow(string) ratelimit.Decision {
	return ratelimit.Decision{Limit: "api_key", RetryAfter: 1500 * time.Millisecond}
}

// newServer returns a server on fakes, after change had its say.
func newServer(tb testing.TB, change func(*httpapi.Options)) *httpapi.Server {
	tb.Helper()
	apps := map[string]*gateway.AppPolicy{
		portalKey: {App: gateway.App{Name: "portal"}},
		loginKey:  {App: gateway.App{Name: "login"}},
	}
	reg := prometheus.NewRegistry()
	o := httpapi.Options{
		Config: httpapi.DefaultConfig(), Admin: httpapi.DefaultAdminConfig(),
		Verifier: newFakeGateway(), Dispatcher: newFakeGateway(), Sessions: newFakeSessions(), Idempotency: newFakeIdempotency(),
		Authenticate: func(key string) (*gateway.AppPolicy, string, bool) {
			app, ok := apps[key]
			return app, "k1", ok
		},
		KeyRate:  unlimited{},
		Limited:  func(*gateway.AppPolicy, ratelimit.Name) {},
		KeyLimit: func() ratelimit.Limit { return ratelimit.Limit{Burst: 5, Count: 5, Period: time.Second} },
		Log:      slog.New(slog.DiscardHandler), Registerer: reg, Gatherer: reg,
	}
	if change != nil {
		change(&o)
	}
	s, err := httpapi.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

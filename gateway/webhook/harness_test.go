package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"denwa/gateway"
	"denwa/gateway/redisstore"
	"denwa/providers/providertest"
	"denwa/ratelimit"
	"denwa/ratelimit/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testNumber = "+819012345678"
	testPath   = "/hook?token=hunter2"
)

func secretOf(use string) string {
	sum := sha256.Sum256([]byte(use))
	return gateway.WebhookSecretPrefix + base64.StdEncoding.EncodeToString(sum[:])
}

// each runs test on a real Redis and on the embedded store.
func each(t *testing.T, test func(t *testing.T, q *queue)) {
	t.Run("redis", func(t *testing.T) { test(t, newQueue(t, redistest.Start(t).Addr())) })
	t.Run("embedded", func(t *testing.T) { test(t, newQueue(t, "")) })
}

// queue is an outbox, with a clock that tests move, and what fills it.
type queue struct {
	*redisstore.Outbox
	tb     testing.TB
	store  *redisstore.Store
	client redis.UniversalClient
	keys   *gateway.Keyring
	script *redis.Script

	mu      sync.Mutex
	time    time.Time // stands still unless a test moves it
	numbers int
}

// newQueue connects to the Redis at address, or to an embedded store.
func newQueue(tb testing.TB, address string) *queue {
	tb.Helper()
	c := redisstore.DefaultConfig()
	c.Addresses, c.Timeout = []string{address}, 20*time.Second
	if address == "" {
		c.Type = redisstore.TypeEmbedded
	}
	client, closer, err := redisstore.Connect(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = closer() })
	q := &queue{tb: tb, client: client, time: time.Now()}
	if q.keys, err = gateway.NewKeyring(make([]byte, gateway.MasterKeySize)); err != nil {
		tb.Fatal(err)
	}
	text := ratelimit.Lua
	for _, part := range []string{"lua/lib.lua", "lua/emit.lua", "testdata/emit.lua"} {
		b, err := os.ReadFile("../redisstore/" + part)
		if err != nil {
			tb.Fatal(err)
		}
		text += "\n" + string(b)
	}
	q.script = redis.NewScript(text)
	q.store = redisstore.New(client, redisstore.NewMetrics(prometheus.NewRegistry())).WithClock(q.now)
	q.Outbox = q.store.Outbox()
	tb.Cleanup(func() { _ = q.store.Close() })
	return q
}

func (q *queue) now() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.time
}

func (q *queue) pass(d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.time = q.time.Add(d)
}

// emit records an event of a new verification of app, and returns its id.
func (q *queue) emit(app string) string {
	q.tb.Helper()
	ctx := context.Background()
	q.numbers++
	number := q.keys.NumberName(fmt.Sprint(testNumber, q.numbers))
	id := q.keys.NewID(number, 6, nil)
	much := ratelimit.Limit{Burst: 1000, Count: 1000, Period: time.Hour}.GCRA()
	_, err := q.store.Start(ctx, gateway.Record{
		ID: id, App: app, Number: number, Mode: gateway.ModeCode, Country: "JP", NumberType: "mobile", Locale: "ja",
		SealedTo: q.keys.Seal("to", string(id), []byte(testNumber)),
	}, gateway.Begin{Channel: gateway.SMS, MaxAttempts: 5, MaxSends: 5, Life: 10 * time.Minute, Provider: "first", Segments: 1},
		gateway.Rules{Cooldown: much, Hour: much, Day: much, FailedChecks: much, Lock: gateway.DefaultLock()}, time.Hour)
	if err != nil {
		q.tb.Fatal(err)
	}
	key := fmt.Sprintf("dnw1:{%02x}:v:%s", id.Tag(), id.Name())
	event, err := q.script.Run(ctx, q.client, []string{key}, q.now().UnixMicro(), id.Name(), "approved").Text()
	if err != nil {
		q.tb.Fatal(err)
	}
	return event
}

func (q *queue) emitMany(app string, n int) (events []string) {
	for range n {
		events = append(events, q.emit(app))
	}
	return events
}

func (q *queue) backlog(app string) int {
	q.tb.Helper()
	n, err := q.Backlog(context.Background(), []string{app})
	if err != nil {
		q.tb.Fatal(err)
	}
	return n[app].Waiting
}

func (q *queue) dead(app string) []gateway.DeadLetter {
	q.tb.Helper()
	letters, err := q.DeadLetters(context.Background(), app, 1000)
	if err != nil {
		q.tb.Fatal(err)
	}
	return letters
}

// testDispatcher is a dispatcher whose apps have the given endpoints.
type testDispatcher struct {
	*Dispatcher
	log      *providertest.Log
	registry *prometheus.Registry
}

func newDispatcher(tb testing.TB, outbox Outbox, to map[string]gateway.Webhook) *testDispatcher {
	d := &testDispatcher{log: &providertest.Log{}, registry: prometheus.NewRegistry()}
	d.Dispatcher = New(Options{
		Outbox: outbox,
		Apps:   func() []string { return slices.Sorted(maps.Keys(to)) },
		Render: func(_ context.Context, n gateway.Notification) (gateway.Webhook, json.RawMessage, error) {
			w, ok := to[n.App]
			if !ok {
				return w, nil, errors.New("the app has no webhook")
			}
			data, err := json.Marshal(map[string]any{"id": n.Change.Record.ID, "status": n.Change.Record.Status, "to": testNumber})
			return w, data, err
		},
		Metrics: NewMetrics(d.registry), Log: slog.New(slog.NewTextHandler(d.log, nil)),
	})
	d.poll = 5 * time.Millisecond
	d.jitter = func() float64 { return 0.5 }
	tb.Cleanup(d.clients.close)
	return d
}

// run runs d until the returned function is called, or the test ends.
func (d *testDispatcher) run(tb testing.TB) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	tb.Cleanup(stop)
	return stop
}

// attempts reads denwa_webhook_attempts_total.
func (d *testDispatcher) attempts(tb testing.TB, app string, o Outcome) float64 {
	return d.metric(tb, "denwa_webhook_attempts_total", map[string]string{"app": app, "outcome": string(o)})
}

// metric reads one series; -1 if it doesn't exist.
func (d *testDispatcher) metric(tb testing.TB, name string, labels map[string]string) float64 {
	tb.Helper()
	families, err := d.registry.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got := map[string]string{}
			for _, l := range m.GetLabel() {
				got[l.GetName()] = l.GetValue()
			}
			if f.GetName() == name && maps.Equal(got, labels) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

// request is what a receiver got.
type request struct {
	header http.Header
	body   string
}

// receiver is an endpoint that keeps what it gets.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	requests []request
}

// newReceiver answers 204, or what answer does.
func newReceiver(tb testing.TB, answer http.HandlerFunc) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.requests = append(r.requests, request{req.Header.Clone(), string(body)})
		r.mu.Unlock()
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answer(w, req)
	}))
	tb.Cleanup(r.Close)
	return r
}

func (r *receiver) got() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// deliveries counts the requests for each event.
func (r *receiver) deliveries() map[string]int {
	n := map[string]int{}
	for _, req := range r.got() {
		n[req.header.Get("Webhook-Id")]++
	}
	return n
}

// webhook is r as an app's endpoint.
func (r *receiver) webhook() gateway.Webhook {
	return gateway.Webhook{URL: r.URL + testPath, Secret: secretOf("now"), AllowPrivate: true}
}

// within waits for what must become true.
func within(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("not within a minute: %s", what)
		}
	}
}

// requireQuiet fails if text tells what nobody may read.
func requireQuiet(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{testNumber[1:], testNumber[3:], "hunter2", "/hook", secretOf("now")[6:], "v1,"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
}

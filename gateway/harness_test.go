package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/gateway/redisstore"
	"denwa/providers"
	"denwa/providers/providertest"
	"denwa/providers/sandbox"
	"denwa/ratelimit"
	"denwa/ratelimit/redistest"
)

// each runs test on a real Redis and on the embedded store.
func each(t *testing.T, test func(t *testing.T, client redis.UniversalClient)) {
	t.Run("redis", func(t *testing.T) { test(t, connect(t, redistest.Start(t))) })
	t.Run("embedded", func(t *testing.T) {
		client, closer, err := redisstore.Connect(redisstore.Config{Type: redisstore.TypeEmbedded})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = closer() })
		test(t, client)
	})
}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) { c.set(c.read().Add(d)) }

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// testGateway is a service with two sandbox carriers, "first" and "second",
// and two apps, "portal" and "other".
type testGateway struct {
	*gateway.Service
	t        testing.TB
	store    *redisstore.Store
	keys     *gateway.Keyring
	clock    *clock
	log      *providertest.Log
	registry *prometheus.Registry
	metrics  *gateway.Metrics
	phones   map[string]*sandbox.Phones
}

func newGateway(t testing.TB, client redis.UniversalClient) *testGateway {
	return newGatewayWith(t, client, client, func(*gateway.Config) {})
}

// newGatewayWith may keep limits elsewhere and change the configuration.
func newGatewayWith(t testing.TB, client, limits redis.UniversalClient, change func(*gateway.Config)) *testGateway {
	return newGatewayOf(t, client, limits, nil, nil, change)
}

// newGatewayOf may have carriers, routes and bounds of its own. All gateways of a
// test have the same master key.
func newGatewayOf(t testing.TB, client, limits redis.UniversalClient, carriers []providers.Provider, routes []providers.Route,
	change func(*gateway.Config), bounds ...map[string]providers.Bounds,
) *testGateway {
	t.Helper()
	g := &testGateway{
		t: t, clock: &clock{now: time.Now().Truncate(time.Microsecond)}, log: &providertest.Log{},
		registry: prometheus.NewRegistry(), phones: map[string]*sandbox.Phones{},
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	g.keys, err = gateway.NewKeyring(bytes.Repeat([]byte{42}, gateway.MasterKeySize))
	must(err)
	g.store = redisstore.New(client, redisstore.NewMetrics(g.registry)).WithClock(g.clock.read)
	t.Cleanup(func() { _ = g.store.Close() })
	log := slog.New(slog.NewJSONHandler(g.log, nil))

	own := carriers != nil
	for _, name := range []string{"first", "second"} {
		if own {
			break
		}
		g.phones[name] = sandbox.NewPhones()
		p, err := sandbox.New(sandbox.Config{Name: name}, g.phones[name], g.receive, g, log)
		must(err)
		t.Cleanup(func() { _ = p.Close() })
		carriers = append(carriers, p)
	}
	sends := providers.NewMetrics(g.registry, carriers, []string{"JP"})
	options := providers.RouterOptions{Routes: routes, Providers: carriers, Metrics: sends, Log: log}
	for _, b := range bounds {
		options.Bounds = b
	}
	router, err := providers.NewRouter(options)
	must(err)

	c := gateway.DefaultConfig()
	c.Apps = []gateway.App{
		{Name: "portal", Brand: "Example", Purposes: []string{"sign_in"}},
		{Name: "other", Brand: "Other", Countries: []string{"JP"}, Channels: []gateway.Channel{gateway.SMS}},
	}
	change(&c)
	policy, err := gateway.NewPolicy(c, router)
	must(err)
	g.metrics = gateway.NewMetrics(g.registry, router)
	g.Service = gateway.NewService(gateway.Parts{
		Store: g.store, Limits: ratelimit.NewRedis(limits, ratelimit.Prefix, ratelimit.WithClock(g.clock.read)),
		Sender: router, Keys: g.keys, Metrics: g.metrics, Receipts: sends, Log: log,
	}, policy)
	return g
}

// receive breaks the circle: the service is made of its providers.
func (g *testGateway) receive(ctx context.Context, provider string, r providers.Receipt) error {
	return g.Receipt(ctx, provider, r)
}

func (g *testGateway) app(name string) *gateway.AppPolicy { return g.Policy().App(name) }

// start starts a verification of number for the portal.
func (g *testGateway) start(number string) *gateway.Verification {
	g.t.Helper()
	v, err := g.Start(g.t.Context(), g.app("portal"), gateway.StartRequest{To: number})
	if err != nil {
		g.t.Fatal(err)
	}
	return v
}

// settle waits until the first delivery of v has its last receipt.
func (g *testGateway) settle(v *gateway.Verification) *gateway.Verification {
	g.t.Helper()
	for range 1000 {
		got, err := g.Get(g.t.Context(), g.app("portal"), string(v.ID))
		if err != nil {
			g.t.Fatal(err)
		}
		if got.Deliveries[0].Status.Final() {
			return got
		}
		time.Sleep(10 * time.Millisecond)
	}
	g.t.Fatal("no receipt came")
	return nil
}

// message is one on a phone's screen.
type message struct {
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// messages are those that reached the phone with number, by any carrier.
func (g *testGateway) messages(number string) (all []message) {
	g.t.Helper()
	for _, name := range []string{"first", "second"} {
		var of []message
		if err := json.Unmarshal(g.ask(name, http.MethodGet, number+"/messages", ""), &of); err != nil {
			g.t.Fatal(err)
		}
		all = append(all, of...)
	}
	return all
}

// lastCode is the code in the latest message to number.
func (g *testGateway) lastCode(number string) string {
	g.t.Helper()
	var last message
	for _, m := range g.messages(number) {
		if !m.At.Before(last.At) {
			last = m
		}
	}
	code := sixDigits.FindString(last.Text)
	if code == "" {
		g.t.Fatalf("no code in %q", last.Text)
	}
	return code
}

// fail makes the carrier refuse the next message to number.
func (g *testGateway) fail(carrier, number string, kind providers.Kind) {
	g.t.Helper()
	g.ask(carrier, http.MethodPost, number+"/behaviour", `{"error":"`+string(kind)+`"}`)
}

func (g *testGateway) ask(carrier, method, path, body string) []byte {
	g.t.Helper()
	r := httptest.NewRequest(method, "/sandbox/api/phones/"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	g.phones[carrier].Handler().ServeHTTP(w, r)
	if w.Code >= 300 {
		g.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w.Body.Bytes()
}

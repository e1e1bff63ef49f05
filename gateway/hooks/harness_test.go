package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"denwa/gateway"
	"denwa/gateway/redisstore"
	"denwa/ivr"
	"denwa/providers"
	"denwa/providers/providertest"
	"denwa/providers/sandbox"
	"denwa/ratelimit"
	"denwa/ratelimit/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// each runs test on a real Redis and on the embedded store.
func each(t *testing.T, test func(t *testing.T, client redis.UniversalClient)) {
	t.Run("redis", func(t *testing.T) { test(t, connect(t, redistest.Start(t).Addr())) })
	t.Run("embedded", func(t *testing.T) { test(t, connect(t, "")) })
}

// connect connects to the Redis at address, or to an embedded store.
func connect(t testing.TB, address string) redis.UniversalClient {
	t.Helper()
	c := redisstore.DefaultConfig()
	c.Addresses, c.Timeout = []string{address}, 20*time.Second
	if address == "" {
		c.Type = redisstore.TypeEmbedded
	}
	client, closer, err := redisstore.Connect(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closer() })
	return client
}

// testGateway is a gateway with two sandbox carriers, "first" and "second", whose
// app "portal" has a hook for every login service. Its clock stands still until
// it is moved.
type testGateway struct {
	t        testing.TB
	service  *gateway.Service
	hooks    *Handler
	server   *httptest.Server
	phones   *sandbox.Phones
	registry *prometheus.Registry
	log      *providertest.Log

	mu       sync.Mutex
	now      time.Time
	requests []recorded
	// hold, if set, is called before the handler is.
	hold func(*http.Request)
}

// recorded is a request that came.
type recorded struct {
	header http.Header
	body   string
}

func newGateway(t testing.TB, client redis.UniversalClient, change func(*gateway.Config)) *testGateway {
	t.Helper()
	return newGatewayOf(t, client, change, func(p providers.Provider) providers.Provider { return p })
}

// newGatewayOf may wrap its carriers.
func newGatewayOf(t testing.TB, client redis.UniversalClient, change func(*gateway.Config), wrap func(providers.Provider) providers.Provider) *testGateway {
	t.Helper()
	g := &testGateway{
		t: t, now: time.Now(), log: &providertest.Log{}, registry: prometheus.NewRegistry(), phones: sandbox.NewPhones(),
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.NewJSONHandler(g.log, nil))
	keys, err := gateway.NewKeyring(bytes.Repeat([]byte{42}, gateway.MasterKeySize))
	must(err)
	store := redisstore.New(client, redisstore.NewMetrics(g.registry)).WithClock(g.read)
	t.Cleanup(func() { _ = store.Close() })
	var carriers []providers.Provider
	for _, name := range []string{"first", "second"} {
		p, err := sandbox.New(sandbox.Config{Name: name}, g.phones, func(ctx context.Context, provider string, r providers.Receipt) error {
			return g.service.Receipt(ctx, provider, r)
		}, g, log)
		must(err)
		t.Cleanup(func() { _ = p.Close() })
		carriers = append(carriers, wrap(p))
	}
	sends := providers.NewMetrics(g.registry, carriers, []string{"JP"})
	router, err := providers.NewRouter(providers.RouterOptions{Providers: carriers, Metrics: sends, Log: log})
	must(err)

	c := gateway.DefaultConfig()
	portal := gateway.App{Name: "portal", Brand: "Example", Countries: []string{"JP", "US"}}
	for _, caller := range callers(t) {
		portal.Hooks = append(portal.Hooks, caller.hook)
	}
	c.Apps = []gateway.App{portal, {Name: "other", Brand: "Other"}}
	if change != nil {
		change(&c)
	}
	policy, err := gateway.NewPolicy(c, router)
	must(err)
	g.service = gateway.NewService(gateway.Parts{
		Store: store, Limits: ratelimit.NewRedis(client, ratelimit.Prefix, ratelimit.WithClock(g.read)),
		Sender: router, Keys: keys, Metrics: gateway.NewMetrics(g.registry, router), Receipts: sends, Log: log,
	}, policy)
	g.hooks = New(Options{Service: g.service, Idempotency: gateway.NewIdempotency(store, keys), Registerer: g.registry, Log: log})
	g.hooks.now = g.read
	g.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		g.mu.Lock()
		g.requests = append(g.requests, recorded{r.Header.Clone(), string(body)})
		hold := g.hold
		g.mu.Unlock()
		if hold != nil {
			hold(r)
		}
		g.hooks.ServeHTTP(w, r)
	}))
	t.Cleanup(g.server.Close)
	return g
}

func (g *testGateway) Script(ctx context.Context, delivery string) (ivr.Script, error) {
	return g.service.Script(ctx, delivery)
}

func (g *testGateway) Press(ctx context.Context, provider, delivery, keys string) (ivr.Verdict, error) {
	return g.service.Press(ctx, provider, delivery, keys)
}

func (g *testGateway) read() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

func (g *testGateway) pass(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now = g.now.Add(d)
}

// answer is what a login service gets.
type answer struct {
	status int
	header http.Header
	body   string
}

// ids differ from run to run.
var ids = regexp.MustCompile(`dl_[a-z2-7]{32}`)

// line is a with its headers that matter, on one line.
func (a answer) line() string {
	parts := []string{strconv.Itoa(a.status), a.header.Get("Content-Type")}
	if after := a.header.Get("Retry-After"); after != "" {
		parts = append(parts, "Retry-After "+after)
	}
	if allow := a.header.Get("Allow"); allow != "" {
		parts = append(parts, "Allow "+allow)
	}
	return strings.Join(append(parts, ids.ReplaceAllString(a.body, "dl_…")), " | ")
}

// post calls a hook.
func (g *testGateway) post(path, body string, header http.Header) answer {
	g.t.Helper()
	return g.do(context.Background(), http.MethodPost, path, body, header)
}

func (g *testGateway) do(ctx context.Context, method, path, body string, header http.Header) answer {
	g.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, g.server.URL+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header = header
	res, err := g.server.Client().Do(r)
	if err != nil {
		if ctx.Err() == nil {
			g.t.Error(err)
		}
		return answer{header: http.Header{}}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Error(err)
	}
	return answer{res.StatusCode, res.Header, string(text)}
}

// message is one on a phone's screen.
type message struct {
	Text string `json:"text"`
}

// messages are those that reached a phone.
func (g *testGateway) messages(number string) (all []message) {
	g.t.Helper()
	if err := json.Unmarshal(g.ask(http.MethodGet, number+"/messages", ""), &all); err != nil {
		g.t.Fatal(err)
	}
	return all
}

// fail makes the carrier refuse the next message to number.
func (g *testGateway) fail(number string, kind providers.Kind) {
	g.t.Helper()
	g.ask(http.MethodPost, number+"/behaviour", `{"error":"`+string(kind)+`"}`)
}

func (g *testGateway) ask(method, path, body string) []byte {
	g.t.Helper()
	r := httptest.NewRequest(method, "/sandbox/api/phones/"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	g.phones.Handler().ServeHTTP(w, r)
	if w.Code >= 300 {
		g.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// counted reads denwa_hook_requests_total of the portal; -1 if there is no such series.
func (g *testGateway) counted(kind gateway.HookType, o outcome) float64 {
	g.t.Helper()
	families, err := g.registry.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	want := map[string]string{"app": "portal", "type": string(kind), "outcome": string(o)}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got := map[string]string{}
			for _, l := range m.GetLabel() {
				got[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "denwa_hook_requests_total" && maps.Equal(got, want) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return -1
}

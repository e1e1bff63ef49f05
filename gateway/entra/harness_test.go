package entra_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/gateway/entra"
	"denwa/gateway/httpapi"
	"denwa/gateway/redisstore"
	"denwa/ivr"
	"denwa/providers"
	"denwa/providers/providertest"
	"denwa/providers/sandbox"
	"denwa/ratelimit"
	"denwa/ratelimit/redistest"
)

const (
	tenantID    = "11111111-2222-4333-8444-555555555555"
	audience    = "api://verify.example.jp/aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	issuer      = "https://sts.windows.net/" + tenantID + "/"
	kid         = "0f0e0d0c-0b0a-4908-8706-050403020100"
	otherKID    = "10111213-1415-4617-8819-1a1b1c1d1e1f"
	signerID    = "iBjL1Rcqzhiy4fpxIxdZqohM2Yk"
	mobile      = "+819012345678"
	fixed       = "+81312345678"
	code        = "918273"
	message     = "  Example: " + code + " is your code.\n"
	nonce       = "private-nonce-0f8c"
	correlation = "2b65f5e5-9628-4894-8ba6-8785c3a9c010"
	attempt     = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
)

// Key pairs take a while to make, so all tests share them.
var (
	signing  = sync.OnceValue(newKey) // the tenant's
	ours     = sync.OnceValue(newKey) // that requests are encrypted to
	stranger = sync.OnceValue(newKey)
)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

func pemOf(t testing.TB, key *rsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// clock is a time that tests move.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) pass(d time.Duration) { c.offset.Add(int64(d)) }

// authority is where the tenant publishes its signing keys.
type authority struct {
	*httptest.Server
	asked atomic.Int32
	over  chan struct{} // closed when the test ends
	mu    sync.Mutex
	serve http.HandlerFunc
}

func newAuthority(t testing.TB) *authority {
	a := &authority{over: make(chan struct{})}
	a.publish(map[string]*rsa.PrivateKey{signerID: signing()})
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.asked.Add(1)
		a.mu.Lock()
		serve := a.serve
		a.mu.Unlock()
		serve(w, r)
	}))
	t.Cleanup(a.Close)
	t.Cleanup(func() { close(a.over) })
	return a
}

func (a *authority) answer(h http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serve = h
}

// publish answers with the public halves of keys, as Entra ID does.
func (a *authority) publish(keys map[string]*rsa.PrivateKey) {
	var list []map[string]any
	for id, key := range keys {
		list = append(list, publicJWK(id, key, "https://login.microsoftonline.com/{tenantid}/v2.0"))
	}
	body, err := json.Marshal(map[string]any{"keys": list})
	if err != nil {
		panic(err)
	}
	a.answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
}

func publicJWK(id string, key *rsa.PrivateKey, of string) map[string]any {
	jwk, err := json.Marshal(jose.JSONWebKey{Key: key.Public(), KeyID: id, Use: "sig"})
	if err != nil {
		panic(err)
	}
	fields := map[string]any{}
	if err := json.Unmarshal(jwk, &fields); err != nil {
		panic(err)
	}
	fields["issuer"] = of
	return fields
}

// down answers with an error.
func (a *authority) down() {
	a.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
}

// hang takes requests and never answers.
func (a *authority) hang() {
	a.answer(func(http.ResponseWriter, *http.Request) { <-a.over })
}

// world is a whole gateway, with two sandbox carriers, that Entra ID calls.
type world struct {
	*httptest.Server
	t         testing.TB
	service   *gateway.Service
	handler   *entra.Handler
	authority *authority
	clock     *clock
	log       *providertest.Log
	registry  *prometheus.Registry
	phones    map[string]*sandbox.Phones
	// asked are the dispatches that the service was asked for.
	asked *requests
}

// requests is the service, and what it was asked for.
type requests struct {
	*gateway.Service
	mu   sync.Mutex
	list []gateway.DispatchRequest
	// before, if set, is called with each.
	before func()
}

func (r *requests) Dispatch(ctx context.Context, app *gateway.AppPolicy, d gateway.DispatchRequest) (*gateway.Dispatch, error) {
	r.mu.Lock()
	r.list = append(r.list, d)
	before := r.before
	r.mu.Unlock()
	if before != nil {
		before()
	}
	return r.Service.Dispatch(ctx, app, d)
}

func (r *requests) all() []gateway.DispatchRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

type switchboard struct{ w *world }

func (s switchboard) Script(ctx context.Context, delivery string) (ivr.Script, error) {
	return s.w.service.Script(ctx, delivery)
}

func (s switchboard) Press(ctx context.Context, provider, delivery, keys string) (ivr.Verdict, error) {
	return s.w.service.Press(ctx, provider, delivery, keys)
}

func embedded(t testing.TB) redis.UniversalClient {
	t.Helper()
	client, closer, err := redisstore.Connect(redisstore.Config{Type: redisstore.TypeEmbedded})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closer() })
	return client
}

func connect(t testing.TB, s *redistest.Server) redis.UniversalClient {
	t.Helper()
	c := redisstore.DefaultConfig()
	c.Addresses, c.Timeout = []string{s.Addr()}, 20*time.Second
	client, closer, err := redisstore.Connect(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closer() })
	return client
}

// each runs test on a real Redis and on the embedded store.
func each(t *testing.T, test func(t *testing.T, client redis.UniversalClient)) {
	t.Run("redis", func(t *testing.T) { test(t, connect(t, redistest.Start(t))) })
	t.Run("embedded", func(t *testing.T) { test(t, embedded(t)) })
}

func newWorld(t testing.TB, client redis.UniversalClient) *world {
	t.Helper()
	return newWorldWith(t, client, func(*gateway.Config) {})
}

func newWorldWith(t testing.TB, client redis.UniversalClient, change func(*gateway.Config)) *world {
	t.Helper()
	w := &world{
		t: t, authority: newAuthority(t), clock: &clock{}, log: &providertest.Log{},
		registry: prometheus.NewRegistry(), phones: map[string]*sandbox.Phones{},
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	keys, err := gateway.NewKeyring(bytes.Repeat([]byte{42}, gateway.MasterKeySize))
	must(err)
	store := redisstore.New(client, redisstore.NewMetrics(w.registry)).WithClock(w.clock.now)
	t.Cleanup(func() { _ = store.Close() })
	log := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var carriers []providers.Provider
	for _, name := range []string{"first", "second"} {
		w.phones[name] = sandbox.NewPhones()
		receive := func(ctx context.Context, provider string, r providers.Receipt) error {
			return w.service.Receipt(ctx, provider, r)
		}
		p, err := sandbox.New(sandbox.Config{Name: name}, w.phones[name], receive, switchboard{w}, log)
		must(err)
		t.Cleanup(func() { _ = p.Close() })
		carriers = append(carriers, p)
	}
	sends := providers.NewMetrics(w.registry, carriers, []string{"JP"})
	router, err := providers.NewRouter(providers.RouterOptions{Providers: carriers, Metrics: sends, Log: log})
	must(err)

	policy, err := gateway.NewPolicy(w.config(change), router)
	must(err)
	limits := ratelimit.NewRedis(client, ratelimit.Prefix, ratelimit.WithClock(w.clock.now))
	w.service = gateway.NewService(gateway.Parts{
		Store: store, Limits: limits, Sender: router, Keys: keys,
		Metrics: gateway.NewMetrics(w.registry, router), Receipts: sends, Log: log,
	}, policy)
	w.asked = &requests{Service: w.service}
	repeats := gateway.NewIdempotency(store, keys)
	w.handler = entra.New(entra.Options{
		Policy: w.service.Policy, Deliverer: w.asked, Repeats: repeats, Log: log, Registerer: w.registry, Now: w.clock.now,
	})
	listener := httpapi.DefaultConfig()
	listener.MaxBody = 32 << 10
	server, err := httpapi.New(httpapi.Options{
		Config: listener, Admin: httpapi.DefaultAdminConfig(), Verifier: w.service, Idempotency: repeats,
		Authenticate: func(key string) (*gateway.AppPolicy, string, bool) { return w.service.Policy().Authenticate(key) },
		KeyRate:      ratelimit.NewLocal(ratelimit.APIKey, policy.Limits.APIKey), Limited: w.service.Limited,
		KeyLimit: func() ratelimit.Limit { return policy.Limits.APIKey },
		Mounts:   map[string]http.Handler{"/entra/": w.handler},
		Log:      log, Registerer: w.registry, Gatherer: w.registry,
	})
	must(err)
	w.Server = httptest.NewServer(server.Public())
	t.Cleanup(w.Close)
	return w
}

// config is that of two apps, of which "portal" speaks the dialect.
func (w *world) config(change func(*gateway.Config)) gateway.Config {
	c := gateway.DefaultConfig()
	c.Apps = []gateway.App{
		{Name: "portal", Brand: "Example", Countries: []string{"JP"}, Entra: gateway.Entra{
			TenantID: tenantID, Audience: audience, JWKSURL: w.authority.URL,
			Keys: []gateway.EntraKey{{KID: strings.ToUpper(kid), PrivateKey: pemOf(w.t, ours())}},
		}},
		{Name: "other", Brand: "Other"},
	}
	change(&c)
	return c
}

// reply is what Entra ID gets.
type reply struct {
	status int
	header http.Header
	body   string
}

// post sends body as Entra ID does, with headers over the usual ones; an empty
// one takes it away.
func (w *world) post(body string, headers map[string]string) reply {
	w.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, w.URL+"/entra/portal/api/SendOtp", strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if _, given := headers["Authorization"]; !given {
		r.Header.Set("Authorization", "Bearer "+w.token(nil))
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("X-Request-Id", "r1")
	for name, value := range headers {
		if value == "" {
			r.Header.Del(name)
			continue
		}
		r.Header.Set(name, value)
	}
	return w.do(r)
}

func (w *world) do(r *http.Request) reply {
	w.t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(body)}
}

// texts are what the phone with number got, by any carrier.
func (w *world) texts(number string) (all []string) {
	w.t.Helper()
	for _, name := range []string{"first", "second"} {
		var of []struct {
			Text string `json:"text"`
		}
		if err := json.Unmarshal(w.ask(name, http.MethodGet, number+"/messages", ""), &of); err != nil {
			w.t.Fatal(err)
		}
		for _, m := range of {
			all = append(all, m.Text)
		}
	}
	return all
}

// behave sets what a carrier does with the next message to number.
func (w *world) behave(carrier, number, behaviour string) {
	w.t.Helper()
	w.ask(carrier, http.MethodPost, number+"/behaviour", behaviour)
}

func (w *world) ask(carrier, method, path, body string) []byte {
	w.t.Helper()
	r := httptest.NewRequest(method, "/sandbox/api/phones/"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	w.phones[carrier].Handler().ServeHTTP(recorder, r)
	if recorder.Code >= 300 {
		w.t.Fatalf("%s %s: %d %s", method, path, recorder.Code, recorder.Body)
	}
	return recorder.Body.Bytes()
}

// onScreen is a call on a phone's screen.
type onScreen struct {
	ID        string           `json:"id"`
	Extension string           `json:"extension"`
	Status    providers.Status `json:"status"`
	Said      []string         `json:"said"`
}

// answer answers the phone and waits until the call is over.
func (w *world) answer(number string) onScreen {
	w.t.Helper()
	var calls []onScreen
	for range 1000 {
		if err := json.Unmarshal(w.ask("first", http.MethodGet, number+"/calls", ""), &calls); err != nil {
			w.t.Fatal(err)
		}
		if len(calls) == 1 && calls[0].Status == providers.Ringing {
			r := httptest.NewRequest(http.MethodPost, "/sandbox/api/calls/"+calls[0].ID+"/answer", http.NoBody)
			r.Header.Set("Content-Type", "application/json")
			recorder := httptest.NewRecorder()
			w.phones["first"].Handler().ServeHTTP(recorder, r)
		}
		if len(calls) == 1 && calls[0].Status.Final() {
			return calls[0]
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("the call doesn't end: %+v", calls)
	return onScreen{}
}

// count is how many requests had an outcome.
func (w *world) count(outcome string) int {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "denwa_entra_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "outcome" && l.GetValue() == outcome {
					return int(m.GetCounter().GetValue())
				}
			}
		}
	}
	w.t.Fatalf("there is no series of outcome %q", outcome)
	return 0
}

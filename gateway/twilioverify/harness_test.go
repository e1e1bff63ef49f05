package twilioverify_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"denwa/gateway"
	"denwa/gateway/httpapi"
	"denwa/gateway/redisstore"
	"denwa/gateway/twilioverify"
	"denwa/ivr"
	"denwa/providers"
	"denwa/providers/providertest"
	"denwa/providers/sandbox"
	"denwa/ratelimit"
	"denwa/ratelimit/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The account and the keys, without dnw_, that tests use.
const (
	account    = "AC0123456789abcdef0123456789abcdef"
	service    = "VA0123456789abcdef0123456789abcdef"
	apiKey     = "SKfedcba9876543210fedcba9876543210"
	otherVA    = "VAffffffffffffffffffffffffffffffff"
	otherAC    = "ACffffffffffffffffffffffffffffffff"
	portalKey  = "portalportalportalportalportalportalport"
	otherKey   = "otherotherotherotherotherotherotherother"
	plainKey   = "plainplainplainplainplainplainplainplain"
	path       = "/v2/Services/" + service
	mobile     = "+819012345678"
	landline   = "+81312345678"
	customCode = "82719354"
)

// each runs test on a real Redis and on the embedded store.
func each(t *testing.T, test func(t *testing.T, g *testGateway)) {
	t.Run("redis", func(t *testing.T) { test(t, newGateway(t, redistest.Start(t).Addr(), nil)) })
	t.Run("embedded", func(t *testing.T) { test(t, newGateway(t, "", nil)) })
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

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// testGateway is a gateway as it is served, with one sandbox carrier. Its apps
// are "portal" and "other", which speak this dialect, and "plain", which doesn't.
type testGateway struct {
	t        testing.TB
	server   *httptest.Server
	service  *gateway.Service
	client   redis.UniversalClient
	keys     *gateway.Keyring
	clock    *clock
	log      *providertest.Log
	registry *prometheus.Registry
	phones   *sandbox.Phones
	// meanwhile, if set, is what happens while the carrier is asked for a message; an
	// error is its answer.
	meanwhile func(delivery string) error
}

// setup is what a test may change.
type setup struct {
	config  gateway.Config
	options *twilioverify.Options
	rate    ratelimit.Limit
}

// newGateway connects to the Redis at address, or to an embedded store.
func newGateway(t testing.TB, address string, change func(*setup)) *testGateway {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c := redisstore.DefaultConfig()
	c.Addresses, c.Timeout = []string{address}, 20*time.Second
	if address == "" {
		c.Type = redisstore.TypeEmbedded
	}
	client, closer, err := redisstore.Connect(c)
	must(err)
	t.Cleanup(func() { _ = closer() })
	g := &testGateway{
		t: t, client: client, clock: &clock{now: time.Now().Truncate(time.Microsecond)}, log: &providertest.Log{},
		registry: prometheus.NewRegistry(), phones: sandbox.NewPhones(),
	}
	g.keys, err = gateway.NewKeyring(bytes.Repeat([]byte{42}, gateway.MasterKeySize))
	must(err)
	store := redisstore.New(client, redisstore.NewMetrics(g.registry)).WithClock(g.clock.read)
	t.Cleanup(func() { _ = store.Close() })
	log := slog.New(slog.NewJSONHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))

	carrier, err := sandbox.New(sandbox.Config{Name: "sandbox"}, g.phones, g.receive, switchboard{g}, log)
	must(err)
	t.Cleanup(func() { _ = carrier.Close() })
	carriers := []providers.Provider{slow{carrier, g}}
	sends := providers.NewMetrics(g.registry, carriers, []string{"JP"})
	router, err := providers.NewRouter(providers.RouterOptions{Providers: carriers, Metrics: sends, Log: log})
	must(err)

	s := setup{config: gateway.DefaultConfig(), options: &twilioverify.Options{}, rate: ratelimit.Limit{Burst: 1000, Count: 1000, Period: time.Second}}
	s.config.Limits.NumberHour.Burst, s.config.Limits.NumberHour.Count = 10, 10
	s.config.Apps = []gateway.App{
		{Name: "portal", Brand: "Example", APIKeys: keyOf(portalKey), Twilio: gateway.TwilioVerify{AccountSID: account, ServiceSID: service}},
		{
			Name: "other", Brand: "Other", APIKeys: keyOf(otherKey), Countries: []string{"JP"}, Channels: []gateway.Channel{gateway.SMS},
			Twilio: gateway.TwilioVerify{AccountSID: otherAC, ServiceSID: otherVA},
		},
		{Name: "plain", Brand: "Plain", APIKeys: keyOf(plainKey)},
	}
	rate := ratelimit.NewLocal(ratelimit.APIKey, s.rate)
	s.options.Store, s.options.Keys, s.options.KeyRate, s.options.Log = store.TwilioVerify(twilioverify.Keep, twilioverify.KeepMost), g.keys, rate, log
	if change != nil {
		change(&s)
		rate.SetLimit(s.rate)
	}
	policy, err := gateway.NewPolicy(s.config, router)
	must(err)
	g.service = gateway.NewService(gateway.Parts{
		Store: store, Limits: ratelimit.NewRedis(client, ratelimit.Prefix, ratelimit.WithClock(g.clock.read)),
		Sender: router, Keys: g.keys, Metrics: gateway.NewMetrics(g.registry, router), Receipts: sends, Log: log,
	}, policy)
	idempotency := gateway.NewIdempotency(store, g.keys)
	s.options.Verifier = g.service
	if s.options.Turns == nil {
		s.options.Turns = idempotency
	}

	public, err := httpapi.New(httpapi.Options{
		Config: httpapi.DefaultConfig(), Admin: httpapi.DefaultAdminConfig(),
		Verifier: g.service, Dispatcher: g.service, Idempotency: idempotency, Authenticate: policy.Authenticate,
		KeyRate: rate, Limited: g.service.Limited, KeyLimit: func() ratelimit.Limit { return s.rate },
		Mounts: map[string]http.Handler{twilioverify.Prefix: twilioverify.New(*s.options)},
		Log:    log, Registerer: g.registry, Gatherer: g.registry,
	})
	must(err)
	g.server = httptest.NewServer(public.Public())
	t.Cleanup(g.server.Close)
	return g
}

func keyOf(secret string) []gateway.APIKey {
	sum := sha256.Sum256([]byte(gateway.APIKeyPrefix + secret))
	return []gateway.APIKey{{ID: "k1", SHA256: hex.EncodeToString(sum[:])}}
}

// slow is the carrier, and what happens while it takes its time.
type slow struct {
	*sandbox.Provider
	g *testGateway
}

func (s slow) SendMessage(ctx context.Context, m providers.Message) (providers.Acceptance, error) {
	if s.g.meanwhile != nil {
		if err := s.g.meanwhile(m.Delivery); err != nil {
			return providers.Acceptance{}, err
		}
	}
	return s.Provider.SendMessage(ctx, m)
}

// receive and switchboard break the circle: the service is made of its carrier.
func (g *testGateway) receive(ctx context.Context, provider string, r providers.Receipt) error {
	return g.service.Receipt(ctx, provider, r)
}

type switchboard struct{ g *testGateway }

func (s switchboard) Script(ctx context.Context, delivery string) (ivr.Script, error) {
	return s.g.service.Script(ctx, delivery)
}

func (s switchboard) Press(ctx context.Context, provider, delivery, keys string) (ivr.Verdict, error) {
	return s.g.service.Press(ctx, provider, delivery, keys)
}

// answer is a reply.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) field(name string) string {
	var fields map[string]any
	_ = json.Unmarshal([]byte(a.body), &fields)
	if fields[name] == nil {
		return ""
	}
	return fmt.Sprint(fields[name])
}

// code is Twilio's number of an error.
func (a answer) code() int {
	var e struct {
		Code int `json:"code"`
	}
	_ = json.Unmarshal([]byte(a.body), &e)
	return e.Code
}

// ask makes a request as the portal. form is "A=b&C=d", or "" for a GET.
func (g *testGateway) ask(method, path, form string) answer {
	g.t.Helper()
	return g.as(account, portalKey, method, path, form)
}

func (g *testGateway) as(user, password, method, path, form string) answer {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.server.URL+path, strings.NewReader(form))
	if err != nil {
		g.t.Fatal(err)
	}
	r.SetBasicAuth(user, password)
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return g.do(r)
}

func (g *testGateway) do(r *http.Request) answer {
	g.t.Helper()
	resp, err := g.server.Client().Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, strings.TrimSuffix(string(body), "\n")}
}

// start sends a code to number, which must work, and returns the SID.
func (g *testGateway) start(number, more string) string {
	g.t.Helper()
	a := g.ask("POST", path+"/Verifications", "To="+url.QueryEscape(number)+"&Channel=sms"+more)
	if a.status != http.StatusCreated {
		g.t.Fatalf("%d %s", a.status, a.body)
	}
	return a.field("sid")
}

// check tries a code for number.
func (g *testGateway) check(number, code string) answer {
	g.t.Helper()
	return g.ask("POST", path+"/VerificationCheck", url.Values{"To": {number}, "Code": {code}}.Encode())
}

// message is one on a phone's screen.
type message struct {
	Text string `json:"text"`
}

func (g *testGateway) messages(number string) (all []message) {
	g.t.Helper()
	if err := json.Unmarshal(g.phone("GET", number+"/messages", ""), &all); err != nil {
		g.t.Fatal(err)
	}
	return all
}

// ring is a call on a phone's screen.
type ring struct {
	ID        string   `json:"id"`
	Extension string   `json:"extension"`
	Said      []string `json:"said"`
}

func (g *testGateway) calls(number string) (all []ring) {
	g.t.Helper()
	if err := json.Unmarshal(g.phone("GET", number+"/calls", ""), &all); err != nil {
		g.t.Fatal(err)
	}
	return all
}

// pickUp answers the latest call to number and returns all that it says.
func (g *testGateway) pickUp(number string) string {
	g.t.Helper()
	calls := g.calls(number)
	if len(calls) == 0 {
		g.t.Fatal("no call came")
	}
	g.sandbox("POST", "/sandbox/api/calls/"+calls[len(calls)-1].ID+"/answer", "{}")
	calls = g.calls(number)
	return strings.Join(calls[len(calls)-1].Said, " ")
}

var digits = regexp.MustCompile(`[0-9]{4,10}`)

// code is the one in the latest message to number.
func (g *testGateway) code(number string) string {
	g.t.Helper()
	all := g.messages(number)
	if len(all) == 0 {
		g.t.Fatal("no message came")
	}
	return digits.FindString(all[len(all)-1].Text)
}

// wrong is a code that isn't right.
func wrong(code string) string {
	last := (code[len(code)-1]-'0'+1)%10 + '0'
	return code[:len(code)-1] + string(last)
}

func (g *testGateway) phone(method, path, body string) []byte {
	g.t.Helper()
	return g.sandbox(method, "/sandbox/api/phones/"+path, body)
}

func (g *testGateway) sandbox(method, path, body string) []byte {
	g.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	g.phones.Handler().ServeHTTP(w, r)
	if w.Code >= 300 {
		g.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// dump is all that the store holds, as text.
func (g *testGateway) dump() string {
	g.t.Helper()
	ctx := context.Background()
	keys, err := g.client.Keys(ctx, "*").Result()
	if err != nil {
		g.t.Fatal(err)
	}
	var b strings.Builder
	for _, key := range keys {
		kind, err := g.client.Type(ctx, key).Result()
		if err != nil {
			g.t.Fatal(err)
		}
		var value any
		switch kind {
		case "hash":
			value, err = g.client.HGetAll(ctx, key).Result()
		case "zset":
			value, err = g.client.ZRange(ctx, key, 0, -1).Result()
		case "string":
			value, err = g.client.Get(ctx, key).Result()
		case "none": // its time was over
		default:
			err = fmt.Errorf("%s is a %s", key, kind)
		}
		if err != nil && !errors.Is(err, redis.Nil) {
			g.t.Fatal(err)
		}
		fmt.Fprintln(&b, key, value)
	}
	return b.String()
}

// metrics are all series, as text.
func (g *testGateway) metrics() string {
	g.t.Helper()
	families, err := g.registry.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		b.WriteString(f.String())
	}
	return b.String()
}

// attemptStore is what g's handler records attempts in.
func (g *testGateway) attemptStore() *redisstore.TwilioVerify {
	s := redisstore.New(g.client, redisstore.NewMetrics(prometheus.NewRegistry())).WithClock(g.clock.read)
	g.t.Cleanup(func() { _ = s.Close() })
	return s.TwilioVerify(twilioverify.Keep, twilioverify.KeepMost)
}

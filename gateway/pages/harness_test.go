package pages_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/gateway/httpapi"
	"denwa/gateway/pages"
	parse "denwa/gateway/phone"
	"denwa/gateway/redisstore"
	"denwa/ivr"
	"denwa/providers"
	"denwa/providers/providertest"
	"denwa/providers/sandbox"
	"denwa/providers/sandbox/browsertest"
	"denwa/ratelimit"
	"denwa/ratelimit/redistest"
)

// axe is where .ci/setup installs axe-core.
const axe = "../../.peers/node_modules/axe-core/axe.min.js"

// Mojo lets TestWebOTP stand in for the browser's phone.
var browser = browsertest.Browser{Features: "MojoJS,MojoJSTest"}

func TestMain(m *testing.M) { os.Exit(browser.Main(m).Run()) }

const (
	mobile = "+819012345678"
	fixed  = "+81312345678"
)

// clock is a time that tests move.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) pass(d time.Duration) { c.offset.Add(int64(d)) }

// world is a whole gateway with a sandbox carrier, and a portal that sends
// people to its pages and gets them back at /portal/back.
type world struct {
	*httptest.Server
	t       testing.TB
	service *gateway.Service
	pages   *pages.Handler
	phones  *sandbox.Phones
	clock   *clock
	log     *providertest.Log
	public  atomic.Pointer[http.Handler]
	// block has an operator block a number.
	block func(number string, d time.Duration)
	// rebase gives the gateway another public URL.
	rebase func(public string)
	// serve, if set, answers before the gateway does, if it returns true.
	serve atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]
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

// each runs test on a real Redis and on the embedded store.
func each(t *testing.T, test func(t *testing.T, client redis.UniversalClient)) {
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		client := redis.NewClient(&redis.Options{Addr: redistest.Start(t).Addr()})
		t.Cleanup(func() { _ = client.Close() })
		test(t, client)
	})
	t.Run("embedded", func(t *testing.T) { test(t, embedded(t)) })
}

type switchboard struct{ w *world }

func (s switchboard) Script(ctx context.Context, delivery string) (ivr.Script, error) {
	return s.w.service.Script(ctx, delivery)
}

func (s switchboard) Press(ctx context.Context, provider, delivery, keys string) (ivr.Verdict, error) {
	return s.w.service.Press(ctx, provider, delivery, keys)
}

func newWorld(t testing.TB, change func(*gateway.Config)) *world {
	return newWorldOn(t, embedded(t), change)
}

// newWorldOn may change the configuration. The API's key is portalKey.
func newWorldOn(t testing.TB, client redis.UniversalClient, change func(*gateway.Config)) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{}, log: &providertest.Log{}, phones: sandbox.NewPhones()}
	t.Cleanup(func() { _ = w.phones.Close() })
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(httpapi.LogHandler(slog.NewJSONHandler(w.log, nil)))
	registry := prometheus.NewRegistry()
	keys, err := gateway.NewKeyring(bytes.Repeat([]byte{42}, gateway.MasterKeySize))
	must(err)
	store := redisstore.New(client, redisstore.NewMetrics(registry)).WithClock(w.clock.now)
	t.Cleanup(func() { _ = store.Close() })
	carrier, err := sandbox.New(sandbox.Config{Name: "carrier"}, w.phones, func(ctx context.Context, provider string, r providers.Receipt) error {
		return w.service.Receipt(ctx, provider, r)
	}, switchboard{w}, log)
	must(err)
	t.Cleanup(func() { _ = carrier.Close() })
	carriers := []providers.Provider{carrier}
	sends := providers.NewMetrics(registry, carriers, []string{"JP"})
	router, err := providers.NewRouter(providers.RouterOptions{Providers: carriers, Metrics: sends, Log: log})
	must(err)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	url := "http://" + listener.Addr().String()
	c := gateway.DefaultConfig()
	app := gateway.App{
		Name: "portal", Brand: "Example 大学", Purposes: []string{"registration"},
		APIKeys: []gateway.APIKey{{ID: "k1", SHA256: portalKeySum}},
		Pages: gateway.Pages{
			ReturnURLs: []string{url + "/portal/"}, TermsURL: "https://portal.example.jp/terms",
			PrivacyURL: "https://portal.example.jp/privacy", HelpURL: "https://portal.example.jp/help",
		},
	}
	c.Apps = []gateway.App{app}
	if change != nil {
		change(&c)
	}
	policy, err := gateway.NewPolicy(c, router)
	must(err)
	w.service = gateway.NewService(gateway.Parts{
		Store: store, Limits: ratelimit.NewRedis(client, ratelimit.Prefix, ratelimit.WithClock(w.clock.now)),
		Sender: router, Keys: keys, Metrics: gateway.NewMetrics(registry, router), Receipts: sends, Log: log,
	}, policy)
	w.block = func(number string, d time.Duration) {
		t.Helper()
		n, err := parse.Parse(number, parse.Options{Region: "JP"})
		must(err)
		_, err = gateway.NewDesk(store, keys, policy).Block(t.Context(), n, "carol", "ticket 4711", d)
		must(err)
	}
	w.rebase = func(public string) {
		sessions, err := gateway.NewSessions(w.service, store, keys, public, log)
		must(err)
		handler, err := pages.New(pages.Options{Sessions: sessions, ClientAddress: httpapi.ClientAddress, Log: log})
		must(err)
		w.pages = handler
		registry := prometheus.NewRegistry()
		server, err := httpapi.New(httpapi.Options{
			Config: httpapi.DefaultConfig(), Admin: httpapi.DefaultAdminConfig(),
			Verifier: w.service, Dispatcher: w.service, Sessions: sessions, Idempotency: gateway.NewIdempotency(store, keys),
			Authenticate: w.service.Policy().Authenticate, KeyRate: ratelimit.NewLocal(ratelimit.APIKey, policy.Limits.APIKey),
			Limited: w.service.Limited, KeyLimit: func() ratelimit.Limit { return policy.Limits.APIKey },
			Mounts: map[string]http.Handler{gateway.SessionsPath: handler, "/portal/": http.HandlerFunc(portal)},
			Log:    log, Registerer: registry, Gatherer: registry,
		})
		must(err)
		handlers := server.Public()
		w.public.Store(&handlers)
	}
	w.rebase(url)
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if serve := w.serve.Load(); serve == nil || !(*serve)(rw, r) {
			(*w.public.Load()).ServeHTTP(rw, r)
		}
	}))
	_ = w.Listener.Close()
	w.Listener = listener
	w.Start()
	t.Cleanup(w.Close)
	return w
}

const (
	portalKey    = "dnw_portalportalportalportalportalportalport"
	portalKeySum = "629ebeecb9a31457c82b12c3a0a3309d819bf99995f9447dbcbf82d83e1cf447"
)

// portal is where the browser comes back to.
func portal(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; img-src data:")
	_, _ = io.WriteString(w, `<!doctype html><html lang="en"><title>Portal</title><link rel="icon" href="data:,"><h1 id="portal">Portal</h1><p id="session">`+
		strings.Map(func(r rune) rune {
			if r == '<' {
				return -1
			}
			return r
		}, r.URL.Query().Get("session"))+`</p>`)
}

// session is what the API says of one.
type session struct {
	ID           string `json:"id"`
	Status       string `json:"status"`
	URL          string `json:"url"`
	Verification *struct {
		ID        string `json:"id"`
		Status    string `json:"status"`
		To        string `json:"to"`
		Channel   string `json:"channel"`
		Mode      string `json:"mode"`
		Locale    string `json:"locale"`
		Extension string `json:"extension"`
		Reference string `json:"reference"`
	} `json:"verification"`
	Code string `json:"code"`
}

// create makes a session by the API; body is what comes besides return_url.
func (w *world) create(body string) session {
	w.t.Helper()
	if body != "" {
		body = "," + body
	}
	return w.api(http.MethodPost, "/v1/sessions", `{"return_url":"`+w.URL+`/portal/back?step=2"`+body+`}`)
}

func (w *world) look(id string) session {
	w.t.Helper()
	return w.api(http.MethodGet, "/v1/sessions/"+id, "")
}

func (w *world) api(method, path, body string) (s session) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, w.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+portalKey)
	r.Header.Set("Content-Type", "application/json")
	reply, err := w.Client().Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer reply.Body.Close()
	if err := json.NewDecoder(reply.Body).Decode(&s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) ask(method, path, body string) []byte {
	w.t.Helper()
	r := httptest.NewRequest(method, "/sandbox/api/"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	w.phones.Handler().ServeHTTP(recorder, r)
	if recorder.Code >= 300 {
		w.t.Fatalf("%s %s: %d %s", method, path, recorder.Code, recorder.Body)
	}
	return recorder.Body.Bytes()
}

func (w *world) behave(number, behaviour string) {
	w.t.Helper()
	w.ask(http.MethodPost, "phones/"+number+"/behaviour", behaviour)
}

// texts are what the phone with number got.
func (w *world) texts(number string) (all []string) {
	w.t.Helper()
	var of []struct{ Text string }
	if err := json.Unmarshal(w.ask(http.MethodGet, "phones/"+number+"/messages", ""), &of); err != nil {
		w.t.Fatal(err)
	}
	for _, m := range of {
		all = append(all, m.Text)
	}
	return all
}

var sixDigits = regexp.MustCompile(`\d{6}`)

// code is the code in the latest message to number.
func (w *world) code(number string) string {
	w.t.Helper()
	all := w.texts(number)
	if len(all) == 0 {
		w.t.Fatal("no message came")
	}
	return sixDigits.FindString(all[len(all)-1])
}

// wrongCode is another.
func (w *world) wrongCode(number string) string {
	if w.code(number) == "123456" {
		return "654321"
	}
	return "123456"
}

// onScreen is a call on a phone's screen.
type onScreen struct {
	ID        string
	Extension string
	Status    providers.Status
	Said      []string
}

func (w *world) calls(number string) (calls []onScreen) {
	w.t.Helper()
	if err := json.Unmarshal(w.ask(http.MethodGet, "phones/"+number+"/calls", ""), &calls); err != nil {
		w.t.Fatal(err)
	}
	return calls
}

// ringing is the latest call to number, once it rings.
func (w *world) ringing(number string) onScreen {
	w.t.Helper()
	for range 1000 {
		if calls := w.calls(number); len(calls) > 0 && calls[len(calls)-1].Status == providers.Ringing {
			return calls[len(calls)-1]
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatal("the phone doesn't ring")
	return onScreen{}
}

// answer answers a call, and press presses keys on it.
func (w *world) answer(c onScreen) { w.t.Helper(); w.ask(http.MethodPost, "calls/"+c.ID+"/answer", "") }

func (w *world) press(c onScreen, keys string) {
	w.t.Helper()
	w.ask(http.MethodPost, "calls/"+c.ID+"/press", `{"digits":"`+keys+`"}`)
}

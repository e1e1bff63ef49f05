package demo

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/gateway"
	"denwa/gateway/httpapi"
	"denwa/gateway/redisstore"
	"denwa/ratelimit"
)

// denwa is the real API with its authentication and idempotency, and in the
// place of the hosted pages one that asks for nothing. They have tests of their own.
type denwa struct {
	url string

	mu     sync.Mutex
	last   gateway.Session
	asked  []gateway.SessionRequest
	refuse gateway.Code
}

var _ httpapi.Sessions = (*denwa)(nil)

// Create implements [httpapi.Sessions].
func (d *denwa) Create(_ context.Context, app *gateway.AppPolicy, r gateway.SessionRequest) (*gateway.Session, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuse != "" {
		return nil, &gateway.Error{Code: d.refuse, Message: "the test asks for it"}
	}
	id := gateway.NewSessionID(r.Seed)
	r.Seed = nil
	d.asked = append(d.asked, r)
	d.last = gateway.Session{
		ID: id, App: app.Name, Status: gateway.Pending, SessionRequest: r,
		URL: d.url + "/verify/" + string(id), CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
	}
	made := d.last
	return &made, nil
}

// Get implements [httpapi.Sessions].
func (d *denwa) Get(_ context.Context, app *gateway.AppPolicy, id string) (*gateway.Session, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	code := d.refuse
	if d.last.ID != gateway.SessionID(id) || d.last.App != app.Name {
		code = cmp.Or(code, gateway.CodeNotFound)
	}
	if code != "" {
		return nil, &gateway.Error{Code: code, Message: "the test asks for it"}
	}
	found := d.last
	return &found, nil
}

// finish is what the person did on the hosted page.
func (d *denwa) finish(s gateway.Status) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last.Status, d.last.URL = s, ""
	d.last.Verification = &gateway.Verification{Status: s, Channel: gateway.SMS, To: "+819012345678", ToMasked: "+81 90-****-5678"}
}

// set has the API refuse everything with a code; empty for nothing.
func (d *denwa) set(refuse gateway.Code) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refuse = refuse
}

func (d *denwa) requests() []gateway.SessionRequest {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

func (d *denwa) page() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last.URL
}

// hosted is a page that sends the browser back, and lies about how it went.
func (d *denwa) hosted(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, `<!doctype html><title>hosted</title><link rel="icon" href="data:,">`+
		`<a id="back" href="`+d.url+`/demo/return?session=se_x&amp;status=approved">back</a>`)
}

// open starts the API and the portal on one origin, as "denwa serve" has them.
func open(t *testing.T, log *slog.Logger) *denwa {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	d := &denwa{url: "http://" + server.Listener.Addr().String()}
	portal, err := New(Options{API: d.url + "/", Key: key, PublicURL: d.url, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	client, closer, err := redisstore.Connect(redisstore.Config{Type: redisstore.TypeEmbedded})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closer() })
	registry := prometheus.NewRegistry()
	store := redisstore.New(client, redisstore.NewMetrics(registry))
	t.Cleanup(func() { _ = store.Close() })
	keys, err := gateway.NewKeyring(make([]byte, gateway.MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	config := gateway.DefaultConfig()
	sum := sha256.Sum256([]byte(key))
	config.Apps = []gateway.App{{Name: "demo", Brand: "Demo", APIKeys: []gateway.APIKey{{ID: "demo", SHA256: hex.EncodeToString(sum[:])}}}}
	policy, err := gateway.NewPolicy(config, gateway.Everywhere{gateway.SMS, gateway.Voice})
	if err != nil {
		t.Fatal(err)
	}
	api, err := httpapi.New(httpapi.Options{
		Config: httpapi.DefaultConfig(), Sessions: d, Idempotency: gateway.NewIdempotency(store, keys),
		Authenticate: policy.Authenticate, KeyRate: ratelimit.NewLocal(ratelimit.APIKey, policy.Limits.APIKey),
		KeyLimit: func() ratelimit.Limit { return policy.Limits.APIKey }, Limited: func(*gateway.AppPolicy, ratelimit.Name) {},
		Mounts: map[string]http.Handler{"/demo/": portal, "/verify/": http.HandlerFunc(d.hosted)},
		Log:    log, Registerer: registry, Gatherer: registry,
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = api.Public()
	server.Start()
	t.Cleanup(server.Close)
	return d
}

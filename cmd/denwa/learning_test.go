package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/config"
	"denwa/gateway/dashboard"
	"denwa/gateway/learning"
	"denwa/gateway/redisstore"
	"denwa/providers"
	"denwa/providers/sandbox"
	"denwa/providers/sandbox/browsertest"
	"denwa/ratelimit/redistest"
)

// TestRoutesLearn has two gateways learn from what instances before them left in
// Redis: they show the same on their dashboards, send by it, and add what they
// see themselves.
func TestRoutesLearn(t *testing.T) {
	redis := redistest.Start(t).Addr()
	file := filepath.Join(t.TempDir(), "denwa.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
keys: {master: %q}
store: {type: redis, addresses: [%q]}
providers: [{name: main, type: sandbox}, {name: spare, type: sandbox}]
routes: [{channel: sms, countries: [JP], providers: [main, spare], learn: {explore: 0.1}}]
limits: {app: {count: 0}}
apps:
  - name: portal
    brand: Example
    api_keys: [{id: k1, sha256: %q}]
`, testMaster, redis, hashKey(config.PlaygroundKey)), 0o600); err != nil {
		t.Fatal(err)
	}
	past := newPast(t, file)
	past.hour(map[string][2]int{"main": {300, 60}, "spare": {40, 34}})

	gateways := []*running{serving(t, "--config", file), serving(t, "--config", file)}
	for _, g := range gateways {
		tab := chromium.Open(t, browsertest.View{Language: "en"})
		tab.Go(g.admin + "/dashboard")
		tab.WaitText(".lessons", "converts worse than spare")
		shares, _ := tab.Evaluate(`[...document.querySelectorAll(".lessons .share b")].map(b => b.textContent).join()`).(string)
		if shares != "10 %,90 %" {
			t.Errorf("it shows %q", shares)
		}
		if got := g.metrics(t); !strings.Contains(got, `denwa_route_share{country="JP",provider="spare",route="0"} 0.9`) {
			t.Errorf("it measures otherwise:\n%s", got)
		}
	}

	asked, approved := map[string]int64{}, map[string]int64{}
	for i := range 60 {
		g, number := gateways[i%2], fmt.Sprintf("+8190%08d", 10_000_000+i)
		v := g.post(t, "/v1/verifications", fmt.Sprintf(`{"to":%q}`, number))
		if v.status != http.StatusCreated {
			t.Fatalf("%d %v", v.status, v.body)
		}
		provider := fmt.Sprint(v.body["deliveries"].([]any)[0].(map[string]any)["provider"])
		asked[provider]++
		if i%3 == 0 {
			code := codeSent(t, g.server, number)
			if r := g.post(t, "/v1/verifications/"+v.text("id")+"/check", fmt.Sprintf(`{"code":%q}`, code)); r.body["valid"] != true {
				t.Errorf("%d %v", r.status, r.body)
			}
			approved[provider]++
		}
	}
	// 54 are to be expected; fewer than 40 come once in a hundred million times.
	if asked["spare"] < 40 {
		t.Errorf("asked %v", asked)
	}
	for _, provider := range []string{"main", "spare"} {
		past.wantCounted(provider, asked[provider], approved[provider])
	}
}

// metrics are those of a running gateway.
func (r *running) metrics(t *testing.T) string {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.admin+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// past is an instance that ran an hour ago.
type past struct {
	t      *testing.T
	router *providers.Router
	store  *redisstore.Store
	at     time.Time
}

func newPast(t *testing.T, file string) *past {
	t.Helper()
	c, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	client, closer, err := redisstore.Connect(c.Store)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closer() })
	p := &past{t: t}
	p.store = redisstore.New(client, redisstore.NewMetrics(prometheus.NewRegistry())).WithClock(func() time.Time { return p.at })
	t.Cleanup(func() { _ = p.store.Close() })
	var all []providers.Provider
	for _, name := range []string{"main", "spare"} {
		s, err := sandbox.New(sandbox.Config{Name: name}, sandbox.NewPhones(), nil, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		all = append(all, s)
	}
	p.router, err = providers.NewRouter(providers.RouterOptions{
		Routes: c.Routes, Providers: all, Metrics: providers.NewMetrics(prometheus.NewRegistry(), all, nil), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// hour counts what was sent and approved by each provider, spread over an hour.
func (p *past) hour(by map[string][2]int) {
	p.t.Helper()
	begin := time.Now().Add(-65 * time.Minute)
	to := providers.Destination{Channel: providers.SMS, Country: "JP", NumberType: "mobile", App: "portal"}
	for part := range 10 {
		p.at = begin.Add(time.Duration(part) * 6 * time.Minute)
		log := slog.New(slog.DiscardHandler)
		recorder := dashboard.NewRecorder(p.store.Funnel(), log)
		teacher := learning.New(learning.Options{Routes: p.router, Counter: recorder, Counts: p.store.Funnel(), Reg: prometheus.NewRegistry(), Log: log})
		for provider, n := range by {
			for range n[0] / 10 {
				teacher.Sent(provider, to)
			}
			for range n[1] / 10 {
				teacher.Converted(provider, to, 20*time.Second)
			}
		}
		ctx, stop := context.WithCancel(p.t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			recorder.Run(ctx) // adds once more when it ends
		}()
		stop()
		<-done
	}
	p.at = time.Time{}
}

// wantCounted waits until the last minutes hold so many sends and approvals.
func (p *past) wantCounted(provider string, sent, approved int64) {
	p.t.Helper()
	p.at = time.Now()
	key := "learn:" + p.router.Learners()[0].Key + ":JP:" + provider + ":"
	var got [2]int64
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		p.at = time.Now()
		_, slots, _, err := p.store.Funnel().Read(p.t.Context(), time.Minute, 5)
		if err != nil {
			p.t.Fatal(err)
		}
		got = [2]int64{}
		for _, slot := range slots {
			got[0] += slot[key+"s"]
			got[1] += slot[key+"0"] + slot[key+"1"]
		}
		if got == [2]int64{sent, approved} {
			return
		}
	}
	p.t.Errorf("%s: counted %d sent and %d approved, not %d and %d", provider, got[0], got[1], sent, approved)
}

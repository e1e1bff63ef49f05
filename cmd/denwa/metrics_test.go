package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"denwa/config"
	"denwa/ratelimit/redistest"
)

// exposition is what /metrics says: of each metric of Denwa's its type and
// labels, as docs/metrics.md writes them, and every series without its value. A
// histogram counts as one series.
type exposition struct {
	metrics map[string]string // such as "counter app result", by name
	series  map[string]labels
}

// labels are a series' labels; "" is its metric.
type labels map[string]string

var (
	typeLine   = regexp.MustCompile(`^# TYPE (\S+) (\S+)`)
	seriesLine = regexp.MustCompile(`^(denwa_\w+?)(_bucket|_sum|_count)?(?:\{(.*)\})? \S+$`)
	labelPair  = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
)

func expose(t *testing.T, text string) exposition {
	t.Helper()
	e := exposition{map[string]string{}, map[string]labels{}}
	types := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := typeLine.FindStringSubmatch(line); m != nil {
			types[m[1]] = m[2]
		}
		if !strings.HasPrefix(line, "denwa_") {
			continue
		}
		m := seriesLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("no series: %q", line)
		}
		name := m[1]
		if types[name] != "histogram" {
			name += m[2]
		}
		of, names := labels{"": name}, []string{}
		for _, pair := range labelPair.FindAllStringSubmatch(m[3], -1) {
			if pair[1] == "le" && types[name] == "histogram" {
				continue
			}
			of[pair[1]] = pair[2]
			names = append(names, pair[1])
		}
		slices.Sort(names)
		declared := types[name] + " " + strings.Join(names, " ")
		if was := e.metrics[name]; was != "" && was != declared {
			t.Errorf("%s has series with other labels: %q and %q", name, was, declared)
		}
		e.metrics[name] = declared
		e.series[fmt.Sprint(of)] = of
	}
	return e
}

// documentedMetrics are those of docs/metrics.md, as an exposition has them.
func documentedMetrics(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "docs/metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(denwa_\\w+)` \\| (\\w+) \\| ([a-z_ ]*) \\| \\S.* \\|$").FindAllStringSubmatch(string(text), -1) {
		names := strings.Fields(m[3])
		slices.Sort(names)
		all[m[1]] = m[2] + " " + strings.Join(names, " ")
	}
	return all
}

// measured is a gateway with everything that has metrics, after a little traffic.
func measured(t *testing.T) *running {
	t.Helper()
	hook := newReceiver(t, http.StatusNoContent)
	entra, err := newEntraPair(2048, time.Now().UTC().Truncate(time.Second), 30)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := entra.write(filepath.Join(folder, "entra.key"), filepath.Join(folder, "entra.crt")); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(entra.certificate)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	signers := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: certificate.PublicKey, KeyID: "k", Use: "sig"}}})
	}))
	t.Cleanup(signers.Close)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	t.Cleanup(broken.Close)

	c := &testConfig{path: filepath.Join(folder, "denwa.yaml")}
	text := fmt.Sprintf(`
keys: {master: %q, created: 2026-01-31}
store: {addresses: [%q]}
limits: {app: {count: 0}, api_key: {count: 0}}
apps:
  - name: portal
    brand: Example
    api_keys: [{id: k1, sha256: %q}]
    webhook: {url: %q, secret: %q, allow_private: true}
    pages: {return_urls: ["https://portal.example.jp/"]}
    twilio: {account_sid: %s, service_sid: VA0123456789abcdef0123456789abcdef}
    hooks: [{type: logto, secret: sixteen-characters}]
    entra:
      {tenant_id: 00000000-0000-4000-8000-000000000001, audience: api://denwa, jwks_url: %q,
       keys: [{kid: %s, private_key_file: %q}]}
providers:
  - {name: main, type: sandbox}
  - {name: spare, type: sandbox}
  - {name: broken, type: http, url: %q, form: {to: "{to}", text: "{text}"}, reply: {rules: [{status: "2xx", means: accepted}]}}
  - {name: carrier, type: smpp, address: %q, system_id: denwa, password: secret, source: "0005123456"}
routes:
  - {channel: sms, countries: [JP], providers: [main, spare], learn: {explore: 0.1}}
`, testMaster, redistest.Start(t).Addr(), hashKey(config.PlaygroundKey), hook.URL, testWebhookSecret, twilioAccount,
		signers.URL, entra.kid, filepath.Join(folder, "entra.key"), broken.URL, freeAddress(t))
	c.save(t, text)
	newPast(t, c.path).hour(map[string][2]int{"main": {300, 60}, "spare": {40, 34}})
	c.save(t, text+"  - {channel: sms, providers: [broken, main]}\n  - {channel: voice, providers: [main]}\n")

	g := serving(t, "--config", c.path)
	started := g.post(t, "/v1/verifications", `{"to":"090-1111-2222"}`)
	checked := g.post(t, "/v1/verifications/"+started.text("id")+"/check", `{"code":"`+codeSent(t, g.server, "+819011112222")+`"}`)
	if checked.body["valid"] != true {
		t.Fatalf("%v %v", started.body, checked.body)
	}
	for _, body := range []string{`{"to":"+12025550123"}`, `{"to":"03-2000-0004","channel":"voice"}`} {
		if r := g.post(t, "/v1/verifications", body); r.status != http.StatusCreated {
			t.Fatalf("%s: %d %v", body, r.status, r.body)
		}
	}
	return g
}

// TestMetrics: docs/metrics.md has all metrics, as they are. Prometheus finds no
// fault with them. Nobody outside can add series without end, or text of theirs.
func TestMetrics(t *testing.T) {
	g := measured(t)
	want := documentedMetrics(t)
	var before exposition
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if before = expose(t, g.metrics(t)); len(before.metrics) >= len(want) { // keys are fetched and routes learn in the background
			break
		}
	}
	if diff := cmp.Diff(want, before.metrics); diff != "" {
		t.Errorf("docs/metrics.md and /metrics (-documented +exposed):\n%s", diff)
	}
	t.Run("promtool", func(t *testing.T) {
		path, err := exec.LookPath("promtool")
		if err != nil {
			lacking(t, "promtool (Debian: apt-get install prometheus)")
		}
		check := exec.Command(path, "check", "metrics")
		check.Stdin = strings.NewReader(g.metrics(t))
		if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("promtool check metrics: %v\n%s", err, out)
		}
	})
	t.Run("hostile", func(t *testing.T) { g.wantBounded(t, before, g.flood(t, 10_000)) })
}

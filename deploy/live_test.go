package deploy_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"denwa/config"
)

// liveConfig is a gateway that has everything the metrics tell of: two carriers, a
// webhook that nobody answers, two login services. It also returns the variable
// that has it trust them.
func liveConfig(t *testing.T) (path, trust string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	entra := write(t, "entra.pem", string(slices.Concat(
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))))
	signers := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"RSA","use":"sig","kid":"1","n":%q,"e":"AQAB"}]}`, base64.RawURLEncoding.EncodeToString(key.N.Bytes()))
	}))
	t.Cleanup(signers.Close)
	trusted := write(t, "signers.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signers.Certificate().Raw})))
	sum := sha256.Sum256([]byte(config.PlaygroundKey))
	return write(t, "denwa.yaml", fmt.Sprintf(`
keys: {master: %s, created: 2026-01-31}
store: {type: embedded}
apps:
  - name: portal
    brand: Example
    api_keys: [{id: k1, sha256: %s}]
    hooks: [{type: kratos, username: kratos, password: 0123456789abcdef}]
    webhook: {url: "http://%s/", secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=, allow_private: true}
    entra:
      tenant_id: 00000000-0000-4000-8000-000000000001
      audience: api://denwa
      jwks_url: %q
      keys: [{kid: 00000000-0000-4000-8000-000000000002, private_key_file: %q}]
providers: [{name: first, type: sandbox}, {name: second, type: sandbox}]
routes: [{channel: sms, providers: [first, second]}, {channel: voice, providers: [first, second]}]
limits: {app: {count: 0}, api_key: {count: 0}}
`, testMaster, hex.EncodeToString(sum[:]), freeAddress(t), signers.URL, entra)), "SSL_CERT_FILE=" + trusted
}

// monitor is a real Prometheus.
type monitor struct{ url string }

// scraping starts one with prometheus.yml, which only scrapes faster and elsewhere.
func scraping(t *testing.T, target string) *monitor {
	t.Helper()
	program := peer(t, "prometheus", "prometheus")
	var c scrapeConfig
	into(t, "prometheus/prometheus.yml", &c)
	c.Global["scrape_interval"], c.Global["evaluation_interval"] = "1s", "1s"
	for i, name := range c.Rules {
		path, err := filepath.Abs(filepath.Join("prometheus", name))
		if err != nil {
			t.Fatal(err)
		}
		c.Rules[i] = path
	}
	c.Scrape[0].Static[0].Targets = []string{target}
	text, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	p := start(t, exec.Command(program, "--config.file="+write(t, "prometheus.yml", string(text)),
		"--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+address))
	m := &monitor{url: "http://" + address}
	p.answers(t, m.url+"/-/ready")
	return m
}

// ask returns the data of a reply of Prometheus' API.
func (m *monitor) ask(t *testing.T, path string, form url.Values, data any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url+path+"?"+form.Encode(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	reply := struct {
		Error string
		Data  any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || reply.Error != "" {
		t.Fatalf("%s %v: %v %s", path, form, err, reply.Error)
	}
}

// value reports whether a query gives a number.
func (m *monitor) value(t *testing.T, promql string) bool {
	t.Helper()
	var data struct {
		Result []struct {
			Value [2]any
		}
	}
	m.ask(t, "/api/v1/query", url.Values{"query": {promql}}, &data)
	for _, r := range data.Result {
		text, _ := r.Value[1].(string)
		if v, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(v) {
			return true
		}
	}
	return false
}

// series reports whether a selector finds something.
func (m *monitor) series(t *testing.T, selector string) bool {
	t.Helper()
	var found []map[string]string
	m.ask(t, "/api/v1/series", url.Values{"match[]": {selector}}, &found)
	return len(found) > 0
}

// Metrics that can't be there, and why.
var absent = map[string]string{
	"denwa:provider_verifications:approved_ratio1w":    "an hour has to pass first",
	"denwa:provider_verifications_finished:increase1w": "an hour has to pass first",
}

// without are the queries that may have no value, because they are made of those.
func without(promql string) bool {
	for name := range absent {
		if strings.Contains(promql, name) {
			return true
		}
	}
	return false
}

// grafana puts values in the place of variables, as Grafana does with All chosen.
var grafana = strings.NewReplacer(
	"$app", ".*", "$channel", ".*", "$country", ".*", "$provider", ".*", "$instance", ".*",
	"$__rate_interval", "10s", "$__range", "1m",
)

// selector finds what a query reads: a metric's name, and what its labels must be.
var selector = regexp.MustCompile(`\b(?:denwa[_:][\w:]+|up|ALERTS|process_\w+|go_\w+)\b(?:\{[^}]*\})?`)

// TestLive runs a gateway, gives it traffic, has a real Prometheus scrape it, and
// wants a value of every query in the dashboards and every recording rule, and the
// series that every alert reads.
func TestLive(t *testing.T) {
	var compose composeFile
	into(t, "compose/compose.yaml", &compose)
	path, trust := liveConfig(t)
	g := serve(t, []string{"--config", path}, trust, "GOMEMLIMIT="+compose.Services["denwa"].Environment["GOMEMLIMIT"])
	m := scraping(t, g.admin)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		(&traffic{t: t, server: "http://" + g.public}).run(ctx)
	}()
	defer func() {
		stop()
		<-stopped
	}()

	wanted := map[string]func() bool{}
	values := func(where, promql string) {
		promql = grafana.Replace(promql)
		if without(where + promql) {
			m.value(t, promql) // which fails if it isn't valid
			return
		}
		wanted[where+": "+promql] = func() bool { return m.value(t, promql) }
	}
	for path, d := range dashboards(t) {
		where := filepath.Base(path) + ": "
		for _, p := range panels(d) {
			for i := range p.Targets {
				values(where+*p.Title, query(t, p, i))
			}
		}
		for _, a := range d.Annotations.List {
			values(where+a.Name, *a.Expr)
		}
		for _, v := range d.Templating.List {
			if v.Definition == nil {
				continue
			}
			parts := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`).FindStringSubmatch(*v.Definition)
			if parts == nil || parts[2] != v.Name {
				t.Errorf("%s$%s: %q", where, v.Name, *v.Definition)
				continue
			}
			values(where+"$"+v.Name, fmt.Sprintf(`count by (%s) (%s{%[1]s!=""})`, parts[2], parts[1]))
		}
	}
	for _, r := range rules(t) {
		if r.Record != "" {
			values("recording.yml: "+r.Record, r.Expr)
			continue
		}
		m.value(t, r.Expr) // which fails if it isn't valid
		for _, s := range selector.FindAllString(r.Expr, -1) {
			if !without(s) {
				wanted["alerts.yml: "+r.Alert+": "+s] = func() bool { return m.series(t, s) }
			}
		}
	}

	for deadline := time.Now().Add(patience); len(wanted) > 0 && time.Now().Before(deadline); time.Sleep(time.Second) {
		for what, there := range wanted {
			if there() {
				delete(wanted, what)
			}
		}
	}
	for what := range wanted {
		t.Errorf("no data: %s", what)
	}
	for name, why := range absent {
		if m.series(t, name) {
			t.Errorf("%s is there: its line in this test (%s) can go", name, why)
		}
	}
	m.checkHealth(t)
	m.checkMentions(t)
}

// checkHealth wants every rule to have been evaluated without an error, except
// those of a group whose turn hasn't come.
func (m *monitor) checkHealth(t *testing.T) {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	m.ask(t, "/api/v1/rules", nil, &data)
	n := 0
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			if n++; r.Health == "err" {
				t.Errorf("rule %s: %s", r.Name, r.LastError)
			}
		}
	}
	if n != len(rules(t)) {
		t.Errorf("Prometheus has %d rules, the files %d", n, len(rules(t)))
	}
}

// checkMentions wants metrics that documents speak of to exist.
func (m *monitor) checkMentions(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob("../docs/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`\bdenwa[_:][a-z0-9_:]*[a-z0-9]`)
	for _, path := range append(files, "README.md") {
		for _, metric := range slices.Compact(name.FindAllString(read(t, path), -1)) {
			if absent[metric] == "" && !m.series(t, `{__name__=~"`+metric+`(_bucket)?"}`) {
				t.Errorf("%s speaks of %s, which doesn't exist", path, metric)
			}
		}
	}
}

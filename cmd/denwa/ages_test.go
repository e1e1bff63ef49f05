package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"denwa/providers/sip/siptest"
	"denwa/ratelimit/redistest"
)

// TestAges: metrics tell when every certificate expires that a gateway holds or
// sees, and how old its keys are.
func TestAges(t *testing.T) {
	both, ca := siptest.Certificate(t)
	pair, err := tls.LoadX509KeyPair(both, both)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", ca) // what the gateway trusts where it can't be told
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	redistest.Start(t, "--tls-port", port, "--tls-cert-file", both, "--tls-key-file", both, "--tls-ca-cert-file", ca)
	secured := func(answer string) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
		s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	carrier, hook := secured(`{"id":"m-1"}`), secured("")
	entra, err := newEntraPair(2048, time.Now().UTC().Truncate(time.Second), 30)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := entra.write(filepath.Join(folder, "entra.key"), filepath.Join(folder, "entra.crt")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "denwa.yaml")
	text := fmt.Sprintf(`
keys: {master: %q, created: 2026-01-31}
store: {addresses: ["127.0.0.1:%s"], tls: {enabled: true, ca_file: %q, cert_file: %[4]q, key_file: %[4]q}}
apps:
  - name: portal
    brand: Example
    api_keys: [{id: k1, sha256: %[5]q, created: 2026-02-28}, {id: k2, sha256: %064[6]d}]
    webhook: {url: %[7]q, secret: %[8]q, allow_private: true}
    entra:
      {tenant_id: 00000000-0000-4000-8000-000000000001, audience: api://denwa, jwks_url: %[9]q,
       keys: [{kid: %[10]s, private_key_file: %[11]q}]}
providers: [{name: aggregator, type: http, url: %[12]q, form: {phone: "{to}", message: "{text}"}}]
`, testMaster, port, ca, both, hashKey(tracedKey), 1, hook.URL, testWebhookSecret, hook.URL, entra.kid,
		filepath.Join(folder, "entra.key"), carrier.URL+"/send")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serving(t, "--config", path)
	g.key = tracedKey
	if r := g.post(t, "/v1/verifications", `{"to":"090-1111-2222"}`); r.status != http.StatusCreated {
		t.Fatalf("%d %v", r.status, r.body)
	}

	expiry := func(certificate []byte) int64 {
		c, err := x509.ParseCertificate(certificate)
		if err != nil {
			t.Fatal(err)
		}
		return c.NotAfter.Unix()
	}
	shown := expiry(pair.Certificate[0])
	block, _ := pem.Decode(entra.certificate)
	want := map[string]int64{
		`denwa_certificate_expiry_timestamp_seconds{certificate="server",name="",part="store"}`:                         shown,
		`denwa_certificate_expiry_timestamp_seconds{certificate="client",name="",part="store"}`:                         shown,
		`denwa_certificate_expiry_timestamp_seconds{certificate="server",name="aggregator",part="provider"}`:            shown,
		`denwa_certificate_expiry_timestamp_seconds{certificate="server",name="portal",part="webhook"}`:                 shown,
		`denwa_certificate_expiry_timestamp_seconds{certificate="server",name="",part="entra"}`:                         shown,
		fmt.Sprintf(`denwa_certificate_expiry_timestamp_seconds{certificate=%q,name="portal",part="entra"}`, entra.kid): expiry(block.Bytes),
		`denwa_key_created_timestamp_seconds{app="",name="",use="master"}`:                                              1769817600,
		`denwa_key_created_timestamp_seconds{app="portal",name="k1",use="api_key"}`:                                     1772236800,
	}
	var got map[string]int64
	for range 200 { // the webhook comes a moment later
		if got = g.series(t, "denwa_certificate_", "denwa_key_"); len(got) >= len(want) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	for series, value := range want {
		if got[series] != value {
			t.Errorf("%s is %d, want %d", series, got[series], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("series: %v", got)
	}

	// What a running gateway takes over is told of, and what it doesn't isn't: the
	// master key is still the old one.
	later := strings.NewReplacer("created: 2026-01-31", "created: 2026-03-01", "created: 2026-02-28", "created: 2026-03-01").Replace(text)
	if err := os.WriteFile(path, []byte(later), 0o600); err != nil {
		t.Fatal(err)
	}
	g.hup(t, "configuration reloaded")
	want[`denwa_key_created_timestamp_seconds{app="portal",name="k1",use="api_key"}`] = 1772323200
	if got := g.series(t, "denwa_certificate_", "denwa_key_"); !maps.Equal(got, want) {
		t.Errorf("after the reload: %v", got)
	}

	// Nor is anybody told of the certificates and keys of an app that was taken out.
	begin, end := strings.Index(later, "    webhook:"), strings.Index(later, "providers:")
	if err := os.WriteFile(path, []byte(strings.Replace(later[:begin], "portal", "another", 1)+later[end:]), 0o600); err != nil {
		t.Fatal(err)
	}
	g.hup(t, "configuration reloaded")
	for series := range g.series(t, "denwa_certificate_", "denwa_key_") {
		if strings.Contains(series, `"portal"`) {
			t.Errorf("after the app was taken out there is %s", series)
		}
	}
}

// series are those that begin so, with their values, as /metrics has them.
func (r *running) series(t *testing.T, names ...string) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for line := range strings.Lines(r.metrics(t)) {
		for _, name := range names {
			var value float64
			if at := strings.LastIndexByte(line, ' '); strings.HasPrefix(line, name) && at > 0 {
				if _, err := fmt.Sscan(line[at:], &value); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				all[line[:at]] = int64(value)
			}
		}
	}
	return all
}

package providers

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestWhenAConnectionExpires: a chain is over with its first certificate, and the
// best of several chains counts. What was shown before doesn't.
func TestWhenAConnectionExpires(t *testing.T) {
	at := func(seconds int64) *x509.Certificate { return &x509.Certificate{NotAfter: time.Unix(seconds, 0)} }
	registry := prometheus.NewRegistry()
	m := NewCertificateMetrics(registry)
	config := m.Of("store", "").Watch(&tls.Config{MinVersion: tls.VersionTLS12})
	own := &Certificates{}
	own.holds(at(700))
	m.Add("provider", "carrier", own)
	m.Of("webhook", "portal") // nothing was seen yet
	for _, shown := range [][][]*x509.Certificate{
		{{at(900), at(950)}},
		{{at(300), at(100)}, {at(500), at(400), at(600)}},
		nil, // not verified: it tells nothing
	} {
		if err := config.VerifyConnection(tls.ConnectionState{VerifiedChains: shown}); err != nil {
			t.Fatal(err)
		}
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP denwa_certificate_expiry_timestamp_seconds When a certificate expires, as Unix time: the other side's as it was shown last (server), our own (client), or that of a key.
# TYPE denwa_certificate_expiry_timestamp_seconds gauge
denwa_certificate_expiry_timestamp_seconds{certificate="client",name="carrier",part="provider"} 700
denwa_certificate_expiry_timestamp_seconds{certificate="server",name="",part="store"} 400
`)); err != nil {
		t.Error(err)
	}
}

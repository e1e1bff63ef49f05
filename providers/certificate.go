package providers

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Which certificate of a connection it is, as a label.
const (
	certificateServer = "server" // the other side's, as it was shown last
	certificateClient = "client" // our own
)

// Certificates are those that the connections to one other side depend on. The
// zero value knows none yet. It is safe for concurrent use.
type Certificates struct {
	mu      sync.Mutex
	expires map[string]time.Time
}

// Certified is a provider that speaks TLS.
type Certified interface {
	Provider
	Certificates() *Certificates
}

// Watch makes connections with c tell of the certificates that the other side
// shows, once they are verified. It returns c.
func (c *Certificates) Watch(config *tls.Config) *tls.Config {
	config.VerifyConnection = func(s tls.ConnectionState) error {
		c.Seen(s)
		return nil
	}
	return config
}

// Seen takes note of what the other side showed in a handshake. A chain is over
// with the first certificate in it that is; of several chains one is enough.
func (c *Certificates) Seen(s tls.ConnectionState) {
	var best time.Time
	for _, chain := range s.VerifiedChains {
		first := time.Time{}
		for _, cert := range chain {
			if first.IsZero() || cert.NotAfter.Before(first) {
				first = cert.NotAfter
			}
		}
		if first.After(best) {
			best = first
		}
	}
	c.set(certificateServer, best)
}

// holds takes note of a certificate of our own.
func (c *Certificates) holds(own *x509.Certificate) {
	if own != nil {
		c.set(certificateClient, own.NotAfter)
	}
}

// Expires says that a certificate, called so in metrics, expires then.
func (c *Certificates) Expires(certificate string, at time.Time) { c.set(certificate, at) }

// Known is when each certificate expires, by what it is called in metrics.
func (c *Certificates) Known() map[string]time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.expires)
}

func (c *Certificates) set(certificate string, at time.Time) {
	if at.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.expires == nil {
		c.expires = map[string]time.Time{}
	}
	c.expires[certificate] = at
}

// CertificateMetrics tell when certificates expire: those of each part of the
// gateway, by the name that the configuration gives the other side.
type CertificateMetrics struct {
	desc *prometheus.Desc

	mu    sync.Mutex
	sides map[side]*Certificates
}

// side is the other side of connections, as labels.
type side struct{ part, name string }

var _ prometheus.Collector = (*CertificateMetrics)(nil)

// NewCertificateMetrics registers the metrics of certificates.
func NewCertificateMetrics(reg prometheus.Registerer) *CertificateMetrics {
	m := &CertificateMetrics{
		desc: prometheus.NewDesc("denwa_certificate_expiry_timestamp_seconds",
			"When a certificate expires, as Unix time: the other side's as it was shown last (server), our own (client), or that of a key.",
			[]string{"part", "name", "certificate"}, nil),
		sides: map[side]*Certificates{},
	}
	reg.MustRegister(m)
	return m
}

// Add tells of certificates from now on.
func (m *CertificateMetrics) Add(part, name string, c *Certificates) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sides[side{part, name}] = c
}

// Keep forgets the sides of a part that aren't there any more.
func (m *CertificateMetrics) Keep(part string, there func(name string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.sides, func(at side, _ *Certificates) bool { return at.part == part && !there(at.name) })
}

// Of returns the certificates of one other side.
func (m *CertificateMetrics) Of(part, name string) *Certificates {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := side{part, name}
	if m.sides[at] == nil {
		m.sides[at] = &Certificates{}
	}
	return m.sides[at]
}

// Describe implements [prometheus.Collector].
func (m *CertificateMetrics) Describe(out chan<- *prometheus.Desc) { out <- m.desc }

// Collect implements [prometheus.Collector].
func (m *CertificateMetrics) Collect(out chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for at, c := range m.sides {
		for certificate, expires := range c.Known() {
			out <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, float64(expires.Unix()), at.part, at.name, certificate)
		}
	}
}

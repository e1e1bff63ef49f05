package entra

import (
	"github.com/prometheus/client_golang/prometheus"

	"denwa/gateway"
)

// metrics count requests. Labels are configured names and constants.
type metrics struct {
	requests    *prometheus.CounterVec
	decryptions *prometheus.CounterVec
	fetches     *prometheus.CounterVec
}

// Outcomes of fetching signing keys, as a label.
const (
	fetchOK     = "ok"
	fetchFailed = "failed"
)

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "denwa_entra_" + name, Help: help}, labels)
	}
	m := &metrics{
		requests: counter("requests_total", "Requests of Entra ID, by what became of them.", "app", "outcome"),
		decryptions: counter("decryptions_total", "Requests that were decrypted, by key. A key that isn't used any more can go.",
			"app", "key"),
		fetches: counter("key_fetches_total", "Times that the keys which sign tokens were fetched.", "outcome"),
	}
	reg.MustRegister(m.requests, m.decryptions, m.fetches)
	m.fetches.WithLabelValues(fetchOK)
	m.fetches.WithLabelValues(fetchFailed)
	return m
}

// signersFetched tells how old the keys are that sign each app's tokens.
type signersFetched struct{ h *Handler }

var signersFetchedDesc = prometheus.NewDesc("denwa_entra_signers_fetched_timestamp_seconds",
	"When the keys that sign an app's tokens were fetched, as Unix time. They are used for a day.", []string{"app"}, nil)

// Describe implements [prometheus.Collector].
func (signersFetched) Describe(out chan<- *prometheus.Desc) { out <- signersFetchedDesc }

// Collect implements [prometheus.Collector].
func (s signersFetched) Collect(out chan<- prometheus.Metric) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	for app, t := range s.h.tenants {
		if at := t.signers.age(); !at.IsZero() {
			out <- prometheus.MustNewConstMetric(signersFetchedDesc, prometheus.GaugeValue, float64(at.Unix()), app)
		}
	}
}

// expect makes the series that app can have exist at zero.
func (m *metrics) expect(app *gateway.AppPolicy) {
	for _, o := range outcomes() {
		m.requests.WithLabelValues(app.Name, string(o))
	}
	for _, k := range app.Entra.Keys {
		m.decryptions.WithLabelValues(app.Name, k.Name())
	}
}

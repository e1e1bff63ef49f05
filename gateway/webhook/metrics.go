package webhook

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count attempts to deliver events, and what waits.
type Metrics struct {
	attempts *prometheus.CounterVec
	backlog  *prometheus.GaugeVec
}

// NewMetrics registers the metrics of webhooks.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "denwa_webhook_attempts_total", Help: "Attempts to deliver an event, by outcome.",
		}, []string{"app", "outcome"}),
		backlog: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "denwa_webhook_backlog", Help: "Events that wait to be delivered. Every instance reports all of them: take the maximum.",
		}, []string{"app"}),
	}
	reg.MustRegister(m.attempts, m.backlog)
	return m
}

// expect makes the series of apps exist at zero.
func (m *Metrics) expect(apps []string) {
	for _, app := range apps {
		for _, o := range Outcomes() {
			m.attempts.WithLabelValues(app, string(o))
		}
	}
}

func (m *Metrics) attempt(app string, o Outcome) {
	m.attempts.WithLabelValues(app, string(o)).Inc()
}

// setBacklog replaces what is known. An app that has no webhook any more has no
// backlog either.
func (m *Metrics) setBacklog(backlog map[string]int) {
	m.backlog.Reset()
	for app, n := range backlog {
		m.backlog.WithLabelValues(app).Set(float64(n))
	}
}

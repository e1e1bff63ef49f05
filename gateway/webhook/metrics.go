package webhook

import (
	"github.com/prometheus/client_golang/prometheus"

	"denwa/gateway"
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
			Name: "denwa_webhook_backlog", Help: "Events that an app hasn't taken: they wait, or were given up. Every instance reports all of them: take the maximum.",
		}, []string{"app", "outcome"}),
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
func (m *Metrics) setBacklog(backlog map[string]gateway.Backlog) {
	m.backlog.Reset()
	for app, b := range backlog {
		m.backlog.WithLabelValues(app, "waiting").Set(float64(b.Waiting))
		m.backlog.WithLabelValues(app, "given_up").Set(float64(b.GivenUp))
	}
}

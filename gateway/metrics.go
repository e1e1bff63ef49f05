package gateway

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/gateway/phone"
	"denwa/ratelimit"
)

// Metrics count what becomes of verifications. Labels come from bounded sets:
// configured apps, ISO countries, and the constants of this package.
type Metrics struct {
	started    *prometheus.CounterVec
	finished   *prometheus.CounterVec
	dispatched *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	checks     *prometheus.CounterVec
	limited    *prometheus.CounterVec
	observer   Observer
}

// Observer is told of verifications that ended, to count them elsewhere too. It
// doesn't block, and is safe for concurrent use.
type Observer interface {
	// Finished: the provider is that of the last delivery, empty if unknown.
	Finished(provider string, ch Channel, country string, s Status, sinceStart time.Duration)
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Finished(string, Channel, string, Status, time.Duration) {}

// Observe has o told what m counts from now on. Call it before m is used.
func (m *Metrics) Observe(o Observer) { m.observer = o }

// Results of a check, as a label.
const (
	checkApproved = "approved"
	checkWrong    = "wrong"
	checkRefused  = "refused" // not evaluated: over, unknown, or limited
)

// NewMetrics registers the metrics of verifications.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "denwa_" + name, Help: help}, labels)
	}
	m := &Metrics{
		observer: nobody{},
		started: counter("verifications_started_total", "Verifications that were created.",
			"app", "channel", "country", "number_type"),
		finished: counter("verifications_finished_total", "Verifications that ended, by how.",
			"app", "channel", "country", "result"),
		dispatched: counter("dispatches_total", "Texts of an app's own that were to be brought to a phone.",
			"app", "channel", "country", "number_type"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "denwa_verification_duration_seconds", Help: "Time from start to approval.",
			Buckets:                        []float64{2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600},
			NativeHistogramBucketFactor:    1.1,
			NativeHistogramMaxBucketNumber: 100,
		}, []string{"app", "channel"}),
		checks: counter("checks_total", "Codes that came back, by what became of them.",
			"app", "result"),
		limited: counter("limited_total", "Requests that a limit refused.",
			"app", "limit"),
	}
	reg.MustRegister(m.started, m.finished, m.dispatched, m.duration, m.checks, m.limited)
	return m
}

// expect makes the series that p can have exist at zero, so that a rate works
// from the first scrape.
func (m *Metrics) expect(p *Policy) {
	for _, app := range p.apps {
		for _, r := range []string{checkApproved, checkWrong, checkRefused} {
			m.checks.WithLabelValues(app.Name, r)
		}
		for _, l := range append(ratelimit.Names(), LimitSends, LimitCalls) {
			m.limited.WithLabelValues(app.Name, string(l))
		}
		countries := app.Countries
		if len(countries) == 0 {
			countries = []string{app.defaults.Country}
		}
		for _, ch := range p.offered {
			if len(app.Channels) > 0 && !slices.Contains(app.Channels, ch) {
				continue
			}
			m.duration.WithLabelValues(app.Name, string(ch))
			for _, country := range countries {
				m.started.WithLabelValues(app.Name, string(ch), country, string(phone.Mobile))
				m.dispatched.WithLabelValues(app.Name, string(ch), country, string(phone.Mobile))
				for _, s := range Statuses() {
					if s != Pending {
						m.finished.WithLabelValues(app.Name, string(ch), country, string(s))
					}
				}
			}
		}
	}
}

// change counts what c brought about.
func (m *Metrics) change(c Change) {
	r := &c.Record
	if r.ID.IsDispatch() {
		if c.Effect == EffectCreated {
			m.dispatched.WithLabelValues(r.App, string(r.Channel), r.Country, r.NumberType).Inc()
		}
		return
	}
	if c.Effect == EffectCreated {
		m.started.WithLabelValues(r.App, string(r.Channel), r.Country, r.NumberType).Inc()
	}
	if status := c.Effect.Finished(); status != "" {
		provider := ""
		if n := len(r.Deliveries); n > 0 {
			provider = r.Deliveries[n-1].Provider
		}
		m.finish(r.App, provider, r.Channel, r.Country, status, c.Now.Sub(r.CreatedAt))
		if status == Approved {
			m.duration.WithLabelValues(r.App, string(r.Channel)).Observe(c.Now.Sub(r.CreatedAt).Seconds())
		}
	}
}

func (m *Metrics) finish(app, provider string, ch Channel, country string, s Status, sinceStart time.Duration) {
	m.finished.WithLabelValues(app, string(ch), country, string(s)).Inc()
	m.observer.Finished(provider, ch, country, s, sinceStart)
}

// check counts a check that c answers.
func (m *Metrics) check(app string, c Change) {
	result := checkWrong
	switch {
	case c.Refusal.Reason != "":
		result = checkRefused
	case c.Effect == EffectApproved:
		result = checkApproved
	}
	m.checks.WithLabelValues(app, result).Inc()
}

func (m *Metrics) limit(app string, l ratelimit.Name) {
	m.limited.WithLabelValues(app, string(l)).Inc()
}

package gateway

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/gateway/phone"
	"denwa/providers"
	"denwa/ratelimit"
)

// Metrics count what becomes of verifications. Labels come from bounded sets:
// configured apps, providers that routes lead to, ISO countries, and the constants
// of this package.
type Metrics struct {
	started    *prometheus.CounterVec
	finished   *prometheus.CounterVec
	byProvider *prometheus.CounterVec
	dispatched *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	checks     *prometheus.CounterVec
	limited    *prometheus.CounterVec
	suspected  *prometheus.CounterVec
	routes     Routes
	observer   Observer
	conversion Conversion
}

// Observer is told of verifications that ended, to count them elsewhere too. It
// doesn't block, and is safe for concurrent use.
type Observer interface {
	// Finished: the provider is that of the last delivery.
	Finished(provider string, ch Channel, country string, s Status, sinceStart time.Duration)
}

// Conversion is told what the provider that was asked first made of a
// verification. It doesn't block, and is safe for concurrent use.
type Conversion interface {
	// Sent: the first message or call went to provider.
	Sent(provider string, to providers.Destination)
	// Converted: so long after, it was approved, and nothing else was sent.
	// Whatever else was sent makes it nobody's merit: it may have gone to those
	// whom the first provider couldn't reach.
	Converted(provider string, to providers.Destination, after time.Duration)
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Finished(string, Channel, string, Status, time.Duration) {}
func (nobody) Sent(string, providers.Destination)                      {}
func (nobody) Converted(string, providers.Destination, time.Duration)  {}

// Observe has o told what m counts from now on. Call it before m is used.
func (m *Metrics) Observe(o Observer) { m.observer = o }

// ObserveConversion does so with c.
func (m *Metrics) ObserveConversion(c Conversion) { m.conversion = c }

// Results of a check, as a label.
const (
	checkApproved = "approved"
	checkWrong    = "wrong"
	checkRefused  = "refused" // not evaluated: over, unknown, or limited
)

// NewMetrics registers the metrics of verifications, for a gateway with these routes.
func NewMetrics(reg prometheus.Registerer, routes Routes) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "denwa_" + name, Help: help}, labels)
	}
	m := &Metrics{
		routes: routes, observer: nobody{}, conversion: nobody{},
		started: counter("verifications_started_total", "Verifications that were created.",
			"app", "channel", "country", "number_type"),
		finished: counter("verifications_finished_total", "Verifications that ended, by how.",
			"app", "channel", "country", "result"),
		byProvider: counter("provider_verifications_finished_total", "Verifications that ended, by the provider of their last delivery and by how.",
			"provider", "channel", "country", "result"),
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
		suspected: counter("fraud_decisions_total", "Starts that a fraud rule stood against, by what became of them.",
			"app", "rule", "action"),
	}
	reg.MustRegister(m.started, m.finished, m.byProvider, m.dispatched, m.duration, m.checks, m.limited, m.suspected)
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
		for _, rule := range FraudRules() {
			for _, action := range []string{fraudRecorded, fraudRefused, fraudExempted} {
				m.suspect(app.Name, rule, action, 0)
			}
		}
		countries := app.Countries
		if len(countries) == 0 {
			countries = []string{app.defaults.Country}
		}
		for _, ch := range p.routes.Offered() {
			if len(app.Channels) > 0 && !slices.Contains(app.Channels, ch) {
				continue
			}
			m.duration.WithLabelValues(app.Name, string(ch))
			for _, country := range countries {
				country = providers.CountryLabel(country)
				m.started.WithLabelValues(app.Name, string(ch), country, string(phone.Mobile))
				m.dispatched.WithLabelValues(app.Name, string(ch), country, string(phone.Mobile))
				for _, s := range Statuses() {
					if s == Pending {
						continue
					}
					m.finished.WithLabelValues(app.Name, string(ch), country, string(s))
					for _, provider := range m.routes.Providers(ch) {
						m.byProvider.WithLabelValues(provider, string(ch), providers.CountryLabel(country), string(s))
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
			m.dispatched.WithLabelValues(r.App, string(r.Channel), providers.CountryLabel(r.Country), r.NumberType).Inc()
		}
		return
	}
	m.convert(c)
	if c.Effect == EffectCreated {
		m.started.WithLabelValues(r.App, string(r.Channel), providers.CountryLabel(r.Country), r.NumberType).Inc()
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

// convert tells what the first provider made of it.
func (m *Metrics) convert(c Change) {
	r := &c.Record
	if len(r.Deliveries) != 1 {
		return
	}
	d := &r.Deliveries[0]
	to := providers.Destination{Channel: d.Channel, Country: r.Country, NumberType: providers.NumberType(r.NumberType), App: r.App}
	switch c.Effect { //nolint:exhaustive // the others tell nothing.
	case EffectCreated:
		m.conversion.Sent(d.Provider, to)
	case EffectApproved:
		m.conversion.Converted(d.Provider, to, c.Now.Sub(d.At))
	}
}

func (m *Metrics) finish(app, provider string, ch Channel, country string, s Status, sinceStart time.Duration) {
	m.finished.WithLabelValues(app, string(ch), providers.CountryLabel(country), string(s)).Inc()
	// One that was taken out of the configuration has no share in what is sent now.
	if slices.Contains(m.routes.Providers(ch), provider) {
		m.byProvider.WithLabelValues(provider, string(ch), providers.CountryLabel(country), string(s)).Inc()
	}
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

// suspect counts starts that a fraud rule stood against.
func (m *Metrics) suspect(app string, rule FraudRule, action string, n float64) {
	m.suspected.WithLabelValues(app, string(rule), action).Add(n)
}

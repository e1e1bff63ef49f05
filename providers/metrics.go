package providers

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count what providers were asked and what became of it.
type Metrics struct {
	sends            *prometheus.CounterVec
	sendDuration     *prometheus.HistogramVec
	failovers        *prometheus.CounterVec
	deliveries       *prometheus.CounterVec
	deliveryDuration *prometheus.HistogramVec
	outcomes         *prometheus.CounterVec
	open             *prometheus.GaugeVec
	observer         Observer
}

// Observer is told what [Metrics] count, to count it elsewhere too. It doesn't
// block, and is safe for concurrent use.
type Observer interface {
	// Sent: a provider was asked. The outcome is accepted, or a [Kind].
	Sent(provider string, ch Channel, country, outcome string)
	// Took: it took that long to accept or refuse.
	Took(provider string, ch Channel, d time.Duration)
	// Receipt: as [Metrics.Receipt].
	Receipt(provider string, ch Channel, country string, status Status, sinceAsked time.Duration)
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Sent(string, Channel, string, string)                   {}
func (nobody) Took(string, Channel, time.Duration)                    {}
func (nobody) Receipt(string, Channel, string, Status, time.Duration) {}

// Observe has o told what m counts from now on. Call it before m is used.
func (m *Metrics) Observe(o Observer) { m.observer = o }

// outcomeAccepted is the outcome of a send that didn't fail. The others are kinds.
const outcomeAccepted = "accepted"

// noCountry is the label of a number that belongs to no country.
const noCountry = "none"

// NewMetrics registers the metrics of sends and deliveries. Series of the
// providers with the countries that are expected exist from the start.
func NewMetrics(reg prometheus.Registerer, providers []Provider, countries []string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "denwa_" + name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "denwa_" + name, Help: help, Buckets: buckets,
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, labels)
	}
	m := &Metrics{
		observer: nobody{},
		sends: counter("sends_total", "Messages and calls that a provider was asked for, by outcome: accepted, or the kind of failure.",
			"provider", "channel", "country", "outcome"),
		sendDuration: histogram("send_duration_seconds", "Time a provider took to accept or refuse.",
			[]float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}, "provider", "channel"),
		failovers: counter("failovers_total", "Times the next provider was asked, by what came before: a kind of failure, the status of a delivery, or no_receipt.",
			"channel", "from", "to", "reason"),
		deliveries: counter("deliveries_total", "Deliveries that reached a status.",
			"provider", "channel", "country", "status"),
		deliveryDuration: histogram("delivery_duration_seconds", "Time from when the provider is about to be asked to the receipt that says delivered.",
			[]float64{0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 120, 300}, "provider", "channel", "country"),
		outcomes: counter("ivr_outcomes_total", "Calls that ended, by how.",
			"provider", "outcome"),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "denwa_provider_circuit_open", Help: "Whether a provider failed too often and is left alone: 1 until it works again.",
		}, []string{"provider", "channel"}),
	}
	reg.MustRegister(m.sends, m.sendDuration, m.failovers, m.deliveries, m.deliveryDuration, m.outcomes, m.open)
	for _, p := range providers {
		for _, ch := range Channels() {
			if Serves(p, ch) {
				m.expect(p.Name(), ch, countries)
			}
		}
	}
	return m
}

// expect makes series exist at zero, so that a rate works from the first scrape.
func (m *Metrics) expect(provider string, ch Channel, countries []string) {
	if ch == Voice {
		for _, status := range CallStatuses() {
			if status.Final() {
				m.outcomes.WithLabelValues(provider, string(status))
			}
		}
	}
	m.sendDuration.WithLabelValues(provider, string(ch))
	m.open.WithLabelValues(provider, string(ch))
	for _, country := range countries {
		country = CountryLabel(country)
		m.deliveryDuration.WithLabelValues(provider, string(ch), country)
		m.sends.WithLabelValues(provider, string(ch), country, outcomeAccepted)
		for _, k := range Kinds() {
			m.sends.WithLabelValues(provider, string(ch), country, string(k))
		}
		for _, s := range statuses(ch) {
			m.deliveries.WithLabelValues(provider, string(ch), country, string(s))
		}
	}
}

// expectFailover does so for one step of a route.
func (m *Metrics) expectFailover(ch Channel, from, to string) {
	for _, s := range statuses(ch) {
		if s.Lost() {
			m.failovers.WithLabelValues(string(ch), from, to, string(s))
		}
	}
	m.failovers.WithLabelValues(string(ch), from, to, NoReceipt)
	for _, k := range Kinds() {
		if k.TryNext() {
			m.failovers.WithLabelValues(string(ch), from, to, string(k))
		}
	}
}

func (m *Metrics) sent(provider string, ch Channel, country, outcome string) {
	m.sends.WithLabelValues(provider, string(ch), CountryLabel(country), outcome).Inc()
	m.observer.Sent(provider, ch, country, outcome)
}

// tripped says whether a provider is left alone.
func (m *Metrics) tripped(provider string, ch Channel, yes bool) {
	value := 0.0
	if yes {
		value = 1
	}
	m.open.WithLabelValues(provider, string(ch)).Set(value)
}

// took measures how long a provider takes by ch.
func (m *Metrics) took(provider string, ch Channel) func(time.Duration) {
	histogram := m.sendDuration.WithLabelValues(provider, string(ch))
	return func(d time.Duration) {
		histogram.Observe(d.Seconds())
		m.observer.Took(provider, ch, d)
	}
}

func (m *Metrics) accepted(provider string, ch Channel, country string) {
	m.sent(provider, ch, country, outcomeAccepted)
	m.deliveries.WithLabelValues(provider, string(ch), CountryLabel(country), string(Accepted)).Inc()
}

func (m *Metrics) failedOver(ch Channel, f Failover) {
	m.failovers.WithLabelValues(string(ch), f.From, f.To, string(f.Err.Kind)).Inc()
}

// MovedOn counts a delivery that another provider was asked for in place of from,
// by why: its status, or [NoReceipt].
func (m *Metrics) MovedOn(ch Channel, from, to, reason string) {
	m.failovers.WithLabelValues(string(ch), from, to, reason).Inc()
}

// Receipt counts a receipt that brought news of a delivery. The provider must
// be a configured one. Only delivered is timed: when a carrier gives up says
// nothing of how long a delivery takes.
func (m *Metrics) Receipt(provider string, ch Channel, country string, status Status, sinceAsked time.Duration) {
	m.observer.Receipt(provider, ch, country, status, sinceAsked)
	country = CountryLabel(country)
	m.deliveries.WithLabelValues(provider, string(ch), country, string(status)).Inc()
	if ch == Voice && status.Final() {
		m.outcomes.WithLabelValues(provider, string(status)).Inc()
	}
	if status == Delivered {
		m.deliveryDuration.WithLabelValues(provider, string(ch), country).Observe(sinceAsked.Seconds())
	}
}

// CountryLabel is a country as metrics name it, so that the label is bounded.
func CountryLabel(country string) string { return cmp.Or(CountryOf(country), noCountry) }

// statuses are those that a delivery by ch can have.
func statuses(ch Channel) []Status {
	switch ch {
	case SMS:
		return MessageStatuses()
	case Voice:
		return CallStatuses()
	default:
		return nil
	}
}

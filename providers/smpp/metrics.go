package smpp

import "github.com/prometheus/client_golang/prometheus"

// Metrics are those of all providers of this type.
type Metrics struct {
	binds    *prometheus.GaugeVec
	receipts *prometheus.CounterVec
}

// What became of a receipt.
const (
	receiptTaken     = "taken"     // it reached the gateway
	receiptUnknown   = "unknown"   // its message id says nothing: another system's, or too old
	receiptUnread    = "unread"    // it has no message id, or is no receipt
	receiptNoNews    = "no_news"   // it says nothing that isn't known
	receiptPostponed = "postponed" // the centre was told to repeat it
)

func receiptOutcomes() []string {
	return []string{receiptTaken, receiptUnknown, receiptUnread, receiptNoNews, receiptPostponed}
}

// NewMetrics registers the metrics of SMPP providers.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		binds: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "denwa_smpp_binds", Help: "Connections that are bound to the message centre.",
		}, []string{"provider"}),
		receipts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "denwa_smpp_receipts_total", Help: "Receipts from the message centre, by what became of them.",
		}, []string{"provider", "outcome"}),
	}
	reg.MustRegister(m.binds, m.receipts)
	return m
}

// expect makes the series of a provider exist.
func (m *Metrics) expect(provider string) {
	m.binds.WithLabelValues(provider)
	for _, o := range receiptOutcomes() {
		m.receipts.WithLabelValues(provider, o)
	}
}

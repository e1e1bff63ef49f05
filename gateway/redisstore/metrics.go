package redisstore

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count what the store does, by script.
type Metrics struct {
	duration *prometheus.HistogramVec
	errors   *prometheus.CounterVec
}

// NewMetrics registers the store's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "denwa_store_duration_seconds", Help: "Time of one store operation.",
			Buckets:                        []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 2},
			NativeHistogramBucketFactor:    1.1,
			NativeHistogramMaxBucketNumber: 100,
		}, []string{"op"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "denwa_store_errors_total", Help: "Store operations that failed.",
		}, []string{"op"}),
	}
	reg.MustRegister(m.duration, m.errors)
	for _, o := range append(ops(), opSpend, opRefund, opCount, opCounts, opRemember, opRecall, opCollect, opProved) {
		m.duration.WithLabelValues(string(o))
		m.errors.WithLabelValues(string(o))
	}
	m.errors.WithLabelValues(string(opWatch))
	return m
}

// observe is deferred by an operation: err is what it is about to return.
func (m *Metrics) observe(o op, start time.Time, err *error) {
	m.duration.WithLabelValues(string(o)).Observe(time.Since(start).Seconds())
	if *err != nil {
		m.errors.WithLabelValues(string(o)).Inc()
	}
}

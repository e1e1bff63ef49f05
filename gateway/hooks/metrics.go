package hooks

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/gateway"
)

// metrics count requests of login services. Labels are configured apps and
// constants; a request that names neither is counted by the HTTP metrics alone.
type metrics struct {
	requests *prometheus.CounterVec
	policy   atomic.Pointer[gateway.Policy] // the one that was expected last
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "denwa_hook_requests_total", Help: "Requests of login services, by what became of them.",
	}, []string{"app", "type", "outcome"})}
	reg.MustRegister(m.requests)
	return m
}

// expect makes the series of every hook in p exist at zero. It costs nothing
// while p stays the same.
func (m *metrics) expect(p *gateway.Policy) {
	if m.policy.Swap(p) == p {
		return
	}
	for _, a := range p.Apps {
		for _, hook := range a.Hooks {
			for _, o := range outcomes() {
				m.requests.WithLabelValues(a.Name, string(hook.Type), string(o))
			}
		}
	}
}

func (m *metrics) count(app string, kind gateway.HookType, o outcome) {
	m.requests.WithLabelValues(app, string(kind), string(o)).Inc()
}

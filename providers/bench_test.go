package providers

import (
	"context"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

type nothing struct{ silent }

func (nothing) SendMessage(context.Context, Message) (Acceptance, error) { return Acceptance{}, nil }

// BenchmarkRouterSend is what the router adds to a send that the first
// provider accepts, log line left out.
func BenchmarkRouterSend(b *testing.B) {
	ps := []Provider{nothing{silent{"a"}}, nothing{silent{"b"}}}
	r, err := NewRouter(RouterOptions{Providers: ps, Metrics: NewMetrics(prometheus.NewRegistry(), ps, []string{"JP"}), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	msg := Message{Delivery: "vf_0.1", To: number, Text: text}
	journal := func(context.Context, Failover) (string, error) { return "", nil }
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := r.Send(b.Context(), r.Plan(textJP), msg, "JP", journal); err != nil {
			b.Fatal(err)
		}
	}
}

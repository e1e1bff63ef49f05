package smpp

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/providers"
)

// BenchmarkSubmit is messages over loopback, against the centre of this test and
// one by others, with as many senders as the windows have room for.
func BenchmarkSubmit(b *testing.B) {
	for name, start := range map[string]func() string{
		"this":        func() string { return newCentre(b).addr() },
		"npm package": func() string { return startPeer(b, peerOptions{Quiet: true}).addr },
	} {
		b.Run(name, func(b *testing.B) {
			cfg := testConfig(start())
			cfg.Binds, cfg.Window = 2, 32
			p, err := New(cfg, newShelf(), (&inbox{}).receive, NewMetrics(prometheus.NewRegistry()), slog.New(slog.NewTextHandler(io.Discard, nil)))
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			msg := testMessage(1, "【Example】認証コード：493817（10分間有効）\n第三者に教えないでください。\n\n@example.com #493817")
			if _, err := p.SendMessage(context.Background(), msg); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetParallelism(32)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := p.SendMessage(context.Background(), msg); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	w := newWriter(testConfig("127.0.0.1:1"))
	for name, text := range map[string]string{
		"GSM":   "Your Example code is 493817. It is valid for 10 minutes.",
		"UCS-2": "【Example】認証コード：493817（10分間有効）\n第三者に教えないでください。",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				parts, err := w.write(providers.Message{To: testNumber, Text: text}, 1)
				if err != nil || len(pdu{command: submitSM, body: parts[0]}.encode()) == 0 {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeReceipt(b *testing.B) {
	frame := pdu{command: deliverSM, sequence: 1, body: receiptOf("1a2b3c", "DELIVRD", "000")}.encode()
	b.ReportAllocs()
	for b.Loop() {
		p, err := decode(frame)
		m, ok := p.body.(*message)
		if err != nil || !ok {
			b.Fatal(err)
		}
		if r, ok := readReceipt(m); !ok || r.status != providers.Delivered {
			b.Fatal(r)
		}
	}
}

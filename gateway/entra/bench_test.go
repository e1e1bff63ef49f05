package entra_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"denwa/gateway"
	"denwa/ratelimit/redistest"
)

// BenchmarkSendOTP is a burst of sign-ins: 100 messages to 100 phones, eight at
// a time, by HTTP, with a real Redis and a carrier that takes them at once. It
// reports how long one takes, token, decryption and provider included; the
// caller waits 3.2 s.
func BenchmarkSendOTP(b *testing.B) {
	const burst, atOnce = 100, 8
	w := newWorldWith(b, connect(b, redistest.Start(b)), func(c *gateway.Config) { c.Limits.App.Count = 0 })
	authorization := "Bearer " + w.token(nil)
	w.handler.Warm(b.Context())
	var took []time.Duration
	next := 10_000_000
	for b.Loop() {
		b.StopTimer()
		bodies := make(chan string, burst)
		for range burst {
			next++
			number := map[string]any{"phoneNumber": fmt.Sprintf("+8190%08d", next)}
			bodies <- envelope(b, map[string]any{"encryptedDeliveryContext": encrypt(b, number, nil)})
		}
		close(bodies)
		b.StartTimer()
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range atOnce {
			wg.Go(func() {
				for body := range bodies {
					id := fmt.Sprintf("attempt-%x", body[len(body)-40:])
					start := time.Now()
					got := w.post(body, map[string]string{"Authorization": authorization, "X-Ms-Client-Request-Id": id})
					d := time.Since(start)
					if got.status != 200 {
						b.Errorf("%d %s", got.status, got.body)
					}
					mu.Lock()
					took = append(took, d)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
	}
	slices.Sort(took)
	percentile := func(p int) float64 { return float64(took[(len(took)-1)*p/100].Microseconds()) / 1000 }
	b.ReportMetric(percentile(50), "p50-ms")
	b.ReportMetric(percentile(99), "p99-ms")
	b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "msg/s")
}

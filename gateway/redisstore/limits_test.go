package redisstore_test

import (
	"maps"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/gateway/redisstore"
	"denwa/ratelimit"
	"denwa/ratelimit/redistest"
)

// TestLimitsAreCounted: what a start asks first is among the store's operations,
// and a limit that couldn't be asked among its failures, also one that fails open.
func TestLimitsAreCounted(t *testing.T) {
	server := redistest.Start(t)
	c := redisstore.DefaultConfig()
	c.Addresses = []string{server.Addr()}
	client, reg := connect(t, c), prometheus.NewRegistry()
	s := redisstore.New(client, redisstore.NewMetrics(reg))
	t.Cleanup(func() { _ = s.Close() })
	limits := s.Limits(ratelimit.NewRedis(client, ratelimit.Prefix))
	bucket := func(onError ratelimit.OnError) ratelimit.Bucket {
		limit := ratelimit.Limit{Burst: 1, Count: 1, Period: time.Hour, OnError: onError}
		return ratelimit.Bucket{Name: ratelimit.App, Limit: limit, Key: "a"}
	}
	want := func(when string, done, failed map[string]float64) {
		t.Helper()
		for name, want := range map[string]map[string]float64{"denwa_store_duration_seconds": done, "denwa_store_errors_total": failed} {
			if got := byOp(t, reg, name); !maps.Equal(got, want) {
				t.Errorf("%s: %s is %v, want %v", when, name, got, want)
			}
		}
	}

	for range 2 { // the second is refused, which is no failure
		if _, err := limits.Spend(t.Context(), bucket(ratelimit.Closed)); err != nil {
			t.Fatal(err)
		}
	}
	if err := limits.Refund(t.Context(), bucket(ratelimit.Closed)); err != nil {
		t.Fatal(err)
	}
	want("Redis answers", map[string]float64{"spend": 2, "refund": 1}, map[string]float64{})

	server.Kill()
	if _, err := limits.Spend(t.Context(), bucket(ratelimit.Closed)); err == nil {
		t.Error("a limit that fails closed could be asked")
	}
	if d, err := limits.Spend(t.Context(), bucket(ratelimit.Open)); err != nil || !d[0].Allowed {
		t.Errorf("a limit that fails open: %v, %v", d, err)
	}
	if err := limits.Refund(t.Context(), bucket(ratelimit.Closed)); err == nil {
		t.Error("refunded nowhere")
	}
	want("Redis is gone", map[string]float64{"spend": 4, "refund": 2}, map[string]float64{"spend": 2, "refund": 1})
}

// byOp is a metric of the store by operation, without those that are zero.
func byOp(t *testing.T, reg *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			n := m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			if f.GetName() == name && n > 0 {
				counts[m.GetLabel()[0].GetValue()] = n
			}
		}
	}
	return counts
}

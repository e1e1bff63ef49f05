package gateway_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/providers"
	"denwa/ratelimit/redistest"
)

// trips counts round trips to Redis: a pipeline is one.
type trips struct{ n atomic.Int64 }

func (h *trips) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (h *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.n.Add(1)
		return next(ctx, cmd)
	}
}

func (h *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.n.Add(1)
		return next(ctx, cmds)
	}
}

// quiet is a carrier that takes everything and never reports.
type quiet struct{}

func (quiet) Name() string { return "quiet" }
func (quiet) Close() error { return nil }
func (quiet) SendMessage(context.Context, providers.Message) (providers.Acceptance, error) {
	return providers.Acceptance{}, nil
}

// TestRoundTrips: a check is one round trip; a start is one, and one more for
// the limits of app and address, which live elsewhere in a cluster.
func TestRoundTrips(t *testing.T) {
	client := connect(t, redistest.Start(t))
	g := newGatewayOf(t, client, client, []providers.Provider{quiet{}}, nil, func(*gateway.Config) {})
	count := &trips{}
	start := func(number, ip string) *gateway.Verification {
		v, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: number, ClientIP: ip})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	check := func(v *gateway.Verification) {
		if _, _, err := g.Check(t.Context(), g.app("portal"), string(v.ID), "000000"); err != nil {
			t.Fatal(err)
		}
	}
	check(start("090-1000-1111", "192.0.2.1")) // loads the scripts
	client.AddHook(count)

	v := start("090-1000-2222", "192.0.2.1")
	if n := count.n.Swap(0); n != 2 {
		t.Errorf("start with limits in other slots: %d round trips, want 2", n)
	}
	check(v)
	if n := count.n.Swap(0); n != 1 {
		t.Errorf("check: %d round trips, want 1", n)
	}

	g = newGatewayOf(t, client, client, []providers.Provider{quiet{}}, nil, func(c *gateway.Config) {
		c.Limits.App.Count, c.Limits.ClientAddress.Count, c.Fraud.Mode = 0, 0, gateway.FraudOff
	})
	count.n.Store(0)
	start("090-1000-3333", "192.0.2.1")
	if n := count.n.Swap(0); n != 1 {
		t.Errorf("start without those limits: %d round trips, want 1", n)
	}
}

// BenchmarkService measures a start and a check on real Redis, by many callers
// at once, against a script that does next to nothing. HTTP isn't in it.
func BenchmarkService(b *testing.B) {
	client := connect(b, redistest.Start(b))
	g := newGatewayOf(b, client, client, []providers.Provider{quiet{}}, nil, func(c *gateway.Config) {
		c.Limits.App.Count = 0
	})
	app, ctx := g.app("portal"), context.Background()
	floor := redis.NewScript("return redis.call('INCR', KEYS[1])")
	var n atomic.Int64
	start := func(b *testing.B) string {
		v, err := g.Start(ctx, app, gateway.StartRequest{To: fmt.Sprintf("0901%07d", n.Add(1))})
		if err != nil {
			b.Error(err)
			return ""
		}
		return string(v.ID)
	}
	parallel := func(name string, work func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					work(b)
				}
			})
		})
	}
	parallel("floor", func(b *testing.B) {
		if err := floor.Run(ctx, client, []string{"floor"}).Err(); err != nil {
			b.Error(err)
		}
	})
	parallel("start", func(b *testing.B) { start(b) })
	ids := make([]string, 50_000)
	for i := range ids {
		ids[i] = start(b)
	}
	var next atomic.Int64
	parallel("check", func(b *testing.B) {
		if _, _, err := g.Check(ctx, app, ids[int(next.Add(1))%len(ids)], "000000"); err != nil && gateway.CodeOf(err) == "" {
			b.Error(err)
		}
	})
}

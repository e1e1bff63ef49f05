package redisstore_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
)

// BenchmarkStore measures one script at a time and many at once. The floor is
// a script that does next to nothing, in the same run.
func BenchmarkStore(b *testing.B) {
	for _, backend := range backends() {
		b.Run(backend.name, func(b *testing.B) {
			client := backend.start(b)
			ctx, s, keys, rules := context.Background(), newStore(b, client), testKeyring(b), generous()
			floor := redis.NewScript("return redis.call('INCR', KEYS[1])")
			b.Run("floor", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := floor.Run(ctx, client, []string{"floor"}).Err(); err != nil {
						b.Fatal(err)
					}
				}
			})
			n := 0
			start := func(b *testing.B) gateway.ID {
				n++
				r := record(keys, "app", fmt.Sprintf("+8190%08d", n))
				if c, err := s.Start(ctx, r, begin(), rules, time.Hour); err != nil || c.Effect != gateway.EffectCreated {
					b.Fatal(c, err)
				}
				return r.ID
			}
			b.Run("start", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					start(b)
				}
			})
			b.Run("check", func(b *testing.B) {
				id := start(b)
				b.ReportAllocs()
				for b.Loop() {
					// Refused after five: the cost is nearly the same.
					if _, err := s.Apply(ctx, id, "app", gateway.Check{}, rules); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("load", func(b *testing.B) {
				id := start(b)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := s.Load(ctx, id, "app"); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkBytesPerPending reports what one pending verification costs Redis,
// its number's limits included.
func BenchmarkBytesPerPending(b *testing.B) {
	client := backends()[0].start(b)
	ctx, s, keys := context.Background(), newStore(b, client), testKeyring(b)
	used := func() int {
		info, err := client.Info(ctx, "memory").Result()
		if err != nil {
			b.Fatal(err)
		}
		_, after, _ := strings.Cut(info, "used_memory_dataset:")
		text, _, _ := strings.Cut(after, "\r\n")
		bytes, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		return bytes
	}
	const n = 20_000
	for b.Loop() {
		if err := client.FlushDB(ctx).Err(); err != nil {
			b.Fatal(err)
		}
		before := used()
		for i := range n {
			if _, err := s.Start(ctx, record(keys, "app", fmt.Sprintf("+8190%08d", i)), begin(), generous(), time.Hour); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(used()-before)/n, "bytes/pending")
	}
}

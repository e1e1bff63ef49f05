package redisstore_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"denwa/gateway/redisstore"
	"denwa/ratelimit/redistest"
)

func TestFunnelSumsInstancesBySlot(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		at := time.Date(2026, 11, 25, 3, 9, 59, 0, time.UTC)
		f := newStore(t, client).WithClock(func() time.Time { return at }).Funnel()
		add := func(instance string, batch int64, counts map[string]int64) {
			t.Helper()
			if err := f.Add(ctx, instance, batch, counts); err != nil {
				t.Fatal(err)
			}
		}
		add("a", 1, map[string]int64{"x": 2, "y": 1})
		add("b", 1, map[string]int64{"x": 3})
		at = at.Add(time.Second) // the next minute, and the next ten
		add("a", 2, map[string]int64{"x": 10})
		add("a", 2, map[string]int64{"x": 10}) // its answer was lost
		add("a", 1, map[string]int64{"x": 10}) // late
		add("b", 2, nil)                       // only lives

		for _, width := range []time.Duration{time.Minute, 10 * time.Minute} {
			now, counts, seen, err := f.Read(ctx, width, 3)
			if err != nil {
				t.Fatal(err)
			}
			want := []map[string]int64{{}, {"x": 5, "y": 1}, {"x": 10}}
			if diff := cmp.Diff(want, counts); diff != "" {
				t.Errorf("%v (-want +got):\n%s", width, diff)
			}
			if diff := cmp.Diff(map[string]time.Time{"a": at, "b": at}, seen); diff != "" || !now.Equal(at) {
				t.Errorf("at %v (-want +got):\n%s", now, diff)
			}
		}
		requireTTLs(t, client)

		at = at.Add(2 * time.Hour)
		add("c", 1, nil)
		if _, _, seen, err := f.Read(ctx, time.Minute, 1); err != nil || len(seen) != 1 {
			t.Errorf("an instance that was silent for two hours is listed: %v, %v", seen, err)
		}
	})
}

// TestFunnelLosesNothingAtOnce has several instances add at once.
func TestFunnelLosesNothingAtOnce(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		f := newStore(t, client).Funnel()
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for batch := range int64(25) {
					if err := f.Add(context.Background(), fmt.Sprint(i), batch+1, map[string]int64{"x": 1, "y": 2}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		_, slots, _, err := f.Read(t.Context(), 10*time.Minute, 3)
		if err != nil {
			t.Fatal(err)
		}
		total := map[string]int64{}
		for _, slot := range slots {
			for field, n := range slot {
				total[field] += n
			}
		}
		if want := map[string]int64{"x": 200, "y": 400}; !maps.Equal(total, want) {
			t.Errorf("counted %v, want %v", total, want)
		}
	})
}

func TestFunnelInCluster(t *testing.T) {
	c := redisstore.DefaultConfig()
	c.Cluster, c.Addresses = true, nil
	for _, node := range redistest.StartCluster(t, 3) {
		c.Addresses = append(c.Addresses, node.Addr())
	}
	f := newStore(t, connect(t, c)).Funnel()
	if err := f.Add(t.Context(), "a", 1, map[string]int64{"x": 1}); err != nil {
		t.Fatal(err)
	}
	if _, slots, _, err := f.Read(t.Context(), 10*time.Minute, 144); err != nil || len(slots) != 144 || slots[143]["x"]+slots[142]["x"] != 1 {
		t.Errorf("%d slots, %v", len(slots), err)
	}
}

package ratelimit

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLocal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLocal(APIKey, Limit{Burst: 2, Count: 4, Period: time.Second})
		for i, want := range []Decision{
			{Limit: APIKey, Allowed: true, Remaining: 1},
			{Limit: APIKey, Allowed: true},
			{Limit: APIKey, RetryAfter: 250 * time.Millisecond},
			{Limit: APIKey, RetryAfter: 250 * time.Millisecond}, // refusing costs nothing
		} {
			if got := l.Allow("k1"); got != want {
				t.Errorf("request %d: %+v, want %+v", i, got, want)
			}
		}
		time.Sleep(250 * time.Millisecond)
		if d := l.Allow("k1"); !d.Allowed {
			t.Errorf("after the wait that it asked for: %+v", d)
		}
		time.Sleep(time.Hour)
		if d := l.Allow("k1"); !d.Allowed || d.Remaining != 1 {
			t.Errorf("after an hour: %+v, want a full bucket and no more", d)
		}
	})
}

func TestLocalKeysAreApart(t *testing.T) {
	t.Parallel()
	l := NewLocal(APIKey, onePer30s)
	if !l.Allow("k1").Allowed || l.Allow("k1").Allowed || !l.Allow("k2").Allowed {
		t.Error("k1 and k2 don't have a bucket each")
	}
}

func TestLocalSetLimit(t *testing.T) {
	t.Parallel()
	l := NewLocal(APIKey, onePer30s)
	l.Allow("k1")
	l.SetLimit(Limit{Burst: 2, Count: 1, Period: 30 * time.Second})
	if d := l.Allow("k1"); !d.Allowed || d.Remaining != 1 {
		t.Errorf("raised: %+v, want the first of two", d)
	}
	l.SetLimit(Limit{})
	if d := l.Allow("k1"); !d.Allowed {
		t.Errorf("off: %+v", d)
	}
}

func TestLocalConcurrent(t *testing.T) {
	t.Parallel()
	l := NewLocal(APIKey, Limit{Burst: 10, Count: 10, Period: 24 * time.Hour})
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if l.Allow("k1").Allowed {
				allowed.Add(1)
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 10 {
		t.Errorf("%d allowed, want 10", allowed.Load())
	}
	// A new limit may come in between: each of the two lets ten through.
	allowed.Store(0)
	for range 200 {
		wg.Go(func() {
			if l.Allow("k2").Allowed {
				allowed.Add(1)
			}
		})
	}
	wg.Go(func() { l.SetLimit(Limit{Burst: 10, Count: 10, Period: 24 * time.Hour}) })
	wg.Wait()
	if n := allowed.Load(); n < 10 || n > 20 {
		t.Errorf("%d allowed, want 10 to 20", n)
	}
}

func BenchmarkLocal(b *testing.B) {
	keys := make([]string, 64)
	for i := range keys {
		keys[i] = "key-" + strconv.Itoa(i)
	}
	l := NewLocal(APIKey, Limit{Burst: 500, Count: 500, Period: time.Second})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			l.Allow(keys[i%len(keys)])
		}
	})
}

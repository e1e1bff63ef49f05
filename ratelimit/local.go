package ratelimit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Local is a limit counted by this process alone, with a bucket for each key.
// Keys come from a bounded set, such as the configured API keys: none is ever
// forgotten. It is safe for concurrent use.
type Local struct {
	name Name

	mu      sync.Mutex
	limit   Limit
	buckets map[string]*rate.Limiter
}

// NewLocal returns a limit without any buckets yet.
func NewLocal(name Name, limit Limit) *Local {
	return &Local{name: name, limit: limit, buckets: map[string]*rate.Limiter{}}
}

// SetLimit replaces the limit. Buckets start again full, and those of keys
// that don't come back are gone.
func (l *Local) SetLimit(limit Limit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = limit
	clear(l.buckets)
}

// Allow takes one request from the bucket of key.
func (l *Local) Allow(key string) Decision {
	d := Decision{Limit: l.name, Allowed: true}
	b := l.bucket(key)
	if b == nil {
		return d
	}
	now := time.Now()
	r := b.ReserveN(now, 1)
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		d.Allowed, d.RetryAfter = false, wait
		return d
	}
	d.Remaining = int(max(0, b.TokensAt(now)))
	return d
}

// bucket is the bucket of key, or nil when the limit is off.
func (l *Local) bucket(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limit.Count <= 0 {
		return nil
	}
	b := l.buckets[key]
	if b == nil {
		b = rate.NewLimiter(rate.Every(l.limit.GCRA().Interval), l.limit.Burst)
		l.buckets[key] = b
	}
	return b
}

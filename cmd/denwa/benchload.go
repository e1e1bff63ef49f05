package main

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// load is when requests are sent.
type load struct {
	// rate is how many are due a second, evenly. With 0 the next one is due when
	// a connection is free.
	rate float64
	// connections is how many are under way at once, at most.
	connections      int
	warmUp, duration time.Duration
	// most is how many are sent in all; 0 is no bound.
	most int64
}

// scheduled is how many requests are due in all in an open loop; 0 in a closed one.
func (l load) scheduled() int64 {
	return int64(math.Ceil(l.rate * (l.warmUp + l.duration).Seconds()))
}

// run calls do for the nth request, not before it is due, until the time is over or
// ctx ends, and returns when all calls have. In an open loop, due is by the clock
// alone: a call that begins late, because all connections were taken, has waited
// since then. That wait is latency that a person would have seen; to leave it out is
// called coordinated omission. sent is how many calls were made.
func (l load) run(ctx context.Context, do func(n int64, due time.Time)) (sent int64) {
	begin := time.Now()
	end := begin.Add(l.warmUp + l.duration)
	var next, calls atomic.Int64
	var connections sync.WaitGroup
	for range l.connections {
		connections.Go(func() {
			for ctx.Err() == nil {
				n := next.Add(1) - 1
				due := time.Now()
				if l.rate > 0 {
					due = begin.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
				}
				if l.most > 0 && n >= l.most || !due.Before(end) {
					return
				}
				if wait := time.Until(due); wait > 0 && !sleep(ctx, wait) || !time.Now().Before(end) {
					return
				}
				calls.Add(1)
				do(n, due)
			}
		})
	}
	connections.Wait()
	return calls.Load()
}

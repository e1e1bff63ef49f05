package ratelimit

import "time"

// GCRA is the generic cell rate algorithm, in whole microseconds. The zero
// value allows everything.
//
// A bucket is remembered as one number, its theoretical arrival time (TAT): the
// moment at which it will be full again. A bucket without one is full, so a
// bucket may be forgotten as soon as its TAT has passed. gcra.lua does the same
// inside Redis; this is its oracle.
type GCRA struct {
	// Interval is the time one request takes to be regained: period / count.
	Interval time.Duration
	// Burst is how many requests a full bucket holds.
	Burst int
}

// Decision is what a limit answered.
type Decision struct {
	// Limit is the limit that answered; empty from [GCRA], which has no name.
	Limit Name
	// Allowed says whether the request may go on.
	Allowed bool
	// Remaining is how many more requests would be allowed right now; 0 when
	// the limit is off and so counts nothing.
	Remaining int
	// RetryAfter is how long until one would be; 0 when allowed.
	RetryAfter time.Duration
	// Unchecked is why the store couldn't be asked, when a limit that fails
	// open allowed the request without knowing; nil otherwise.
	Unchecked error
	// TAT is the bucket's new theoretical arrival time, unchanged when refused.
	// Only [GCRA] returns it; a store keeps it to itself.
	TAT time.Time
}

// Spend takes one request from a bucket whose theoretical arrival time is tat
// (the zero time for a bucket never used).
func (g GCRA) Spend(tat, now time.Time) Decision {
	if g.off() {
		return Decision{Allowed: true, TAT: tat}
	}
	now = now.Truncate(time.Microsecond)
	next := now
	if tat.After(now) {
		next = tat
	}
	next = next.Add(g.Interval)
	wait := next.Sub(now) - g.full()
	if wait > 0 {
		return Decision{RetryAfter: wait, TAT: tat}
	}
	return Decision{Allowed: true, Remaining: int(-wait / g.Interval), TAT: next}
}

// Peek is what Spend would answer, without spending: Remaining counts the
// request asked about.
func (g GCRA) Peek(tat, now time.Time) Decision {
	d := g.Spend(tat, now)
	if d.Allowed && !g.off() {
		d.Remaining++
	}
	d.TAT = tat
	return d
}

// Refund gives back one spent request and returns the bucket's new theoretical
// arrival time: the zero time, as for a bucket never used, when it is full.
func (g GCRA) Refund(tat, now time.Time) time.Time {
	if g.off() {
		return tat
	}
	if tat = tat.Add(-g.Interval); tat.After(now) {
		return tat
	}
	return time.Time{}
}

// times is g with requests that take n times as long to be regained, in whole
// microseconds and at least one.
func (g GCRA) times(n float64) GCRA {
	if n == 1 {
		return g // exactly
	}
	g.Interval = max(time.Duration(float64(g.Interval)*n).Truncate(time.Microsecond), time.Microsecond)
	return g
}

// Force spends one request whether or not it is allowed, and returns the bucket's
// new theoretical arrival time.
func (g GCRA) Force(tat, now time.Time) time.Time {
	if g.off() {
		return tat
	}
	if now = now.Truncate(time.Microsecond); tat.Before(now) {
		tat = now
	}
	return tat.Add(g.Interval)
}

// off reports whether g limits nothing.
func (g GCRA) off() bool { return g.Burst <= 0 || g.Interval <= 0 }

// full is the time in which an empty bucket becomes full.
func (g GCRA) full() time.Duration { return g.Interval * time.Duration(g.Burst) }

// Package ratelimit says how often something may happen.
//
// A [Limit] is data: a burst, and how many per period. [GCRA] is its
// arithmetic, pure and in whole microseconds. Everything else is a place to
// keep one number per bucket:
//
//   - [Store] keeps the buckets that all instances share in Redis, and spends
//     several of them in one round trip.
//   - [Lua] is the same arithmetic for other scripts, which spend a bucket in
//     the same step as whatever it protects.
//   - [Local] keeps the buckets of one process in memory.
//
// [Decision.Header] tells a caller that was refused what the limit is and when
// to come back.
package ratelimit

import "time"

// Name is the stable name of a limit: its key in the configuration, in
// metrics, in errors and in Redis.
type Name string

// The limits of the gateway.
const (
	NumberCooldown     Name = "number_cooldown"
	NumberHour         Name = "number_hour"
	NumberDay          Name = "number_day"
	NumberFailedChecks Name = "number_failed_checks"
	ClientAddress      Name = "client_address"
	App                Name = "app"
	APIKey             Name = "api_key"
)

// Names lists every limit.
func Names() []Name {
	return []Name{NumberCooldown, NumberHour, NumberDay, NumberFailedChecks, ClientAddress, App, APIKey}
}

// OnError says what a limit does while its store can't be asked.
type OnError string

// What a limit can do while its store can't be asked.
const (
	Closed OnError = "closed" // refuse
	Open   OnError = "open"   // allow
)

// Limit is how often something may happen: Count per Period, and up to Burst
// at once. A limit with Count 0 is off.
type Limit struct {
	// Most requests at once, when none were made for a while. At least 1.
	Burst int `yaml:"burst"`
	// Requests regained in one period. 0 turns the limit off.
	Count int `yaml:"count"`
	// The period in which count requests are regained, at most 8784h.
	Period time.Duration `yaml:"period"`
	// What happens while the store can't be asked: closed refuses, open allows. Closed when empty.
	OnError OnError `yaml:"on_error"`
}

// longest bounds a period, and the time in which an empty bucket becomes full
// again: a leap year. With it every sum of a clock and a bucket is below 2^53
// microseconds (the year 2255), up to where Lua's numbers are exact integers.
const longest = 366 * 24 * time.Hour

// Validate reports each mistake in l, with the field's YAML name.
func (l Limit) Validate(report func(field, problem string)) {
	if l.OnError != "" && l.OnError != Closed && l.OnError != Open {
		report("on_error", "must be closed or open")
	}
	if l.Count == 0 {
		return
	}
	if l.Burst < 1 {
		report("burst", "must be at least 1; count: 0 turns the limit off")
	}
	switch {
	case l.Count < 0:
		report("count", "must not be negative; 0 turns the limit off")
	case l.Period <= 0:
		report("period", "must be more than 0s; count: 0 turns the limit off")
	case l.Period > longest:
		report("period", "must be at most 8784h")
	case l.Period/time.Duration(l.Count) < time.Microsecond:
		report("count", "must be at most one for each microsecond of the period")
	case time.Duration(l.Burst) > longest/l.GCRA().Interval:
		report("burst", "must be at most what is regained in 8784h")
	}
}

// GCRA returns the arithmetic of l. The time to regain one request is rounded
// down to the microsecond, so that a bucket is never full later than Period
// and Count say.
func (l Limit) GCRA() GCRA {
	if l.Count <= 0 {
		return GCRA{}
	}
	interval := (l.Period / time.Duration(l.Count)).Truncate(time.Microsecond)
	return GCRA{Interval: max(interval, time.Microsecond), Burst: l.Burst}
}

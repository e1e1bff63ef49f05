package webhook

import (
	"crypto/tls"
	"time"

	"denwa/gateway"
)

// Outcome is how an attempt to deliver an event went: a metric label, and the
// reason of a dead letter.
type Outcome string

// The outcomes.
const (
	Delivered   Outcome = "delivered"   // answered 2xx
	Rejected    Outcome = "rejected"    // answered something else, a redirect too
	Throttled   Outcome = "throttled"   // answered 429 or 503
	Gone        Outcome = "gone"        // answered 410: the endpoint is disabled now
	Disabled    Outcome = "disabled"    // not tried: the endpoint is disabled
	Timeout     Outcome = "timeout"     // no answer in time
	Unreachable Outcome = "unreachable" // no connection, or no HTTP on it
	Forbidden   Outcome = "forbidden"   // the address is private, and allow_private isn't set
	Unrendered  Outcome = "unrendered"  // this instance has no endpoint or key for it

	// outcomeReleased is no outcome: the attempt wasn't made, or not to its end.
	outcomeReleased Outcome = ""
)

// Outcomes lists every outcome.
func Outcomes() []Outcome {
	return []Outcome{Delivered, Rejected, Throttled, Gone, Disabled, Timeout, Unreachable, Forbidden, Unrendered}
}

// result is how an attempt went, in detail.
type result struct {
	outcome    Outcome
	status     int           // of the answer; 0 without one
	retryAfter time.Duration // as the receiver asked, not negative
	endpoint   string
	tls        *tls.ConnectionState // nil: not encrypted
	err        error                // holds neither the address's path and query nor anything that was answered
}

// attrs are what the log says of an attempt.
func (r result) attrs(n gateway.Notification) []any {
	attrs := []any{"verification", string(n.Change.Record.ID), "app", n.App, "event", n.ID, "type", n.Type, "attempt", n.Attempts + 1, "outcome", string(r.outcome)}
	if r.status != 0 {
		attrs = append(attrs, "status", r.status)
	}
	if r.err != nil {
		attrs = append(attrs, "error", r.err)
	}
	return attrs
}

// delays are how long to wait after each failed attempt; after the last one the
// event is given up. Together 27 hours and a half.
var delays = [...]time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
}

// Attempts is how many times an event is tried before it is given up.
const Attempts = len(delays) + 1

// maxRetryAfter bounds what a receiver may ask for.
const maxRetryAfter = 10 * time.Hour

// backOff decides, after that many failed attempts, how long to wait for the
// next one, if there is one. jitter, from 0 to 1, spreads it by a tenth to
// either side, so that what failed at once isn't tried at once.
func backOff(failed int, retryAfter time.Duration, jitter float64) (wait time.Duration, again bool) {
	if failed > len(delays) {
		return 0, false
	}
	wait = time.Duration(float64(delays[failed-1]) * (0.9 + 0.2*jitter))
	return max(wait, min(retryAfter, maxRetryAfter)), true
}

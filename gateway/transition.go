package gateway

import (
	"time"

	"denwa/providers"
	"denwa/ratelimit"
)

// State is the part of a verification that events change. The zero value is a
// verification that doesn't exist.
type State struct {
	Status      Status
	Channel     Channel // of the latest send
	Attempts    int
	MaxAttempts int
	Sends       int
	MaxSends    int
	CreatedAt   time.Time
	ExpiresAt   time.Time
	UpdatedAt   time.Time
	Deliveries  []Delivery
}

// NumberState is what all verifications of one number share. Each number has
// two, one for parties that have proved before to hold it and one for everybody
// else, so that a stranger's failures don't lock out the holder. Only
// BlockedUntil is common to both.
type NumberState struct {
	// Cooldown, Hour, Day and FailedChecks are theoretical arrival times, see [ratelimit.GCRA].
	Cooldown     map[Channel]time.Time
	Hour         time.Time
	Day          time.Time
	FailedChecks time.Time
	// Failures counts wrong codes since the last right one.
	Failures int
	// LockedUntil is when the number may be tried again after too many.
	LockedUntil time.Time
	// BlockedUntil is when the number may be tried again after its holder said
	// that they hadn't asked.
	BlockedUntil time.Time
}

// Rules are the limits that hold for a number.
type Rules struct {
	Cooldown, Hour, Day, FailedChecks ratelimit.GCRA
	Lock                              Lock
	// Block is how long a denial blocks the number.
	Block time.Duration
}

// Lock bounds consecutive wrong codes for one number (NIST SP 800-63B-4
// §3.2.2: at most 100): the After-th locks the number for Base, and each one
// after that for twice as long, up to Max.
type Lock struct {
	After     int
	Base, Max time.Duration
}

// DefaultLock is the lock that the service uses.
func DefaultLock() Lock { return Lock{After: 100, Base: time.Hour, Max: 24 * time.Hour} }

// duration is how long the failures-th consecutive failure locks a number.
func (l Lock) duration(failures int) time.Duration {
	if failures < l.After {
		return 0
	}
	d := l.Base
	for range failures - l.After {
		if d >= l.Max {
			break
		}
		d *= 2
	}
	return min(d, l.Max)
}

// Event is something that happens to a verification.
type Event interface{ event() }

// The events.
type (
	// Begin creates a verification and asks for its first send.
	Begin struct {
		Channel     Channel
		MaxAttempts int
		MaxSends    int
		Life        time.Duration
		Provider    string
		Segments    int
	}
	// Check is a code that came back; Match tells whether it is the right one.
	// Call is the delivery (from 1) of the call it was typed on, 0 for none.
	Check struct {
		Match bool
		Call  int
	}
	// Confirm is the key press that approves, on the call of a delivery (from 1).
	Confirm struct{ Call int }
	// Deny is the person's word, on a call, that they didn't ask for this.
	Deny struct{ Call int }
	// Resend asks for another send of the same code.
	Resend struct {
		Channel  Channel
		Provider string
		Segments int
	}
	// Failover says that delivery N (from 1) failed, and that Next, unless it is
	// empty, is about to be asked instead.
	Failover struct {
		N    int
		Next string
	}
	// Report is a provider's word on delivery N (from 1), which it must have made.
	Report struct {
		N        int
		Provider string
		Status   providers.Status
	}
	// Cancel withdraws the verification.
	Cancel struct{}
	// Expire is the clock's.
	Expire struct{}
)

func (Begin) event()    {}
func (Check) event()    {}
func (Confirm) event()  {}
func (Deny) event()     {}
func (Resend) event()   {}
func (Failover) event() {}
func (Report) event()   {}
func (Cancel) event()   {}
func (Expire) event()   {}

// Effect is what an event brought about, for metrics and for whoever listens.
type Effect string

// The effects.
const (
	EffectNone     Effect = ""
	EffectCreated  Effect = "created"
	EffectWrong    Effect = "wrong" // a check was evaluated and didn't match
	EffectApproved Effect = "approved"
	EffectFailed   Effect = "failed"
	EffectExpired  Effect = "expired"
	EffectCanceled Effect = "canceled"
	EffectDenied   Effect = "denied"
	EffectSend     Effect = "send"   // a provider is to be asked now
	EffectReport   Effect = "report" // a delivery's status changed
)

// Finished is the final status that e brought about, or "".
func (e Effect) Finished() Status {
	switch e {
	case EffectApproved, EffectFailed, EffectExpired, EffectCanceled, EffectDenied:
		return Status(e)
	case EffectNone, EffectCreated, EffectWrong, EffectSend, EffectReport:
	}
	return ""
}

// Refusal is why an event changed nothing. The zero value is no refusal.
type Refusal struct {
	Reason RefusalReason
	// Limit and Wait say which limit refused and when it would not.
	Limit ratelimit.Name
	Wait  time.Duration
}

// RefusalReason is the kind of a [Refusal].
type RefusalReason string

// The refusals.
const (
	RefusedNotFound   RefusalReason = "not_found"
	RefusedNotPending RefusalReason = "not_pending"
	RefusedLimit      RefusalReason = "limit"
	RefusedSends      RefusalReason = "max_sends"
	RefusedBlocked    RefusalReason = "blocked"
	RefusedCalling    RefusalReason = "calling" // a call of this verification isn't over
)

// callTime is how long a call may last. One that was never reported as over is
// taken for over after it.
const callTime = 3 * time.Minute

// Outcome is what an event leads to.
type Outcome struct {
	State   State
	Number  NumberState
	Effect  Effect
	Refusal Refusal
}

// Transition decides what e does to a verification and to its number's shared
// state at now. It changes neither argument. A refused event changes nothing,
// but for one thing: whatever finds the time over leaves it expired.
//
// The Lua in redisstore does the same where it is atomic; a property test
// holds the two together.
func Transition(s State, n NumberState, e Event, r Rules, now time.Time) Outcome {
	o := Outcome{State: s, Number: n}
	if begin, ok := e.(Begin); ok {
		return o.begin(begin, r, now)
	}
	if s.Status == "" {
		return o.refuse(RefusedNotFound)
	}
	if report, ok := e.(Report); ok {
		return o.report(report, now)
	}
	if s.Status != Pending {
		return o.refuse(RefusedNotPending)
	}
	if !now.Before(s.ExpiresAt) {
		o = o.finish(Expired, EffectExpired, now)
		if _, ok := e.(Expire); !ok {
			o = o.refuse(RefusedNotPending)
		}
		return o
	}
	switch e := e.(type) {
	case Check:
		return o.check(e, r, now)
	case Resend:
		return o.resend(e, r, now)
	case Failover:
		return o.failover(e, now)
	case Confirm:
		return o.confirm(e, r, now)
	case Deny:
		if until := now.Add(r.Block); r.Block > 0 && until.After(o.Number.BlockedUntil) { // else an operator's block is longer
			o.Number.BlockedUntil = until
		}
		return o.answered(e.Call, providers.Denied, now).finish(Denied, EffectDenied, now)
	case Cancel:
		return o.finish(Canceled, EffectCanceled, now)
	}
	return o // Expire, before its time
}

func (o Outcome) refuse(why RefusalReason) Outcome {
	o.Refusal = Refusal{Reason: why}
	return o
}

func (o Outcome) limited(limit ratelimit.Name, wait time.Duration) Outcome {
	o.Refusal = Refusal{Reason: RefusedLimit, Limit: limit, Wait: wait}
	return o
}

func (o Outcome) finish(to Status, effect Effect, now time.Time) Outcome {
	o.State.Status, o.State.UpdatedAt, o.Effect = to, now, effect
	return o
}

// begin creates, unless the id exists: then the same request came twice, and
// the first one stands.
func (o Outcome) begin(e Begin, r Rules, now time.Time) Outcome {
	if o.State.Status != "" {
		return o
	}
	o = o.spend(e.Channel, r, now)
	if o.Refusal.Reason != "" {
		return o
	}
	o.State = State{
		Status: Pending, Channel: e.Channel,
		MaxAttempts: e.MaxAttempts, MaxSends: e.MaxSends, Sends: 1,
		CreatedAt: now, ExpiresAt: now.Add(e.Life), UpdatedAt: now,
	}
	o.Effect = EffectCreated
	return o.deliver(e.Channel, e.Provider, e.Segments, now)
}

func (o Outcome) resend(e Resend, r Rules, now time.Time) Outcome {
	if o.State.Sends >= o.State.MaxSends {
		return o.refuse(RefusedSends)
	}
	if e.Channel == Voice {
		if wait := o.State.calling(now); wait > 0 {
			o.Refusal = Refusal{Reason: RefusedCalling, Wait: wait}
			return o
		}
	}
	o = o.spend(e.Channel, r, now)
	if o.Refusal.Reason != "" {
		return o
	}
	o.State.Sends++
	o.State.Channel, o.State.UpdatedAt = e.Channel, now
	o.Effect = EffectSend
	return o.deliver(e.Channel, e.Provider, e.Segments, now)
}

// calling is how long a call of s that isn't over may still last; 0 if there is none.
func (s State) calling(now time.Time) time.Duration {
	for _, d := range s.Deliveries {
		if d.Channel == Voice && !d.Status.Final() {
			if wait := d.At.Add(callTime).Sub(now); wait > 0 {
				return wait
			}
		}
	}
	return 0
}

// spend takes one send from the number's limits: all of them, or none.
func (o Outcome) spend(ch Channel, r Rules, now time.Time) Outcome {
	if wait := o.Number.BlockedUntil.Sub(now); wait > 0 {
		o.Refusal = Refusal{Reason: RefusedBlocked, Wait: wait}
		return o
	}
	if wait := o.Number.LockedUntil.Sub(now); wait > 0 {
		return o.limited(ratelimit.NumberFailedChecks, wait)
	}
	// A code that couldn't be checked isn't sent.
	if d := r.FailedChecks.Spend(o.Number.FailedChecks, now); !d.Allowed {
		return o.limited(ratelimit.NumberFailedChecks, d.RetryAfter)
	}
	cooldown := r.Cooldown.Spend(o.Number.Cooldown[ch], now)
	hour := r.Hour.Spend(o.Number.Hour, now)
	day := r.Day.Spend(o.Number.Day, now)
	switch {
	case !cooldown.Allowed:
		return o.limited(ratelimit.NumberCooldown, cooldown.RetryAfter)
	case !hour.Allowed:
		return o.limited(ratelimit.NumberHour, hour.RetryAfter)
	case !day.Allowed:
		return o.limited(ratelimit.NumberDay, day.RetryAfter)
	}
	cooldowns := map[Channel]time.Time{ch: cooldown.TAT}
	for c, tat := range o.Number.Cooldown {
		if c != ch {
			cooldowns[c] = tat
		}
	}
	o.Number.Cooldown, o.Number.Hour, o.Number.Day = cooldowns, hour.TAT, day.TAT
	return o
}

func (o Outcome) deliver(ch Channel, provider string, segments int, now time.Time) Outcome {
	d := Delivery{Provider: provider, Channel: ch, Status: providers.Accepted, At: now, UpdatedAt: now, Segments: segments}
	o.State.Deliveries = append(o.State.Deliveries[:len(o.State.Deliveries):len(o.State.Deliveries)], d)
	return o
}

func (o Outcome) check(e Check, r Rules, now time.Time) Outcome {
	if wait := o.Number.LockedUntil.Sub(now); wait > 0 {
		return o.limited(ratelimit.NumberFailedChecks, wait)
	}
	failed := r.FailedChecks.Spend(o.Number.FailedChecks, now)
	if !failed.Allowed {
		return o.limited(ratelimit.NumberFailedChecks, failed.RetryAfter)
	}
	o.State.Attempts++
	if e.Match {
		return o.answered(e.Call, providers.Confirmed, now).approve(r, now)
	}
	o.Number.FailedChecks = failed.TAT
	o.Number.Failures++
	if lock := r.Lock.duration(o.Number.Failures); lock > 0 {
		o.Number.LockedUntil = now.Add(lock)
	}
	if o.State.Attempts >= o.State.MaxAttempts {
		return o.finish(Failed, EffectFailed, now)
	}
	o.State.UpdatedAt, o.Effect = now, EffectWrong
	return o
}

// confirm approves by a key. It can't be guessed, so no attempt is counted.
func (o Outcome) confirm(e Confirm, r Rules, now time.Time) Outcome {
	if wait := o.Number.LockedUntil.Sub(now); wait > 0 {
		return o.limited(ratelimit.NumberFailedChecks, wait)
	}
	return o.answered(e.Call, providers.Confirmed, now).approve(r, now)
}

// answered notes what the person on a call answered.
func (o Outcome) answered(call int, status providers.Status, now time.Time) Outcome {
	if call < 1 || call > len(o.State.Deliveries) {
		return o
	}
	return o.setStatus(call, status, now)
}

func (o Outcome) approve(r Rules, now time.Time) Outcome {
	// What was sent has been used: it doesn't count against the number.
	o.Number.Failures = 0
	o.Number.Hour = refund(o.Number.Hour, r.Hour, o.State.Sends)
	o.Number.Day = refund(o.Number.Day, r.Day, o.State.Sends)
	return o.finish(Approved, EffectApproved, now)
}

// refund gives n sends back to a bucket.
func refund(tat time.Time, g ratelimit.GCRA, n int) time.Time {
	if tat.IsZero() {
		return tat
	}
	return tat.Add(-time.Duration(n) * g.Interval)
}

func (o Outcome) failover(e Failover, now time.Time) Outcome {
	if e.N < 1 || e.N > len(o.State.Deliveries) {
		return o.refuse(RefusedNotFound)
	}
	o = o.setStatus(e.N, providers.Failed, now)
	if e.Next == "" {
		return o
	}
	failed := o.State.Deliveries[e.N-1]
	o.Effect = EffectSend
	return o.deliver(failed.Channel, e.Next, failed.Segments, now)
}

// report applies a receipt, also after the verification ended: it still tells
// how the carrier does.
func (o Outcome) report(e Report, now time.Time) Outcome {
	if e.N < 1 || e.N > len(o.State.Deliveries) || o.State.Deliveries[e.N-1].Provider != e.Provider {
		return o.refuse(RefusedNotFound)
	}
	return o.setStatus(e.N, e.Status, now)
}

func (o Outcome) setStatus(n int, to providers.Status, now time.Time) Outcome {
	if to.Rank() <= o.State.Deliveries[n-1].Status.Rank() {
		return o
	}
	deliveries := append([]Delivery(nil), o.State.Deliveries...)
	deliveries[n-1].Status, deliveries[n-1].UpdatedAt = to, now
	o.State.Deliveries, o.State.UpdatedAt, o.Effect = deliveries, now, EffectReport
	return o
}

// NextSend is the earliest moment at which a send by ch would be allowed, as
// far as the number's limits are known; the zero time if never again.
func NextSend(s State, n NumberState, r Rules, ch Channel, now time.Time) time.Time {
	if s.Status != Pending || s.Sends >= s.MaxSends {
		return time.Time{}
	}
	wait := max(0, n.LockedUntil.Sub(now), n.BlockedUntil.Sub(now),
		r.FailedChecks.Spend(n.FailedChecks, now).RetryAfter,
		r.Cooldown.Spend(n.Cooldown[ch], now).RetryAfter,
		r.Hour.Spend(n.Hour, now).RetryAfter,
		r.Day.Spend(n.Day, now).RetryAfter)
	return now.Add(wait)
}

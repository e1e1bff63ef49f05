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
	// Request is what approved it, or asked for its latest send, if its caller
	// may ask again. Only a store knows it.
	Request StoreName
	// Guess is the wrong code that was counted last, of those that may come
	// again. Only a store knows it.
	Guess StoreName
	// FollowUp is what becomes of the latest delivery if it doesn't reach the phone.
	FollowUp FollowUp
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
		if check, ok := e.(Check); ok && s.counted(check) {
			o.Effect = EffectRepeated
			return o
		}
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
		return o.failover(e, r, now)
	case MoveOn:
		return o.moveOn(e, r, now)
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
	o.State.FollowUp = FollowUp{}
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
	return o.deliver(e.Channel, e.Provider, e.Segments, e.FollowUp, now)
}

// madeBy reports whether r is the request that changed s last.
func (s State) madeBy(r StoreName) bool { return r != "" && r == s.Request }

// counted reports whether e is the check that led to s, once more. It is answered
// as before, and tells nothing new.
func (s State) counted(e Check) bool {
	if e.Match {
		return s.Status == Approved && s.madeBy(e.Request)
	}
	return (s.Status == Pending || s.Status == Failed) && e.Guess != "" && e.Guess == s.Guess
}

func (o Outcome) resend(e Resend, r Rules, now time.Time) Outcome {
	if o.State.madeBy(e.Request) {
		return o
	}
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
	if e.Request != "" {
		o.State.Request = e.Request
	}
	return o.another(e.Channel, e.Provider, e.Segments, e.FollowUp, now)
}

// another is one more send, for which the limits were asked.
func (o Outcome) another(ch Channel, provider string, segments int, f providers.FollowUp, now time.Time) Outcome {
	o.State.Sends++
	o.State.Channel = ch
	o.Effect = EffectSend
	return o.deliver(ch, provider, segments, f, now)
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

func (o Outcome) deliver(ch Channel, provider string, segments int, f providers.FollowUp, now time.Time) Outcome {
	o.State.FollowUp, o.State.UpdatedAt = after(f, now), now
	d := Delivery{Provider: provider, Channel: ch, Status: providers.Accepted, At: now, UpdatedAt: now, Segments: segments}
	o.State.Deliveries = append(o.State.Deliveries[:len(o.State.Deliveries):len(o.State.Deliveries)], d)
	return o
}

func (o Outcome) check(e Check, r Rules, now time.Time) Outcome {
	if o.State.counted(e) {
		o.Effect = EffectRepeated
		return o
	}
	if wait := o.Number.LockedUntil.Sub(now); wait > 0 {
		return o.limited(ratelimit.NumberFailedChecks, wait)
	}
	failed := r.FailedChecks.Spend(o.Number.FailedChecks, now)
	if !failed.Allowed {
		return o.limited(ratelimit.NumberFailedChecks, failed.RetryAfter)
	}
	o.State.Attempts++
	if e.Match {
		if e.Request != "" {
			o.State.Request = e.Request
		}
		return o.answered(e.Call, providers.Confirmed, now).approve(r, now)
	}
	if e.Guess != "" {
		o.State.Guess = e.Guess
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

// failover goes on with a send, unless it arrived, or a later one has taken its place.
func (o Outcome) failover(e Failover, r Rules, now time.Time) Outcome {
	if e.N < 1 || e.N > len(o.State.Deliveries) {
		return o.refuse(RefusedNotFound)
	}
	if o.State.Deliveries[e.N-1].Status.Arrived() {
		return o.refuse(RefusedNotDue) // only the provider's answer got lost
	}
	o = o.setStatus(e.N, providers.Failed, now)
	if e.N != len(o.State.Deliveries) {
		return o
	}
	if e.Next == "" || e.Ambiguous && o.State.Sends >= o.State.MaxSends {
		o.State.FollowUp = FollowUp{} // whoever asked for the send is told
		return o
	}
	if e.Ambiguous { // the phone may get both
		o.State.Sends++
		o.Number.Hour, o.Number.Day = r.Hour.Force(o.Number.Hour, now), r.Day.Force(o.Number.Day, now)
	}
	failed := o.State.Deliveries[e.N-1]
	o.Effect = EffectSend
	return o.deliver(failed.Channel, e.Next, failed.Segments, e.FollowUp, now)
}

// report applies a receipt, also after the verification ended: it still tells
// how the carrier does.
func (o Outcome) report(e Report, now time.Time) Outcome {
	if e.N < 1 || e.N > len(o.State.Deliveries) || o.State.Deliveries[e.N-1].Provider != e.Provider {
		return o.refuse(RefusedNotFound)
	}
	o = o.setStatus(e.N, e.Status, now)
	switch {
	case o.Effect != EffectReport:
	case e.Status == providers.Delivered: // also of an earlier one: it is the same code
		o.State.FollowUp = FollowUp{}
	case e.N == len(o.State.Deliveries):
		o.State.FollowUp = o.State.FollowUp.reported(e, now)
	}
	return o
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

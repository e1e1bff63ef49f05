package gateway

import (
	"time"

	"denwa/providers"
)

// FollowUp is what becomes of a verification's latest delivery if it doesn't
// reach the phone. The zero value: nothing.
type FollowUp struct {
	// Then is who brings the same code.
	Then providers.Then
	// At is when, unless word of the delivery comes first. The zero time: only
	// once the carrier reports that it failed.
	At time.Time
}

// followUp is what follows d by plan if it doesn't reach the phone. That a call isn't
// possible is said now: what a carrier reports may leave nothing but a call.
func (p *Policy) followUp(d draft, plan providers.Plan) providers.FollowUp {
	return plan.FollowUp(func() bool { return p.available(d.app, d.to, Voice).Allowed })
}

// due reports whether it is time to move on.
func (f FollowUp) due(now time.Time) bool { return !f.At.IsZero() && !now.Before(f.At) }

// after is the follow-up of a delivery that begins now, by what its route says.
func after(f providers.FollowUp, now time.Time) FollowUp {
	if f.Then == "" || f.Within <= 0 {
		return FollowUp{Then: f.Then}
	}
	return FollowUp{Then: f.Then, At: now.Add(f.Within)}
}

// reported is f after news of its delivery. One that the carrier couldn't bring
// moves on now, unless the same is to be expected of whoever follows. One that
// reached the phone, or a call that the person turned down, doesn't: nobody is
// called again who just hung up. Sent is no word of the handset yet.
func (f FollowUp) reported(r Report, now time.Time) FollowUp {
	switch {
	case f.Then == "" || r.Status == providers.Sent:
		return f
	case !r.Status.Final(): // it rings
		return FollowUp{Then: f.Then}
	case !r.Status.Lost(),
		r.Kind == providers.Rejected,
		r.Kind == providers.Invalid && f.Then != providers.ThenVoice: // a landline can't read, but hears
		return FollowUp{}
	}
	return FollowUp{Then: f.Then, At: now}
}

// moveOn sends again in place of the latest delivery, as if somebody had asked
// for it. What a limit refuses is put off until it may be, if that is still of use.
func (o Outcome) moveOn(e MoveOn, r Rules, now time.Time) Outcome {
	if e.N != len(o.State.Deliveries) || !o.State.FollowUp.due(now) {
		return o.refuse(RefusedNotDue) // it arrived, or somebody was quicker
	}
	if e.Provider == "" {
		o.State.FollowUp = FollowUp{}
		return o
	}
	if o.State.Sends >= o.State.MaxSends {
		o.State.FollowUp = FollowUp{}
		return o.refuse(RefusedSends)
	}
	if e.Channel == Voice {
		if wait := o.State.calling(now); wait > 0 {
			o.Refusal = Refusal{Reason: RefusedCalling, Wait: wait}
			return o.putOff(now)
		}
	}
	if o = o.spend(e.Channel, r, now); o.Refusal.Reason != "" {
		return o.putOff(now)
	}
	return o.another(e.Channel, e.Provider, e.Segments, e.FollowUp, now)
}

// putOff moves the follow-up to when it isn't refused any more.
func (o Outcome) putOff(now time.Time) Outcome {
	o.State.FollowUp.At = now.Add(o.Refusal.Wait)
	if !o.State.FollowUp.At.Before(o.State.ExpiresAt) {
		o.State.FollowUp = FollowUp{}
	}
	return o
}

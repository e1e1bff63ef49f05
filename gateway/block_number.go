package gateway

import (
	"context"
	"time"

	"denwa/gateway/phone"
	"denwa/ratelimit"
)

// NumberReport is how a number stands, for an operator.
type NumberReport struct {
	// BlockedUntil is zero for a number that isn't blocked.
	BlockedUntil time.Time
	// Block is the operator's block; nil when the holder blocked the number,
	// and when nobody did.
	Block *AuditRecord
	// Holder is left to parties that proved to hold the number, Stranger to all
	// others.
	Holder, Stranger Allowance
}

// Allowance is what a number's limits leave to one class of parties.
type Allowance struct {
	Limits []LimitLeft
	// Failures counts wrong codes since the last right one.
	Failures int
	// LockedUntil is zero for a number that isn't locked.
	LockedUntil time.Time
}

// LimitLeft is what one limit leaves. One that is turned off leaves nothing and
// refuses nothing, and isn't listed.
type LimitLeft struct {
	Name ratelimit.Name
	// Channel is that of a cooldown, which each channel has for itself.
	Channel Channel
	Left    int
	// RetryAfter is 0 while something is left.
	RetryAfter time.Duration
}

// Number says how n stands, and changes nothing.
func (d *Desk) Number(ctx context.Context, n phone.Number) (NumberReport, error) {
	known, err := d.store.Number(ctx, d.service.keys.NumberName(n.E164))
	if err != nil {
		return NumberReport{}, unavailable(err)
	}
	r := NumberReport{
		Holder:   d.policy.allowance(known.Holder, known.Now),
		Stranger: d.policy.allowance(known.Stranger, known.Now),
	}
	if until := known.Stranger.BlockedUntil; until.After(known.Now) {
		r.BlockedUntil = until
		if b := known.Block; b != nil && b.Until.Equal(until) {
			record := d.unseal(*b)
			r.Block = &record
		}
	}
	return r, nil
}

func (p *Policy) allowance(n NumberState, now time.Time) Allowance {
	a := Allowance{Failures: n.Failures}
	if n.LockedUntil.After(now) {
		a.LockedUntil = n.LockedUntil
	}
	add := func(name ratelimit.Name, ch Channel, g ratelimit.GCRA, tat time.Time) {
		if g.Burst <= 0 || g.Interval <= 0 {
			return
		}
		left := g.Peek(tat, now)
		a.Limits = append(a.Limits, LimitLeft{Name: name, Channel: ch, Left: left.Remaining, RetryAfter: left.RetryAfter})
	}
	for _, ch := range []Channel{SMS, Voice} {
		add(ratelimit.NumberCooldown, ch, p.rules.Cooldown, n.Cooldown[ch])
	}
	add(ratelimit.NumberHour, "", p.rules.Hour, n.Hour)
	add(ratelimit.NumberDay, "", p.rules.Day, n.Day)
	add(ratelimit.NumberFailedChecks, "", p.rules.FailedChecks, n.FailedChecks)
	return a
}

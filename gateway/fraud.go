package gateway

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"denwa/ratelimit"
)

// What became of a start that a rule of [Fraud] stands against, as a label.
const (
	fraudRecorded = "recorded"
	fraudRefused  = "refused"
	// fraudExempted: it is by somebody who proved to hold the number before. Whoever
	// drains a range must not lock out the people who live in it.
	fraudExempted = "exempted"
)

// watched are the buckets of fraud rules that concern a send to a number in a
// country. What proves nothing, a [Dispatch], is never approved, so only the
// budget counts it.
func (s *Service) watched(p *Policy, app *AppPolicy, e164, country string, proves bool) []ratelimit.Bucket {
	f := &p.Fraud
	if f.Mode == FraudOff {
		return nil
	}
	buckets := make([]ratelimit.Bucket, 0, len(FraudRules()))
	add := func(r FraudRule, whose string) {
		limit := f.limit(r)
		if limit.Count == 0 {
			return
		}
		if f.Mode == FraudRecord {
			limit.OnError = ratelimit.Open // it refuses nothing
		}
		buckets = append(buckets, ratelimit.Bucket{
			Name: r.Limit(), Limit: limit, Key: string(s.keys.PartyName(app.Name, string(r.Limit()), whose)), Advisory: true,
		})
	}
	abroad := country != app.defaults.Country
	if proves {
		add(FraudRange, rangeOf(e164, f.RangeDigits))
		if abroad {
			add(FraudCountry, country)
		}
	}
	if abroad {
		add(FraudBudget, country)
	}
	return buckets
}

// rangeOf is what a number has in common with those that differ in the last digits.
func rangeOf(e164 string, digits int) string {
	const least = len("+81") // never all numbers of a country with short ones
	return e164[:max(len(e164)-digits, min(least, len(e164)))]
}

// judge decides what fraud rules, which answered so, mean for a start. It returns
// the buckets that it spent, and an error if it must not go on.
func (s *Service) judge(ctx context.Context, p *Policy, c claim, buckets []ratelimit.Bucket, decisions []ratelimit.Decision) (spent []ratelimit.Bucket, err error) {
	var against []int
	for i, d := range decisions {
		if d.Allowed {
			spent = append(spent, buckets[i])
		} else {
			against = append(against, i)
		}
	}
	if len(against) == 0 {
		return spent, nil
	}
	action := fraudRecorded
	if p.Fraud.Mode == FraudEnforce {
		action = fraudRefused
	}
	if c.party != "" {
		proved, err := s.store.Proved(ctx, c.number, c.party)
		if err != nil {
			return spent, unavailable(err)
		}
		if proved {
			action = fraudExempted
		}
	}
	for _, i := range against {
		rule := ruleOf(buckets[i])
		s.metrics.suspect(c.app.Name, rule, action, 1)
		s.log.InfoContext(ctx, "start looks like fraud", "app", c.app.Name, "rule", string(rule), "action", action,
			"country", c.to.Country, "number", c.to.Masked)
	}
	if action != fraudRefused {
		return spent, nil
	}
	worst := slices.MaxFunc(against, func(i, j int) int { return cmp.Compare(decisions[i].RetryAfter, decisions[j].RetryAfter) })
	refused := limited(buckets[worst].Name, buckets[worst].Limit, decisions[worst].RetryAfter)
	refused.Message = "too many verifications of numbers like this one were started and not approved; try again later"
	if ruleOf(buckets[worst]) == FraudBudget {
		refused.Message = "the budget for numbers of this country is used up; try again later"
	}
	return spent, refused
}

func ruleOf(b ratelimit.Bucket) FraudRule {
	return FraudRule(strings.TrimPrefix(string(b.Name), fraudLimit))
}

// giveBack is what limits get back: those of fraud rules for the approval of a
// record or a start that sent nothing, all for one that was refused.
type giveBack struct {
	approved *Record
	unspent  []ratelimit.Bucket
}

const (
	// maxGiveBacks is how many wait at most. What is lost counts as a start that
	// led nowhere.
	maxGiveBacks = 4096
	// giveBackBatch is how many are given back in one round trip.
	giveBackBatch = 128
	// giveBackWithin bounds that round trip.
	giveBackWithin = 5 * time.Second
)

// approved has fraud rules hear of an approval, later: nobody waits for it.
func (s *Service) approved(c Change) {
	if s.Policy().Fraud.Mode != FraudOff && !c.Record.ID.IsDispatch() {
		s.later(giveBack{approved: &c.Record})
	}
}

// unspent gives back what a start spent for nothing, later: nobody waits for it.
func (s *Service) unspent(buckets []ratelimit.Bucket) {
	if len(buckets) > 0 {
		s.later(giveBack{unspent: buckets})
	}
}

func (s *Service) later(g giveBack) {
	select {
	case s.givingBack <- g:
	default:
	}
}

// giveBackUntil gives back what comes until ctx ends.
func (s *Service) giveBackUntil(ctx context.Context) {
	for failing := false; ; {
		select {
		case <-ctx.Done():
			return
		case g := <-s.givingBack:
			err := s.giveBack(ctx, g)
			if err != nil && !failing && ctx.Err() == nil {
				s.log.WarnContext(ctx, "limits weren't given back what they are due, and count it as spent", "error", err)
			}
			failing = err != nil
		}
	}
}

// giveBack gives back g, and what else waits already.
func (s *Service) giveBack(ctx context.Context, g giveBack) error {
	p := s.Policy()
	unspent, approved := g.unspent, s.watchedOf(p, g.approved)
	for range min(len(s.givingBack), giveBackBatch) {
		g := <-s.givingBack
		unspent, approved = append(unspent, g.unspent...), append(approved, s.watchedOf(p, g.approved)...)
	}
	ctx, cancel := context.WithTimeout(ctx, giveBackWithin)
	defer cancel()
	return errors.Join(s.limits.RefundTimes(ctx, 1, unspent...), s.limits.RefundTimes(ctx, 1/p.Fraud.Conversion, approved...))
}

// watchedOf are the buckets that the approval of r is good for; none if r is nil.
func (s *Service) watchedOf(p *Policy, r *Record) []ratelimit.Bucket {
	if r == nil {
		return nil
	}
	app := p.App(r.App)
	if app == nil {
		return nil // it was taken out of the configuration
	}
	to, err := s.unsealTo(r)
	if err != nil {
		return nil // whoever reads r is told
	}
	return slices.DeleteFunc(s.watched(p, app, to.e164, r.Country, true), func(b ratelimit.Bucket) bool {
		return ruleOf(b) == FraudBudget
	})
}

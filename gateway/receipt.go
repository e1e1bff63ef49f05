package gateway

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"denwa/providers"
)

// Receipt takes a carrier's word on a delivery; it is a [providers.Receiver].
// Where the delivery didn't reach the phone and its route says what follows,
// [Service.Run] moves it on, here or on another instance.
func (s *Service) Receipt(ctx context.Context, provider string, r providers.Receipt) error {
	id, n, ok := parseDelivery(r.Delivery)
	if !ok || !s.keys.Knows(id) {
		return nil // nothing of ours; repeating it won't change that
	}
	c, err := s.store.Apply(ctx, id, "", Report{N: n, Provider: provider, Status: r.Status, Kind: r.Kind}, s.Policy().rules)
	if err != nil {
		return err
	}
	if c.Effect != EffectReport {
		return nil
	}
	s.reported(c, n)
	about := []any{"verification", string(id), "delivery", r.Delivery, "provider", provider, "status", string(r.Status)}
	if r.Code != "" {
		about = append(about, "provider_code", r.Code)
	}
	s.log.InfoContext(ctx, "delivery reported", about...)
	if c.Record.FollowUp.due(c.Now) {
		select {
		case s.movingOn <- id:
		default: // whoever sweeps next has more time
		}
	}
	return nil
}

// movers is how many verifications an instance moves on at once: a provider may
// take seconds to answer.
const movers = 32

// Run does what nobody asks for at that moment, until ctx ends: every interval
// it ends verifications whose time is over, for the metrics and for whoever waits
// without reading; it moves on deliveries that didn't reach their phones; and it
// tells fraud rules what was approved. It finishes what it is sending before it returns.
func (s *Service) Run(ctx context.Context, interval time.Duration) {
	var moving sync.WaitGroup
	defer moving.Wait()
	for range movers {
		moving.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case id := <-s.movingOn:
					s.moveOn(ctx, id)
				}
			}
		})
	}
	moving.Go(func() { s.giveBackUntil(ctx) })
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for failing := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := s.sweep(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			s.log.WarnContext(ctx, "ending and moving on what is due failed; trying on", "error", err)
		}
		failing = err != nil
	}
}

func (s *Service) sweep(ctx context.Context) error {
	swept, err := s.store.Sweep(ctx)
	for _, d := range swept.Expired {
		if d.ID.IsDispatch() {
			continue // what became of it is in its attempts
		}
		s.metrics.finish(d.App, d.Provider, d.Channel, d.Country, Expired, 0)
	}
	for _, id := range swept.MovingOn {
		select {
		case s.movingOn <- id:
		default: // slow carriers must not keep what is over from ending; it is found again in a minute
		}
	}
	return err
}

// moveOn sends a verification's code again in place of its latest delivery. If
// that comes to nothing now, the store has it found again.
func (s *Service) moveOn(ctx context.Context, id ID) {
	if !s.keys.Knows(id) {
		return // its key isn't configured here
	}
	// What was begun is finished, as a send that somebody asked for.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	if s.tracer != nil { // nobody asked, so there is no trace yet
		var span trace.Span
		ctx, span = s.tracer.Start(ctx, "move on", trace.WithAttributes(attribute.String("denwa.verification", string(id))))
		defer span.End()
	}
	if err := s.tryMoveOn(ctx, id); err != nil {
		s.log.WarnContext(ctx, "moving a delivery on failed", "verification", string(id), "error", err)
	}
}

func (s *Service) tryMoveOn(ctx context.Context, id ID) error {
	c, err := s.store.Load(ctx, id, "")
	if err != nil {
		return err
	}
	if c.Refusal.Reason != "" || c.over() || !c.Record.FollowUp.due(c.Now) {
		return nil
	}
	p := s.Policy()
	next, err := s.follower(p, c)
	if err != nil {
		return err
	}
	n := len(c.Record.Deliveries)
	lost := c.Record.Deliveries[n-1]
	log := s.log.With("verification", string(id), "delivery", deliveryName(id, n), "provider", lost.Provider, "reason", lost.reason())
	if first := next.plan.First(); first != "" && next.plan.Resting() {
		log.InfoContext(ctx, "delivery doesn't move on now: who is left to ask fails and is left alone", "next", first, "tried_again", true)
		return nil // it is found again in a minute
	}
	c, err = s.store.Apply(ctx, id, "", MoveOn{
		N: n, Channel: next.draft.channel, Provider: next.plan.First(), Segments: next.content.segments, FollowUp: p.followUp(next.draft, next.plan),
	}, p.rules)
	if err != nil {
		return err
	}
	s.changed(c)
	switch {
	case c.Refusal.Reason == RefusedNotDue || c.Refusal.Reason == RefusedNotPending: // somebody was quicker
	case c.Refusal.Reason != "":
		log.InfoContext(ctx, "delivery doesn't move on now", "refused", string(c.Refusal.Reason), "limit", string(c.Refusal.Limit),
			"tried_again", c.Record.FollowUp.Then != "")
	case c.Effect != EffectSend:
		log.InfoContext(ctx, "delivery doesn't move on: nobody is left to ask")
	default:
		log.InfoContext(ctx, "delivery moves on", "next", next.plan.First(), "next_channel", string(next.draft.channel))
		s.receipts.MovedOn(lost.Channel, lost.Provider, next.plan.First(), lost.reason())
		_, err = s.handOver(ctx, p, c, next)
		if failed := (*providers.Error)(nil); errors.As(err, &failed) {
			return nil // it is recorded, counted and logged
		}
		return err
	}
	return nil
}

// reason is why d is moved on.
func (d Delivery) reason() string {
	if d.Status.Lost() {
		return string(d.Status)
	}
	return providers.NoReceipt
}

// follower is what follows c's latest delivery: a call, if its route says so and one is
// possible, else the same by a provider that wasn't asked yet. Its plan asks
// nobody if there is none.
func (s *Service) follower(p *Policy, c Change) (parcel, error) {
	r := &c.Record
	app := p.App(r.App)
	if app == nil {
		return parcel{}, nil // it was taken out of the configuration
	}
	if r.FollowUp.Then == providers.ThenVoice {
		call, err := s.pack(p, app, c, Voice)
		if refused := (*Error)(nil); err == nil || !errors.As(err, &refused) {
			return call, err
		}
	}
	again, err := s.pack(p, app, c, r.Channel)
	if refused := (*Error)(nil); errors.As(err, &refused) {
		return parcel{}, nil // it isn't allowed any more
	}
	again.plan = again.plan.Without(func(provider string) bool {
		return slices.ContainsFunc(r.Deliveries, func(d Delivery) bool { return d.Channel == r.Channel && d.Provider == provider })
	})
	return again, err
}

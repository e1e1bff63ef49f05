package smpp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"denwa/providers"
)

// storeTime bounds one question to the [IDStore].
const storeTime = 2 * time.Second

var (
	errOver       = errors.New("smpp: the connection broke before the message was written")
	errUnanswered = errors.New("smpp: no answer to the message")
	errIncomplete = errors.New("smpp: only the first parts of the message were taken")
)

// SendMessage submits msg and returns when the centre has taken all its parts.
// The parts go one after the other over one connection, so that a refusal of the
// first one means that nothing was sent; later, it is ambiguous, unless it is
// about the number or the message.
func (p *Provider) SendMessage(ctx context.Context, msg providers.Message) (providers.Acceptance, error) {
	if !p.enter() {
		return providers.Acceptance{}, errClosed
	}
	defer p.sends.Done()
	if ctx.Err() != nil {
		return providers.Acceptance{}, &providers.Error{Kind: providers.Unavailable, Err: context.Cause(ctx)}
	}
	if wait := p.throttle.left(time.Now()); wait > 0 {
		return providers.Acceptance{}, &providers.Error{
			Kind: providers.Throttled, RetryAfter: wait, Err: errors.New("smpp: the message centre asked to slow down"),
		}
	}
	parts, err := p.writer.write(msg, byte(p.reference.Add(1))) //nolint:gosec // G115: it may well turn over.
	if err != nil {
		return providers.Acceptance{}, err
	}
	waiting, cancel := patience(ctx)
	room, failure := p.pool.take(waiting)
	cancel()
	if failure != nil {
		return providers.Acceptance{}, failure
	}
	return p.submit(ctx, room, msg, parts)
}

// patience is ctx with half the time: a message that is cut off in the middle may
// have been sent, so enough is left for its answer.
func patience(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/2)
}

// submit sends the parts in the room, which it gives back when the last one is
// answered or nothing is waited for any more.
func (p *Provider) submit(ctx context.Context, room slot, msg providers.Message, parts []*message) (providers.Acceptance, error) {
	var first string
	for i, part := range parts {
		s := submission{
			room: room, delivery: deliveryPart{msg.Delivery, i + 1, len(parts)}, remember: msg.ValidFor + p.cfg.ReceiptsWithin,
		}
		id, later, failure := p.exchange(ctx, s, part)
		if failure != nil {
			if !later {
				p.pool.give(room)
			}
			if i > 0 && failure.Kind.TryNext() && failure.Kind != providers.Ambiguous {
				failure = &providers.Error{Kind: providers.Ambiguous, Code: failure.Code, Err: fmt.Errorf("%w: %w", errIncomplete, failure.Err)}
			}
			return providers.Acceptance{}, failure
		}
		if i == 0 {
			first = id
		}
	}
	p.pool.give(room)
	return providers.Acceptance{Reference: reference(first, msg.To)}, nil
}

// submission is one submit_sm on its way.
type submission struct {
	room     slot
	delivery deliveryPart
	remember time.Duration
	sent     time.Time
}

// exchange submits one part and returns the id that the centre gave it. later
// says that the answer may still come, and that the room is kept until then.
func (p *Provider) exchange(ctx context.Context, s submission, part *message) (id string, later bool, _ *providers.Error) {
	s.sent = time.Now()
	e, forget := s.room.link.ask(ctx, submitSM, part)
	timer := time.NewTimer(p.cfg.ResponseTimeout)
	select {
	case answer := <-e.answer:
		timer.Stop()
		id, failure := p.answered(ctx, s, answer)
		return id, false, failure
	case <-s.room.link.done:
		timer.Stop()
		id, failure := p.broken(ctx, s, e)
		return id, false, failure
	case <-timer.C:
		forget()
		if e.withdraw() {
			return "", false, &providers.Error{Kind: providers.Unavailable, Err: errOver}
		}
		return "", false, &providers.Error{Kind: providers.Ambiguous, Err: errUnanswered}
	case <-ctx.Done():
	}
	select {
	case answer := <-e.answer: // it came while ctx ended
		timer.Stop()
		id, failure := p.answered(ctx, s, answer)
		return id, false, failure
	default:
	}
	if e.withdraw() {
		timer.Stop()
		forget()
		return "", false, &providers.Error{Kind: providers.Unavailable, Err: fmt.Errorf("smpp: not written: %w", context.Cause(ctx))}
	}
	// The centre may take it yet, and then its receipt is worth understanding.
	p.work.Go(func() {
		defer p.pool.give(s.room)
		defer timer.Stop()
		defer forget()
		select {
		case answer := <-e.answer:
			_, _ = p.answered(p.working, s, answer)
		case <-s.room.link.done:
		case <-timer.C:
		}
	})
	return "", true, &providers.Error{Kind: providers.Ambiguous, Err: fmt.Errorf("%w: %w", errUnanswered, context.Cause(ctx))}
}

// broken is what a part came to whose link is over.
func (p *Provider) broken(ctx context.Context, s submission, e *exchange) (id string, _ *providers.Error) {
	select {
	case answer := <-e.answer: // it came just before
		return p.answered(ctx, s, answer)
	default:
	}
	if e.withdraw() {
		return "", &providers.Error{Kind: providers.Unavailable, Err: errOver}
	}
	return "", &providers.Error{Kind: providers.Ambiguous, Err: fmt.Errorf("%w: %w", errUnanswered, s.room.link.why)}
}

// answered reads the centre's answer to a part.
func (p *Provider) answered(ctx context.Context, s submission, answer pdu) (id string, _ *providers.Error) {
	if answer.status != statusOK {
		failure := refused(answer.status)
		switch {
		case answer.status == statusNotBound: // as the centre sees it, so nothing will go over this link any more
			s.room.link.end(failure)
		case failure.Kind == providers.Throttled:
			failure.RetryAfter = p.throttle.slowed(s.sent, time.Now())
		}
		return "", failure
	}
	p.throttle.taken(s.sent)
	if body, ok := answer.body.(*taken); ok {
		id = body.messageID
	}
	if id == "" {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime) // it is taken, whether or not the caller is still there
	defer cancel()
	if err := p.ids.Remember(ctx, normal(id), s.delivery.String(), s.remember); err != nil {
		p.log.WarnContext(ctx, "message id not remembered, so its receipt will say nothing", "delivery", s.delivery.name, "error", err)
	}
	return id, nil
}

// reference is the id for people to read. What isn't plain text, or shows part
// of the number, which some centres put into their ids, is left out.
func reference(id, number string) string {
	if len(id) > 64 || !printable.MatchString(id) || strings.Contains(id, number[max(0, len(number)-8):]) {
		return ""
	}
	return id
}

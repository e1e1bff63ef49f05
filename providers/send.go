package providers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// journalTimeout bounds one call of the journal.
const journalTimeout = 5 * time.Second

var (
	errDeadline    = errors.New("the route's deadline is over")
	errTimeout     = errors.New("the provider took longer than the route's timeout")
	errJournal     = errors.New("recording the failure took too long")
	errRate        = errors.New("its rate leaves no time for this call")
	errTripped     = errors.New("it failed too often and is left alone for a while")
	errFull        = errors.New("as many calls as its concurrency allows are under way")
	errNoProvider  = errors.New("no route leads there")
	errNoMessenger = &Error{Kind: Unavailable, Err: errors.New("the provider sends no messages")}
	errNoCaller    = &Error{Kind: Unavailable, Err: errors.New("the provider places no calls")}
)

// ask is one call of one provider.
type ask func(ctx context.Context, p Provider, delivery string) (Acceptance, error)

// send asks the providers of plan in order.
func (r *Router) send(ctx context.Context, plan Plan, delivery, country string,
	failover func(context.Context, Failover) (string, error), ask ask,
) (Acceptance, string, error) {
	c := plan.chain
	if c == nil {
		return Acceptance{}, "", fmt.Errorf("send: %w", &Error{Kind: Unavailable, Err: errNoProvider})
	}
	timeout, total := plan.times()
	deadline := time.Now().Add(total)
	var unclear *Error // of a provider that may have sent it
	for i := 0; ; i++ {
		l := plan.links[i]
		attempt, span := beginAttempt(ctx, l.name, c.Channel, country, delivery)
		accepted, failure := r.attempt(attempt, l, timeout, deadline, delivery, ask)
		endAttempt(span, failure)
		if failure == nil {
			r.metrics.accepted(l.name, c.Channel, country)
			r.log.LogAttrs(attempt, slog.LevelInfo, "delivery accepted", slog.String("verification", verificationOf(delivery)),
				slog.String("delivery", delivery), slog.String("provider", l.name), slog.String("channel", string(c.Channel)),
				slog.String("country", country), slog.String("reference", accepted.Reference))
			return accepted, l.name, nil
		}
		f := Failover{From: l.name, Err: failure}
		again := failure.Kind == Ambiguous && (unclear != nil || c.Channel == Voice)
		if failure.Kind == Ambiguous {
			unclear = failure
		}
		if failure.Kind.TryNext() && !again && i+1 < len(plan.links) && ctx.Err() == nil && time.Now().Before(deadline) {
			f.To = plan.links[i+1].name
		}
		r.failed(attempt, c, f, delivery, country)
		next, err := record(ctx, f, failover)
		if err != nil {
			return Acceptance{}, l.name, fmt.Errorf("record failure of provider %q: %w", l.name, err)
		}
		if f.To == "" {
			if unclear != nil && failure.Kind != Ambiguous && failure.Kind.TryNext() { // it says nothing of what was sent before
				failure = &Error{Kind: Ambiguous, Err: fmt.Errorf("%w, after %w", failure, unclear)}
			}
			return Acceptance{}, l.name, fmt.Errorf("send by provider %q: %w", l.name, failure)
		}
		r.metrics.failedOver(c.Channel, f)
		delivery = next
	}
}

// attempt asks one provider, within the timeout and what is left until the
// deadline.
func (r *Router) attempt(ctx context.Context, l *link, timeout time.Duration, deadline time.Time, delivery string, ask ask) (Acceptance, *Error) {
	now := time.Now()
	end, cause := now.Add(timeout), errTimeout
	if deadline.Before(end) {
		end, cause = deadline, errDeadline
	}
	ctx, cancel := context.WithDeadlineCause(ctx, end, cause)
	defer cancel()
	if l.resting() {
		return Acceptance{}, &Error{Kind: Unavailable, Err: errTripped}
	}
	// The call has at least half of the time: one that is cut off may have been sent.
	patience := now.Add(end.Sub(now) / 2)
	leave, failure := l.enter(ctx, patience)
	if failure != nil {
		return Acceptance{}, failure
	}
	defer leave()
	// The rate comes last, because it is of calls: turns that were taken before
	// would be used up all at once when there is room again.
	if err := l.wait(ctx, patience); err != nil {
		return Acceptance{}, err
	}
	if ctx.Err() != nil {
		return Acceptance{}, &Error{Kind: Unavailable, Err: fmt.Errorf("not asked: %w", context.Cause(ctx))}
	}
	done, failure := l.allow()
	if failure != nil {
		return Acceptance{}, failure
	}
	asked(ctx)
	began := time.Now()
	accepted, err := r.call(ctx, l, delivery, ask)
	l.observe(time.Since(began))
	if err != nil {
		failure = understand(ctx, err)
	}
	done(failure)
	return accepted, failure
}

// enter waits, at most until then, for the provider to have fewer calls under way
// than it may have. leave makes room for the next.
func (g gate) enter(ctx context.Context, until time.Time) (leave func(), failure *Error) {
	if g.slots == nil {
		return func() {}, nil
	}
	patience := time.NewTimer(time.Until(until))
	defer patience.Stop()
	select {
	case g.slots <- struct{}{}:
		return func() { <-g.slots }, nil
	case <-patience.C:
		return nil, &Error{Kind: Throttled, Err: errFull}
	case <-ctx.Done():
		return nil, &Error{Kind: Unavailable, Err: fmt.Errorf("not asked: %w", context.Cause(ctx))}
	}
}

// wait waits for the provider's rate, unless that would be longer than until then.
func (g gate) wait(ctx context.Context, until time.Time) *Error {
	if g.pace == nil {
		return nil
	}
	delay, giveBack, ok := g.pace.turn(until)
	if !ok {
		return &Error{Kind: Throttled, RetryAfter: delay, Err: errRate}
	}
	if delay == 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		giveBack()
		return &Error{Kind: Unavailable, Err: fmt.Errorf("not asked: %w", context.Cause(ctx))}
	}
}

// call turns a panic of the provider into an error: one carrier's fault must not
// end the process. What was sent by then is unknown.
func (r *Router) call(ctx context.Context, l *link, delivery string, ask ask) (accepted Acceptance, err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		// Any other value than a runtime error may hold what the provider was
		// given, so only its type is told.
		fault := fmt.Errorf("panic with a %T", v)
		if e, ok := v.(runtime.Error); ok {
			fault = fmt.Errorf("panic: %w", e)
		}
		err = &Error{Kind: Ambiguous, Err: fault}
		r.log.LogAttrs(ctx, slog.LevelError, "provider panicked", slog.String("provider", l.name),
			slog.String("delivery", delivery), slog.Any("error", fault), slog.String("stack", string(debug.Stack())))
	}()
	return ask(ctx, l.provider, delivery)
}

// understand returns the [*Error] in err. What isn't one, or has no known
// kind, may have been sent, and its text is not to be trusted in a log.
func understand(ctx context.Context, err error) *Error {
	var e *Error
	if errors.As(err, &e) && e != nil && slices.Contains(Kinds(), e.Kind) {
		return e
	}
	if ctx.Err() != nil {
		return &Error{Kind: Ambiguous, Err: context.Cause(ctx)}
	}
	return &Error{Kind: Ambiguous, Err: fmt.Errorf("the provider failed with a %T", err)}
}

// failed counts and logs a failed attempt. Refused credentials are an error:
// nothing will be sent by that provider until somebody acts.
func (r *Router) failed(ctx context.Context, c *chain, f Failover, delivery, country string) {
	r.metrics.sent(f.From, c.Channel, country, string(f.Err.Kind))
	level := slog.LevelWarn
	if f.Err.Kind == Auth {
		level = slog.LevelError
	}
	r.log.LogAttrs(ctx, level, "send failed", slog.String("verification", verificationOf(delivery)),
		slog.String("delivery", delivery), slog.String("provider", f.From), slog.String("channel", string(c.Channel)),
		slog.String("country", country), slog.String("kind", string(f.Err.Kind)), slog.String("code", f.Err.Code),
		slog.String("next", f.To), slog.Any("error", f.Err.Err))
}

// record tells the journal, whether or not the caller is still there.
func record(ctx context.Context, f Failover, failover func(context.Context, Failover) (string, error)) (string, error) {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), journalTimeout, errJournal)
	defer cancel()
	return failover(ctx, f)
}

package gateway

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"denwa/providers"
	"denwa/ratelimit"
)

// LimitStore spends limits that instances share and that no script of a
// [Store] spends; [ratelimit.Store] is one. It fails only where a limit that
// fails closed couldn't be asked.
type LimitStore interface {
	Spend(ctx context.Context, buckets ...ratelimit.Bucket) ([]ratelimit.Decision, error)
	Refund(ctx context.Context, buckets ...ratelimit.Bucket) error
	RefundTimes(ctx context.Context, n float64, buckets ...ratelimit.Bucket) error
}

// ReceiptMetrics count what becomes of deliveries; [providers.Metrics] does.
type ReceiptMetrics interface {
	Receipt(provider string, ch Channel, country string, status providers.Status, sinceAsked time.Duration)
	// MovedOn: another provider is asked in place of from, for that reason: the
	// status that the delivery had, or [providers.NoReceipt].
	MovedOn(ch Channel, from, to, reason string)
}

// Service verifies numbers for apps. It is what the HTTP packages call, and
// safe for concurrent use.
//
// Every method fails with an [*Error] where the caller should see why;
// anything else is a fault of the gateway.
type Service struct {
	store    Store
	limits   LimitStore
	sender   Sender
	keys     *Keyring
	metrics  *Metrics
	receipts ReceiptMetrics
	log      *slog.Logger
	tracer   trace.Tracer
	policy   atomic.Pointer[Policy]
	// movingOn are verifications that are to be moved on, for [Service.Run].
	movingOn chan ID
	// givingBack is what limits get back, for [Service.Run].
	givingBack chan giveBack
}

// Parts are what a [Service] is made of.
type Parts struct {
	Store    Store
	Limits   LimitStore
	Sender   Sender
	Keys     *Keyring
	Metrics  *Metrics
	Receipts ReceiptMetrics
	Log      *slog.Logger
	// Tracer makes a span of what the service does unasked; nil for none.
	Tracer trace.Tracer
}

// NewService returns a service that follows p.
func NewService(parts Parts, p *Policy) *Service {
	s := &Service{
		store: followedStore{parts.Store}, limits: parts.Limits, sender: parts.Sender, keys: parts.Keys,
		metrics: parts.Metrics, receipts: parts.Receipts, log: parts.Log, tracer: parts.Tracer,
		movingOn: make(chan ID, 4096), givingBack: make(chan giveBack, maxGiveBacks),
	}
	s.SetPolicy(p)
	return s
}

// Policy is what the service follows now.
func (s *Service) Policy() *Policy { return s.policy.Load() }

// SetPolicy makes the service follow p from the next request on.
func (s *Service) SetPolicy(p *Policy) {
	s.metrics.expect(p)
	s.policy.Store(p)
}

// Lookup says how a number is read and which channels may reach it.
func (s *Service) Lookup(_ context.Context, app *AppPolicy, number, country string) (Lookup, error) {
	return s.Policy().Lookup(app, number, country)
}

// Check tries a code. It is valid at most once. A code that can't be one, by
// its form, is refused and costs no attempt.
func (s *Service) Check(ctx context.Context, app *AppPolicy, id, code string) (valid bool, v *Verification, err error) {
	return s.CheckOnce(ctx, app, id, code, "")
}

// CheckOnce is Check for a request that its caller may make again, because the
// answer got lost: the one that was valid is valid again, and the last one that
// was wrong is wrong again, with the same code, and costs no other attempt. See
// [Ticket.Request].
func (s *Service) CheckOnce(ctx context.Context, app *AppPolicy, id, code string, request StoreName) (valid bool, v *Verification, err error) {
	vid, err := s.id(id)
	if err != nil {
		return false, nil, err
	}
	typed, err := NormaliseCode(code, vid)
	if err != nil {
		return false, nil, err
	}
	p := s.Policy()
	match, err := s.matches(ctx, app, vid, typed)
	if err != nil {
		return false, nil, err
	}
	check := Check{Match: match, Request: request}
	if request != "" {
		check.Guess = s.keys.PartyName(app.Name, "guess", string(request)+";"+typed)
	}
	c, err := s.store.Apply(ctx, vid, app.Name, check, p.rules)
	if err != nil {
		return false, nil, unavailable(err)
	}
	s.changed(c)
	if c.Effect != EffectRepeated {
		s.metrics.check(app.Name, c)
	}
	if err := s.refused(app, c); err != nil {
		return false, nil, err
	}
	v, err = s.verification(c, p)
	return c.Record.Status == Approved, v, err
}

// Approve ends a pending verification as proved, on the app's own word: the code
// was checked elsewhere.
func (s *Service) Approve(ctx context.Context, app *AppPolicy, id string) (*Verification, error) {
	return s.apply(ctx, app, id, Confirm{})
}

// Cancel withdraws a pending verification.
func (s *Service) Cancel(ctx context.Context, app *AppPolicy, id string) (*Verification, error) {
	return s.apply(ctx, app, id, Cancel{})
}

// Get reads a verification.
func (s *Service) Get(ctx context.Context, app *AppPolicy, id string) (*Verification, error) {
	vid, err := s.id(id)
	if err != nil {
		return nil, err
	}
	return s.load(ctx, app, vid)
}

// WaitSince reads a verification and, while it is pending, waits up to d for it
// to change: for its status, or for news of a delivery. A caller that knows it as
// it was updated at known, if that isn't zero, is answered at once if there is
// news already. It also returns when ctx ends, with what is known then.
func (s *Service) WaitSince(ctx context.Context, app *AppPolicy, id string, known time.Time, d time.Duration) (*Verification, error) {
	vid, err := s.id(id)
	if err != nil {
		return nil, err
	}
	c, err := s.waitSince(ctx, app, vid, known, d)
	if err != nil {
		return nil, err
	}
	return s.verification(c, s.Policy())
}

func (s *Service) waitSince(ctx context.Context, app *AppPolicy, id ID, known time.Time, d time.Duration) (Change, error) {
	first, err := s.read(ctx, app, id)
	if err != nil || first.over() || d <= 0 || !known.IsZero() && !first.Record.UpdatedAt.Equal(known) {
		return first, err
	}
	changed, stop, err := s.store.Watch(ctx, id)
	if err != nil {
		return first, unavailable(err)
	}
	defer stop()
	timeout := time.NewTimer(d)
	defer timeout.Stop()
	// The store's clock decides when it expires; look just after.
	expiry := time.NewTimer(time.Until(first.Record.ExpiresAt) + 50*time.Millisecond)
	defer expiry.Stop()
	for {
		last := false
		select {
		case <-ctx.Done():
			return first, nil
		case <-changed:
		case <-expiry.C:
		case <-timeout.C:
			last = true
		}
		c, err := s.read(ctx, app, id)
		if err != nil {
			return c, err
		}
		if last || c.over() || !c.Record.UpdatedAt.Equal(first.Record.UpdatedAt) {
			return c, nil
		}
	}
}

// Ready reports whether the service can work.
func (s *Service) Ready(ctx context.Context) error { return s.store.Ping(ctx) }

// Limited counts a refusal by a limit that a caller of this package keeps.
func (s *Service) Limited(app *AppPolicy, limit ratelimit.Name) { s.metrics.limit(app.Name, limit) }

// apply does e, which has no further consequences.
func (s *Service) apply(ctx context.Context, app *AppPolicy, id string, e Event) (*Verification, error) {
	vid, err := s.id(id)
	if err != nil {
		return nil, err
	}
	p := s.Policy()
	c, err := s.store.Apply(ctx, vid, app.Name, e, p.rules)
	if err != nil {
		return nil, unavailable(err)
	}
	s.changed(c)
	if err := s.refused(app, c); err != nil {
		return nil, err
	}
	return s.verification(c, p)
}

// changed counts what c brought about.
func (s *Service) changed(c Change) {
	s.metrics.change(c)
	if c.Effect == EffectApproved {
		s.approved(c)
	}
}

func (s *Service) load(ctx context.Context, app *AppPolicy, id ID) (*Verification, error) {
	c, err := s.read(ctx, app, id)
	if err != nil {
		return nil, err
	}
	return s.verification(c, s.Policy())
}

func (s *Service) read(ctx context.Context, app *AppPolicy, id ID) (Change, error) {
	c, err := s.store.Load(ctx, id, app.Name)
	if err != nil {
		return c, unavailable(err)
	}
	return c, s.refused(app, c)
}

// id reads a verification's id. What can't be one is as unknown as any other.
func (s *Service) id(text string) (ID, error) {
	if id := ID(text); s.keys.Knows(id) && !id.IsDispatch() {
		return id, nil
	}
	return "", notFound()
}

// refused turns a refusal into what the caller sees, and counts limits.
func (s *Service) refused(app *AppPolicy, c Change) error {
	switch c.Refusal.Reason {
	case "":
		return nil
	case RefusedNotFound:
		return notFound()
	case RefusedNotPending:
		return &Error{Code: CodeNotPending, Message: "the verification is " + string(c.Record.Status) + "; start a new one"}
	case RefusedSends:
		s.metrics.limit(app.Name, LimitSends)
		r := &c.Record
		return &Error{
			Code: CodeRateLimited, Limit: string(LimitSends),
			Policy:     ratelimit.Limit{Burst: r.MaxSends, Count: r.MaxSends, Period: r.ExpiresAt.Sub(r.CreatedAt)},
			RetryAfter: r.ExpiresAt.Sub(c.Now), // then it is over, and a new one may begin
			Message:    "the verification has used up its sends; start a new one",
		}
	case RefusedBlocked:
		return &Error{Code: CodeBlocked, RetryAfter: c.Refusal.Wait, Message: "the number is blocked, by its holder or by the operator"}
	case RefusedCalling:
		s.metrics.limit(app.Name, LimitCalls)
		return limited(LimitCalls, ratelimit.Limit{Burst: 1, Count: 1, Period: callTime}, c.Refusal.Wait)
	case RefusedLimit, RefusedNotDue:
	}
	s.metrics.limit(app.Name, c.Refusal.Limit)
	return limited(c.Refusal.Limit, s.Policy().Limits.byName(c.Refusal.Limit), c.Refusal.Wait)
}

// LimitSends is the limit of sends of one verification, defaults.max_sends.
const LimitSends ratelimit.Name = "max_sends"

// LimitCalls is the limit of calls at once for one verification: one.
const LimitCalls ratelimit.Name = "call_in_progress"

func notFound() *Error {
	return &Error{Code: CodeNotFound, Message: "there is no such verification, or it is no longer kept"}
}

func limited(name ratelimit.Name, l ratelimit.Limit, wait time.Duration) *Error {
	return &Error{
		Code: CodeRateLimited, Limit: string(name), Policy: l, RetryAfter: wait,
		Message: "the limit " + string(name) + " refuses this for now",
	}
}

// unavailable is the error for a store that didn't answer.
func unavailable(err error) *Error {
	return &Error{
		Code: CodeUnavailable, RetryAfter: 2 * time.Second, Err: err,
		Message: "the gateway's store doesn't answer; try again in a moment",
	}
}

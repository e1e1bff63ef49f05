package providers

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"
)

// Bounds keep a provider from being asked more than makes sense. The zero value
// is a [Breaker] with its defaults.
type Bounds struct {
	// Rate is how many calls per second it gets; 0 for any number.
	Rate float64
	// Concurrency is how many calls it gets at once; 0 for any number.
	Concurrency int
	Breaker     Breaker
}

// Breaker says when a provider that fails is left alone for a while.
type Breaker struct {
	// Failures in a row after which the provider isn't asked for a while; -1 for never. A refused number or message is no failure. 0 is 5.
	Failures int `yaml:"failures"`
	// How long it isn't asked, at most 1h. Then one send tries whether it works again. 0 is 30s.
	OpenFor time.Duration `yaml:"open_for"`
}

const (
	never           = -1
	defaultFailures = 5
	defaultOpenFor  = 30 * time.Second
)

// Validate reports every mistake in b.
func (b Breaker) Validate(report func(field, problem string)) {
	b = b.withDefaults()
	if b.Failures != never && (b.Failures < 1 || b.Failures > 1000) {
		report("failures", "must be 1 to 1000, or -1 for never")
	}
	if b.OpenFor < time.Second || b.OpenFor > time.Hour {
		report("open_for", "must be 1s to 1h")
	}
}

func (b Breaker) withDefaults() Breaker {
	return Breaker{Failures: cmp.Or(b.Failures, defaultFailures), OpenFor: cmp.Or(b.OpenFor, defaultOpenFor)}
}

// gate is what all links of one provider share.
type gate struct {
	pace  *pace         // nil: none
	slots chan struct{} // nil: any number
}

// pace hands out turns, one at a time: a limiter that is told of times out of
// order counts what is between them twice.
type pace struct {
	mu    sync.Mutex
	limit *rate.Limiter
}

// turn takes the next turn and says in how long it is; if that is after until, ok
// is false and nothing is taken. giveBack is for who doesn't wait for it.
func (p *pace) turn(until time.Time) (in time.Duration, giveBack func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	turn := p.limit.ReserveN(now, 1)
	in = turn.DelayFrom(now)
	if now.Add(in).After(until) {
		turn.CancelAt(now)
		return in, nil, false
	}
	return in, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		turn.Cancel()
	}, true
}

// newGate makes the gate of a provider, or says what is wrong with its bounds.
func newGate(name string, b Bounds) (gate, error) {
	var g gate
	var problems []error
	switch {
	case b.Rate == 0:
	case !(b.Rate > 0) || math.IsInf(b.Rate, 1):
		problems = append(problems, fmt.Errorf("rate of provider %q must be more than 0 calls per second", name))
	default:
		// A burst of one: any larger one would let more through in some
		// second than the carrier allows.
		g.pace = &pace{limit: rate.NewLimiter(rate.Limit(b.Rate), 1)}
	}
	switch {
	case b.Concurrency < 0:
		problems = append(problems, fmt.Errorf("concurrency of provider %q must not be negative", name))
	case b.Concurrency > 0:
		g.slots = make(chan struct{}, b.Concurrency)
	}
	return g, errors.Join(problems...)
}

// breaker is the circuit breaker of one provider on one channel. A nil one
// never trips.
type breaker struct {
	circuit *gobreaker.TwoStepCircuitBreaker[struct{}]
}

// newBreaker makes a breaker that says in the log and the metrics when it trips.
func newBreaker(b Breaker, provider string, ch Channel, m *Metrics, log *slog.Logger) *breaker {
	if b = b.withDefaults(); b.Failures == never {
		return nil
	}
	return &breaker{gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:      b.OpenFor,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= b.Failures },
		IsSuccessful: func(err error) bool { return err == nil || !KindOf(err).TryNext() },
		// A provider that asks to slow down works, and one that can't do this tried nothing.
		IsExcluded: func(err error) bool {
			e := (*Error)(nil)
			return errors.As(err, &e) && (e.Kind == Throttled || e.Unfit)
		},
		OnStateChange: func(_ string, _, to gobreaker.State) {
			m.tripped(provider, ch, to != gobreaker.StateClosed)
			at := []any{slog.String("provider", provider), slog.String("channel", string(ch))}
			switch to {
			case gobreaker.StateOpen:
				log.Warn("provider fails and is left alone", append(at, slog.Duration("for", b.OpenFor))...)
			case gobreaker.StateClosed:
				log.Info("provider works again", at...)
			case gobreaker.StateHalfOpen: // the next send tells
			}
		},
	})}
}

// open reports whether the provider failed too often, a short while ago.
func (b *breaker) open() bool { return b != nil && b.circuit.State() == gobreaker.StateOpen }

// resting reports whether the provider is left alone now: it is open, or one
// send is trying whether it works again.
func (b *breaker) resting() bool {
	if b == nil {
		return false
	}
	switch b.circuit.State() {
	case gobreaker.StateOpen:
		return true
	case gobreaker.StateHalfOpen:
		c := b.circuit.Counts()
		return c.Requests > c.TotalExclusions // what is excluded tried nothing
	case gobreaker.StateClosed:
	}
	return false
}

// allow asks to call the provider. done takes how that went, nil for well.
func (b *breaker) allow() (done func(*Error), err *Error) {
	if b == nil {
		return func(*Error) {}, nil
	}
	report, refused := b.circuit.Allow()
	if refused != nil {
		return nil, &Error{Kind: Unavailable, Err: errTripped}
	}
	return func(failure *Error) {
		if failure == nil {
			report(nil) // not a nil *Error in an error
			return
		}
		report(failure)
	}, nil
}

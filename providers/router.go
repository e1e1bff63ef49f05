package providers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Router asks the providers of a route, one after the other, until one accepts.
// It is safe for concurrent use.
type Router struct {
	chains  []*chain
	metrics *Metrics
	log     *slog.Logger
}

// chain is a route over providers that exist.
type chain struct {
	Route
	links []*link
}

// link is one provider on one channel.
type link struct {
	gate
	*breaker

	name     string
	provider Provider
	// observe takes how long a call took.
	observe func(time.Duration)
}

// Plan is who will be asked for one message, in order. The zero Plan asks nobody.
type Plan struct {
	chain *chain
	links []*link // the chain's, those that are left alone now at the end
	// timeout for one provider and deadline for all; 0 is the route's.
	timeout, deadline time.Duration
}

// Within is p for a caller who can't wait as long as the route: at most each
// for one provider and total for all. 0 leaves the route's.
func (p Plan) Within(each, total time.Duration) Plan {
	p.timeout, p.deadline = each, total
	return p
}

// times are the timeout for one provider and the deadline for all.
func (p Plan) times() (timeout, deadline time.Duration) {
	timeout, deadline = p.chain.Timeout, p.chain.Deadline
	if p.timeout > 0 {
		timeout = min(timeout, p.timeout)
	}
	if p.deadline > 0 {
		deadline = min(deadline, p.deadline)
	}
	return timeout, deadline
}

// First is the provider that is asked first; "" if there is none.
func (p Plan) First() string {
	if p.chain == nil {
		return ""
	}
	return p.links[0].name
}

// Failover is one provider's failure and who is asked next.
type Failover struct {
	// From is the provider that failed.
	From string
	// Err is its failure.
	Err *Error
	// To is the provider that is asked next; "" if nobody is left or the failure stops here.
	To string
}

// NewRouter returns a router over providers, which are in the order of the
// configuration. Without routes, each channel asks every provider that serves
// it. Bounds are those of a provider by its name; one that isn't there has none. All mistakes are reported at once.
func NewRouter(routes []Route, providers []Provider, bounds map[string]Bounds, m *Metrics, log *slog.Logger) (*Router, error) {
	byName := make(map[string]Provider, len(providers))
	var problems []error
	for _, p := range providers {
		name := p.Name()
		if !ValidName(name) {
			problems = append(problems, fmt.Errorf("provider name %q must be 1 to 32 lower-case letters, digits and hyphens", name))
		}
		if byName[name] != nil {
			problems = append(problems, fmt.Errorf("two providers are named %q", name))
		}
		byName[name] = p
	}
	gates := make(map[string]gate, len(bounds))
	for name, b := range bounds {
		if byName[name] == nil {
			problems = append(problems, fmt.Errorf("bounds for provider %q, which isn't configured", name))
		}
		g, err := newGate(name, b)
		problems = append(problems, err)
		gates[name] = g
	}
	if len(routes) == 0 {
		routes = defaultRoutes(providers)
	}
	problems = append(problems, checkRoutes(routes, byName))
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}

	type served struct {
		name string
		ch   Channel
	}
	breakers := map[served]*breaker{} // one, whichever route leads to it
	for name, p := range byName {
		b, bounded := bounds[name]
		for _, ch := range Channels() {
			if bounded && Serves(p, ch) {
				breakers[served{name, ch}] = newBreaker(b.Breaker, name, ch, m, log)
			}
		}
	}
	r := &Router{metrics: m, log: log}
	for _, route := range routes {
		c := &chain{Route: route.withDefaults()}
		for i, name := range route.Providers {
			c.links = append(c.links, &link{
				gate: gates[name], breaker: breakers[served{name, route.Channel}], name: name, provider: byName[name],
				observe: m.took(name, route.Channel),
			})
			if i > 0 {
				m.expectFailover(route.Channel, route.Providers[i-1], name)
			}
		}
		r.chains = append(r.chains, c)
	}
	return r, nil
}

// Offered lists the channels that have a route, for some country at least.
func (r *Router) Offered() []Channel {
	var offered []Channel
	for _, ch := range Channels() {
		for _, c := range r.chains {
			if c.Channel == ch {
				offered = append(offered, ch)
				break
			}
		}
	}
	return offered
}

// Plan picks the providers for a message to a number of country, as ISO 3166-1
// alpha-2; "" for a number that belongs to none.
func (r *Router) Plan(ch Channel, country string) Plan {
	for _, c := range r.chains {
		if c.takes(ch, country) {
			return Plan{chain: c, links: c.working()}
		}
	}
	return Plan{}
}

// working is c's links in order, but those that are left alone now at the end:
// a send that need not try them first isn't recorded with them.
func (c *chain) working() []*link {
	var working, resting []*link
	for _, l := range c.links {
		if l.open() {
			resting = append(resting, l)
		}
	}
	if resting == nil { // mostly
		return c.links
	}
	for _, l := range c.links {
		if !slices.Contains(resting, l) {
			working = append(working, l)
		}
	}
	return append(working, resting...)
}

// Ready reports whether each channel that is offered has a provider that isn't
// left alone for its failures.
func (r *Router) Ready(context.Context) error {
	for _, ch := range r.Offered() {
		if !slices.ContainsFunc(r.chains, func(c *chain) bool {
			return c.Channel == ch && slices.ContainsFunc(c.links, func(l *link) bool { return !l.open() })
		}) {
			return fmt.Errorf("every provider of %s fails", ch)
		}
	}
	return nil
}

// Send hands msg to the providers of plan until one accepts it, and returns
// that one's name.
//
// failover is the journal. It is told of every failure, before the next
// provider is asked, and returns the name of the next delivery; if it fails,
// nothing more is sent and Send returns its error. Its context outlives the
// route's deadline and the caller, so that a failure is recorded even then.
//
// Otherwise the error wraps the last provider's [*Error]. The country is a
// metric label.
func (r *Router) Send(ctx context.Context, plan Plan, msg Message, country string,
	failover func(ctx context.Context, f Failover) (delivery string, err error),
) (Acceptance, string, error) {
	return r.send(ctx, plan, msg.Delivery, country, failover,
		func(ctx context.Context, p Provider, delivery string) (Acceptance, error) {
			m, ok := p.(Messenger)
			if !ok {
				return Acceptance{}, errNoMessenger
			}
			msg.Delivery = delivery
			return m.SendMessage(ctx, msg)
		})
}

// Call hands c to the providers of plan until one takes it, as [Router.Send]
// does with a message. But an ambiguous failure ends it: the phone may be
// ringing, and nobody is called twice.
func (r *Router) Call(ctx context.Context, plan Plan, c Call, country string,
	failover func(ctx context.Context, f Failover) (delivery string, err error),
) (Acceptance, string, error) {
	return r.send(ctx, plan, c.Delivery, country, failover,
		func(ctx context.Context, p Provider, delivery string) (Acceptance, error) {
			caller, ok := p.(Caller)
			if !ok {
				return Acceptance{}, errNoCaller
			}
			c.Delivery = delivery
			return caller.PlaceCall(ctx, c)
		})
}

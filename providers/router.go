package providers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// Router asks the providers of a route, one after the other, until one accepts.
// It is safe for concurrent use.
type Router struct {
	chains  []*chain
	metrics *Metrics
	random  func() float64
	log     *slog.Logger
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

// RouterOptions are what a [Router] is made of.
type RouterOptions struct {
	// Routes, in the order in which they are tried. Without any, each channel
	// asks every provider that serves it.
	Routes []Route
	// Providers are in the order of the configuration.
	Providers []Provider
	// Bounds of a provider by its name; one that isn't there has none.
	Bounds  map[string]Bounds
	Metrics *Metrics
	// Random draws evenly from [0,1), for routes with weights. It is safe for
	// concurrent use; nil is the one of math/rand.
	Random func() float64
	Log    *slog.Logger
}

// NewRouter returns a router. All mistakes are reported at once.
func NewRouter(o RouterOptions) (*Router, error) {
	byName := make(map[string]Provider, len(o.Providers))
	var problems []error
	for _, p := range o.Providers {
		name := p.Name()
		if !ValidName(name) {
			problems = append(problems, fmt.Errorf("provider name %q must be 1 to 32 lower-case letters, digits and hyphens", name))
		}
		if byName[name] != nil {
			problems = append(problems, fmt.Errorf("two providers are named %q", name))
		}
		byName[name] = p
	}
	gates := make(map[string]gate, len(o.Bounds))
	for name, b := range o.Bounds {
		if byName[name] == nil {
			problems = append(problems, fmt.Errorf("bounds for provider %q, which isn't configured", name))
		}
		g, err := newGate(name, b)
		problems = append(problems, err)
		gates[name] = g
	}
	if len(o.Routes) == 0 {
		o.Routes = defaultRoutes(o.Providers)
	}
	problems = append(problems, checkRoutes(o.Routes, byName))
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if o.Random == nil {
		o.Random = anyFloat
	}
	r := &Router{metrics: o.Metrics, random: o.Random, log: o.Log}
	breakers := map[served]*breaker{} // one, whichever route leads to it
	for name, p := range byName {
		b, bounded := o.Bounds[name]
		for _, ch := range Channels() {
			if bounded && Serves(p, ch) {
				breakers[served{name, ch}] = newBreaker(b.Breaker, name, ch, o.Metrics, o.Log)
			}
		}
	}
	for i, route := range o.Routes {
		c := newChain(route, i, func(name string) *link {
			return &link{
				gate: gates[name], breaker: breakers[served{name, route.Channel}], name: name, provider: byName[name],
				observe: o.Metrics.took(name, route.Channel),
			}
		})
		c.expectFailovers(o.Metrics)
		r.chains = append(r.chains, c)
	}
	return r, nil
}

// served is a provider on one channel.
type served struct {
	name string
	ch   Channel
}

// Offered lists the channels that have a route, for some destination at least.
func (r *Router) Offered() []Channel {
	var offered []Channel
	for _, ch := range Channels() {
		if slices.ContainsFunc(r.chains, func(c *chain) bool { return c.Channel == ch }) {
			offered = append(offered, ch)
		}
	}
	return offered
}

// Providers lists whom the routes of a channel ask, for some destination at least.
func (r *Router) Providers(ch Channel) []string {
	var names []string
	for _, c := range r.chains {
		if c.Channel != ch {
			continue
		}
		for _, l := range c.links {
			if !slices.Contains(names, l.name) {
				names = append(names, l.name)
			}
		}
	}
	return names
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
// Otherwise the error wraps the last provider's [*Error], or an [Ambiguous] one if
// an earlier provider may have sent msg and the last one doesn't say that it can't
// arrive. The country is a metric label.
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

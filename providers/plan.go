package providers

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// chain is a route over providers that exist.
type chain struct {
	Route
	// links are in the route's order, those with a weight before those without.
	links []*link
	// weights are those of the first links, by their place; none asks in order.
	weights []float64
	learner *Learner // nil: it doesn't learn
}

// link is one provider on one channel.
type link struct {
	gate
	*breaker

	name     string
	provider Provider
	place    int // in its chain
	// observe takes how long a call took.
	observe func(time.Duration)
}

// newChain has a link for each provider of route.
func newChain(route Route, position int, newLink func(name string) *link) *chain {
	c := &chain{Route: route.withDefaults()}
	names := slices.SortedStableFunc(slices.Values(route.Providers), func(a, b string) int {
		return cmp.Compare(min(route.Weights[b], 1), min(route.Weights[a], 1))
	})
	for i, name := range names {
		l := newLink(name)
		l.place = i
		c.links = append(c.links, l)
		if weight := route.Weights[name]; weight > 0 {
			c.weights = append(c.weights, float64(weight))
		}
	}
	if route.Learn.On() {
		c.learner = newLearner(c, position)
	}
	return c
}

// expectFailovers makes the series of c's steps exist: from one provider to the
// next, and from each to each of those that are drawn.
func (c *chain) expectFailovers(m *Metrics) {
	drawn := len(c.weights)
	if c.learner != nil {
		drawn = len(c.learner.Providers)
	}
	for i, from := range c.links {
		for j, to := range c.links {
			if i != j && (j == i+1 || i < drawn && j <= drawn) {
				m.expectFailover(c.Channel, from.name, to.name)
			}
		}
	}
}

// Plan is who will be asked for one message, in order. The zero Plan asks nobody.
type Plan struct {
	chain *chain
	links []*link // those that are left alone now are at the end
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

// Resting reports whether all of p are left alone now for their failures: a send
// would come to nothing.
func (p Plan) Resting() bool {
	return !slices.ContainsFunc(p.links, func(l *link) bool { return !l.resting() })
}

// Plan picks the providers for what goes to a destination: those of the first
// route that takes it.
func (r *Router) Plan(to Destination) Plan {
	c := r.route(to)
	if c == nil {
		return Plan{}
	}
	links := c.links
	if weights := c.weightsFor(to.Country); len(weights) > 1 {
		links = c.draw(weights, r.random)
	}
	return Plan{chain: c, links: working(links)}
}

// Reaches reports whether a route takes what goes to a destination.
func (r *Router) Reaches(to Destination) bool { return r.route(to) != nil }

func (r *Router) route(to Destination) *chain {
	for _, c := range r.chains {
		if c.takes(to) {
			return c
		}
	}
	return nil
}

// weightsFor are those by which the first providers are drawn; none asks in order.
func (c *chain) weightsFor(country string) []float64 {
	if c.learner != nil {
		if shares := c.learner.shares(country); shares != nil {
			return shares
		}
	}
	return c.weights
}

// draw returns c's links with each place before those without a weight given to
// one that has none yet, as likely as its weight says.
func (c *chain) draw(weights []float64, random func() float64) []*link {
	links := slices.Clone(c.links)
	total, last := 0.0, len(weights)-1
	for _, weight := range weights {
		total += weight
	}
	for i := range last {
		at, mark := i, random()*total
		for ; at < last && mark >= weights[links[at].place]; at++ {
			mark -= weights[links[at].place]
		}
		drawn := links[at]
		copy(links[i+1:at+1], links[i:at])
		links[i] = drawn
		total -= weights[drawn.place]
	}
	return links
}

// working is links, but with those at the end that are left alone now: a send
// that need not try them first isn't recorded with them.
func working(links []*link) []*link {
	if !slices.ContainsFunc(links, (*link).resting) { // mostly
		return links
	}
	var working, resting []*link
	for _, l := range links {
		if l.resting() {
			resting = append(resting, l)
		} else {
			working = append(working, l)
		}
	}
	return append(working, resting...)
}

// anyFloat spreads load; nobody gains by guessing it.
func anyFloat() float64 { return rand.Float64() } //nolint:gosec // G404: as said.

package providers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync/atomic"
)

// Learner is a route that learns. Who counts what came of its sends judges them
// and teaches it. It is safe for concurrent use.
type Learner struct {
	// Key is the same for a route with the same channel and selectors, on every
	// instance and whatever else of the configuration changes.
	Key string
	// Position of the route in the configuration, from 0.
	Position int
	Route    Route
	// Providers to choose from, in order.
	Providers []string

	weights []float64 // of Providers; none has them in order
	taught  atomic.Pointer[map[string][]float64]
}

func newLearner(c *chain, position int) *Learner {
	return &Learner{
		Key: c.selectors(), Position: position, Route: c.Route, Providers: c.learners(), weights: c.weights,
	}
}

// Learners are the routes that learn.
func (r *Router) Learners() []*Learner {
	var learners []*Learner
	for _, c := range r.chains {
		if c.learner != nil {
			learners = append(learners, c.learner)
		}
	}
	return learners
}

// LearnerOf is the route that learns from what goes to a destination; nil if
// the one that takes it doesn't learn.
func (r *Router) LearnerOf(to Destination) *Learner {
	if c := r.route(to); c != nil {
		return c.learner
	}
	return nil
}

// Teach has l draw its providers in each country by these shares, which are in
// the order of Providers, from now on. A country that isn't there, or all of them
// if shares is nil, goes by the configuration.
func (l *Learner) Teach(shares map[string][]float64) { l.taught.Store(&shares) }

func (l *Learner) shares(country string) []float64 {
	if taught := l.taught.Load(); taught != nil {
		return (*taught)[CountryOf(country)]
	}
	return nil
}

// selectors is a short name of what r takes.
func (r *Route) selectors() string {
	sum := sha256.New()
	for _, selector := range [][]string{{string(r.Channel)}, r.Countries, words(r.NumberTypes), r.Apps} {
		fmt.Fprintf(sum, "%q\n", slices.Sorted(slices.Values(selector)))
	}
	return hex.EncodeToString(sum.Sum(nil)[:4])
}

func words[T ~string](texts []T) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = string(t)
	}
	return out
}

package providers

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Destination is where a message or a call is to go. Its parts are plain words:
// a country as ISO 3166-1 alpha-2, or "" for a number that belongs to none.
type Destination struct {
	Channel    Channel
	Country    string
	NumberType NumberType
	App        string
}

// NumberType is what kind of number it is, such as mobile or fixed_line. Whoever
// reads numbers knows which there are; here they are only compared.
type NumberType string

// Route says which providers reach some numbers by one channel. The first route that takes a message is the one it goes by.
type Route struct {
	// Channel that the route is for: sms or voice.
	Channel Channel `yaml:"channel"`
	// Countries whose numbers take this route, as ISO 3166-1 alpha-2, or "001" for networks of no country; empty takes all.
	Countries []string `yaml:"countries"`
	// Types of number that take this route, such as mobile or fixed_line; empty takes all.
	NumberTypes []NumberType `yaml:"number_types"`
	// Apps whose messages take this route, by name; empty takes all.
	Apps []string `yaml:"apps"`
	// Providers to ask, by name, in this order: the next one only if the one before couldn't take the message.
	Providers []string `yaml:"providers"`
	// Weights by which the first provider is drawn, by name, 0 to 1000: {a: 3, b: 1} asks a first three times of four. A failure goes on to another one, drawn likewise, and then in order to those without a weight. Empty always asks in order.
	Weights map[string]int `yaml:"weights"`
	// Learn from recent conversion which provider to ask first.
	Learn Learn `yaml:"learn"`
	// ReceiptWithin is how long a carrier may take to say that a message arrived, or that a phone rings; then something else is tried as if it hadn't. Longer than the timeout. 0 waits for the carrier to say that it failed.
	ReceiptWithin time.Duration `yaml:"receipt_within"`
	// Then is what follows a delivery that was accepted and didn't reach the phone: provider, the route's next one that wasn't asked yet; voice, a call, or provider where none is possible; stop, nothing. It counts as a send of the same code, with the limits of a resend. Empty is provider.
	Then Then `yaml:"then"`
	// Deadline for all providers together, at most 30s. 0 is 15s.
	Deadline time.Duration `yaml:"deadline"`
	// Timeout for one provider, at most the deadline. 0 is 5s.
	Timeout time.Duration `yaml:"timeout"`
}

const (
	defaultDeadline = 15 * time.Second
	defaultTimeout  = 5 * time.Second
	// maxDeadline is well below the time in which a caller of the gateway
	// stops waiting.
	maxDeadline = 30 * time.Second
	maxWeight   = 1000
)

// Validate reports every mistake that shows without knowing the providers.
func (r Route) Validate(report func(field, problem string)) {
	if !slices.Contains(Channels(), r.Channel) {
		report("channel", "must be sms or voice")
	}
	for i, c := range r.Countries {
		if !isCountry(c) && c != NoCountry {
			report(fmt.Sprintf("countries[%d]", i), "must be two capital letters, as in ISO 3166-1 alpha-2, or 001 for networks of no country")
		}
	}
	if len(r.Providers) == 0 {
		report("providers", "must name at least one provider")
	}
	for i, name := range r.Providers {
		if slices.Contains(r.Providers[:i], name) {
			report(fmt.Sprintf("providers[%d]", i), fmt.Sprintf("names %q a second time", name))
		}
	}
	r.validateWeights(report)
	r.Learn.validate(len(r.learners()), func(f, problem string) { report("learn."+f, problem) })
	if r.Then != "" && !slices.Contains(Thens(), r.Then) {
		report("then", "must be provider, voice or stop")
	}
	if r.Then == ThenVoice && r.Channel == Voice {
		report("then", "must be provider or stop for voice")
	}
	r = r.withDefaults()
	if r.ReceiptWithin != 0 && r.ReceiptWithin <= r.Timeout {
		report("receipt_within", "must be longer than the timeout")
	}
	if r.ReceiptWithin > 0 && r.Then == ThenStop {
		report("receipt_within", "makes no sense with then: stop")
	}
	if r.Deadline < 0 || r.Deadline > maxDeadline {
		report("deadline", "must be at most 30s")
	}
	if r.Timeout < 0 || r.Timeout > r.Deadline {
		report("timeout", "must be at most the deadline")
	}
}

func (r Route) validateWeights(report func(field, problem string)) {
	total := 0
	for _, name := range slices.Sorted(maps.Keys(r.Weights)) {
		weight := r.Weights[name]
		if !slices.Contains(r.Providers, name) {
			report("weights."+name, "is the weight of a provider that the route doesn't name in providers")
		}
		if weight < 0 || weight > maxWeight {
			report("weights."+name, "must be 0 to 1000")
		}
		total += max(weight, 0)
	}
	if len(r.Weights) > 0 && total == 0 {
		report("weights", "must give at least one provider more than 0")
	}
}

// learners are the providers that learning chooses from: those with a weight, or
// all if none has.
func (r Route) learners() []string {
	if len(r.Weights) == 0 {
		return r.Providers
	}
	return slices.DeleteFunc(slices.Clone(r.Providers), func(name string) bool { return r.Weights[name] <= 0 })
}

// withDefaults fills in the times. A short deadline shortens the default timeout.
func (r Route) withDefaults() Route {
	if r.Deadline == 0 {
		r.Deadline = defaultDeadline
	}
	if r.Timeout == 0 {
		r.Timeout = min(defaultTimeout, r.Deadline)
	}
	return r
}

// takes reports whether what goes to that destination goes by r.
func (r *Route) takes(to Destination) bool {
	return r.Channel == to.Channel && admits(r.Countries, to.Country) && admits(r.NumberTypes, to.NumberType) && admits(r.Apps, to.App)
}

// admits reports whether a selector takes v; an empty one takes everything.
func admits[T comparable](selector []T, v T) bool {
	return len(selector) == 0 || slices.Contains(selector, v)
}

// CheckOrder reports each route that is never taken, because the ones before it
// take all that it would.
func CheckOrder(routes []Route, report func(route int, problem string)) {
	for i := range routes {
		if by := shadows(routes[:i], &routes[i]); len(by) > 0 {
			names := make([]string, len(by))
			for j, k := range by {
				names[j] = fmt.Sprintf("routes[%d]", k)
			}
			report(i, "is never taken: all that it would take goes by "+strings.Join(names, ", "))
		}
	}
}

// shadows are those of the routes before r which together take all that r
// would; none if something is left for r. A value that no route names stands
// for all the others, so a selector is never known to be complete.
func shadows(before []Route, r *Route) []int {
	others := &Route{}
	for i := range before {
		others.Countries = append(others.Countries, before[i].Countries...)
		others.NumberTypes = append(others.NumberTypes, before[i].NumberTypes...)
		others.Apps = append(others.Apps, before[i].Apps...)
	}
	var by []int
	for _, country := range samples(r.Countries, others.Countries) {
		for _, numberType := range samples(r.NumberTypes, others.NumberTypes) {
			for _, app := range samples(r.Apps, others.Apps) {
				to := Destination{r.Channel, country, numberType, app}
				first := slices.IndexFunc(before, func(b Route) bool { return b.takes(to) })
				if first < 0 {
					return nil
				}
				if !slices.Contains(by, first) {
					by = append(by, first)
				}
			}
		}
	}
	slices.Sort(by)
	return by
}

// samples are the values of a selector that make a difference: its own, else
// those of the other routes, after the zero value for any that nobody names.
func samples[T cmp.Ordered](own, others []T) []T {
	if len(own) > 0 {
		return own
	}
	all := append(make([]T, 1), others...)
	slices.Sort(all)
	return slices.Compact(all)
}

// defaultRoutes is one route per channel over every provider that serves it.
func defaultRoutes(providers []Provider) []Route {
	var routes []Route
	for _, ch := range Channels() {
		var names []string
		for _, p := range providers {
			if Serves(p, ch) {
				names = append(names, p.Name())
			}
		}
		if len(names) > 0 {
			routes = append(routes, Route{Channel: ch, Providers: names})
		}
	}
	return routes
}

// checkRoutes finds every mistake in routes over these providers.
func checkRoutes(routes []Route, providers map[string]Provider) error {
	var problems []error
	for i, r := range routes {
		report := func(field, problem string) {
			problems = append(problems, fmt.Errorf("routes[%d].%s %s", i, field, problem))
		}
		r.Validate(report)
		for j, name := range r.Providers {
			field := fmt.Sprintf("providers[%d]", j)
			if p, ok := providers[name]; !ok {
				report(field, fmt.Sprintf("names %q, which isn't configured", name))
			} else if !Serves(p, r.Channel) {
				report(field, fmt.Sprintf("names %q, which can't do %s", name, r.Channel))
			}
		}
	}
	CheckOrder(routes, func(i int, problem string) {
		problems = append(problems, fmt.Errorf("routes[%d] %s", i, problem))
	})
	return errors.Join(problems...)
}

// NoCountry stands for the country of networks that belong to none, such as a
// satellite's or +883: the world's code in UN M49.
const NoCountry = "001"

// CountryOf is a country, or "" for what isn't one, such as [NoCountry].
func CountryOf(iso string) string {
	if isCountry(iso) {
		return iso
	}
	return ""
}

func isCountry(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

package providers

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Route says which providers reach the numbers of some countries by one channel.
type Route struct {
	// Channel that the route is for: sms or voice.
	Channel Channel `yaml:"channel"`
	// Countries whose numbers take this route, as ISO 3166-1 alpha-2; empty takes all. The first route that matches is taken.
	Countries []string `yaml:"countries"`
	// Providers to ask, by name, in this order: the next one only if the one before couldn't take the message.
	Providers []string `yaml:"providers"`
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
)

// Validate reports every mistake that shows without knowing the providers.
func (r Route) Validate(report func(field, problem string)) {
	if !slices.Contains(Channels(), r.Channel) {
		report("channel", "must be sms or voice")
	}
	for i, c := range r.Countries {
		if !isCountry(c) {
			report(fmt.Sprintf("countries[%d]", i), "must be two capital letters, as in ISO 3166-1 alpha-2")
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
	r = r.withDefaults()
	if r.Deadline < 0 || r.Deadline > maxDeadline {
		report("deadline", "must be at most 30s")
	}
	if r.Timeout < 0 || r.Timeout > r.Deadline {
		report("timeout", "must be at most the deadline")
	}
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

// takes reports whether numbers of country take r.
func (r Route) takes(ch Channel, country string) bool {
	return r.Channel == ch && (len(r.Countries) == 0 || slices.Contains(r.Countries, country))
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
		before := slices.IndexFunc(routes[:i], func(b Route) bool {
			return b.Channel == r.Channel && len(b.Countries) == 0
		})
		if before >= 0 {
			problems = append(problems, fmt.Errorf("routes[%d] is never taken: routes[%d] takes every country", i, before))
		}
	}
	return errors.Join(problems...)
}

func isCountry(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

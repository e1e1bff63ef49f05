package config

import (
	"fmt"
	"slices"

	"denwa/gateway"
	"denwa/gateway/phone"
	"denwa/providers"
)

// validateRoutes checks the routes by themselves, against each other, and
// against the providers and apps that they name.
func (c *Config) validateRoutes(report func(path, problem string)) {
	for i, r := range c.Routes {
		at := func(field, problem string) { report(fmt.Sprintf("routes[%d].%s", i, field), problem) }
		r.Validate(at)
		c.validateProviders(r, at)
		c.validateSelectors(r, at)
		if r.Then == providers.ThenVoice && !slices.ContainsFunc(c.Routes, func(o providers.Route) bool { return o.Channel == providers.Voice }) {
			at("then", "says voice, but no route is for voice")
		}
	}
	providers.CheckOrder(c.Routes, func(i int, problem string) { report(fmt.Sprintf("routes[%d]", i), problem) })
}

// validateProviders checks that those which r names are there and can do it.
func (c *Config) validateProviders(r providers.Route, report func(field, problem string)) {
	var names []string
	for _, p := range c.Providers {
		names = append(names, p.Name)
	}
	for j, name := range r.Providers {
		field := fmt.Sprintf("providers[%d]", j)
		k := slices.Index(names, name)
		switch {
		case k < 0:
			report(field, fmt.Sprintf("names %q, which is not a provider%s", name, didYouMean(nearest(name, names))))
		case slices.Contains(providers.Channels(), r.Channel) && !c.Providers[k].serves(r.Channel):
			report(field, fmt.Sprintf("names %q, which can't do %s", name, r.Channel))
		}
	}
}

// validateSelectors finds values that select nothing: apps that don't exist or
// never send what r is for, and types of number that its channel never reaches.
func (c *Config) validateSelectors(r providers.Route, report func(field, problem string)) {
	var names []string
	for _, a := range c.Gateway.Apps {
		names = append(names, a.Name)
	}
	for j, name := range r.Apps {
		field := fmt.Sprintf("apps[%d]", j)
		k := slices.Index(names, name)
		switch {
		case k < 0:
			report(field, fmt.Sprintf("names %q, which is not an app%s", name, didYouMean(nearest(name, names))))
		case slices.Contains(r.Apps[:j], name):
			report(field, fmt.Sprintf("names %q a second time", name))
		default:
			if why := neverSends(c.Gateway.Apps[k], r); why != "" {
				report(field, fmt.Sprintf("names %q, which %s", name, why))
			}
		}
	}
	for j, t := range r.NumberTypes {
		if !slices.Contains(phone.Types(), phone.Type(t)) {
			continue // the decoder says so
		}
		if a := (phone.Number{Type: phone.Type(t)}).Channel(r.Channel); !a.Allowed && slices.Contains(providers.Channels(), r.Channel) {
			report(fmt.Sprintf("number_types[%d]", j), fmt.Sprintf("names %s, to which no %s goes: %s", t, r.Channel, a.Reason))
		}
	}
}

// neverSends says why a sends nothing that r would take; "" if it does.
func neverSends(a gateway.App, r providers.Route) string {
	if len(a.Channels) > 0 && !slices.Contains(a.Channels, r.Channel) {
		return fmt.Sprintf("doesn't offer %s", r.Channel)
	}
	if len(a.Countries) > 0 && len(r.Countries) > 0 && !slices.ContainsFunc(r.Countries, func(country string) bool {
		return slices.Contains(a.Countries, country)
	}) {
		return "serves none of the route's countries"
	}
	return ""
}

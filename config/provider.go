package config

import (
	"reflect"
	"slices"

	"denwa/providers"
	"denwa/providers/aws"
	"denwa/providers/http"
	"denwa/providers/sandbox"
	"denwa/providers/sip"
	"denwa/providers/smpp"
	"denwa/providers/twilio"
)

// ProviderType is the kind of a provider: the name of its package.
type ProviderType string

// typeSandbox is a carrier that shows messages on the screen.
const typeSandbox ProviderType = "sandbox"

// Settings is the Config of a provider's package, such as [twilio.Config].
// Whoever makes the provider switches on its type.
type Settings interface {
	Validate(report func(field, problem string))
}

// providerType is what a provider of one type can do and takes.
type providerType struct {
	name     ProviderType
	settings Settings // with its defaults
	channels []providers.Channel
}

// providerTypes lists every type of provider. A new one is one more line.
func providerTypes() []providerType {
	return []providerType{
		{typeSandbox, sandbox.DefaultConfig(), []providers.Channel{providers.SMS, providers.Voice}},
		{"twilio", twilio.DefaultConfig(), []providers.Channel{providers.SMS, providers.Voice}},
		{"smpp", smpp.DefaultConfig(), []providers.Channel{providers.SMS}},
		{"http", http.DefaultConfig(), []providers.Channel{providers.SMS}},
		{"aws", aws.DefaultConfig(), []providers.Channel{providers.SMS, providers.Voice}},
		{"sip", sip.DefaultConfig(), []providers.Channel{providers.Voice}},
	}
}

// Provider is one account at one carrier.
type Provider struct {
	// Name of the provider in routes, callback addresses, logs and metrics: [a-z0-9-], at most 32 bytes.
	Name string `yaml:"name"`
	// Type of the provider, which decides what other keys it takes.
	Type ProviderType `yaml:"type"`
	// Most calls per second to the carrier; 0 for no bound.
	Rate float64 `yaml:"rate"`
	// Most calls to the carrier at once; 0 for no bound.
	Concurrency int `yaml:"concurrency"`
	// When a provider that fails is left alone, on one channel, by one instance.
	Breaker providers.Breaker `yaml:"breaker"`
	// Settings are the type's own keys.
	Settings Settings `yaml:",inline"`
}

// Validate reports every mistake in p.
func (p Provider) Validate(report func(field, problem string)) {
	if !providers.ValidName(p.Name) {
		report("name", "must be 1 to 32 of a-z, 0-9 and -")
	}
	if p.Rate < 0 {
		report("rate", "must not be negative; 0 is no bound")
	}
	if p.Concurrency < 0 {
		report("concurrency", "must not be negative; 0 is no bound")
	}
	p.Breaker.Validate(func(f, problem string) { report("breaker."+f, problem) })
	if p.Settings == nil {
		report("type", "must be "+oneOf(enumOf(reflect.TypeFor[ProviderType]())))
		return
	}
	p.Settings.Validate(report)
}

// serves reports whether p can do ch. A type that isn't known, a mistake of
// its own, can do everything.
func (p Provider) serves(ch providers.Channel) bool {
	if s, ok := p.Settings.(interface {
		Serves(ch providers.Channel) bool
	}); ok {
		return s.Serves(ch)
	}
	i := slices.IndexFunc(providerTypes(), func(t providerType) bool { return t.name == p.Type })
	return i < 0 || slices.Contains(providerTypes()[i].channels, ch)
}

package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"denwa/gateway/phone"
	"denwa/providers"
	"denwa/ratelimit"
)

// Policy is a checked [Config], immutable, with everything looked up that a
// request would otherwise look up.
type Policy struct {
	Config
	rules  Rules
	apps   map[string]*AppPolicy
	keys   map[[sha256.Size]byte]apiKeyOwner
	routes Routes
}

type apiKeyOwner struct {
	app *AppPolicy
	id  string
}

// AppPolicy is one app with the defaults and templates that hold for it.
type AppPolicy struct {
	App
	messages *Messages
	defaults Defaults
}

// NewPolicy makes a policy of cfg, for a gateway with these routes. It fails with
// the first mistake that [Config.Validate] reports.
func NewPolicy(cfg Config, routes Routes) (*Policy, error) {
	var first error
	cfg.Validate(func(field, problem string) {
		if first == nil {
			first = fmt.Errorf("%s: %s", field, problem)
		}
	})
	if first != nil {
		return nil, first
	}
	cfg.Limits = cfg.InForce()
	p := &Policy{
		Config: cfg,
		routes: routes,
		apps:   map[string]*AppPolicy{},
		keys:   map[[sha256.Size]byte]apiKeyOwner{},
		rules: Rules{
			Cooldown:     cfg.Limits.NumberCooldown.GCRA(),
			Hour:         cfg.Limits.NumberHour.GCRA(),
			Day:          cfg.Limits.NumberDay.GCRA(),
			FailedChecks: cfg.Limits.NumberFailedChecks.GCRA(),
			Lock:         DefaultLock(),
			Block:        cfg.Defaults.BlockFor,
		},
	}
	for _, a := range cfg.Apps {
		messages, err := cfg.appMessages(a)
		if err != nil { // Validate has seen it
			return nil, err
		}
		app := &AppPolicy{App: a, messages: messages, defaults: cfg.Defaults}
		if a.Country != "" {
			app.defaults.Country = a.Country
		}
		if a.Locale != "" {
			app.defaults.Locale = a.Locale
		}
		p.apps[a.Name] = app
		for _, k := range a.APIKeys {
			var sum [sha256.Size]byte
			_, _ = hex.Decode(sum[:], []byte(k.SHA256)) // Validate has seen it
			p.keys[sum] = apiKeyOwner{app: app, id: k.ID}
		}
	}
	return p, nil
}

// Routes are those of the gateway.
func (p *Policy) Routes() Routes { return p.routes }

// App returns the app called name, or nil.
func (p *Policy) App(name string) *AppPolicy { return p.apps[name] }

// Notified are the apps that are told of events.
func (p *Policy) Notified() []string {
	var names []string
	for name, app := range p.apps {
		if app.Webhook.Enabled() {
			names = append(names, name)
		}
	}
	return names
}

// The form of an API key: "dnw_" and 40 alphanumerics.
const (
	APIKeyPrefix = "dnw_"
	APIKeyLength = len(APIKeyPrefix) + 40
)

// Authenticate returns whose key this is. Keys are looked up by their SHA-256,
// so the time it takes says nothing about a key.
func (p *Policy) Authenticate(key string) (app *AppPolicy, keyID string, ok bool) {
	if len(key) != APIKeyLength || !strings.HasPrefix(key, APIKeyPrefix) {
		return nil, "", false
	}
	owner, ok := p.keys[sha256.Sum256([]byte(key))]
	return owner.app, owner.id, ok
}

// Lookup is how a number is read and what may reach it.
type Lookup struct {
	phone.Number
	Channels map[Channel]phone.Availability
}

// Lookup reads a number as typed. country is the region of a number without a
// country code; empty takes the app's.
func (p *Policy) Lookup(app *AppPolicy, number, country string) (Lookup, error) {
	n, err := app.parse(number, country, "")
	if err != nil {
		return Lookup{}, err
	}
	l := Lookup{Number: n, Channels: map[Channel]phone.Availability{}}
	for _, ch := range []Channel{SMS, Voice} {
		l.Channels[ch] = p.available(app, n, ch)
	}
	return l, nil
}

func (a *AppPolicy) parse(number, country, extension string) (phone.Number, error) {
	if country == "" {
		country = a.defaults.Country
	} else if country = strings.ToUpper(country); !phone.IsRegion(country) {
		return phone.Number{}, invalid("country", "country must be an ISO 3166-1 alpha-2 code, such as JP")
	}
	n, err := phone.Parse(number, phone.Options{Region: country, Extension: extension, AllowExtension: true})
	if err != nil {
		field := "to"
		var why *phone.Error
		if extension != "" && errors.As(err, &why) && why.Reason == phone.BadExtension {
			field = "extension"
		}
		return phone.Number{}, &Error{Code: CodeInvalidNumber, Field: field, Message: err.Error()}
	}
	return n, nil
}

// available says whether ch may be used for n, and why not: because of the
// number, of the app, or of this gateway.
func (p *Policy) available(app *AppPolicy, n phone.Number, ch Channel) phone.Availability {
	if err := app.admits(n); err != nil {
		return phone.Availability{Reason: err.Message}
	}
	if a := n.Channel(ch); !a.Allowed {
		return a
	}
	if len(app.Channels) > 0 && !slices.Contains(app.Channels, ch) {
		return phone.Availability{Reason: "This app doesn't offer " + string(ch) + "."}
	}
	if !p.routes.Reaches(app.destination(ch, n)) {
		return phone.Availability{Reason: p.unrouted(ch)}
	}
	return phone.Availability{Allowed: true}
}

// destination is where something by ch to n goes.
func (a *AppPolicy) destination(ch Channel, n phone.Number) providers.Destination {
	return providers.Destination{Channel: ch, Country: n.Country, NumberType: providers.NumberType(n.Type), App: a.Name}
}

// unrouted says that no route leads there.
func (p *Policy) unrouted(ch Channel) string {
	to := " to numbers like this."
	if !slices.Contains(p.routes.Offered(), ch) {
		to = "."
	}
	return "This gateway has no provider for " + string(ch) + to
}

// admits says whether numbers like n are verified at all.
func (a *AppPolicy) admits(n phone.Number) *Error {
	if ok, why := n.Verifiable(); !ok {
		return &Error{Code: CodeNumberNotAllowed, Field: "to", Message: why}
	}
	if !slices.Contains(a.Countries, n.Country) && (len(a.Countries) > 0 || n.Country == phone.NoCountry) {
		return &Error{Code: CodeCountryNotAllowed, Field: "to", Message: "This app doesn't serve numbers of this country."}
	}
	return nil
}

// channel decides which channel a request gets.
func (p *Policy) channel(app *AppPolicy, n phone.Number, asked Channel) (Channel, error) {
	candidates := []Channel{asked}
	switch asked {
	case "", "auto":
		candidates = []Channel{SMS, Voice}
	case SMS, Voice:
	default:
		return "", invalid("channel", "channel must be auto, sms or voice")
	}
	var reasons []string
	for _, ch := range candidates {
		a := p.available(app, n, ch)
		if a.Allowed {
			return ch, nil
		}
		if !slices.Contains(reasons, a.Reason) {
			reasons = append(reasons, a.Reason)
		}
	}
	return "", &Error{Code: CodeChannelNotAvailable, Field: "channel", Message: strings.Join(reasons, " ")}
}

// locale decides the language: the request's, the number's country's, the app's.
func (a *AppPolicy) locale(asked string, n phone.Number) (string, error) {
	if asked != "" {
		l, ok := a.messages.Match(asked)
		if !ok {
			return "", invalid("locale", "locale must be one of %s", strings.Join(a.messages.Locales(), ", "))
		}
		return l, nil
	}
	if l, ok := a.messages.ForCountry(n.Country); ok {
		return l, nil
	}
	return a.defaults.Locale, nil
}

// minutes is a verification's life as its first message states it.
func (d Defaults) minutes() int { return minutes(d.ExpiresIn) }

// minutes is the time that a verification has left as a message states it: rounded
// down, so that it isn't over before the message says, unless in its last minute.
func minutes(left time.Duration) int { return max(1, int(left/time.Minute)) }

// withCooldown gives the cooldown its period.
func (l Limits) withCooldown(period time.Duration) Limits {
	if l.NumberCooldown.Period == 0 {
		l.NumberCooldown.Period = period
	}
	return l
}

// InForce are the limits that hold: the cooldown has its period from [Defaults].
func (c *Config) InForce() Limits { return c.Limits.withCooldown(c.Defaults.ResendAfter) }

// byName returns the limit called name.
func (l Limits) byName(name ratelimit.Name) ratelimit.Limit {
	switch name {
	case ratelimit.NumberCooldown:
		return l.NumberCooldown
	case ratelimit.NumberHour:
		return l.NumberHour
	case ratelimit.NumberDay:
		return l.NumberDay
	case ratelimit.NumberFailedChecks:
		return l.NumberFailedChecks
	case ratelimit.ClientAddress:
		return l.ClientAddress
	case ratelimit.App:
		return l.App
	case ratelimit.APIKey:
		return l.APIKey
	}
	return ratelimit.Limit{}
}

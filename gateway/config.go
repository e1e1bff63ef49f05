package gateway

import (
	"time"

	"denwa/ratelimit"
)

// Config is the part of the configuration that this package owns: who may
// verify what, how often, and in which words. It can be replaced while running.
type Config struct {
	// What holds for every app that doesn't say otherwise.
	Defaults Defaults `yaml:"defaults"`
	// The services that verify numbers.
	Apps []App `yaml:"apps"`
	// SMS texts by locale. They replace the built-in ones; an app's own win over them.
	Messages map[string]string `yaml:"messages"`
	// How often something may happen, by name.
	Limits Limits `yaml:"limits"`
	// Guard against verifications that are started for the sake of their messages.
	Fraud Fraud `yaml:"fraud"`
}

// Defaults hold for every app.
type Defaults struct {
	// Region of a number typed without a country code, as ISO 3166-1 alpha-2.
	Country string `yaml:"country"`
	// Language of messages when neither the request, the app nor the number's country decides.
	Locale string `yaml:"locale"`
	// Digits in a code, 6 to 10.
	CodeLength int `yaml:"code_length"`
	// Life of a verification, at most 10m.
	ExpiresIn time.Duration `yaml:"expires_in"`
	// Checks evaluated before a verification fails, 1 to 10.
	MaxAttempts int `yaml:"max_attempts"`
	// Messages and calls per verification, the first one included, 1 to 10.
	MaxSends int `yaml:"max_sends"`
	// Least time between two sends to one number by one channel.
	ResendAfter time.Duration `yaml:"resend_after"`
	// How long a verification can still be read after it expired.
	Retention time.Duration `yaml:"retention"`
	// Most SMS segments a message may take.
	MaxSegments int `yaml:"max_segments"`
	// How long a number is blocked after its holder said on a call that they hadn't asked; 0 for not at all.
	BlockFor time.Duration `yaml:"block_for"`
}

// App is one service that verifies numbers.
type App struct {
	// Name of the app, [a-z0-9-], at most 32 bytes. A metric label.
	Name string `yaml:"name"`
	// Who the message says it is from.
	Brand string `yaml:"brand"`
	// Keys that act for this app. Make one with "denwa key new --app NAME".
	APIKeys []APIKey `yaml:"api_keys"`
	// Countries whose numbers may be verified, as ISO 3166-1 alpha-2; empty allows all. International networks, such as satellite phones, cost dearly and belong to no country: name them as "001" beside countries to allow them.
	Countries []string `yaml:"countries"`
	// Channels the app offers: sms, voice; empty allows all.
	Channels []Channel `yaml:"channels"`
	// Values that the purpose of a verification may have; empty allows none.
	Purposes []string `yaml:"purposes"`
	// Region of a number typed without a country code; empty takes defaults.country.
	Country string `yaml:"country"`
	// Language of messages for numbers whose country doesn't decide; empty takes defaults.locale.
	Locale string `yaml:"locale"`
	// The app's own SMS texts by locale; a locale without one uses messages.
	Messages map[string]string `yaml:"messages"`
	// The app's own greetings of a call by locale, instead of the built-in ones.
	Greetings map[string]Greeting `yaml:"greetings"`
	// Where the app is told of events.
	Webhook Webhook `yaml:"webhook"`
	// The gateway's own pages, which ask for the number and verify it.
	Pages Pages `yaml:"pages"`
	// Twilio Verify's API, for software that speaks it.
	Twilio TwilioVerify `yaml:"twilio"`
	// Entra ID's telephony provider API.
	Entra Entra `yaml:"entra"`
	// Other login services that deliver their codes by this app.
	Hooks []Hook `yaml:"hooks"`
}

// Greeting is how a call begins: who calls, and why.
type Greeting struct {
	// What is said, where a carrier speaks text.
	Text string `yaml:"text"`
	// Recording that is played instead: a URL for carriers that fetch it, the path of a WAV file for SIP.
	Audio string `yaml:"audio"`
}

// APIKey is one key of an app. Only its hash is kept.
type APIKey struct {
	// Name of the key in logs, [a-z0-9-], at most 32 bytes.
	ID string `yaml:"id"`
	// Hex SHA-256 of the whole key, "dnw_" included.
	SHA256 string `yaml:"sha256"`
	// Day on which the key was made, such as 2026-01-31, for metrics that tell its age; empty if nobody knows.
	Created string `yaml:"created"`
}

// Limits are all limits, by name. docs/limits.md says what each protects.
type Limits struct {
	// Sends to one number by one channel. Its period is defaults.resend_after.
	NumberCooldown ratelimit.Limit `yaml:"number_cooldown"`
	// Sends to one number, short term.
	NumberHour ratelimit.Limit `yaml:"number_hour"`
	// Sends to one number, long term.
	NumberDay ratelimit.Limit `yaml:"number_day"`
	// Wrong codes for one number, over all its verifications.
	NumberFailedChecks ratelimit.Limit `yaml:"number_failed_checks"`
	// Starts for one end user's address (client_ip; an IPv6 /64 counts as one).
	ClientAddress ratelimit.Limit `yaml:"client_address"`
	// Starts for one app.
	App ratelimit.Limit `yaml:"app"`
	// Requests with one API key, counted by each instance for itself.
	APIKey ratelimit.Limit `yaml:"api_key"`
}

// DefaultConfig is what holds where the operator says nothing.
func DefaultConfig() Config {
	return Config{
		Defaults: Defaults{
			Country: "JP", Locale: "ja", CodeLength: 6, ExpiresIn: 10 * time.Minute,
			MaxAttempts: 5, MaxSends: 5, ResendAfter: 30 * time.Second,
			Retention: time.Hour, MaxSegments: 1, BlockFor: 24 * time.Hour,
		},
		Limits: Limits{
			NumberCooldown:     ratelimit.Limit{Burst: 1, Count: 1, OnError: ratelimit.Closed},
			NumberHour:         ratelimit.Limit{Burst: 5, Count: 5, Period: time.Hour, OnError: ratelimit.Closed},
			NumberDay:          ratelimit.Limit{Burst: 10, Count: 10, Period: 24 * time.Hour, OnError: ratelimit.Closed},
			NumberFailedChecks: ratelimit.Limit{Burst: 20, Count: 20, Period: 24 * time.Hour, OnError: ratelimit.Closed},
			ClientAddress:      ratelimit.Limit{Burst: 20, Count: 60, Period: time.Hour, OnError: ratelimit.Closed},
			App:                ratelimit.Limit{Burst: 1000, Count: 6000, Period: time.Minute, OnError: ratelimit.Closed},
			APIKey:             ratelimit.Limit{Burst: 2000, Count: 1000, Period: time.Second, OnError: ratelimit.Closed},
		},
		Fraud: defaultFraud(),
	}
}

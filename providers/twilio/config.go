package twilio

import (
	"net/netip"
	"regexp"
	"strings"

	"denwa/providers"
	"denwa/providers/carrierhttp"
)

// DefaultBaseURL is where Twilio's REST API lives.
const DefaultBaseURL = "https://api.twilio.com"

// Config describes one Twilio account.
type Config struct {
	// Name is what the provider is called in routes, logs and metrics, and in the address that Twilio reports to:
	// lower-case letters, digits and hyphens, at most 32.
	Name string `yaml:"name"`
	// AccountSID is the account's SID from the Twilio console: AC and 32 hexadecimal digits.
	AccountSID string `yaml:"account_sid"`
	// AuthToken is the account's primary auth token. It authenticates requests unless an API key is given, and always
	// verifies that a callback comes from Twilio.
	AuthToken string `yaml:"auth_token" secret:"true"`
	// APIKeySID is the SID of an API key, SK and 32 hexadecimal digits, that authenticates requests instead of the
	// auth token. It can be revoked without touching the callbacks.
	APIKeySID string `yaml:"api_key_sid"`
	// APIKeySecret is the secret of the API key.
	APIKeySecret string `yaml:"api_key_secret" secret:"true"`
	// BaseURL is scheme and host of Twilio's API: another edge, or a test double. Plain http is accepted for a
	// loopback address only, because the credentials travel with each request.
	BaseURL string `yaml:"base_url"`
	// SMS says how text messages are sent. It may be left out where voice is set.
	SMS SMSConfig `yaml:"sms"`
	// Voice says how phones are called. It may be left out where sms is set.
	Voice VoiceConfig `yaml:"voice"`
}

// SMSConfig says whom text messages come from. Exactly one of the two is set,
// or none where the account only calls.
type SMSConfig struct {
	// From is the sender: a number of the account in E.164, a short code, or an alphanumeric sender ID of at most 11
	// characters.
	From string `yaml:"from"`
	// MessagingServiceSID is a Messaging Service, MG and 32 hexadecimal digits, that picks the sender from its pool.
	MessagingServiceSID string `yaml:"messaging_service_sid"`
}

// Serves reports whether c sets the account up for ch.
func (c Config) Serves(ch providers.Channel) bool {
	if ch == providers.Voice {
		return c.Voice.enabled()
	}
	return c.SMS != SMSConfig{}
}

// DefaultConfig returns what holds where the configuration says nothing.
func DefaultConfig() Config {
	return Config{BaseURL: DefaultBaseURL, Voice: defaultVoiceConfig()}
}

var (
	accountSIDForm = regexp.MustCompile(`^AC[0-9a-f]{32}$`)
	apiKeySIDForm  = regexp.MustCompile(`^SK[0-9a-f]{32}$`)
	serviceSIDForm = regexp.MustCompile(`^MG[0-9a-f]{32}$`)
	messageSIDForm = regexp.MustCompile(`^(SM|MM)[0-9a-f]{32}$`)
	secretForm     = regexp.MustCompile(`^[0-9A-Za-z]+$`)

	e164Form      = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	shortCodeForm = regexp.MustCompile(`^[0-9]{3,8}$`)
	senderIDForm  = regexp.MustCompile(`^[0-9A-Za-z +_&-]{1,11}$`)
	letterForm    = regexp.MustCompile(`[A-Za-z]`)
)

// Validate reports every mistake with the field it is in.
func (c Config) Validate(report func(field, problem string)) {
	if !providers.ValidName(c.Name) {
		report("name", "must be 1 to 32 lower-case letters, digits and hyphens")
	}
	if !accountSIDForm.MatchString(c.AccountSID) {
		report("account_sid", "must be AC and 32 lower-case hexadecimal digits, as the Twilio console shows it")
	}
	if !secretForm.MatchString(c.AuthToken) {
		report("auth_token", "must be set, letters and digits only; callbacks are verified with it even where an API key is used")
	}
	c.validateAPIKey(report)
	if problem := carrierhttp.CheckBase(c.BaseURL); c.BaseURL != "" && problem != "" {
		report("base_url", problem)
	}
	if c.SMS != (SMSConfig{}) || !c.Voice.enabled() {
		c.SMS.validate(report)
	}
	c.Voice.validate(report)
}

func (c Config) validateAPIKey(report func(field, problem string)) {
	if c.APIKeySID == "" && c.APIKeySecret == "" {
		return
	}
	if !apiKeySIDForm.MatchString(c.APIKeySID) {
		report("api_key_sid", "must be SK and 32 lower-case hexadecimal digits when api_key_secret is set")
	}
	if !secretForm.MatchString(c.APIKeySecret) {
		report("api_key_secret", "must be set, letters and digits only, when api_key_sid is set")
	}
}

func (c SMSConfig) validate(report func(field, problem string)) {
	switch {
	case c.From == "" && c.MessagingServiceSID == "":
		report("sms", "needs one of from and messaging_service_sid")
	case c.From != "" && c.MessagingServiceSID != "":
		report("sms", "takes only one of from and messaging_service_sid: a service picks the sender itself")
	case c.From != "" && !validSender(c.From):
		report("sms.from", "must be a number in E.164 (+ and 7 to 15 digits), a short code of 3 to 8 digits, or a sender ID "+
			"of at most 11 letters, digits, spaces and + - _ & with at least one letter")
	case c.MessagingServiceSID != "" && !serviceSIDForm.MatchString(c.MessagingServiceSID):
		report("sms.messaging_service_sid", "must be MG and 32 lower-case hexadecimal digits")
	}
}

func validSender(from string) bool {
	return e164Form.MatchString(from) || shortCodeForm.MatchString(from) ||
		senderIDForm.MatchString(from) && letterForm.MatchString(from) && strings.TrimSpace(from) == from
}

// private reports whether host can't be reached from the internet, as far as its name tells.
func private(host string) bool {
	if providers.Loopback(host) || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified())
}

package twilio

import (
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestValidate(t *testing.T) {
	sid := strings.Repeat("0", 32)
	tests := map[string]struct {
		change func(*Config)
		fields []string
	}{
		"number":             {func(*Config) {}, nil},
		"service":            {func(c *Config) { c.SMS = SMSConfig{MessagingServiceSID: "MG" + sid} }, nil},
		"sender ID":          {func(c *Config) { c.SMS.From = "Example 1" }, nil},
		"longest sender ID":  {func(c *Config) { c.SMS.From = "EXAMPLE-CO+" }, nil},
		"short code":         {func(c *Config) { c.SMS.From = "12345" }, nil},
		"API key":            {func(c *Config) { c.APIKeySID, c.APIKeySecret = "SK"+sid, "x" }, nil},
		"default base":       {func(c *Config) { c.BaseURL = "" }, nil},
		"edge":               {func(c *Config) { c.BaseURL = "https://api.sydney.au1.twilio.com/" }, nil},
		"loopback base":      {func(c *Config) { c.BaseURL = "http://[::1]:8080" }, nil},
		"empty":              {func(c *Config) { *c = Config{} }, []string{"name", "account_sid", "auth_token", "sms"}},
		"name":               {func(c *Config) { c.Name = "Twilio/main" }, []string{"name"}},
		"name too long":      {func(c *Config) { c.Name = strings.Repeat("a", 33) }, []string{"name"}},
		"account too short":  {func(c *Config) { c.AccountSID = "AC123" }, []string{"account_sid"}},
		"account of a kind":  {func(c *Config) { c.AccountSID = "SK" + sid }, []string{"account_sid"}},
		"account upper":      {func(c *Config) { c.AccountSID = "AC" + strings.Repeat("A", 32) }, []string{"account_sid"}},
		"token with newline": {func(c *Config) { c.AuthToken += "\n" }, []string{"auth_token"}},
		"key without SID":    {func(c *Config) { c.APIKeySecret = "x" }, []string{"api_key_sid"}},
		"key without secret": {func(c *Config) { c.APIKeySID = "SK" + sid }, []string{"api_key_secret"}},
		"no sender":          {func(c *Config) { c.SMS = SMSConfig{} }, []string{"sms"}},
		"two senders":        {func(c *Config) { c.SMS.MessagingServiceSID = "MG" + sid }, []string{"sms"}},
		"number without +":   {func(c *Config) { c.SMS.From = "819012345678" }, []string{"sms.from"}},
		"number with dashes": {func(c *Config) { c.SMS.From = "+1-500-555-0006" }, []string{"sms.from"}},
		"sender ID too long": {func(c *Config) { c.SMS.From = "EXAMPLE-CORP" }, []string{"sms.from"}},
		"sender ID of dots":  {func(c *Config) { c.SMS.From = "example.jp" }, []string{"sms.from"}},
		"sender ID no ASCII": {func(c *Config) { c.SMS.From = "電話" }, []string{"sms.from"}},
		"sender ID padded":   {func(c *Config) { c.SMS.From = " Example" }, []string{"sms.from"}},
		"sender ID digits":   {func(c *Config) { c.SMS.From = "050 1234" }, []string{"sms.from"}},
		"service of a kind":  {func(c *Config) { c.SMS = SMSConfig{MessagingServiceSID: "SM" + sid} }, []string{"sms.messaging_service_sid"}},
		"voice":              {func(c *Config) { c.Voice.From = "+815012345678" }, nil},
		"voice alone":        {func(c *Config) { c.SMS, c.Voice.From = SMSConfig{}, "+815012345678" }, nil},
		"voice and bad SMS":  {func(c *Config) { c.SMS.From, c.Voice.From = "+", "+815012345678" }, []string{"sms.from"}},
		"caller ID":          {func(c *Config) { c.Voice.From = "Example" }, []string{"voice.from"}},
		"voices": {func(c *Config) {
			c.Voice.Voices = map[string]VoiceName{"en": {"en-GB", "Polly.Amy-Neural"}, "ja": {"ja-JP", "Google.ja-JP-Neural2-B"}}
		}, nil},
		"bad voices": {func(c *Config) {
			c.Voice.Voices = map[string]VoiceName{"de": {"de-DE", "Polly.Vicki"}, "en": {"English", "Polly.Amy"}, "ja": {"ja-JP", `"/>`}}
		}, []string{"voice.voices.de", "voice.voices.en.language", "voice.voices.ja.name"}},
		"rings too short":   {func(c *Config) { c.Voice.From, c.Voice.RingTimeout = "+815012345678", time.Second }, []string{"voice.ring_timeout"}},
		"rings too long":    {func(c *Config) { c.Voice.From, c.Voice.RingTimeout = "+815012345678", time.Hour }, []string{"voice.ring_timeout"}},
		"no calls":          {func(c *Config) { c.Voice.From, c.Voice.CallsPerSecond = "+815012345678", 0 }, []string{"voice.calls_per_second"}},
		"endless calls":     {func(c *Config) { c.Voice.From, c.Voice.CallsPerSecond = "+815012345678", math.Inf(1) }, []string{"voice.calls_per_second"}},
		"base in the clear": {func(c *Config) { c.BaseURL = "http://api.twilio.com" }, []string{"base_url"}},
		"base with a path":  {func(c *Config) { c.BaseURL = "https://api.twilio.com/v2" }, []string{"base_url"}},
		"base with a user":  {func(c *Config) { c.BaseURL = "https://a:b@api.twilio.com" }, []string{"base_url"}},
		"base without host": {func(c *Config) { c.BaseURL = "api.twilio.com" }, []string{"base_url"}},
		"base with %":       {func(c *Config) { c.BaseURL = "https://%zz" }, []string{"base_url"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			tt.change(&cfg)
			var fields []string
			cfg.Validate(func(field, problem string) {
				fields = append(fields, field)
				for _, secret := range []string{cfg.AuthToken, cfg.APIKeySecret} {
					if len(secret) > 1 && strings.Contains(problem, secret) {
						t.Errorf("%s: %q holds a secret", field, problem)
					}
				}
			})
			if diff := cmp.Diff(tt.fields, fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			_, err := New(cfg, testPublic, noReceipts, &exchange{}, slog.New(slog.DiscardHandler))
			if (err != nil) != (len(tt.fields) > 0) {
				t.Errorf("New says %v", err)
			}
		})
	}
}

func TestNewRefusesPublicURLs(t *testing.T) {
	for _, public := range []string{
		"verify.example.jp", "https://", "https://verify.example.jp?x=1", "https://verify.example.jp/#top",
		"https://a:b@verify.example.jp", "https://my_host.example.jp", "https://%zz",
	} {
		if _, err := New(testConfig(), public, noReceipts, &exchange{}, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("public_url %q was taken", public)
		}
	}
}

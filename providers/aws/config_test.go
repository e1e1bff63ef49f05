package aws

import (
	"log/slog"
	"slices"
	"testing"

	"denwa/providers"
)

func TestConfigMistakes(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(c *Config)
		field string // "" for none
	}{
		"nothing wrong":       {func(*Config) {}, ""},
		"no region":           {func(c *Config) { c.Region = "" }, ""},
		"loopback endpoint":   {func(c *Config) { c.Endpoint = "http://127.0.0.1:4566" }, ""},
		"vpc endpoint":        {func(c *Config) { c.Endpoint = "https://vpce-1.sms-voice.ap-northeast-1.vpce.amazonaws.com" }, ""},
		"other voice":         {func(c *Config) { c.Voice.Voices = map[string]string{"ja": "MIZUKI"} }, ""},
		"voice only":          {func(c *Config) { c.SMS = SMSConfig{} }, ""},
		"no reports":          {func(c *Config) { c.TopicARN, c.ConfigurationSet = "", "" }, ""},
		"name":                {func(c *Config) { c.Name = "AWS" }, "name"},
		"region":              {func(c *Config) { c.Region = "Tokyo" }, "region"},
		"plain endpoint":      {func(c *Config) { c.Endpoint = "http://192.0.2.1" }, "endpoint"},
		"endpoint's path":     {func(c *Config) { c.Endpoint = "https://192.0.2.1/x" }, "endpoint"},
		"endpoint is no URL":  {func(c *Config) { c.Endpoint = "sms-voice" }, "endpoint"},
		"topic":               {func(c *Config) { c.TopicARN = "denwa" }, "topic_arn"},
		"topic without a set": {func(c *Config) { c.ConfigurationSet = "" }, "configuration_set"},
		"set":                 {func(c *Config) { c.ConfigurationSet = "den wa" }, "configuration_set"},
		"neither":             {func(c *Config) { c.SMS, c.Voice = SMSConfig{}, VoiceConfig{} }, "sms.origination"},
		"sender":              {func(c *Config) { c.SMS.Origination = "会社" }, "sms.origination"},
		"price":               {func(c *Config) { c.SMS.MaxPrice = "1" }, "sms.max_price"},
		"price of a minute":   {func(c *Config) { c.Voice.MaxPrice = "1,5" }, "voice.max_price"},
		"locale":              {func(c *Config) { c.Voice.Voices = map[string]string{"fr": "LEA"} }, "voice.voices.fr"},
		"voice":               {func(c *Config) { c.Voice.Voices = map[string]string{"ja": "Takumi"} }, "voice.voices.ja"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig("")
			tc.spoil(&cfg)
			var got []string
			cfg.Validate(func(field, _ string) { got = append(got, field) })
			if tc.field == "" && len(got) > 0 || tc.field != "" && !slices.Contains(got, tc.field) {
				t.Errorf("mistakes in %v, want %q", got, tc.field)
			}
			if _, err := New(cfg, nil, slog.New(slog.DiscardHandler)); (err == nil) != (tc.field == "") {
				t.Errorf("New: %v", err)
			}
		})
	}
}

func TestServes(t *testing.T) {
	both := testConfig("")
	sms, voice := both, both
	sms.Voice, voice.SMS = VoiceConfig{}, SMSConfig{}
	for _, tc := range []struct {
		cfg        Config
		sms, voice bool
	}{{both, true, true}, {sms, true, false}, {voice, false, true}} {
		p := newProvider(t, tc.cfg, nil, slog.New(slog.DiscardHandler))
		if providers.Serves(p, providers.SMS) != tc.sms || providers.Serves(p, providers.Voice) != tc.voice {
			t.Errorf("%+v", tc)
		}
	}
}

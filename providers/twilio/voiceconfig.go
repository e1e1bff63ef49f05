package twilio

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"denwa/ivr"
	"denwa/ivr/twiml"
)

// VoiceConfig says how phones are called.
type VoiceConfig struct {
	// From is the caller that the phone shows: a number of the account, or one verified with Twilio, in E.164. Calls are
	// placed only where it is set.
	From string `yaml:"from"`
	// Voices that read the texts, by locale: ja and en. Without one, ja is read by Polly.Takumi-Neural and en by
	// Polly.Joanna-Neural.
	Voices map[string]VoiceName `yaml:"voices"`
	// RingTimeout is how long a phone rings before nobody answers, 5s to 10m.
	RingTimeout time.Duration `yaml:"ring_timeout"`
	// MachineDetection has Twilio listen for a few seconds whether voicemail or a fax answered, and hang up on it. It
	// costs extra, and doesn't work with extensions.
	MachineDetection bool `yaml:"machine_detection"`
	// CallsPerSecond is how many calls per second the account may place. Twilio queues what is beyond, and then the
	// phone may ring minutes later.
	CallsPerSecond float64 `yaml:"calls_per_second"`
}

// VoiceName names one of Twilio's voices.
type VoiceName struct {
	// Language of the voice, such as en-GB.
	Language string `yaml:"language"`
	// Name of the voice, such as Polly.Amy-Neural.
	Name string `yaml:"name"`
}

const (
	minRing = 5 * time.Second
	maxRing = 600 * time.Second // Twilio's
)

func defaultVoiceConfig() VoiceConfig {
	return VoiceConfig{RingTimeout: 30 * time.Second, MachineDetection: true, CallsPerSecond: 1}
}

var (
	languageForm  = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z]{4})?-[A-Z]{2}$`)
	voiceNameForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
)

// enabled reports whether phones are called at all.
func (c VoiceConfig) enabled() bool { return c.From != "" }

func (c VoiceConfig) validate(report func(field, problem string)) {
	for _, locale := range slices.Sorted(maps.Keys(c.Voices)) {
		field := "voice.voices." + locale
		switch v := c.Voices[locale]; {
		case !slices.Contains(ivr.Locales(), locale):
			report(field, "is for a locale that calls don't speak: they speak "+strings.Join(ivr.Locales(), " and "))
		case !languageForm.MatchString(v.Language):
			report(field+".language", "must be the language of the voice, such as en-GB")
		case !voiceNameForm.MatchString(v.Name):
			report(field+".name", "must be the name of one of Twilio's voices, such as Polly.Amy-Neural")
		}
	}
	if !c.enabled() {
		return
	}
	if !e164Form.MatchString(c.From) {
		report("voice.from", "must be a number in E.164: + and 7 to 15 digits")
	}
	if c.RingTimeout < minRing || c.RingTimeout > maxRing {
		report("voice.ring_timeout", fmt.Sprintf("must be between %v and %v", minRing, maxRing))
	}
	if !(c.CallsPerSecond > 0) || math.IsInf(c.CallsPerSecond, 1) {
		report("voice.calls_per_second", "must be more than 0")
	}
}

// speaks is the voice of a locale.
func (c VoiceConfig) speaks(locale string) twiml.Voice {
	if v, ok := c.Voices[ivr.Locale(locale)]; ok {
		return twiml.Voice(v)
	}
	return twiml.DefaultVoice(locale)
}

package aws

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/pinpointsmsvoicev2/types"

	"denwa/ivr"
	"denwa/providers"
	"denwa/providers/carrierhttp"
)

// Config describes one account and region of AWS End User Messaging.
//
// Credentials aren't in it: they come from where the AWS SDK looks for them,
// which is the environment, shared files, a container's or an instance's role.
type Config struct {
	// Name is what the provider is called in routes, logs and metrics, and in the address that AWS reports to: lower-case
	// letters, digits and hyphens, at most 32.
	Name string `yaml:"name"`
	// Region, such as ap-northeast-1; empty for that of the SDK's own configuration, AWS_REGION or a profile's.
	Region string `yaml:"region"`
	// Endpoint is the address of the API where it isn't the region's own: a VPC endpoint, or a test double. Plain http is
	// accepted for a loopback address only.
	Endpoint string `yaml:"endpoint"`
	// ConfigurationSet by name or ARN, whose event destination reports what became of messages. Empty for none.
	ConfigurationSet string `yaml:"configuration_set"`
	// TopicARN is the SNS topic of that event destination. It is the only one whose reports are taken, and whose
	// subscription is confirmed. Empty for no reports.
	TopicARN string `yaml:"topic_arn"`
	// ProtectConfiguration is the id of a protect configuration, which says what countries may be sent to; empty for the
	// account's.
	ProtectConfiguration string `yaml:"protect_configuration"`
	// SMS says how text messages are sent. It may be left out where voice is set.
	SMS SMSConfig `yaml:"sms"`
	// Voice says how phones are called. It may be left out where sms is set.
	Voice VoiceConfig `yaml:"voice"`
}

// SMSConfig says how text messages are sent.
type SMSConfig struct {
	// Origination is the sender: a phone number, sender ID or pool, by itself, its id or its ARN. Messages are sent only
	// where it is set.
	Origination string `yaml:"origination"`
	// MaxPrice of one message in US dollars, such as "0.10"; empty for no bound.
	MaxPrice string `yaml:"max_price"`
}

// VoiceConfig says how phones are called. AWS speaks and doesn't listen: calls
// read a code or a message, and a call that asks for keys goes to the route's
// next provider.
type VoiceConfig struct {
	// Origination is the caller: a phone number or pool, by itself, its id or its ARN. Calls are placed only where it is set.
	Origination string `yaml:"origination"`
	// MaxPrice of one minute in US dollars, such as "0.30"; empty for no bound.
	MaxPrice string `yaml:"max_price"`
	// Voices of Amazon Polly that read the texts, by locale: ja and en. Without one, ja is read by TAKUMI and en by JOANNA.
	Voices map[string]string `yaml:"voices"`
}

// DefaultConfig returns what holds where the configuration says nothing.
func DefaultConfig() Config { return Config{} }

// Serves reports whether c sets the account up for ch.
func (c Config) Serves(ch providers.Channel) bool {
	if ch == providers.Voice {
		return c.Voice.Origination != ""
	}
	return c.SMS.Origination != ""
}

// The forms are those of the API: https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html.
var (
	regionForm   = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)
	topicForm    = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):sns:([a-z0-9-]+):[0-9]{12}:[0-9A-Za-z_-]{1,256}$`)
	identityForm = regexp.MustCompile(`^[A-Za-z0-9_:/+-]{1,256}$`)
	priceForm    = regexp.MustCompile(`^[0-9]{0,2}\.[0-9]{1,5}$`)
)

// Validate reports every mistake with the field it is in.
func (c Config) Validate(report func(field, problem string)) {
	if !providers.ValidName(c.Name) {
		report("name", "must be 1 to 32 lower-case letters, digits and hyphens")
	}
	if c.Region != "" && !regionForm.MatchString(c.Region) {
		report("region", "must be a region, such as ap-northeast-1")
	}
	if problem := carrierhttp.CheckBase(c.Endpoint); c.Endpoint != "" && problem != "" {
		report("endpoint", problem)
	}
	if c.TopicARN != "" && !topicForm.MatchString(c.TopicARN) {
		report("topic_arn", "must be a topic's ARN, such as arn:aws:sns:ap-northeast-1:123456789012:denwa")
	}
	if c.TopicARN != "" && c.ConfigurationSet == "" {
		report("configuration_set", "must be set when topic_arn is: only messages of a configuration set are reported")
	}
	if c.SMS.Origination == "" && c.Voice.Origination == "" {
		report("sms.origination", "or voice.origination must be set")
	}
	for field, identity := range map[string]string{
		"configuration_set": c.ConfigurationSet, "protect_configuration": c.ProtectConfiguration,
		"sms.origination": c.SMS.Origination, "voice.origination": c.Voice.Origination,
	} {
		if identity != "" && !identityForm.MatchString(identity) {
			report(field, "must be a name, number, id or ARN: letters, digits and _ : / + -")
		}
	}
	for field, price := range map[string]string{"sms.max_price": c.SMS.MaxPrice, "voice.max_price": c.Voice.MaxPrice} {
		if price != "" && !priceForm.MatchString(price) {
			report(field, `must be US dollars with a point, such as "0.10"`)
		}
	}
	for _, locale := range slices.Sorted(maps.Keys(c.Voice.Voices)) {
		switch voice := types.VoiceId(c.Voice.Voices[locale]); {
		case !slices.Contains(ivr.Locales(), locale):
			report("voice.voices."+locale, "is for a locale that calls don't speak: they speak "+strings.Join(ivr.Locales(), " and "))
		case !slices.Contains(voice.Values(), voice):
			report("voice.voices."+locale, fmt.Sprintf("must be a voice that the API knows, such as %s, %s or %s",
				types.VoiceIdTakumi, types.VoiceIdMizuki, types.VoiceIdJoanna))
		}
	}
}

// voice is the voice that reads a locale.
func (c VoiceConfig) voice(locale string) types.VoiceId {
	locale = ivr.Locale(locale)
	if v, ok := c.Voices[locale]; ok {
		return types.VoiceId(v)
	}
	if locale == "ja" {
		return types.VoiceIdTakumi
	}
	return types.VoiceIdJoanna
}

package gateway

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// Webhook is where an app's events go, as Standard Webhooks describes it.
type Webhook struct {
	// Address that events are posted to: https, or http with allow_private. Empty for no events.
	URL string `yaml:"url"`
	// Key that events are signed with: "whsec_" and the base64 of 24 to 64 random bytes.
	Secret string `yaml:"secret" secret:"true"`
	// Key before the current one. While it is set, events carry a signature by each.
	PreviousSecret string `yaml:"previous_secret" secret:"true"`
	// Whether the address may be http, or on a private or loopback network.
	AllowPrivate bool `yaml:"allow_private"`
}

// WebhookSecretPrefix marks a webhook's secret.
const WebhookSecretPrefix = "whsec_"

// The length of a webhook's secret in bytes, as Standard Webhooks bounds it.
const (
	minWebhookSecret = 24
	maxWebhookSecret = 64
)

// Enabled reports whether there is somewhere to send events to.
func (w Webhook) Enabled() bool { return w.URL != "" }

// Keys are what events are signed with, the current one first.
func (w Webhook) Keys() [][]byte {
	var keys [][]byte
	for _, secret := range []string{w.Secret, w.PreviousSecret} {
		if key, ok := decodeWebhookSecret(secret); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// Validate reports every mistake in w. It repeats neither address nor secret.
func (w Webhook) Validate(report func(field, problem string)) {
	if !w.Enabled() {
		for field, set := range map[string]bool{
			"secret": w.Secret != "", "previous_secret": w.PreviousSecret != "", "allow_private": w.AllowPrivate,
		} {
			if set {
				report(field, "has no effect without url")
			}
		}
		return
	}
	u, err := url.Parse(w.URL)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		report("url", "must be an address such as https://portal.example.jp/denwa")
	case u.Scheme == "http" && !w.AllowPrivate:
		report("url", "must be https; http is for private networks, with allow_private")
	case u.User != nil:
		report("url", "can't hold a user name or password; events are signed instead")
	case u.Fragment != "":
		report("url", "can't hold a fragment (#…)")
	}
	const form = `must be "whsec_" and the base64 of 24 to 64 random bytes, such as "whsec_$(openssl rand -base64 32)" makes`
	if _, ok := decodeWebhookSecret(w.Secret); !ok {
		report("secret", form)
	}
	if _, ok := decodeWebhookSecret(w.PreviousSecret); w.PreviousSecret != "" && !ok {
		report("previous_secret", form)
	}
}

func decodeWebhookSecret(secret string) ([]byte, bool) {
	text, found := strings.CutPrefix(secret, WebhookSecretPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	return key, found && err == nil && len(key) >= minWebhookSecret && len(key) <= maxWebhookSecret
}

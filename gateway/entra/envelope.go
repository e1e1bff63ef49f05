package entra

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"denwa/gateway"
)

// envelopeType is the only version of the contract.
const envelopeType = "microsoft.mfa.otpDeliver.v1"

// The reasons of a bad request. They never hold a value of the request. Source:
// docs/CONTRACT.md, "EPP response", and tests/fixtures/contract.json in
// https://github.com/Azure-Samples/ExternalPhoneProvider-AzureFunction-Sample.
const (
	reasonJSON       = "invalid JSON body"
	reasonEnvelope   = "invalid envelope"
	reasonType       = "unsupported envelope type"
	reasonEncrypted  = "encryptedDeliveryContext is required"
	reasonChannel    = "unsupported channel"
	reasonMode       = "unsupported mode"
	reasonTTL        = "invalid ttlSeconds"
	reasonExpired    = "ttlSeconds expired"
	reasonIncomplete = "incomplete delivery context"
)

// envelope is the part of a request that anybody on the way may read.
type envelope struct {
	// correlationID follows a sign-in; empty if there is none.
	correlationID string
	channel       gateway.Channel
	// evaluation asks to do all but send.
	evaluation bool
	// ttl is how long the code was still valid when the request was made; 0 if it doesn't say.
	ttl time.Duration
	// encrypted is the rest, a compact JWE.
	encrypted string
}

// Numbers as the contract writes them: 60, never 60.0 or 6e1.
var integer = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,18})$`)

// maxTTL is the largest ttlSeconds, 2³¹−1.
const maxTTL = 1<<31 - 1

// parseEnvelope reads a request's body, checking in the order of the contract.
// reason is empty if it is good.
func parseEnvelope(body []byte) (e envelope, reason string) {
	if !json.Valid(body) {
		return e, reasonJSON
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || fields == nil {
		return e, reasonEnvelope
	}
	if text(fields["type"]) != envelopeType {
		return e, reasonType
	}
	if e.encrypted = text(fields["encryptedDeliveryContext"]); strings.TrimSpace(e.encrypted) == "" {
		return e, reasonEncrypted
	}
	switch choice(fields["channel"], "sms", "voice") {
	case 1:
		e.channel = gateway.SMS
	case 2:
		e.channel = gateway.Voice
	default:
		return e, reasonChannel
	}
	switch choice(fields["mode"], "live", "evaluation") {
	case 1:
	case 2:
		e.evaluation = true
	default:
		return e, reasonMode
	}
	if raw, given := fields["ttlSeconds"]; given {
		if e.ttl, reason = ttl(raw); reason != "" {
			return e, reason
		}
	}
	e.correlationID = text(fields["correlationId"])
	return e, ""
}

// text is the string in raw, or "" if it is none.
func text(raw json.RawMessage) string {
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return ""
	}
	return *s
}

// choice is 1 or 2, as raw says by number or by name; 0 if it says neither.
func choice(raw json.RawMessage, one, two string) int {
	switch name := text(raw); {
	case string(raw) == "1", strings.EqualFold(name, one):
		return 1
	case string(raw) == "2", strings.EqualFold(name, two):
		return 2
	}
	return 0
}

func ttl(raw json.RawMessage) (time.Duration, string) {
	if !integer.Match(raw) {
		return 0, reasonTTL
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	switch {
	case err != nil || n > maxTTL:
		return 0, reasonTTL
	case n <= 0:
		return 0, reasonExpired
	}
	return time.Duration(n) * time.Second, ""
}

package http

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"denwa/providers"
)

// ReceiptConfig says how the aggregator reports what became of messages: to
// <server.public_url>/callbacks/<name>/receipts, authenticated by a signature
// or by a secret. A field of a report is named by a JSON pointer (RFC 6901),
// such as /status, or by its name in a form or an address.
type ReceiptConfig struct {
	// Format of reports: json or form in the body, or query, parameters of the address; empty for no reports.
	Format Format `yaml:"format"`
	// Items is the JSON pointer of the list where one report is on several messages. A list at the top needs none.
	Items string `yaml:"items"`
	// Delivery is the field with {delivery}, as the request gave it. One of delivery and message_id is set.
	Delivery string `yaml:"delivery"`
	// MessageID is the field with the aggregator's id of the message, as the reply gave it.
	MessageID string `yaml:"message_id"`
	// Within is for how long message ids are remembered, so that receipts are understood.
	Within time.Duration `yaml:"within"`
	// Status is the field with the status.
	Status string `yaml:"status"`
	// Statuses says what the aggregator's statuses mean: sent, delivered, undelivered, failed or expired; accepted is no
	// news. One that isn't here is logged, and is no news either.
	Statuses map[string]string `yaml:"statuses"`
	// ErrorCode is the field with the aggregator's error code.
	ErrorCode string `yaml:"error_code"`
	// Rules in order, for messages that are undelivered, failed or expired; the first that fits says why. Without one, others
	// may do better, and the route goes on.
	Rules []ReceiptRule `yaml:"rules"`
	// Answer is the body of the answer, where the aggregator wants one; it is answered with 204 otherwise.
	Answer string `yaml:"answer"`
	// Secret is what the aggregator shows with each report, by secret_header or secret_parameter.
	Secret string `yaml:"secret" secret:"true"`
	// SecretHeader is the header whose whole value is the secret.
	SecretHeader string `yaml:"secret_header"`
	// SecretParameter is the parameter of the address that holds the secret, for an aggregator that sends no header of
	// ours. Addresses are logged on their way: prefer the others.
	SecretParameter string `yaml:"secret_parameter"`
	// Signature that the aggregator makes of each report, in place of a secret that it shows.
	Signature SignatureConfig `yaml:"signature"`
}

// ReceiptRule says why some messages didn't reach the phone.
type ReceiptRule struct {
	// Field whose value decides.
	Field string `yaml:"field"`
	// Match is a regular expression that the field's whole value fits.
	Match string `yaml:"match"`
	// Means is invalid, this number can't be reached by anybody: only a call may follow; rejected, nobody should send this
	// message: nothing follows; or unavailable, another provider may do better.
	Means Reason `yaml:"means"`
}

// Reason is why a message that was accepted didn't reach the phone: the
// [providers.Kind] of its receipt.
type Reason string

// The reasons.
const (
	ReasonInvalid     Reason = "invalid"
	ReasonRejected    Reason = "rejected"
	ReasonUnavailable Reason = "unavailable"
)

// SignatureConfig is an HMAC-SHA256 that proves who sent a report.
type SignatureConfig struct {
	// Header with the signature; empty for none.
	Header string `yaml:"header"`
	// Key of the HMAC, as it is.
	Key string `yaml:"key" secret:"true"`
	// Encoding of the signature, hex or base64.
	Encoding Encoding `yaml:"encoding"`
	// Prefix before the signature, such as "sha256=".
	Prefix string `yaml:"prefix"`
	// Signed is what is signed, with {body} and {timestamp}.
	Signed string `yaml:"signed"`
	// TimestampHeader is the header with the {timestamp} in seconds or milliseconds since 1970.
	TimestampHeader string `yaml:"timestamp_header"`
	// Tolerance is how far the timestamp may be from now.
	Tolerance time.Duration `yaml:"tolerance"`
}

// Format is how reports are written.
type Format string

// The formats.
const (
	JSON  Format = "json"
	Form  Format = "form"
	Query Format = "query"
)

// Encoding is how a signature is written.
type Encoding string

// The encodings.
const (
	Hex    Encoding = "hex"
	Base64 Encoding = "base64"
)

func defaultReceiptConfig() ReceiptConfig {
	return ReceiptConfig{
		Within:    72 * time.Hour,
		Signature: SignatureConfig{Encoding: Hex, Signed: "{body}", Tolerance: 5 * time.Minute},
	}
}

var parameterForm = regexp.MustCompile(`^[0-9A-Za-z_.-]{1,64}$`)

func (c ReceiptConfig) validate(report func(field, problem string)) {
	if c.Format == "" {
		if c.Delivery != "" || c.MessageID != "" || c.Status != "" || len(c.Rules) > 0 || c.Secret != "" || c.Signature.Header != "" {
			report("receipts.format", "must be json, form or query")
		}
		return
	}
	if c.Format != JSON && c.Format != Form && c.Format != Query {
		report("receipts.format", "must be json, form or query")
	}
	if (c.Delivery == "") == (c.MessageID == "") {
		report("receipts.delivery", "or receipts.message_id must be set, and not both")
	}
	if c.MessageID != "" && (c.Within < time.Minute || c.Within > 7*24*time.Hour) {
		report("receipts.within", "must be between 1m and 168h")
	}
	if c.Status == "" {
		report("receipts.status", "must be set")
	}
	if c.Items != "" && c.Format != JSON {
		report("receipts.items", "is for json")
	}
	for name, field := range map[string]string{
		"delivery": c.Delivery, "message_id": c.MessageID, "status": c.Status, "error_code": c.ErrorCode, "items": c.Items,
	} {
		if _, err := parsePointer(field); c.Format == JSON && err != nil {
			report("receipts."+name, err.Error())
		}
	}
	c.validateStatuses(report)
	for i, r := range c.Rules {
		r.validate(c.Format, func(field, problem string) { report(fmt.Sprintf("receipts.rules[%d].%s", i, field), problem) })
	}
	c.validateSecret(report)
}

func (c ReceiptConfig) validateStatuses(report func(field, problem string)) {
	if len(c.Statuses) == 0 {
		report("receipts.statuses", "must be set")
	}
	for _, theirs := range slices.Sorted(maps.Keys(c.Statuses)) {
		if !slices.Contains(providers.MessageStatuses(), providers.Status(c.Statuses[theirs])) {
			report("receipts.statuses."+theirs, "must be accepted, sent, delivered, undelivered, failed or expired")
		}
	}
}

func (r ReceiptRule) validate(format Format, report func(field, problem string)) {
	if _, err := parsePointer(r.Field); format == JSON && err != nil {
		report("field", err.Error())
	}
	if r.Field == "" {
		report("field", "must be set")
	}
	if _, err := regexp.Compile(r.Match); err != nil || r.Match == "" {
		report("match", "must be a regular expression")
	}
	if r.Means != ReasonInvalid && r.Means != ReasonRejected && r.Means != ReasonUnavailable {
		report("means", "must be invalid, rejected or unavailable")
	}
}

// minSecret is the least length of what authenticates reports: it can be tried
// at the network's pace.
const minSecret = 16

func (c ReceiptConfig) validateSecret(report func(field, problem string)) {
	ways := 0
	for _, where := range []string{c.SecretHeader, c.SecretParameter, c.Signature.Header} {
		if where != "" {
			ways++
		}
	}
	s := c.Signature
	switch {
	case ways != 1:
		report("receipts.secret_header", "or receipts.secret_parameter or receipts.signature.header must be set, one of them")
	case s.Header == "" && (len(c.Secret) < minSecret || !valueForm.MatchString(c.Secret)):
		report("receipts.secret", fmt.Sprintf("must be at least %d characters of ASCII", minSecret))
	case c.SecretHeader != "" && !headerForm.MatchString(c.SecretHeader):
		report("receipts.secret_header", "must be a header's name")
	case c.SecretParameter != "" && !parameterForm.MatchString(c.SecretParameter):
		report("receipts.secret_parameter", "must be letters, digits and _ . -")
	case s.Header != "" && c.Format == Query:
		report("receipts.signature.header", "can't be with query: nothing is signed there; use a secret")
	case s.Header != "":
		s.validate(report)
	}
}

func (c SignatureConfig) validate(report func(field, problem string)) {
	if !headerForm.MatchString(c.Header) {
		report("receipts.signature.header", "must be a header's name")
	}
	if len(c.Key) < minSecret {
		report("receipts.signature.key", fmt.Sprintf("must be at least %d characters", minSecret))
	}
	if c.Encoding != Hex && c.Encoding != Base64 {
		report("receipts.signature.encoding", "must be hex or base64")
	}
	var names []string
	_, err := parseTemplate(c.Signed, func(name string) bool {
		names = append(names, name)
		return name == "body" || name == "timestamp"
	})
	switch dated := slices.Contains(names, "timestamp"); {
	case err != nil:
		report("receipts.signature.signed", err.Error())
	case !slices.Contains(names, "body"):
		report("receipts.signature.signed", "must hold {body}")
	case dated != (c.TimestampHeader != ""):
		report("receipts.signature.timestamp_header", "and {timestamp} in signed go together: what isn't signed proves nothing")
	case dated && !headerForm.MatchString(c.TimestampHeader):
		report("receipts.signature.timestamp_header", "must be a header's name")
	case dated && (c.Tolerance < time.Second || c.Tolerance > time.Hour):
		report("receipts.signature.tolerance", "must be between 1s and 1h")
	}
	if strings.TrimSpace(c.Prefix) != c.Prefix {
		report("receipts.signature.prefix", "must not begin or end with a space")
	}
}

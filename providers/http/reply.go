package http

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"denwa/providers"
	"denwa/providers/carrierhttp"
)

// ReplyConfig says how the aggregator's replies are understood. A field of a
// reply is named by a JSON pointer (RFC 6901), such as /messages/0/id, or found
// by a regular expression with one group, such as \A([0-9]+).
type ReplyConfig struct {
	// MessageID is the field with the aggregator's id of the message. Where it is set, a success without it isn't believed.
	MessageID string `yaml:"message_id"`
	// ErrorCode is the field with the aggregator's error code, for the log.
	ErrorCode string `yaml:"error_code"`
	// Rules in order; the first that fits says what a reply means. Without one, 2xx is accepted, 401 and 403 are auth, 429
	// is throttled, 302, 303 and 5xx are ambiguous, except 503, and all else is unavailable. Where any rule says accepted,
	// a 2xx that fits none is ambiguous.
	Rules []Rule `yaml:"rules"`
}

// Rule says what some replies mean.
type Rule struct {
	// Status is the HTTP status, such as 200, or 4xx; empty for any.
	Status string `yaml:"status"`
	// Field whose value decides; empty for none.
	Field string `yaml:"field"`
	// Match is a regular expression that the field's whole value fits.
	Match string `yaml:"match"`
	// Means is accepted; invalid, this number can't be reached by anybody; rejected, nobody should send this message;
	// throttled; unavailable, nothing was sent and another provider may; auth; or ambiguous, it may have been sent.
	Means Meaning `yaml:"means"`
}

// Meaning is what a reply means: that the message is accepted, or the
// [providers.Kind] of the failure.
type Meaning string

// The meanings.
const (
	MeansAccepted    Meaning = "accepted"
	MeansInvalid     Meaning = "invalid"
	MeansRejected    Meaning = "rejected"
	MeansThrottled   Meaning = "throttled"
	MeansUnavailable Meaning = "unavailable"
	MeansAuth        Meaning = "auth"
	MeansAmbiguous   Meaning = "ambiguous"
)

var statusForm = regexp.MustCompile(`^([1-5][0-9][0-9]|[1-5]xx)?$`)

func (c ReplyConfig) validate(report func(field, problem string)) {
	for name, text := range map[string]string{"reply.message_id": c.MessageID, "reply.error_code": c.ErrorCode} {
		if _, err := parseSelector(text); err != nil {
			report(name, err.Error())
		}
	}
	for i, r := range c.Rules {
		r.validate(func(field, problem string) { report(fmt.Sprintf("reply.rules[%d].%s", i, field), problem) })
	}
}

func (r Rule) validate(report func(field, problem string)) {
	if !statusForm.MatchString(r.Status) {
		report("status", "must be an HTTP status, such as 200 or 4xx")
	}
	if _, err := parseSelector(r.Field); err != nil {
		report("field", err.Error())
	}
	if _, err := regexp.Compile(r.Match); err != nil {
		report("match", "must be a regular expression")
	}
	if (r.Field == "") != (r.Match == "") {
		report("match", "and field go together")
	}
	if r.Status == "" && r.Field == "" {
		report("status", "or field must be set: a rule for every reply says nothing")
	}
	if r.Means != MeansAccepted && !slices.Contains(providers.Kinds(), providers.Kind(r.Means)) {
		report("means", "must be accepted, invalid, rejected, throttled, unavailable, auth or ambiguous")
	}
}

// judge understands replies.
type judge struct {
	messageID, errorCode selector
	rules                []rule
	// strict is whether a success is one only where a rule says so.
	strict bool
}

type rule struct {
	status string
	field  selector
	match  *regexp.Regexp // nil for no field
	means  Meaning
}

// newJudge makes a judge of a valid configuration.
func newJudge(c ReplyConfig) (judge, error) {
	var j judge
	var err error
	if j.messageID, err = parseSelector(c.MessageID); err != nil {
		return judge{}, err
	}
	if j.errorCode, err = parseSelector(c.ErrorCode); err != nil {
		return judge{}, err
	}
	for _, r := range c.Rules {
		next := rule{status: r.Status, means: r.Means}
		if r.Field != "" {
			if next.field, err = parseSelector(r.Field); err != nil {
				return judge{}, err
			}
			if next.match, err = wholly(r.Match); err != nil {
				return judge{}, err
			}
		}
		j.rules = append(j.rules, next)
		j.strict = j.strict || r.Means == MeansAccepted
	}
	return j, nil
}

// reply is a whole reply, or one outside 2xx whose body may be cut short.
type reply struct {
	status int
	header http.Header
	body   body
}

// wholly is a pattern that a whole value fits.
func wholly(pattern string) (*regexp.Regexp, error) { return regexp.Compile(`\A(?:` + pattern + `)\z`) }

var (
	errNonsense = errors.New("the aggregator answered with success, but not with what a success looks like")
	errNoID     = errors.New("the aggregator accepted the message, but its reply names no message")
)

// verdict is the aggregator's id of the message, "" where it gives none, or the
// failure.
func (j judge) verdict(r reply, now time.Time) (messageID string, failure *providers.Error) {
	means, ok := j.meaning(r)
	if means != MeansAccepted {
		return "", j.refusal(r, providers.Kind(means), ok, now)
	}
	if j.messageID.none() {
		return "", nil
	}
	id, found := j.messageID.find(r.body)
	if !found || !idForm.MatchString(id) {
		return "", &providers.Error{Kind: providers.Ambiguous, Err: errNoID}
	}
	return id, nil
}

// meaning is what the first rule that fits says, else what the status does. ok
// is false for a success that wasn't expected.
func (j judge) meaning(r reply) (means Meaning, ok bool) {
	for _, rule := range j.rules {
		if rule.fits(r) {
			return rule.means, true
		}
	}
	means = statusMeaning(r.status)
	if means == MeansAccepted && j.strict {
		return MeansAmbiguous, false
	}
	return means, true
}

func (r rule) fits(got reply) bool {
	status := strconv.Itoa(got.status)
	if r.status != "" && r.status != status && r.status != status[:1]+"xx" {
		return false
	}
	if r.match == nil {
		return true
	}
	value, ok := r.field.find(got.body)
	return ok && r.match.MatchString(value)
}

// statusMeaning judges a reply by its status alone.
func statusMeaning(status int) Meaning {
	switch {
	case status >= 200 && status <= 299:
		return MeansAccepted
	case status == http.StatusFound, status == http.StatusSeeOther:
		// A form that was taken is often answered with where to read on (RFC 9110, 15.4.4).
		return MeansAmbiguous
	}
	return Meaning(carrierhttp.StatusKind(status)) // the names are the same
}

// refusal is the failure that a reply reports. It quotes nothing but the code,
// and the code only where it can be nothing else.
func (j judge) refusal(r reply, kind providers.Kind, expected bool, now time.Time) *providers.Error {
	failure := &providers.Error{Kind: kind, RetryAfter: carrierhttp.RetryAfter(r.header, now), Err: fmt.Errorf("the aggregator refused (HTTP %d)", r.status)}
	if !expected {
		failure.Err = errNonsense
	}
	code, _ := j.errorCode.find(r.body)
	failure.Code = errorCode(code)
	return failure
}

var (
	idForm   = regexp.MustCompile(`^[!-~]{1,128}$`)
	codeForm = regexp.MustCompile(`^[0-9A-Za-z_.-]{1,64}$`)
	longRun  = regexp.MustCompile(`[0-9]{7}`)
)

// errorCode is a code as the log may hold it, "" where it may be something else:
// a field that was named by mistake, with a telephone number or a sentence in it.
func errorCode(code string) string {
	if !codeForm.MatchString(code) || longRun.MatchString(code) {
		return ""
	}
	return code
}

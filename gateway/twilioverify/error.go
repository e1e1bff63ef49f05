package twilioverify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"denwa/gateway"
	"denwa/providers"
	"denwa/ratelimit"
)

// errorCode is one of Twilio's numbers, https://www.twilio.com/docs/api/errors.
type errorCode int

// The codes of this dialect. docs/twilio-verify.md says when each is answered.
const (
	badCredentials   errorCode = 20003
	methodNotAllowed errorCode = 20004
	accessDenied     errorCode = 20006
	notFound         errorCode = 20404
	tooManyRequests  errorCode = 20429
	internalError    errorCode = 20500
	unavailable      errorCode = 20503
	invalidParameter errorCode = 60200
	maxChecks        errorCode = 60202
	maxSendsReached  errorCode = 60203
	unsupported      errorCode = 60204
	landline         errorCode = 60205
	rateLimit        errorCode = 60207
	concurrent       errorCode = 60212
	fraudBlock       errorCode = 60410
	countryBlocked   errorCode = 60605
)

// answers are the status and the sentence of each code.
var answers = map[errorCode]struct {
	status  int
	message string
}{
	badCredentials:   {http.StatusUnauthorized, "Authenticate"},
	methodNotAllowed: {http.StatusMethodNotAllowed, "Method not allowed"},
	accessDenied:     {http.StatusForbidden, "Access denied"},
	notFound:         {http.StatusNotFound, "The requested resource was not found"},
	tooManyRequests:  {http.StatusTooManyRequests, "Too many requests"},
	internalError:    {http.StatusInternalServerError, "Internal server error"},
	unavailable:      {http.StatusServiceUnavailable, "Service unavailable"},
	invalidParameter: {http.StatusBadRequest, "Invalid parameter"},
	maxChecks:        {http.StatusTooManyRequests, "Max check attempts reached"},
	maxSendsReached:  {http.StatusTooManyRequests, "Max send attempts reached"},
	unsupported:      {http.StatusBadRequest, "Service does not support this feature"},
	landline:         {http.StatusForbidden, "SMS is not supported by landline phone number"},
	rateLimit:        {http.StatusTooManyRequests, "Max rate limits per service reached"},
	concurrent:       {http.StatusTooManyRequests, "Too many concurrent requests for phone number"},
	fraudBlock:       {http.StatusForbidden, "Verification delivery attempt blocked"},
	countryBlocked:   {http.StatusForbidden, "Verification delivery attempt blocked (geo permissions)"},
}

// refusal is an error as its caller sees it.
type refusal struct {
	code   errorCode
	status int    // instead of the code's own
	detail string // follows the code's sentence
	retry  float64
	err    error // for the log
}

func (r *refusal) Error() string {
	s := answers[r.code].message
	if r.detail != "" {
		s += ": " + r.detail
	}
	return s
}

func (r *refusal) Unwrap() error { return r.err }

func refuse(code errorCode, format string, args ...any) *refusal {
	return &refusal{code: code, detail: fmt.Sprintf(format, args...)}
}

func gone() *refusal { return &refusal{code: notFound} }

// refusalOf is how err is shown: the one place that decides it.
func refusalOf(err error) *refusal {
	var own *refusal
	var domain *gateway.Error
	var routing *echo.HTTPError
	var size *http.MaxBytesError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &domain):
		r := &refusal{code: codeOf(domain), retry: domain.RetryAfter.Seconds(), err: err}
		switch r.code { //nolint:exhaustive // the others say it all.
		case invalidParameter:
			r.detail = parameterOf(domain.Field) + domain.Message
		case unsupported, landline, accessDenied, fraudBlock, countryBlocked, unavailable:
			r.detail = domain.Message
		case maxSendsReached, maxChecks, concurrent, rateLimit, tooManyRequests:
			r.detail = "the limit " + domain.Limit
		}
		return r
	case errors.As(err, &routing) && routing.Code == http.StatusNotFound:
		return gone()
	case errors.As(err, &routing) && routing.Code == http.StatusMethodNotAllowed:
		return &refusal{code: methodNotAllowed}
	case errors.As(err, &size):
		return &refusal{code: invalidParameter, status: http.StatusRequestEntityTooLarge, detail: "the request is too long"}
	}
	return &refusal{code: internalError, err: err}
}

// codeOf is the number of each of the gateway's codes.
func codeOf(e *gateway.Error) errorCode {
	switch e.Code {
	case gateway.CodeInvalidRequest, gateway.CodeInvalidNumber, gateway.CodeNumberNotAllowed, gateway.CodePayloadTooLarge:
		return invalidParameter
	case gateway.CodeCountryNotAllowed:
		return countryBlocked
	case gateway.CodeChannelNotAvailable:
		return unsupported
	case gateway.CodeBlocked:
		return fraudBlock
	case gateway.CodeRateLimited:
		return limitCode(e.Limit)
	case gateway.CodeUnauthorized:
		return badCredentials
	case gateway.CodeForbidden:
		return accessDenied
	case gateway.CodeNotFound, gateway.CodeNotPending:
		return notFound
	case gateway.CodeIdempotencyConflict, gateway.CodeIdempotencyMismatch: // another request for the number is at work
		return concurrent
	case gateway.CodeDeliveryFailed:
		switch providers.KindOf(e.Err) {
		case providers.Invalid:
			return invalidParameter
		case providers.Rejected:
			return fraudBlock
		case providers.Throttled, providers.Unavailable, providers.Auth, providers.Ambiguous:
		}
		return unavailable
	case gateway.CodeUnavailable:
		return unavailable
	}
	return internalError
}

// limitCode is the number of each limit.
func limitCode(limit string) errorCode {
	switch ratelimit.Name(limit) {
	case gateway.LimitSends, ratelimit.NumberHour, ratelimit.NumberDay:
		return maxSendsReached
	case ratelimit.NumberCooldown, gateway.LimitCalls:
		return concurrent
	case ratelimit.NumberFailedChecks:
		return maxChecks
	case ratelimit.ClientAddress:
		return rateLimit
	case gateway.FraudRange.Limit(), gateway.FraudCountry.Limit(), gateway.FraudBudget.Limit():
		return fraudBlock
	case ratelimit.App, ratelimit.APIKey:
	}
	return tooManyRequests
}

// parameterOf is what Twilio calls a field of the gateway's.
func parameterOf(field string) string {
	switch field {
	case "to":
		return "`To`. "
	case "channel":
		return "`Channel`. "
	case "locale":
		return "`Locale`. "
	case "code":
		return "`CustomCode`. "
	case "brand":
		return "`CustomFriendlyName`. "
	case "extension":
		return "`SendDigits`. "
	case "client_ip":
		return "`DeviceIp`. "
	case "app_hash":
		return "`AppHash`. "
	}
	return ""
}

// handleError writes err as Twilio does, and logs what an operator may have to
// mend. The path isn't logged: it may hold a number.
func (s *server) handleError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	r := refusalOf(err)
	if r.status == 0 {
		r.status = answers[r.code].status
	}
	h := c.Response().Header()
	if r.code == badCredentials {
		h.Set("WWW-Authenticate", `Basic realm="denwa"`)
	}
	if r.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(r.retry))))
	}
	if r.status >= http.StatusInternalServerError {
		s.log.Log(c.Request().Context(), level(r.status), "twilio verify request failed", "route", c.Path(), "error", r.err)
	}
	code := strconv.Itoa(int(r.code))
	_ = c.JSON(r.status, map[string]any{ // a client that is gone, mostly
		"code": r.code, "message": r.Error(), "more_info": "https://www.twilio.com/docs/errors/" + code, "status": r.status,
	})
}

// level is error for what is a bug, warn for the rest.
func level(status int) slog.Level {
	if status == http.StatusInternalServerError {
		return slog.LevelError
	}
	return slog.LevelWarn
}

// warn logs that something that goes with an answer couldn't be done.
func (s *server) warn(ctx context.Context, what string, err error) {
	s.log.WarnContext(ctx, "twilio verify bookkeeping failed", "what", what, "error", err)
}

package gateway

import (
	"errors"
	"fmt"
	"time"

	"denwa/ratelimit"
)

// Code is the stable name of an error, the same in every release.
type Code string

// The error codes. docs/errors.md is generated from these comments.
const (
	// The request is malformed: bad JSON, an unknown field, or a value of the
	// wrong form. The detail names the field. Correct the request.
	CodeInvalidRequest Code = "invalid_request"
	// The number can't be read as a phone number, or no such number exists.
	// Ask the person to type it again.
	CodeInvalidNumber Code = "invalid_number"
	// The number is of a type that is never verified, such as toll-free,
	// premium-rate or emergency. Ask for another number.
	CodeNumberNotAllowed Code = "number_not_allowed"
	// The app doesn't serve this number's country. Ask for another number, or
	// add the country to the app's configuration.
	CodeCountryNotAllowed Code = "country_not_allowed"
	// The channel can't reach this number, or the app or this gateway doesn't
	// offer it. Offer another channel.
	CodeChannelNotAvailable Code = "channel_not_available"
	// The number is blocked: its holder pressed 0# on a call, to say that they
	// hadn't asked for it, or an operator decided so. Retry-After says for how long.
	CodeBlocked Code = "blocked"
	// A limit refuses this for now. The reply names the limit and says when to
	// try again.
	CodeRateLimited Code = "rate_limited"
	// The API key is missing, malformed or unknown.
	CodeUnauthorized Code = "unauthorized"
	// The API key is good but doesn't allow this.
	CodeForbidden Code = "forbidden"
	// No such thing exists for this app, or it is no longer kept.
	CodeNotFound Code = "not_found"
	// The verification is over: approved, failed, expired, canceled or denied.
	// Start a new one.
	CodeNotPending Code = "not_pending"
	// No provider accepted the message. The reply carries the verification,
	// which stays pending: resend, or offer another channel.
	CodeDeliveryFailed Code = "delivery_failed"
	// A request with this Idempotency-Key is still being worked on. Try again
	// in a moment with the same key.
	CodeIdempotencyConflict Code = "idempotency_conflict"
	// This Idempotency-Key was used with another request. Use a new key.
	CodeIdempotencyMismatch Code = "idempotency_mismatch"
	// The request body is larger than the gateway reads.
	CodePayloadTooLarge Code = "payload_too_large"
	// The gateway can't do this now, mostly because its store doesn't answer.
	// Nothing was sent. Try again after Retry-After.
	CodeUnavailable Code = "unavailable"
)

// Error is a failure that a caller should see: a stable code and a sentence.
// Any other error is internal and is shown as such, without its text.
type Error struct {
	Code Code
	// Message is one sentence for the developer or operator who meets it. It
	// holds no number and no code.
	Message string
	// Field is the request field at fault; empty if none is.
	Field string
	// Limit names the limit that refused, with CodeRateLimited.
	Limit string
	// Policy is that limit.
	Policy ratelimit.Limit
	// RetryAfter is when it makes sense to try again; 0 if never or unknown.
	RetryAfter time.Duration
	// Verification or Dispatch is what it was about, with CodeDeliveryFailed.
	Verification *Verification
	Dispatch     *Dispatch
	// Err is the cause, for the log only.
	Err error
}

func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of err, or "" if it has none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// invalid is the error for a request field of the wrong form.
func invalid(field, format string, args ...any) *Error {
	return &Error{Code: CodeInvalidRequest, Field: field, Message: fmt.Sprintf(format, args...)}
}

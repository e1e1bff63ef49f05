package sip

import (
	"errors"
	"strconv"
	"time"

	"denwa/providers"
)

// Status codes of SIP that mean something of their own here.
const (
	trying            = 100
	ringing           = 180
	sessionProgress   = 183
	ok                = 200
	unauthorized      = 401
	forbidden         = 403
	notFound          = 404
	proxyAuth         = 407
	requestTimeout    = 408
	gone              = 410
	unavailableNow    = 480
	addressIncomplete = 484
	busyHere          = 486
	terminated        = 487
	busyEverywhere    = 600
	decline           = 603
	nowhere           = 604
	unwanted          = 607
	rejected          = 608
)

// refusal is the failure that a final response means as the first thing that
// is heard of a call: nothing rang. It is nil for a response that tells of the
// phone, which is as good as any other provider's.
func refusal(code int, retryAfter time.Duration) *providers.Error {
	e := &providers.Error{Kind: providers.Unavailable, Code: strconv.Itoa(code), RetryAfter: retryAfter, Err: errRefused}
	switch code {
	case unauthorized, forbidden, proxyAuth:
		e.Kind = providers.Auth
	case notFound, gone, addressIncomplete, nowhere:
		e.Kind = providers.Invalid
	case unwanted, rejected:
		e.Kind = providers.Rejected
	case busyHere, busyEverywhere, decline, unavailableNow, terminated:
		return nil
	}
	return e
}

var errRefused = errors.New("the trunk refused the call")

// ended is the status that a final response means for a call that the trunk
// had accepted. rang is whether the phone rang before.
func ended(code int, rang bool) providers.Status {
	switch code {
	case busyHere, busyEverywhere:
		return providers.Busy
	case decline, unwanted, rejected:
		return providers.Declined
	case requestTimeout, terminated:
		return providers.NoAnswer
	case unavailableNow:
		// Nobody picks up: 480 is what networks say of a phone that is off, and
		// of one that rang for long (RFC 3398, section 7.2.4.1).
		if rang {
			return providers.NoAnswer
		}
		return providers.Unreachable
	case notFound, gone, addressIncomplete, nowhere:
		return providers.Unreachable
	}
	return providers.Failed
}

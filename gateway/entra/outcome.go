package entra

import (
	"net/http"

	"denwa/gateway"
	"denwa/providers"
)

// outcome is what became of a request: a metric label, what is remembered of a
// request, and what its status and error follow from.
type outcome string

// The outcomes.
const (
	accepted outcome = "accepted"
	// repeated: answered as the same request before.
	repeated  outcome = "repeated"
	evaluated outcome = "evaluated"
	// evaluatedRefused: a live request would be refused, for its number.
	evaluatedRefused outcome = "evaluated_refused"
	badRequest       outcome = "bad_request"
	expired          outcome = "expired"
	undecryptable    outcome = "decryption_failed"
	unauthorized     outcome = "unauthorized"
	forbidden        outcome = "forbidden"
	// undeliverable: this number can't get this, by any provider.
	undeliverable outcome = "undeliverable"
	// blocked: policy, the number's holder or a carrier refuses it.
	blocked outcome = "blocked"
	// limited: a limit refuses it for now.
	limited outcome = "limited"
	// throttled: the provider asks to slow down.
	throttled outcome = "throttled"
	// credentials: the provider refuses ours.
	credentials outcome = "credentials"
	failed      outcome = "failed"
	timedOut    outcome = "timeout"
	// late: the caller's time was over before this try could send anything. The
	// same request may still be under way elsewhere.
	late outcome = "late"
	// unavailable: the store doesn't answer, or no signing keys could be had.
	unavailable outcome = "unavailable"
	internal    outcome = "internal"
)

func outcomes() []outcome {
	return []outcome{
		accepted, repeated, evaluated, evaluatedRefused, badRequest, expired, undecryptable, unauthorized, forbidden,
		undeliverable, blocked, limited, throttled, credentials, failed, timedOut, late, unavailable, internal,
	}
}

// reply is how o is told: a status and the name of an error. Source: docs/CONTRACT.md, "Outcome → HTTP
// status mapping", in
// https://github.com/Azure-Samples/ExternalPhoneProvider-AzureFunction-Sample.
// Entra ID takes anything but 2xx with its nonce as a failure. 409, a provider
// that asks for step-up, has nothing in Denwa that it could mean.
func (o outcome) reply() (status int, name string) {
	const undelivered = "provider_delivery_failed"
	switch o {
	case accepted, repeated, evaluated, evaluatedRefused:
		return http.StatusOK, ""
	case badRequest, expired:
		return http.StatusBadRequest, "bad_request"
	case undecryptable:
		return http.StatusBadRequest, "decryption_failed"
	case unauthorized:
		return http.StatusUnauthorized, "unauthorized"
	case forbidden:
		return http.StatusForbidden, "forbidden"
	case undeliverable:
		return http.StatusBadRequest, undelivered
	case blocked:
		return http.StatusForbidden, undelivered
	case limited, throttled:
		return http.StatusTooManyRequests, undelivered
	case credentials:
		return http.StatusUnauthorized, undelivered
	case failed:
		return http.StatusBadGateway, undelivered
	case timedOut, late:
		return http.StatusGatewayTimeout, undelivered
	case unavailable:
		return http.StatusServiceUnavailable, "delivery_failed"
	case internal:
	}
	return http.StatusInternalServerError, "delivery_failed"
}

// final reports whether the same request is to be answered the same again:
// yes, unless nothing was sent and it may do better then.
func (o outcome) final() bool {
	switch o {
	case limited, late, unavailable, internal:
		return false
	default:
		return true
	}
}

// dispatched is what became of a dispatch.
func dispatched(d *gateway.Dispatch, err error) outcome {
	switch gateway.CodeOf(err) {
	case gateway.CodeInvalidNumber, gateway.CodeInvalidRequest, gateway.CodeChannelNotAvailable:
		return undeliverable
	case gateway.CodeNumberNotAllowed, gateway.CodeCountryNotAllowed, gateway.CodeBlocked:
		return blocked
	case gateway.CodeRateLimited:
		return limited
	case gateway.CodeUnavailable:
		return unavailable
	case gateway.CodeIdempotencyConflict:
		return late
	case gateway.CodeDeliveryFailed:
		return undelivered(providers.KindOf(err))
	default:
	}
	switch {
	case err != nil:
		return internal
	case d.Status == providers.Failed: // a try that an instance died over
		return failed
	}
	return accepted
}

// undelivered is what the last provider's failure means.
func undelivered(kind providers.Kind) outcome {
	switch kind {
	case providers.Invalid:
		return undeliverable
	case providers.Rejected:
		return blocked
	case providers.Throttled:
		return throttled
	case providers.Auth:
		return credentials
	case providers.Ambiguous:
		return timedOut
	case providers.Unavailable:
	}
	return failed
}

package hooks

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"time"

	"denwa/gateway"
	"denwa/providers"
)

// outcome is what became of a request, as a metric label.
type outcome string

// The outcomes.
const (
	sent         outcome = "sent"
	repeated     outcome = "repeated"     // answered as it was before; nothing was sent
	unauthorized outcome = "unauthorized" // not the service's
	malformed    outcome = "malformed"    // not as the service sends it
	refused      outcome = "refused"      // by the app's policy, or because of the number
	limited      outcome = "limited"      // by a limit
	undelivered  outcome = "failed"       // no provider took it
	unavailable  outcome = "unavailable"  // the gateway can't, for now
)

func outcomes() []outcome {
	return []outcome{sent, repeated, unauthorized, malformed, refused, limited, undelivered, unavailable}
}

// codeInternal is for what the gateway wasn't made for.
const codeInternal gateway.Code = "internal"

// result is what became of a request.
type result struct {
	outcome outcome
	// id and provider are of what was sent, or may have been.
	id       gateway.ID
	provider string

	// status is the HTTP status that says it best.
	status int
	code   gateway.Code
	// message is for developers and operators. It holds nothing of the request.
	message string
	// cause is for the log, where the gateway or a provider is at fault.
	cause      error
	retryAfter time.Duration
	// keep is whether a repeat gets the same answer, though nothing was sent.
	keep bool
	lang string
}

// final reports whether a repeat of the request gets the same answer. Otherwise
// it is tried again, because nothing was sent.
func (r *result) final() bool { return r.outcome == sent || r.keep }

// failed is the result of a request that didn't come to be sent.
func failed(lang string, status int, code gateway.Code, message string) *result {
	return &result{outcome: outcomeOf(code), status: status, code: code, message: message, lang: lang}
}

// resultOf is what a dispatch came to.
func resultOf(lang string, d *gateway.Dispatch, err error) *result {
	if err == nil && d.Status == providers.Failed { // the same seed again, and what became of it before wasn't noted
		return failed(lang, http.StatusBadGateway, gateway.CodeDeliveryFailed, "no provider took it")
	}
	if err == nil {
		return &result{outcome: sent, status: http.StatusOK, id: d.ID, provider: last(d), lang: lang}
	}
	var e *gateway.Error
	if !errors.As(err, &e) {
		res := failed(lang, http.StatusInternalServerError, codeInternal, "the gateway met an unexpected error; its log has more")
		res.cause = err
		return res
	}
	res := failed(lang, statusOf(e.Code), e.Code, e.Message)
	res.retryAfter, res.cause = e.RetryAfter, e.Err
	if errors.Is(err, errMedia) {
		res.status = http.StatusUnsupportedMediaType
	}
	if e.Code == gateway.CodeDeliveryFailed {
		res.keep = settled(err)
		if e.Dispatch != nil {
			res.id, res.provider = e.Dispatch.ID, last(e.Dispatch)
		}
	}
	if res.outcome == unavailable {
		res.retryAfter = max(res.retryAfter, time.Second)
	}
	return res
}

// last is the provider that was asked last.
func last(d *gateway.Dispatch) string { return d.Attempts[len(d.Attempts)-1].Provider }

func outcomeOf(code gateway.Code) outcome {
	switch code {
	case gateway.CodeUnauthorized, gateway.CodeForbidden:
		return unauthorized
	case gateway.CodeInvalidRequest, gateway.CodePayloadTooLarge, gateway.CodeNotFound, gateway.CodeNotPending, gateway.CodeIdempotencyMismatch:
		return malformed
	case gateway.CodeInvalidNumber, gateway.CodeNumberNotAllowed, gateway.CodeCountryNotAllowed, gateway.CodeChannelNotAvailable, gateway.CodeBlocked:
		return refused
	case gateway.CodeRateLimited:
		return limited
	case gateway.CodeDeliveryFailed:
		return undelivered
	case gateway.CodeUnavailable, gateway.CodeIdempotencyConflict:
	}
	return unavailable
}

func statusOf(code gateway.Code) int {
	switch outcomeOf(code) {
	case malformed:
		return http.StatusBadRequest
	case unauthorized:
		return http.StatusUnauthorized
	case refused:
		if code == gateway.CodeBlocked || code == gateway.CodeCountryNotAllowed {
			return http.StatusForbidden
		}
		return http.StatusUnprocessableEntity
	case limited:
		return http.StatusTooManyRequests
	case undelivered:
		return http.StatusBadGateway
	case sent, repeated, unavailable:
	}
	return http.StatusServiceUnavailable
}

// seconds rounds up, so that who waits them isn't early.
func (r *result) seconds() int { return int(math.Ceil(r.retryAfter.Seconds())) }

// answerJSON is for services that look at the status alone. The body is for
// whoever reads their log.
func answerJSON(r *result) reply {
	if r.outcome == sent {
		return jsonReply(http.StatusOK, map[string]gateway.ID{"id": r.id})
	}
	out := jsonReply(r.status, map[string]any{"error": map[string]any{"code": r.code, "message": r.message}})
	out.retryAfter = r.seconds()
	return out
}

// answerText is for services that show the person the body of a failure.
func answerText(r *result) reply {
	if r.outcome == sent {
		return answerJSON(r)
	}
	return reply{
		Reply:      gateway.Reply{Status: r.status, ContentType: "text/plain; charset=utf-8", Body: []byte(r.words())},
		retryAfter: r.seconds(),
	}
}

func jsonReply(status int, v any) reply {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers always marshal.
	}
	return reply{Reply: gateway.Reply{Status: status, ContentType: "application/json", Body: body}}
}

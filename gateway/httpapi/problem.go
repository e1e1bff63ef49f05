package httpapi

//go:generate go test -run=^TestErrorsDocIsCurrent$ -update .

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"denwa/gateway"
	"denwa/ratelimit"
)

const (
	// The gateway met something it wasn't made for. The request id finds it in
	// the log.
	codeInternal gateway.Code = "internal"
)

// statusClientGone is what nginx logs when the client hung up first. Nobody
// receives it.
const statusClientGone = 499

// unavailableFor is how soon to try again when nothing better is known.
const unavailableFor = 5 * time.Second

// httpError is a failure of HTTP itself, which the domain has no error for.
type httpError struct {
	status int
	detail string
	err    error // for the log only
}

func (e *httpError) Error() string { return e.detail }
func (e *httpError) Unwrap() error { return e.err }

// problem is an RFC 9457 problem. Its type is about:blank, so title is the
// status's own phrase and code says which problem it is.
type problem struct {
	Type         string        `json:"type"`
	Title        string        `json:"title"`
	Status       int           `json:"status"`
	Code         gateway.Code  `json:"code"`
	Detail       string        `json:"detail"`
	Field        string        `json:"field,omitempty"`
	Limit        string        `json:"limit,omitempty"`
	RetryAfter   int64         `json:"retry_after,omitempty"` // seconds
	RequestID    string        `json:"request_id"`
	Verification *verification `json:"verification,omitempty"`
	Delivery     *dispatch     `json:"delivery,omitempty"`
}

// httpStatus is the status that each code is answered with.
func httpStatus(code gateway.Code) int {
	switch code {
	case gateway.CodeInvalidRequest:
		return http.StatusBadRequest
	case gateway.CodeUnauthorized:
		return http.StatusUnauthorized
	case gateway.CodeForbidden, gateway.CodeBlocked:
		return http.StatusForbidden
	case gateway.CodeNotFound:
		return http.StatusNotFound
	case gateway.CodeNotPending, gateway.CodeIdempotencyConflict:
		return http.StatusConflict
	case gateway.CodePayloadTooLarge:
		return http.StatusRequestEntityTooLarge
	case gateway.CodeInvalidNumber, gateway.CodeNumberNotAllowed, gateway.CodeCountryNotAllowed,
		gateway.CodeChannelNotAvailable, gateway.CodeIdempotencyMismatch:
		return http.StatusUnprocessableEntity
	case gateway.CodeRateLimited:
		return http.StatusTooManyRequests
	case gateway.CodeDeliveryFailed:
		return http.StatusBadGateway
	case gateway.CodeUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// problemOf is how err is shown: the only place that decides it. Headers that
// belong to the problem go to h. What isn't meant for callers is internal and
// keeps its text to itself.
func problemOf(ctx context.Context, err error, h http.Header) problem {
	p := problem{Type: "about:blank", RequestID: RequestID(ctx)}
	var domain *gateway.Error
	var transport *httpError
	var routing *echo.HTTPError
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() != nil: // first: the domain says of it that the store doesn't answer
		p.Code, p.Status, p.Detail = gateway.CodeInvalidRequest, statusClientGone, "the client closed the connection"
	case errors.As(err, &domain):
		p.Code, p.Status, p.Detail = domain.Code, httpStatus(domain.Code), domain.Message
		p.Field, p.Limit = domain.Field, domain.Limit
		if domain.Verification != nil {
			p.Verification = verificationOf(domain.Verification)
		}
		if domain.Dispatch != nil {
			p.Delivery = dispatchOf(domain.Dispatch)
		}
		p.RetryAfter = wholeSeconds(domain.RetryAfter)
	case errors.As(err, &transport):
		p.Code, p.Status, p.Detail = gateway.CodeInvalidRequest, transport.status, transport.detail
	case errors.As(err, &routing) && routing.Code == http.StatusNotFound:
		p.Code, p.Status, p.Detail = gateway.CodeNotFound, routing.Code, "no such path"
	case errors.As(err, &routing) && routing.Code == http.StatusMethodNotAllowed:
		p.Code, p.Status, p.Detail = gateway.CodeInvalidRequest, routing.Code, "this path doesn't take that method; see the Allow header"
	default:
		p.Code, p.Status, p.Detail = codeInternal, http.StatusInternalServerError, "the gateway met an unexpected error; its log has more under the request id"
	}
	p.Title = http.StatusText(p.Status)
	switch p.Code { //nolint:exhaustive // the others have no header.
	case gateway.CodeUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="denwa"`)
	case gateway.CodeRateLimited:
		d := ratelimit.Decision{Limit: ratelimit.Name(domain.Limit), RetryAfter: domain.RetryAfter}
		l := d.Header(domain.Policy)
		h.Set("RateLimit-Policy", l.RateLimitPolicy)
		h.Set("RateLimit", l.RateLimit)
		p.RetryAfter = max(1, p.RetryAfter)
	case gateway.CodeUnavailable:
		if p.RetryAfter == 0 {
			p.RetryAfter = wholeSeconds(unavailableFor)
		}
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(p.RetryAfter, 10))
	}
	return p
}

// wholeSeconds rounds up, so that a client that waits them isn't early.
func wholeSeconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }

// reply renders a problem.
func (p problem) reply() *gateway.Reply {
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers always marshal.
	}
	return &gateway.Reply{Status: p.Status, ContentType: "application/problem+json", Body: body}
}

package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"denwa/gateway"
)

// call is one request on its way through, and what was learnt of it.
type call struct {
	echo.Context

	id    string // the request id
	route string // for the log and metrics: a pattern, never the path itself
	app   *gateway.AppPolicy
	keyID string
	body  []byte
	// See gateway.Ticket.
	seed    []byte
	request gateway.StoreName
	err     error // what went wrong, if anything
	// repeated: the reply is one that an earlier request with its Idempotency-Key had.
	repeated bool

	verification gateway.ID     // that the request was about; of a delivery too
	stands       gateway.Status // how that was then
	span         trace.Span     // nil: none
}

// Follow implements [gateway.Follower].
func (c *call) Follow(id gateway.ID, s gateway.Status) { c.verification, c.stands = id, s }

// callOf returns the call that observe, which is around every route, made.
func callOf(ec echo.Context) *call {
	c, _ := ec.(*call)
	return c
}

// panicked is a panic, as the error that it is logged as.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// unrouted is the route of a request for which there is none.
const unrouted = "other"

// observe is around every request of the public listener. It names the
// request, survives panics, renders errors, and writes the one log line and the
// metric.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(ec echo.Context) error {
		start := time.Now()
		r := ec.Request()
		c := &call{Context: ec, id: requestIDOf(r.Header), route: s.routes[ec.Path()]}
		ctx := s.traced(gateway.Followed(r.Context(), c), c, r)
		ec.SetRequest(r.WithContext(ctx))
		h := ec.Response().Header()
		h.Set(requestIDHeader, c.id)
		h["X-Content-Type-Options"] = nosniff
		h["Referrer-Policy"] = noReferrer

		if err := recovered(next, c); err != nil {
			c.err = err
			if errors.Is(err, echo.ErrNotFound) {
				c.route = unrouted
			}
			if !ec.Response().Committed {
				private(h)
				reply := problemOf(ctx, err, h).reply()
				_ = ec.Blob(reply.Status, reply.ContentType, reply.Body) // a client that is gone, mostly.
			}
		}
		if c.route == "" {
			c.route = unrouted
		}
		s.record(ctx, c, time.Since(start))
		return nil
	}
}

// Values shared by all replies, to spare an allocation each. Nothing writes to
// their elements: http.Header replaces whole slices.
var (
	nosniff    = []string{"nosniff"}
	noReferrer = []string{"no-referrer"}
	noStore    = []string{"no-store"}
	noContent  = []string{"default-src 'none'; frame-ancestors 'none'"}
)

// private marks a reply that is for its caller alone and never a page.
func private(h http.Header) {
	h["Cache-Control"] = noStore
	h["Content-Security-Policy"] = noContent
}

// recovered calls next and turns a panic into an error. It lets
// http.ErrAbortHandler through, which is how a handler hangs up.
func recovered(next echo.HandlerFunc, c *call) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does.
				panic(v)
			}
			err = &panicked{value: v, stack: debug.Stack()}
		}
	}()
	return next(c)
}

// record writes a request's log line and metric.
func (s *Server) record(ctx context.Context, c *call, took time.Duration) {
	method, status := boundedMethod(c.Request().Method), c.Response().Status
	s.duration.WithLabelValues(c.route, method, strconv.Itoa(status)).Observe(took.Seconds())
	if c.span != nil {
		c.endSpan(method, status)
	}

	level := levelOf(status)
	if !s.log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 15)
	attrs = append(attrs,
		slog.String("route", c.route),
		slog.String("method", method),
		slog.Int("status", status),
		slog.Float64("seconds", took.Seconds()),
		slog.Int64("bytes", c.Response().Size))
	if c.app != nil {
		attrs = append(attrs, slog.String("app", c.app.Name), slog.String("key", c.keyID))
	} else {
		attrs = append(attrs, slog.String("client", network(c.RealIP())))
	}
	if c.repeated {
		attrs = append(attrs, slog.Bool("repeated", true))
	}
	if c.verification != "" {
		attrs = append(attrs, slog.String("verification", string(c.verification)))
		if !c.verification.IsDispatch() { // which has no end
			attrs = append(attrs, slog.String("verification_status", string(c.stands)))
		}
	}
	if c.err != nil {
		attrs = append(attrs, failure(c.err, status)...)
	}
	s.log.LogAttrs(ctx, level, "request", attrs...)
}

// failure is what the log says of an error. Of one that is the caller's own
// doing, its code is enough.
func failure(err error, status int) (attrs []slog.Attr) {
	var refused *gateway.Error
	if errors.As(err, &refused) {
		attrs = append(attrs, slog.String("code", string(refused.Code)))
		if refused.Limit != "" {
			attrs = append(attrs, slog.String("limit", refused.Limit))
		}
	}
	if status >= http.StatusInternalServerError {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	var p *panicked
	if errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	return attrs
}

// levelOf is error for what is a bug, warn for what an operator may have to
// mend, info for the rest.
func levelOf(status int) slog.Level {
	switch {
	case status == http.StatusInternalServerError:
		return slog.LevelError
	case status > http.StatusInternalServerError:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// boundedMethod keeps clients from inventing label values.
func boundedMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return unrouted
}

// network is the part of an address that says where a request came from
// without saying from whom: its /24, or its /48 in IPv6.
func network(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	addr = addr.Unmap().WithZone("")
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	prefix, _ := addr.Prefix(bits) // bits fit.
	return prefix.String()
}

// newDuration makes the request histogram. Long polls and event streams have
// routes of their own, so that they don't hide how fast the rest is.
func newDuration(reg prometheus.Registerer) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:                            "denwa_http_request_duration_seconds",
		Help:                            "Time from a request's header to the end of its reply, on the public listener.",
		Buckets:                         []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  160,
		NativeHistogramMinResetDuration: time.Hour,
	}, []string{"route", "method", "code"})
	reg.MustRegister(h)
	return h
}

package httpapi

import (
	"context"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"denwa/gateway"
)

const traceParent = "Traceparent"

// traced begins the span of a request, if spans are made.
//
// A caller with an API key of the native API continues its trace, and decides
// whether that is recorded. Everybody else could fill the collector that way, so
// a trace of theirs is only linked to. Either way of traceparent (W3C Trace
// Context) only the two ids and the flag are taken: tracestate is any text.
func (s *Server) traced(ctx context.Context, c *call, r *http.Request) context.Context {
	if s.o.Tracer == nil {
		return ctx
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}
	if caller := callerOf(r.Header); caller.IsValid() {
		if s.knows(r.Header) {
			ctx = trace.ContextWithRemoteSpanContext(ctx, caller)
		} else {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: caller}))
		}
	}
	ctx, c.span = s.o.Tracer.Start(ctx, "request", options...)
	return ctx
}

// callerOf is the span that a request says it is part of.
func callerOf(h http.Header) trace.SpanContext {
	if len(h[traceParent]) == 0 {
		return trace.SpanContext{}
	}
	carrier := propagation.HeaderCarrier{traceParent: h[traceParent]}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}

// knows reports whether a request carries an API key.
func (s *Server) knows(h http.Header) bool {
	key, ok := bearer(h)
	if ok {
		_, _, ok = s.o.Authenticate(key)
	}
	return ok
}

// endSpan ends a request's span. What it says is in the log as well, and nothing
// of it is longer or more varied there: no path, no address, no error text.
func (c *call) endSpan(method string, status int) {
	defer c.span.End()
	if !c.span.IsRecording() {
		return
	}
	c.span.SetName(method + " " + c.route)
	c.span.SetAttributes(
		semconv.HTTPRequestMethodKey.String(method),
		semconv.HTTPRoute(c.route),
		semconv.HTTPResponseStatusCode(status))
	if c.app != nil {
		c.span.SetAttributes(attribute.String("denwa.app", c.app.Name))
	}
	if c.verification != "" {
		c.span.SetAttributes(attribute.String("denwa.verification", string(c.verification)))
	}
	if code := gateway.CodeOf(c.err); code != "" {
		c.span.SetAttributes(attribute.String("denwa.error", string(code)))
	}
	if status >= http.StatusInternalServerError {
		c.span.SetStatus(codes.Error, "")
		c.span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(status)))
	}
}

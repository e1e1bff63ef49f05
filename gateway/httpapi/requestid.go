package httpapi

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"

	"go.opentelemetry.io/otel/trace"

	"denwa/gateway"
)

const requestIDHeader = "X-Request-Id"

// RequestID returns the id of the request that ctx belongs to, or "".
func RequestID(ctx context.Context) string {
	if c, ok := gateway.FollowerOf(ctx).(*call); ok {
		return c.id
	}
	return ""
}

// ClientAddress returns the address of who made the request that ctx belongs to,
// as far as it can be believed, or "". It is for handlers that are mounted.
func ClientAddress(ctx context.Context) string {
	if c, ok := gateway.FollowerOf(ctx).(*call); ok {
		return c.RealIP()
	}
	return ""
}

// requestIDOf takes the caller's request id, so that one id follows a request
// through every service, or makes one. A strange id is replaced, not refused:
// it isn't worth failing a login for.
func requestIDOf(h http.Header) string {
	if id := h.Get(requestIDHeader); id != "" && len(id) <= 64 && isRequestID(id) {
		return id
	}
	return rand.Text()
}

func isRequestID(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// LogHandler adds to every line what its context belongs to: the request's id,
// and the trace's and span's where there is a trace, recorded or not. Wrapping
// twice does nothing.
func LogHandler(h slog.Handler) slog.Handler {
	if _, ok := h.(logHandler); ok {
		return h
	}
	return logHandler{h}
}

type logHandler struct{ slog.Handler }

// Handle adds the ids and hands r on.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestID(ctx); id != "" {
		r.AddAttrs(slog.String("request_id", id))
	}
	if s := trace.SpanContextFromContext(ctx); s.IsValid() {
		r.AddAttrs(slog.String("trace_id", s.TraceID().String()), slog.String("span_id", s.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps the wrapping.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the wrapping.
func (h logHandler) WithGroup(name string) slog.Handler {
	return logHandler{h.Handler.WithGroup(name)}
}

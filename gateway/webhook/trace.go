package webhook

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"denwa/gateway"
)

// beginAttempt begins the trace of one attempt to deliver n: what n tells of
// happened elsewhere, maybe hours ago. The verification's id joins them. The
// span is nil where spans aren't made.
func (d *Dispatcher) beginAttempt(ctx context.Context, n gateway.Notification) (context.Context, trace.Span) {
	if d.Tracer == nil {
		return ctx, nil
	}
	return d.Tracer.Start(ctx, "webhook "+n.App,
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			attribute.String("denwa.app", n.App), attribute.String("denwa.event", n.ID), attribute.String("denwa.event_type", n.Type),
			attribute.String("denwa.verification", string(n.Change.Record.ID)), attribute.Int("denwa.attempt", n.Attempts+1)))
}

func endAttempt(span trace.Span, r result) {
	if span == nil {
		return
	}
	if r.outcome == outcomeReleased { // the gateway stops
		span.SetAttributes(attribute.String("denwa.outcome", "released"))
		span.End()
		return
	}
	span.SetAttributes(attribute.String("denwa.outcome", string(r.outcome)))
	if r.status != 0 {
		span.SetAttributes(semconv.HTTPResponseStatusCode(r.status))
	}
	if r.outcome != Delivered {
		span.SetStatus(codes.Error, "")
		span.SetAttributes(semconv.ErrorTypeKey.String(string(r.outcome)))
	}
	span.End()
}

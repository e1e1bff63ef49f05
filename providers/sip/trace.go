package sip

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"denwa/providers"
)

// beginCall returns life, in the trace of whoever asks for a call, and the
// call's span there: from the INVITE to the end, long after the one that asked is
// answered. It is nil in a trace that isn't recorded.
func beginCall(asking, life context.Context, provider, delivery string) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(asking)
	if !parent.IsRecording() {
		return life, nil
	}
	return parent.TracerProvider().Tracer("denwa/sip").Start(trace.ContextWithSpan(life, parent), "call "+provider,
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("denwa.provider", provider), attribute.String("denwa.delivery", delivery)))
}

// became marks in the call's span what became of it.
func (c *call) became(s providers.Status) {
	if c.span == nil {
		return
	}
	c.span.AddEvent(string(s))
	if s.Final() {
		c.span.SetAttributes(attribute.String("denwa.status", string(s)))
	}
}

func (c *call) endSpan() {
	if c.span != nil {
		c.span.End()
	}
}

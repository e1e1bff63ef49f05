package providers

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Attributes of spans, besides those that OpenTelemetry names. None is private.
const (
	attrProvider     = attribute.Key("denwa.provider")
	attrChannel      = attribute.Key("denwa.channel")
	attrCountry      = attribute.Key("denwa.country")
	attrDelivery     = attribute.Key("denwa.delivery")
	attrVerification = attribute.Key("denwa.verification")
)

// beginAttempt begins the span of asking one provider, in a trace that is
// recorded; else it is nil. Waiting for the provider's rate is part of it: see
// its event "asked".
func beginAttempt(ctx context.Context, provider string, ch Channel, country, delivery string) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, nil
	}
	return parent.TracerProvider().Tracer("denwa/providers").Start(ctx, "send "+provider,
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			attrProvider.String(provider), attrChannel.String(string(ch)), attrCountry.String(CountryLabel(country)),
			attrDelivery.String(delivery), attrVerification.String(verificationOf(delivery))))
}

// asked marks when the provider really is asked.
func asked(ctx context.Context) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent("asked")
	}
}

// endAttempt ends what beginAttempt began. Of a failure it says the kind; the
// rest is the log's.
func endAttempt(span trace.Span, failure *Error) {
	if span == nil {
		return
	}
	if failure != nil {
		span.SetStatus(codes.Error, "")
		span.SetAttributes(semconv.ErrorTypeKey.String(string(failure.Kind)))
	}
	span.End()
}

// verificationOf is the verification that a delivery is of.
func verificationOf(delivery string) string {
	id, _, _ := strings.Cut(delivery, ".")
	return id
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"denwa/config"
	"denwa/gateway"
	"denwa/providers"
)

const (
	// flushTime is how long the last spans may take to be exported at the end.
	flushTime = 3 * time.Second
	// maxExportError bounds what is logged of what a collector answered.
	maxExportError = 300
)

// startTracing returns what makes the spans that no other span is above, nil if
// c wants none. A collector that doesn't answer costs a queue of spans and a log
// line a minute, and nobody waits for it.
func (a *app) startTracing(ctx context.Context, c config.Tracing) (trace.Tracer, error) {
	if !c.Enabled() {
		return nil, nil //nolint:nilnil // there is none, and nothing is wrong.
	}
	headers := map[string]string{}
	for _, h := range c.Headers {
		headers[h.Name] = h.Value
	}
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(c.URL()),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
		otlptracehttp.WithMaxResponseSize(64 << 10),
	}
	if len(headers) > 0 { // else those of OTEL_EXPORTER_OTLP_HEADERS hold
		options = append(options, otlptracehttp.WithHeaders(headers))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("set up tracing: %w", err)
	}
	self, err := resource.New(ctx,
		resource.WithAttributes(semconv.ServiceName("denwa"), semconv.ServiceVersion(readBuild().Version)),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up tracing: %w", err), exporter.Shutdown(ctx))
	}
	otel.SetErrorHandler(exportErrors(a.log)) // the SDK knows no other way to hear of them
	provider := sdk.NewTracerProvider(
		sdk.WithBatcher(exporter), sdk.WithResource(self),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(c.Sample))))
	a.defers(func() error { //nolint:contextcheck // it outlives start's.
		// The gateway has nothing left to do; its context is over.
		ctx, cancel := context.WithTimeout(context.Background(), flushTime)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			otel.Handle(err)
		}
		return nil
	})
	a.log.InfoContext(ctx, "traces are exported", "endpoint", c.URL(), "sample", c.Sample)
	return provider.Tracer("denwa"), nil
}

// exportErrors logs that spans can't be exported, at most once a minute. A
// collector's answer may be a page long.
func exportErrors(log *slog.Logger) otel.ErrorHandlerFunc {
	sometimes := rate.Sometimes{Interval: time.Minute}
	return func(err error) {
		sometimes.Do(func() {
			text := strings.Join(strings.Fields(err.Error()), " ")
			if len(text) > maxExportError {
				text = strings.ToValidUTF8(text[:maxExportError], "") + "…"
			}
			log.Warn("traces can't be exported, and are dropped", "error", text)
		})
	}
}

// traced is receive with a span of each receipt: in the trace that its context
// belongs to, else in one of its own.
func (a *app) traced(receive providers.Receiver) providers.Receiver {
	if a.tracer == nil {
		return receive
	}
	return func(ctx context.Context, provider string, r providers.Receipt) error {
		ctx, span := a.tracer.Start(ctx, "receipt "+provider, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
			attribute.String("denwa.provider", provider), attribute.String("denwa.status", string(r.Status))))
		defer span.End()
		id, _, _ := strings.Cut(r.Delivery, ".")
		if _, ok := gateway.ID(id).Bytes(); ok { // else a carrier may have put anything there
			span.SetAttributes(attribute.String("denwa.verification", id), attribute.String("denwa.delivery", r.Delivery))
		}
		err := receive(ctx, provider, r)
		if err != nil {
			span.SetStatus(codes.Error, "") // why is told by what it asked
		}
		return err
	}
}

package sip

import (
	"slices"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"denwa/providers"
	"denwa/providers/sip/siptest"
)

// TestTraceOfCall: a call has a span from its beginning to its end, in the trace of
// whoever asked for it, and so have its keys and receipts.
func TestTraceOfCall(t *testing.T) {
	t.Parallel()
	trunk := siptest.StartScript(t, "udp", answered(slices.Concat([]siptest.Step{greeted}, pressed(1, "#"), bye())...)...)
	w := newWorld(t, trunk.Addr(), nil)
	recorder := tracetest.NewSpanRecorder()
	ctx, asking := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder)).Tracer("test").Start(t.Context(), "send trunk")
	call := providers.Call{Delivery: delivery, To: siptest.Number, Script: confirm, ValidFor: 5 * time.Minute}
	if _, err := w.PlaceCall(ctx, call); err != nil {
		t.Fatal(err)
	}
	asking.End()
	w.over(providers.Answered, providers.Confirmed)

	spans := recorder.Ended()
	last := spans[len(spans)-1]
	if len(spans) != 2 || last.Name() != "call trunk" || last.Parent().SpanID() != asking.SpanContext().SpanID() {
		t.Fatalf("%d spans, the last is %q", len(spans), last.Name())
	}
	var became []string
	for _, e := range last.Events() {
		became = append(became, e.Name)
	}
	if len(became) < 2 || !slices.Equal(became[len(became)-2:], []string{"answered", "confirmed"}) {
		t.Errorf("events %v", became)
	}
	got := map[string]string{}
	for _, a := range last.Attributes() {
		got[string(a.Key)] = a.Value.String()
	}
	if got["denwa.provider"] != "trunk" || got["denwa.delivery"] != delivery || got["denwa.status"] != "confirmed" {
		t.Errorf("attributes %v", got)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for what, traces := range map[string][]trace.SpanContext{"keys": w.keysIn, "receipts": w.receiptsIn} {
		if len(traces) == 0 || slices.ContainsFunc(traces, func(s trace.SpanContext) bool { return s.SpanID() != last.SpanContext().SpanID() }) {
			t.Errorf("%s are in %v", what, traces)
		}
	}
}

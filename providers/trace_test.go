package providers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// TestSpansOfAttempts: each provider that is asked has a span, and none tells
// what it was given or what it said.
func TestSpansOfAttempts(t *testing.T) {
	w := newWorld(t, []string{"a:throttled", "b:panic", "c"}, nil, nil)
	recorder := tracetest.NewSpanRecorder()
	ctx, parent := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder)).Tracer("test").Start(t.Context(), "parent")
	if _, by, err := w.Send(ctx, w.Plan(textJP), Message{Delivery: "vf_x.1", To: number, Text: text}, "JP", w.record); err != nil || by != "c" {
		t.Fatalf("%s, %v", by, err)
	}
	var got []string
	for _, s := range recorder.Ended() {
		line := s.Name()
		for _, a := range s.Attributes() {
			line += fmt.Sprint(" ", a.Key, "=", a.Value.String())
		}
		for _, e := range s.Events() {
			line += " " + e.Name
		}
		got = append(got, line)
		if s.Parent().SpanID() != parent.SpanContext().SpanID() {
			t.Errorf("%s isn't part of the request", s.Name())
		}
		if text := fmt.Sprint(line, s.Status(), s.Events()); strings.Contains(text, "9012345678") || strings.Contains(text, "123456") {
			t.Errorf("a span is not private: %s", text)
		}
	}
	const common = " denwa.channel=sms denwa.country=JP denwa.delivery=%s denwa.verification=%s"
	if want := []string{
		"send a denwa.provider=a" + fmt.Sprintf(common, "vf_x.1", "vf_x") + " error.type=throttled asked",
		"send b denwa.provider=b" + fmt.Sprintf(common, "d2", "d2") + " error.type=ambiguous asked",
		"send c denwa.provider=c" + fmt.Sprintf(common, "d3", "d3") + " asked",
	}; !slices.Equal(got, want) {
		t.Errorf("spans\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestNoTraceCostsNothing: without a trace that is recorded, a send costs no
// allocation more.
func TestNoTraceCostsNothing(t *testing.T) {
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		traced, span := beginAttempt(ctx, "a", SMS, "JP", "vf_x.1")
		asked(traced)
		endAttempt(span, nil)
		if traced != ctx {
			t.Error("the context was changed")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

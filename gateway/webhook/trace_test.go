package webhook

import (
	"net/http"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"denwa/gateway"
)

// TestTraceOfAttempt: each attempt is a trace, which the receiver is told of, with
// what is asked of the store below it.
func TestTraceOfAttempt(t *testing.T) {
	q := newQueue(t, "")
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	event := q.emit("app")
	d := newDispatcher(t, q, map[string]gateway.Webhook{"app": r.webhook()})
	recorder := tracetest.NewSpanRecorder()
	d.Tracer = sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder)).Tracer("test")
	stop := d.run(t)
	within(t, "an attempt", func() bool { return len(r.got()) == 1 && d.idle() })
	stop()

	var top sdk.ReadOnlySpan
	below := map[string]bool{}
	for _, s := range recorder.Ended() {
		switch {
		case s.Parent().IsValid():
			below[s.Name()] = true
		case top != nil:
			t.Errorf("another trace: %s", s.Name())
		default:
			top = s
		}
	}
	if top == nil || top.Name() != "webhook app" || !below["GET"] || !below["EVALSHA settle"] {
		t.Fatalf("%v above %v", top, below)
	}
	got := map[string]string{}
	for _, a := range top.Attributes() {
		got[string(a.Key)] = a.Value.String()
	}
	for key, want := range map[string]string{
		"denwa.app": "app", "denwa.event": event, "denwa.event_type": "verification.approved", "denwa.attempt": "1",
		"denwa.outcome": "rejected", "http.response.status_code": "418", "error.type": "rejected",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	if id := got["denwa.verification"]; !strings.HasPrefix(id, "vf_") || !strings.Contains(event, id[len("vf_"):]) {
		t.Errorf("denwa.verification is %q", id)
	}
	if told := r.got()[0].header.Get("Traceparent"); told != "00-"+top.SpanContext().TraceID().String()+"-"+top.SpanContext().SpanID().String()+"-"+top.SpanContext().TraceFlags().String() {
		t.Errorf("the receiver was told of %q", told)
	}
}

package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"denwa/gateway"
	"denwa/gateway/httpapi"
)

const (
	callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	sampled      = "00-" + callersTrace + "-00f067aa0ba902b7-01"
	unsampled    = "00-" + callersTrace + "-00f067aa0ba902b7-00"
)

// spansOf runs f against a server that records the given share of traces, and
// returns the spans.
func spansOf(t *testing.T, share float64, change func(*httpapi.Options), f func(c client)) []sdk.ReadOnlySpan {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder), sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(share))))
	f(newClient(newServer(t, func(o *httpapi.Options) {
		o.Tracer = provider.Tracer("denwa")
		if change != nil {
			change(o)
		}
	})))
	return recorder.Ended()
}

func attributesOf(s sdk.ReadOnlySpan) string {
	var all []string
	for _, a := range s.Attributes() {
		all = append(all, fmt.Sprint(a.Key, "=", a.Value.AsString(), a.Value.AsInt64()))
	}
	return strings.Join(all, " ")
}

func TestSpanOfRequest(t *testing.T) {
	fake := newFakeGateway()
	fake.starting = func(ctx context.Context) { gateway.FollowerOf(ctx).Follow("vf_x", gateway.Pending) }
	spans := spansOf(t, 1, func(o *httpapi.Options) { o.Verifier = fake }, func(c client) {
		c.do(t, "POST", start, aNumber)
		c.do(t, "POST", start, `{"to":"090"}`)
		fake.fail = errors.New("the number +819012345678 broke it")
		c.do(t, "POST", start, aNumber)
		c.do(t, "GET", "/+819012345678?code=123456", "")
	})
	for i, want := range []struct {
		name, attributes string
		status           codes.Code
	}{
		{
			"POST /v1/verifications", "http.request.method=POST0 http.route=/v1/verifications0 http.response.status_code=201 " +
				"denwa.app=portal0 denwa.verification=vf_x0", codes.Unset,
		},
		{
			"POST /v1/verifications", "http.request.method=POST0 http.route=/v1/verifications0 http.response.status_code=422 " +
				"denwa.app=portal0 denwa.verification=vf_x0 denwa.error=invalid_number0", codes.Unset,
		},
		{
			"POST /v1/verifications", "http.request.method=POST0 http.route=/v1/verifications0 http.response.status_code=500 " +
				"denwa.app=portal0 denwa.verification=vf_x0 error.type=5000", codes.Error,
		},
		{"GET other", "http.request.method=GET0 http.route=other0 http.response.status_code=404", codes.Unset},
	} {
		s := spans[i]
		if s.Name() != want.name || s.Status().Code != want.status || s.Status().Description != "" || len(s.Events()) != 0 {
			t.Errorf("%d: %q, %+v, %v", i, s.Name(), s.Status(), s.Events())
		}
		if got := attributesOf(s); got != want.attributes {
			t.Errorf("%d: %s\nwant %s", i, got, want.attributes)
		}
	}
}

// TestCallersTrace: who has an API key continues its own trace and decides on it;
// whoever else says that it is part of one is only linked to.
func TestCallersTrace(t *testing.T) {
	const mount = "/hooks/"
	for name, tc := range map[string]struct {
		share         float64
		target, key   string
		traceparent   string
		spans         int
		joined, links bool
	}{
		"with a key":                   {1, start, portalKey, sampled, 1, true, false},
		"with a key, of few":           {0, start, portalKey, sampled, 1, true, false},
		"with a key, not recorded":     {1, start, portalKey, unsampled, 0, false, false},
		"with a wrong key":             {1, start, portalKey + "x", sampled, 1, false, true},
		"with a wrong key, of few":     {0, start, portalKey + "x", sampled, 0, false, false},
		"without a key":                {1, mount, "", sampled, 1, false, true},
		"without a key, of few":        {0, mount, "", sampled, 0, false, false},
		"without a key, not recorded":  {1, mount, "", unsampled, 1, false, true},
		"without a trace":              {1, start, portalKey, "", 1, false, false},
		"with nonsense":                {1, start, portalKey, "00-090-1234-5678-01", 1, false, false},
		"with a future version":        {1, start, portalKey, "01" + sampled[2:] + "-more", 1, true, false},
		"with an id of only noughts":   {1, start, portalKey, "00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01", 1, false, false},
		"with a number as its tracing": {1, start, portalKey, "+819012345678", 1, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			spans := spansOf(t, tc.share, func(o *httpapi.Options) {
				o.Mounts = map[string]http.Handler{mount: http.NotFoundHandler()}
			}, func(c client) {
				c.key = tc.key
				c.do(t, "POST", tc.target, aNumber, "Traceparent", tc.traceparent, "Tracestate", "vendor=+819012345678", "Baggage", "number=+819012345678")
			})
			if len(spans) != tc.spans {
				t.Fatalf("%d spans", len(spans))
			}
			for _, s := range spans {
				if joined := s.SpanContext().TraceID().String() == callersTrace && s.Parent().IsRemote(); joined != tc.joined {
					t.Errorf("joined: %t", joined)
				}
				if linked := len(s.Links()) == 1 && s.Links()[0].SpanContext.TraceID().String() == callersTrace; linked != tc.links {
					t.Errorf("linked: %t", linked)
				}
				if s.SpanContext().TraceState().Len() != 0 || len(s.Links()) == 1 && s.Links()[0].SpanContext.TraceState().Len() != 0 {
					t.Error("the caller's tracestate is kept")
				}
			}
		})
	}
}

func TestLogNamesTheTrace(t *testing.T) {
	lines, _ := logLines(t, func(o *httpapi.Options) { o.Tracer = sdk.NewTracerProvider().Tracer("denwa") }, func(c client) {
		c.do(t, "POST", start, aNumber, "Traceparent", sampled)
	})
	if lines[0]["trace_id"] != callersTrace || len(fmt.Sprint(lines[0]["span_id"])) != 16 {
		t.Errorf("logged %v", lines[0])
	}
	lines, _ = logLines(t, nil, func(c client) { c.do(t, "POST", start, aNumber, "Traceparent", sampled) })
	if lines[0]["trace_id"] != nil {
		t.Errorf("without traces: logged %v", lines[0])
	}
}

// TestNoTracesCostNothing: without a tracer, neither a request nor a log line
// costs an allocation more.
func TestNoTracesCostNothing(t *testing.T) {
	r := httptest.NewRequest("POST", start, nil)
	r.Header.Set("Traceparent", sampled)
	ctx := r.Context()
	log := slog.New(httpapi.LogHandler(slog.DiscardHandler))
	if n := testing.AllocsPerRun(100, func() {
		if httpapi.Untraced(ctx, r) != ctx {
			t.Error("the context was changed")
		}
		log.LogAttrs(ctx, slog.LevelInfo, "request")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestLogSaysWhatWasRefused(t *testing.T) {
	fake := newFakeGateway()
	fake.starting = func(ctx context.Context) { gateway.FollowerOf(ctx).Follow("vf_x", gateway.Failed) }
	fake.fail = &gateway.Error{Code: gateway.CodeRateLimited, Limit: "number_hour"}
	lines, _ := logLines(t, func(o *httpapi.Options) { o.Verifier = fake }, func(c client) { c.do(t, "POST", start, aNumber) })
	for name, want := range map[string]string{
		"code": "rate_limited", "limit": "number_hour", "verification": "vf_x", "verification_status": "failed",
	} {
		if lines[0][name] != want {
			t.Errorf("%s is %v, want %s", name, lines[0][name], want)
		}
	}
}

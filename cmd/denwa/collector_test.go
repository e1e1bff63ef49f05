package main

import (
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// otlp is a collector that takes traces by OTLP over HTTP and keeps them.
type otlp struct {
	*httptest.Server
	mu       sync.Mutex
	spans    []*traces.Span
	resource []*common.KeyValue
	raw      strings.Builder // what came, unpacked
	keys     []string        // of Authorization headers
}

func newCollector(t *testing.T) *otlp {
	t.Helper()
	c := &otlp{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("the collector got %s %s: %v", r.Method, r.URL, err)
			return
		}
		body, err := io.ReadAll(unpacked)
		var request collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(body, &request) != nil {
			t.Errorf("the collector can't read what came: %v", err)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw.Write(body)
		c.keys = append(c.keys, r.Header.Get("Authorization"))
		for _, resource := range request.GetResourceSpans() {
			c.resource = resource.GetResource().GetAttributes()
			for _, scope := range resource.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// everything is all that came, as it was on the wire but for its compression.
func (c *otlp) everything() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.raw.String()
}

// trees are the traces that came, the earliest first, each as lines: a span's
// name, below the one that it is part of. Spans at the same place that are named
// alike are one line.
func (c *otlp) trees() (trees []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortStableFunc(c.spans, func(a, b *traces.Span) int {
		return int(a.GetStartTimeUnixNano()) - int(b.GetStartTimeUnixNano())
	})
	children, known := map[string][]*traces.Span{}, map[string]bool{}
	for _, s := range c.spans {
		children[string(s.GetParentSpanId())] = append(children[string(s.GetParentSpanId())], s)
		known[string(s.GetSpanId())] = true
	}
	var draw func(s *traces.Span, indent string) []string
	draw = func(s *traces.Span, indent string) []string {
		lines := []string{indent + s.GetName()}
		for _, child := range children[string(s.GetSpanId())] {
			if below := draw(child, indent+"  "); !slices.Contains(lines, below[0]) || len(below) > 1 {
				lines = append(lines, below...)
			}
		}
		return lines
	}
	for _, s := range c.spans {
		if !known[string(s.GetParentSpanId())] {
			trees = append(trees, strings.Join(draw(s, ""), "\n"))
		}
	}
	return trees
}

// named are the spans of that name.
func (c *otlp) named(name string) []*traces.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.spans), func(s *traces.Span) bool { return s.GetName() != name })
}

// attributes are those of a span, or of a resource, as text.
func attributes(list []*common.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range list {
		switch v := a.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			all[a.GetKey()] = v.StringValue
		case *common.AnyValue_IntValue:
			all[a.GetKey()] = fmt.Sprint(v.IntValue)
		default:
			all[a.GetKey()] = a.GetValue().String()
		}
	}
	return all
}

func traceOf(s *traces.Span) string { return hex.EncodeToString(s.GetTraceId()) }

// textAPI is a carrier with an HTTP API that reports when it is told to.
type textAPI struct {
	*httptest.Server
	mu     sync.Mutex
	texts  []string
	traced []string // traceparent headers that came
}

func newTextAPI(t *testing.T) *textAPI {
	t.Helper()
	a := &textAPI{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.traced = append(a.traced, r.Header.Values("Traceparent")...)
		a.texts = append(a.texts, r.FormValue("message"))
		fmt.Fprintf(w, `{"id":"m-%d"}`, len(a.texts))
	}))
	t.Cleanup(a.Close)
	return a
}

// code is the one in the latest text.
func (a *textAPI) code(t *testing.T) string {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.texts) == 0 {
		t.Fatal("the aggregator got nothing")
	}
	return sixDigits.FindString(a.texts[len(a.texts)-1])
}

// report tells the gateway that the n-th text is on the handset.
func (a *textAPI) report(t *testing.T, g *running, n int) {
	t.Helper()
	body := strings.NewReader(fmt.Sprintf(`{"id":"m-%d","status":"received"}`, n))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.server+"/callbacks/aggregator/receipts", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Secret", "the aggregator's secret")
	resp, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("the report was answered with %s", resp.Status)
	}
}

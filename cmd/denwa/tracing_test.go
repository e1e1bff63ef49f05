package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"denwa/config"
	"denwa/ratelimit/redistest"
)

const (
	// callersTrace and callersSpan are what a caller says it is in the middle of.
	callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	callersSpan  = "00f067aa0ba902b7"
	collectorKey = "Bearer the-collectors-key"
)

// tracedConfig is a gateway on Redis with a carrier, a webhook and a collector.
func tracedConfig(t *testing.T, redis, carrier, hook, collector string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "denwa.yaml")
	text := fmt.Sprintf(`
keys: {master: %q}
store: {type: redis, addresses: [%q]}
server: {public_url: "https://verify.example.jp"}
apps:
  - name: portal
    brand: Example
    api_keys: [{id: k1, sha256: %q}]
    webhook: {url: %q, secret: %q, allow_private: true}
providers:
  - name: aggregator
    type: http
    url: %q
    form: {phone: "{to}", message: "{text}"}
    reply: {message_id: /id}
    receipts:
      {format: json, message_id: /id, status: /status, statuses: {received: delivered},
       secret: "the aggregator's secret", secret_header: X-Secret}
log: {level: debug, format: json}
tracing: {otlp_endpoint: %q, headers: [{name: Authorization, value: %q}]}
`, testMaster, redis, hashKey(tracedKey), hook, testWebhookSecret, carrier+"/send", collector, collectorKey)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tracedKey isn't the playground's, which a public gateway refuses.
const tracedKey = "dnw_0123456789abcdefghijklmnopqrstuvwxyzABCD"

// told is a webhook's receiver that remembers which spans it was told of.
type told struct {
	*httptest.Server
	mu    sync.Mutex
	spans map[string]string // by the type of the event
}

func newTold(t *testing.T) *told {
	t.Helper()
	h := &told{spans: map[string]string{}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var event struct{ Type string }
		if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.spans[event.Type] = r.Header.Get("Traceparent")
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *told) await(t *testing.T, types ...string) map[string]string {
	t.Helper()
	for range 500 {
		h.mu.Lock()
		have := len(h.spans)
		h.mu.Unlock()
		if have == len(types) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, typ := range types {
		if h.spans[typ] == "" {
			t.Errorf("%s didn't arrive with a traceparent: %v", typ, h.spans)
		}
	}
	return h.spans
}

// TestFollowOneVerification runs one from its start to its end, on a real Redis and
// a carrier that speaks HTTP, and follows it through its traces and the log.
func TestFollowOneVerification(t *testing.T) {
	redis, carrier, hook, traces := redistest.Start(t), newTextAPI(t), newTold(t), newCollector(t)
	g := serving(t, "--config", tracedConfig(t, redis.Addr(), carrier.URL, hook.URL, traces.URL))
	g.key = tracedKey
	g.traceparent = "00-" + callersTrace + "-" + callersSpan + "-01"

	started := g.post(t, "/v1/verifications", `{"to":"090-2468-1357","client_ip":"198.51.100.77","reference":"user-4711"}`)
	id, code := started.text("id"), carrier.code(t)
	if started.status != http.StatusCreated || code == "" {
		t.Fatalf("%d %v", started.status, started.body)
	}
	carrier.report(t, g, 1)
	if r := g.post(t, "/v1/verifications/"+id+"/check", `{"code":"`+code+`"}`); r.body["valid"] != true {
		t.Fatalf("%d %v", r.status, r.body)
	}
	heard := hook.await(t, "verification.created", "verification.delivered", "verification.approved")
	g.stop(t)
	<-g.ended

	t.Run("tree", func(t *testing.T) { holdTree(t, traces) })
	t.Run("spans", func(t *testing.T) { holdSpans(t, traces, id, heard) })
	t.Run("log", func(t *testing.T) { followLog(t, g.logs.String(), traces, id) })
	t.Run("secrets", func(t *testing.T) {
		if len(carrier.traced) != 0 {
			t.Errorf("the carrier was told of the trace: %v", carrier.traced)
		}
		if len(traces.everything()) < 2000 {
			t.Errorf("only %d bytes came: too few to mean anything", len(traces.everything()))
		}
		for _, s := range []string{
			"9024681357", "90-2468-1357", "2468-1357", code, "198.51.100", "user-4711", "127.0.0.1:", "/send", "/receipts",
			tracedKey[len("dnw_"):], config.PlaygroundKey, testMaster, "the aggregator's secret",
		} {
			for place, text := range map[string]string{"traces": traces.everything(), "log": g.logs.String()} {
				if own := place == "log" && s == "127.0.0.1:"; containsAlone(text, s) && !own { // the log tells where it listens
					t.Errorf("the %s hold %q", place, s)
				}
			}
		}
	})
}

// holdTree: what a start and a check do is one tree below the caller's span.
func holdTree(t *testing.T, c *otlp) {
	t.Helper()
	trees := c.trees()
	for _, want := range []string{
		"POST /v1/verifications\n  PIPELINE EVALSHA spend\n  PIPELINE EVAL spend\n  EVALSHA start\n  EVAL start\n  send aggregator\n    SET",
		"POST /v1/verifications/{id}/check\n  EVALSHA check\n  EVAL check",
		"POST /callbacks/{provider}/\n  PIPELINE GET\n  receipt aggregator\n    EVALSHA report\n    EVAL report",
		"webhook portal\n  GET\n",
	} {
		if !slices.ContainsFunc(trees, func(tree string) bool { return strings.HasPrefix(tree, want) }) {
			t.Errorf("no trace is\n%s", want)
		}
	}
	if t.Failed() {
		t.Logf("there are:\n%s", strings.Join(trees, "\n\n"))
	}
}

func holdSpans(t *testing.T, c *otlp, id string, heard map[string]string) {
	t.Helper()
	for _, name := range []string{"POST /v1/verifications", "POST /v1/verifications/{id}/check", "EVALSHA start", "send aggregator"} {
		for _, s := range c.named(name) {
			if traceOf(s) != callersTrace {
				t.Errorf("%s isn't in its caller's trace", name)
			}
		}
	}
	for name, want := range map[string]map[string]string{
		"POST /v1/verifications": {
			"http.request.method": "POST", "http.route": "/v1/verifications", "http.response.status_code": "201",
			"denwa.app": "portal", "denwa.verification": id,
		},
		"send aggregator": {
			"denwa.provider": "aggregator", "denwa.channel": "sms", "denwa.country": "JP",
			"denwa.delivery": id + ".1", "denwa.verification": id,
		},
		"receipt aggregator": {
			"denwa.provider": "aggregator", "denwa.status": "delivered", "denwa.delivery": id + ".1", "denwa.verification": id,
		},
		"EVALSHA check": {"db.system.name": "redis", "db.operation.name": "EVALSHA", "db.stored_procedure.name": "check"},
	} {
		found := c.named(name)
		if len(found) == 0 {
			t.Errorf("no span %q", name)
			continue
		}
		got := attributes(found[0].GetAttributes())
		for key, value := range want {
			if got[key] != value {
				t.Errorf("%s: %s is %q, want %q", name, key, got[key], value)
			}
		}
	}
	for _, s := range c.named("webhook portal") {
		got := attributes(s.GetAttributes())
		if got["denwa.verification"] != id || got["denwa.outcome"] != "delivered" || got["http.response.status_code"] != "200" {
			t.Errorf("webhook: %v", got)
		}
		if event := got["denwa.event_type"]; !strings.HasPrefix(heard[event], "00-"+traceOf(s)+"-") {
			t.Errorf("the receiver of %s heard of trace %q, not %s", event, heard[event], traceOf(s))
		}
	}
	resource := attributes(c.resource)
	if resource["service.name"] != "denwa" || resource["service.version"] == "" {
		t.Errorf("resource: %v", resource)
	}
	if slices.ContainsFunc(c.keys, func(k string) bool { return k != collectorKey }) {
		t.Errorf("the collector was shown %q", c.keys)
	}
}

// followLog reads the log as somebody does who has the verification's id.
func followLog(t *testing.T, text string, c *otlp, id string) {
	t.Helper()
	type line struct {
		Msg, Route, Verification, Delivery, Type, Outcome string
		Status                                            any
		Stands                                            string `json:"verification_status"`
		RequestID                                         string `json:"request_id"`
		TraceID                                           string `json:"trace_id"`
		SpanID                                            string `json:"span_id"`
	}
	recorded := map[string]bool{}
	for _, s := range c.spans {
		recorded[traceOf(s)] = true
	}
	var story []string
	requests := map[string]bool{}
	for text := range strings.Lines(text) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if l.Verification != id {
			continue
		}
		if !recorded[l.TraceID] || l.SpanID == "" {
			t.Errorf("a line's trace isn't recorded: %s", text)
		}
		switch l.Msg {
		case "request":
			if l.RequestID == "" || requests[l.RequestID] {
				t.Errorf("a request has no id of its own: %s", text)
			}
			requests[l.RequestID] = true
			story = append(story, fmt.Sprint(l.Msg, " ", l.Route, " ", l.Status, " ", l.Stands))
		case "event delivered":
			story = append(story, l.Msg+" "+l.Type)
		default:
			if l.Delivery != id+".1" {
				t.Errorf("a line on a delivery doesn't name it: %s", text)
			}
			story = append(story, l.Msg)
		}
	}
	slices.Sort(story)
	if want := []string{
		"delivery accepted", "delivery reported",
		"event delivered verification.approved", "event delivered verification.created", "event delivered verification.delivered",
		"request /callbacks/{provider}/ 204 pending", "request /v1/verifications 201 pending",
		"request /v1/verifications/{id}/check 200 approved",
	}; !slices.Equal(story, want) {
		t.Errorf("the log tells\n%s\nwant\n%s", strings.Join(story, "\n"), strings.Join(want, "\n"))
	}
}

// TestCollectorIsDown: a gateway whose traces nobody takes does its work, says so
// once, and stops.
func TestCollectorIsDown(t *testing.T) {
	var config net.ListenConfig
	hanging, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0") // takes connections, and never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	for how, address := range map[string]string{"refuses": freeAddress(t), "hangs": hanging.Addr().String()} {
		t.Run(how, func(t *testing.T) {
			redis, carrier, hook := redistest.Start(t), newTextAPI(t), newTold(t)
			g := serving(t, "--config", tracedConfig(t, redis.Addr(), carrier.URL, hook.URL, "http://"+address))
			g.key = tracedKey
			for range 50 {
				if r := g.post(t, "/v1/numbers/lookup", `{"number":"090-2468-1357"}`); r.status != http.StatusOK {
					t.Fatalf("%d %v", r.status, r.body)
				}
			}
			g.stop(t)
			<-g.ended
			if n := strings.Count(g.logs.String(), "traces can't be exported"); n != 1 {
				t.Errorf("the log says %d times that traces can't be exported:\n%s", n, g.logs)
			}
		})
	}
}

package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/gateway"
	"denwa/gateway/httpapi"
)

// logLines runs f against a server and returns what it logged.
func logLines(t *testing.T, change func(*httpapi.Options), f func(c client)) (lines []map[string]any, text string) {
	t.Helper()
	var b bytes.Buffer
	f(newClient(newServer(t, func(o *httpapi.Options) {
		o.Log = slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
		if change != nil {
			change(o)
		}
	})))
	for line := range strings.Lines(b.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, m)
	}
	return lines, b.String()
}

// TestRepeatedRequestsAreJoined: the line of a request that was answered before tells
// what that was about, and what was wrong.
func TestRepeatedRequestsAreJoined(t *testing.T) {
	var ids []string
	lines, _ := logLines(t, nil, func(c client) {
		path := start + "/" + c.do(t, "POST", start, aNumber).id()
		for range 2 {
			ids = append(ids, c.do(t, "POST", start, aNumber, "Idempotency-Key", "start").id())
			c.do(t, "POST", path+"/check", `{"code":"000000"}`, "Idempotency-Key", "check")
			ids = append(ids, strings.TrimPrefix(path, start+"/"))
			c.do(t, "POST", "/v1/sessions", `{"return_url":"https://portal.example.jp/"}`, "Idempotency-Key", "session")
			c.do(t, "POST", start, `{"to":"090"}`, "Idempotency-Key", "refused")
			ids = append(ids, "", "")
		}
	})
	for i, line := range lines[1:] {
		id, _ := line["verification"].(string)
		if again := i >= 4; (line["repeated"] == true) != again || again && id != ids[i] {
			t.Errorf("logged %v, about %q", line, ids[i])
		}
	}
	if last := lines[len(lines)-1]; last["code"] != "invalid_number" || len(lines) != 9 {
		t.Errorf("%d lines, the last %v", len(lines), last)
	}
}

func TestLogLine(t *testing.T) {
	lines, text := logLines(t, nil, func(c client) {
		r := c.do(t, "POST", start, aNumber, "X-Request-Id", "req-1")
		c.do(t, "GET", start+"/"+r.id()+"?wait=0", "")
		c.do(t, "POST", start, `{"to":"090"}`)
		c.do(t, "GET", "/sandbox/api/phones/+819012345678", "", "Authorization", "")
		c.do(t, "GET", start+"/+819012345678?api_key="+portalKey, "")
		c.do(t, "BREW", start, "")
	})
	for i, exact := range []map[string]any{
		{"level": "INFO", "route": start, "method": "POST", "status": 201.0, "app": "portal", "key": "k1", "request_id": "req-1"},
		{"level": "INFO", "route": start + "/{id}", "method": "GET", "status": 200.0, "app": "portal"},
		{"level": "INFO", "route": start, "status": 422.0, "code": "invalid_number"},
		{"level": "INFO", "route": "other", "method": "GET", "status": 404.0, "client": "192.0.2.0/24"},
		{"level": "INFO", "route": start + "/{id}", "status": 401.0, "code": "unauthorized", "client": "192.0.2.0/24"},
		{"level": "INFO", "route": start, "method": "other", "status": 405.0},
	} {
		for name, value := range exact {
			if lines[i][name] != value {
				t.Errorf("line %d: %s is %v, want %v", i, name, lines[i][name], value)
			}
		}
		for _, name := range []string{"seconds", "bytes", "request_id"} {
			if lines[i][name] == nil || lines[i][name] == "" {
				t.Errorf("line %d has no %s: %v", i, name, lines[i])
			}
		}
	}
	if len(lines) != 6 {
		t.Errorf("%d lines for 6 requests", len(lines))
	}
	for _, secret := range []string{"9012345678", "1234-5678", portalKey, "dnw_", "api_key", "wait=", "192.0.2.1\""} {
		if strings.Contains(text, secret) {
			t.Errorf("the log holds %q:\n%s", secret, text)
		}
	}
}

func TestLogOfFailures(t *testing.T) {
	cause := errors.New("dial tcp: connection refused")
	for name, tc := range map[string]struct {
		fail  error
		level string
		want  string
	}{
		"store": {&gateway.Error{Code: gateway.CodeUnavailable, Message: "x", Err: cause}, "WARN", "connection refused"},
		"bug":   {cause, "ERROR", "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newFakeGateway()
			fake.fail = tc.fail
			lines, _ := logLines(t, func(o *httpapi.Options) { o.Verifier = fake }, func(c client) { c.do(t, "POST", start, aNumber) })
			if got, _ := lines[0]["error"].(string); lines[0]["level"] != tc.level || !strings.Contains(got, tc.want) {
				t.Errorf("logged %v", lines[0])
			}
		})
	}
}

func TestPanic(t *testing.T) {
	fake := newFakeGateway()
	fake.starting = func(context.Context) { panic("a bug") }
	lines, _ := logLines(t, func(o *httpapi.Options) { o.Verifier = fake }, func(c client) {
		r := c.do(t, "POST", start, aNumber)
		want(t, r, http.StatusInternalServerError, "internal")
		if strings.Contains(r.text, "a bug") {
			t.Errorf("the panic reaches the caller: %s", r.text)
		}
	})
	stack, _ := lines[0]["stack"].(string)
	if lines[0]["error"] != "panic: a bug" || !strings.Contains(stack, "fakeGateway") {
		t.Errorf("logged %v", lines[0])
	}
}

func TestAbortHandlerHangsUp(t *testing.T) {
	s := newServer(t, func(o *httpapi.Options) {
		o.Mounts = map[string]http.Handler{"/x/": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })}
	})
	defer func() {
		if v := recover(); v != http.ErrAbortHandler { //nolint:errorlint // a panic value.
			t.Errorf("recovered %v", v)
		}
	}()
	s.Public().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/x/", nil))
}

func TestClientThatHungUp(t *testing.T) {
	for name, err := range map[string]error{
		"plain":         context.Canceled,
		"of the domain": &gateway.Error{Code: gateway.CodeUnavailable, Message: "the store doesn't answer", Err: context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newFakeGateway()
			fake.fail = err
			ctx, hangUp := context.WithCancel(t.Context())
			hangUp()
			lines, _ := logLines(t, func(o *httpapi.Options) { o.Verifier = fake }, func(c client) {
				r := httptest.NewRequestWithContext(ctx, "GET", start+"/vf_x", nil)
				r.Header.Set("Authorization", "Bearer "+portalKey)
				c.server.Public().ServeHTTP(httptest.NewRecorder(), r)
			})
			if lines[0]["status"] != 499.0 || lines[0]["level"] != "INFO" {
				t.Errorf("logged %v", lines[0])
			}
		})
	}
}

func TestTrustedProxies(t *testing.T) {
	for name, tc := range map[string]struct {
		trusted      []string
		peer, header string
		client       string
	}{
		"nobody is trusted":  {nil, "198.51.100.7:1", "203.0.113.9", "198.51.100.0/24"},
		"a proxy":            {[]string{"198.51.100.7"}, "198.51.100.7:1", "203.0.113.9", "203.0.113.0/24"},
		"another proxy":      {[]string{"198.51.100.8"}, "198.51.100.7:1", "203.0.113.9", "198.51.100.0/24"},
		"a forged beginning": {[]string{"198.51.100.0/24"}, "198.51.100.7:1", "10.0.0.1, 203.0.113.9", "203.0.113.0/24"},
		"two proxies":        {[]string{"198.51.100.0/24"}, "198.51.100.7:1", "203.0.113.9, 198.51.100.1", "203.0.113.0/24"},
		"private isn't ours": {[]string{"198.51.100.7"}, "198.51.100.7:1", "203.0.113.9, 10.0.0.1", "10.0.0.0/24"},
		"IPv6":               {[]string{"2001:db8::/32"}, "[2001:db8::1]:1", "2001:db9:1:2::3", "2001:db9:1::/48"},
		"not an address":     {[]string{"198.51.100.7"}, "198.51.100.7:1", "me", "198.51.100.0/24"},
	} {
		t.Run(name, func(t *testing.T) {
			lines, _ := logLines(t, func(o *httpapi.Options) { o.Config.TrustedProxies = tc.trusted }, func(c client) {
				r := httptest.NewRequest("GET", "/", nil)
				r.RemoteAddr = tc.peer
				r.Header.Set("X-Forwarded-For", tc.header)
				c.server.Public().ServeHTTP(httptest.NewRecorder(), r)
			})
			if lines[0]["client"] != tc.client {
				t.Errorf("client %v, want %v", lines[0]["client"], tc.client)
			}
		})
	}
}

// TestMetrics also shows that a client can't invent label values.
func TestMetrics(t *testing.T) { synctest.Test(t, testMetrics) }

func testMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := newServer(t, func(o *httpapi.Options) { o.Registerer, o.Gatherer = reg, reg })
	c := newClient(s)

	if got := counts(t, reg); got["POST /v1/verifications/{id}/check 200"] != 0 || len(got) != len(httpapi.Routes(s)) {
		t.Errorf("at first: %v", got)
	}
	path := begin(t, c)
	c.do(t, "POST", path+"/check", `{"code":"000000"}`)
	c.do(t, "POST", path+"/check", `{"code":"0"}`)
	c.do(t, "GET", path+"?wait=1", "")
	for _, nonsense := range []string{"/a", "/b", "/v1/c"} {
		c.do(t, "GET", nonsense, "")
		c.do(t, "BREW", nonsense, "")
	}
	got := counts(t, reg)
	if len(got) != len(httpapi.Routes(s))+4 {
		t.Errorf("series: %v", got)
	}
	for series, count := range map[string]uint64{
		"POST /v1/verifications 201":            1,
		"POST /v1/verifications/{id}/check 200": 1,
		"POST /v1/verifications/{id}/check 400": 1,
		"GET /v1/verifications/{id}?wait 200":   1,
		"GET other 404":                         3,
		"BREW other 404":                        0,
	} {
		if got[series] != count {
			t.Errorf("%s: %d, want %d", series, got[series], count)
		}
	}
}

// counts returns how many requests each series has seen.
func counts(t *testing.T, g prometheus.Gatherer) map[string]uint64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]uint64{}
	for _, f := range families {
		if f.GetName() != "denwa_http_request_duration_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			out[labels["method"]+" "+labels["route"]+" "+labels["code"]] = m.GetHistogram().GetSampleCount()
		}
	}
	return out
}

func TestMounts(t *testing.T) {
	echoPath := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, r.Method+" "+r.URL.Path+" "+httpapi.RequestID(r.Context()))
		if err != nil {
			_, _ = io.WriteString(w, " "+err.Error())
		}
	})
	reg := prometheus.NewRegistry()
	c := newClient(newServer(t, func(o *httpapi.Options) {
		o.Registerer, o.Gatherer = reg, reg
		o.Callbacks = map[string]http.Handler{"twilio-main": echoPath}
		o.Mounts = map[string]http.Handler{"/sandbox/": echoPath}
	}))
	for target, answer := range map[string]string{
		"/callbacks/twilio-main/sms": "POST /sms r1",
		"/callbacks/twilio-main/":    "POST / r1",
		"/sandbox/":                  "POST /sandbox/ r1",
		"/sandbox/api/phones/+81":    "POST /sandbox/api/phones/+81 r1",
	} {
		r := httptest.NewRequest("POST", target, strings.NewReader("x"))
		r.Header.Set("X-Request-Id", "r1")
		w := httptest.NewRecorder()
		c.server.Public().ServeHTTP(w, r)
		if w.Body.String() != answer || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %q, want %q", target, w.Body, answer)
		}
	}
	w := httptest.NewRecorder()
	c.server.Public().ServeHTTP(w, httptest.NewRequest("POST", "/sandbox/", strings.NewReader(strings.Repeat("x", 65<<10))))
	if !strings.Contains(w.Body.String(), "too large") {
		t.Errorf("a mounted handler reads more than 64 KiB: %s", w.Body)
	}
	w = httptest.NewRecorder()
	c.server.Public().ServeHTTP(w, httptest.NewRequest("GET", "/sandbox", nil))
	if w.Code != http.StatusPermanentRedirect || w.Header().Get("Location") != "/sandbox/" {
		t.Errorf("/sandbox: %d %v", w.Code, w.Header())
	}
	got := counts(t, reg)
	if got["POST /callbacks/{provider}/ 200"] != 2 || got["POST /sandbox/ 200"] != 3 {
		t.Errorf("routes: %v", got)
	}
}

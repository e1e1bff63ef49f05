package httpapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"denwa/gateway/httpapi"
)

func admin(s *httpapi.Server, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.AdminHandler().ServeHTTP(w, r)
	return w
}

func TestReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := error(nil)
		s := newServer(t, func(o *httpapi.Options) {
			o.Ready = map[string]func(context.Context) error{
				"store": func(context.Context) error { return store },
				"sms":   func(context.Context) error { return nil },
				"voice": func(ctx context.Context) error {
					if store == nil {
						return nil
					}
					<-ctx.Done()
					return ctx.Err()
				},
			}
		})
		if w := admin(s, "/readyz"); w.Code != http.StatusOK || w.Body.String() != `{"status":"ready"}`+"\n" {
			t.Errorf("ready: %d %s", w.Code, w.Body)
		}
		store = errors.New("connection refused")
		begun := time.Now()
		w := admin(s, "/readyz")
		exact := `{"status":"unready","failing":{"store":"connection refused","voice":"context deadline exceeded"}}` + "\n"
		if w.Code != http.StatusServiceUnavailable || w.Body.String() != exact {
			t.Errorf("unready: %d %s", w.Code, w.Body)
		}
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("a check that hangs took %s", took)
		}
		exact = `{"status":"unready","failing":{"store":"connection refused"}}` + "\n"
		if w := admin(s, "/readyz?exclude=sms&exclude=voice"); w.Code != http.StatusServiceUnavailable || w.Body.String() != exact {
			t.Errorf("without channels: %d %s", w.Code, w.Body)
		}
		if w := admin(s, "/readyz?exclude=store&exclude=voice&exclude=nothing"); w.Code != http.StatusOK {
			t.Errorf("without what fails: %d %s", w.Code, w.Body)
		}
		if w := admin(s, "/healthz"); w.Code != http.StatusOK || w.Body.String() != `{"status":"ok"}`+"\n" {
			t.Errorf("healthy: %d %s", w.Code, w.Body)
		}
	})
}

func TestAdminListener(t *testing.T) {
	s := newServer(t, nil)
	for target, part := range map[string]string{
		"/metrics":                  "# TYPE denwa_http_request_duration_seconds histogram",
		"/debug/pprof/":             "goroutine",
		"/debug/pprof/heap?debug=1": "heap profile",
		"/debug/pprof/cmdline":      "httpapi",
		"/debug/pprof/symbol":       "num_symbols",
	} {
		if w := admin(s, target); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), part) {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if w := admin(s, "/metrics", "Accept", "application/openmetrics-text"); !strings.HasSuffix(w.Body.String(), "# EOF\n") {
		t.Error("no OpenMetrics")
	}
	protobuf := "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	if w := admin(s, "/metrics", "Accept", protobuf); !strings.HasPrefix(w.Header().Get("Content-Type"), "application/vnd.google.protobuf") {
		t.Error("no protobuf, which native histograms need")
	}
	for _, target := range []string{"/metrics", "/healthz", "/readyz", "/debug/pprof/"} {
		w := httptest.NewRecorder()
		if s.Public().ServeHTTP(w, httptest.NewRequest("GET", target, nil)); w.Code != http.StatusNotFound {
			t.Errorf("%s on the public listener: %d", target, w.Code)
		}
		w = httptest.NewRecorder()
		if s.AdminHandler().ServeHTTP(w, httptest.NewRequest("POST", target, nil)); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", target, w.Code)
		}
	}
}

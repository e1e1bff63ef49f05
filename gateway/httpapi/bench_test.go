package httpapi_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"denwa/gateway"
	"denwa/gateway/httpapi"
)

// BenchmarkCheckHandler is a check without the service behind it: routing,
// authentication, decoding, encoding, the log line and the metric.
func BenchmarkCheckHandler(b *testing.B) {
	fake := newFakeGateway()
	s := newServer(b, func(o *httpapi.Options) {
		o.Verifier = fake
		o.Log = slog.New(slog.NewJSONHandler(io.Discard, nil))
	})
	v, err := fake.Start(b.Context(), &gateway.AppPolicy{App: gateway.App{Name: "portal"}}, gateway.StartRequest{To: "090-1234-5678"})
	if err != nil {
		b.Fatal(err)
	}
	body := strings.NewReader(`{"code":"000000"}`)
	r := httptest.NewRequest("POST", start+"/"+string(v.ID)+"/check", io.NopCloser(body))
	r.ContentLength = body.Size()
	r.Header.Set("Authorization", "Bearer "+portalKey)
	r.Header.Set("Content-Type", "application/json")
	w := &discard{header: http.Header{}}
	h := s.Public()

	b.ReportAllocs()
	for b.Loop() {
		_, _ = body.Seek(0, io.SeekStart)
		clear(w.header)
		h.ServeHTTP(w, r)
	}
	if w.status != http.StatusOK {
		b.Fatal(w.status)
	}
}

// discard is a reply that nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

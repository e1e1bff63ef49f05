package twilio

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func BenchmarkSendMessage(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"sid":"SM0123456789abcdef0123456789abcdef","status":"queued","error_code":null}`)
	}))
	defer server.Close()
	cfg := testConfig()
	cfg.BaseURL = server.URL
	p := newProvider(b, cfg, testPublic, noReceipts)
	msg := testMessage()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.SendMessage(b.Context(), msg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBarePost is the floor for BenchmarkSendMessage: net/http alone,
// with the same connections and the same server.
func BenchmarkBarePost(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
	}))
	defer server.Close()
	client := newHTTPClient()
	defer client.CloseIdleConnections()
	b.ReportAllocs()
	for b.Loop() {
		resp, err := client.Post(server.URL, "application/x-www-form-urlencoded", strings.NewReader("Body=x"))
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

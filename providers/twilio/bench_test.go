package twilio

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"denwa/ivr"
	"denwa/providers"
	"denwa/providers/carrierhttp"
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
	client := carrierhttp.NewClient(&providers.Certificates{})
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

// BenchmarkCallKeys is a key press in a call, from Twilio's request to the TwiML
// that answers it, without the gateway.
func BenchmarkCallKeys(b *testing.B) {
	calls := &exchange{script: ivr.Script{Mode: ivr.ModeConfirm, Locale: "ja", Brand: "Example"}, result: ivr.Over}
	p, err := New(voiceConfig(), testPublic, noReceipts, calls, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	handler := p.Callbacks()
	target := "/call/keys?delivery=" + testDelivery + "&state=a0"
	form := callForm("Digits", "#")
	body, signature := form.Encode(), sign(voiceConfig().AuthToken, testPublic+"/callbacks/twilio-main"+target, form)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, callback(target, body, signature))
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}

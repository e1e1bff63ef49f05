package http

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"denwa/providers"
)

func kindOf(t *testing.T, err error) *providers.Error {
	t.Helper()
	var failure *providers.Error
	if !errors.As(err, &failure) {
		t.Fatalf("not a provider's error: %v", err)
	}
	if text := failure.Error(); strings.Contains(text, "9037264815") || strings.Contains(text, "493817") || strings.Contains(text, testToken) {
		t.Errorf("the error tells too much: %s", text)
	}
	return failure
}

// TestFaults: what an aggregator can do wrong, and that it is asked only once.
func TestFaults(t *testing.T) {
	const ok = `{"messages":[{"id":"m-1"}]}`
	var elsewhere atomic.Int32
	other := newAggregator(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		kind   providers.Kind // "" for accepted
		says   string
	}{
		{"nothing", raw(t, ""), providers.Ambiguous, "unexpected EOF"},
		{"half a header", raw(t, "HTTP/1.1 200 OK\r\nContent-Len"), providers.Ambiguous, "the connection broke"},
		{"not HTTP", raw(t, "SMS 9037264815 OK\r\n\r\n"), providers.Ambiguous, "not HTTP"},
		{"half a body", raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"+ok), providers.Ambiguous, "unexpected EOF"},
		{"half a refusal", raw(t, "HTTP/1.1 400 No\r\nContent-Length: 900\r\n\r\n{"), providers.Unavailable, "HTTP 400"},
		{"two values", answer(200, ok+ok), providers.Ambiguous, "names no message"},
		{"an id with a space", answer(200, `{"messages":[{"id":"m 1"}]}`), providers.Ambiguous, "names no message"},
		{"an id that is a list", answer(200, `{"messages":[{"id":["m-1"]}]}`), providers.Ambiguous, "names no message"},
		{"a body without end", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat(" ", 4096)); err != nil {
					return
				}
			}
		}, providers.Ambiguous, "too long"},
		{"a header without end", raw(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 100_000)), providers.Ambiguous, "not HTTP"},
		{"deep JSON", answer(200, strings.Repeat("[", 60_000)), providers.Ambiguous, "names no message"},
		{"compressed", answer(200, "\x1f\x8b\x08", "Content-Encoding", "gzip"), providers.Ambiguous, "names no message"},
		{"301", answer(301, "", "Location", other.URL), providers.Unavailable, "HTTP 301"},
		{"302", answer(302, "", "Location", other.URL), providers.Ambiguous, "HTTP 302"},
		{"303", answer(303, "", "Location", other.URL), providers.Ambiguous, "HTTP 303"},
		{"307", answer(307, "", "Location", other.URL), providers.Unavailable, "HTTP 307"},
		{"308", answer(308, "", "Location", other.URL), providers.Unavailable, "HTTP 308"},
		{"402", answer(402, ""), providers.Unavailable, "HTTP 402"},
		{"404", answer(404, ""), providers.Unavailable, "HTTP 404"},
		{"504", answer(504, ""), providers.Ambiguous, "HTTP 504"},
		{"early hints", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(103); answer(200, ok)(w, r) }, "", ""},
		{"201", answer(201, ok), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAggregator(t, tt.answer)
			_, err := a.provider(t, example(t, "json", a.URL)).SendMessage(t.Context(), testMessage())
			if tt.kind == "" && err != nil {
				t.Error(err)
			}
			if tt.kind != "" {
				if failure := kindOf(t, err); failure.Kind != tt.kind || !strings.Contains(failure.Error(), tt.says) {
					t.Errorf("%v, want %s with %q", failure, tt.kind, tt.says)
				}
			}
			if n := len(a.requests()); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
	if elsewhere.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

// TestHangInTheMiddle: also half an answer is no answer, and a late one is none.
func TestHangInTheMiddle(t *testing.T) {
	for name, hang := range map[string]http.HandlerFunc{
		"body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"messages":[`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"late": func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done() // the client has given up
			answer(200, `{"messages":[{"id":"m-1"}]}`)(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAggregator(t, hang)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := a.provider(t, example(t, "json", a.URL)).SendMessage(ctx, testMessage())
			if failure := kindOf(t, err); failure.Kind != providers.Ambiguous || !errors.Is(failure, context.DeadlineExceeded) {
				t.Error(failure)
			}
		})
	}
	t.Run("own timeout", func(t *testing.T) {
		t.Parallel()
		a := newAggregator(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		cfg := example(t, "json", a.URL)
		cfg.Timeout = 5 * time.Second
		if _, err := a.provider(t, cfg).SendMessage(t.Context(), testMessage()); kindOf(t, err).Kind != providers.Ambiguous {
			t.Error(err)
		}
	})
}

// TestNothingIsRepeated: net/http repeats a request with an idempotency key on a
// connection that it kept; this one must not, because it was written.
func TestNothingIsRepeated(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var requests atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				reader := bufio.NewReader(conn)
				for {
					r, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					if requests.Add(1) == 2 {
						return // on the connection that was kept
					}
					if r.Header.Get("Idempotency-Key") == "" {
						t.Error("no idempotency key")
					}
					fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			}()
		}
	}()
	cfg := example(t, "form", "http://"+listener.Addr().String())
	cfg.Headers = map[string]string{"Idempotency-Key": "{delivery}"}
	p := (&aggregator{}).provider(t, cfg)
	if _, err := p.SendMessage(t.Context(), testMessage()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.SendMessage(t.Context(), testMessage()); kindOf(t, err).Kind != providers.Ambiguous {
		t.Error(err)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests for two messages", n)
	}
}

// TestNoConnection: nothing was written, and the error hides the address's secret.
func TestNoConnection(t *testing.T) {
	secure := newAggregator(t, answer(200, "ok"))
	for name, url := range map[string]string{
		"nobody there": "http://127.0.0.1:1/{secret:path}",
		"no TLS":       strings.Replace(secure.URL, "http:", "https:", 1) + "/{secret:path}?k={secret:path}",
	} {
		cfg := example(t, "form", url)
		cfg.Secrets = []Secret{{Name: "path", Value: "s3cret/?&value"}}
		_, err := (&aggregator{}).provider(t, cfg).SendMessage(t.Context(), testMessage())
		if failure := kindOf(t, err); failure.Kind != providers.Unavailable || strings.Contains(failure.Error(), "s3cret") {
			t.Errorf("%s: %v", name, failure)
		}
	}
}

// TestReferenceIsNoNumber: ids that are built of the number aren't logged, and
// are understood in receipts nevertheless.
func TestReferenceIsNoNumber(t *testing.T) {
	for id, want := range map[string]string{
		"m-1": "m-1", "819037264815-7": "", "090-3726-4815": "", "x7264815y": "", "20260102030405": "20260102030405",
	} {
		a := newAggregator(t, answer(200, `{"messages":[{"id":"`+id+`"}]}`))
		p := a.provider(t, example(t, "json", a.URL))
		accepted, err := p.SendMessage(t.Context(), testMessage())
		if err != nil || accepted.Reference != want {
			t.Errorf("%s: reference %q, %v", id, accepted.Reference, err)
		}
		if found, _ := p.ids.Recall(t.Context(), id); found[0] != "vf_abc.1" {
			t.Errorf("%s stands for %q", id, found)
		}
	}
}

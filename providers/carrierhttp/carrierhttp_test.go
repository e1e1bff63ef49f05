package carrierhttp

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"denwa/providers"
)

// answering is a server that answers each connection's first request with bytes,
// and hangs up.
func answering(t *testing.T, answer string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.WriteString(conn, answer)
			}
			conn.Close()
		}
	}()
	return l.Addr().String()
}

// TestUnanswered: what may have been written is ambiguous, and no error quotes
// the address, or what the carrier said.
func TestUnanswered(t *testing.T) {
	const secret = "+819012345678"
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, test := range map[string]struct {
		address string
		kind    providers.Kind
		want    string
	}{
		"nobody listens":    {closed.Addr().String(), providers.Unavailable, "connect to them: dial tcp"},
		"hangs up":          {answering(t, ""), providers.Ambiguous, "no answer from them: unexpected EOF"},
		"cut in the middle": {answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"+secret[:4]), providers.Ambiguous, "no answer from them: unexpected EOF"},
		"not HTTP":          {answering(t, secret+"\r\n\r\n"), providers.Ambiguous, "no answer from them: the connection broke, or the reply is not HTTP"},
		"too long": {
			answering(t, "HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("x", maxReply+1)), providers.Ambiguous,
			"no answer from them: the reply is too long",
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := NewClient(&providers.Certificates{})
			defer client.CloseIdleConnections()
			var attempt Attempt
			req, err := http.NewRequestWithContext(attempt.Context(t.Context()), http.MethodPost, "http://"+test.address+"/?to="+secret, strings.NewReader(secret))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err == nil {
				defer resp.Body.Close()
				_, err = ReadBody(resp.Body)
			}
			if err == nil {
				t.Fatal("it was answered")
			}
			failure := attempt.Unanswered(t.Context(), "them", err)
			if text := failure.Error(); failure.Kind != test.kind || !strings.Contains(text, test.want) || strings.Contains(text, secret[1:]) {
				t.Errorf("%s: %s, want %s with %q", failure.Kind, text, test.kind, test.want)
			}
		})
	}
}

// TestUnansweredInTime: whose time is over is told so, whatever broke with it.
func TestUnansweredInTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var attempt Attempt
	attempt.written.Store(true)
	failure := attempt.Unanswered(ctx, "them", &net.OpError{Op: "read", Err: errors.New("closed")})
	if failure.Kind != providers.Ambiguous || !errors.Is(failure, context.Canceled) {
		t.Errorf("%s: %v", failure.Kind, failure)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"7":                             7 * time.Second,
		" 7 ":                           7 * time.Second,
		"-7":                            0,
		"soon":                          0,
		"2147483647":                    MaxRetryAfter,
		"2147483648":                    0,
		"Sun, 29 Nov 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 29 Nov 2026 11:59:30 GMT": 0,
		"Sun, 29 Nov 2036 12:00:30 GMT": MaxRetryAfter,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q is %v, want %v", value, got, want)
		}
	}
}

func TestCheckBase(t *testing.T) {
	for address, want := range map[string]string{
		"https://api.example.jp":       "",
		"https://api.example.jp:8443/": "",
		"http://127.0.0.1:8080":        "",
		"http://[::1]:8080":            "",
		"http://localhost":             "",
		"http://api.example.jp":        "must be https: ",
		"http://10.0.0.1":              "must be https: ",
		"ftp://api.example.jp":         "must be an https URL",
		"api.example.jp":               "must be an https URL",
		"https:///v1":                  "must be an https URL",
		"":                             "must be an https URL",
		"https://a:b@api.example.jp":   "must be scheme and host only",
		"https://api.example.jp/v1":    "must be scheme and host only",
		"https://api.example.jp?a=b":   "must be scheme and host only",
		"https://api.example.jp#a":     "must be scheme and host only",
	} {
		if got := CheckBase(address); want == "" && got != "" || !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}

package twilio

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"denwa/providers"
	"denwa/providers/carrierhttp"
)

func TestConcurrentSendsShareConnections(t *testing.T) {
	fake, p := start(t)
	for range 3 {
		if _, err := p.SendMessage(t.Context(), testMessage()); err != nil {
			t.Fatal(err)
		}
	}
	conns := map[string]bool{}
	fake.fail(func(w http.ResponseWriter, r *http.Request) {
		conns[r.RemoteAddr] = true
		fake.refuse(w, apiError{http.StatusTooManyRequests, 20429, "Too Many Requests"})
	})
	for range 3 {
		if _, err := p.SendMessage(t.Context(), testMessage()); err == nil {
			t.Fatal("no error")
		}
	}
	if len(conns) != 1 {
		t.Errorf("three requests in turn used %d connections, want 1", len(conns))
	}
}

// A connection that the server closed while idle, or on reading the request,
// must not make the transport send the message a second time.
func TestAnsweredByAClosedConnection(t *testing.T) {
	fake, p := start(t)
	if _, err := p.SendMessage(t.Context(), testMessage()); err != nil {
		t.Fatal(err)
	}
	fake.fail(func(w http.ResponseWriter, _ *http.Request) { hijack(t, w).Close() })
	_, err := p.SendMessage(t.Context(), testMessage())
	if got := failureOf(t, err); got.Kind != providers.Ambiguous {
		t.Errorf("error is %v, want ambiguous", err)
	}
	if n := len(fake.seen()); n != 2 {
		t.Errorf("the server saw %d requests, want 2", n)
	}
}

func hijack(t *testing.T, w http.ResponseWriter) net.Conn {
	t.Helper()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
	}
	return conn
}

// raw answers with bytes as they are, then closes the connection.
func raw(t *testing.T, text string) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, _ *http.Request) {
		conn := hijack(t, w)
		defer conn.Close()
		_, _ = conn.Write([]byte(text))
	}
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

func TestFaults(t *testing.T) {
	quote := `"` + testNumber + `"`
	huge := strings.Repeat("x", 1<<20)
	retry := func(value string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}
	tests := map[string]struct {
		fault http.HandlerFunc
		want  providers.Error
	}{
		"closed without an answer":  {raw(t, ""), providers.Error{Kind: providers.Ambiguous}},
		"not HTTP":                  {raw(t, testNumber+" "+testText+"\r\n\r\n"), providers.Error{Kind: providers.Ambiguous}},
		"closed in the body of 201": {raw(t, "HTTP/1.1 201 Created\r\nContent-Length: 900\r\n\r\n{\"sid\":"), providers.Error{Kind: providers.Ambiguous}},
		"closed in the body of 400": {raw(t, "HTTP/1.1 400 Bad Request\r\nContent-Length: 900\r\n\r\n{\"code\":"), providers.Error{Kind: providers.Unavailable}},
		"201 with a page":           {status(201, "<html>"+quote), providers.Error{Kind: providers.Ambiguous}},
		"201 with the wrong types":  {status(201, `{"sid":`+quote+`,"error_code":`+quote+`}`), providers.Error{Kind: providers.Ambiguous}},
		"201 without a body":        {status(201, ""), providers.Error{Kind: providers.Ambiguous}},
		"201 without a sid":         {status(201, `{"status":"queued"}`), providers.Error{Kind: providers.Ambiguous}},
		"201 with another thing":    {status(201, `{"sid":"CA0123456789abcdef0123456789abcdef","status":"queued"}`), providers.Error{Kind: providers.Ambiguous}},
		"201 without a status":      {status(201, `{"sid":"SM0123456789abcdef0123456789abcdef"}`), providers.Error{Kind: providers.Ambiguous}},
		"201 without end":           {status(201, huge), providers.Error{Kind: providers.Ambiguous}},
		"204":                       {status(204, ""), providers.Error{Kind: providers.Ambiguous}},
		"headers without end": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Huge", huge)
			w.WriteHeader(http.StatusBadRequest)
		}, providers.Error{Kind: providers.Ambiguous}},
		"400 without end":            {status(400, huge), providers.Error{Kind: providers.Unavailable}},
		"400 with an unknown code":   {status(400, `{"code":29999,"message":`+quote+`}`), providers.Error{Kind: providers.Unavailable, Code: "29999"}},
		"400 with a code as text":    {status(400, `{"code":"21211"}`), providers.Error{Kind: providers.Unavailable}},
		"401 with a page":            {status(401, "<html>"), providers.Error{Kind: providers.Auth}},
		"403 with a page":            {status(403, "<html>"), providers.Error{Kind: providers.Auth}},
		"403 for the region":         {status(403, `{"code":21408}`), providers.Error{Kind: providers.Unavailable, Code: "21408"}},
		"408":                        {status(408, ""), providers.Error{Kind: providers.Unavailable}},
		"429 in seconds":             {retry("7"), providers.Error{Kind: providers.Throttled, RetryAfter: 7 * time.Second}},
		"429 in the past":            {retry("Fri, 31 Dec 1999 23:59:59 GMT"), providers.Error{Kind: providers.Throttled}},
		"429 in far future":          {retry("2147483647"), providers.Error{Kind: providers.Throttled, RetryAfter: carrierhttp.MaxRetryAfter}},
		"429 with nonsense":          {retry("-1"), providers.Error{Kind: providers.Throttled}},
		"429 with a code":            {status(429, `{"code":20429}`), providers.Error{Kind: providers.Throttled, Code: "20429"}},
		"429 with a code of another": {status(429, `{"code":21211}`), providers.Error{Kind: providers.Throttled, Code: "21211"}},
		"500":                        {status(500, `{"code":20500}`), providers.Error{Kind: providers.Ambiguous, Code: "20500"}},
		"502 with a page":            {status(502, "<html>"), providers.Error{Kind: providers.Ambiguous}},
		"503":                        {status(503, ""), providers.Error{Kind: providers.Unavailable}},
		"504":                        {status(504, ""), providers.Error{Kind: providers.Ambiguous}},
		"599":                        {status(599, ""), providers.Error{Kind: providers.Ambiguous}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake, p := start(t)
			fake.fail(tt.fault)
			_, err := p.SendMessage(t.Context(), testMessage())
			got := *failureOf(t, err)
			got.Err = nil
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if n := len(fake.seen()); n != 1 {
				t.Errorf("the server saw %d requests, want 1", n)
			}
		})
	}
}

// A reply that doesn't end is not read to its end.
func TestReplyIsBounded(t *testing.T) {
	const offered = 64 << 20
	for _, code := range []int{http.StatusCreated, http.StatusBadRequest} {
		fake, p := start(t)
		taken := make(chan int, 1)
		fake.fail(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			block, n := make([]byte, 64<<10), 0
			for ; n < offered; n += len(block) {
				if _, err := w.Write(block); err != nil {
					break
				}
			}
			taken <- n
		})
		_, err := p.SendMessage(t.Context(), testMessage())
		want := map[int]providers.Kind{http.StatusCreated: providers.Ambiguous, http.StatusBadRequest: providers.Unavailable}[code]
		if got := failureOf(t, err); got.Kind != want {
			t.Errorf("%d: error is %v, want %s", code, err, want)
		}
		if n := <-taken; n >= offered {
			t.Errorf("%d: all of %d bytes were read", code, n)
		}
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	fake, p := start(t)
	for _, code := range []int{301, 302, 303, 307, 308} {
		fake.fail(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", r.URL.Path+"?elsewhere")
			w.WriteHeader(code)
		})
		_, err := p.SendMessage(t.Context(), testMessage())
		if got := failureOf(t, err); got.Kind != providers.Unavailable {
			t.Errorf("%d: %v, want unavailable", code, err)
		}
	}
	if n := len(fake.seen()); n != 5 {
		t.Errorf("the server saw %d requests, want 5", n)
	}
}

func TestNothingWritten(t *testing.T) {
	// A port that was free a moment ago and refuses.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := "http://" + listener.Addr().String()
	listener.Close()
	fake := newFakeTwilio(t, testConfig())

	tests := map[string]string{
		"refused":      refusing,
		"no such host": "https://twilio.invalid",
		"not TLS":      strings.Replace(fake.URL, "http:", "https:", 1),
	}
	for name, base := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			cfg.BaseURL = base
			p := newProvider(t, cfg, testPublic, noReceipts)
			_, err := p.SendMessage(t.Context(), testMessage())
			if got := failureOf(t, err); got.Kind != providers.Unavailable {
				t.Errorf("error is %v, want unavailable", err)
			}
		})
	}
	if n := len(fake.seen()); n != 0 {
		t.Errorf("the server saw %d requests, want none", n)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// An idle connection that turned out to be dead before a byte was written makes
// the transport dial again. If that fails, nothing was written at all.
func TestNothingWrittenOnADeadIdleConnection(t *testing.T) {
	p := newProvider(t, testConfig(), testPublic, noReceipts)
	p.http.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		trace := httptrace.ContextClientTrace(r.Context())
		trace.GetConn(r.Host)
		trace.GotConn(httptrace.GotConnInfo{Reused: true})
		trace.GetConn(r.Host)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	})
	_, err := p.SendMessage(t.Context(), testMessage())
	if got := failureOf(t, err); got.Kind != providers.Unavailable || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("error is %v, want unavailable", err)
	}
}

func TestContext(t *testing.T) {
	fake, p := start(t)
	reached, done := make(chan struct{}), make(chan struct{})
	fake.fail(func(_ http.ResponseWriter, r *http.Request) {
		close(reached)
		<-r.Context().Done() // the client's connection closed
		close(done)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-reached
		cancel()
	}()
	_, err := p.SendMessage(ctx, testMessage())
	if got := failureOf(t, err); got.Kind != providers.Ambiguous || !errors.Is(err, context.Canceled) {
		t.Errorf("canceled after the request was written: %v, want ambiguous", err)
	}
	<-done // the request was aborted, not abandoned

	_, err = p.SendMessage(ctx, testMessage())
	if got := failureOf(t, err); got.Kind != providers.Unavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("canceled before: %v, want unavailable", err)
	}
	if n := len(fake.seen()); n != 1 {
		t.Errorf("the server saw %d requests, want 1", n)
	}
}

func TestDeadlineWhileTheBodyIsSlow(t *testing.T) {
	fake, p := start(t)
	fake.fail(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := p.SendMessage(ctx, testMessage())
	if got := failureOf(t, err); got.Kind != providers.Ambiguous || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v, want ambiguous", err)
	}
}

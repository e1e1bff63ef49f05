package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"denwa/gateway"
	"denwa/gateway/httpapi"
)

// running is a server on real listeners.
type running struct {
	*httpapi.Server
	public, admin string // addresses
	done          chan error
}

func run(t *testing.T, change func(*httpapi.Options)) *running {
	t.Helper()
	r := &running{Server: newServer(t, change), done: make(chan error, 1)}
	var listeners [2]net.Listener
	for i, address := range []*string{&r.public, &r.admin} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[i], *address = l, l.Addr().String()
	}
	go func() { r.done <- r.Serve(listeners[0], listeners[1]) }()
	t.Cleanup(func() {
		_ = r.Shutdown(context.Background())
	})
	return r
}

// talk writes to a new connection to the public listener, and returns all that
// comes back until the server hangs up.
func (r *running) talk(t *testing.T, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", r.public)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	reply, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the server didn't hang up: %v", err)
	}
	return string(reply)
}

func TestSlowClients(t *testing.T) {
	r := run(t, func(o *httpapi.Options) {
		o.Config.ReadHeaderTimeout = 50 * time.Millisecond
		o.Config.ReadTimeout = 100 * time.Millisecond
		o.Config.IdleTimeout = 50 * time.Millisecond
	})
	head := "POST /v1/verifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + portalKey + "\r\nContent-Type: application/json\r\n"
	for name, tc := range map[string]struct{ sent, reply string }{
		"nothing":           {"", ""},
		"half a header":     {"GET /v1/docs HTTP/1.1\r\nHost:", ""},
		"half a body":       {head + "Content-Length: 100\r\n\r\n{", "HTTP/1.1 408"},
		"half a chunk":      {head + "Transfer-Encoding: chunked\r\n\r\n64\r\n{", "HTTP/1.1 408"},
		"then idle":         {"GET /v1/openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200"},
		"an endless header": {"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 40<<10), "HTTP/1.1 431"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if reply := r.talk(t, tc.sent); !strings.HasPrefix(reply, tc.reply) || tc.reply == "" && reply != "" {
				t.Errorf("reply %.300q, want %q", reply, tc.reply)
			}
		})
	}
}

func TestBodyThatEndsEarly(t *testing.T) {
	r := run(t, nil)
	c, err := net.Dial("tcp", r.public)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = fmt.Fprintf(c, "POST /v1/verifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{", portalKey)
	_ = c.(*net.TCPConn).CloseWrite()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, readReply(t, res), http.StatusBadRequest, "invalid_request")
}

func TestOversizedBodyIsNotRead(t *testing.T) {
	r := run(t, nil)
	head := "POST /v1/verifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + portalKey + "\r\nContent-Type: application/json\r\n"
	reply := r.talk(t, head+"Content-Length: 1073741824\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(reply, "HTTP/1.1 413") {
		t.Errorf("reply %.300q", reply)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	r := run(t, func(o *httpapi.Options) { o.Config.MaxConnections = 1 })
	first, err := net.Dial("tcp", r.public)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	ask(t, first)
	second, err := net.Dial("tcp", r.public)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	answered := make(chan struct{})
	go func() {
		ask(t, second)
		close(answered)
	}()
	select {
	case <-answered:
		t.Error("two connections at once")
	case <-time.After(50 * time.Millisecond):
	}
	_ = first.Close()
	<-answered
}

// ask makes one request and reads the reply.
func ask(t *testing.T, c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	_, _ = io.WriteString(c, "GET /v1/openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
}

// TestShutdown stops a server with a start in flight and a client that waits a
// minute: the start finishes, the wait ends, and /readyz says so first.
func TestShutdown(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	fake := newFakeGateway()
	r := run(t, func(o *httpapi.Options) {
		o.Verifier = fake
		o.Config.ShutdownDelay = 100 * time.Millisecond
	})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	call := func(method, address, path, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		req.Header.Set("Authorization", "Bearer "+portalKey)
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text)
	}
	_, text := call("POST", r.public, start, aNumber)
	id, _, _ := strings.Cut(strings.TrimPrefix(text, `{"id":"`), `"`)

	started, release := make(chan struct{}), make(chan struct{})
	slow := sync.OnceFunc(func() { close(started); <-release })
	var inFlight sync.WaitGroup
	inFlight.Go(func() {
		if status, text := call("GET", r.public, start+"/"+id+"?wait=60", ""); status != http.StatusOK {
			t.Errorf("long poll: %d %s", status, text)
		}
	})
	// The fake holds its lock while it starts, so the long poll must be waiting.
	waitUntil(t, func() bool { return fake.waiting.Load() == 1 })
	fake.starting = func(context.Context) { slow() }
	inFlight.Go(func() {
		if status, text := call("POST", r.public, start, aNumber); status != http.StatusCreated {
			t.Errorf("start in flight: %d %s", status, text)
		}
	})
	<-started

	stopped := make(chan error, 1)
	go func() { stopped <- r.Shutdown(context.Background()) }()
	waitUntil(t, func() bool {
		status, _ := call("GET", r.admin, "/readyz", "")
		return status == http.StatusServiceUnavailable
	})
	if status, _ := call("GET", r.public, "/v1/docs", ""); status != http.StatusOK {
		t.Errorf("within shutdown_delay: %d", status)
	}
	select {
	case err := <-stopped:
		t.Errorf("stopped with a request in flight: %v", err)
	default:
	}
	close(release)
	inFlight.Wait()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if err := <-r.done; err != nil {
		t.Error(err)
	}
}

func TestShutdownGivesUp(t *testing.T) {
	fake := newFakeGateway()
	started, release := make(chan struct{}), make(chan struct{})
	fake.starting = func(context.Context) { close(started); <-release }
	defer close(release)
	r := run(t, func(o *httpapi.Options) {
		o.Verifier = fake
		o.Config.ShutdownTimeout = 20 * time.Millisecond
	})
	c, err := net.Dial("tcp", r.public)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		start, portalKey, len(aNumber), aNumber)
	<-started
	if err := r.Shutdown(context.Background()); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "still in flight") {
		t.Errorf("shut down: %v", err)
	}
}

func TestServeFails(t *testing.T) {
	s := newServer(t, nil)
	var l [2]net.Listener
	for i := range l {
		var err error
		if l[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	_ = l[1].Close()
	if err := s.Serve(l[0], l[1]); err == nil || !strings.Contains(err.Error(), "serve admin listener") {
		t.Errorf("serve: %v", err)
	}
}

func waitUntil(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it didn't happen within a minute")
		}
	}
}

var _ httpapi.Verifier = (*gateway.Service)(nil)

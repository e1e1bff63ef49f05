package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"denwa/gateway/httpapi"
)

// stream is a verification's event stream as a client reads it.
type stream struct {
	*http.Response
	r *bufio.Reader
}

// follow opens the event stream of a verification, over h.
func follow(tb testing.TB, h *http.Client, address, path string, headers ...string) *stream {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, "http://"+address+path+"/events", nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+portalKey)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := h.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = res.Body.Close() })
	return &stream{res, bufio.NewReader(res.Body)}
}

// block reads up to an empty line; "" at the end of the stream.
func (s *stream) block(tb testing.TB) string {
	tb.Helper()
	var b strings.Builder
	for {
		line, err := s.r.ReadString('\n')
		b.WriteString(line)
		switch {
		case errors.Is(err, io.EOF) && b.Len() == 0:
			return ""
		case err != nil:
			tb.Fatalf("the stream broke off: %v after %q", err, b.String())
		case line == "\n":
			return b.String()
		}
	}
}

// event reads a block that is an event, returns its id and data, and holds the
// data against openapi.yaml.
func (s *stream) event(tb testing.TB) (id, data string) {
	tb.Helper()
	text := strings.TrimPrefix(s.block(tb), "retry: 1000\n")
	var name string
	for _, field := range []struct {
		prefix string
		value  *string
	}{{"id: ", &id}, {"event: ", &name}, {"data: ", &data}} {
		rest, ok := strings.CutPrefix(text, field.prefix)
		*field.value, text, _ = strings.Cut(rest, "\n")
		if !ok {
			tb.Fatalf("no %q in an event, before %q", field.prefix, rest)
		}
	}
	if name != "verification" || text != "\n" {
		tb.Fatalf("event %q, then %q", name, text)
	}
	get := s.Request.Clone(tb.Context())
	get.URL.Path = strings.TrimSuffix(get.URL.Path, "/events")
	res := &http.Response{StatusCode: http.StatusOK, Header: s.Header.Clone()}
	res.Header.Set("Content-Type", "application/json")
	res.Header.Set("ETag", "x") // which only the reply to a request has
	holdToSpecification(tb, get, res, data)
	return id, data
}

// eventWith reads an event and fails the test unless its data holds text.
func (s *stream) eventWith(tb testing.TB, text string) (id string) {
	tb.Helper()
	id, data := s.event(tb)
	if !strings.Contains(data, text) {
		tb.Fatalf("the event lacks %s: %s", text, data)
	}
	return id
}

// ends fails the test unless the stream is over, in good order.
func (s *stream) ends(tb testing.TB) {
	tb.Helper()
	if text := s.block(tb); text != "" {
		tb.Errorf("the stream goes on: %q", text)
	}
}

// pipes is a listener without a network. Its connections hold nothing that the
// other side hasn't read, and their deadlines follow a test's own time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.conns <- there
	return here, nil
}

// runPiped runs a server without a network.
func runPiped(t *testing.T, change func(*httpapi.Options)) (*httpapi.Server, *pipes) {
	t.Helper()
	s, public, admin := newServer(t, change), newPipes(), newPipes()
	done := make(chan error)
	go func() { done <- s.Serve(public, admin) }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, public
}

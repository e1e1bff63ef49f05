package http

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"denwa/providers"
)

var testNow = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func testMessage() providers.Message {
	return providers.Message{
		Delivery: "vf_abc.1", To: "+819037264815", ValidFor: 10 * time.Minute,
		Text: "【Example】認証コード：493817\n\"{to}\"&phone=1\n@example.com #493817",
	}
}

// exchanged is one request as it was on the wire.
type exchanged struct {
	method, target, body string
	header               http.Header
}

// aggregator is a local aggregator that answers as it is told.
type aggregator struct {
	*httptest.Server
	mu   sync.Mutex
	seen []exchanged
}

func newAggregator(t testing.TB, answer http.HandlerFunc) *aggregator {
	t.Helper()
	a := &aggregator{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client went away
		}
		a.mu.Lock()
		header := r.Header.Clone()
		a.seen = append(a.seen, exchanged{r.Method, r.RequestURI, string(body), header})
		a.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *aggregator) requests() []exchanged {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seen
}

// requireOnly fails the test unless there was exactly one request.
func (a *aggregator) requireOnly(t *testing.T, want exchanged) {
	t.Helper()
	if diff := cmp.Diff([]exchanged{want}, a.requests(), cmp.AllowUnexported(exchanged{})); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// provider is a provider whose log nobody reads and whose receipts nobody takes.
func (a *aggregator) provider(t testing.TB, cfg Config) *Provider {
	t.Helper()
	return newProvider(t, cfg, newShelf(), func(context.Context, string, providers.Receipt) error { return nil }, slog.New(slog.DiscardHandler))
}

func newProvider(t testing.TB, cfg Config, ids IDStore, receive providers.Receiver, log *slog.Logger) *Provider {
	t.Helper()
	p, err := New(cfg, testPublic, ids, receive, log)
	if err != nil {
		t.Fatal(err)
	}
	p.now = func() time.Time { return testNow }
	t.Cleanup(func() { p.Close() })
	return p
}

func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// raw writes bytes to the connection and closes it.
func raw(t testing.TB, bytes string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, bytes)
		conn.Close()
	}
}

// shelf is an [IDStore] in memory.
type shelf struct {
	mu      sync.Mutex
	known   map[string]string
	asked   int
	failing bool
}

func newShelf() *shelf { return &shelf{known: map[string]string{}} }

func (s *shelf) Remember(_ context.Context, id, what string, ttl time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing || ttl <= 0 {
		return errors.New("the store doesn't answer")
	}
	s.known[id] = what
	return nil
}

func (s *shelf) Recall(_ context.Context, ids ...string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.failing {
		return nil, errors.New("the store doesn't answer")
	}
	what := make([]string, len(ids))
	for i, id := range ids {
		what[i] = s.known[id]
	}
	return what, nil
}

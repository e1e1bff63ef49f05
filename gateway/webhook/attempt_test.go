package webhook

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"denwa/gateway"
)

// oneEvent is an outbox with one event, which notes how it is settled.
type oneEvent struct {
	Outbox
	settled  []string
	disabled string
}

func (o *oneEvent) Done(context.Context, gateway.Notification) error { return o.note("done") }

func (o *oneEvent) Release(context.Context, gateway.Notification) error { return o.note("release") }

func (o *oneEvent) Retry(_ context.Context, _ gateway.Notification, after time.Duration) error {
	return o.note(fmt.Sprint("retry in ", after.Round(time.Second)))
}

func (o *oneEvent) Dead(_ context.Context, _ gateway.Notification, reason string, attempts int) error {
	return o.note(fmt.Sprintf("dead: %s, %d", reason, attempts))
}

func (o *oneEvent) Disable(_ context.Context, _, endpoint string, d time.Duration) error {
	o.disabled = endpoint
	return o.note(fmt.Sprint("disable for ", d))
}

func (o *oneEvent) Disabled(_ context.Context, _, endpoint string) (bool, error) {
	return o.disabled == endpoint, nil
}

func (o *oneEvent) note(what string) error {
	o.settled = append(o.settled, what)
	return nil
}

func testEvent() gateway.Notification {
	return gateway.Notification{ID: "msg_abc_1", App: "app", Type: "verification.approved", At: time.Now()}
}

// TestAttempt is every answer that a receiver may give.
func TestAttempt(t *testing.T) {
	status := func(code int, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(code)
		}
	}
	raw := func(answer string) http.HandlerFunc { // and then hangs up
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, answer)
			conn.Close()
		}
	}
	var followed atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer elsewhere.Close()

	for _, tc := range []struct {
		name    string
		answer  http.HandlerFunc
		outcome Outcome
		settled string
		logged  string
	}{
		{"200", status(200), Delivered, "done", "event delivered"},
		{"202", status(202), Delivered, "done", "event delivered"},
		{"204", status(204), Delivered, "done", "event delivered"},
		{"early hints", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(200) }, Delivered, "done", "event delivered"},
		{"a body without end", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat(testNumber, 1000)); err != nil {
					return
				}
			}
		}, Delivered, "done", "event delivered"},
		{"a body cut short", raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12"), Delivered, "done", "event delivered"},
		{"301", status(301, "Location", elsewhere.URL), Rejected, "retry in 5s", "status=301"},
		{"307", status(307, "Location", elsewhere.URL), Rejected, "retry in 5s", "status=307"},
		{"308", status(308, "Location", elsewhere.URL), Rejected, "retry in 5s", "status=308"},
		{"400", status(400), Rejected, "retry in 5s", "status=400"},
		{"401", status(401), Rejected, "retry in 5s", "status=401"},
		{"404", status(404), Rejected, "retry in 5s", "status=404"},
		{"500", status(500), Rejected, "retry in 5s", "status=500"},
		{"500 ignores Retry-After", status(500, "Retry-After", "3600"), Rejected, "retry in 5s", "status=500"},
		{"429", status(429), Throttled, "retry in 5s", "status=429"},
		{"429 Retry-After", status(429, "Retry-After", "3600"), Throttled, "retry in 1h0m0s", "status=429"},
		{"503 Retry-After", status(503, "Retry-After", "60"), Throttled, "retry in 1m0s", "status=503"},
		{"503 for ever", status(503, "Retry-After", "4000000000"), Throttled, "retry in 10h0m0s", "status=503"},
		{"410", status(410), Gone, "disable for 24h0m0s dead: gone, 1", "status=410"},
		{"nothing", raw(""), Unreachable, "retry in 5s", "the connection ended"},
		{"half a header", raw("HTTP/1.1 200 OK\r\nDate"), Unreachable, "retry in 5s", "is not HTTP"},
		{"not HTTP", raw("SIP/2.0 200 " + testNumber + " " + testPath + "\r\n\r\n"), Unreachable, "retry in 5s", "is not HTTP"},
		{"endless header", raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat(testNumber, 5000) + "\r\n\r\n"), Unreachable, "retry in 5s", "is not HTTP"},
		{"silence", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, Timeout, "retry in 5s", "no answer in time"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newReceiver(t, tc.answer)
			o := &oneEvent{}
			d := newDispatcher(t, o, map[string]gateway.Webhook{"app": r.webhook()})
			d.timeout = 5 * time.Second
			if tc.outcome == Timeout {
				d.timeout = 100 * time.Millisecond
			}
			d.settle(t.Context(), testEvent(), d.attempt(t.Context(), testEvent()))
			if got := strings.Join(o.settled, " "); got != tc.settled {
				t.Errorf("settled as %q, want %q", got, tc.settled)
			}
			if n := d.attempts(t, "app", tc.outcome); n != 1 {
				t.Errorf("%v attempts counted as %s", n, tc.outcome)
			}
			if strings.Count(d.log.String(), "\n") != 1 || !strings.Contains(d.log.String(), tc.logged) {
				t.Errorf("log, want one line with %q: %s", tc.logged, d.log)
			}
			requireQuiet(t, d.log.String())
			if len(r.got()) != 1 {
				t.Errorf("%d requests", len(r.got()))
			}
		})
	}
	if followed.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

// TestAttemptWithoutAnswer is everything that fails before one.
func TestAttemptWithoutAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	plain := newReceiver(t, nil)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	defer secure.Close()
	secret := secretOf("now")
	for _, tc := range []struct {
		name    string
		to      gateway.Webhook
		outcome Outcome
		logged  string
	}{
		{"nobody there", gateway.Webhook{URL: "http://" + closed + testPath, Secret: secret, AllowPrivate: true}, Unreachable, "refused"},
		{"no such name", gateway.Webhook{URL: "http://nothing.invalid" + testPath, Secret: secret, AllowPrivate: true}, Unreachable, "nothing.invalid"},
		{"unknown authority", gateway.Webhook{URL: secure.URL + testPath, Secret: secret, AllowPrivate: true}, Unreachable, "certificate"},
		{"no TLS", gateway.Webhook{URL: "https" + plain.URL[4:] + testPath, Secret: secret, AllowPrivate: true}, Unreachable, "TLS"},
		{"no secret", gateway.Webhook{URL: plain.URL + testPath, AllowPrivate: true}, Unrendered, "no secret"},
		{"not a url", gateway.Webhook{URL: "http://%zz" + testPath, Secret: secret, AllowPrivate: true}, Unrendered, "not one"},
		{"http in public", gateway.Webhook{URL: "http://192.0.2.1" + testPath, Secret: secret}, Forbidden, "not https"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := &oneEvent{}
			d := newDispatcher(t, o, map[string]gateway.Webhook{"app": tc.to})
			d.settle(t.Context(), testEvent(), d.attempt(t.Context(), testEvent()))
			if n := d.attempts(t, "app", tc.outcome); n != 1 || strings.Join(o.settled, " ") != "retry in 5s" {
				t.Errorf("%v counted as %s, settled as %q: %s", n, tc.outcome, o.settled, d.log)
			}
			if !strings.Contains(d.log.String(), tc.logged) {
				t.Errorf("no %q in the log: %s", tc.logged, d.log)
			}
			requireQuiet(t, d.log.String())
		})
	}
	if len(plain.got()) != 0 {
		t.Error("an unsigned event was sent")
	}
}

// TestGuardedAttempt: whatever a private address is called, nothing connects.
func TestGuardedAttempt(t *testing.T) {
	var connected atomic.Int32
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ConnState = func(net.Conn, http.ConnState) { connected.Add(1) }
	server.StartTLS()
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	for _, host := range []string{
		"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]", "127.1", "0x7f000001",
		"169.254.169.254", "10.0.0.1", "[fd00:ec2::254]", "[64:ff9b::7f00:1]",
	} {
		o := &oneEvent{}
		d := newDispatcher(t, o, map[string]gateway.Webhook{"app": {URL: "https://" + host + ":" + port + testPath, Secret: secretOf("now")}})
		r := d.attempt(t.Context(), testEvent())
		if r.outcome != Forbidden && (r.outcome != Unreachable || host[0] == '[') {
			t.Errorf("%s: %s, %v", host, r.outcome, r.err)
		}
	}
	if connected.Load() != 0 {
		t.Errorf("%d connections", connected.Load())
	}
}

// TestAllowedConnectionIsNotShared: a connection that one app was allowed to
// open serves no app that isn't.
func TestAllowedConnectionIsNotShared(t *testing.T) {
	r := newReceiver(t, nil)
	d := newDispatcher(t, &oneEvent{}, map[string]gateway.Webhook{"app": r.webhook()})
	d.clients.public = newClient(guard(func(netip.Addr) bool { return false }))
	if got := d.attempt(t.Context(), testEvent()); got.outcome != Delivered {
		t.Fatal(got)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.clients.public.Do(request); failure(err).outcome != Forbidden { //nolint:bodyclose // there is none.
		t.Errorf("the guarded client: %v", err)
	}
}

func TestEventThatCantBeRendered(t *testing.T) {
	unreadable := testEvent()
	unreadable.Err = fmt.Errorf("unreadable")
	foreign := testEvent()
	foreign.App = "removed"
	for _, n := range []gateway.Notification{unreadable, foreign} {
		o := &oneEvent{}
		r := newReceiver(t, nil)
		d := newDispatcher(t, o, map[string]gateway.Webhook{"app": r.webhook()})
		d.settle(t.Context(), n, d.attempt(t.Context(), n))
		if strings.Join(o.settled, " ") != "retry in 5s" || len(r.got()) != 0 {
			t.Errorf("settled as %q, %d requests", o.settled, len(r.got()))
		}
	}
}

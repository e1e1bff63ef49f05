package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"denwa/gateway"
	"denwa/gateway/httpapi"
)

// TestEvents follows a verification over a real connection, from its start to
// its approval.
func TestEvents(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := run(t, func(o *httpapi.Options) { o.Registerer, o.Gatherer = reg, reg })
	c := newClient(r.Server)
	path := begin(t, c)

	s := follow(t, http.DefaultClient, r.public, path, "X-Request-Id", "req-1")
	if s.StatusCode != http.StatusOK {
		t.Fatal(s.Status)
	}
	for name, value := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no",
		"X-Request-Id": "req-1", "X-Content-Type-Options": "nosniff",
	} {
		if got := s.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	holdToSpecification(t, s.Request, s.Response, "")
	if !s.Close {
		t.Error("the connection would be used again, for this instance only")
	}
	first := s.block(t)
	if exact := "retry: 1000\nid: 1775001600123456\nevent: verification\ndata: " + c.do(t, "GET", path, "").text + "\n\n"; first != exact {
		t.Errorf("first block %q, want %q", first, exact)
	}

	changed := time.Now()
	c.do(t, "POST", path+"/check", `{"code":"000000"}`)
	second := s.eventWith(t, `"attempts_remaining":4`)
	c.do(t, "POST", path+"/resend", `{"channel":"voice"}`)
	third := s.eventWith(t, `"channel":"voice"`)
	c.do(t, "POST", path+"/check", `{"code":"123456"}`)
	last := s.eventWith(t, `"status":"approved"`)
	s.ends(t)
	if took := time.Since(changed); took > 15*time.Second { // the heartbeat
		t.Errorf("three changes took %s to arrive", took)
	}
	if second != "1775001600123457" || third != "1775001600123458" || last != "1775001600123459" {
		t.Errorf("ids %s, %s, %s", second, third, last)
	}
	const series = "GET /v1/verifications/{id}/events 200"
	waitUntil(t, func() bool { return counts(t, reg)[series] == 1 })
}

func TestEventsResume(t *testing.T) {
	r := run(t, nil)
	c := newClient(r.Server)
	path := begin(t, c)
	id, _ := follow(t, http.DefaultClient, r.public, path).event(t)

	// Nothing has changed since: nothing is repeated.
	s := follow(t, http.DefaultClient, r.public, path, "Last-Event-ID", id)
	if text := s.block(t); text != "retry: 1000\n\n" {
		t.Errorf("resumed with %q", text)
	}
	c.do(t, "POST", path+"/check", `{"code":"000000"}`)
	s.eventWith(t, `"attempts_remaining":4`)

	// What changed in between comes at once, and so it does for strange ids.
	for _, old := range []string{id, "", "0", "x", "-1", "99999999999999999999", "1775001600999999"} {
		follow(t, http.DefaultClient, r.public, path, "Last-Event-ID", old).eventWith(t, `"attempts_remaining":4`)
	}

	c.do(t, "POST", path+"/cancel", "")
	s = follow(t, http.DefaultClient, r.public, path, "Last-Event-ID", id)
	last := s.eventWith(t, `"status":"canceled"`)
	s.ends(t)
	if over := c.do(t, "GET", path+"/events", "", "Last-Event-ID", last); over.StatusCode != http.StatusNoContent || over.text != "" {
		t.Errorf("a client that knows the end: %s %q", over.Status, over.text)
	}
}

// TestEventsRefusals: what goes wrong before the first event is a problem as
// anywhere else.
func TestEventsRefusals(t *testing.T) {
	fake := newFakeGateway()
	s := newServer(t, func(o *httpapi.Options) { o.Verifier = fake })
	c := newClient(s)
	path := begin(t, c) + "/events"
	want(t, c.do(t, "GET", path, "", "Authorization", ""), http.StatusUnauthorized, "unauthorized")
	want(t, c.do(t, "GET", path+"?key="+portalKey, ""), http.StatusUnauthorized, "unauthorized")
	want(t, c.do(t, "GET", path+"?wait=1", ""), http.StatusBadRequest, "invalid_request")
	want(t, c.do(t, "GET", start+"/vf_x/events", ""), http.StatusNotFound, "not_found")
	want(t, client{s, loginKey}.do(t, "GET", path, ""), http.StatusNotFound, "not_found")
	want(t, c.do(t, "POST", path, ""), http.StatusMethodNotAllowed, "invalid_request")
	fake.breakDown(&gateway.Error{Code: gateway.CodeUnavailable, Message: "the store doesn't answer"})
	want(t, c.do(t, "GET", path, ""), http.StatusServiceUnavailable, "unavailable")
	limited := newClient(newServer(t, func(o *httpapi.Options) { o.KeyRate = never{} }))
	want(t, limited.do(t, "GET", path, ""), http.StatusTooManyRequests, "rate_limited")
}

// TestEventsHeartbeat follows a verification that never changes: a comment each
// 15 seconds, well past write_timeout, and a clean end after ten minutes.
func TestEventsHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, pipe := runPiped(t, nil)
		path := begin(t, newClient(server))
		h := &http.Client{Transport: &http.Transport{DialContext: pipe.dial}}
		s := follow(t, h, "pipe", path)
		begun := time.Now()
		s.event(t)
		beats := 0
		for text := s.block(t); text != ""; text = s.block(t) {
			beats++
			if at := time.Since(begun); text != ":\n\n" || at != time.Duration(beats)*15*time.Second {
				t.Fatalf("after %s: %q", at, text)
			}
		}
		// The fortieth falls on the end.
		if took := time.Since(begun); beats != 39 && beats != 40 || took != 10*time.Minute {
			t.Errorf("%d heartbeats, and the end after %s", beats, took)
		}
	})
}

// TestEventsSlowReader has a client that stops reading. The server drops it
// when an event can't be written within ten seconds.
func TestEventsSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeGateway()
		server, pipe := runPiped(t, func(o *httpapi.Options) { o.Verifier = fake })
		c := newClient(server)
		path := begin(t, c)
		conn, err := pipe.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = fmt.Fprintf(conn, "GET %s/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, portalKey)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		(&stream{res, bufio.NewReader(res.Body)}).block(t)
		synctest.Wait()
		c.do(t, "POST", path+"/check", `{"code":"000000"}`)
		time.Sleep(10*time.Second - time.Nanosecond)
		synctest.Wait()
		// While it is being written, the server doesn't wait for the next change.
		if fake.waiting.Load() != 0 {
			t.Fatal("the event was written, though nobody reads")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if rest, err := io.ReadAll(conn); err != nil || len(rest) != 0 {
			t.Errorf("after ten seconds: %q, %v", rest, err)
		}
	})
}

// TestEventsClientGone: a client that hangs up leaves nothing behind, long
// before a heartbeat would notice.
func TestEventsClientGone(t *testing.T) {
	if _, err := specification(); err != nil { // keeps goroutines of its own
		t.Fatal(err)
	}
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	fake := newFakeGateway()
	r := run(t, func(o *httpapi.Options) { o.Verifier = fake })
	path := begin(t, newClient(r.Server))
	h := &http.Client{Transport: &http.Transport{}}
	s := follow(t, h, r.public, path)
	s.event(t)
	waitUntil(t, func() bool { return fake.waiting.Load() == 1 })
	_ = s.Body.Close()
	waitUntil(t, func() bool { return fake.waiting.Load() == 0 })
	if err := r.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestEventsDrain: a server that stops ends its streams in good order, and
// without waiting for the verification.
func TestEventsDrain(t *testing.T) {
	fake := newFakeGateway()
	r := run(t, func(o *httpapi.Options) {
		o.Verifier = fake
		o.Config.ShutdownDelay = 200 * time.Millisecond
	})
	path := begin(t, newClient(r.Server))
	s := follow(t, http.DefaultClient, r.public, path)
	id, _ := s.event(t)
	waitUntil(t, func() bool { return fake.waiting.Load() == 1 })
	stopped := make(chan error, 1)
	go func() { stopped <- r.Shutdown(context.Background()) }()
	s.ends(t)
	// Whoever comes back here in the meantime learns what there is, and goes on.
	again := follow(t, http.DefaultClient, r.public, path, "Last-Event-ID", "0")
	if same, _ := again.event(t); same != id {
		t.Errorf("id %s, then %s", id, same)
	}
	again.ends(t)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestEventsDrainInSilence: a stream ends in good order, too, when its last word
// is longer ago than a client may take for one.
func TestEventsDrainInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, pipe := runPiped(t, nil)
		path := begin(t, newClient(server))
		s := follow(t, &http.Client{Transport: &http.Transport{DialContext: pipe.dial}}, "pipe", path)
		s.event(t)
		time.Sleep(14 * time.Second)
		stopped := make(chan error)
		go func() { stopped <- server.Shutdown(context.Background()) }()
		s.ends(t)
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// TestEventsBreakOff: the store fails in the middle of a stream.
func TestEventsBreakOff(t *testing.T) {
	var log bytes.Buffer
	fake := newFakeGateway()
	r := run(t, func(o *httpapi.Options) {
		o.Verifier = fake
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	path := begin(t, newClient(r.Server))
	s := follow(t, http.DefaultClient, r.public, path)
	s.event(t)
	waitUntil(t, func() bool { return fake.waiting.Load() == 1 })
	fake.breakDown(&gateway.Error{Code: gateway.CodeUnavailable, Message: "x", Err: errors.New("connection refused")})
	s.ends(t)
	if err := r.Shutdown(context.Background()); err != nil { // and so the log is complete
		t.Error(err)
	}
	if text := log.String(); !strings.Contains(text, `level=WARN msg="event stream broken off" app=portal`) || !strings.Contains(text, "connection refused") {
		t.Errorf("logged %s", text)
	}
}

// TestManyEventStreams has 200 clients follow one verification until it is
// approved.
func TestManyEventStreams(t *testing.T) {
	if _, err := specification(); err != nil { // keeps goroutines of its own
		t.Fatal(err)
	}
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	const clients = 200
	fake := newFakeGateway()
	r := run(t, func(o *httpapi.Options) { o.Verifier = fake })
	c := newClient(r.Server)
	path := begin(t, c)
	h := &http.Client{Transport: &http.Transport{}}
	var (
		wg       sync.WaitGroup
		approved time.Time
		latest   [clients]time.Time
	)
	for i := range clients {
		wg.Go(func() {
			s := follow(t, h, r.public, path)
			if text := s.block(t); !strings.Contains(text, `"status":"pending"`) {
				t.Errorf("first: %q", text)
			}
			if text := s.block(t); !strings.Contains(text, `"status":"approved"`) {
				t.Errorf("second: %q", text)
			}
			latest[i] = time.Now()
			s.ends(t)
			_ = s.Body.Close()
		})
	}
	waitUntil(t, func() bool { return fake.waiting.Load() == clients })
	approved = time.Now()
	c.do(t, "POST", path+"/check", `{"code":"123456"}`)
	wg.Wait()
	var slowest time.Duration
	for _, at := range latest {
		slowest = max(slowest, at.Sub(approved))
	}
	t.Logf("the last of %d clients learnt of it after %s", clients, slowest)
	if slowest > time.Second {
		t.Errorf("the last client learnt of it after %s", slowest)
	}
	if err := r.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

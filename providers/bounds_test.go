package providers

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// breaks has "a" left alone for a minute after two failures.
func breaks() map[string]Bounds {
	return map[string]Bounds{"a": {Breaker: Breaker{Failures: 2, OpenFor: time.Minute}}}
}

// A provider that keeps failing isn't asked for a while; then one send tries it.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, []string{"a:unavailable,auth,ambiguous", "b"}, nil, breaks())
		send := func(want ...string) {
			t.Helper()
			w.carriers["a"].asked, w.carriers["b"].asked, w.journal = nil, nil, nil
			if _, _, err := w.send(t); err != nil {
				t.Error(err)
			}
			var asked []string
			for _, name := range []string{"a", "b"} {
				if len(w.carriers[name].asked) > 0 {
					asked = append(asked, name)
				}
			}
			if diff := cmp.Diff(want, asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		}
		open := func() float64 { return testutil.ToFloat64(w.counts.open.WithLabelValues("a", "sms")) }

		send("a", "b")
		if open() != 0 {
			t.Error("it trips at once")
		}
		send("a", "b")
		if open() != 1 || !strings.Contains(w.log.String(), "left alone") {
			t.Errorf("it doesn't trip:\n%s", w.log)
		}
		if err := w.Ready(t.Context()); err != nil {
			t.Errorf("not ready with b: %v", err)
		}
		send("b")
		if first := w.Plan(SMS, "JP").First(); first != "b" || len(w.journal) != 0 {
			t.Errorf("%q is asked first, and recorded: %v", first, w.journal)
		}

		time.Sleep(time.Minute + time.Millisecond)
		send("a", "b") // still failing
		send("b")
		time.Sleep(time.Minute + time.Millisecond)
		send("a") // works again
		if open() != 0 || !strings.Contains(w.log.String(), "works again") {
			t.Errorf("it stays open:\n%s", w.log)
		}
		send("a")
	})
}

// What a provider refuses for good, or puts off, says that it works.
func TestBreakerAndRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, []string{"a:invalid,rejected,invalid,throttled,throttled,throttled,unavailable,rejected,unavailable", "b"}, nil, breaks())
		for range 9 {
			_, _, _ = w.send(t)
		}
		if n := len(w.carriers["a"].asked); n != 9 {
			t.Errorf("a was asked %d times of 9", n)
		}
	})
}

func TestNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, []string{"a:unavailable,unavailable"}, nil, breaks())
		for range 2 {
			_, _, _ = w.send(t)
		}
		if err := w.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "sms") {
			t.Errorf("ready without a provider: %v", err)
		}
		begin := time.Now()
		if _, _, err := w.send(t); KindOf(err) != Unavailable || time.Since(begin) != 0 || len(w.carriers["a"].asked) != 2 {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		time.Sleep(time.Minute + time.Millisecond)
		if err := w.Ready(t.Context()); err != nil {
			t.Errorf("not ready to try: %v", err)
		}
	})
}

// A provider has no more calls under way than it may; who waits too long for
// one to end goes on to the next.
func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, []string{"a:hang,hang", "b"}, nil, map[string]Bounds{"a": {Concurrency: 1}})
		done := make(chan string, 2)
		for range 2 {
			go func() {
				_, provider, _ := w.Send(t.Context(), w.Plan(SMS, "JP"), Message{Delivery: "d", To: number, Text: text}, "JP", w.record)
				done <- provider
			}()
		}
		synctest.Wait()
		if n := w.carriers["a"].count(); n != 1 {
			t.Errorf("%d calls are under way", n)
		}
		begin := time.Now()
		if first := <-done; first != "b" || time.Since(begin) != defaultTimeout/2 {
			t.Errorf("%q after %v", first, time.Since(begin))
		}
		<-done
		if _, provider, err := w.send(t); err != nil || provider != "a" && w.carriers["a"].count() != 2 {
			t.Errorf("%q, %v: its place isn't free again", provider, err)
		}
	})
}

func TestBoundsAreChecked(t *testing.T) {
	for _, b := range []Breaker{{Failures: -2}, {Failures: 1001}, {OpenFor: time.Millisecond}, {OpenFor: 2 * time.Hour}} {
		wrong := false
		b.Validate(func(string, string) { wrong = true })
		if !wrong {
			t.Errorf("%+v is fine", b)
		}
	}
	for _, b := range []Breaker{{}, {Failures: never}, {Failures: 1, OpenFor: time.Second}} {
		b.Validate(func(field, problem string) { t.Errorf("%+v: %s %s", b, field, problem) })
	}
	if _, err := newGate("a", Bounds{Concurrency: -1}); err == nil {
		t.Error("a negative concurrency is fine")
	}
}

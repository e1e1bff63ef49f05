package providers

import (
	"strings"
	"sync"
	"sync/atomic"
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
		if first := w.Plan(textJP).First(); first != "b" || len(w.journal) != 0 {
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

// One send tries a provider that was left alone. Those that come meanwhile go by
// the next, without a delivery by it on their record.
func TestOneProbeAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, []string{"a:unavailable,unavailable,hang", "b"}, nil, breaks())
		for range 2 {
			_, _, _ = w.send(t)
		}
		time.Sleep(time.Minute + time.Millisecond)
		w.carriers["a"].asked, w.carriers["b"].asked, w.journal = nil, nil, nil
		var probe sync.WaitGroup
		probe.Go(func() {
			if _, provider, err := w.send(t); err != nil || provider != "b" {
				t.Errorf("the probe: %q, %v", provider, err)
			}
		})
		synctest.Wait()
		for range 3 {
			if _, provider, err := w.send(t); err != nil || provider != "b" {
				t.Errorf("%q, %v", provider, err)
			}
		}
		if w.carriers["a"].count() != 1 || w.carriers["b"].count() != 3 || len(w.journal) != 0 {
			t.Errorf("asked %v, recorded %v", w.asked(), w.journal)
		}
		if err := w.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		probe.Wait()
		if got := w.Plan(textJP).order(); got != "b a" {
			t.Errorf("after a probe that failed: %q", got)
		}
	})
}

// A probe that is told to slow down tried nothing: the next send tries again.
func TestThrottledProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, []string{"a:unavailable,unavailable,throttled", "b"}, nil, breaks())
		for range 2 {
			_, _, _ = w.send(t)
		}
		time.Sleep(time.Minute + time.Millisecond)
		for _, want := range []string{"b", "a"} {
			if _, provider, err := w.send(t); err != nil || provider != want {
				t.Errorf("%q, %v, want %q", provider, err, want)
			}
		}
	})
}

// What a provider can't do says nothing of how it does: it goes on by the next,
// and nobody is left alone for it.
func TestUnfit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, []string{"a:unfit,unfit,unfit,unavailable,unfit,unavailable,unfit", "b"}, nil, breaks())
		for range 6 {
			if _, provider, err := w.send(t); err != nil || provider != "b" {
				t.Fatalf("%q, %v", provider, err)
			}
		}
		if n := w.carriers["a"].count(); n != 6 {
			t.Fatalf("a was asked %d times of 6", n)
		}
		if !w.Router.chains[0].links[0].open() {
			t.Fatal("two failures with something else between them are no two in a row")
		}
		time.Sleep(time.Minute + time.Millisecond)
		for _, want := range []string{"b", "a"} { // it isn't tried by what it can't do
			if _, provider, err := w.send(t); err != nil || provider != want {
				t.Errorf("%q, %v, want %q", provider, err, want)
			}
		}
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
				_, provider, _ := w.Send(t.Context(), w.Plan(textJP), Message{Delivery: "d", To: number, Text: text}, "JP", w.record)
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

// A turn under the rate is of a call, not of a send that waits for room: calls
// that end together don't let those after them through together.
func TestRateAfterConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, []string{"a:4s,3s", "b"}, nil, map[string]Bounds{"a": {Rate: 1, Concurrency: 2}})
		var all sync.WaitGroup
		for _, at := range []time.Duration{0, time.Second, 2600 * time.Millisecond, 2900 * time.Millisecond} {
			all.Go(func() {
				time.Sleep(at)
				if _, provider, err := w.Send(t.Context(), w.Plan(textJP), Message{}, "JP", w.record); err != nil || provider != "a" {
					t.Errorf("after %v: %q, %v", at, provider, err)
				}
			})
		}
		all.Wait()
		times := w.carriers["a"].times
		for i := 1; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap < time.Second {
				t.Errorf("call %d comes %v after the one before", i+1, gap)
			}
		}
	})
}

// Who waits for room and then for the rate leaves the call half of the time, and
// uses up no turn where that isn't enough.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		route := Route{Channel: SMS, Providers: []string{"a", "b"}, Timeout: 4 * time.Second}
		w := newWorld(t, []string{"a:1500ms", "b"}, []Route{route}, map[string]Bounds{"a": {Rate: 0.4, Concurrency: 1}})
		var first sync.WaitGroup
		first.Go(func() { _, _, _ = w.send(t) })
		synctest.Wait()
		begin := time.Now()
		if _, provider, err := w.send(t); err != nil || provider != "b" || time.Since(begin) != 1500*time.Millisecond {
			t.Errorf("%q, %v after %v; the next turn is after 2.5s", provider, err, time.Since(begin))
		}
		first.Wait()
		time.Sleep(time.Second)
		begin = time.Now()
		if _, provider, err := w.send(t); err != nil || provider != "a" || time.Since(begin) != 0 {
			t.Errorf("%q, %v after %v: the turn was used up", provider, err, time.Since(begin))
		}
	})
}

// However many want a turn at once and don't wait for it, there are no more than the rate.
func TestManyTurns(t *testing.T) {
	const each = 100
	g, err := newGate("a", Bounds{Rate: each})
	if err != nil {
		t.Fatal(err)
	}
	var through atomic.Int64
	begin := time.Now()
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for time.Since(begin) < time.Second {
				if g.wait(t.Context(), time.Now().Add(200*time.Millisecond)) == nil {
					through.Add(1)
				}
			}
		})
	}
	all.Wait()
	if most := 1 + each*time.Since(begin).Seconds(); float64(through.Load()) > most {
		t.Errorf("%d turns, where the rate has %.0f", through.Load(), most)
	}
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

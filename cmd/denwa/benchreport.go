package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/text/language"
	english "golang.org/x/text/message"
)

// Latencies are counted in microseconds up to a minute, to three digits.
const slowest = int64(time.Minute / time.Microsecond)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, slowest, 3) }

// tally counts what became of requests.
type tally struct {
	work  string
	since time.Time // requests that were due before are warm-up
	ended time.Time
	sent  int64 // warm-up too

	mu       sync.Mutex
	done     map[string]*hdrhistogram.Histogram // by work
	failures map[string]*benchFailure
	recent   *hdrhistogram.Histogram // since the last look
	looked   time.Time
	failing  int64
}

func newTally(work string, since time.Time) *tally {
	return &tally{
		work: work, since: since, looked: time.Now(), recent: newHistogram(),
		done: map[string]*hdrhistogram.Histogram{}, failures: map[string]*benchFailure{},
	}
}

// took records a request, or two as one, that was answered well.
func (t *tally) took(work string, due time.Time, d time.Duration) {
	µs := min(max(d.Microseconds(), 1), slowest)
	t.mu.Lock()
	defer t.mu.Unlock()
	if work == t.work {
		_ = t.recent.RecordValue(µs) // it is in range
	}
	if due.Before(t.since) {
		return
	}
	if t.done[work] == nil {
		t.done[work] = newHistogram()
	}
	_ = t.done[work].RecordValue(µs)
}

// failed records a request that wasn't, in the warm-up too.
func (t *tally) failed(err error) {
	what := "unexpected"
	var p *problem
	var broken *unreachableError
	switch {
	case errors.As(err, &p):
		what = p.Code
	case errors.As(err, &broken):
		what = "unreachable"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failing++
	if t.failures[what] == nil {
		t.failures[what] = &benchFailure{What: what, Example: err.Error()}
	}
	t.failures[what].Count++
}

// progress is what happened since it was called last.
func (t *tally) progress(at time.Duration) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	perSecond := float64(t.recent.TotalCount()) / now.Sub(t.looked).Seconds()
	text := printer.Sprintf("%5.0f s  %8.0f/s  p50 %7.2f ms  p99 %7.2f ms", at.Seconds(), perSecond,
		ms(t.recent.ValueAtPercentile(50)), ms(t.recent.ValueAtPercentile(99)))
	if t.failing > 0 {
		text += printer.Sprintf("  %d failed", t.failing)
	}
	t.recent.Reset()
	t.looked = now
	return text
}

func ms(µs int64) float64 { return float64(µs) / 1000 }

// benchReport is the result, as --json prints it. Latencies are in milliseconds.
type benchReport struct {
	Gateway     string             `json:"gateway"`
	Work        string             `json:"work"`
	Loop        string             `json:"loop"`
	Rate        float64            `json:"rate,omitempty"`
	Connections int                `json:"connections"`
	WarmUp      float64            `json:"warm_up_seconds"`
	Seconds     float64            `json:"seconds"`
	Done        []benchMeasurement `json:"done"`
	Unsent      int64              `json:"unsent"`
	Failures    []benchFailure     `json:"failures"`

	note string
}

type benchMeasurement struct {
	Work      string  `json:"work"`
	Count     int64   `json:"count"`
	PerSecond float64 `json:"per_second"`
	Min       float64 `json:"min_ms"`
	Mean      float64 `json:"mean_ms"`
	P50       float64 `json:"p50_ms"`
	P90       float64 `json:"p90_ms"`
	P99       float64 `json:"p99_ms"`
	P999      float64 `json:"p99_9_ms"`
	Max       float64 `json:"max_ms"`
}

type benchFailure struct {
	What    string `json:"what"`
	Count   int64  `json:"count"`
	Example string `json:"example"`
}

func newBenchReport(o benchOptions, target *benchTarget, t *tally) benchReport {
	r := benchReport{
		Gateway: target.name, Work: o.work, Loop: "closed", Rate: o.rate, Connections: o.connections,
		WarmUp: o.warmUp.Seconds(), Seconds: max(0, t.ended.Sub(t.since).Seconds()),
		Done: []benchMeasurement{}, Failures: []benchFailure{},
	}
	if o.rate > 0 {
		r.Loop = "open"
		// What was due by now and never sent would have waited longest of all.
		due := min(o.scheduled(), int64(o.rate*t.ended.Sub(t.since.Add(-o.warmUp)).Seconds()))
		r.Unsent = max(0, due-t.sent)
	}
	for _, work := range []string{workStart, workCheck, workBoth} {
		h := t.done[work]
		if h == nil {
			continue
		}
		r.Done = append(r.Done, benchMeasurement{
			Work: work, Count: h.TotalCount(), PerSecond: float64(h.TotalCount()) / r.Seconds,
			Min: ms(h.Min()), Mean: h.Mean() / 1000, P50: ms(h.ValueAtPercentile(50)), P90: ms(h.ValueAtPercentile(90)),
			P99: ms(h.ValueAtPercentile(99)), P999: ms(h.ValueAtPercentile(99.9)), Max: ms(h.Max()),
		})
	}
	for _, what := range slices.Sorted(maps.Keys(t.failures)) {
		r.Failures = append(r.Failures, *t.failures[what])
	}
	switch {
	case o.most > 0 && t.sent == o.most && o.work == workCheck && o.rate == 0:
		r.note = "All prepared verifications are checked, so it ended early."
	case o.most > 0 && t.sent == o.most && o.work != workCheck:
		r.note = printer.Sprintf("It ended after %d verifications: the store in memory keeps them all. Use --redis to go on.", o.most)
	case r.Unsent > 0:
		r.note = printer.Sprintf("The rate wasn't kept: %d that were due were never sent, and would have taken longest.", r.Unsent)
	}
	return r
}

var printer = english.NewPrinter(language.English) // for 1,234

func commas(n int64) string { return printer.Sprint(n) }

func (r benchReport) print(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(r)
	}
	fmt.Fprintf(w, "%-12s %10s %10s %9s %9s %9s %9s %9s\n", "", "count", "per s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms")
	for _, m := range r.Done {
		fmt.Fprint(w, printer.Sprintf("%-12s %10d %10.1f %9.2f %9.2f %9.2f %9.2f %9.2f\n", m.Work, m.Count, m.PerSecond, m.P50, m.P90, m.P99, m.P999, m.Max))
	}
	if r.note != "" {
		fmt.Fprintln(w, r.note)
	}
	if len(r.Failures) == 0 {
		fmt.Fprintln(w, "No request failed.")
	}
	for _, f := range r.Failures {
		fmt.Fprintf(w, "%s failed, %s: %s\n", commas(f.Count), f.What, f.Example)
	}
	return nil
}

// progress shows how a measurement goes on: in one line that changes on a
// terminal, about ten lines elsewhere.
type progress struct {
	out      io.Writer
	live     bool
	interval time.Duration
}

func newProgress(out io.Writer, l load) *progress {
	p := &progress{out: out, live: isTerminal(out), interval: time.Second}
	if !p.live {
		p.interval = max(time.Second, ((l.warmUp + l.duration) / 10).Truncate(time.Second))
	}
	return p
}

func (p *progress) line(text string) { fmt.Fprintln(p.out, text) }

// every shows text, given how long it has been, now and then until stop is called.
func (p *progress) every(text func(at time.Duration) string) (stop func()) {
	began, over, done := time.Now(), make(chan struct{}), make(chan struct{})
	ticker := time.NewTicker(p.interval)
	go func() {
		defer close(done)
		defer ticker.Stop()
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
			}
			if now := text(time.Since(began)); p.live {
				fmt.Fprint(p.out, "\r", clearLine, now)
			} else {
				fmt.Fprintln(p.out, now)
			}
		}
	}()
	return func() {
		close(over)
		<-done
		p.clear()
	}
}

// clear takes the line away that changed.
func (p *progress) clear() {
	if p.live {
		fmt.Fprint(p.out, "\r", clearLine)
	}
}

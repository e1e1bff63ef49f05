package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"denwa/config"
	"denwa/gateway/phone"
	"denwa/ratelimit/redistest"
)

// An open loop keeps to its clock, and what waits for a connection has waited
// since it was due: no slow answer hides another one.
func TestOpenLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var waited []int64 // ms until each call was over, since it was due
		sent := load{rate: 10, connections: 1, duration: time.Second}.run(t.Context(), func(n int64, due time.Time) {
			if want := begin.Add(time.Duration(n) * 100 * time.Millisecond); !due.Equal(want) {
				t.Errorf("call %d was due at %v, want %v", n, due.Sub(begin), want.Sub(begin))
			}
			if n == 2 { // a pause of the gateway
				time.Sleep(450 * time.Millisecond)
			}
			time.Sleep(10 * time.Millisecond)
			waited = append(waited, time.Since(due).Milliseconds())
		})
		// The calls that were due in the pause, at 300 to 600 ms, follow it at once.
		want := []int64{10, 10, 460, 370, 280, 190, 100, 10, 10, 10}
		if sent != 10 || !slices.Equal(waited, want) {
			t.Errorf("%d calls took %v, want %v", sent, waited, want)
		}
	})
}

// What was due and never sent is counted.
func TestOpenLoopFallsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := benchOptions{work: workStart, load: load{rate: 100, connections: 2, warmUp: time.Second, duration: time.Second}}
		tally := newTally(workStart, time.Now().Add(o.warmUp))
		tally.sent = o.run(t.Context(), func(_ int64, due time.Time) {
			time.Sleep(100 * time.Millisecond)
			tally.took(workStart, due, time.Since(due))
		})
		tally.ended = time.Now()
		r := newBenchReport(o, &benchTarget{}, tally)
		if tally.sent != 40 || r.Unsent != 160 || r.Loop != "open" || !strings.HasPrefix(r.note, "The rate wasn't kept: 160 ") {
			t.Errorf("%d sent, report %+v", tally.sent, r)
		}
		// Warm-up isn't measured: nothing that was due after it began in time.
		if len(r.Done) != 0 || r.Seconds < 1 || r.Seconds > 1.1 {
			t.Errorf("%+v in %g s", r.Done, r.Seconds)
		}
	})
}

func TestClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		under, most := 0, 0
		sent := load{connections: 3, duration: time.Second}.run(t.Context(), func(_ int64, due time.Time) {
			mu.Lock()
			under++
			most = max(most, under)
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			under--
			mu.Unlock()
			if took := time.Since(due); took != 100*time.Millisecond {
				t.Errorf("took %v", took)
			}
		})
		if sent != 30 || most != 3 {
			t.Errorf("%d calls, %d at once", sent, most)
		}
		if sent := (load{connections: 3, duration: time.Hour, most: 7}).run(t.Context(), func(int64, time.Time) {}); sent != 7 {
			t.Errorf("%d calls, want 7", sent)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if sent := (load{connections: 1, rate: 1, duration: time.Hour}).run(ctx, func(int64, time.Time) { cancel() }); sent != 1 {
			t.Errorf("%d calls after the end", sent)
		}
	})
}

func TestReport(t *testing.T) {
	begin := time.Now()
	tally := newTally(workBoth, begin)
	for i := range 1000 {
		tally.took(workBoth, begin, time.Duration(i+1)*time.Millisecond)
	}
	tally.took(workBoth, begin.Add(-time.Second), time.Hour) // warm-up
	tally.took(workCheck, begin, time.Hour)                  // more than can be counted
	tally.failed(&problem{Code: "rate_limited", Detail: "the limit app refuses this"})
	tally.failed(&problem{Code: "rate_limited", Detail: "another"})
	tally.failed(&unreachableError{"http://127.0.0.1", io.ErrUnexpectedEOF})
	tally.ended = begin.Add(2 * time.Second)
	r := newBenchReport(benchOptions{work: workBoth}, &benchTarget{}, tally)
	m := r.Done[1]
	if m.Work != workBoth || m.Count != 1000 || m.PerSecond != 500 || m.Min != 1 ||
		near(m.P50, 500) || near(m.P90, 900) || near(m.P99, 990) || near(m.P999, 999) || near(m.Max, 1000) || near(m.Mean, 500.5) {
		t.Errorf("%+v", m)
	}
	if r.Done[0].Max < 59_000 {
		t.Errorf("an hour became %g ms", r.Done[0].Max)
	}
	want := []benchFailure{
		{"rate_limited", 2, "the limit app refuses this (rate_limited)"},
		{"unreachable", 1, "no gateway answers at http://127.0.0.1: unexpected EOF"},
	}
	if !slices.Equal(r.Failures, want) {
		t.Errorf("failures %+v, want %+v", r.Failures, want)
	}
}

// near is false when a percentile is right to its three digits.
func near(got, want float64) bool { return got < want*0.998 || got > want*1.002 }

// Each number is a mobile one, none comes twice, and few are of one range.
func TestBenchNumbers(t *testing.T) {
	if d := new(big.Int).GCD(nil, nil, big.NewInt(numberStep), big.NewInt(allNumbers)); d.Int64() != 1 {
		t.Errorf("the step has the divisor %v", d)
	}
	for _, first := range []int64{0, perPrefix - 50, 2*perPrefix - 50, allNumbers - 50} {
		n := &numbers{first: first}
		seen, ranges := map[string]bool{}, map[string]int{}
		for range 2000 {
			number := n.next()
			parsed, err := phone.Parse(number, phone.Options{Region: "JP"})
			if err != nil || parsed.E164 != number || parsed.Type != phone.Mobile || seen[number] {
				t.Fatalf("%s: %+v, %v", number, parsed, err)
			}
			seen[number] = true
			ranges[number[:len(number)-4]]++
		}
		if most := slices.Max(slices.Collect(maps.Values(ranges))); most > 2 {
			t.Errorf("%d of 2,000 numbers are of one range", most)
		}
	}
}

// benchJSON runs denwa bench and returns what it measured.
func benchJSON(t *testing.T, args ...string) (r benchReport) {
	t.Helper()
	c := command(t, append([]string{"bench", "--json", "--warm-up=0", "--duration=500ms"}, args...)...)
	out, err := c.Output()
	if err != nil {
		t.Fatalf("bench %v: %v\n%s", args, err, c.Stderr)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return r
}

// All kinds of work on all kinds of gateway come to an end, with nothing failed.
func TestBench(t *testing.T) {
	redis := redistest.Start(t)
	elsewhere := playground(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--work=check"}, "check"},
		{[]string{"--work=start", "--redis=" + redis.Addr()}, "start"},
		{[]string{"--rate=20", "--redis=" + redis.Addr()}, "start check start+check"},
		{[]string{"--work=check", "--rate=20", "--server=" + elsewhere}, "check"},
		{[]string{"--server=" + elsewhere}, "start check start+check"},
	} {
		r := benchJSON(t, append(c.args, "--connections=4")...)
		var done []string
		for _, m := range r.Done {
			done = append(done, m.Work)
			if m.Count < 1 || m.P50 <= 0 || m.P50 > m.P99 || m.P99 > m.Max {
				t.Errorf("%v: %+v", c.args, m)
			}
		}
		if got := strings.Join(done, " "); got != c.want || len(r.Failures) > 0 {
			t.Errorf("%v: measured %s, want %s; failures %v", c.args, got, c.want, r.Failures)
		}
	}
}

// Nothing is sent by a gateway that might reach somebody.
func TestBenchRefuses(t *testing.T) {
	redis := redistest.Start(t)
	for name, c := range map[string]struct{ providers, want string }{
		"no sandbox":          {`[{name: x, type: http, url: "http://127.0.0.1:1/", allow_http: true, form: {to: "{to}", text: "{text}"}}]`, "has no sandbox"},
		"a sandbox beside it": {`[{name: sandbox, type: sandbox}, {name: x, type: http, url: "http://127.0.0.1:1/", allow_http: true, form: {to: "{to}", text: "{text}"}}]`, "has carriers to real phones beside its sandbox"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "denwa.yaml")
			text := fmt.Sprintf("keys: {master: %q}\nstore: {addresses: [%q]}\nproviders: %s\napps: [{name: portal, brand: Example, api_keys: [{id: k1, sha256: %q}]}]\n",
				testMaster, redis.Addr(), c.providers, hashKey(config.PlaygroundKey))
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			g := serving(t, "--config", path)
			out, _ := command(t, "bench", "--server", g.server).CombinedOutput()
			if !strings.Contains(string(out), c.want) || strings.Contains(g.logs.String(), "/v1/verifications") {
				t.Errorf("bench said %q; the gateway:\n%s", out, g.logs)
			}
		})
	}
}

// A message that goes by another carrier after all ends the run.
func TestBenchStray(t *testing.T) {
	var mu sync.Mutex
	starts := 0
	mux := http.NewServeMux()
	answer := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, body)
		}
	}
	mux.HandleFunc("GET /sandbox/api/carriers", answer(`{"carriers":["sandbox"],"others":false}`))
	mux.HandleFunc("POST /v1/verifications", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		starts++
		provider := "sandbox"
		if starts > 10 {
			provider = "twilio-main"
		}
		answer(`{"id":"vf_1","deliveries":[{"provider":"`+provider+`","channel":"sms","status":"accepted"}]}`)(w, r)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	c := command(t, "bench", "--server", server.URL, "--work=start", "--connections=1", "--duration=1m")
	out, _ := c.CombinedOutput()
	if c.ProcessState.ExitCode() != exitUsage || !strings.HasSuffix(string(out), "stopped: "+server.URL+" sent a message by \"twilio-main\", which isn't a sandbox\n") || starts != 11 {
		t.Errorf("%d starts, exit code %d\n%s", starts, c.ProcessState.ExitCode(), out)
	}
}

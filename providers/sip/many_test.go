package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"denwa/ivr"
	"denwa/providers"
	"denwa/providers/sip/siptest"
)

// A thousand calls, many at once, of which each ends otherwise: what they took
// is given back.
func TestThousandCalls(t *testing.T) {
	const calls, atOnce = 1000, 50
	ends := [][]siptest.Step{
		{siptest.Expect("INVITE"), siptest.Respond(486, "Busy Here", ""), siptest.Expect("ACK")},
		{siptest.Expect("INVITE"), siptest.Respond(503, "Service Unavailable", ""), siptest.Expect("ACK")},
		answered(siptest.Request("BYE", 1, ""), siptest.ExpectResponse(200)),
		answered(siptest.Request("INFO", 1, "#", "Content-Type: application/dtmf"), siptest.ExpectResponse(200),
			siptest.Pause(50*time.Millisecond), siptest.Request("BYE", 2, ""), siptest.ExpectResponse(200)),
	}
	type end struct {
		*Provider
		trunk *siptest.Script
	}
	var all []end
	var finals atomic.Int64
	for _, steps := range ends {
		trunk := siptest.StartScripts(t, "udp", calls/len(ends), steps...)
		p, err := New(testConfig(t, trunk.Addr(), func(cfg *Config) { cfg.MaxCalls = atOnce }), func(_ context.Context, _ string, r providers.Receipt) error {
			if r.Status.Final() {
				finals.Add(1)
			}
			return nil
		}, approving{}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		all = append(all, end{p, trunk})
	}
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	var group sync.WaitGroup
	turns := make(chan struct{}, atOnce)
	var refused atomic.Int64
	for i := range calls {
		turns <- struct{}{}
		group.Go(func() {
			defer func() { <-turns }()
			p := all[i%len(all)].Provider
			call := providers.Call{Delivery: fmt.Sprintf("vf_%d.1", i), To: siptest.Number, Script: ivr.Script{Mode: ivr.ModeConfirm}, ValidFor: time.Minute}
			for ctx.Err() == nil {
				_, err := p.PlaceCall(ctx, call)
				switch kind := providers.KindOf(err); {
				case err == nil:
				case kind == providers.Throttled: // answered calls are still under way
					time.Sleep(10 * time.Millisecond)
					continue
				case kind == providers.Unavailable:
					refused.Add(1)
				default:
					t.Errorf("call %d: %v", i, err)
				}
				return
			}
		})
	}
	group.Wait()
	for _, e := range all {
		e.trunk.Done()
		awaitEnd(t, e.Provider)
		if n := e.ports.InUse(); n != 0 {
			t.Errorf("%d ports are still in use", n)
		}
	}
	if refused.Load() != calls/4 || finals.Load() != calls*3/4 {
		t.Errorf("%d calls were refused, %d came to an end, want %d and %d", refused.Load(), finals.Load(), calls/4, calls*3/4)
	}
	// Transactions stay for a while, but no goroutine is theirs.
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before+5; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

type approving struct{}

func (approving) Script(context.Context, string) (ivr.Script, error) {
	return ivr.Script{}, errors.New("sip calls know their script")
}

func (approving) Press(context.Context, string, string, string) (ivr.Verdict, error) {
	return ivr.Approved, nil
}

// A hundred calls are under way at once, and each is approved. By TCP, which repeats
// nothing: a sipp that a busy machine doesn't let run for a second has some INVITEs
// twice in its queue then, and takes the second ones for a mistake.
func TestHundredCallsAtOnce(t *testing.T) {
	const calls = 100
	trunk := siptest.StartScripts(t, "tcp", calls, answered(slices.Concat(
		[]siptest.Step{siptest.Pause(5 * time.Second)}, pressed(1, "#"), bye())...)...)
	var mu sync.Mutex
	confirmed := map[string]int{}
	var p *Provider
	most := 0
	p, err := New(testConfig(t, trunk.Addr(), func(cfg *Config) { cfg.Transport, cfg.MaxCalls, cfg.Prompts = TCP, calls, shortPrompts(t) }), func(_ context.Context, _ string, r providers.Receipt) error {
		mu.Lock()
		defer mu.Unlock()
		if r.Status == providers.Confirmed {
			most = max(most, p.ports.InUse())
			confirmed[r.Delivery]++
		}
		return nil
	}, approving{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var group sync.WaitGroup
	for i := range calls {
		group.Go(func() {
			call := providers.Call{Delivery: fmt.Sprintf("vf_%d.1", i), To: siptest.Number, Script: confirm, ValidFor: time.Minute}
			if _, err := p.PlaceCall(t.Context(), call); err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		})
	}
	group.Wait()
	trunk.Done()
	awaitEnd(t, p)
	mu.Lock()
	defer mu.Unlock()
	if len(confirmed) != calls || most != calls {
		t.Errorf("%d calls were confirmed, %d at once", len(confirmed), most)
	}
	for name, n := range confirmed {
		if n != 1 {
			t.Errorf("%s was confirmed %d times", name, n)
		}
	}
}

// More calls than there may be are left to the next provider.
func TestTooManyCalls(t *testing.T) {
	t.Parallel()
	trunk := siptest.StartScripts(t, "udp", 2,
		siptest.Expect("INVITE"), siptest.Respond(180, "Ringing", ""),
		siptest.Expect("CANCEL"), siptest.RespondToCancel(), siptest.RespondToInvite(487, "Request Terminated"), siptest.Expect("ACK"))
	w := newWorld(t, trunk.Addr(), func(cfg *Config) { cfg.MaxCalls = 2; cfg.RingTimeout = time.Second })
	w.mustPlace(confirm)
	w.mustPlace(confirm)
	_, err := w.place(confirm)
	var e *providers.Error
	if !errors.As(err, &e) || e.Kind != providers.Throttled || e.RetryAfter <= 0 {
		t.Errorf("a third call: %v", err)
	}
	w.over(providers.NoAnswer, providers.NoAnswer)
	trunk.Done()
}

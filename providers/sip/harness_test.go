package sip

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"denwa/ivr"
	"denwa/providers"
	"denwa/providers/providertest"
	"denwa/providers/sip/siptest"
)

// Most of these tests wait for a phone, so more of them run than there are cores.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// world is a provider, and what it tells.
type world struct {
	*Provider
	t   *testing.T
	log *providertest.Log

	mu       sync.Mutex
	receipts []providers.Receipt
	asked    []string
	verdicts map[string]ivr.Verdict // by keys
	fail     error                  // of Press

	keysIn, receiptsIn []trace.SpanContext // what asked and receipts are part of
}

const (
	caller   = "+815012345678"
	delivery = "vf_00000000000000000000000000000000.1"
)

// newWorld makes a provider for a trunk on loopback.
func newWorld(t *testing.T, server string, change func(*Config)) *world {
	t.Helper()
	w := &world{t: t, log: &providertest.Log{}, verdicts: map[string]ivr.Verdict{"#": ivr.Approved, "0#": ivr.Denied}}
	p, err := New(testConfig(t, server, change), w.receive, w, slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	w.Provider = p
	t.Cleanup(func() {
		w.Close()
		if n := p.ports.InUse(); n != 0 {
			t.Errorf("%d ports are in use after Close", n)
		}
		for _, private := range []string{siptest.Number, siptest.Number[1:], siptest.Password, "z9hG4bK"} {
			if strings.Contains(w.log.String(), private) {
				t.Errorf("the log has %q in it:\n%s", private, w.log)
			}
		}
		if t.Failed() {
			t.Logf("log:\n%s", w.log)
		}
	})
	return w
}

func testConfig(t testing.TB, server string, change func(*Config)) Config {
	cfg := DefaultConfig()
	cfg.Name, cfg.Server, cfg.From = "trunk", server, caller
	cfg.Listen, cfg.Media.Address = "127.0.0.1:0", "127.0.0.1"
	cfg.MaxCalls = 40
	if change != nil {
		change(&cfg)
	}
	first := siptest.FreePorts(t, 2*cfg.MaxCalls+20) // and some for those that somebody else takes
	cfg.Media.Ports = fmt.Sprintf("%d-%d", first, first+2*cfg.MaxCalls+19)
	return cfg
}

func (w *world) receive(ctx context.Context, provider string, r providers.Receipt) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if provider != "trunk" || r.Delivery != delivery {
		w.t.Errorf("receipt of provider %q for delivery %q", provider, r.Delivery)
	}
	w.receipts = append(w.receipts, r)
	w.receiptsIn = append(w.receiptsIn, trace.SpanContextFromContext(ctx))
	return nil
}

func (w *world) Script(context.Context, string) (ivr.Script, error) {
	return ivr.Script{}, errors.New("sip calls know their script")
}

func (w *world) Press(ctx context.Context, provider, d, keys string) (ivr.Verdict, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if provider != "trunk" || d != delivery {
		w.t.Errorf("keys of provider %q for delivery %q", provider, d)
	}
	w.asked = append(w.asked, keys)
	w.keysIn = append(w.keysIn, trace.SpanContextFromContext(ctx))
	if w.fail != nil {
		return "", w.fail
	}
	if v, ok := w.verdicts[keys]; ok {
		return v, nil
	}
	return ivr.Wrong, nil
}

var confirm = ivr.Script{Mode: ivr.ModeConfirm, Locale: "ja", Brand: "Example"}

// place places a call of a script.
func (w *world) place(s ivr.Script) (providers.Acceptance, error) {
	return w.PlaceCall(w.t.Context(), providers.Call{Delivery: delivery, To: siptest.Number, Script: s, ValidFor: 5 * time.Minute})
}

// mustPlace places a call that the trunk takes.
func (w *world) mustPlace(s ivr.Script) {
	w.t.Helper()
	if a, err := w.place(s); err != nil || a.Reference == "" {
		w.t.Fatalf("place: %+v, %v", a, err)
	}
}

// await waits for a status.
func (w *world) await(s providers.Status) providers.Receipt {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		w.mu.Lock()
		i := slices.IndexFunc(w.receipts, func(r providers.Receipt) bool { return r.Status == s })
		if i >= 0 {
			r := w.receipts[i]
			w.mu.Unlock()
			return r
		}
		w.mu.Unlock()
	}
	w.t.Fatalf("no receipt %s; there are %v", s, w.statuses())
	return providers.Receipt{}
}

// statuses are those of all receipts until now.
func (w *world) statuses() []providers.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []providers.Status
	for _, r := range w.receipts {
		all = append(all, r.Status)
	}
	return all
}

// over waits until no call is left, and compares the receipts, but for
// ringing: a 200 right after it may overtake it.
func (w *world) over(want ...providers.Status) {
	w.t.Helper()
	w.idle()
	got := slices.DeleteFunc(w.statuses(), func(s providers.Status) bool { return s == providers.Ringing })
	if !slices.Equal(got, want) {
		w.t.Errorf("receipts %v, want %v", got, want)
	}
}

func (w *world) idle() {
	w.t.Helper()
	w.Provider.mu.Lock()
	_ = len(w.calls) // it orders this after the calls' beginning
	w.Provider.mu.Unlock()
	awaitEnd(w.t, w.Provider)
}

// awaitEnd waits until a provider has nothing more to do.
func awaitEnd(tb testing.TB, p *Provider) {
	tb.Helper()
	done := make(chan struct{})
	go func() {
		p.work.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		p.mu.Lock()
		defer p.mu.Unlock()
		tb.Fatalf("calls don't end; %d are under way", len(p.calls))
	}
}

// heard reports whether a shipped prompt was heard as it was sent.
func heard(t *testing.T, sound []int16, prompt string) bool {
	t.Helper()
	data, err := os.ReadFile("../../ivr/sipcall/prompts/" + prompt + ".wav")
	if err != nil {
		t.Fatal(err)
	}
	data = data[bytes.Index(data, []byte("data"))+8:]
	want := make([]int16, len(data))
	for i, b := range data {
		b = ^b
		want[i] = (int16(b&0x0F)<<3+0x84)<<(b>>4&7) - 0x84
		if b&0x80 != 0 {
			want[i] = -want[i]
		}
	}
	// The jitter buffer of a phone on a loaded machine may leave out a packet
	// here and there, so most tenths of a second have to be there, in order.
	const piece = 800
	found, pieces := 0, len(want)/piece
	for i := range pieces {
		if at := indexOf(sound, want[i*piece:(i+1)*piece]); at >= 0 {
			found++
			sound = sound[at+piece:]
		}
	}
	return found*10 >= pieces*8
}

// indexOf finds samples, within what A-law rounds away.
func indexOf(sound, piece []int16) int {
	for at := range max(0, len(sound)-len(piece)+1) {
		same := true
		for i, v := range piece {
			if d := int(sound[at+i]) - int(v); d > 1100 || d < -1100 || (d > 40 || d < -40) && abs(d)*12 > abs(int(v)) {
				same = false
				break
			}
		}
		if same {
			return at
		}
	}
	return -1
}

func abs(v int) int { return max(v, -v) }

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"denwa/providers"
	"denwa/providers/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(browser.Main(m)) }

const number = "+819012345678"

func TestConformance(t *testing.T) {
	for _, ch := range providers.Channels() {
		t.Run(string(ch), func(t *testing.T) { conform(t, ch) })
	}
}

func conform(t *testing.T, ch providers.Channel) {
	h := providertest.Harness{
		Channel: ch,
		New: func(t *testing.T, e providertest.Env) providers.Provider {
			phones := NewPhones()
			behaviour := `{"error":"` + string(e.Carrier) + `"}`
			switch e.Carrier {
			case providertest.Accept:
				behaviour = `{}`
			case providertest.Hang:
				behaviour = `{"error":"ambiguous","delay_ms":60000}`
			default:
			}
			if answer := request(phones, http.MethodPost, "/sandbox/api/phones/"+providertest.Number+"/behaviour", behaviour); answer.Code != http.StatusNoContent {
				t.Fatalf("behaviour: %d %s", answer.Code, answer.Body)
			}
			p, err := New(Config{Name: "sandbox"}, phones, e.Receive, nil, e.Log)
			if err != nil {
				t.Fatal(err)
			}
			return p
		},
		Skip: map[string]string{
			"slow":            "what it accepts, it accepts at once",
			"cut":             "it has no connection",
			"down":            "it has no connection",
			"receipts":        "nobody can make it report: it reports by itself, see TestReports and TestCallOutcomes",
			"forged callback": "it calls nobody back by HTTP",
		},
	}
	for _, k := range providers.Kinds() {
		h.Refusals = append(h.Refusals, providertest.Refusal{Behaviour: providertest.Behaviour(k), Kind: k})
	}
	providertest.Run(t, h)
}

func TestConfig(t *testing.T) {
	const long = "ring_timeout must be at most 10m; 0 is the default, 30s"
	for _, test := range []struct {
		Config
		want string
	}{
		{Config{Name: "Sand Box"}, `sandbox provider "Sand Box": name must be 1 to 32 lower-case letters, digits and hyphens`},
		{Config{"a", -time.Second}, `sandbox provider "a": ` + long},
		{Config{"a", maxRingTime + 1}, `sandbox provider "a": ` + long},
	} {
		if p, err := New(test.Config, NewPhones(), nil, nil, nil); p != nil || err == nil || err.Error() != test.want {
			t.Errorf("got %v, %v, want %s", p, err, test.want)
		}
	}
	DefaultConfig().Validate(func(field, problem string) {
		if field != "name" {
			t.Errorf("the default of %s %s", field, problem)
		}
	})
}

// gateway is a receiver that writes down what it gets and when.
type gateway struct {
	begin time.Time
	mu    sync.Mutex
	log   []string
	fail  func(try int) error
	tries int

	asked []string
	slow  time.Duration // to judge
	deaf  time.Duration // before that, whatever its context says
	blind error         // instead of a verdict
}

func (g *gateway) receive(ctx context.Context, provider string, r providers.Receipt) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tries++
	if g.fail != nil {
		if err := g.fail(g.tries); err != nil {
			return err
		}
	}
	if _, bounded := ctx.Deadline(); !bounded {
		return errors.New("the receiver's context has no deadline")
	}
	g.log = append(g.log, fmt.Sprintf("%v %s %s %s%s", time.Since(g.begin), provider, r.Delivery, r.Status, r.Code))
	return nil
}

func (g *gateway) got() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.log
}

// open returns a provider and its gateway.
func open(t *testing.T, phones *Phones, name string, log *slog.Logger) (*Provider, *gateway) {
	t.Helper()
	g := &gateway{begin: time.Now()}
	p, err := New(Config{Name: name}, phones, g.receive, g, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, g
}

var discard = slog.New(slog.DiscardHandler)

func TestReports(t *testing.T) {
	for _, test := range []struct {
		behaviour Behaviour
		want      []string
		shown     providers.Status
	}{
		{Behaviour{SMS: providers.Delivered}, []string{"0s a d1 sent", "0s a d1 delivered"}, providers.Delivered},
		{Behaviour{SMS: providers.Delivered, DelayMS: 1500}, []string{"0s a d1 sent", "1.5s a d1 delivered"}, providers.Delivered},
		{Behaviour{SMS: providers.Undelivered, DelayMS: 20}, []string{"0s a d1 sent", "20ms a d1 undelivered"}, providers.Undelivered},
		{Behaviour{SMS: providers.Expired, DelayMS: maxDelayMS}, []string{"0s a d1 sent", "10m0s a d1 expired"}, providers.Expired},
		{Behaviour{SMS: providers.Failed, DelayMS: 20}, []string{"20ms a d1 failed"}, providers.Failed},
		{Behaviour{SMS: providers.Sent}, []string{"0s a d1 sent"}, providers.Sent},
		{Behaviour{SMS: providers.Accepted}, nil, providers.Accepted},
	} {
		t.Run(fmt.Sprint(test.behaviour.SMS, test.behaviour.DelayMS), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				phones := NewPhones()
				phones.behave(number, test.behaviour)
				p, g := open(t, phones, "a", discard)
				if _, err := p.SendMessage(t.Context(), providers.Message{Delivery: "d1", To: number, Text: "hi"}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if diff := cmp.Diff(test.want, g.got()); diff != "" {
					t.Errorf("receipts (-want +got):\n%s", diff)
				}
				if got := phones.messages(number); len(got) != 1 || got[0].Status != test.shown {
					t.Errorf("the phone shows %+v", got)
				}
				if p.reports.pending != 0 {
					t.Errorf("%d deliveries pending", p.reports.pending)
				}
			})
		})
	}
}

// TestReportsMany: deliveries don't hold each other up, and each is reported
// when it is due, whichever came first.
func TestReportsMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phones := NewPhones()
		p, g := open(t, phones, "a", discard)
		const n = 50
		for i := range n {
			phones.behave(number, Behaviour{SMS: providers.Delivered, DelayMS: (n - i) * 1000})
			if _, err := p.SendMessage(t.Context(), providers.Message{Delivery: fmt.Sprintf("d%d", i), To: number}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		got := g.got()
		if len(got) != 2*n {
			t.Fatalf("%d receipts, want %d", len(got), 2*n)
		}
		for i := range n {
			if want := fmt.Sprintf("%v a d%d delivered", time.Duration(i+1)*time.Second, n-1-i); got[n+i] != want {
				t.Errorf("receipt %d is %q, want %q", n+i, got[n+i], want)
			}
		}
	})
}

// TestReportsTogether: one signal for several reports that are due gets as
// many workers to work.
func TestReportsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := make(chan struct{}, workers)
		q := startReports(func(ctx context.Context, _ providers.Receipt) error {
			all <- struct{}{}
			for len(all) < workers && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			return ctx.Err()
		}, func(string, providers.Status) {}, discard)
		defer q.close()
		synctest.Wait() // until all are idle
		begin := time.Now()
		q.mu.Lock()
		for range workers {
			q.waiting = append(q.waiting, &report{statuses: []providers.Status{providers.Sent}, due: begin, end: begin})
		}
		q.mu.Unlock()
		q.signal()
		time.Sleep(time.Second)
		synctest.Wait()
		if len(all) != workers {
			t.Errorf("%d receipts at once, want %d", len(all), workers)
		}
	})
}

// TestReportsRetry: a receipt is repeated until it is taken, and those after
// it wait.
func TestReportsRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, g := open(t, NewPhones(), "a", discard)
		g.fail = func(try int) error {
			if try <= 3 {
				return errors.New("the store doesn't answer")
			}
			return nil
		}
		if _, err := p.SendMessage(t.Context(), providers.Message{Delivery: "d1", To: number}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]string{"700ms a d1 sent", "700ms a d1 delivered"}, g.got()); diff != "" {
			t.Errorf("receipts (-want +got):\n%s", diff)
		}
	})
}

func TestReportsGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		phones := NewPhones()
		p, g := open(t, phones, "a", slog.New(slog.NewTextHandler(&log, nil)))
		g.fail = func(int) error { return errors.New("the store doesn't answer") }
		if _, err := p.SendMessage(t.Context(), providers.Message{Delivery: "d1", To: number, Text: "code"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		want := `time=2000-01-01T00:00:25.500Z level=ERROR msg="receipt dropped, the receiver doesn't take it" ` +
			`provider=a delivery=d1 status=sent error="the store doesn't answer"` + "\n"
		if diff := cmp.Diff(want, log.String()); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
		if g.tries != maxTries || p.reports.pending != 0 {
			t.Errorf("%d tries, %d pending", g.tries, p.reports.pending)
		}
		if got := phones.messages(number); got[0].Status != providers.Accepted {
			t.Errorf("the phone shows %s, which nobody knows of", got[0].Status)
		}
	})
}

// TestReportsStuck: a receiver that doesn't return is cut off, and Close ends it.
func TestReportsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		p, err := New(Config{Name: "a"}, NewPhones(), func(ctx context.Context, _ string, _ providers.Receipt) error {
			calls++
			<-ctx.Done()
			return ctx.Err()
		}, nil, discard)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.SendMessage(t.Context(), providers.Message{Delivery: "d1", To: number}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(receiveTimeout + firstRetry + time.Millisecond)
		synctest.Wait()
		begin := time.Now()
		if err := p.Close(); err != nil || time.Since(begin) != 0 {
			t.Errorf("closed after %v: %v", time.Since(begin), err)
		}
		if calls != 2 {
			t.Errorf("%d tries, want 2", calls)
		}
		_, err = p.SendMessage(t.Context(), providers.Message{Delivery: "d2", To: number})
		if providers.KindOf(err) != providers.Unavailable || !errors.Is(err, errClosed) {
			t.Errorf("send after close: %v", err)
		}
	})
}

func TestReportsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phones := NewPhones()
		p, _ := open(t, phones, "a", discard)
		send := func() error {
			phones.behave(number, Behaviour{SMS: providers.Delivered, DelayMS: 1000})
			_, err := p.SendMessage(t.Context(), providers.Message{Delivery: "d", To: number})
			return err
		}
		for range maxReports {
			if err := send(); err != nil {
				t.Fatal(err)
			}
		}
		if err := send(); providers.KindOf(err) != providers.Throttled || !errors.Is(err, errFull) {
			t.Errorf("one too many: %v", err)
		}
		time.Sleep(time.Minute)
		if err := send(); err != nil {
			t.Errorf("after all were reported: %v", err)
		}
	})
}

// TestReportsHoldBack: messages come no faster than their receipts are taken.
func TestReportsHoldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := make(chan struct{})
		p, err := New(Config{Name: "a"}, NewPhones(), func(ctx context.Context, _ string, _ providers.Receipt) error {
			select {
			case <-taken:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}, nil, discard)
		if err != nil {
			t.Fatal(err)
		}
		send := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := p.SendMessage(ctx, providers.Message{Delivery: "d", To: number})
			return err
		}
		for i := range maxPrompt {
			if err := send(); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
		}
		if err := send(); providers.KindOf(err) != providers.Throttled || !errors.Is(err, errFull) {
			t.Errorf("one too many: %v", err)
		}
		waits := make(chan error)
		go func() { waits <- send() }()
		close(taken)
		if err := <-waits; err != nil {
			t.Errorf("when receipts are taken: %v", err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		for range maxPrompt + 1 { // and nothing waits for what will never be reported
			if err := send(); providers.KindOf(err) != providers.Unavailable {
				t.Fatalf("after close: %v", err)
			}
		}
	})
}

// TestFailover: two carriers share a phone; the one that is asked first fails
// as the phone's behaviour says, and the next one delivers.
func TestFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phones := NewPhones()
		a, _ := open(t, phones, "a", discard)
		b, g := open(t, phones, "b", discard)
		phones.behave(number, Behaviour{Error: providers.Unavailable, DelayMS: 300})
		_, err := a.SendMessage(t.Context(), providers.Message{Delivery: "d1", To: number})
		if providers.KindOf(err) != providers.Unavailable || !errors.Is(err, errAsked) {
			t.Fatal(err)
		}
		accepted, err := b.SendMessage(t.Context(), providers.Message{Delivery: "d2", To: number})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if diff := cmp.Diff([]string{"300ms b d2 sent", "300ms b d2 delivered"}, g.got()); diff != "" {
			t.Errorf("receipts (-want +got):\n%s", diff)
		}
		if got := phones.messages(number); len(got) != 1 || got[0].Delivery != "d2" || got[0].ID != accepted.Reference {
			t.Errorf("the phone shows %+v", got)
		}
	})
}

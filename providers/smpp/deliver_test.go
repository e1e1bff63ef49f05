package smpp

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"denwa/providers"
)

// What can't be read or isn't known is refused, so that the centre doesn't repeat it for ever.
func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	w := newWorld(t, testConfig(c.addr()))
	w.send(t, testMessage(1, "493817"))
	l := get(c, func() *centreLink { return c.links[0] })
	for name, tt := range map[string]struct {
		octets  string
		command command
		status  status
	}{
		"unknown command":       {"00000010 00000103 00000000 00000009", genericNack, statusInvalidID},
		"deliver_sm of nothing": {"00000010 00000005 00000000 00000009", deliverSM.answer(), statusNever},
		"enquire_link":          {"00000010 00000015 00000000 00000009", enquireLink.answer(), statusOK},
	} {
		answer := make(chan pdu, 1)
		l.mu.Lock()
		l.answers[9] = answer
		l.mu.Unlock()
		l.write(octets(t, tt.octets))
		select {
		case p := <-answer:
			if p.command != tt.command || p.status != tt.status {
				t.Errorf("%s: answered with %#x, status %#x", name, p.command, p.status)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: not answered", name)
		}
	}
}

// Receipts that say nothing, or the same again, or come from people, do no harm.
func TestReceipts(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	w := newWorld(t, testConfig(c.addr()))
	id := w.send(t, testMessage(1, "493817"))
	deliver := func(m *message) {
		t.Helper()
		if s, err := c.deliver(0, m); s != statusOK || err != nil {
			t.Errorf("answered with %#x, %v", s, err)
		}
	}
	for range 10 {
		deliver(receiptOf(id, "DELIVRD", "000"))
	}
	want := make([]providers.Receipt, 10)
	for i := range want {
		want[i] = providers.Receipt{Delivery: testMessage(1, "").Delivery, Status: providers.Delivered}
	}
	if diff := cmp.Diff(want, w.inbox.take()); diff != "" {
		t.Errorf("the same ten times (-want +got):\n%s", diff)
	}

	// Unknown ids wait for a moment, all at once, and not the connection.
	var wg sync.WaitGroup
	for n := range 100 {
		wg.Go(func() { deliver(receiptOf(fmt.Sprintf("unknown-%d", n), "DELIVRD", "000")) })
	}
	w.send(t, testMessage(2, "493817"))
	wg.Wait()
	person := receiptOf(id, "UNDELIV", "001")
	person.class = 0 // anybody can write such a text
	deliver(person)
	deliver(receiptOf(id, "UNKNOWN", "000"))
	deliver(receiptOf("", "DELIVRD", "000"))
	if got := w.inbox.take(); len(got) != 0 {
		t.Errorf("receipts %v", got)
	}

	deliver(receiptOf(id, "UNDELIV", "12a"))
	if got := w.inbox.take(); len(got) != 1 || got[0].Code != "12a" || got[0].Status != providers.Undelivered {
		t.Errorf("receipts %v", got)
	}
}

// A receipt can come over another instance, and before the answer to its message is remembered.
func TestReceiptOvertakes(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	ids := newShelf()
	one := newInstance(t, testConfig(c.addr()), ids)
	eventually(t, "one is bound", func() bool { return c.bound() == 1 })
	other := newInstance(t, testConfig(c.addr()), ids)
	eventually(t, "both are bound", func() bool { return c.bound() == 2 })

	id := one.send(t, testMessage(1, "493817"))
	if s, err := c.deliver(1, receiptOf(id, "DELIVRD", "000")); s != statusOK || err != nil {
		t.Fatalf("answered with %#x, %v", s, err)
	}
	if got := other.inbox.take(); len(got) != 1 || got[0].Delivery != testMessage(1, "").Delivery {
		t.Errorf("receipts at the other instance: %v", got)
	}

	early := make(chan error)
	go func() { _, err := c.deliver(0, receiptOf("m2", "DELIVRD", "000")); early <- err }()
	eventually(t, "the receipt waits for its id", func() bool { return len(one.patience) == 1 })
	one.send(t, testMessage(2, "493817"))
	if err := <-early; err != nil {
		t.Fatal(err)
	}
	if got := one.inbox.take(); len(got) != 1 || got[0].Delivery != testMessage(2, "").Delivery {
		t.Errorf("receipts %v", got)
	}
}

// A long message is delivered when all its parts are, in any order, and failed when one is.
func TestReceiptsOfParts(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	w := newWorld(t, testConfig(c.addr()))
	w.send(t, testMessage(1, strings.Repeat("x", 400)))
	deliver := func(id, stat string) []providers.Receipt {
		t.Helper()
		if s, err := c.deliver(0, receiptOf(id, stat, "000")); s != statusOK || err != nil {
			t.Errorf("answered with %#x, %v", s, err)
		}
		return w.inbox.take()
	}
	for _, id := range []string{"m3", "m1", "m3", "m1"} {
		if got := deliver(id, "DELIVRD"); len(got) != 0 {
			t.Errorf("receipts after %s: %v", id, got)
		}
	}
	if got := deliver("m2", "UNDELIV"); len(got) != 1 || got[0].Status != providers.Undelivered {
		t.Errorf("receipts of a part that failed: %v", got)
	}
	for range 2 {
		if got := deliver("m2", "DELIVRD"); len(got) != 1 || got[0].Status != providers.Delivered {
			t.Errorf("receipts of the last part: %v", got)
		}
	}
}

// Where the store doesn't answer, messages go out, and receipts are repeated later.
func TestStoreDoesNotAnswer(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	w := newWorld(t, testConfig(c.addr()))
	id := w.send(t, testMessage(1, "493817"))
	w.ids.mu.Lock()
	w.ids.failing = true
	w.ids.mu.Unlock()
	w.send(t, testMessage(2, "493817"))
	if s, err := c.deliver(0, receiptOf(id, "DELIVRD", "000")); s != statusTryLater || err != nil {
		t.Errorf("answered with %#x, %v", s, err)
	}
	w.ids.mu.Lock()
	w.ids.failing = false
	w.ids.mu.Unlock()
	if s, err := c.deliver(0, receiptOf(id, "DELIVRD", "000")); s != statusOK || err != nil || len(w.inbox.take()) != 1 {
		t.Errorf("repeated, answered with %#x, %v", s, err)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	c := newCentre(t)
	cfg := testConfig(c.addr())
	cfg.Binds = 2
	p, err := New(cfg, newShelf(), (&inbox{}).receive, NewMetrics(reg), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	value := func(name, outcome string) float64 {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if f.GetName() == name && (outcome == "" || l.GetValue() == outcome) {
						return m.GetGauge().GetValue() + m.GetCounter().GetValue()
					}
				}
			}
		}
		t.Fatalf("no series %s %s", name, outcome)
		return 0
	}
	for _, outcome := range receiptOutcomes() {
		if n := value("denwa_smpp_receipts_total", outcome); n != 0 {
			t.Errorf("%v receipts %s from the start", n, outcome)
		}
	}
	eventually(t, "both are counted", func() bool { return value("denwa_smpp_binds", "") == 2 })
	accepted, err := p.SendMessage(context.Background(), testMessage(1, "493817"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*message{receiptOf(accepted.Reference, "DELIVRD", "0"), receiptOf("unknown", "DELIVRD", "0"), receiptOf("", "DELIVRD", "0"), receiptOf("x", "UNKNOWN", "0")} {
		if _, err := c.deliver(0, m); err != nil {
			t.Fatal(err)
		}
	}
	for outcome, want := range map[string]float64{receiptTaken: 1, receiptUnknown: 1, receiptUnread: 1, receiptNoNews: 1, receiptPostponed: 0} {
		if n := value("denwa_smpp_receipts_total", outcome); n != want {
			t.Errorf("%v receipts %s, want %v", n, outcome, want)
		}
	}
	if err := p.Close(); err != nil || value("denwa_smpp_binds", "") != 0 {
		t.Errorf("closed, %v, with %v binds", err, value("denwa_smpp_binds", ""))
	}
}

// Nothing private reaches the store, and a centre that builds ids of numbers
// doesn't bring them into the log.
func TestPrivacy(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.idText = func(n int) string { return fmt.Sprintf("%s-%d", testNumber[1:], n) }
	w := newWorld(t, testConfig(c.addr()))
	if r := w.send(t, testMessage(1, "493817")); r != "" {
		t.Errorf("reference %q", r)
	}
	if s := w.ids.dump(); strings.Contains(s, "493817") {
		t.Errorf("the store holds the code: %s", s)
	}
	if want := 10*time.Minute + 24*time.Hour; w.ids.ttl != want {
		t.Errorf("ids are kept for %v, want %v", w.ids.ttl, want)
	}
	for id, want := range map[string]string{
		"1a2b": "1a2b", "x\ny": "", "": "", "認": "", strings.Repeat("a", 65): "", "37264815": "", testNumber: "",
	} {
		if got := reference(id, testNumber); got != want {
			t.Errorf("%q is shown as %q", id, got)
		}
	}
}

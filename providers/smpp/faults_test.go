package smpp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"denwa/providers"
)

// The centre drops the bind in the middle of a window: what it read is
// ambiguous, is never sent again, and the next bind goes on.
func TestBindDropsInTheMiddleOfAWindow(t *testing.T) {
	t.Parallel()
	const window = 10
	c := newCentre(t)
	var read atomic.Int32
	c.onSubmit = func(l *centreLink, _ pdu) status {
		n := read.Add(1)
		if n == window {
			l.conn.Close()
		}
		switch {
		case n <= 3:
			return statusOK
		case n <= window:
			return silent
		}
		return statusOK
	}
	w := newWorld(t, testConfig(c.addr()))
	var taken, ambiguous atomic.Int32
	var wg sync.WaitGroup
	for n := range window {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_, err := w.SendMessage(ctx, testMessage(n+1, "493817"))
			switch {
			case err == nil:
				taken.Add(1)
			case providers.KindOf(err) == providers.Ambiguous:
				ambiguous.Add(1)
			default:
				t.Errorf("message %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	// Three were answered; nobody knows whether the answers were read before the connection broke.
	if taken.Load() > 3 || taken.Load()+ambiguous.Load() != window {
		t.Errorf("%d taken, %d ambiguous", taken.Load(), ambiguous.Load())
	}
	eventually(t, "it is bound again", func() bool { return get(c, func() int { return c.binds }) == 2 && c.bound() == 1 })
	w.send(t, testMessage(20, "493817"))
	if n := read.Load(); n != window+1 {
		t.Errorf("%d messages were submitted, %d by senders", n, window+1)
	}
}

// More messages than the window wait, and the centre never sees more at once.
func TestWindow(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	var open, most atomic.Int32
	c.onSubmit = func(l *centreLink, p pdu) status {
		if n := open.Add(1); n > most.Load() {
			most.Store(n)
		}
		time.AfterFunc(5*time.Millisecond, func() {
			open.Add(-1)
			l.answer(p, statusOK, &taken{messageID: l.take(p)})
		})
		return silent
	}
	cfg := testConfig(c.addr())
	cfg.Window, cfg.Binds = 3, 2
	w := newWorld(t, cfg)
	eventually(t, "both are bound", func() bool { return c.bound() == 2 })
	var wg sync.WaitGroup
	for n := range 60 {
		wg.Go(func() { w.send(t, testMessage(n+1, "493817")) })
	}
	wg.Wait()
	if n := most.Load(); n < 2 || n > 6 {
		t.Errorf("%d at once, the windows have room for 6", n)
	}
	if n := len(c.taken()); n != 60 {
		t.Errorf("%d messages", n)
	}
}

// What waits for room in a window that nobody answers was never written.
func TestNeverWrittenIsUnavailable(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.onSubmit = func(*centreLink, pdu) status { return silent }
	cfg := testConfig(c.addr())
	cfg.Window = 1
	w := newWorld(t, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	first := make(chan error)
	go func() { _, err := w.SendMessage(ctx, testMessage(1, "493817")); first <- err }()
	eventually(t, "the window is full", func() bool {
		w.pool.mu.Lock()
		defer w.pool.mu.Unlock()
		return w.pool.lanes[0].link != nil && w.pool.lanes[0].free == 0
	})
	if e := w.failure(t, testMessage(2, "493817"), 200*time.Millisecond); e.Kind != providers.Unavailable {
		t.Errorf("the second: %v", e)
	}
	cancel()
	if err := <-first; providers.KindOf(err) != providers.Ambiguous {
		t.Errorf("the first: %v", err)
	}
}

// What was queued on a link that ends before it is written is unavailable; what
// the writer has taken is ambiguous.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	e := &exchange{}
	if !e.withdraw() || !e.withdraw() {
		t.Error("what is queued can be withdrawn")
	}
	if b := (outgoing{frame: []byte("x"), of: e}).appendTo(nil); b != nil {
		t.Errorf("what is withdrawn is written: %q", b)
	}
	e = &exchange{}
	if b := (outgoing{frame: []byte("x"), of: e}).appendTo(nil); string(b) != "x" || e.withdraw() {
		t.Errorf("what is written (%q) is withdrawn", b)
	}
}

// An answer that comes after its sender left is still of use: its receipt is understood.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	late := make(chan func(), 1)
	c.onSubmit = func(l *centreLink, p pdu) status {
		late <- func() { l.answer(p, statusOK, &taken{messageID: l.take(p)}) }
		return silent
	}
	cfg := testConfig(c.addr())
	cfg.Window = 1
	w := newWorld(t, cfg)
	if e := w.failure(t, testMessage(1, "493817"), 300*time.Millisecond); e.Kind != providers.Ambiguous {
		t.Fatalf("unanswered: %v", e)
	}
	(<-late)()
	c.mu.Lock()
	c.onSubmit = nil
	c.mu.Unlock()
	w.send(t, testMessage(2, "493817")) // there is room again
	if s, err := c.deliver(0, receiptOf("m1", "DELIVRD", "000")); s != statusOK || err != nil {
		t.Errorf("the receipt was answered with %#x, %v", s, err)
	}
	if got := w.inbox.take(); len(got) != 1 || got[0].Delivery != testMessage(1, "").Delivery {
		t.Errorf("receipts %v", got)
	}
}

// What the centre took is remembered also where the sender has just left.
func TestTakenWhileSenderLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testConfig("127.0.0.1:1"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s := submission{delivery: deliveryPart{testDelivery, 1, 1}, remember: time.Hour}
	if id, err := w.answered(ctx, s, pdu{command: submitSM.answer(), body: &taken{messageID: "0A"}}); id != "0A" || err != nil {
		t.Errorf("taken as %q, %v", id, err)
	}
	if w.ids.what["a"] != testDelivery {
		t.Errorf("the store has %v", w.ids.what)
	}
}

// A message without any answer gives its room back, and says that it may have been sent.
func TestResponseTimeout(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.onSubmit = func(*centreLink, pdu) status { return silent }
	cfg := testConfig(c.addr())
	cfg.Window, cfg.ResponseTimeout = 1, 200*time.Millisecond
	w := newWorld(t, cfg)
	for n := range 2 {
		if e := w.failure(t, testMessage(n+1, "493817"), time.Minute); e.Kind != providers.Ambiguous {
			t.Errorf("message %d: %v", n, e)
		}
	}
	if c.bound() != 1 {
		t.Error("the centre answers other things, and yet the connection was given up")
	}
	l := w.pool.lanes[0].link
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) != 0 {
		t.Errorf("%d answers are waited for by nobody", len(l.pending))
	}
}

// What a centre shouldn't send to a bound connection ends it only where nothing after it can be read.
func TestGarbage(t *testing.T) {
	t.Parallel()
	huge := pdu{command: deliverSM, sequence: 9, body: receiptOf("1", "DELIVRD", "0")}.encode()
	huge[0] = 0xFF
	broken := pdu{command: deliverSM, sequence: 9, body: receiptOf("1", "DELIVRD", "0")}.encode()
	broken = broken[:40]
	broken[3] = 40
	for name, tt := range map[string]struct {
		octets []byte
		over   bool
	}{
		"HTTP":                        {[]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), true},
		"zeros":                       {make([]byte, 64), true},
		"a PDU without end":           {huge, true},
		"an answer without id":        {octets(t, "00000012 80000004 00000000 00000002 6161"), true},
		"a nack of nobody knows":      {pdu{command: genericNack, status: statusInvalidID}.encode(), true},
		"a deliver_sm of nonsense":    {broken, false},
		"an unknown command":          {pdu{command: 0x103, sequence: 9}.encode(), false},
		"a nack of what was long ago": {pdu{command: genericNack, status: statusInvalidID, sequence: 99}.encode(), false},
		"an answer nobody asked for":  {pdu{command: submitSM.answer(), sequence: 99, body: &taken{messageID: testNumber}}.encode(), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCentre(t)
			w := newWorld(t, testConfig(c.addr()))
			w.send(t, testMessage(1, "493817"))
			get(c, func() *centreLink { return c.links[0] }).write(tt.octets)
			if tt.over {
				eventually(t, "it is bound again", func() bool { return get(c, func() int { return c.binds }) == 2 })
			}
			w.send(t, testMessage(2, "493817"))
			if !tt.over && get(c, func() int { return c.binds }) != 1 {
				t.Error("the connection was given up")
			}
		})
	}
}

// A part that is refused after others were taken leaves a message that may have
// come in part; one about the number still stops.
func TestRefusedPart(t *testing.T) {
	t.Parallel()
	for s, want := range map[status]providers.Kind{
		statusThrottled: providers.Ambiguous, 0x08: providers.Ambiguous, 0x0B: providers.Invalid,
	} {
		c := newCentre(t)
		var n atomic.Int32
		c.onSubmit = func(*centreLink, pdu) status {
			if n.Add(1) == 2 {
				return s
			}
			return statusOK
		}
		w := newWorld(t, testConfig(c.addr()))
		e := w.failure(t, testMessage(1, strings.Repeat("x", 400)), time.Minute)
		if e.Kind != want || e.Code != fmt.Sprintf("0x%02X", uint32(s)) || n.Load() != 2 {
			t.Errorf("%#x on the second of three: %v after %d", s, e, n.Load())
		}
	}
}

// A centre may take a message without saying what it calls it.
func TestTakenWithoutID(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.onSubmit = func(l *centreLink, p pdu) status { l.answer(p, statusOK, nil); return silent }
	w := newWorld(t, testConfig(c.addr()))
	if r := w.send(t, testMessage(1, "493817")); r != "" || len(w.ids.what) != 0 {
		t.Errorf("reference %q, ids %v", r, w.ids.what)
	}
}

// A centre that doesn't read any more holds nobody up for longer than its answer may take.
func TestCentreDoesNotRead(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer far.Close()
	cfg := testConfig("127.0.0.1:1")
	cfg.ResponseTimeout = 100 * time.Millisecond
	l := newLink(near, bufio.NewReader(near), cfg, nil)
	over := make(chan error)
	go func() { over <- l.run(context.Background()) }()
	e, _ := l.ask(context.Background(), submitSM, &message{})
	if err := <-over; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it is over because of %v", err)
	}
	if e.withdraw() {
		t.Error("what was being written counts as not sent")
	}
	if e, _ := l.ask(context.Background(), submitSM, &message{}); !e.withdraw() {
		t.Error("what came later counts as sent")
	}
}

// Whoever waits for room leaves half of the time to the answer.
func TestPatience(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	half, cancel := patience(ctx)
	defer cancel()
	end, ok := half.Deadline()
	if left := time.Until(end); !ok || left > 30*time.Minute || left < 25*time.Minute {
		t.Errorf("%v of an hour", left)
	}
	forever, cancel := patience(context.Background())
	if _, ok := forever.Deadline(); ok {
		t.Error("a deadline where there was none")
	}
	if cancel(); forever.Err() == nil {
		t.Error("it goes on")
	}
}

func TestSequenceNumbers(t *testing.T) {
	t.Parallel()
	l := &link{sequence: 0x7FFFFFFD, pending: map[uint32]*exchange{2: {}}}
	var got []uint32
	for range 4 {
		got = append(got, l.next(&exchange{}))
	}
	if diff := cmp.Diff([]uint32{0x7FFFFFFE, 0x7FFFFFFF, 1, 3}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

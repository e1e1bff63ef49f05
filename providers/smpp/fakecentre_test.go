package smpp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/providers"
)

// centre is a message centre whose misbehaviour is scripted. Its answers are
// those of a real one by default; peer_test.go has one by others.
type centre struct {
	tb       testing.TB
	listener net.Listener
	work     sync.WaitGroup

	mu       sync.Mutex
	links    []*centreLink // that are bound, in the order of their binds
	binds    int           // that were ever asked for
	messages []*message    // that were taken
	ids      int
	idText   func(n int) string                // of the n-th message
	onBind   func(l *centreLink, q pdu) bool   // false for no further handling
	onSubmit func(l *centreLink, q pdu) status // silent for no answer
	enquired int
	unbound  int

	mute atomic.Bool // enquire_link isn't answered
}

// silent is no status of an answer: there is none.
const silent status = 0xFFFFFFFF

// centreLink is the centre's side of a connection.
type centreLink struct {
	*centre
	conn net.Conn

	mu       sync.Mutex
	sequence uint32
	answers  map[uint32]chan pdu
}

func newCentre(tb testing.TB) *centre {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return serveCentre(tb, listener)
}

func serveCentre(tb testing.TB, listener net.Listener) *centre {
	c := &centre{tb: tb, listener: listener, idText: func(n int) string { return fmt.Sprintf("m%d", n) }}
	c.work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			l := &centreLink{centre: c, conn: conn, answers: map[uint32]chan pdu{}}
			c.work.Go(l.serve)
		}
	})
	tb.Cleanup(c.close)
	return c
}

func (c *centre) addr() string { return c.listener.Addr().String() }

func (c *centre) close() {
	c.listener.Close()
	c.mu.Lock()
	for _, l := range c.links {
		l.conn.Close()
	}
	c.mu.Unlock()
	c.work.Wait()
}

// get reads something of the centre.
func get[T any](c *centre, read func() T) T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return read()
}

func (c *centre) bound() int { return get(c, func() int { return len(c.links) }) }

func (c *centre) taken() []*message {
	return get(c, func() []*message { return slices.Clone(c.messages) })
}

func (l *centreLink) serve() {
	defer l.conn.Close()
	defer func() {
		l.centre.mu.Lock()
		l.links = slices.DeleteFunc(l.links, func(other *centreLink) bool { return other == l })
		l.centre.mu.Unlock()
	}()
	in := bufio.NewReader(l.conn)
	for {
		frame, err := readFrame(in, nil)
		if err != nil {
			return
		}
		p, err := decode(frame)
		if err != nil {
			l.tb.Errorf("the provider sent what can't be read: %v", err)
			return
		}
		if !l.handle(p) {
			return
		}
	}
}

func (l *centreLink) handle(p pdu) bool {
	switch p.command {
	case bindTransceiver:
		l.centre.mu.Lock()
		l.binds++
		onBind := l.onBind
		l.centre.mu.Unlock()
		if onBind != nil && !onBind(l, p) {
			return true
		}
		l.centre.mu.Lock()
		l.links = append(l.links, l)
		l.centre.mu.Unlock()
		l.answer(p, statusOK, &bound{systemID: "fake", tlvs: []tlv{{0x0210, []byte{0x34}}}})
	case submitSM:
		l.submitted(p)
	case enquireLink:
		l.centre.mu.Lock()
		l.enquired++
		l.centre.mu.Unlock()
		if !l.mute.Load() {
			l.answer(p, statusOK, nil)
		}
	case unbind:
		l.centre.mu.Lock()
		l.unbound++
		l.centre.mu.Unlock()
		l.answer(p, statusOK, nil)
		return false
	default:
		l.mu.Lock()
		waiting := l.answers[p.sequence]
		delete(l.answers, p.sequence)
		l.mu.Unlock()
		if waiting != nil {
			waiting <- p
		}
	}
	return true
}

func (l *centreLink) submitted(p pdu) {
	onSubmit := get(l.centre, func() func(*centreLink, pdu) status { return l.onSubmit })
	s := statusOK
	if onSubmit != nil {
		s = onSubmit(l, p)
	}
	switch s {
	case silent:
	case statusOK:
		l.answer(p, statusOK, &taken{messageID: l.take(p)})
	default:
		l.answer(p, s, nil)
	}
}

// take takes a message and returns its id.
func (l *centreLink) take(p pdu) string {
	l.centre.mu.Lock()
	defer l.centre.mu.Unlock()
	m, _ := p.body.(*message)
	l.messages = append(l.messages, m)
	l.ids++
	return l.idText(l.ids)
}

func (l *centreLink) answer(p pdu, s status, b body) {
	l.write(pdu{command: p.command.answer(), status: s, sequence: p.sequence, body: b}.encode())
}

func (l *centreLink) write(octets []byte) { _, _ = l.conn.Write(octets) }

// deliver sends deliver_sm over the n-th link and returns the status of the answer.
func (c *centre) deliver(n int, m *message) (status, error) {
	l := get(c, func() *centreLink {
		if n < len(c.links) {
			return c.links[n]
		}
		return nil
	})
	if l == nil {
		return 0, errors.New("no such link")
	}
	answer := make(chan pdu, 1)
	l.mu.Lock()
	l.sequence++
	sequence := l.sequence
	l.answers[sequence] = answer
	l.mu.Unlock()
	l.write(pdu{command: deliverSM, sequence: sequence, body: m}.encode())
	select {
	case p := <-answer:
		if p.command != deliverSM.answer() {
			return 0, fmt.Errorf("answered with %#x", p.command)
		}
		return p.status, nil
	case <-time.After(time.Minute):
		return 0, errors.New("not answered")
	}
}

// receiptOf is a receipt as most centres write it.
func receiptOf(id, stat, code string) *message {
	return &message{
		class: classReceipt, from: address{1, 1, "819037264815"}, to: address{3, 0, "00051234"},
		shortMessage: fmt.Appendf(nil, "id:%s sub:001 dlvrd:001 submit date:2610040900 done date:2610040901 stat:%s err:%s text:493817 is", id, stat, code),
	}
}

// shelf is an IDStore, as several instances share it.
type shelf struct {
	mu      sync.Mutex
	what    map[string]string
	sets    map[string]map[string]bool
	ttl     time.Duration
	failing bool
}

func newShelf() *shelf { return &shelf{what: map[string]string{}, sets: map[string]map[string]bool{}} }

var errShelf = errors.New("the store doesn't answer")

func (s *shelf) Remember(ctx context.Context, id, what string, ttl time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing || ctx.Err() != nil {
		return errShelf
	}
	s.what[id], s.ttl = what, ttl
	return nil
}

func (s *shelf) Recall(_ context.Context, ids ...string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing {
		return nil, errShelf
	}
	what := make([]string, len(ids))
	for i, id := range ids {
		what[i] = s.what[id]
	}
	return what, nil
}

func (s *shelf) Collect(_ context.Context, name, item string, _ time.Duration) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing {
		return 0, errShelf
	}
	if s.sets[name] == nil {
		s.sets[name] = map[string]bool{}
	}
	s.sets[name][item] = true
	return len(s.sets[name]), nil
}

func (s *shelf) dump() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(slices.Collect(maps.Keys(s.what)), slices.Collect(maps.Values(s.what)), s.sets)
}

// inbox is a receiver of receipts.
type inbox struct {
	mu      sync.Mutex
	got     []providers.Receipt
	failing bool
}

func (b *inbox) receive(_ context.Context, _ string, r providers.Receipt) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failing {
		return errShelf
	}
	b.got = append(b.got, r)
	return nil
}

func (b *inbox) take() []providers.Receipt {
	b.mu.Lock()
	defer b.mu.Unlock()
	got := b.got
	b.got = nil
	return got
}

const (
	testPassword = "s3cretPw"
	testDelivery = "vf_mzxw6ytboi2gk3tuonuxg5dpnrxw4zlt.1"
	testNumber   = "+819037264815"
)

func testConfig(address string) Config {
	c := DefaultConfig()
	c.Name, c.Address = "carrier", address
	c.SystemID, c.Password, c.Source = "denwa", testPassword, "00051234"
	return c
}

func testMessage(n int, text string) providers.Message {
	return providers.Message{
		Delivery: strings.TrimSuffix(testDelivery, "1") + strconv.Itoa(n), To: testNumber, Text: text, ValidFor: 10 * time.Minute,
	}
}

// world is a provider with all around it.
type world struct {
	*Provider
	ids   *shelf
	inbox *inbox
	log   *logged
}

type logged struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newWorld(tb testing.TB, cfg Config) *world {
	tb.Helper()
	return newInstance(tb, cfg, newShelf())
}

func newInstance(tb testing.TB, cfg Config, ids *shelf) *world {
	tb.Helper()
	w := &world{ids: ids, inbox: &inbox{}, log: &logged{}}
	p, err := New(cfg, w.ids, w.inbox.receive, NewMetrics(prometheus.NewRegistry()), slog.New(slog.NewTextHandler(w.log, nil)))
	if err != nil {
		tb.Fatal(err)
	}
	w.Provider = p
	tb.Cleanup(func() {
		_ = p.Close()
		for _, secret := range []string{testPassword, testNumber[1:], "493817", "090" + testNumber[5:]} {
			if s := w.log.String(); strings.Contains(s, secret) {
				tb.Errorf("the log holds %q: %s", secret, s)
			}
		}
	})
	return w
}

// send sends a message and expects it to be taken.
func (w *world) send(tb testing.TB, msg providers.Message) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	accepted, err := w.SendMessage(ctx, msg)
	if err != nil {
		tb.Fatalf("not accepted: %v", err)
	}
	return accepted.Reference
}

// failure is what sending a message fails with.
func (w *world) failure(tb testing.TB, msg providers.Message, timeout time.Duration) *providers.Error {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	_, err := w.SendMessage(ctx, msg)
	var e *providers.Error
	if !errors.As(err, &e) {
		tb.Fatalf("want a failure, got %v", err)
	}
	return e
}

// eventually waits for a condition, for as long as a loaded machine needs.
func eventually(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("not within a minute: %s", what)
		}
	}
}

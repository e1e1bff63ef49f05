package smpp

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"denwa/providers"
	"denwa/providers/providertest"
)

// peerOptions are what testdata/centre.cjs takes.
type peerOptions struct {
	Password string `json:"password"`
	IDs      int    `json:"ids"`
	Receipts int    `json:"receipts"`
	TLV      bool   `json:"tlv"`
	Stat     string `json:"stat,omitempty"`
	Throttle int    `json:"throttle"`
	Key      string `json:"key,omitempty"`
	Cert     string `json:"cert,omitempty"`
	Quiet    bool   `json:"quiet"`
}

// peer is a message centre of the npm package smpp.
type peer struct {
	addr string

	mu     sync.Mutex
	events []peerEvent
}

type peerEvent struct {
	Event      string   `json:"event"`
	Port       int      `json:"port"`
	Status     status   `json:"status"`
	Version    int      `json:"version"`
	From       string   `json:"from"`
	To         string   `json:"to"`
	Text       string   `json:"text"`
	UDH        []string `json:"udh"`
	SAR        []int    `json:"sar"`
	Coding     int      `json:"coding"`
	Registered int      `json:"registered"`
	Seconds    int      `json:"seconds"`
	Error      string   `json:"error"`
	ID         string   `json:"id"`
}

func startPeer(tb testing.TB, o peerOptions) *peer {
	tb.Helper()
	node, folder := providertest.Node(tb, "smpp")
	o.Password = testPassword
	options, err := json.Marshal(o)
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(node, "testdata/centre.cjs", folder, string(options))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // when it is closed, also by this process' end, the centre ends
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	p := &peer{}
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var e peerEvent
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				tb.Errorf("the peer prints %q", lines.Text())
			}
			p.mu.Lock()
			p.events = append(p.events, e)
			p.mu.Unlock()
		}
	})
	tb.Cleanup(func() {
		_ = in.Close()
		reading.Wait()
		_ = cmd.Wait()
	})
	eventually(tb, "the peer listens", func() bool { return len(p.all("listening")) == 1 })
	p.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(p.all("listening")[0].Port))
	return p
}

// all are the events of a kind so far.
func (p *peer) all(kind string) (events []peerEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if e.Event == kind {
			events = append(events, e)
		}
	}
	return events
}

// next waits for n events of a kind after those before, and returns them.
func (p *peer) next(tb testing.TB, kind string, before, n int) []peerEvent {
	tb.Helper()
	eventually(tb, fmt.Sprintf("%d more events %q", n, kind), func() bool { return len(p.all(kind)) >= before+n })
	return p.all(kind)[before:]
}

// TestPeerReadsMessages: an implementation by others reads what was meant.
func TestPeerReadsMessages(t *testing.T) {
	t.Parallel()
	p := startPeer(t, peerOptions{IDs: 10})
	const japanese = "【Example】認証コード：493817（10分間有効）\n第三者に教えないでください。\n\n@example.com #493817"
	const english = "@Example: {493817} is your code. [It's ~10 €|£] \\o/ ^_^"
	longGSM := strings.Repeat("0123456789", 15) + "ab{c" + strings.Repeat("9876543210", 2)
	longUCS := strings.Repeat("長い", 33) + "😀" + strings.Repeat("文", 10)

	t.Run("one part", func(t *testing.T) {
		w := newWorld(t, testConfig(p.addr))
		before := len(p.all("message"))
		w.send(t, testMessage(1, japanese))
		w.send(t, testMessage(2, english))
		got := p.next(t, "message", before, 2)
		for i, want := range []peerEvent{
			{Text: japanese, Coding: 8}, {Text: english, Coding: 0},
		} {
			want.Event, want.Registered, want.UDH = "message", 1, []string{}
			want.From, want.To = "3 0 00051234", "1 1 "+testNumber[1:]
			if got[i].Seconds < 595 || got[i].Seconds > 600 {
				t.Errorf("valid for %d s", got[i].Seconds)
			}
			got[i].Seconds = 0
			if diff := cmp.Diff(want, got[i]); diff != "" {
				t.Errorf("message %d (-want +got):\n%s", i, diff)
			}
		}
		if binds := p.all("bind"); binds[0].Version != 0x34 {
			t.Errorf("bound with version %#x", binds[0].Version)
		}
	})
	for _, marks := range []LongMessages{UDH, SAR} {
		t.Run("parts by "+string(marks), func(t *testing.T) {
			cfg := testConfig(p.addr)
			cfg.LongMessages, cfg.Source = marks, "Example"
			w := newWorld(t, cfg)
			for _, text := range []string{longGSM, longUCS} {
				before := len(p.all("message"))
				w.send(t, testMessage(1, text))
				got := p.next(t, "message", before, 2)
				if got[0].Text+got[1].Text != text || got[0].From != "5 0 Example" {
					t.Fatalf("parts: %v", got)
				}
				for i, part := range got {
					udh := strings.Join(part.UDH, "")
					switch marks {
					case UDH: // element 0 of 3 octets: reference, total, number
						if want := fmt.Sprintf("02%02d", i+1); len(udh) != 10 || udh[:4] != "0003" || udh[6:] != want || part.SAR != nil {
							t.Errorf("part %d has header %q", i, udh)
						}
					case SAR:
						if udh != "" || !cmp.Equal(part.SAR, []int{2, i + 1}) {
							t.Errorf("part %d has sar %v, header %q", i, part.SAR, udh)
						}
					}
				}
			}
		})
	}
	if errs := p.all("error"); len(errs) > 0 {
		t.Errorf("the peer complains: %v", errs)
	}
}

// TestPeerReceipts: receipts of an implementation by others, in both bases,
// find their deliveries.
func TestPeerReceipts(t *testing.T) {
	t.Parallel()
	for _, tt := range []peerOptions{
		{IDs: 10, Receipts: 10},
		{IDs: 16, Receipts: 16},
		{IDs: 16, Receipts: 10},
		{IDs: 10, Receipts: 16},
		{IDs: 16, Receipts: 10, TLV: true},
		{IDs: 16, Receipts: 16, TLV: true, Stat: "EXPIRED"},
	} {
		t.Run(fmt.Sprintf("ids %d receipts %d tlv %v", tt.IDs, tt.Receipts, tt.TLV), func(t *testing.T) {
			t.Parallel()
			want := providers.Delivered
			if tt.Stat != "" {
				want = providers.Expired
			}
			p := startPeer(t, tt)
			cfg := testConfig(p.addr)
			cfg.Binds = 2
			w := newWorld(t, cfg)
			const messages = 20
			for n := range messages {
				w.send(t, testMessage(n+1, "Your code is 493817"))
			}
			eventually(t, "receipts are answered", func() bool { return len(p.all("receipt answered")) == messages })
			statuses := map[string]providers.Status{}
			for _, r := range w.inbox.take() {
				statuses[r.Delivery] = r.Status
			}
			for n := range messages {
				if name := testMessage(n+1, "").Delivery; statuses[name] != want {
					t.Errorf("%s is %q", name, statuses[name])
				}
			}
			for _, e := range p.all("receipt answered") {
				if e.Status != statusOK {
					t.Errorf("receipt of %s answered with %#x", e.ID, e.Status)
				}
			}
		})
	}
}

func TestPeerThrottlesRefusesAndSaysGoodbye(t *testing.T) {
	t.Parallel()
	p := startPeer(t, peerOptions{Throttle: 1})
	cfg := testConfig(p.addr)
	cfg.EnquireLink = time.Second
	w := newWorld(t, cfg)
	if e := w.failure(t, testMessage(1, "493817"), 10*time.Second); e.Kind != providers.Throttled || e.Code != "0x58" {
		t.Errorf("throttled: %v", e)
	}
	// For as long as it asked for, nothing is even tried.
	if e := w.failure(t, testMessage(1, "493817"), 10*time.Second); e.Kind != providers.Throttled || e.Code != "" || e.RetryAfter <= 0 {
		t.Errorf("while throttled: %v, retry after %v", e, e.RetryAfter)
	}
	eventually(t, "the pause is over", func() bool { return w.throttle.left(time.Now()) == 0 })
	w.send(t, testMessage(2, "493817"))
	eventually(t, "it is asked whether it is there", func() bool { return len(p.all("enquire_link")) > 0 })
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, "it is said goodbye", func() bool { return len(p.all("unbind")) == 1 })

	cfg.Password = "wrong"
	if e := newWorld(t, cfg).failure(t, testMessage(3, "493817"), 10*time.Second); e.Kind != providers.Auth || e.Code != "0x0E" {
		t.Errorf("with a wrong password: %v", e)
	}
}

func TestPeerOverTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	p := startPeer(t, peerOptions{IDs: 16, Receipts: 10, Cert: cert, Key: key})
	cfg := testConfig(p.addr)
	cfg.TLS = TLSConfig{Enabled: true, TLS: providers.TLS{CAFile: cert, ServerName: "smsc.example.jp"}}
	w := newWorld(t, cfg)
	w.send(t, testMessage(1, "認証コード 493817"))
	eventually(t, "the receipt is there", func() bool { return len(p.all("receipt answered")) == 1 })
	if got := w.inbox.take(); len(got) != 1 || got[0].Status != providers.Delivered {
		t.Errorf("receipts %v", got)
	}
	if seen := w.Certificates().Known(); seen["server"].IsZero() {
		t.Errorf("certificates: %v", seen)
	}
	for name, change := range map[string]func(*TLSConfig){
		"another name":      func(c *TLSConfig) { c.ServerName = "other.example.jp" },
		"another authority": func(c *TLSConfig) { c.CAFile = "" },
		"not encrypted":     func(c *TLSConfig) { *c = TLSConfig{} },
	} {
		wrong := cfg
		wrong.ResponseTimeout = 2 * time.Second
		change(&wrong.TLS)
		if e := newWorld(t, wrong).failure(t, testMessage(1, "493817"), time.Minute); e.Kind != providers.Unavailable {
			t.Errorf("%s: %v", name, e)
		}
	}
	if got := p.next(t, "message", 0, 1); len(got) != 1 {
		t.Errorf("messages: %v", got)
	}
}

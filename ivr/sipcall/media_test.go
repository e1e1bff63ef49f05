package sipcall

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"go.uber.org/goleak"

	"denwa/ivr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddr("127.0.0.1")

func openMedia(tb testing.TB) *Media {
	tb.Helper()
	ports, err := NewPorts(loopback, 40000, 49998)
	if err != nil {
		tb.Fatal(err)
	}
	m, err := ports.Open(loopback)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		m.Close()
		m.Close() // nothing more
		if n := ports.InUse(); n != 0 {
			tb.Errorf("%d ports are in use after Close", n)
		}
	})
	return m
}

// handset is the other side of a call: it keeps what it gets.
type handset struct {
	conn net.PacketConn
	to   net.Addr

	mu      sync.Mutex
	packets []rtp.Packet
	got     chan struct{} // one for each packet
	done    chan struct{}
}

// answerWith gives m an answer of a handset in a law.
func answerWith(t *testing.T, m *Media, l law, event uint8) *handset {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &handset{conn: conn, to: net.UDPAddrFromAddrPort(m.local), got: make(chan struct{}, 10_000), done: make(chan struct{})}
	addr := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	if err := m.Answer(describe(addr, 1, 1, audio(addr.Port(), []law{l}, event, "sendrecv"))); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(h.done)
		buffer := make([]byte, 2000)
		for {
			n, _, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var p rtp.Packet
			if err := p.Unmarshal(slices.Clone(buffer[:n])); err != nil {
				t.Errorf("a packet can't be read: %v", err)
			}
			h.mu.Lock()
			h.packets = append(h.packets, p)
			h.mu.Unlock()
			h.got <- struct{}{}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-h.done
	})
	return h
}

func (h *handset) all() []rtp.Packet {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.packets)
}

// await waits for so many packets.
func (h *handset) await(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-h.got:
		case <-time.After(time.Minute):
			t.Fatalf("only %d packets", len(h.all()))
		}
	}
}

func (h *handset) send(t *testing.T, packets ...*rtp.Packet) {
	t.Helper()
	for _, p := range packets {
		data, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.conn.WriteTo(data, h.to); err != nil {
			t.Fatal(err)
		}
	}
}

// testCall is a call that approves "#" and keeps its outcomes.
type testCall struct {
	Call
	outcomes []ivr.Outcome
}

func newTestCall(tb testing.TB) *testCall {
	c := &testCall{}
	c.Call = Call{
		Script: confirm, Prompts: shippedPrompts(tb),
		Press:   func(context.Context, string) (ivr.Verdict, error) { return ivr.Approved, nil },
		Outcome: func(o ivr.Outcome) { c.outcomes = append(c.outcomes, o) },
	}
	return c
}

// What is sent is the prompts: in the right law, one frame after the other,
// each numbered and timed as RTP wants it.
func TestPlaySends(t *testing.T) {
	for _, l := range []law{muLaw, aLaw} {
		m := openMedia(t)
		h := answerWith(t, m, l, eventType)
		c := newTestCall(t)
		ctx, hangUp := context.WithCancelCause(t.Context())
		played := make(chan error, 1)
		go func() { played <- m.Play(ctx, c.Call) }()
		h.await(t, 60)
		hangUp(ErrHungUp)
		if err := <-played; !errors.Is(err, ErrHungUp) {
			t.Errorf("Play returned %v", err)
		}
		if !slices.Equal(c.outcomes, []ivr.Outcome{ivr.OutcomeHungUp}) {
			t.Errorf("outcomes %v", c.outcomes)
		}
		packets := h.all()
		var sound []byte
		for i, p := range packets {
			if p.Version != 2 || p.PayloadType != uint8(l) || p.SSRC != packets[0].SSRC || p.Marker != (i == 0) ||
				p.SequenceNumber != packets[0].SequenceNumber+uint16(i) || len(p.Payload) != frameSize {
				t.Fatalf("packet %d: %v", i, p.Header)
			}
			// A loaded machine may skip time, by whole frames.
			if since := p.Timestamp - packets[0].Timestamp; since < uint32(i*frameSize) || since%frameSize != 0 {
				t.Fatalf("packet %d is at %d samples", i, since)
			}
			sound = append(sound, p.Payload...)
		}
		sound = sound[leadIn/frameTime*frameSize:]
		want := c.Prompts.of("ja", ivr.Prompt{Key: "greeting"})
		for i, b := range sound[:4000] {
			if w := want[i]; l == muLaw && b != w || l == aLaw && b != toALaw[w] {
				t.Fatalf("sample %d of the greeting is %#x in law %d", i, b, l)
			}
		}
	}
}

// Keys approve, by RTP and by signalling; those of whoever told first.
func TestPlayHearsKeys(t *testing.T) {
	for what, pressKeys := range map[string]func(t *testing.T, h *handset, m *Media){
		"by rtp":                func(t *testing.T, h *handset, _ *Media) { h.send(t, press('#', 8000, 5)...) },
		"by signalling":         func(_ *testing.T, _ *handset, m *Media) { m.Press('#') },
		"by rtp and signalling": func(t *testing.T, h *handset, m *Media) { h.send(t, press('#', 8000, 5)...); m.Press('#') },
		"with comfort noise": func(t *testing.T, h *handset, _ *Media) {
			h.send(t, &rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: comfortNoise}})
			h.send(t, press('#', 8000, 5)...)
		},
		"with another SSRC then": func(t *testing.T, h *handset, _ *Media) {
			h.send(t, &rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 7, Timestamp: 99999}})
			h.send(t, press('#', 8000, 5)...)
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			m := openMedia(t)
			h := answerWith(t, m, muLaw, eventType)
			c := newTestCall(t)
			var asked []string
			c.Press = func(_ context.Context, keys string) (ivr.Verdict, error) {
				asked = append(asked, keys)
				return ivr.Approved, nil
			}
			played := make(chan error, 1)
			go func() { played <- m.Play(t.Context(), c.Call) }()
			h.await(t, 30)
			pressKeys(t, h, m)
			if err := <-played; err != nil {
				t.Error(err)
			}
			if !slices.Equal(asked, []string{"#"}) || !slices.Equal(c.outcomes, []ivr.Outcome{ivr.OutcomeConfirmed}) {
				t.Errorf("asked %q, outcomes %v", asked, c.outcomes)
			}
		})
	}
}

// An extension is dialled in packets of one time, the last one three times.
func TestPlayDialsExtension(t *testing.T) {
	t.Parallel()
	m := openMedia(t)
	h := answerWith(t, m, muLaw, 96)
	c := newTestCall(t)
	c.Extension = "4*"
	ctx, cancel := context.WithCancelCause(t.Context())
	played := make(chan error, 1)
	go func() { played <- m.Play(ctx, c.Call) }()
	h.await(t, int((beforeExtension+2*(keyDown+keyUp))/frameTime)+4)
	cancel(ErrHungUp)
	<-played
	var dialled []rtp.Packet
	for _, p := range h.all() {
		if p.PayloadType == 96 {
			dialled = append(dialled, p)
		}
	}
	if len(dialled) != 14 {
		t.Fatalf("%d packets of two keys", len(dialled))
	}
	for i, p := range dialled {
		n := i % 7 // of 5 frames, and 2 more ends
		end, event := n >= 4, []byte{4, 10}[i/7]
		// A loaded machine may skip time, by whole frames.
		held := heldFor(p)
		if p.Timestamp != dialled[i/7*7].Timestamp || p.Marker != (n == 0) || p.Payload[0] != event || (p.Payload[1]&endBit != 0) != end ||
			held < min(n+1, 5)*frameSize || held%frameSize != 0 || n > 4 && held != heldFor(dialled[i-1]) {
			t.Errorf("packet %d: %v, %x", i, p.Header, p.Payload)
		}
	}
	if heardKeys := heardKeys(pointers(dialled)...); heardKeys != "4*" {
		t.Errorf("a receiver hears %q", heardKeys)
	}
}

// heldFor is how long a packet says that its key was held, in samples.
func heldFor(p rtp.Packet) int { return int(binary.BigEndian.Uint16(p.Payload[2:])) }

// A key is one press also when sending lags while it is down, however long.
func TestSendKeyLags(t *testing.T) {
	t.Parallel()
	for lag, longest := range map[time.Duration]int{
		0:                5 * frameSize,
		10 * frameTime:   15 * frameSize,
		20 * time.Second: 65535,
	} {
		m := openMedia(t)
		h := answerWith(t, m, muLaw, eventType)
		out, due := m.newSender(), time.Now()
		for held := frameTime; held <= keyDown; held += frameTime {
			if held == 3*frameTime {
				out.catchUp(due, due.Add(lag))
			}
			out.send(frame{key: '7', held: held, last: held == keyDown})
		}
		h.await(t, 7)
		packets := h.all()
		for i, p := range packets {
			if p.Timestamp != packets[0].Timestamp || i > 0 && heldFor(p) < heldFor(packets[i-1]) {
				t.Errorf("lag %v, packet %d: %v, %x", lag, i, p.Header, p.Payload)
			}
		}
		if n := heldFor(packets[6]); n != longest {
			t.Errorf("lag %v: held for %d samples, want %d", lag, n, longest)
		}
		if heardKeys := heardKeys(pointers(packets)...); heardKeys != "7" {
			t.Errorf("lag %v: a receiver hears %q", lag, heardKeys)
		}
	}
}

// On hold nothing is said. Afterwards the script goes on where it was, and the
// clock as if nothing had been.
func TestPlayHolds(t *testing.T) {
	t.Parallel()
	m := openMedia(t)
	h := answerWith(t, m, muLaw, eventType)
	c := newTestCall(t)
	c.MediaTimeout = 2 * time.Second // and the handset sends nothing
	ctx, cancel := context.WithCancelCause(t.Context())
	played := make(chan error, 1)
	go func() { played <- m.Play(ctx, c.Call) }()
	reoffer := func(direction string) {
		addr := h.conn.LocalAddr().(*net.UDPAddr).AddrPort()
		if _, err := m.Reoffer(describe(addr, 1, 2, audio(addr.Port(), []law{muLaw}, eventType, direction))); err != nil {
			t.Error(err)
		}
	}
	h.await(t, 10)
	reoffer("sendonly")
	time.Sleep(5 * frameTime) // for what is under way
	held := len(h.all())
	time.Sleep(c.MediaTimeout + 500*time.Millisecond)
	if n := len(h.all()); n != held {
		t.Errorf("%d packets came on hold", n-held)
	}
	reoffer("sendrecv")
	h.await(t, held-10+12)
	cancel(ErrHungUp)
	if err := <-played; !errors.Is(err, ErrHungUp) {
		t.Errorf("Play returned %v", err)
	}
	packets := h.all()
	before, after := packets[held-1], packets[held]
	if after.SequenceNumber != before.SequenceNumber+1 || !after.Marker || after.Timestamp-before.Timestamp < sampleRate {
		t.Errorf("after hold: %v, before: %v", after.Header, before.Header)
	}
}

func pointers(packets []rtp.Packet) []*rtp.Packet {
	all := make([]*rtp.Packet, len(packets))
	for i := range packets {
		all[i] = &packets[i]
	}
	return all
}

func TestPlayEnds(t *testing.T) {
	errStop, errStore := errors.New("stopped"), errors.New("no store")
	const lost = 3 * time.Second
	for what, c := range map[string]struct {
		timeout time.Duration
		// pressed is whether # is pressed, and the call ends while the gateway judges.
		pressed  bool
		verdict  ivr.Verdict
		press    error
		end      error // nil for no end but that of media
		want     error
		outcomes []ivr.Outcome
	}{
		"stopped":                {end: errStop, want: errStop},
		"no media":               {timeout: 200 * time.Millisecond, want: ErrNoMedia},
		"the gateway is away":    {pressed: true, press: errStore, want: errStore},
		"pressed and hung up":    {pressed: true, verdict: ivr.Approved, end: ErrHungUp, want: ErrHungUp, outcomes: []ivr.Outcome{ivr.OutcomeConfirmed}},
		"pressed and stopped":    {pressed: true, verdict: ivr.Denied, end: errStop, want: errStop, outcomes: []ivr.Outcome{ivr.OutcomeDenied}},
		"pressed and no media":   {pressed: true, verdict: ivr.Approved, timeout: lost, want: ErrNoMedia, outcomes: []ivr.Outcome{ivr.OutcomeConfirmed}},
		"wrong key and hung up":  {pressed: true, verdict: ivr.Wrong, end: ErrHungUp, want: ErrHungUp, outcomes: []ivr.Outcome{ivr.OutcomeHungUp}},
		"hung up before the end": {end: ErrHungUp, want: ErrHungUp, outcomes: []ivr.Outcome{ivr.OutcomeHungUp}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			m := openMedia(t)
			h := answerWith(t, m, muLaw, eventType)
			call := newTestCall(t)
			call.MediaTimeout = c.timeout
			asked := make(chan struct{})
			call.Press = func(ctx context.Context, _ string) (ivr.Verdict, error) {
				close(asked)
				time.Sleep(c.timeout + 300*time.Millisecond) // the gateway takes its time
				if ctx.Err() != nil {
					t.Error("the question is canceled with the call")
				}
				return c.verdict, c.press
			}
			ctx, end := context.WithCancelCause(t.Context())
			defer end(nil)
			played := make(chan error, 1)
			go func() { played <- m.Play(ctx, call.Call) }()
			if c.pressed {
				h.await(t, int(leadIn/frameTime)+5) // the greeting begins
				m.Press('#')
				<-asked
			}
			if c.end != nil {
				end(c.end)
			}
			if err := <-played; !errors.Is(err, c.want) {
				t.Errorf("Play returned %v, want %v", err, c.want)
			}
			if !slices.Equal(call.outcomes, c.outcomes) {
				t.Errorf("outcomes %v, want %v", call.outcomes, c.outcomes)
			}
		})
	}
	if err := openMedia(t).Play(t.Context(), newTestCall(t).Call); !errors.Is(err, ErrNoPeer) {
		t.Errorf("without an answer Play returned %v", err)
	}
}

// A call whose media is lost is given up, but not while there is any.
func TestPlayLosesMedia(t *testing.T) {
	t.Parallel()
	m := openMedia(t)
	h := answerWith(t, m, muLaw, eventType)
	c := newTestCall(t)
	c.MediaTimeout = 2 * time.Second
	played := make(chan error, 1)
	go func() { played <- m.Play(t.Context(), c.Call) }()
	for i := range 125 { // two and a half seconds
		h.send(t, &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(i)}, Payload: make([]byte, frameSize)})
		time.Sleep(frameTime)
	}
	select {
	case err := <-played:
		t.Fatalf("given up with media: %v", err)
	default:
	}
	if err := <-played; !errors.Is(err, ErrNoMedia) {
		t.Errorf("Play returned %v", err)
	}
	if len(c.outcomes) != 0 {
		t.Errorf("outcomes %v", c.outcomes)
	}
}

// Keys that somebody else sends don't count.
func TestWhosePacketsCount(t *testing.T) {
	phone, nat, attacker := netip.MustParseAddrPort("192.0.2.1:4000"), netip.MustParseAddrPort("198.51.100.1:5000"), netip.MustParseAddrPort("203.0.113.1:6000")
	sound, _ := (&rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, frameSize)}).Marshal()
	hash, _ := press('#', 1000, 5)[0].Marshal()
	dynamic, _ := (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 111}}).Marshal()
	type packet struct {
		from netip.AddrPort
		data []byte
	}
	for what, c := range map[string]struct {
		packets []packet
		keys    int
		target  netip.AddrPort
	}{
		"from the phone":                     {[]packet{{phone, sound}, {phone, hash}}, 1, phone},
		"from behind NAT":                    {[]packet{{nat, sound}, {nat, hash}}, 1, nat},
		"from somebody after the phone":      {[]packet{{phone, sound}, {attacker, hash}}, 0, phone},
		"from somebody after NAT":            {[]packet{{nat, sound}, {attacker, hash}}, 0, nat},
		"from the phone after NAT":           {[]packet{{nat, sound}, {phone, sound}, {nat, hash}}, 0, phone},
		"from somebody with other media":     {[]packet{{attacker, dynamic}, {phone, hash}}, 1, phone},
		"from somebody with garbage":         {[]packet{{attacker, []byte("GET / HTTP/1.1")}, {phone, hash}}, 1, phone},
		"from the same host by another port": {[]packet{{phone, sound}, {netip.AddrPortFrom(phone.Addr(), 4002), hash}}, 0, phone},
	} {
		m := openMedia(t)
		if err := m.Answer(describe(phone, 1, 1, audio(phone.Port(), []law{muLaw}, eventType, "sendrecv"))); err != nil {
			t.Fatal(err)
		}
		var r receiver
		for _, p := range c.packets {
			m.packet(&r, p.data, p.from)
		}
		if len(m.keys) != c.keys {
			t.Errorf("%s: %d keys, want %d", what, len(m.keys), c.keys)
		}
		if target := m.target.Load(); target == nil || *target != c.target {
			t.Errorf("%s: media goes to %v, want %v", what, target, c.target)
		}
	}
}

func TestPorts(t *testing.T) {
	for _, c := range []struct {
		first, last uint16
		count       int
	}{{40000, 40000, 1}, {40000, 40001, 1}, {40001, 40004, 2}, {2, 65535, 32767}, {40001, 40001, 0}, {40002, 40000, 0}, {0, 0, 0}, {65535, 65535, 0}} {
		p, err := NewPorts(loopback, c.first, c.last)
		if c.count == 0 != (err != nil) || err == nil && p.Count() != c.count {
			t.Errorf("%d to %d: %v, %v", c.first, c.last, p, err)
		}
	}
	// One that another program has, and two that are free.
	other, err := net.ListenPacket("udp", "127.0.0.1:48800")
	if err != nil {
		t.Skip("somebody has port 48800")
	}
	defer other.Close()
	ports, err := NewPorts(loopback, 48800, 48805)
	if err != nil {
		t.Fatal(err)
	}
	a, errA := ports.Open(loopback)
	b, errB := ports.Open(loopback)
	if _, err := ports.Open(loopback); errA != nil || errB != nil || !errors.Is(err, ErrNoPort) {
		t.Fatalf("%v, %v, %v", errA, errB, err)
	}
	b.Close()
	c, err := ports.Open(loopback)
	if err != nil || c.local != b.local {
		t.Errorf("a port that was given back isn't used again: %v", err)
	}
	a.Close()
	c.Close()
}

// FuzzPacket gives any bytes to a call, as anybody can.
func FuzzPacket(f *testing.F) {
	phone := netip.MustParseAddrPort("192.0.2.1:4000")
	for _, p := range append(press('#', 1000, 5), &rtp.Packet{Header: rtp.Header{Version: 2, Padding: true, PaddingSize: 4}, Payload: make([]byte, 10)}) {
		data, err := p.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, data)
	}
	f.Add([]byte{0xBF, 0x65, 0, 1}, []byte{0x90, 101, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xBE, 0xDE, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		m := &Media{keys: make(chan byte, 32)}
		p := peer{addr: phone, event: eventType}
		m.agree(p)
		var r receiver
		m.packet(&r, first, phone)
		m.packet(&r, second, phone)
		m.packet(&r, second, netip.MustParseAddrPort("203.0.113.1:6000"))
		if len(m.keys) > 2 {
			t.Errorf("%d keys in two packets", len(m.keys))
		}
	})
}

// BenchmarkFrame is what one call costs each 20 ms: the next frame of its
// script is sent over loopback, and one that came is read.
func BenchmarkFrame(b *testing.B) {
	m := openMedia(b)
	to, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer to.Close()
	addr := to.LocalAddr().(*net.UDPAddr).AddrPort()
	if err := m.Answer(describe(addr, 1, 1, audio(addr.Port(), []law{aLaw}, eventType, "sendrecv"))); err != nil {
		b.Fatal(err)
	}
	out, prompts := m.newSender(), shippedPrompts(b)
	player := newPlayer(confirm, "", true, prompts, func(ivr.Outcome) {})
	packet, _ := (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 8}, Payload: make([]byte, frameSize)}).Marshal()
	buffer, back := make([]byte, 2048), net.UDPAddrFromAddrPort(m.local)
	var r receiver
	b.ReportAllocs()
	for b.Loop() {
		f, ok := player.next()
		if !ok {
			player = newPlayer(confirm, "", true, prompts, func(ivr.Outcome) {})
		}
		out.send(f)
		if _, err := to.WriteTo(packet, back); err != nil { // the phone's work, not counted apart
			b.Fatal(err)
		}
		n, from, err := m.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			b.Fatal(err)
		}
		m.packet(&r, buffer[:n], from)
	}
	b.ReportMetric(float64(frameTime)*float64(b.N)/float64(b.Elapsed()), "calls/core")
}

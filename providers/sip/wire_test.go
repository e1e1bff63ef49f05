package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"denwa/ivr"
	"denwa/providers"
)

// wire is the other side of a call, message by message.
type wire struct {
	t      testing.TB
	conn   net.PacketConn
	from   net.Addr
	invite *sip.Request
}

func newWire(t testing.TB) *wire {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &wire{t: t, conn: conn}
}

func (w *wire) addr() string { return w.conn.LocalAddr().String() }

// next returns the next message; nil when none comes.
func (w *wire) next(patience time.Duration) sip.Message {
	w.t.Helper()
	buffer := make([]byte, 4096)
	_ = w.conn.SetReadDeadline(time.Now().Add(patience))
	n, from, err := w.conn.ReadFrom(buffer)
	if err != nil {
		return nil
	}
	w.from = from
	m, err := sip.ParseMessage(slices.Clone(buffer[:n]))
	if err != nil {
		w.t.Fatalf("a message can't be read: %v\n%s", err, buffer[:n])
	}
	return m
}

// request returns the next request of a method, and drops others.
func (w *wire) request(method sip.RequestMethod) *sip.Request {
	w.t.Helper()
	for range 20 {
		if req, ok := w.next(10 * time.Second).(*sip.Request); ok && req.Method == method {
			if method == sip.INVITE {
				w.invite = req
			}
			return req
		}
	}
	w.t.Fatalf("no %s comes", method)
	return nil
}

// response returns the next response with a code, and drops others.
func (w *wire) response(code int) *sip.Response {
	w.t.Helper()
	for range 20 {
		if res, ok := w.next(10 * time.Second).(*sip.Response); ok && res.StatusCode == code {
			return res
		}
	}
	w.t.Fatalf("no %d comes", code)
	return nil
}

func (w *wire) send(m sip.Message) {
	w.t.Helper()
	if _, err := w.conn.WriteTo([]byte(m.String()), w.from); err != nil {
		w.t.Fatal(err)
	}
}

// answer answers a request as the phone of that tag.
func (w *wire) answer(req *sip.Request, code int, tag string, sdp []byte) {
	res := sip.NewResponseFromRequest(req, code, "Whatever", sdp)
	to := res.To()
	to.Params.Remove("tag")
	to.Params.Add("tag", tag)
	if sdp != nil {
		res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	}
	res.AppendHeader(sip.NewHeader("Contact", "<sip:"+tag+"@"+w.addr()+">"))
	w.send(res)
}

// ask sends a request within the call from the phone of that tag.
func (w *wire) ask(method sip.RequestMethod, seq uint32, tag string, body []byte) {
	req := sip.NewRequest(method, w.invite.Contact().Address)
	via := &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: "127.0.0.1", Port: w.conn.LocalAddr().(*net.UDPAddr).Port}
	via.Params.Add("branch", sip.GenerateBranch())
	from := w.invite.To().AsFrom()
	from.Params.Remove("tag")
	from.Params.Add("tag", tag)
	to := w.invite.From().AsTo()
	for _, h := range []sip.Header{via, &from, &to, w.invite.CallID(), &sip.CSeqHeader{SeqNo: seq, MethodName: method}} {
		req.AppendHeader(h)
	}
	if body != nil {
		req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	}
	req.SetBody(body)
	w.send(req)
}

// sdp describes media at an address where nobody is.
func (w *wire) sdp() []byte {
	return []byte(strings.ReplaceAll("v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n", "\n", "\r\n"))
}

func tagOf(to *sip.ToHeader) string { return to.Params.GetOr("tag", "") }

// start places a call that the other side may answer in its own time.
func start(t *testing.T, change func(*Config)) (*world, *wire) {
	t.Helper()
	trunk := newWire(t)
	w := newWorld(t, trunk.addr(), change)
	go func() { _, _ = w.place(confirm) }()
	trunk.request(sip.INVITE)
	return w, trunk
}

func TestInvite(t *testing.T) {
	t.Parallel()
	w, trunk := start(t, func(cfg *Config) {
		cfg.Domain, cfg.Dial = "sip.example.jp", map[string]string{"+": "010", "+81": "0", "+1": "0101"}
	})
	req := trunk.invite
	text := req.String()
	for _, want := range []string{
		"INVITE sip:09037264815@sip.example.jp SIP/2.0\r\n",
		"Via: SIP/2.0/UDP " + w.endpoint.local.String() + ";branch=z9hG4bK",
		"From: <sip:+815012345678@sip.example.jp>;tag=", "To: <sip:09037264815@sip.example.jp>\r\n",
		"Contact: <sip:+815012345678@" + w.endpoint.local.String() + ">\r\n",
		"Max-Forwards: 70\r\n", "Allow: " + allowed + "\r\n", "Content-Type: application/sdp\r\n", "RTP/AVP 0 8 101\r\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the INVITE lacks %q:\n%s", want, text)
		}
	}
	// Credentials take about 300 bytes more; over UDP 1,300 are too many.
	if len(text) > 950 {
		t.Errorf("the INVITE has %d bytes", len(text))
	}
	trunk.answer(req, 486, "a", nil)
	w.over(providers.Busy)
}

// A 200 that comes again is confirmed again; one of another phone is
// confirmed, and that phone hung up on.
func TestAnsweredTwice(t *testing.T) {
	t.Parallel()
	w, trunk := start(t, nil)
	trunk.answer(trunk.invite, 180, "a", nil)
	trunk.answer(trunk.invite, 200, "a", trunk.sdp())
	for range 2 {
		if ack := trunk.request(sip.ACK); tagOf(ack.To()) != "a" || ack.Recipient.User != "a" || ack.CSeq().SeqNo != trunk.invite.CSeq().SeqNo {
			t.Errorf("confirmed with %s", ack.Short())
		}
		trunk.answer(trunk.invite, 200, "a", trunk.sdp())
	}
	trunk.request(sip.ACK)
	trunk.answer(trunk.invite, 200, "b", trunk.sdp())
	if ack := trunk.request(sip.ACK); tagOf(ack.To()) != "b" {
		t.Errorf("confirmed with tag %q", tagOf(ack.To()))
	}
	bye := trunk.request(sip.BYE)
	if tagOf(bye.To()) != "b" || bye.Recipient.User != "b" {
		t.Errorf("hung up on tag %q", tagOf(bye.To()))
	}
	trunk.answer(bye, 200, "b", nil)
	trunk.ask(sip.BYE, 1, "a", nil)
	trunk.response(200)
	w.over(providers.Answered, providers.HungUp)
}

// The 200 to a new offer is sent again until it is confirmed.
func TestRepeatsUntilConfirmed(t *testing.T) {
	t.Parallel()
	w, trunk := start(t, nil)
	trunk.answer(trunk.invite, 200, "a", trunk.sdp())
	trunk.request(sip.ACK)
	w.await(providers.Answered)
	trunk.ask(sip.INVITE, 5, "a", trunk.sdp())
	first := trunk.response(200)
	if again := trunk.response(200); again.String() != first.String() {
		t.Errorf("the 200 changed from\n%s\nto\n%s", first, again)
	}
	trunk.ask(sip.ACK, 5, "a", nil)
	if m := trunk.next(1500 * time.Millisecond); m != nil {
		t.Errorf("after the ACK comes\n%s", m)
	}
	trunk.ask(sip.BYE, 6, "a", nil)
	trunk.response(200)
	w.over(providers.Answered, providers.HungUp)
}

// A new offer confirms the answer to the one before, whose ACK is lost.
func TestOffersWithoutConfirming(t *testing.T) {
	t.Parallel()
	w, trunk := start(t, nil)
	trunk.answer(trunk.invite, 200, "a", trunk.sdp())
	trunk.request(sip.ACK)
	w.await(providers.Answered)
	for seq := uint32(5); seq < 8; seq++ {
		trunk.ask(sip.INVITE, seq, "a", trunk.sdp())
		for answered := false; !answered; { // after those that come again
			answered = trunk.response(200).CSeq().SeqNo == seq
		}
	}
	trunk.ask(sip.ACK, 7, "a", nil)
	trunk.ask(sip.BYE, 8, "a", nil)
	trunk.response(200)
	w.over(providers.Answered, providers.HungUp)
}

// The phone hangs up while it still rings.
func TestByeBeforeAnswer(t *testing.T) {
	t.Parallel()
	w, trunk := start(t, nil)
	trunk.answer(trunk.invite, 180, "a", nil)
	w.await(providers.Ringing)
	trunk.ask(sip.BYE, 1, "a", nil)
	trunk.request(sip.CANCEL) // it may come before the 200
	trunk.answer(trunk.invite, 487, "a", nil)
	w.over(providers.HungUp)
}

// Nothing at all comes: PlaceCall's own caller may be less patient.
func TestPlaceCallIsCutOff(t *testing.T) {
	t.Parallel()
	trunk := newWire(t)
	w := newWorld(t, trunk.addr(), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := w.PlaceCall(ctx, providers.Call{Delivery: delivery, To: "+819037264815", Script: confirm})
	if providers.KindOf(err) != providers.Ambiguous {
		t.Errorf("failed with %v", err)
	}
	if _, err := w.PlaceCall(ctx, providers.Call{}); providers.KindOf(err) != providers.Unavailable {
		t.Errorf("with an ended context: %v", err)
	}
	// The phone rings after all.
	trunk.answer(trunk.request(sip.INVITE), 180, "a", nil)
	trunk.answer(trunk.request(sip.CANCEL), 200, "a", nil)
	trunk.answer(trunk.invite, 487, "a", nil)
	trunk.request(sip.ACK)
	w.over()
}

// Words that nobody recorded are left to a provider that can speak.
func TestUnspeakable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newWire(t).addr(), nil)
	for _, s := range []ivr.Script{{Mode: ivr.ModeCode, Code: "12a"}, {Mode: ivr.ModeMessage, Message: "Your table is ready."}} {
		_, err := w.place(s)
		failure := (*providers.Error)(nil)
		if !errors.As(err, &failure) || failure.Kind != providers.Unavailable || !failure.Unfit || !strings.Contains(err.Error(), "no recording") {
			t.Errorf("%s failed with %v", s.Mode, err)
		}
	}
	w.over()
}

// Only the other side of a call may end it.
func TestStrangers(t *testing.T) {
	t.Parallel()
	w, trunk := start(t, nil)
	trunk.answer(trunk.invite, 200, "a", trunk.sdp())
	trunk.request(sip.ACK)
	w.await(providers.Answered)
	trunk.ask(sip.BYE, 1, "x", nil)
	trunk.response(481)
	known := trunk.invite
	trunk.invite = known.Clone()
	trunk.invite.From().Params.Remove("tag")
	trunk.ask(sip.BYE, 1, "a", nil)
	trunk.response(481)
	trunk.ask(sip.INVITE, 1, "a", trunk.sdp())
	trunk.response(481)
	trunk.ask(sip.OPTIONS, 1, "a", nil)
	trunk.response(200)
	trunk.invite = known
	trunk.ask(sip.BYE, 1, "a", nil)
	trunk.response(200)
	w.over(providers.Answered, providers.HungUp)
}

func TestKeyOf(t *testing.T) {
	t.Parallel()
	const relay, plain = "application/dtmf-relay", "application/dtmf"
	for _, c := range []struct {
		kind, body string
		want       byte
	}{
		{relay, "Signal=5\r\nDuration=160\r\n", '5'},
		{relay, "Signal= #\r\nDuration= 160", '#'},
		{relay, "Duration=160\nsignal=11", '#'},
		{relay, "Signal=10\r\n", '*'},
		{relay, "Signal=d\r\n", 'D'},
		{relay, "Signal=12\r\n", 0},
		{relay, "Signal=\r\n", 0},
		{relay, "5", 0},
		{relay, "", 0},
		{plain, "5", '5'},
		{plain, " #\r\n", '#'},
		{plain, "11", '#'},
		{plain, "55", 0},
		{plain, "x", 0},
		{plain, "", 0},
	} {
		if got, ok := keyOf(c.kind, c.body); got != c.want || ok != (c.want != 0) {
			t.Errorf("%s %q is %q, %t", c.kind, c.body, got, ok)
		}
	}
}

// FuzzDatagram sends any bytes to the SIP port, as anybody can. After each it
// still answers a trunk that asks whether it is alive.
func FuzzDatagram(f *testing.F) {
	trunk := newWire(f)
	cfg := DefaultConfig()
	cfg.Name, cfg.Server, cfg.From, cfg.Listen, cfg.Media.Address = "trunk", trunk.addr(), caller, "127.0.0.1:0", "127.0.0.1"
	p, err := New(cfg, func(context.Context, string, providers.Receipt) error { return nil }, approving{}, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { p.Close() })
	// A call that never ends, for requests to be about.
	go func() {
		_, _ = p.PlaceCall(context.Background(), providers.Call{Delivery: delivery, To: "+819037264815", Script: confirm})
	}()
	trunk.request(sip.INVITE)
	trunk.answer(trunk.invite, 180, "a", nil)
	for _, method := range []sip.RequestMethod{sip.INVITE, sip.BYE, sip.INFO, sip.OPTIONS, sip.CANCEL, sip.ACK, "X"} {
		f.Add([]byte(string(method) + " sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:b@c>;tag=b\r\n" +
			"Call-ID: " + trunk.invite.CallID().Value() + "\r\nCSeq: 1 " + string(method) + "\r\nContent-Length: 0\r\n\r\n"))
	}
	f.Add([]byte("SIP/2.0 200 OK\r\n" + trunk.invite.Via().String() + "\r\nCSeq: 1 INVITE\r\n\r\n"))
	f.Add([]byte("\r\n\r\n"))
	seq := uint32(1)
	f.Fuzz(func(t *testing.T, data []byte) {
		trunk.t = t
		if len(data) > 8000 {
			t.Skip("larger than what a socket takes")
		}
		if _, err := trunk.conn.WriteTo(data, trunk.from); err != nil {
			t.Fatal(err)
		}
		seq++
		trunk.ask(sip.OPTIONS, seq, "stranger", nil)
		want, buffer := fmt.Sprintf("CSeq: %d OPTIONS\r\n", seq), make([]byte, 65536)
		_ = trunk.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		for {
			n, _, err := trunk.conn.ReadFrom(buffer)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			if text := string(buffer[:n]); strings.HasPrefix(text, "SIP/2.0 200 OK\r\n") && strings.Contains(text, want) {
				return
			}
		}
	})
}

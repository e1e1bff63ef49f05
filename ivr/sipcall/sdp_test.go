package sipcall

import (
	"net/netip"
	"strings"
	"testing"
)

var here = netip.MustParseAddrPort("192.0.2.10:20000")

func TestOffer(t *testing.T) {
	const want = `v=0
o=- 12345 1 IN IP4 192.0.2.10
s=-
c=IN IP4 192.0.2.10
t=0 0
m=audio 20000 RTP/AVP 0 8 101
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=sendrecv
`
	if got := strings.ReplaceAll(string(offer(here, 12345, 1)), "\r\n", "\n"); got != want {
		t.Errorf("offered\n%s", got)
	}
	six := string(offer(netip.MustParseAddrPort("[2001:db8::1]:20000"), 1, 1))
	if !strings.Contains(six, "c=IN IP6 2001:db8::1\r\n") {
		t.Errorf("offered\n%s", six)
	}
}

// sdpOf is a session description with these lines, of the session and then of
// its media.
func sdpOf(lines string) []byte {
	at := strings.Index(lines, "m=")
	if a := strings.Index(lines, "a="); a >= 0 && a < at {
		at = a
	}
	return []byte("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n" + lines[:max(at, 0)] + "t=0 0\r\n" + lines[max(at, 0):])
}

func TestParse(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.1:4000")
	for _, c := range []struct {
		what, media string
		want        peer
	}{
		{"both laws", "c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n", peer{addr: at, law: muLaw, event: 101}},
		{"A-law first", "c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 8 0 96\r\na=rtpmap:96 TELEPHONE-EVENT/8000/1\r\n", peer{addr: at, law: aLaw, event: 96}},
		{"other codecs before", "c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 9 111 8\r\na=rtpmap:111 opus/48000/2\r\n", peer{addr: at, law: aLaw}},
		{"events of another rate", "c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0 97\r\na=rtpmap:97 telephone-event/16000\r\n", peer{addr: at, law: muLaw}},
		{"its own address", "c=IN IP4 192.0.2.99\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n", peer{addr: at, law: muLaw}},
		{"after video", "c=IN IP4 192.0.2.1\r\nm=video 5000 RTP/AVP 31\r\nm=audio 0 RTP/AVP 0\r\nm=audio 4000 RTP/AVP 0\r\n", peer{addr: at, law: muLaw}},
		{"on hold", "c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\na=sendonly\r\n", peer{addr: at, law: muLaw, held: true}},
		{"on hold for the session", "c=IN IP4 192.0.2.1\r\na=inactive\r\nm=audio 4000 RTP/AVP 0\r\n", peer{addr: at, law: muLaw, held: true, silent: true}},
		{"on hold the old way", "c=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\n", peer{law: muLaw, held: true, silent: true}},
		{"only listens", "c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\na=recvonly\r\n", peer{addr: at, law: muLaw, silent: true}},
		{"IPv6", "c=IN IP6 2001:db8::1\r\nm=audio 4000 RTP/AVP 0\r\n", peer{addr: netip.MustParseAddrPort("[2001:db8::1]:4000"), law: muLaw}},
	} {
		if got, _, _, err := parse(sdpOf(c.media)); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", c.what, got, err)
		}
	}
	for want, media := range map[string]string{
		"no audio by RTP/AVP":  "c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/SAVP 0\r\n",
		"takes no audio":       "c=IN IP4 192.0.2.1\r\nm=audio 0 RTP/AVP 0\r\n",
		"neither PCMU":         "c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 9 18\r\n",
		"no address":           "m=audio 4000 RTP/AVP 0\r\n",
		"no usable address":    "c=IN IP4 224.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n",
		"at no usable address": "c=IN IP4 phone.example.jp\r\nm=audio 4000 RTP/AVP 0\r\n",
		"can't be read":        "x\r\n",
	} {
		if _, _, _, err := parse(sdpOf(media)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

// An offer in the middle of a call is answered line by line.
func TestReoffer(t *testing.T) {
	m := openMedia(t)
	if err := m.Answer(sdpOf("c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n")); err != nil {
		t.Fatal(err)
	}
	answer, err := m.Reoffer(sdpOf("c=IN IP4 192.0.2.1\r\nm=video 5000 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"m=video 0 RTP/AVP 31\r\n", "RTP/AVP 8 101\r\n", "a=recvonly\r\n", " 2 IN IP4 "} {
		if !strings.Contains(string(answer), want) {
			t.Errorf("the answer lacks %q:\n%s", want, answer)
		}
	}
	if p := m.peer.Load(); !p.held || p.law != aLaw {
		t.Errorf("the call isn't on hold: %+v", p)
	}
	if _, err := m.Reoffer(sdpOf("c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 18\r\n")); err == nil {
		t.Error("an offer without a law is taken")
	}
	if p := m.peer.Load(); p.law != aLaw {
		t.Error("an offer that was refused changed the call")
	}
	// Held at no address, media goes on to the last one afterwards.
	if _, err := m.Reoffer(sdpOf("c=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\n")); err != nil || m.peer.Load().addr.String() != "192.0.2.1:4000" {
		t.Errorf("held at %v, %v", m.peer.Load().addr, err)
	}
}

// Whatever the other side describes: it is refused, or answered with as many
// media, one of them usable.
func FuzzSDP(f *testing.F) {
	f.Add(sdpOf("c=IN IP4 192.0.2.1\r\nm=video 5000 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"))
	f.Add(offer(here, 1, 1))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, index, offered, err := parse(body)
		if err != nil {
			return
		}
		if p.addr.IsValid() && (p.addr.Port() == 0 || p.addr.Addr().IsMulticast()) || p.event != 0 && (p.event < 96 || p.event > 127) {
			t.Fatalf("%+v", p)
		}
		again, at, answered, err := parse(answer(here, 1, 2, p, index, offered))
		if err != nil || at != index || len(answered.MediaDescriptions) != len(offered.MediaDescriptions) || again.law != p.law || again.event != p.event {
			t.Fatalf("the answer to %+v is %+v at %d: %v", p, again, at, err)
		}
	})
}

package smpp

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"denwa/providers"
)

var sameBody = cmp.AllowUnexported(pdu{}, bind{}, bound{}, message{}, taken{}, address{}, tlv{})

// octets reads hexadecimal digits and ignores the spaces between them.
func octets(tb testing.TB, text string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// TestWire holds what is sent against octets written by hand after SMPP 3.4, chapter 4.
func TestWire(t *testing.T) {
	t.Parallel()
	cfg := testConfig("127.0.0.1:2775")
	parts, err := newWriter(cfg).write(testMessage(1, "a{認"), 7)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		pdu  pdu
		want string
	}{
		"bind_transceiver": {
			pdu{command: bindTransceiver, sequence: 1, body: &bind{systemID: "ab", password: "c", systemType: "", version: 0x34}},
			"00000000 00000009 00000000 00000001  616200 6300 00 34 00 00 00",
		},
		"submit_sm": {
			pdu{command: submitSM, sequence: 2, body: parts[0]},
			`00000000 00000004 00000000 00000002  00  03 00 3030303531323334 00  01 01 383139303337323634383135 00
			 00 00 00  00  303030303030303031303030303030 52 00  01 00 08 00  06 0061 007B 8A8D`,
		},
		"deliver_sm_resp": {
			pdu{command: deliverSM.answer(), status: statusTryLater, sequence: 0x7FFFFFFF, body: &taken{}},
			"00000000 80000005 00000064 7FFFFFFF  00",
		},
		"enquire_link": {pdu{command: enquireLink, sequence: 3}, "00000000 00000015 00000000 00000003"},
		"generic_nack": {pdu{command: genericNack, status: statusInvalidID, sequence: 4}, "00000000 80000000 00000003 00000004"},
		"sar": {
			pdu{command: deliverSM, sequence: 5, body: &message{tlvs: []tlv{{tagSARReference, []byte{0, 7}}, {tagSARTotal, []byte{2}}}}},
			"00000000 00000005 00000000 00000005  00  00 00 00  00 00 00  00 00 00  00  00  00 00 00 00  00  020C 0002 0007  020E 0001 02",
		},
	} {
		want := octets(t, tt.want)
		want[3] = byte(len(want)) // command_length
		if diff := cmp.Diff(want, tt.pdu.encode()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestLongMessagesOnTheWire(t *testing.T) {
	t.Parallel()
	cfg := testConfig("127.0.0.1:2775")
	parts, err := newWriter(cfg).write(testMessage(1, strings.Repeat("x", 161)), 7)
	if err != nil || len(parts) != 2 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	if m := parts[1]; m.class != 0x40 || hex.EncodeToString(m.shortMessage[:7]) != "05000307020278" || len(m.shortMessage) != 6+161-153 {
		t.Errorf("class %#x, message %x", m.class, m.shortMessage)
	}
	cfg.LongMessages = SAR
	if parts, err = newWriter(cfg).write(testMessage(1, strings.Repeat("x", 161)), 7); err != nil {
		t.Fatal(err)
	}
	want := []tlv{{0x020C, []byte{0, 7}}, {0x020E, []byte{2}}, {0x020F, []byte{2}}}
	if diff := cmp.Diff(want, parts[1].tlvs, sameBody); diff != "" || parts[1].class != 0 {
		t.Errorf("class %#x, parameters (-want +got):\n%s", parts[1].class, diff)
	}
	cfg.Encoding = UCS2
	if parts, err = newWriter(cfg).write(testMessage(1, "x"), 7); err != nil || parts[0].coding != codingUCS2 {
		t.Errorf("coding %d, %v", parts[0].coding, err)
	}
	_, err = newWriter(cfg).write(testMessage(1, strings.Repeat("長", 67*maxParts+1)), 7)
	if failure := (*providers.Error)(nil); !errors.As(err, &failure) || failure.Kind != providers.Unavailable || !failure.Unfit {
		t.Errorf("a message that another provider may take: %v", err)
	}
}

func TestValidity(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "000000000001000R", time.Millisecond: "000000000001000R", 90*time.Second + 1: "000000000131000R",
		10 * time.Minute: "000000001000000R", 25 * time.Hour: "000001010000000R", 1e6 * time.Hour: "000007000000000R",
	} {
		if got := relative(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":              "",
		"half a header":        "00000010 00000015 00000000",
		"length too small":     "0000000F 00000015 00000000 00000001",
		"length too large":     "00000011 00000015 00000000 00000001",
		"body where none is":   "00000011 00000015 00000000 00000001 00",
		"string without end":   "00000012 80000004 00000000 00000001 6161",
		"parameter's head":     "00000013 80000004 00000000 00000001 00 0427",
		"parameter cut":        "00000015 80000004 00000000 00000001 00 0427 0001",
		"message longer":       "00000022 00000005 00000000 00000001 00 000000 000000 000000 00 00 00000000 05 41",
		"bind and what is not": "00000019 00000009 00000000 00000001 00 00 00 34 00 00 00 0000",
	} {
		b := octets(t, text)
		if p, err := decode(b); !errors.Is(err, errLength) && !errors.Is(err, errBody) || p.body != nil {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestReadFrame(t *testing.T) {
	t.Parallel()
	one, two := pdu{command: enquireLink, sequence: 1}.encode(), pdu{command: submitSM, sequence: 2, body: &message{shortMessage: make([]byte, 200)}}.encode()
	in := bufio.NewReader(iotest.OneByteReader(bytes.NewReader(append(append([]byte(nil), one...), two...))))
	for _, want := range [][]byte{one, two} {
		if got, err := readFrame(in, make([]byte, 0, 100)); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%x, %v", got, err)
		}
	}
	if _, err := readFrame(in, nil); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	for text, want := range map[string]error{
		"00000010 0000": io.ErrUnexpectedEOF, "00000000": errLength, "0000000F": errLength, "00010801": errLength, "FFFFFFFF": errLength,
		"48545450 2F312E31": errLength, // HTTP/1.1
	} {
		if _, err := readFrame(bufio.NewReader(bytes.NewReader(octets(t, text))), nil); !errors.Is(err, want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// anyPDU is any PDU that can be written.
func anyPDU(t *rapid.T) pdu {
	text := rapid.StringMatching(`[ -~]{0,30}`)
	octet := rapid.Byte()
	where := func(name string) address {
		return address{octet.Draw(t, name+" ton"), octet.Draw(t, name+" npi"), text.Draw(t, name)}
	}
	value := func(name string, most int) []byte {
		b := rapid.SliceOfN(octet, 0, most).Draw(t, name)
		if len(b) == 0 {
			return nil
		}
		return b
	}
	var tlvs []tlv
	for range rapid.IntRange(0, 4).Draw(t, "parameters") {
		tlvs = append(tlvs, tlv{tag(rapid.Uint16().Draw(t, "tag")), value("value", 300)})
	}
	p := pdu{sequence: rapid.Uint32().Draw(t, "sequence")}
	p.command = rapid.SampledFrom([]command{
		bindTransceiver, bindTransceiver.answer(), submitSM, submitSM.answer(), deliverSM, deliverSM.answer(),
		enquireLink, enquireLink.answer(), unbind, unbind.answer(), genericNack, 0x102,
	}).Draw(t, "command")
	if p.status = status(rapid.Uint32Range(0, 3).Draw(t, "status")); p.command.isAnswer() && p.status != statusOK {
		return p
	}
	switch p.command {
	case bindTransceiver:
		p.body = &bind{text.Draw(t, "id"), text.Draw(t, "password"), text.Draw(t, "type"), octet.Draw(t, "version"), where("range")}
	case bindTransceiver.answer():
		p.body = &bound{text.Draw(t, "id"), tlvs}
	case submitSM, deliverSM:
		p.body = &message{
			serviceType: text.Draw(t, "service"), from: where("from"), to: where("to"), class: octet.Draw(t, "class"),
			protocol: octet.Draw(t, "protocol"), priority: octet.Draw(t, "priority"), schedule: text.Draw(t, "schedule"),
			validity: text.Draw(t, "validity"), registered: octet.Draw(t, "registered"), replace: octet.Draw(t, "replace"),
			coding: octet.Draw(t, "coding"), predefined: octet.Draw(t, "predefined"), shortMessage: value("message", 255), tlvs: tlvs,
		}
	case submitSM.answer(), deliverSM.answer():
		p.body = &taken{text.Draw(t, "id"), tlvs}
	case 0x102:
		if b := value("body", 50); b != nil {
			p.body = opaque(b)
		}
	default: // has none
	}
	return p
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := anyPDU(t)
		got, err := decode(p.encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, got, sameBody); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, p := range []pdu{
		{command: bindTransceiver, sequence: 1, body: &bind{systemID: "denwa", password: "x", version: 0x34}},
		{command: bindTransceiver.answer(), sequence: 1, body: &bound{"smsc", []tlv{{0x0210, []byte{0x34}}}}},
		{command: submitSM, sequence: 2, body: &message{class: classUDH, shortMessage: []byte{5, 0, 3, 1, 2, 1, 'a'}}},
		{command: deliverSM, sequence: 3, body: receiptOf("1", "DELIVRD", "000")},
		{command: submitSM.answer(), status: statusThrottled, sequence: 4},
		{command: enquireLink, sequence: 5},
	} {
		f.Add(p.encode())
	}
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decode(b)
		if err != nil {
			if p.body != nil {
				t.Errorf("%v, and yet a body", err)
			}
			return
		}
		again, err := decode(p.encode())
		if err != nil {
			t.Fatalf("what was read can't be read when written: %v", err)
		}
		if diff := cmp.Diff(p, again, sameBody); diff != "" {
			t.Errorf("(-read +read again):\n%s", diff)
		}
		if m, ok := p.body.(*message); ok && isReceipt(m) {
			_, _ = readReceipt(m)
		}
		// A refusal's body is dropped, and one answer may leave its id out; all else is written as it was.
		refusal := p.command.isAnswer() && p.status != statusOK
		if short := len(b) == headerSize; !refusal && !short && !bytes.Equal(b, p.encode()) {
			t.Errorf("%x was written as %x", b, p.encode())
		}
	})
}

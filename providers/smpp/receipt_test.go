package smpp

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"denwa/providers"
)

func TestParseReceipt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]receipt{
		"id:1a sub:001 dlvrd:001 submit date:2610040900 done date:2610040901 stat:DELIVRD err:000 text:hello": {"1a", providers.Delivered, ""},
		"ID:1a SUB:001 STAT:undeliv ERR:12B TEXT:":                                                            {"1a", providers.Undelivered, "12B"},
		"stat:EXPIRED id:7":                              {"7", providers.Expired, ""},
		"id:7\r\nstat:REJECTED\terr:069":                 {"7", providers.Failed, "069"},
		"id:7 stat:ACCEPTD":                              {"7", providers.Sent, ""},
		"id:7 stat:ENROUTE":                              {"7", providers.Sent, ""},
		"id:7 stat:DELETED err:1":                        {"7", providers.Undelivered, "1"},
		"id:7 stat:UNKNOWN err:5":                        {"7", providers.Accepted, "5"},
		"id:7 stat:DELI":                                 {"7", providers.Accepted, ""},
		"id:7 stat:UNDELIV err:819037264815 text:":       {"7", providers.Undelivered, ""},
		"id:7 stat:UNDELIV err:+81-90":                   {"7", providers.Undelivered, ""},
		"id:7 stat:UNDELIV text:id:8 stat:DELIVRD err:1": {"7", providers.Undelivered, ""},
		"id:7 stat:UNDELIV err:001 Text: stat:DELIVRD":   {"7", providers.Undelivered, "001"},
		"":                 {"", providers.Accepted, ""},
		"hello":            {"", providers.Accepted, ""},
		"id: stat:DELIVRD": {"", providers.Delivered, ""},
		"::: : id:7":       {"7", providers.Accepted, ""},
		"id:0195b7c2-8f9e-7000-8000-000000000000 stat:DELIVRD":       {"0195b7c2-8f9e-7000-8000-000000000000", providers.Delivered, ""},
		"id:7 sub:1 dlvrd:0 submit date:x done date: stat:EXPIRED x": {"7", providers.Expired, ""},
	} {
		if diff := cmp.Diff(want, parseReceipt(text), cmp.AllowUnexported(receipt{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func FuzzParseReceipt(f *testing.F) {
	f.Add("id:1a sub:001 dlvrd:001 submit date:2610040900 done date:2610040901 stat:DELIVRD err:000 text:hello")
	f.Add("stat:UNDELIV\x00id: err:819037264815 text:id:2 stat:DELIVRD")
	f.Fuzz(func(t *testing.T, text string) {
		r := parseReceipt(text)
		if strings.ContainsAny(r.id, " \t\r\n\x00") || len(r.id) > len(text) {
			t.Errorf("id %q", r.id)
		}
		if len(r.code) > 6 {
			t.Errorf("code %q", r.code)
		}
		before, _, cut := strings.Cut(text, " text:")
		if cut && !cmp.Equal(r, parseReceipt(before), cmp.AllowUnexported(receipt{})) {
			t.Errorf("the message's own text says what became of it: %+v", r)
		}
		for _, l := range lookups(r.id, AnyBase) {
			if l.id != normal(l.id) {
				t.Errorf("%q is looked for as %q", r.id, l.id)
			}
		}
	})
}

// The parameters say more than the text, and either is enough.
func TestReadReceipt(t *testing.T) {
	t.Parallel()
	text := []byte("id:7 stat:UNDELIV err:005")
	for name, tt := range map[string]struct {
		m    message
		want receipt
	}{
		"text":            {message{shortMessage: text}, receipt{"7", providers.Undelivered, "005"}},
		"payload":         {message{tlvs: []tlv{{tagMessagePayload, text}}}, receipt{"7", providers.Undelivered, "005"}},
		"parameters":      {message{tlvs: []tlv{{tagReceiptedMessageID, []byte("8\x00")}, {tagMessageState, []byte{5}}, {tagNetworkErrorCode, []byte{3, 1, 4}}}}, receipt{"8", providers.Undelivered, "260"}},
		"both":            {message{shortMessage: text, tlvs: []tlv{{tagReceiptedMessageID, []byte("8")}, {tagMessageState, []byte{2}}}}, receipt{"8", providers.Delivered, ""}},
		"unknown ones":    {message{shortMessage: text, tlvs: []tlv{{0x1400, []byte("x")}, {tagMessageState, nil}, {tagMessageState, []byte{1, 2}}}}, receipt{"7", providers.Undelivered, "005"}},
		"no message":      {message{tlvs: []tlv{{tagMessageState, []byte{2}}}}, receipt{"", providers.Delivered, ""}},
		"unknown state":   {message{shortMessage: text, tlvs: []tlv{{tagMessageState, []byte{99}}}}, receipt{"7", providers.Accepted, "005"}},
		"empty parameter": {message{shortMessage: text, tlvs: []tlv{{tagReceiptedMessageID, []byte{0}}}}, receipt{"7", providers.Undelivered, "005"}},
	} {
		got, ok := readReceipt(&tt.m)
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(receipt{})); diff != "" || ok != (tt.want.id != "") {
			t.Errorf("%s: %v (-want +got):\n%s", name, ok, diff)
		}
	}
	for class, want := range map[byte]bool{0: false, 0x04: true, 0x44: true, 0x20: true, 0x08: false, 0x10: false, 0x40: false} {
		if got := isReceipt(&message{class: class, shortMessage: text}); got != want {
			t.Errorf("class %#x is a receipt: %v", class, got)
		}
	}
	if !isReceipt(&message{tlvs: []tlv{{tagReceiptedMessageID, []byte("8")}}}) {
		t.Error("a receipt without its class is none")
	}
}

func TestLookups(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		id   string
		how  ReceiptIDs
		want []lookup
	}{
		{"10", AnyBase, []lookup{{asIs, "10"}, {fromDecimal, "a"}, {fromHexadecimal, "16"}}},
		{"0007", AnyBase, []lookup{{asIs, "7"}}},
		{"000", AnyBase, []lookup{{asIs, "0"}}},
		{" 1A2B3C4D ", AnyBase, []lookup{{asIs, "1a2b3c4d"}, {fromHexadecimal, "439041101"}}},
		{"m-17", AnyBase, []lookup{{asIs, "m-17"}}},
		{"", AnyBase, []lookup{{asIs, ""}}},
		{"10", SameBase, []lookup{{asIs, "10"}}},
		{"10", Decimal, []lookup{{fromDecimal, "a"}}},
		{"1a", Decimal, []lookup{{asIs, "1a"}}},
		{"1A", Hexadecimal, []lookup{{fromHexadecimal, "26"}}},
		{strings.Repeat("9", 65), AnyBase, []lookup{{asIs, strings.Repeat("9", 65)}}},
	} {
		if diff := cmp.Diff(tt.want, lookups(tt.id, tt.how), cmp.AllowUnexported(lookup{})); diff != "" {
			t.Errorf("%q, %s (-want +got):\n%s", tt.id, tt.how, diff)
		}
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	three := lookups("10", AnyBase)
	for _, tt := range []struct {
		found  []string
		before idForm
		which  int
		sure   bool
	}{
		{[]string{"", "", ""}, asIs, -1, false},
		{[]string{"x", "", ""}, fromDecimal, 0, true},
		{[]string{"", "x", ""}, asIs, 1, true},
		{[]string{"x", "y", ""}, asIs, 0, false},
		{[]string{"x", "y", "z"}, fromDecimal, 1, false},
		{[]string{"x", "y", "z"}, fromHexadecimal, 2, false},
		{[]string{"", "y", "z"}, asIs, 1, false},
	} {
		if which, sure := choose(three, tt.found, tt.before); which != tt.which || sure != tt.sure {
			t.Errorf("%q after %d: %d, %v", tt.found, tt.before, which, sure)
		}
	}
	if which, sure := choose(three[:1], []string{"x"}, asIs); which != 0 || sure {
		t.Errorf("the only one: %d, %v", which, sure)
	}
}

func TestDeliveryPart(t *testing.T) {
	t.Parallel()
	for _, d := range []deliveryPart{{testDelivery, 1, 1}, {testDelivery, 1, 2}, {testDelivery, 10, 10}} {
		if got, err := parseDeliveryPart(d.String()); err != nil || got != d {
			t.Errorf("%s became %v, %v", d, got, err)
		}
	}
	for _, s := range []string{"", "a/b", "a/1/b", "a/2/1", "a/0/1", "/1/2", "a/1/2/3"} {
		if got, err := parseDeliveryPart(s); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
}

// A small counter in two bases: learnt from what is clear, the rest is right.
func TestBaseIsLearnt(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	w := newWorld(t, testConfig(c.addr()))
	for n := 1; n <= 40; n++ { // hexadecimal ids 1 to 28
		hexadecimal, _ := rebase(strconv.Itoa(n), 10, 16)
		if err := w.ids.Remember(context.Background(), hexadecimal, testMessage(n, "").Delivery, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{31, 16, 22, 37, 9} { // 31 is 1f, and no id as it is; 16 is one, that of message 22
		got, err := w.recall(t.Context(), strconv.Itoa(n))
		if want := testMessage(n, "").Delivery; err != nil || got != want {
			t.Errorf("%d is %s, want %s, %v", n, got, want, err)
		}
	}
}

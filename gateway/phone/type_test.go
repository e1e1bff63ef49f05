package phone

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"unicode"

	"denwa/providers"
)

func TestTypes(t *testing.T) {
	both, voice, none := [2]bool{true, true}, [2]bool{false, true}, [2]bool{}
	want := map[Type][2]bool{ // sms, voice
		Mobile: both, FixedLineOrMobile: both,
		FixedLine: voice, VoIP: voice,
		TollFree: none, PremiumRate: none, SharedCost: none, PersonalNumber: none,
		Pager: none, UAN: none, Voicemail: none, Emergency: none, Unknown: none,
	}
	if len(want) != len(Types()) {
		t.Errorf("%d types, %d in this table", len(Types()), len(want))
	}
	for _, typ := range Types() {
		n := Number{Type: typ}
		ok, why := n.Verifiable()
		if ok != (want[typ] != none) || ok != (why == "") {
			t.Errorf("%s: Verifiable() = %v, %q", typ, ok, why)
		}
		for i, ch := range []providers.Channel{providers.SMS, providers.Voice} {
			a := n.Channel(ch)
			if a.Allowed != want[typ][i] || a.Allowed != (a.Reason == "") {
				t.Errorf("%s: Channel(%s) = %+v", typ, ch, a)
			}
			if !a.Allowed && !strings.HasSuffix(a.Reason, ".") {
				t.Errorf("%s: %q is no sentence", typ, a.Reason)
			}
		}
	}
}

func TestExtensionIsVoiceOnly(t *testing.T) {
	for _, typ := range []Type{Mobile, FixedLineOrMobile, FixedLine, VoIP} {
		n := Number{Type: typ, Extension: "1"}
		if n.Channel(providers.SMS).Allowed || !n.Channel(providers.Voice).Allowed {
			t.Errorf("%s with an extension: sms %v, voice %v", typ, n.Channel(providers.SMS), n.Channel(providers.Voice))
		}
	}
	if (Number{Type: Mobile}).Channel("fax").Allowed {
		t.Error("fax is no channel")
	}
}

func TestMask(t *testing.T) {
	for _, tt := range []struct {
		e164 string
		code int
		want string
	}{
		{"+819012345678", 81, "+81 90-****-5678"},
		{"+81312345678", 81, "+81 ****-5678"},
		{"+16502530000", 1, "+1 65-****-0000"},
		{"+8613123456789", 86, "+86 13-****-6789"},
		{"+4915123456789", 49, "+49 15-****-6789"},
		{"+6581234567", 65, "+65 ****-4567"},
		{"+3541234567", 354, "+354 ****-567"},
		{"+2901234", 290, "+290 ****-34"},
		{"+81123", 81, "+81 ****-3"},
		{"+811", 81, "+81 ****"},
		{"+81", 81, "+81 ****"},
		{"", 81, "****"},
		{"+819012345678", 1, "****"},
		{"+819012345678", 0, "****"},
		{"+81090<b>", 81, "****"},
		{"09012345678", 81, "****"},
	} {
		if got := Mask(tt.e164, tt.code); got != tt.want {
			t.Errorf("Mask(%q, %d) = %q, want %q", tt.e164, tt.code, got, tt.want)
		}
	}
}

func TestMaskShowsAtMostHalf(t *testing.T) {
	digits := "123456789012345"
	for n := range len(digits) {
		masked, _ := strings.CutPrefix(Mask("+81"+digits[:n], 81), "+81 ")
		shown := countDigits(masked)
		if limit := n / 2; n < maskWhole && shown > limit || shown > maskHead+maskTail {
			t.Errorf("%d digits: %q shows %d", n, masked, shown)
		}
	}
}

func TestNumberNeverPrints(t *testing.T) {
	n, err := Parse("090-1234-5678 x99", Options{AllowExtension: true})
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		Number
		Other int
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		for _, v := range []any{n, &n, []Number{n}, map[string]Number{"a": n}, struct{ N Number }{n}, holder{Number: n}} {
			s := fmt.Sprintf(verb, v)
			if !strings.Contains(s, n.Masked) || strings.Contains(s, "1234") || strings.Contains(s, "99") {
				t.Errorf("%s of %T prints %s", verb, v, s)
			}
		}
	}
	for _, handler := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(handler(&b)).Info("sent", "to", n)
		if !strings.Contains(b.String(), n.Masked) || strings.Contains(b.String(), "12345678") {
			t.Errorf("logged %s", b.String())
		}
	}
	if b, _ := json.Marshal(n); !strings.Contains(string(b), n.E164) {
		t.Errorf("JSON is for the wire and holds the number: %s", b)
	}
}

func TestRegions(t *testing.T) {
	r := Regions()
	if !slices.IsSorted(r) || len(r) < 200 {
		t.Errorf("%d regions, sorted %v", len(r), slices.IsSorted(r))
	}
	for _, region := range r {
		if !IsRegion(region) || len(region) != 2 {
			t.Errorf("region %q", region)
		}
	}
	for _, region := range []string{"", "001", "ZZ", "UK", "jp"} {
		if IsRegion(region) {
			t.Errorf("%q is no region", region)
		}
	}
}

// TestDigitRuns is what digit relies on: every run of decimal digits in Unicode
// is a whole number of tens, beginning with a zero.
func TestDigitRuns(t *testing.T) {
	run := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.Is(unicode.Nd, r) {
			if d, ok := digit(r); !ok || int(d-'0') != run%10 {
				t.Errorf("digit(%U) = %c, %v", r, d, ok)
			}
			run++
			continue
		}
		if _, ok := digit(r); ok {
			t.Errorf("%U is no digit", r)
		}
		if run%10 != 0 {
			t.Errorf("a run of %d digits ends at %U", run, r)
		}
		run = 0
	}
}

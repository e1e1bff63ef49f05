package phone

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nyaruka/phonenumbers"
)

func TestParseReads(t *testing.T) {
	const mobile = "+819012345678"
	tests := []struct {
		text, region string
		e164         string
		country      string
		typ          Type
	}{
		// Japan's plan.
		{"09012345678", "", mobile, "JP", Mobile},
		{"07012345678", "", "+817012345678", "JP", Mobile},
		{"08012345678", "", "+818012345678", "JP", Mobile},
		{"06011234567", "", "+816011234567", "JP", Mobile},
		{"06091234567", "", "+816091234567", "JP", Mobile},
		{"060-9123-4567", "", "+816091234567", "JP", Mobile},
		{"0601234567", "", "+81601234567", "JP", PersonalNumber},
		{"03-1234-5678", "", "+81312345678", "JP", FixedLine},
		{"06-1234-5678", "", "+81612345678", "JP", FixedLine},
		{"0184-22-1234", "", "+81184221234", "JP", FixedLine},
		{"0186-22-1234", "", "+81186221234", "JP", FixedLine},
		{"050-1234-5678", "", "+815012345678", "JP", VoIP},
		{"0120-123-456", "", "+81120123456", "JP", TollFree},
		{"0800-123-4567", "", "+818001234567", "JP", TollFree},
		{"0570-123-456", "", "+81570123456", "JP", UAN},
		{"0990-123-456", "", "+81990123456", "JP", PremiumRate},
		{"020-1234-5678", "", "+812012345678", "JP", Pager},
		{"0200-123-4567", "", "+812001234567", "JP", Pager},

		// Dashes, dots, brackets, spaces.
		{"090-1234-5678", "", mobile, "JP", Mobile},
		{"090‐1234‐5678", "", mobile, "JP", Mobile},
		{"090－1234－5678", "", mobile, "JP", Mobile},
		{"090ー1234ー5678", "", mobile, "JP", Mobile},
		{"090ｰ1234ｰ5678", "", mobile, "JP", Mobile},
		{"090−1234−5678", "", mobile, "JP", Mobile},
		{"090–1234–5678", "", mobile, "JP", Mobile},
		{"090—1234—5678", "", mobile, "JP", Mobile},
		{"090―1234―5678", "", mobile, "JP", Mobile},
		{"090─1234━5678", "", mobile, "JP", Mobile},
		{"090‑1234⁃5678", "", "", "", ""}, // U+2043 is a bullet, not a dash
		{"090.1234.5678", "", mobile, "JP", Mobile},
		{"090・1234・5678", "", mobile, "JP", Mobile},
		{"(090)1234-5678", "", mobile, "JP", Mobile},
		{"（０９０）１２３４－５６７８", "", mobile, "JP", Mobile},
		{"090/1234/5678", "", mobile, "JP", Mobile},
		{"090~1234~5678", "", mobile, "JP", Mobile},
		{"090〜1234～5678", "", mobile, "JP", Mobile},
		{"090_1234_5678", "", mobile, "JP", Mobile},
		{"090\u30001234\u00a05678", "", mobile, "JP", Mobile},
		{" \t09012345678\r\n", "", mobile, "JP", Mobile},
		{"\"090-1234-5678\"", "", mobile, "JP", Mobile},
		{"'09012345678", "", mobile, "JP", Mobile},
		{"「090-1234-5678」", "", mobile, "JP", Mobile},

		// Digits of other widths and scripts, mixed.
		{"０９０１２３４５６７８", "", mobile, "JP", Mobile},
		{"０90-12３4-５６78", "", mobile, "JP", Mobile},
		{"٠٩٠١٢٣٤٥٦٧٨", "", mobile, "JP", Mobile},
		{"۰۹۰۱۲۳۴۵۶۷۸", "", mobile, "JP", Mobile},
		{"०९०१२३४५६७८", "", mobile, "JP", Mobile},
		{"𝟎𝟗𝟎𝟙𝟚𝟛𝟜𝟻𝟼𝟽𝟾", "", mobile, "JP", Mobile},

		// What a copy from a contact list or a page brings along.
		{"\u202a090-1234-5678\u202c", "", mobile, "JP", Mobile},
		{"\u200e+81\u200f 90\u2060-1234\ufeff-5678\u2069", "", mobile, "JP", Mobile},
		{"090\u200b1234\u200d5678\u00ad", "", mobile, "JP", Mobile},
		{"0\ufe0f\u20e39\ufe0f\u20e30\ufe0f\u20e312345678", "", mobile, "JP", Mobile},
		{"TEL: 090-1234-5678", "", mobile, "JP", Mobile},
		{"Tel.090-1234-5678", "", mobile, "JP", Mobile},
		{"ＴＥＬ：０９０－１２３４－５６７８", "", mobile, "JP", Mobile},
		{"電話番号：090-1234-5678", "", mobile, "JP", Mobile},
		{"℡03-1234-5678（代）", "", "+81312345678", "JP", FixedLine},
		{"03-1234-5678 代表", "", "+81312345678", "JP", FixedLine},
		{"📱 090-1234-5678 (携帯)", "", mobile, "JP", Mobile},

		// International forms.
		{"+819012345678", "", mobile, "JP", Mobile},
		{"＋８１９０１２３４５６７８", "", mobile, "JP", Mobile},
		{"++81 90 1234 5678", "", mobile, "JP", Mobile},
		{"(+81) 90-1234-5678", "", mobile, "JP", Mobile},
		{"+81(0)90-1234-5678", "", mobile, "JP", Mobile},
		{"+81 090 1234 5678", "", mobile, "JP", Mobile},
		{"819012345678", "", mobile, "JP", Mobile},
		{"81-090-1234-5678", "", mobile, "JP", Mobile},
		{"90-1234-5678", "", mobile, "JP", Mobile},
		{"010 81 90 1234 5678", "", mobile, "JP", Mobile},
		{"0081 90 1234 5678", "", mobile, "JP", Mobile},
		{"0081 090 1234 5678", "", mobile, "JP", Mobile},
		{"+0081 90 1234 5678", "", mobile, "JP", Mobile},
		{"+010 81 90 1234 5678", "", mobile, "JP", Mobile},
		{"010-1-650-253-0000", "", "+16502530000", "US", FixedLineOrMobile},
		{"0033 1 42 68 53 00", "", "+33142685300", "FR", FixedLine},
		{"0044 20 7946 0958", "", "+442079460958", "GB", FixedLine},

		// Prefixes that hide or show the caller.
		{"184-090-1234-5678", "", mobile, "JP", Mobile},
		{"186 09012345678", "", mobile, "JP", Mobile},
		{"１８４０９０１２３４５６７８", "", mobile, "JP", Mobile},
		{"184 03-1234-5678", "", "+81312345678", "JP", FixedLine},
		{"184+819012345678", "", mobile, "JP", Mobile},
		{"186-010-81-90-1234-5678", "", mobile, "JP", Mobile},
		{"1860081 90 1234 5678", "", mobile, "JP", Mobile},

		// Links.
		{"tel:+81-90-1234-5678", "", mobile, "JP", Mobile},
		{"TEL:09012345678", "", mobile, "JP", Mobile},
		{"tel:%2B81%2090%201234%205678", "", mobile, "JP", Mobile},
		{"tel:090-1234-5678;phone-context=+81", "US", mobile, "JP", Mobile},
		{"tel:090-1234-5678;phone-context=example.jp", "", mobile, "JP", Mobile},
		{"tel:+819012345678;isub=1;foo=bar", "", mobile, "JP", Mobile},

		// Elsewhere.
		{"(650) 253-0000", "US", "+16502530000", "US", FixedLineOrMobile},
		{"1-650-253-0000", "US", "+16502530000", "US", FixedLineOrMobile},
		{"+1 416 979 2000", "", "+14169792000", "CA", FixedLineOrMobile},
		{"1-800-555-0199", "US", "+18005550199", "US", TollFree},
		{"+1 900 555 0199", "", "+19005550199", "US", PremiumRate},
		{"011 81 90 1234 5678", "US", mobile, "JP", Mobile},
		{"0081 90 1234 5678", "US", mobile, "JP", Mobile},
		{"07400 123456", "GB", "+447400123456", "GB", Mobile},
		{"+44 (0)20 7946 0958", "", "+442079460958", "GB", FixedLine},
		{"0081 90 1234 5678", "gb", mobile, "JP", Mobile},
		{"+44 7781 123456", "", "+447781123456", "GG", Mobile},
		{"010-2000-0000", "KR", "+821020000000", "KR", Mobile},
		{"002 81 90 1234 5678", "KR", mobile, "JP", Mobile},
		{"131 2345 6789", "CN", "+8613123456789", "CN", Mobile},
		{"+86 10 6552 9988", "", "+861065529988", "CN", FixedLine},
		{"0151 23456789", "DE", "+4915123456789", "DE", Mobile},
		{"030/123456", "DE", "+4930123456", "DE", FixedLine},
		{"03520/1234567", "DE", "+4935201234567", "DE", FixedLine},
		{"081234 56789", "IN", "+918123456789", "IN", Mobile},
		{"091 234 56 78", "VN", "+84912345678", "VN", Mobile},
		{"0905 123 4567", "PH", "+639051234567", "PH", Mobile},
		{"+39 02 1234 5678", "", "+390212345678", "IT", FixedLine},
		{"8 (912) 345-67-89", "RU", "+79123456789", "RU", Mobile},
		{"+7 701 234 5678", "", "+77012345678", "KZ", Mobile},
		{"0011 81 90 1234 5678", "AU", mobile, "JP", Mobile},
		{"+870 301 234 567", "", "+870301234567", "001", Mobile},
		{"09012345678", "jp", mobile, "JP", Mobile},
		{"020-0123-4567", "Jp", "+812001234567", "JP", Pager},
	}
	for _, tt := range tests {
		n, err := Parse(tt.text, Options{Region: tt.region})
		if tt.e164 == "" {
			if err == nil {
				t.Errorf("Parse(%q, %q) = %s, want an error", tt.text, tt.region, n.E164)
			}
			continue
		}
		if err != nil {
			t.Errorf("Parse(%q, %q): %v", tt.text, tt.region, err)
			continue
		}
		if n.E164 != tt.e164 || n.Country != tt.country || n.Type != tt.typ {
			t.Errorf("Parse(%q, %q) = %s %s %s, want %s %s %s", tt.text, tt.region,
				n.E164, n.Country, n.Type, tt.e164, tt.country, tt.typ)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		text, region string
		want         Reason
	}{
		{"", "", Empty},
		{" \t\r\n\u3000", "", Empty},
		{"---", "", NotANumber},
		{"+", "", NotANumber},
		{"()", "", NotANumber},
		{"tel:", "", NotANumber},
		{"電話", "", NotANumber},
		{"\u200b", "", NotANumber},
		{"0", "", TooShort},
		{"12", "", TooShort},
		{"03-123", "", TooShort},
		{"03-1234-567", "", TooShort},
		{"03-1234-56789", "", TooLong},
		{"0120-123-45", "", TooShort},
		{"0800-123-456", "", TooShort},
		{"090-1234-567", "", TooShort},
		{"090-1234-56789", "", TooLong},
		{"+81 90-1234-567", "", TooShort},
		{"+81 3-1234-567", "", TooShort},
		{"+81 3-1234-56789", "", TooLong},
		{"090-0234-5678", "", NoSuchNumber},
		{"060-0234-5678", "", NoSuchNumber},
		{"03-0234-5678", "", NoSuchNumber},
		{"1234-5678", "", TooShort},
		{"+81 123", "", TooShort},
		{"253-0000", "US", TooShort},
		{"555 0199 55555", "US", TooLong},
		{"123456789012345678", "", TooLong},
		{"1" + strings.Repeat("0", 31), "", TooLong},
		{strings.Repeat("9", 33), "", TooLong},
		{strings.Repeat(" ", maxInput) + "09012345678", "", TooLong},
		{strings.Repeat("a", 1<<20), "", TooLong},

		{"090-1234-5678, 03-1234-5678", "", SeveralNumbers},
		{"090-1234-5678、03-1234-5678", "", SeveralNumbers},
		{"090-1234-5678/03-1234-5678", "", SeveralNumbers},
		{"090-1234-5678\n03-1234-5678", "", SeveralNumbers},
		{"090-1234-5678;03-1234-5678", "", SeveralNumbers},
		{"090-1234-5678 or 03-1234-5678", "", SeveralNumbers},
		{"090-1234-5678 または 03-1234-5678", "", SeveralNumbers},
		{"+819012345678 +81312345678", "", SeveralNumbers},
		{"03-1234-5678/9", "", SeveralNumbers},
		{"090-1234-5678 03-1234-5678", "", TooLong},
		{"184+184+819012345678", "", SeveralNumbers},

		{"1-800-FLOWERS", "US", Letters},
		{"O9O-1234-5678", "", Letters},
		{"09O-1234-5678", "", Letters},
		{"〇九〇一二三四五六七八", "", NotANumber},
		{"hello", "", Letters},
		{"090-1234-5678 home", "", Letters},
		{"090-1234-5678 x", "", Letters},
		{"*67 650 253 0000", "US", NotANumber},
		{"#31#09012345678", "", NotANumber},
		{"090-1234-5678#", "", NotANumber},
		{"090-1234-5678;", "", NotANumber},
		{"①②③", "", NotANumber},
		{"090\x001234\x005678", "", NotANumber},
		{"090\x1b1234", "", NotANumber},
		{"090-1234-\xff5678", "", NotANumber},
		{"\xf0\x28\x8c\xbc", "", NotANumber},
		{"tel:%ff09012345678", "", NotANumber},
		{"sip:+819012345678@example.jp", "", Letters},
		{"tel:;phone-context=+81", "", TooShort},
		{"tel:1;phone-context=+8a", "", NotANumber},
		{"tel:1;phone-context=+" + strings.Repeat("1", 40), "", NotANumber},
		{"tel:+819012345678;=5", "", NotANumber},

		{"0037-601234567", "", CarrierPrefix},
		{"0033-03-1234-5678", "", CarrierPrefix},
		{"0077-090-1234-5678", "", CarrierPrefix},
		{"0088-601-234", "", CarrierPrefix},
		{"0091-20-3123", "", CarrierPrefix},
		{"001-010-1-650-253-0000", "", CarrierPrefix},
		{"00777-012345", "", CarrierPrefix},
		{"+81 0037 601234567", "", CarrierPrefix},

		{"+999 12345678", "", UnknownCountry},
		{"+0 90 1234 5678", "", UnknownCountry},
		{"010 0 12345678", "", UnknownCountry},

		{"104", "", ShortNumber},
		{"117", "", ShortNumber},
		{"188", "", ShortNumber},
		{"411", "US", ShortNumber},
		{"311", "US", ShortNumber},
		{"12345", "", TooShort},

		{"03-1234-5678 内線 123", "", ExtensionNotAllowed},
		{"03-1234-5678,123", "", ExtensionNotAllowed},
		{"03-1234-5678 ext. 5", "", ExtensionNotAllowed},
		{"tel:+81312345678;ext=5", "", ExtensionNotAllowed},

		{"09012345678", "ZZ", UnknownRegion},
		{"09012345678", "UK", UnknownRegion},
		{"09012345678", "001", UnknownRegion},
		{"09012345678", "JPN", UnknownRegion},
		{"+819012345678", "??", UnknownRegion},
		{"+819012345678", strings.Repeat("j", 1<<20), UnknownRegion},
	}
	for _, tt := range tests {
		text := tt.text
		if len(text) > 60 {
			text = text[:60] + "…"
		}
		n, err := Parse(tt.text, Options{Region: tt.region})
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Parse(%q, %q) = %#v, want %s", text, tt.region, n.E164, tt.want)
			continue
		}
		if e.Reason != tt.want {
			t.Errorf("Parse(%q, %q): %s, want %s", text, tt.region, e.Reason, tt.want)
		}
		if !strings.HasSuffix(e.Message, ".") || e.Error() != e.Message {
			t.Errorf("%s: Message %q is no sentence", e.Reason, e.Message)
		}
	}
}

func TestParseExtension(t *testing.T) {
	tests := []struct {
		text, field string
		want        string
		reason      Reason
	}{
		{text: "03-1234-5678 内線 123", want: "123"},
		{text: "03-1234-5678（内線：１２３）", want: "123"},
		{text: "03-1234-5678 内線番号123", want: "123"},
		{text: "03-1234-5678 ext. 5", want: "5"},
		{text: "03-1234-5678 EXT:5", want: "5"},
		{text: "03-1234-5678 Extension 0042", want: "0042"},
		{text: "03-1234-5678x12", want: "12"},
		{text: "03-1234-5678 #12", want: "12"},
		{text: "03-1234-5678 x12#", want: "12"},
		{text: "03-1234-5678,123", want: "123"},
		{text: "03-1234-5678,,123", want: "123"},
		{text: "tel:+81-3-1234-5678;ext=123", want: "123"},
		{text: "tel:+81-3-1234-5678;EXT=123;isub=1", want: "123"},
		{text: "03-1234-5678", field: "123", want: "123"},
		{text: "03-1234-5678", field: " １2-3 ", want: "123"},
		{text: "03-1234-5678", field: "内線 123", want: "123"},
		{text: "03-1234-5678 x123", field: "123", want: "123"},
		{text: "03-1234-5678", field: "1234567890", want: "1234567890"},

		{text: "03-1234-5678 x123", field: "124", reason: BadExtension},
		{text: "tel:+81312345678;ext=1;ext=2", reason: BadExtension},
		{text: "tel:+81312345678;ext=", reason: BadExtension},
		{text: "03-1234-5678 x1y", reason: BadExtension},
		{text: "03-1234-5678", field: "12345678901", reason: BadExtension},
		{text: "03-1234-5678", field: "12a", reason: BadExtension},
		{text: "03-1234-5678", field: "-", reason: BadExtension},
		{text: "03-1234-5678", field: "1\x00", reason: BadExtension},
		{text: "03-1234-5678", field: "1\xff", reason: BadExtension},
		{text: "03-1234-5678", field: strings.Repeat(" ", maxInput) + "1", reason: BadExtension},
		{text: "03-1234-5678,09012345678", reason: SeveralNumbers},
		{text: "x123", reason: Letters},
	}
	for _, tt := range tests {
		n, err := Parse(tt.text, Options{Extension: tt.field, AllowExtension: true})
		if tt.reason != "" {
			var e *Error
			if !errors.As(err, &e) || e.Reason != tt.reason {
				t.Errorf("Parse(%q, field %q): %v, want %s", tt.text, tt.field, err, tt.reason)
			}
			continue
		}
		if err != nil || n.E164 != "+81312345678" || n.Extension != tt.want {
			t.Errorf("Parse(%q, field %q) = %s extension %q, %v; want extension %q", tt.text, tt.field, n.E164, n.Extension, err, tt.want)
		}
	}
}

func TestParseWhole(t *testing.T) {
	tests := []struct {
		text, region string
		want         Number
	}{
		{"090-1234-5678", "JP", Number{
			E164: "+819012345678", National: "090-1234-5678", Masked: "+81 90-****-5678",
			Country: "JP", Type: Mobile, CallingCode: 81,
		}},
		{"+65 8123 4567", "JP", Number{
			E164: "+6581234567", National: "8123 4567", Masked: "+65 ****-4567",
			Country: "SG", Type: Mobile, CallingCode: 65,
		}},
		{"１１０", "JP", Number{
			National: "110", Masked: "+81 ****-0", Country: "JP", Type: Emergency, CallingCode: 81,
		}},
	}
	for _, tt := range tests {
		got, err := Parse(tt.text, Options{Region: tt.region})
		if err != nil {
			t.Fatal(err)
		}
		if got != tt.want {
			t.Errorf("Parse(%q) = %#v", tt.text, plain(got))
		}
	}
}

func TestParseEmergency(t *testing.T) {
	for _, tt := range []struct{ text, region string }{
		{"110", "JP"}, {"118", "JP"}, {"119", "JP"}, {"1-1-9", "JP"}, {"911", "US"}, {"112", "DE"}, {"999", "GB"}, {"15", "FR"},
	} {
		n, err := Parse(tt.text, Options{Region: tt.region})
		if err != nil || n.Type != Emergency || n.E164 != "" || n.Country != tt.region {
			t.Errorf("Parse(%q, %s) = %#v, %v", tt.text, tt.region, plain(n), err)
			continue
		}
		if ok, why := n.Verifiable(); ok || !strings.Contains(why, "emergency") {
			t.Errorf("%s: Verifiable() = %v, %q", tt.text, ok, why)
		}
	}
}

// TestJapaneseMobileAgrees holds the fast path against the library, over every
// prefix that decides.
func TestJapaneseMobileAgrees(t *testing.T) {
	for prefix := 5000; prefix <= 9999; prefix++ {
		nsn := strings.Join([]string{string(appendCode(nil, prefix)), "123456"}, "")
		p, err := phonenumbers.Parse("+81"+nsn, japan)
		if err != nil {
			t.Fatal(err)
		}
		library := typeOf(phonenumbers.GetNumberType(p)) == Mobile
		_, ours := japaneseMobile([]byte("0"+nsn), false, japan)
		if nsn[:2] == "60" {
			if library && !ours {
				t.Errorf("0%s is a mobile to the library", nsn)
			}
			continue
		}
		if ours != library {
			t.Errorf("0%s: mobile %v, to the library %v", nsn, ours, library)
		}
		if !ours {
			continue
		}
		slow, e := look("+81"+nsn, japan)
		if e != nil {
			t.Fatal(e)
		}
		if diff := cmp.Diff(plain(slow), plain(newJapaneseMobile([]byte(nsn)))); diff != "" {
			t.Errorf("0%s: library's -, ours +:\n%s", nsn, diff)
		}
	}
}

// TestEveryCountry reads the library's example of every type of every country,
// as its people write it and in international form.
func TestEveryCountry(t *testing.T) {
	for _, region := range Regions() {
		for typ := phonenumbers.FIXED_LINE; typ < phonenumbers.UNKNOWN; typ++ {
			p := phonenumbers.GetExampleNumberForType(region, typ)
			if p == nil {
				continue
			}
			want := phonenumbers.Format(p, phonenumbers.E164)
			if strings.HasPrefix(want, "+810") {
				continue // refused on purpose
			}
			for _, f := range []phonenumbers.PhoneNumberFormat{phonenumbers.E164, phonenumbers.INTERNATIONAL, phonenumbers.RFC3966, phonenumbers.NATIONAL} {
				text := phonenumbers.Format(p, f)
				if back, err := phonenumbers.Parse(text, region); err != nil || phonenumbers.Format(back, phonenumbers.E164) != want {
					continue // the library writes what it can't read
				}
				n, err := Parse(text, Options{Region: region})
				if err != nil || n.E164 != want {
					t.Errorf("Parse(%q, %s) = %s, %v; want %s", text, region, n.E164, err, want)
					continue
				}
				checkInvariants(t, n)
			}
		}
	}
}

// plain is n without its methods, so that it prints whole.
func plain(n Number) any {
	type number Number
	return number(n)
}

// checkInvariants holds for whatever Parse returns.
func checkInvariants(t *testing.T, n Number) {
	t.Helper()
	if n.Type == Emergency {
		if n.E164 != "" || strings.Contains(n.Masked, n.National) {
			t.Errorf("emergency number %#v", plain(n))
		}
		return
	}
	again, err := Parse(n.E164, Options{Extension: n.Extension})
	if err != nil {
		t.Errorf("%#v: read again: %v", plain(n), err)
	} else if again != n {
		t.Errorf("read again (- first, + second):\n%s", cmp.Diff(plain(n), plain(again)))
	}
	nsn := strings.TrimPrefix(n.E164, "+"+string(appendCode(nil, n.CallingCode)))
	if nsn == n.E164 || strings.Contains(n.Masked, nsn) || strings.Contains(n.Masked, n.National) {
		t.Errorf("%#v: mask or calling code", plain(n))
	}
	if n.Type == Unknown || n.Country == "" {
		t.Errorf("%#v: type or country", plain(n))
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "090-1234-5678", "０９０－１２３４－５６７８", "+81(0)90 1234 5678", "0081 90 1234 5678", "184+819012345678",
		"tel:+81-3-1234-5678;ext=5;phone-context=+81", "03-1234-5678 内線 123", "0037-601234567", "0601234567", "06012345678",
		"110", "911", "+1 650 253 0000", "+44 20 7946 0958", "+39 06 6982 0000", "+54 9 11 2345 6789", "0 15 11 91234 5678",
		"8 800 555 35 35", "+870 301 234 567", "+800 1234 5678", "1-800-FLOWERS", "\u202a090-1234-5678\u202c", "090\x00\xff", "tel:%2B81",
		"090-1234-5678/03-1234-5678", strings.Repeat("9", 300),
	} {
		for _, region := range []string{"", "US", "BR", "IT", "KR"} {
			f.Add(s, region, "")
		}
		f.Add(s, "JP", "12")
	}
	f.Fuzz(func(t *testing.T, text, region, extension string) {
		n, err := Parse(text, Options{Region: region, Extension: extension, AllowExtension: true})
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Reason == "" || e.Message == "" {
				t.Errorf("error %#v", err)
			}
			if n != (Number{}) {
				t.Errorf("an error and %#v", plain(n))
			}
			return
		}
		checkInvariants(t, n)
	})
}

func BenchmarkParse(b *testing.B) {
	for _, bb := range []struct{ name, text string }{
		{"mobile", "090-1234-5678"},
		{"mobile full width", "０９０－１２３４－５６７８"},
		{"mobile E164", "+819012345678"},
		{"fixed line", "03-1234-5678"},
		{"abroad", "+16502530000"},
		{"refused", "090-1234-5678 home"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Parse(bb.text, Options{})
			}
		})
	}
}

// TestParseAllocations keeps the budget of the number that is typed most.
func TestParseAllocations(t *testing.T) {
	got := testing.AllocsPerRun(100, func() { _, _ = Parse("０９０－１２３４－５６７８", Options{}) })
	if got > 10 {
		t.Errorf("%v allocations, the budget is 10", got)
	}
}

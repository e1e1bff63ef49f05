package gateway

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
)

func testKeyring(tb testing.TB) *Keyring {
	tb.Helper()
	secret := make([]byte, MasterKeySize)
	_, _ = rand.Read(secret)
	r, err := NewKeyring(secret)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// TestCodesAreUniform holds the digits at each place, and the whole code,
// against a uniform distribution by Pearson's chi-squared.
func TestCodesAreUniform(t *testing.T) {
	const n = 200_000
	keys := testKeyring(t)
	number := keys.NumberName("+819012345678")
	var digit [6][10]float64
	var bucket [1000]float64
	leadingZero := 0
	for range n {
		code := keys.Code(keys.NewID(number, 6, nil), "app")
		if len(code) != 6 || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("code %q", code)
		}
		value := 0
		for i, c := range []byte(code) {
			digit[i][c-'0']++
			value = value*10 + int(c-'0')
		}
		bucket[value/1000]++
		if code[0] == '0' {
			leadingZero++
		}
	}
	chi := func(observed []float64) (sum float64) {
		expected := float64(n) / float64(len(observed))
		for _, o := range observed {
			sum += (o - expected) * (o - expected) / expected
		}
		return sum
	}
	// Beyond these a uniform source goes once in about 10^9 runs.
	for i := range digit {
		if c := chi(digit[i][:]); c > 65 {
			t.Errorf("place %d: chi-squared %.1f with 9 degrees of freedom: %v", i, c, digit[i])
		}
	}
	if c := chi(bucket[:]); c > 1300 {
		t.Errorf("chi-squared %.1f with 999 degrees of freedom", c)
	}
	if leadingZero == 0 {
		t.Error("no code begins with 0")
	}
}

func TestCodeDependsOnIDAppAndKey(t *testing.T) {
	a, b := testKeyring(t), testKeyring(t)
	number := a.NumberName("+819012345678")
	same, otherID, otherApp, otherKey := 0, 0, 0, 0
	const n = 2000
	for range n {
		id := a.NewID(number, 6, nil)
		code := a.Code(id, "app")
		if a.CodeMatches(id, "app", code) {
			same++
		}
		if a.CodeMatches(a.NewID(number, 6, nil), "app", code) {
			otherID++
		}
		if a.CodeMatches(id, "other", code) {
			otherApp++
		}
		if b.CodeMatches(id, "app", code) {
			otherKey++
		}
	}
	if same != n || otherID > 2 || otherApp > 2 || otherKey > 2 {
		t.Errorf("of %d codes: %d match themselves, %d another id, %d another app, %d another key", n, same, otherID, otherApp, otherKey)
	}
}

func TestNormaliseCode(t *testing.T) {
	keys := testKeyring(t)
	id := keys.NewID(keys.NumberName("+819012345678"), 6, nil)
	for _, typed := range []string{"012345", " 012 345 ", "０１２３４５", "012-345", "012　345", "０12−345", "012\u200b345\n"} {
		if got, err := NormaliseCode(typed, id); err != nil || got != "012345" {
			t.Errorf("%q: got %q, %v", typed, got, err)
		}
	}
	for _, typed := range []string{"", "12345", "1234567", "12345a", "①23456", "١٢٣٤٥٦", strings.Repeat("1", 200), "12345\x00", "\xff\xfe123456"} {
		if got, err := NormaliseCode(typed, id); CodeOf(err) != CodeInvalidRequest || got != "" {
			t.Errorf("%q: got %q, %v", typed, got, err)
		}
	}
}

func FuzzNormaliseCode(f *testing.F) {
	keys := testKeyring(f)
	id := keys.NewID(keys.NumberName("+819012345678"), 6, nil)
	for _, s := range []string{"123456", "１２３４５６", "12 34 56", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, err := NormaliseCode(typed, id)
		if err == nil && (len(code) != 6 || strings.Trim(code, "0123456789") != "") {
			t.Errorf("%q became %q", typed, code)
		}
	})
}

func TestIDsCarryWhatIsNeeded(t *testing.T) {
	keys := testKeyring(t)
	seed := bytes.Repeat([]byte{7}, SeedSize)
	for _, e164 := range []string{"+819012345678", "+12025550123", "+4915112345678"} {
		number := keys.NumberName(e164)
		id := keys.NewID(number, 8, nil)
		p, ok := id.parse()
		if !ok || p.tag != number.Tag() || id.Tag() != number.Tag() || p.digits != 8 || !keys.Knows(id) {
			t.Errorf("%s: %+v, %v", id, p, ok)
		}
		if id == keys.NewID(number, 8, nil) {
			t.Error("two ids are the same")
		}
		if again := keys.NewID(number, 8, seed); again != keys.NewID(number, 8, seed) {
			t.Error("one seed made two ids")
		}
		if IDFromName(id.Name()) != id {
			t.Errorf("%s isn't found again by its name", id)
		}
		if testKeyring(t).Knows(id) {
			t.Error("a stranger's ring knows it")
		}
	}
}

func FuzzID(f *testing.F) {
	keys := testKeyring(f)
	f.Add(string(keys.NewID(keys.NumberName("+819012345678"), 6, nil)))
	f.Add(string(newID(idParts{digits: MinOwnCodeLength, own: true}, make([]byte, idRandom))))
	f.Add(string(newID(idParts{}, make([]byte, idRandom)))) // a dispatch
	f.Add("vf_")
	f.Add("vf_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := ID(text).parse()
		least := MinCodeLength
		switch {
		case p.own:
			least = MinOwnCodeLength
		case ID(text).IsDispatch():
			least = 0
		}
		if ok && (p.tag >= Tags || p.digits < least || p.digits > MaxCodeLength || len(text) != 35) {
			t.Errorf("%q: %+v", text, p)
		}
		keys.Knows(ID(text))
	})
}

func TestRotationKeepsWhatIsPending(t *testing.T) {
	oldSecret, newSecret := bytes.Repeat([]byte{1}, MasterKeySize), bytes.Repeat([]byte{2}, MasterKeySize)
	before, err := NewKeyring(oldSecret)
	if err != nil {
		t.Fatal(err)
	}
	after, err := NewKeyring(newSecret, oldSecret)
	if err != nil {
		t.Fatal(err)
	}
	id := before.NewID(before.NumberName("+819012345678"), 6, nil)
	sealed := before.Seal("to", string(id), []byte("plain"))
	if !after.Knows(id) || !after.CodeMatches(id, "app", before.Code(id, "app")) {
		t.Error("a pending code isn't accepted after rotation")
	}
	if plain, err := after.Unseal("to", string(id), sealed); err != nil || string(plain) != "plain" {
		t.Errorf("unseal after rotation: %q, %v", plain, err)
	}
	if before.Knows(after.NewID(after.NumberName("+819012345678"), 6, nil)) {
		t.Error("the old ring knows the new key's ids")
	}
	if _, err := NewKeyring(oldSecret, oldSecret); err == nil {
		t.Error("one key twice is accepted")
	}
	if _, err := NewKeyring([]byte("short")); err == nil {
		t.Error("a short key is accepted")
	}
}

func TestSealsAreBoundToTheirPlace(t *testing.T) {
	keys := testKeyring(t)
	sealed := keys.Seal("to", "vf_a", []byte("plain"))
	for _, place := range [][2]string{{"to", "vf_b"}, {"reference", "vf_a"}} {
		if _, err := keys.Unseal(place[0], place[1], sealed); err == nil {
			t.Errorf("a seal opens as %v", place)
		}
	}
	for _, bad := range [][]byte{nil, sealed[:10], append(bytes.Clone(sealed), 0)} {
		if _, err := keys.Unseal("to", "vf_a", bad); err == nil {
			t.Errorf("%x opens", bad)
		}
	}
	if bytes.Equal(sealed, keys.Seal("to", "vf_a", []byte("plain"))) {
		t.Error("the same seal twice")
	}
}

func BenchmarkDeriveAndCompare(b *testing.B) {
	keys := testKeyring(b)
	id := keys.NewID(keys.NumberName("+819012345678"), 6, nil)
	b.ReportAllocs()
	for b.Loop() {
		typed, _ := NormaliseCode("123456", id)
		keys.CodeMatches(id, "app", typed)
	}
}

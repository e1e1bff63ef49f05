package twilioverify

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"

	"denwa/gateway"
	"denwa/ratelimit"
)

// TestErrorsDoc holds the table in docs/twilio-verify.md against the code.
func TestErrorsDoc(t *testing.T) {
	doc, err := os.ReadFile("../../docs/twilio-verify.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(doc)) {
		if cells := strings.Split(line, " | "); len(cells) == 3 && strings.HasPrefix(line, "| ") {
			rows[cells[0][2:]+" "+cells[1]] = cells[2]
		}
	}
	codes := 0
	for code, a := range answers {
		if _, ok := rows[fmt.Sprint(int(code), " ", a.status)]; !ok {
			t.Errorf("no row of %d with %d", code, a.status)
		}
	}
	for row := range rows {
		if row[0] >= '0' && row[0] <= '9' {
			codes++
		}
	}
	if codes != len(answers) {
		t.Errorf("%d rows of %d codes", codes, len(answers))
	}
	for _, limit := range append(ratelimit.Names(), gateway.LimitSends, gateway.LimitCalls) {
		code := limitCode(string(limit))
		if row := rows[fmt.Sprint(int(code), " ", answers[code].status)]; !strings.Contains(row, "`"+string(limit)+"`") {
			t.Errorf("the row of %d doesn't name %s: %s", code, limit, row)
		}
	}
}

// TestEveryCode: each of the gateway's codes has one of Twilio's, and only what
// is unexpected is internal.
func TestEveryCode(t *testing.T) {
	for _, code := range []gateway.Code{
		gateway.CodeInvalidRequest, gateway.CodeInvalidNumber, gateway.CodeNumberNotAllowed, gateway.CodeCountryNotAllowed,
		gateway.CodeChannelNotAvailable, gateway.CodeBlocked, gateway.CodeRateLimited, gateway.CodeUnauthorized, gateway.CodeForbidden,
		gateway.CodeNotFound, gateway.CodeNotPending, gateway.CodeDeliveryFailed, gateway.CodeIdempotencyConflict,
		gateway.CodeIdempotencyMismatch, gateway.CodePayloadTooLarge, gateway.CodeUnavailable,
	} {
		if r := refusalOf(&gateway.Error{Code: code}); r.code == internalError || answers[r.code].status == 0 {
			t.Errorf("%s is %d", code, r.code)
		}
	}
	if r := refusalOf(fmt.Errorf("secret")); r.code != internalError || strings.Contains(r.Error(), "secret") {
		t.Errorf("%v", r)
	}
}

// TestSIDs turns ids into SIDs and back.
func TestSIDs(t *testing.T) {
	keys, err := gateway.NewKeyring(make([]byte, gateway.MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		random := make([]byte, gateway.SeedSize)
		_, _ = rand.Read(random)
		id := keys.NewID(keys.NumberName(fmt.Sprint(i)), 6+i%5, seedOf(random))
		s, ok := sidOf(id)
		if !ok {
			t.Fatalf("%s has no SID", id)
		}
		text := s.text("VE")
		parsed, ok := parseSID("VE", text)
		back, isID := parsed.id()
		if !ok || !isID || back != id || len(text) != 34 {
			t.Fatalf("%s became %s and %s", id, text, back)
		}
		a := s.attempt(1 + i%10)
		if _, isID := a.id(); isID || a == s || a.verification() != s {
			t.Fatalf("%s isn't an attempt of %s", a.text("VL"), text)
		}
		if _, ok := sidOf(keys.NewID(keys.NumberName("x"), 6, random)); ok && random[len(random)-1] != 0 {
			t.Fatalf("an id with all its random bytes has a SID")
		}
	}
}

func FuzzSID(f *testing.F) {
	f.Add("VE00000000000000000000000000000000")
	f.Add("+819012345678")
	f.Fuzz(func(t *testing.T, text string) {
		s, ok := parseSID("VE", text)
		if ok && !strings.EqualFold(s.text("VE"), text) {
			t.Errorf("%q became %q", text, s.text("VE"))
		}
		if id, isID := s.id(); ok && isID {
			if back, ok := sidOf(id); !ok || back != s {
				t.Errorf("%q is %s, which is %q", text, id, back.text("VE"))
			}
		}
	})
}

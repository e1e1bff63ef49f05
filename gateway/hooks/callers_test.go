package hooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"denwa/gateway"
)

// The number and the code in the recorded requests.
const (
	recordedNumber = "819012345678"
	recordedCode   = "561166"
)

// caller is a login service as the tests play it.
type caller struct {
	kind gateway.HookType
	hook gateway.Hook
	// body is a recorded request's: testdata says where from.
	body string
	// sign is what the service sends with a body. Each call signs anew.
	sign func(body string, at time.Time) http.Header
	// text is what arrives; %s is the code.
	text string
}

func (c caller) path() string { return "/hooks/portal/" + string(c.kind) }

// to is the recorded request, for another number: digits without a plus.
func (c caller) to(number string) string {
	return strings.ReplaceAll(c.body, recordedNumber, number)
}

// says is what a phone gets of the recorded request.
func (c caller) says(code string) string { return fmt.Sprintf(c.text, code) }

const (
	supabaseSecret = "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	plainSecret    = "a secret for tests"
	basicPassword  = "a password for tests"
)

// callers are all login services. The requests of Kratos are what a real one
// sent, see TestKratos; the others are made after the services' own sources, which
// the comments of their decode functions name.
func callers(t testing.TB) []caller {
	t.Helper()
	plain := func(name, value string) func(string, time.Time) http.Header {
		return func(string, time.Time) http.Header {
			return http.Header{"Content-Type": {"application/json"}, name: {value}}
		}
	}
	basic := func(user string) func(string, time.Time) http.Header {
		return plain("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+basicPassword)))
	}
	return []caller{
		{
			gateway.HookSupabase,
			gateway.Hook{Type: gateway.HookSupabase, Secret: supabaseSecret},
			file(t, "supabase.json"), signSupabase,
			"【Example】認証コード：%s（10分間有効）\n第三者に教えないでください。",
		},
		{
			gateway.HookKratos,
			gateway.Hook{Type: gateway.HookKratos, Username: "kratos", Password: basicPassword},
			file(t, "kratos.json"), basic("kratos"),
			"Your verification code is: %s\n",
		},
		{
			gateway.HookZitadel,
			gateway.Hook{Type: gateway.HookZitadel, Secret: plainSecret},
			file(t, "zitadel.json"), signZitadel,
			"%[1]s is your one-time password for example.jp. Use it within the next 5m0s.\n@example.jp #%[1]s",
		},
		{
			gateway.HookLogto,
			gateway.Hook{Type: gateway.HookLogto, Secret: plainSecret},
			file(t, "logto.json"), plain("Authorization", plainSecret),
			"【Example】認証コード：%s（10分間有効）\n第三者に教えないでください。",
		},
		{
			gateway.HookAuthentik,
			gateway.Hook{Type: gateway.HookAuthentik, Secret: plainSecret},
			file(t, "authentik.json"), plain("Authorization", "Bearer "+plainSecret),
			"Use this code to authenticate in authentik: %s",
		},
		{
			gateway.HookOkta,
			gateway.Hook{Type: gateway.HookOkta, Secret: plainSecret, Header: "X-Denwa-Secret"},
			file(t, "okta.json"), plain("X-Denwa-Secret", plainSecret),
			"Your verification code is %s.",
		},
		{
			gateway.HookKeycloak,
			gateway.Hook{Type: gateway.HookKeycloak, Username: "keycloak", Password: basicPassword},
			file(t, "keycloak.json"), basic("keycloak"),
			"Your SMS code is %s and is valid for 5 minutes.",
		},
	}
}

// callerOf is one of them.
func callerOf(t testing.TB, kind gateway.HookType) caller {
	t.Helper()
	for _, c := range callers(t) {
		if c.kind == kind {
			return c
		}
	}
	t.Fatalf("no caller %s", kind)
	return caller{}
}

func signSupabase(body string, at time.Time) http.Header {
	key, _ := gateway.Hook{Secret: supabaseSecret}.Key()
	id := fmt.Sprintf("msg_%x", sha256.Sum256([]byte(at.String()+body)))[:30]
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
	return http.Header{
		"Content-Type": {"application/json"}, "Webhook-Id": {id}, "Webhook-Timestamp": {fmt.Sprint(at.Unix())},
		"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
}

func signZitadel(body string, at time.Time) http.Header {
	mac := hmac.New(sha256.New, []byte(plainSecret))
	fmt.Fprintf(mac, "%d.%s", at.Unix(), body)
	return http.Header{
		"Content-Type": {"application/json"}, zitadelSignature: {fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(mac.Sum(nil)))},
	}
}

func file(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

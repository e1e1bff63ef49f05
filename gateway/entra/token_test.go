package entra_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"denwa/gateway"
)

const (
	issuerV2 = "https://login.microsoftonline.com/" + tenantID + "/v2.0"
	rejected = `{"error":"unauthorized","requestId":"r1"}`
)

// v2 makes a token one of version 2.0.
func v2(c map[string]any) {
	c["iss"], c["azp"], c["ver"] = issuerV2, c["appid"], "2.0"
	delete(c, "appid")
}

// TestTokens: who is let in. Nothing is read, and nothing is sent, for anybody else.
func TestTokens(t *testing.T) {
	w := newWorld(t, embedded(t))
	set := func(name string, value any) func(map[string]any) {
		return func(c map[string]any) { c[name] = value }
	}
	without := func(name string) func(map[string]any) {
		return func(c map[string]any) { delete(c, name) }
	}
	in := func(d time.Duration) int64 { return w.clock.now().Add(d).Unix() }
	segments := strings.Split(w.token(nil), ".")
	payload, err := base64.RawURLEncoding.DecodeString(segments[1])
	if err != nil {
		t.Fatal(err)
	}
	header := func(h string) string { return base64.RawURLEncoding.EncodeToString([]byte(h)) }
	public, err := json.Marshal(jose.JSONWebKey{Key: stranger().Public(), KeyID: signerID})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name          string
		authorization string
		status        int
	}{
		{"v1.0", "Bearer " + w.token(nil), 200},
		{"v2.0", "Bearer " + w.token(v2), 200},
		{"scheme in lower case", "bearer " + w.token(nil), 200},
		{"several audiences", "Bearer " + w.token(set("aud", []string{"other", audience})), 200},
		{"caller in upper case", "Bearer " + w.token(set("appid", strings.ToUpper(gateway.EntraCaller))), 200},
		{"clock a little behind", "Bearer " + w.token(set("nbf", in(30*time.Second))), 200},
		{"clock a little ahead", "Bearer " + w.token(set("exp", in(-30*time.Second))), 200},

		{"none", "", 401},
		{"no token", "Bearer ", 401},
		{"Basic", "Basic dXNlcjpwYXNzd29yZA==", 401},
		{"API key", "Bearer dnw_demodemodemodemodemodemodemodemodemodemo", 401},
		{"stale", "Bearer " + w.token(set("exp", in(-2*time.Minute))), 401},
		{"not valid yet", "Bearer " + w.token(set("nbf", in(2*time.Minute))), 401},
		{"without an end", "Bearer " + w.token(without("exp")), 401},
		{"other audience", "Bearer " + w.token(set("aud", audience+"/")), 401},
		{"no audience", "Bearer " + w.token(without("aud")), 401},
		{"other tenant", "Bearer " + w.token(set("iss", "https://sts.windows.net/99999999-0000-4000-8000-000000000000/")), 401},
		{"issuer with more", "Bearer " + w.token(set("iss", issuer+"x")), 401},
		{"no issuer", "Bearer " + w.token(without("iss")), 401},
		{"other tenant's id", "Bearer " + w.token(set("tid", "99999999-0000-4000-8000-000000000000")), 401},
		{"wrong signature", "Bearer " + w.tokenBy(jose.RS256, stranger(), signerID, nil), 401},
		{"unknown key", "Bearer " + w.tokenBy(jose.RS256, signing(), "unknown", nil), 401},
		{"no key named", "Bearer " + w.tokenBy(jose.RS256, signing(), "", nil), 401},
		{"RS384", "Bearer " + w.tokenBy(jose.RS384, signing(), signerID, nil), 401},
		{"PS256", "Bearer " + w.tokenBy(jose.PS256, signing(), signerID, nil), 401},
		{"HS256 with the public key", "Bearer " + w.tokenBy(jose.HS256, signing().N.Bytes(), signerID, nil), 401},
		{"none at all", "Bearer " + header(`{"alg":"none","kid":"`+signerID+`"}`) + "." + segments[1] + ".", 401},
		{"with a key of its own", "Bearer " + w.withKey(public), 401},
		{"changed", "Bearer " + segments[0] + "." + header(strings.Replace(string(payload), tenantID, otherKID, 1)) + "." + segments[2], 401},
		{"a JWE", "Bearer " + encrypt(t, nil, nil), 401},
		{"not a JWT", "Bearer a.b.c", 401},

		{"other caller", "Bearer " + w.token(set("appid", otherKID)), 403},
		{"other caller, v2.0", "Bearer " + w.token(func(c map[string]any) { v2(c); c["azp"] = otherKID }), 403},
		{"two callers", "Bearer " + w.token(func(c map[string]any) { c["azp"], c["appid"] = gateway.EntraCaller, otherKID }), 403},
		{"no caller", "Bearer " + w.token(without("appid")), 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := w.post(envelope(t, map[string]any{"mode": 2}), map[string]string{"Authorization": tt.authorization})
			if got.status != tt.status {
				t.Fatalf("%d %s, want %d", got.status, got.body, tt.status)
			}
			switch tt.status {
			case 401:
				if got.body != rejected || got.header.Get("WWW-Authenticate") != "Bearer" {
					t.Errorf("%s %v", got.body, got.header)
				}
			case 403:
				if got.body != `{"error":"forbidden","requestId":"r1"}` {
					t.Errorf("%s", got.body)
				}
			}
		})
	}
	// The body isn't looked at before the token.
	if got := w.post("{", map[string]string{"Authorization": "Bearer x"}); got.status != 401 {
		t.Errorf("%d %s", got.status, got.body)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/entra/portal/api/SendOtp", strings.NewReader(envelope(t, nil)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Authorization"] = []string{"Bearer " + w.token(nil), "Bearer " + w.token(nil)}
	if got := w.do(r); got.status != 401 {
		t.Errorf("two tokens: %d", got.status)
	}
	if n := w.authority.asked.Load(); n > 2 {
		t.Errorf("the signing keys were fetched %d times", n)
	}
}

// withKey is a token that brings the key along that it is to be checked with.
func (w *world) withKey(public []byte) string {
	w.t.Helper()
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(public); err != nil {
		w.t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: stranger()},
		(&jose.SignerOptions{EmbedJWK: true}).WithHeader("kid", signerID))
	if err != nil {
		w.t.Fatal(err)
	}
	now := w.clock.now()
	claims := fmt.Sprintf(`{"iss":%q,"aud":%q,"appid":%q,"exp":%d}`, issuer, audience, gateway.EntraCaller, now.Add(time.Hour).Unix())
	signed, err := signer.Sign([]byte(claims))
	if err != nil {
		w.t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		w.t.Fatal(err)
	}
	return compact
}

// evaluate asks with a token that a key of the tenant signed.
func (w *world) evaluate(key *rsa.PrivateKey, id string) int {
	w.t.Helper()
	return w.post(envelope(w.t, map[string]any{"mode": 2}), map[string]string{
		"Authorization": "Bearer " + w.tokenBy(jose.RS256, key, id, nil),
	}).status
}

// TestSigningKeysRotate: a new key is fetched when a token names it, at most once
// a minute; one that was withdrawn counts no longer than until the next fetch.
func TestSigningKeysRotate(t *testing.T) {
	w := newWorld(t, embedded(t))
	expect := func(status int, key *rsa.PrivateKey, id string, fetches int32, when string) {
		t.Helper()
		if got := w.evaluate(key, id); got != status {
			t.Errorf("%s: %d, want %d", when, got, status)
		}
		if n := w.authority.asked.Load(); n != fetches {
			t.Errorf("%s: %d fetches, want %d", when, n, fetches)
		}
	}
	expect(200, signing(), signerID, 1, "first")
	expect(200, signing(), signerID, 1, "again")
	w.authority.publish(map[string]*rsa.PrivateKey{signerID: signing(), "next": stranger()})
	expect(401, stranger(), "next", 1, "a new key, too soon")
	w.clock.pass(time.Minute)
	expect(200, stranger(), "next", 2, "a new key")
	for range 5 {
		expect(401, signing(), "made-up", 2, "a made-up key")
	}
	w.clock.pass(time.Minute)
	expect(401, signing(), "made-up", 3, "a made-up key, a minute later")

	w.authority.publish(map[string]*rsa.PrivateKey{"next": stranger()})
	w.clock.pass(time.Hour)
	if got := w.evaluate(signing(), signerID); got != 200 {
		t.Errorf("%d: keys are fetched in the background, nobody waits", got)
	}
	for range 500 {
		if w.evaluate(signing(), signerID) == 401 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	expect(401, signing(), signerID, 4, "a withdrawn key")
}

// TestSigningKeysDown: while the keys can't be fetched those that are known go
// on, for a day; without any, nobody is let in.
func TestSigningKeysDown(t *testing.T) {
	for name, breakIt := range map[string]func(*authority){
		"down": (*authority).down,
		"garbage": func(a *authority) {
			a.answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
		},
		"empty":     func(a *authority) { a.publish(nil) },
		"oversized": func(a *authority) { a.answer(oversized) },
		"redirect": func(a *authority) {
			a.answer(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, a.URL+"/elsewhere", http.StatusFound)
			})
		},
		"hangs": (*authority).hang,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, embedded(t))
			breakIt(w.authority)
			if got := w.evaluate(signing(), signerID); got != 503 || w.count("unavailable") != 1 {
				t.Errorf("without keys: %d", got)
			}
			if name == "hangs" { // until it is over, nothing else is asked
				return
			}
			w.authority.publish(map[string]*rsa.PrivateKey{signerID: signing()})
			w.clock.pass(5 * time.Second)
			if got := w.evaluate(signing(), signerID); got != 200 {
				t.Fatalf("back again: %d", got)
			}
			breakIt(w.authority)
			w.clock.pass(23 * time.Hour)
			if got := w.evaluate(signing(), signerID); got != 200 {
				t.Errorf("with keys of 23 hours: %d", got)
			}
			if got := w.evaluate(stranger(), "new"); got != 401 {
				t.Errorf("an unknown key: %d", got)
			}
			w.clock.pass(time.Hour)
			if got := w.evaluate(signing(), signerID); got != 503 {
				t.Errorf("with keys of 24 hours: %d", got)
			}
			w.authority.publish(map[string]*rsa.PrivateKey{signerID: signing()})
			w.clock.pass(5 * time.Second)
			if got := w.evaluate(signing(), signerID); got != 200 {
				t.Errorf("back again: %d", got)
			}
		})
	}
}

func oversized(w http.ResponseWriter, _ *http.Request) {
	set, err := json.Marshal(map[string]any{
		"keys": []any{publicJWK(signerID, signing(), "https://login.microsoftonline.com/{tenantid}/v2.0")}, "more": strings.Repeat("a", 1<<20),
	})
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(set)
}

// TestSigningKeysOfOthers: of all that a key set holds, only RSA keys for
// signatures of this tenant count.
func TestSigningKeysOfOthers(t *testing.T) {
	w := newWorld(t, embedded(t))
	with := func(id string, change map[string]any) map[string]any {
		key := publicJWK(id, signing(), "https://login.microsoftonline.com/{tenantid}/v2.0")
		for name, value := range change {
			key[name] = value
			if value == nil {
				delete(key, name)
			}
		}
		return key
	}
	set, err := json.Marshal(map[string]any{"keys": []any{
		"what",
		map[string]any{"kty": "EC"},
		with("templated", nil),
		with("own", map[string]any{"issuer": issuerV2}),
		with("any", map[string]any{"issuer": nil, "use": nil}),
		with("consumers", map[string]any{"issuer": "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"}),
		with("encryption", map[string]any{"use": "enc"}),
		with("", nil),
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.authority.answer(func(r http.ResponseWriter, _ *http.Request) { _, _ = r.Write(set) })
	for id, status := range map[string]int{
		"templated": 200, "own": 200, "any": 200, "consumers": 401, "encryption": 401, "": 401,
	} {
		if got := w.evaluate(signing(), id); got != status {
			t.Errorf("signed with %q: %d, want %d", id, got, status)
		}
	}
}

// TestSigningKeysAreFetchedOnce: many first requests cause one fetch.
func TestSigningKeysAreFetchedOnce(t *testing.T) {
	w := newWorld(t, embedded(t))
	bodies, authorization := envelope(t, map[string]any{"mode": 2}), "Bearer "+w.token(nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got := w.post(bodies, map[string]string{"Authorization": authorization}); got.status != 200 {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	wg.Wait()
	if n := w.authority.asked.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestWarm(t *testing.T) {
	w := newWorld(t, embedded(t))
	w.handler.Warm(t.Context())
	if n := w.authority.asked.Load(); n != 1 {
		t.Fatalf("%d fetches", n)
	}
	if got := w.evaluate(signing(), signerID); got != 200 || w.authority.asked.Load() != 1 {
		t.Errorf("%d, %d fetches", got, w.authority.asked.Load())
	}
}

// TestOwnIssuer: other clouds have other names.
func TestOwnIssuer(t *testing.T) {
	const own = "https://login.example.jp/" + tenantID + "/v2.0"
	w := newWorldWith(t, embedded(t), func(c *gateway.Config) {
		c.Apps[0].Entra.Issuer, c.Apps[0].Entra.CallerAppID = own, otherKID
	})
	for _, tt := range []struct {
		issuer, caller string
		status         int
	}{
		{own, otherKID, 200},
		{issuer, otherKID, 401},
		{own, gateway.EntraCaller, 403},
	} {
		got := w.post(envelope(t, map[string]any{"mode": 2}), map[string]string{
			"Authorization": "Bearer " + w.token(func(c map[string]any) { c["iss"], c["appid"] = tt.issuer, tt.caller }),
		})
		if got.status != tt.status {
			t.Errorf("%s by %s: %d, want %d", tt.issuer, tt.caller, got.status, tt.status)
		}
	}
}

package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"testing"
	"time"

	"denwa/gateway"
)

// FuzzEnvelope: whatever comes, either the envelope is one that the contract
// allows, or the reason is one of its own.
func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{
		`{"type":"microsoft.mfa.otpDeliver.v1","channel":1,"mode":2,"ttlSeconds":60,"encryptedDeliveryContext":"a.b.c.d.e","correlationId":"c"}`,
		`{"type":"microsoft.mfa.otpDeliver.v1","channel":"voice","mode":"live","ttlSeconds":6e1,"encryptedDeliveryContext":"x"}`,
		`{"type":null,"channel":{},"mode":[],"ttlSeconds":-9999999999999999999}`, `[]`, `null`, `{`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	reasons := []string{
		reasonJSON, reasonEnvelope, reasonType, reasonEncrypted, reasonChannel, reasonMode, reasonTTL, reasonExpired,
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, reason := parseEnvelope(body)
		if reason != "" {
			if !slices.Contains(reasons, reason) {
				t.Errorf("reason %q", reason)
			}
			return
		}
		if e.channel != gateway.SMS && e.channel != gateway.Voice || e.encrypted == "" || e.ttl < 0 || e.ttl > maxTTL*time.Second || e.ttl%time.Second != 0 {
			t.Errorf("%+v", e)
		}
	})
}

// FuzzDelivery: what was decrypted came from whoever has our public key, which
// anybody may have.
func FuzzDelivery(f *testing.F) {
	for _, seed := range []string{
		`{"nonce":"n","phoneNumber":"+819012345678","message":"123456","extension":"1","locale":"ja","textToVoice":"t"}`,
		`{"nonce":1,"phoneNumber":null,"message":{}}`, `[]`, `null`, `{`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		d, ok, complete := parseDelivery(plain)
		if complete && (!ok || d.nonce == "" || d.number == "" || d.words(gateway.SMS) == "" || d.words(gateway.Voice) == "") {
			t.Errorf("%+v", d)
		}
	})
}

func FuzzDecrypt(f *testing.F) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	keys := map[string]*rsa.PrivateKey{"k": key}
	f.Add("a.b.c.d.e")
	f.Add("eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoiayJ9.AA.AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, compact string) {
		if plain, _, err := decrypt(compact, keys); err == nil {
			t.Errorf("made up, and decrypted to %q", plain)
		}
	})
}

// FuzzKeySet: a key set that is taken has keys that can sign.
func FuzzKeySet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"RSA","use":"sig","kid":"k","n":"AQAB","e":"AQAB","issuer":"https://login.microsoftonline.com/{tenantid}/v2.0"}]}`))
	f.Add([]byte(`{"keys":[null,{},{"kty":"EC"},"x"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := parseKeySet(body, "11111111-2222-4333-8444-555555555555")
		if (err == nil) != (len(keys) > 0) {
			t.Errorf("%d keys, %v", len(keys), err)
		}
		for kid, key := range keys {
			if kid == "" || key.N.BitLen() < 2048 {
				t.Errorf("key %q of %d bits", kid, key.N.BitLen())
			}
		}
	})
}

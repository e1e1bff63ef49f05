package entra_test

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"denwa/gateway"
)

// token is one that Entra ID would send, after change had its say.
func (w *world) token(change func(map[string]any)) string {
	w.t.Helper()
	return w.tokenBy(jose.RS256, signing(), signerID, change)
}

func (w *world) tokenBy(alg jose.SignatureAlgorithm, key any, id string, change func(map[string]any)) string {
	t := w.t
	t.Helper()
	now := w.clock.now()
	c := map[string]any{
		"iss": issuer, "aud": audience, "tid": tenantID, "appid": gateway.EntraCaller, "ver": "1.0",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	if change != nil {
		change(c)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", id).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(c).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// encryption is how a delivery context is encrypted.
type encryption struct {
	alg  jose.KeyAlgorithm
	enc  jose.ContentEncryption
	zip  jose.CompressionAlgorithm
	kid  string
	to   any
	text string // instead of fields
}

// encrypt makes the encrypted part of a request of the usual delivery context
// with change.
func encrypt(t testing.TB, change map[string]any, how func(*encryption)) string {
	t.Helper()
	e := encryption{alg: jose.RSA_OAEP_256, enc: jose.A256GCM, kid: kid, to: ours().Public()}
	if how != nil {
		how(&e)
	}
	fields := map[string]any{
		"nonce": nonce, "phoneNumber": mobile, "message": message, "locale": "en-US",
		"riskContext": map[string]any{"ip": "203.0.113.7"},
	}
	maps.Copy(fields, change)
	plain, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	if e.text != "" {
		plain = []byte(e.text)
	}
	options := &jose.EncrypterOptions{Compression: e.zip}
	if e.kid != "" {
		options = options.WithHeader("kid", e.kid)
	}
	crypter, err := jose.NewEncrypter(e.enc, jose.Recipient{Algorithm: e.alg, Key: e.to}, options)
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := crypter.Encrypt(plain)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jwe.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// envelope is the usual request with change; a nil value takes a field away.
func envelope(t testing.TB, change map[string]any) string {
	t.Helper()
	fields := map[string]any{
		"type": "microsoft.mfa.otpDeliver.v1", "tenantId": "99999999-0000-4000-8000-000000000000",
		"correlationId": correlation, "channel": 1, "mode": 1, "ttlSeconds": 180,
	}
	maps.Copy(fields, change)
	for name, value := range fields {
		if value == nil {
			delete(fields, name)
		}
	}
	if _, given := fields["encryptedDeliveryContext"]; !given {
		fields["encryptedDeliveryContext"] = encrypt(t, nil, nil)
	}
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

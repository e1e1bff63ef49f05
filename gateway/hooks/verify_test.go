package hooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"testing"
	"time"

	"denwa/gateway"
)

var signedAt = time.Unix(1775044800, 0)

// TestStandardWebhookSignatures: the vector is of the Standard Webhooks
// specification's own libraries.
func TestStandardWebhookSignatures(t *testing.T) {
	const (
		id   = "msg_p5jXN8AQM9LWM0D4loKWxJek"
		at   = "1614265330"
		body = `{"test": 2432232314}`
		good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
		bad  = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	)
	then := time.Unix(1614265330, 0)
	hook := gateway.Hook{Type: gateway.HookSupabase, Secret: "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
	for _, c := range []struct {
		name              string
		id, at, signature string
		body              string
		now               time.Time
		want              error
	}{
		{"right", id, at, good, body, then, nil},
		{"five minutes late", id, at, good, body, then.Add(tolerance), nil},
		{"later", id, at, good, body, then.Add(tolerance + 1), errStale},
		{"five minutes early", id, at, good, body, then.Add(-tolerance), nil},
		{"earlier", id, at, good, body, then.Add(-tolerance - 1), errStale},
		{"second of several", id, at, bad + " " + good, body, then, nil},
		{"second of several, as Supabase joins them", id, at, bad + ", " + good, body, then, nil},
		{"first of several, as Supabase joins them", id, at, good + ", " + bad, body, then, nil},
		{"beside another version", id, at, "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg== " + good, body, then, nil},
		{"wrong", id, at, bad, body, then, errForged},
		{"wrong and late", id, at, bad, body, then.Add(time.Hour), errForged},
		{"another body", id, at, good, body + " ", then, errForged},
		{"another id", id + "x", at, good, body, then, errForged},
		{"another second", id, "1614265331", good, body, then, errForged},
		{"no id", "", at, good, body, then, errUnsigned},
		{"no second", id, "", good, body, then, errUnsigned},
		{"a second that is none", id, "soon", good, body, then, errUnsigned},
		{"a second out of range", id, "99999999999999999999", good, body, then, errUnsigned},
		{"no signature", id, at, "", body, then, errUnsigned},
		{"another version only", id, at, "v2," + good[3:], body, then, errUnsigned},
		{"not base64", id, at, "v1,***", body, then, errUnsigned},
	} {
		r := &request{
			header: http.Header{"Webhook-Id": {c.id}, "Webhook-Timestamp": {c.at}, "Webhook-Signature": {c.signature}},
			body:   []byte(c.body), at: c.now,
		}
		if err := verifyStandardWebhook(hook, r); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestZitadelSignatures(t *testing.T) {
	const body = `{"a":1}`
	mac := hmac.New(sha256.New, []byte(plainSecret))
	mac.Write([]byte("1775044800." + body))
	good, bad := "v1="+hex.EncodeToString(mac.Sum(nil)), "v1="+hex.EncodeToString(make([]byte, 32))
	for _, c := range []struct {
		name, header, body string
		now                time.Time
		want               error
	}{
		{"right", "t=1775044800," + good, body, signedAt, nil},
		{"five minutes late", "t=1775044800," + good, body, signedAt.Add(tolerance), nil},
		{"later", "t=1775044800," + good, body, signedAt.Add(tolerance + 1), errStale},
		{"earlier", "t=1775044800," + good, body, signedAt.Add(-tolerance - 1), errStale},
		{"second of two keys", "t=1775044800," + bad + "," + good, body, signedAt, nil},
		{"beside another version", "t=1775044800,v2=abc," + good, body, signedAt, nil},
		{"beside one that isn't hex", "t=1775044800,v1=zz," + good, body, signedAt, nil},
		{"wrong", "t=1775044800," + bad, body, signedAt, errForged},
		{"half a signature", "t=1775044800," + good[:31], body, signedAt, errForged},
		{"another body", "t=1775044800," + good, body + "\n", signedAt, errForged},
		{"another second", "t=1775044801," + good, body, signedAt, errForged},
		{"no second", good, body, signedAt, errUnsigned},
		{"no signature", "t=1775044800", body, signedAt, errUnsigned},
		{"nothing", "", body, signedAt, errUnsigned},
	} {
		r := &request{header: http.Header{zitadelSignature: {c.header}}, body: []byte(c.body), at: c.now}
		if err := verifyZitadel(gateway.Hook{Type: gateway.HookZitadel, Secret: plainSecret}, r); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestSecrets(t *testing.T) {
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	plain := gateway.Hook{Secret: plainSecret}
	named := gateway.Hook{Secret: plainSecret, Header: "x-denwa-secret"}
	person := gateway.Hook{Username: "kratos", Password: basicPassword}
	for _, c := range []struct {
		name   string
		hook   gateway.Hook
		header http.Header
		right  bool
	}{
		{"as it is", plain, http.Header{"Authorization": {plainSecret}}, true},
		{"Bearer", plain, http.Header{"Authorization": {"Bearer " + plainSecret}}, true},
		{"named", named, http.Header{"X-Denwa-Secret": {plainSecret}}, true},
		{"Basic", person, http.Header{"Authorization": {basic("kratos:" + basicPassword)}}, true},
		{"none", plain, http.Header{}, false},
		{"empty", plain, http.Header{"Authorization": {""}}, false},
		{"shorter", plain, http.Header{"Authorization": {plainSecret[1:]}}, false},
		{"longer", plain, http.Header{"Authorization": {plainSecret + "x"}}, false},
		{"twice", plain, http.Header{"Authorization": {plainSecret, plainSecret}}, false},
		{"in another header", named, http.Header{"Authorization": {plainSecret}}, false},
		{"Basic for a secret", plain, http.Header{"Authorization": {basic("kratos:" + plainSecret)}}, false},
		{"another user", person, http.Header{"Authorization": {basic("other:" + basicPassword)}}, false},
		{"another password", person, http.Header{"Authorization": {basic("kratos:")}}, false},
		{"no Basic", person, http.Header{"Authorization": {basicPassword}}, false},
		{"nothing configured", gateway.Hook{}, http.Header{"Authorization": {""}}, false},
		{"nothing configured, Bearer", gateway.Hook{}, http.Header{"Authorization": {"Bearer "}}, false},
	} {
		if err := verifySecret(c.hook, &request{header: c.header}); (err == nil) != c.right {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestRotation: while an app has two hooks of a type, either secret is right.
func TestRotation(t *testing.T) {
	const next = "the secret after it"
	g := newGateway(t, connect(t, ""), func(c *gateway.Config) {
		c.Apps[0].Hooks = append(c.Apps[0].Hooks, gateway.Hook{Type: gateway.HookLogto, Secret: next})
	})
	c := callerOf(t, gateway.HookLogto)
	for i, secret := range []string{plainSecret, next, "neither of the two"} {
		want := http.StatusOK
		if i == 2 {
			want = http.StatusUnauthorized
		}
		body := c.to("8190333300" + string(rune('0'+i)) + "1")
		a := g.post(c.path(), body, http.Header{"Content-Type": {"application/json"}, "Authorization": {secret}})
		if a.status != want {
			t.Errorf("%s: %s", secret, a.line())
		}
	}
}

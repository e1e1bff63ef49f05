package gateway_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"denwa/gateway"
)

var entraKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func pkcs8(t *testing.T, key crypto.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestEntraConfig(t *testing.T) {
	const tenant, guid = "11111111-2222-4333-8444-555555555555", "0F0E0D0C-0b0a-4908-8706-050403020100"
	private := pkcs8(t, entraKey())
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(entraKey())}))
	certificate := "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	key := func(kid, private string) gateway.EntraKey { return gateway.EntraKey{KID: kid, PrivateKey: private} }
	good := func(change func(*gateway.Entra)) gateway.Entra {
		e := gateway.Entra{TenantID: tenant, Audience: "api://verify.example.jp/" + guid, Keys: []gateway.EntraKey{key(guid, private)}}
		change(&e)
		return e
	}
	keys := func(list ...gateway.EntraKey) gateway.Entra {
		return good(func(e *gateway.Entra) { e.Keys = list })
	}
	for _, tt := range []struct {
		name string
		gateway.Entra
		wrong []string
	}{
		{"none", gateway.Entra{}, nil},
		{"usual", good(func(*gateway.Entra) {}), nil},
		{"client id as audience", good(func(e *gateway.Entra) { e.Audience = guid }), nil},
		{"all", good(func(e *gateway.Entra) {
			e.CallerAppID, e.Issuer, e.JWKSURL = guid, "https://login.example.jp/v2.0", "https://login.example.jp/keys"
		}), nil},
		{"keys on this machine", good(func(e *gateway.Entra) { e.JWKSURL = "http://127.0.0.1:8080/keys" }), nil},
		{"keys on localhost", good(func(e *gateway.Entra) { e.JWKSURL = "http://localhost/keys" }), nil},
		{"two keys", keys(key(guid, private), key(tenant, private)), nil},
		{"PKCS #1", keys(key(guid, pkcs1)), nil},
		{"certificate before the key", keys(key(guid, certificate+private)), nil},
		{"certificate after the key", keys(key(guid, private+certificate)), nil},

		{"only a caller", gateway.Entra{CallerAppID: guid}, []string{"audience", "keys", "tenant_id"}},
		{"domain as tenant", good(func(e *gateway.Entra) { e.TenantID = "example.onmicrosoft.com" }), []string{"tenant_id"}},
		{"common", good(func(e *gateway.Entra) { e.TenantID = "common" }), []string{"tenant_id"}},
		{"no audience", good(func(e *gateway.Entra) { e.Audience = "" }), []string{"audience"}},
		{"word as audience", good(func(e *gateway.Entra) { e.Audience = "denwa" }), []string{"audience"}},
		{"name as caller", good(func(e *gateway.Entra) { e.CallerAppID = "microsoft" }), []string{"caller_app_id"}},
		{"http issuer", good(func(e *gateway.Entra) { e.Issuer = "http://login.example.jp/" }), []string{"issuer"}},
		{"http keys", good(func(e *gateway.Entra) { e.JWKSURL = "http://login.example.jp/keys" }), []string{"jwks_url"}},
		{"keys with a password", good(func(e *gateway.Entra) { e.JWKSURL = "https://me:hunter2@login.example.jp/" }), []string{"jwks_url"}},
		{"no keys", keys(), []string{"keys"}},
		{"no kid", keys(key("", private)), []string{"keys[0].kid"}},
		{"strange kid", keys(key("a b", private)), []string{"keys[0].kid"}},
		{"same kid in another case", keys(key(guid, private), key(strings.ToLower(guid), private)), []string{"keys[1].kid"}},
		{"no private key", keys(key(guid, "")), []string{"keys[0].private_key"}},
		{"not PEM", keys(key(guid, "hunter2")), []string{"keys[0].private_key"}},
		{"certificate alone", keys(key(guid, certificate)), []string{"keys[0].private_key"}},
		{"broken", keys(key(guid, strings.Replace(private, "\nMII", "\nhunter2MII", 1))), []string{"keys[0].private_key"}},
		{"under a password", keys(key(guid, strings.ReplaceAll(private, "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"))), []string{"keys[0].private_key"}},
		{"curve", keys(key(guid, pkcs8(t, curve))), []string{"keys[0].private_key"}},
		{"1024 bits", keys(key(guid, pkcs8(t, short))), []string{"keys[0].private_key"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			problems := map[string]string{}
			tt.Validate(func(field, problem string) {
				problems[field] = problem
				if strings.Contains(problem, "hunter2") {
					t.Errorf("%s: repeats a secret: %s", field, problem)
				}
			})
			if got := slices.Sorted(maps.Keys(problems)); !slices.Equal(got, tt.wrong) {
				t.Errorf("problems %v, want %v", problems, tt.wrong)
			}
		})
	}
}

func TestEntraDefaults(t *testing.T) {
	e := gateway.Entra{TenantID: "AAAAAAAA-2222-4333-8444-555555555555"}
	const tenant = "aaaaaaaa-2222-4333-8444-555555555555"
	if got, want := e.Issuers(), []string{"https://login.microsoftonline.com/" + tenant + "/v2.0", "https://sts.windows.net/" + tenant + "/"}; !slices.Equal(got, want) {
		t.Errorf("issuers %v", got)
	}
	if got := e.KeysURL(); got != "https://login.microsoftonline.com/"+tenant+"/discovery/v2.0/keys" {
		t.Errorf("keys at %s", got)
	}
	if got := e.Caller(); got != "25ec60fa-f18d-41a4-b398-50044c90ce13" {
		t.Errorf("caller %s", got)
	}
	e.Issuer, e.JWKSURL, e.CallerAppID = "https://a", "https://b", "ABC"
	if e.Issuers()[0] != "https://a" || len(e.Issuers()) != 1 || e.KeysURL() != "https://b" || e.Caller() != "abc" {
		t.Errorf("%v %s %s", e.Issuers(), e.KeysURL(), e.Caller())
	}
}

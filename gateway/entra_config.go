package gateway

import (
	"cmp"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"denwa/providers"
)

// Entra lets Entra ID have its codes delivered by an app.
type Entra struct {
	// Tenant whose codes are delivered: its GUID.
	TenantID string `yaml:"tenant_id"`
	// Audience of the tokens that Entra ID sends: the application ID URI (api://…) for v1.0 tokens, the application (client) ID for v2.0 tokens.
	Audience string `yaml:"audience"`
	// Application ID that Entra ID calls as; empty takes Microsoft's own, which is the same in all public clouds.
	CallerAppID string `yaml:"caller_app_id"`
	// Issuer of the tokens; empty takes the tenant's two, for v1.0 and v2.0 tokens.
	Issuer string `yaml:"issuer"`
	// Where the keys are that sign the tokens, https, or http on a loopback address; empty takes the tenant's.
	JWKSURL string `yaml:"jwks_url"`
	// Keys that requests are encrypted to. More than one while they change.
	Keys []EntraKey `yaml:"keys"`
}

// EntraKey is one key pair; "denwa entra keygen" makes one.
type EntraKey struct {
	// Name of the key in requests: the keyId of the certificate in the app registration, a GUID.
	KID string `yaml:"kid"`
	// Private key, as PEM: RSA, 2048 bits or more. With its certificate beside it, metrics tell when that expires.
	PrivateKey string `yaml:"private_key" secret:"true"`
}

// EntraCaller is the application that Entra ID calls as, Microsoft's own. Source:
// docs/CONTRACT.md (EPP_EXPECTED_CLIENT_ID) and setup/ in
// https://github.com/Azure-Samples/ExternalPhoneProvider-AzureFunction-Sample.
const EntraCaller = "25ec60fa-f18d-41a4-b398-50044c90ce13"

// minEntraKey is the smallest RSA key in bits, which is also what Microsoft's
// own setup makes.
const minEntraKey = 2048

var (
	guidForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	kidForm  = regexp.MustCompile(`^[0-9A-Za-z._:-]{1,128}$`)
)

// Enabled reports whether the app speaks the dialect.
func (e Entra) Enabled() bool {
	return e.TenantID != "" || e.Audience != "" || e.CallerAppID != "" || e.Issuer != "" || e.JWKSURL != "" || len(e.Keys) > 0
}

// Caller is the application that may call, in lower case.
func (e Entra) Caller() string { return strings.ToLower(cmp.Or(e.CallerAppID, EntraCaller)) }

// Issuers are those whose tokens are taken. Which of the tenant's two it is
// depends on the app registration's requestedAccessTokenVersion. Source:
// https://learn.microsoft.com/entra/identity-platform/access-tokens.
func (e Entra) Issuers() []string {
	if e.Issuer != "" {
		return []string{e.Issuer}
	}
	tenant := strings.ToLower(e.TenantID)
	return []string{"https://login.microsoftonline.com/" + tenant + "/v2.0", "https://sts.windows.net/" + tenant + "/"}
}

// KeysURL is where the keys are that sign the tokens, of both versions.
func (e Entra) KeysURL() string {
	return cmp.Or(e.JWKSURL, "https://login.microsoftonline.com/"+strings.ToLower(e.TenantID)+"/discovery/v2.0/keys")
}

// Name is the key's kid as it is compared: a GUID in either case is the same.
func (k EntraKey) Name() string { return EntraKeyName(k.KID) }

// EntraKeyName is a kid as it is compared.
func EntraKeyName(kid string) string {
	if guidForm.MatchString(kid) {
		return strings.ToLower(kid)
	}
	return kid
}

// RSA is the private key in k. Certificates beside it are passed over, as a key
// vault exports both in one file. The error repeats nothing of k.
func (k EntraKey) RSA() (*rsa.PrivateKey, error) {
	for rest := []byte(k.PrivateKey); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New(`holds no private key: PEM that begins with "-----BEGIN PRIVATE KEY-----"`)
		}
		switch block.Type {
		case "PRIVATE KEY":
			parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, errors.New("holds a private key that can't be read")
			}
			key, ok := parsed.(*rsa.PrivateKey)
			if !ok {
				return nil, errors.New("holds a private key that isn't RSA")
			}
			return key, checkEntraKey(key)
		case "RSA PRIVATE KEY":
			key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
			if err != nil {
				return nil, errors.New("holds a private key that can't be read")
			}
			return key, checkEntraKey(key)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("holds a private key under a password; give it without one, in a file that only the gateway reads")
		}
	}
}

// Certificate is the one in k that is of its key, if there is one: "denwa entra
// keygen" writes both into one file, and so do key vaults. It tells when Entra
// ID stops using the key. Nil if there is none.
func (k EntraKey) Certificate() *x509.Certificate {
	key, err := k.RSA()
	if err != nil {
		return nil
	}
	for rest := []byte(k.PrivateKey); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && key.PublicKey.Equal(c.PublicKey) {
			return c
		}
	}
}

func checkEntraKey(key *rsa.PrivateKey) error {
	if bits := key.N.BitLen(); bits < minEntraKey {
		return fmt.Errorf("holds an RSA key of %d bits; it must have %d or more", bits, minEntraKey)
	}
	return nil
}

// Validate reports every mistake in e. It repeats no key.
func (e Entra) Validate(report func(field, problem string)) {
	if !e.Enabled() {
		return
	}
	if !guidForm.MatchString(e.TenantID) {
		report("tenant_id", "must be the tenant's GUID, such as 01234567-89ab-cdef-0123-456789abcdef: the directory (tenant) ID on the app registration's page")
	}
	if u, err := url.Parse(e.Audience); !guidForm.MatchString(e.Audience) && (err != nil || u.Scheme == "" || u.Host == "") {
		report("audience", "must be the app registration's application ID URI, such as api://verify.example.jp/…, or its application (client) ID")
	}
	if e.CallerAppID != "" && !guidForm.MatchString(e.CallerAppID) {
		report("caller_app_id", "must be the GUID of an application; leave it out for Microsoft's")
	}
	if u, err := url.Parse(e.Issuer); e.Issuer != "" && (err != nil || u.Scheme != "https" || u.Hostname() == "") {
		report("issuer", "must be an https address, as tokens name it; leave it out for the tenant's")
	}
	if u, err := url.Parse(e.JWKSURL); e.JWKSURL != "" && (err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !providers.Loopback(u.Hostname()))) {
		report("jwks_url", "must be https, or http on a loopback address; leave it out for the tenant's")
	}
	if len(e.Keys) == 0 {
		report("keys", `must have a key; "denwa entra keygen" makes one`)
	}
	first := map[string]int{}
	for i, k := range e.Keys {
		at := func(field string) string { return fmt.Sprintf("keys[%d].%s", i, field) }
		if !kidForm.MatchString(k.KID) {
			report(at("kid"), "must be the key's id, a GUID, as the app registration has it")
		}
		if j, dup := first[k.Name()]; dup {
			report(at("kid"), fmt.Sprintf("is the id of keys[%d] already", j))
		} else {
			first[k.Name()] = i
		}
		if k.PrivateKey == "" {
			report(at("private_key"), `is missing; "denwa entra keygen" makes one`)
		} else if _, err := k.RSA(); err != nil {
			report(at("private_key"), err.Error())
		}
	}
}

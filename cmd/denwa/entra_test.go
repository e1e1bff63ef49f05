package main

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"denwa/config"
	"denwa/gateway"
)

// TestEntraPair: the certificate belongs to the key that the configuration
// reads, is for encryption, ends when it says, and names the pair.
func TestEntraPair(t *testing.T) {
	now := time.Date(2026, 11, 25, 3, 4, 5, 0, time.UTC)
	pair, err := newEntraPair(2048, now, 365)
	if err != nil {
		t.Fatal(err)
	}
	key, err := gateway.EntraKey{KID: pair.kid, PrivateKey: string(pair.key)}.RSA()
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(pair.certificate)
	if block == nil || len(rest) != 0 {
		t.Fatalf("%s", pair.certificate)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if public, ok := c.PublicKey.(*rsa.PublicKey); !ok || !public.Equal(key.Public()) || key.N.BitLen() != 2048 {
		t.Error("the certificate isn't the key's")
	}
	if err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil {
		t.Error(err)
	}
	if c.KeyUsage != x509.KeyUsageKeyEncipherment|x509.KeyUsageDataEncipherment || c.IsCA {
		t.Errorf("usage %b, CA %t", c.KeyUsage, c.IsCA)
	}
	if !c.NotBefore.Equal(now) || !c.NotAfter.Equal(now.AddDate(1, 0, 0)) || !pair.until.Equal(c.NotAfter) {
		t.Errorf("from %v until %v", c.NotBefore, c.NotAfter)
	}
	if pair.kid != entraKID(c.Raw) || pair.kid == entraKID(append(bytes.Clone(c.Raw), 0)) {
		t.Errorf("kid %s", pair.kid)
	}
}

// TestEntraGuide: the guide's configuration is good, in both languages, and both
// say what an administrator must not miss.
func TestEntraGuide(t *testing.T) {
	for _, guide := range []string{"../../docs/entra.md", "../../docs/entra.ja.md"} {
		t.Run(filepath.Base(guide), func(t *testing.T) {
			text, err := os.ReadFile(guide)
			if err != nil {
				t.Fatal(err)
			}
			_, rest, found := strings.Cut(string(text), "```yaml\n")
			example, _, ended := strings.Cut(rest, "```\n")
			if !found || !ended {
				t.Fatal("it has no configuration")
			}
			pair, err := newEntraPair(2048, time.Now(), 1)
			if err != nil {
				t.Fatal(err)
			}
			folder := t.TempDir()
			for name, content := range map[string][]byte{
				"entra.key": pair.key, "twilio": []byte(strings.Repeat("0", 32)),
				"master": []byte(base64.StdEncoding.EncodeToString(make([]byte, gateway.MasterKeySize))),
				"c.yaml": []byte(strings.ReplaceAll(example, "/etc/denwa/", folder+"/")),
			} {
				if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c, err := config.Load(filepath.Join(folder, "c.yaml"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if !c.Gateway.Apps[0].Entra.Enabled() || c.Server.MaxBody < 16_384+4096 {
				t.Errorf("%+v", c.Server)
			}
			for _, must := range []string{"2027", "Security Store", "External ID", "B2C", "migrationPercentage", gateway.EntraCaller} {
				if !strings.Contains(string(text), must) {
					t.Errorf("it doesn't mention %s", must)
				}
			}
		})
	}
}

package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // G505: how Entra ID names a certificate, not a protection.
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

func newEntraCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "entra",
		Short: "Prepare delivering codes for Entra ID",
		Long: `Prepares an app to be the telephony endpoint of a Microsoft Entra ID tenant.
docs/entra.md is the guide.`,
		Example: `  denwa entra keygen`,
	}
	c.AddCommand(newEntraKeygenCommand())
	return c
}

// entraKeySizes are those of an RSA key in bits. Microsoft's own setup makes
// the first.
var entraKeySizes = []int{2048, 3072, 4096}

// maxEntraDays bounds the life of a certificate: a key should change at times.
const maxEntraDays = 730

func newEntraKeygenCommand() *cobra.Command {
	var out string
	var bits, days int
	c := &cobra.Command{
		Use:   "keygen [--out NAME]",
		Short: "Make a key pair that Entra ID encrypts to",
		Long: `Makes a private key, NAME.key, and its certificate, NAME.crt. The gateway keeps
the key, with a copy of the certificate to know when it expires; the certificate
goes to the app registration in Entra ID, with the usage "Encrypt" and the
printed kid as its keyId. No file is ever overwritten.

The kid alone goes to the standard output; what to add to the configuration
goes to the standard error.

To change keys, make a pair under another name, add it to the configuration
beside the old one, reload, then add its certificate to the app registration.
Requests by either key work meanwhile. When denwa_entra_decryptions_total of
the old key stands still, remove it from both.`,
		Example: `  denwa entra keygen
  denwa entra keygen --out /etc/denwa/entra-2027 --days 365`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if !slices.Contains(entraKeySizes, bits) {
				return errUsage(c, fmt.Errorf("--bits takes %d, %d or %d", entraKeySizes[0], entraKeySizes[1], entraKeySizes[2]))
			}
			if days < 1 || days > maxEntraDays {
				return errUsage(c, fmt.Errorf("--days takes 1 to %d", maxEntraDays))
			}
			if out == "" {
				return errUsage(c, errors.New("--out takes the beginning of two file names"))
			}
			pair, err := newEntraPair(bits, time.Now().UTC().Truncate(time.Second), days)
			if err != nil {
				return err
			}
			path, err := filepath.Abs(out)
			if err != nil {
				return fmt.Errorf("find %s: %w", out, err)
			}
			if err := pair.write(path+".key", path+".crt"); err != nil {
				return err
			}
			if _, err := fmt.Fprintln(c.OutOrStdout(), pair.kid); err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), `
%[1]s.key   the private key and the certificate: only the gateway may read it
%[1]s.crt   the certificate: add it to the app registration
             keyId       %[2]s
             thumbprint  %[3]s
             until       %[4]s

Then add the key to the configuration, and reload:

    entra:
      keys:
        - kid: %[2]s
          private_key_file: %[1]s.key

If Entra ID gives the certificate another keyId, that one is the kid.
`, path, pair.kid, pair.thumbprint, pair.until.Format(time.DateOnly))
			return nil
		},
	}
	c.Flags().StringVar(&out, "out", "entra", "beginning of the two file names")
	c.Flags().IntVar(&bits, "bits", entraKeySizes[0], "size of the RSA key: 2048, 3072 or 4096")
	c.Flags().IntVar(&days, "days", 365, "how long the certificate is valid")
	return c
}

// entraPair is a key pair as files and as it is named.
type entraPair struct {
	key, certificate []byte // PEM
	kid, thumbprint  string
	until            time.Time
}

func newEntraPair(bits int, now time.Time, days int) (*entraPair, error) {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	until := now.AddDate(0, 0, days)
	// As setup/ of Microsoft's sample makes it: self-signed, for encrypting keys
	// and data.
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Denwa"},
		NotBefore: now, NotAfter: until,
		KeyUsage: x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write the key: %w", err)
	}
	return &entraPair{
		key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		kid:         entraKID(certificate),
		thumbprint:  fmt.Sprintf("%X", sha1.Sum(certificate)), //nolint:gosec // G401: as above.
		until:       until,
	}, nil
}

// entraKID names a certificate by its SHA-256, in the form that a keyId must
// have: a GUID, of the version for one's own contents (RFC 9562 section 5.8).
func entraKID(certificate []byte) string {
	b := sha256.Sum256(certificate)
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// write writes both files, or neither.
func (p *entraPair) write(keyPath, certificatePath string) error {
	both := slices.Concat(p.key, p.certificate) // so that the gateway knows when the certificate expires
	if err := writeNew(keyPath, both, 0o600); err != nil {
		return err
	}
	if err := writeNew(certificatePath, p.certificate, 0o644); err != nil {
		return errors.Join(err, os.Remove(keyPath))
	}
	return nil
}

// writeNew writes a file that isn't there yet.
func writeNew(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) //nolint:gosec // G304: the operator names it.
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and may be in use; choose another --out", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

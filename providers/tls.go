package providers

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// TLS says whom to trust on a connection, and who we are.
type TLS struct {
	// File with the PEM certificates of the authorities to trust; empty for the system's.
	CAFile string `yaml:"ca_file"`
	// File with the PEM certificate of this client; empty for none.
	CertFile string `yaml:"cert_file"`
	// File with the PEM key of this client; empty for none.
	KeyFile string `yaml:"key_file"`
	// Name to expect in the other side's certificate; empty for the address's host.
	ServerName string `yaml:"server_name"`
}

// Validate reports every mistake in t that shows without its files.
func (t TLS) Validate(report func(field, problem string)) {
	if (t.CertFile == "") != (t.KeyFile == "") {
		report("cert_file", "and key_file go together")
	}
}

// Load reads the files. The configuration is for a connection to host, unless
// server_name says another, and tells certificates of what is shown there.
func (t TLS) Load(host string, certificates *Certificates) (*tls.Config, error) {
	c := certificates.Watch(&tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName})
	if c.ServerName == "" {
		c.ServerName = host
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca_file: %s holds no certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		own, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("tls.cert_file: %w", err)
		}
		c.Certificates = []tls.Certificate{own}
		certificates.holds(own.Leaf)
	}
	return c, nil
}

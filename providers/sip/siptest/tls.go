package siptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Certificate makes a certificate for 127.0.0.1 and returns the file with it
// and its key, and the one that trusts it.
func Certificate(tb testing.TB) (both, ca string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{{127, 0, 0, 1}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	both, ca = filepath.Join(tb.TempDir(), "both.pem"), filepath.Join(tb.TempDir(), "ca.pem")
	if err := os.WriteFile(both, append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), cert...), 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(ca, cert, 0o600); err != nil {
		tb.Fatal(err)
	}
	return both, ca
}

// tunnel takes TLS and passes on what is in it by TCP: Debian's sipp speaks no TLS.
type tunnel struct {
	listener net.Listener
	to       string
	ca       string
	serving  sync.WaitGroup

	mu    sync.Mutex
	ended bool
	conns []net.Conn
}

func startTunnel(tb testing.TB, to string) *tunnel {
	tb.Helper()
	both, ca := Certificate(tb)
	cert, err := tls.LoadX509KeyPair(both, both)
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		tb.Fatal(err)
	}
	t := &tunnel{listener: listener, to: to, ca: ca}
	t.serving.Go(t.serve)
	tb.Cleanup(t.close)
	return t
}

func (t *tunnel) serve() {
	for {
		outer, err := t.listener.Accept()
		if err != nil {
			return
		}
		inner, err := net.Dial("tcp", t.to)
		if err != nil {
			outer.Close()
			continue
		}
		if !t.keep(outer, inner) {
			return
		}
		pass := func(to, from net.Conn) {
			_, _ = io.Copy(to, from) // either side may end it
			to.Close()
		}
		t.serving.Go(func() { pass(outer, inner) })
		t.serving.Go(func() { pass(inner, outer) })
	}
}

// keep remembers connections for close, which may have been before.
func (t *tunnel) keep(conns ...net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns = append(t.conns, conns...)
	if t.ended {
		for _, c := range conns {
			c.Close()
		}
	}
	return !t.ended
}

func (t *tunnel) close() {
	t.listener.Close()
	t.mu.Lock()
	t.ended = true
	for _, c := range t.conns {
		c.Close()
	}
	t.mu.Unlock()
	t.serving.Wait()
}

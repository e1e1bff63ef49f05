package deploy_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"denwa/config"
	"denwa/gateway/httpapi"
)

// proxied runs a real nginx with the example in front of g and returns its URL.
// Only addresses and the certificate are other ones.
func proxied(t *testing.T, g *gateway) (url string, client *http.Client) {
	t.Helper()
	nginx := peer(t, "nginx", "nginx-light")
	folder := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"verify.example.jp"},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	address := freeAddress(t)
	example := strings.NewReplacer(
		"/etc/letsencrypt/live/verify.example.jp/fullchain.pem", file("cert.pem", certificate),
		"/etc/letsencrypt/live/verify.example.jp/privkey.pem", file("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))),
		"listen 443 ", "listen "+address+" ", "server 127.0.0.1:8080", "server "+g.public,
	).Replace(read(t, "nginx/denwa.conf"))
	p := start(t, exec.Command(nginx, "-e", "stderr", "-p", folder, "-c", file("nginx.conf", fmt.Sprintf(`
daemon off; master_process off; # one process, as a test ends it
pid pid; error_log stderr; events {}
http {
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  include %s;
}`, file("denwa.conf", example)))))

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(certificate))
	client = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "verify.example.jp"}, ForceAttemptHTTP2: true,
	}}
	t.Cleanup(client.CloseIdleConnections)
	url = "https://" + address
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		resp, err := client.Get(url + "/v1/openapi.yaml")
		if err == nil {
			resp.Body.Close()
			return url, client
		}
	}
	t.Fatalf("nginx doesn't answer:\n%s", p.output.String())
	return "", nil
}

func TestProxy(t *testing.T) {
	g := serve(t, nil, "DENWA_SERVER_TRUSTED_PROXIES=127.0.0.1")
	url, client := proxied(t, g)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ask := func(method, path, body string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+config.PlaygroundKey)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Forwarded-For", "203.0.113.7") // which isn't true
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}

	resp := ask(http.MethodPost, "/v1/verifications", `{"to":"090-1234-5678"}`)
	var v struct{ ID string }
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil || resp.StatusCode != http.StatusCreated || resp.ProtoMajor != 2 {
		t.Fatalf("%s %s: %v", resp.Proto, resp.Status, err)
	}

	// The stream goes on until the verification is over, in ten minutes. What it
	// begins with must be here before that.
	stream := ask(http.MethodGet, "/v1/verifications/"+v.ID+"/events", "")
	if line, err := bufio.NewReader(stream.Body).ReadString('\n'); err != nil || line == "" {
		t.Errorf("no event: %q, %v", line, err)
	}

	// An address that a client makes up isn't believed. The log has its network.
	ask(http.MethodGet, "/nowhere", "")
	for !strings.Contains(g.output.String(), "route=other") {
		if ctx.Err() != nil {
			t.Fatalf("the request isn't in the log:\n%s", g.output.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
	if log := g.output.String(); !strings.Contains(log, "client=127.0.0.0/24") || strings.Contains(log, "203.0.113") {
		t.Errorf("the log:\n%s", log)
	}
}

// TestProxyBounds holds nginx' bounds against the gateway's.
func TestProxyBounds(t *testing.T) {
	text := read(t, "nginx/denwa.conf")
	seconds, err := strconv.Atoi(regexp.MustCompile(`proxy_read_timeout\s+(\d+)s;`).FindStringSubmatch(text)[1])
	patient := time.Duration(seconds) * time.Second
	if err != nil || patient <= httpapi.MaxWait || patient <= config.Default().Server.WriteTimeout {
		t.Errorf("proxy_read_timeout %s, and a reply may take %s", patient, config.Default().Server.WriteTimeout)
	}
	if !strings.Contains(text, "server "+config.Default().Server.Listen+";") {
		t.Errorf("the gateway listens on %s", config.Default().Server.Listen)
	}
	if _, admin, _ := strings.Cut(config.Default().Admin.Listen, ":"); strings.Contains(text, admin) {
		t.Error("the admin listener isn't for the world")
	}
}

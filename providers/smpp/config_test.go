package smpp

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"denwa/providers"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*Config)
		fields []string
	}{
		"short code":         {func(*Config) {}, nil},
		"number":             {func(c *Config) { c.Source = "+819012345678" }, nil},
		"sender":             {func(c *Config) { c.Source = "Example Co" }, nil},
		"IPv6":               {func(c *Config) { c.Address = "[2001:db8::1]:2775" }, nil},
		"no password":        {func(c *Config) { c.Password = "" }, nil},
		"all said":           {func(c *Config) { c.SourceTON, c.SourceNPI, c.SystemType, c.ServiceType = 0, 9, "WWW", "CMT" }, nil},
		"empty":              {func(c *Config) { *c = Config{} }, []string{"name", "address", "system_id", "source", "binds", "window", "enquire_link", "response_timeout", "receipts_within", "encoding", "long_messages", "receipt_ids"}},
		"no port":            {func(c *Config) { c.Address = "smsc.example.jp" }, []string{"address"}},
		"port 0":             {func(c *Config) { c.Address = "smsc.example.jp:0" }, []string{"address"}},
		"a URL":              {func(c *Config) { c.Address = "smpp://smsc.example.jp:2775" }, []string{"address"}},
		"system_id too long": {func(c *Config) { c.SystemID = strings.Repeat("a", 16) }, []string{"system_id"}},
		"system_id with NUL": {func(c *Config) { c.SystemID = "a\x00b" }, []string{"system_id"}},
		"password with NUL":  {func(c *Config) { c.Password = "a\x00b" }, []string{"password"}},
		"types too long":     {func(c *Config) { c.SystemType, c.ServiceType = strings.Repeat("a", 13), "CMTCMT" }, []string{"system_type", "service_type"}},
		"name too long":      {func(c *Config) { c.Source = "Example Corp" }, []string{"source"}},
		"name with a space":  {func(c *Config) { c.Source = "Example " }, []string{"source"}},
		"name not ASCII":     {func(c *Config) { c.Source = "電話" }, []string{"source"}},
		"types of numbers":   {func(c *Config) { c.SourceTON, c.SourceNPI, c.DestTON, c.DestNPI = 7, 19, -1, -1 }, []string{"source_ton", "source_npi", "dest_ton", "dest_npi"}},
		"too many":           {func(c *Config) { c.Binds, c.Window = 65, 1001 }, []string{"binds", "window"}},
		"too long": {func(c *Config) {
			c.EnquireLink, c.ResponseTimeout, c.ReceiptsWithin = time.Hour, time.Hour, 1000*time.Hour
		}, []string{"enquire_link", "response_timeout", "receipts_within"}},
		"choices":            {func(c *Config) { c.Encoding, c.LongMessages, c.ReceiptIDs = "utf8", "payload", "octal" }, []string{"encoding", "long_messages", "receipt_ids"}},
		"half a certificate": {func(c *Config) { c.TLS.CertFile = "client.pem" }, []string{"tls.cert_file"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig("127.0.0.1:1")
			tt.change(&cfg)
			var fields []string
			cfg.Validate(func(field, problem string) {
				fields = append(fields, field)
				if cfg.Password != "" && strings.Contains(problem, cfg.Password) {
					t.Errorf("%s: %q holds a secret", field, problem)
				}
			})
			if diff := cmp.Diff(tt.fields, fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			p, err := New(cfg, newShelf(), (&inbox{}).receive, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
			if (err != nil) != (len(tt.fields) > 0) {
				t.Errorf("New says %v", err)
			}
			if p != nil {
				_ = p.Close()
			}
		})
	}
}

func TestSource(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]address{
		"+819012345678": {1, 1, "819012345678"}, "00051234": {3, 0, "00051234"}, "Example": {5, 0, "Example"}, "12": {5, 0, "12"},
	} {
		cfg := testConfig("127.0.0.1:1")
		cfg.Source = source
		if got := cfg.source(); got != want {
			t.Errorf("%s is %v", source, got)
		}
		cfg.SourceTON, cfg.SourceNPI = 0, 9
		if got := cfg.source(); got.ton != 0 || got.npi != 9 {
			t.Errorf("%s is %v, not what was said", source, got)
		}
	}
}

func TestTLSFiles(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		tls  TLSConfig
		fine bool
	}{
		"system's": {TLSConfig{Enabled: true}, true},
		"all":      {TLSConfig{Enabled: true, TLS: providers.TLS{CAFile: cert, CertFile: cert, KeyFile: key}}, true},
		"off":      {TLSConfig{TLS: providers.TLS{CAFile: "missing.pem"}}, true},
		"missing":  {TLSConfig{Enabled: true, TLS: providers.TLS{CAFile: "missing.pem"}}, false},
		"empty":    {TLSConfig{Enabled: true, TLS: providers.TLS{CAFile: empty}}, false},
		"no key":   {TLSConfig{Enabled: true, TLS: providers.TLS{CertFile: cert, KeyFile: "missing.pem"}}, false},
	} {
		cfg := testConfig("smsc.example.jp:2775")
		cfg.TLS = tt.tls
		got, err := cfg.TLS.load(cfg.Address, &providers.Certificates{})
		if (err == nil) != tt.fine {
			t.Errorf("%s: %v", name, err)
		}
		if got != nil && got.ServerName != "smsc.example.jp" {
			t.Errorf("%s: expects %q", name, got.ServerName)
		}
	}
}

package sip

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"denwa/providers"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	valid := DefaultConfig()
	valid.Name, valid.Server, valid.From = "trunk", "sip.example.jp:5060", "+815012345678"
	for _, c := range []struct {
		want   string // the field that is reported; empty for none
		change func(*Config)
	}{
		{"", func(*Config) {}},
		{"", func(c *Config) { c.Server, c.Transport = "[2001:db8::1]:5061", TLS }},
		{"", func(c *Config) { c.Dial = map[string]string{"+81": "0", "+": "010"} }},
		{"", func(c *Config) { c.Listen, c.Media.Address = "192.0.2.10:5060", "198.51.100.1" }},
		{"name", func(c *Config) { c.Name = "My trunk" }},
		{"server", func(c *Config) { c.Server = "sip.example.jp" }},
		{"server", func(c *Config) { c.Server = "sip.example.jp:0" }},
		{"server", func(c *Config) { c.Server = "sip:sip.example.jp:5060" }},
		{"transport", func(c *Config) { c.Transport = "sctp" }},
		{"domain", func(c *Config) { c.Domain = "a b" }},
		{"username", func(c *Config) { c.Password = "secret" }},
		{"username", func(c *Config) { c.Username = "a\r\nVia: x" }},
		{"from", func(c *Config) { c.From = "" }},
		{"from", func(c *Config) { c.From = "x@y" }},
		{"", func(c *Config) { c.Dial = map[string]string{"81": "0"} }},
		{"dial", func(c *Config) { c.Dial = map[string]string{"81": "0", "+81": ""} }},
		{"dial", func(c *Config) { c.Dial = map[string]string{"": "0"} }},
		{"dial", func(c *Config) { c.Dial = map[string]string{"8x": "0"} }},
		{"dial", func(c *Config) { c.Dial = map[string]string{"+81": "0;x"} }},
		{"listen", func(c *Config) { c.Listen = "5060" }},
		{"listen", func(c *Config) { c.Listen = "sip.example.jp:5060" }},
		{"ring_timeout", func(c *Config) { c.RingTimeout = 0 }},
		{"max_calls", func(c *Config) { c.MaxCalls = 0 }},
		{"media.address", func(c *Config) { c.Media.Address = "gateway.example.jp" }},
		{"media.ports", func(c *Config) { c.Media.Ports = "20000" }},
		{"media.ports", func(c *Config) { c.Media.Ports = "20000-19998" }},
		{"media.ports", func(c *Config) { c.Media.Ports = "20000-70000" }},
		{"media.ports", func(c *Config) { c.MaxCalls = 501 }},
		{"media.timeout", func(c *Config) { c.Media.Timeout = 0 }},
		{"tls.cert_file", func(c *Config) { c.TLS.CertFile = "cert.pem" }},
	} {
		cfg := valid
		c.change(&cfg)
		var fields []string
		cfg.Validate(func(field, problem string) {
			fields = append(fields, field)
			if problem == "" || strings.Contains(problem, "secret") {
				t.Errorf("problem %q", problem)
			}
		})
		if strings.Join(fields, " ") != c.want {
			t.Errorf("reported %v, want %q", fields, c.want)
		}
	}
}

func TestDialled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dial         map[string]string
		number, want string
	}{
		{nil, "+819037264815", "+819037264815"},
		{map[string]string{"+81": "0"}, "+819037264815", "09037264815"},
		{map[string]string{"+81": "0"}, "+12025550123", "+12025550123"},
		{map[string]string{"81": "0", "+": "010"}, "+819037264815", "09037264815"},
		{map[string]string{"81": "0", "+": "010"}, "+12025550123", "01012025550123"},
		{map[string]string{"+": ""}, "+12025550123", "12025550123"},
	} {
		if got := (Config{Dial: c.dial}).dialled(c.number); got != c.want {
			t.Errorf("%s with %v is dialled as %s, want %s", c.number, c.dial, got, c.want)
		}
	}
}

// What New can't do it says, and leaves nothing open.
func TestNewFails(t *testing.T) {
	t.Parallel()
	taken := newWire(t).addr()
	for want, change := range map[string]func(*Config){
		"max_calls must be":    func(c *Config) { c.MaxCalls = -1 },
		"no such file":         func(c *Config) { c.Prompts = filepath.Join(t.TempDir(), "nowhere") },
		"tls.ca_file":          func(c *Config) { c.TLS.CAFile = "nowhere.pem" },
		"tls.cert_file":        func(c *Config) { c.TLS.CertFile, c.TLS.KeyFile = "nowhere.pem", "nowhere.pem" },
		"listen":               func(c *Config) { c.Listen = taken },
		"holds no certificate": func(c *Config) { c.TLS.CAFile = "config_test.go" },
	} {
		cfg := DefaultConfig()
		cfg.Name, cfg.Server, cfg.From = "trunk", "127.0.0.1:5060", caller
		change(&cfg)
		if _, err := New(cfg, func(context.Context, string, providers.Receipt) error { return nil }, approving{}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

// Receipts that nobody takes are handed over again, in order, and dropped when
// the provider closes.
func TestReceiptsAreHandedOverAgain(t *testing.T) {
	t.Parallel()
	trunk := newWire(t)
	var taken []providers.Status
	tries := 0
	p, err := New(testConfig(t, trunk.addr(), nil), func(_ context.Context, _ string, r providers.Receipt) error {
		if tries++; tries%3 != 0 {
			return context.DeadlineExceeded
		}
		taken = append(taken, r.Status)
		return nil
	}, approving{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	placed := make(chan error, 1)
	go func() {
		_, err := p.PlaceCall(t.Context(), providers.Call{Delivery: delivery, To: "+819037264815", Script: confirm, ValidFor: time.Minute})
		placed <- err
	}()
	trunk.answer(trunk.request("INVITE"), 180, "a", nil)
	if err := <-placed; err != nil {
		t.Fatal(err)
	}
	trunk.answer(trunk.invite, 486, "a", nil)
	awaitEnd(t, p)
	if len(taken) != 2 || taken[0] != providers.Ringing || taken[1] != providers.Busy {
		t.Errorf("taken %v", taken)
	}
}

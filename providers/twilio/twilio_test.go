package twilio

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"denwa/providers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testNumber   = "+819012345678"
	testText     = "【Example】認証コード：123456（10分間有効）"
	testDelivery = "vf_abcdefghijklmnopqrstuvwxyz234567.1"
	testPublic   = "https://verify.example.jp"
)

func testConfig() Config {
	cfg := DefaultConfig()
	cfg.Name = "twilio-main"
	cfg.AccountSID = "AC" + strings.Repeat("0123456789abcdef", 2)
	cfg.AuthToken = strings.Repeat("feedc0de", 4)
	cfg.SMS.From = "+15005550006"
	return cfg
}

func testMessage() providers.Message {
	return providers.Message{Delivery: testDelivery, To: testNumber, Text: testText, ValidFor: 10 * time.Minute}
}

func noReceipts(context.Context, string, providers.Receipt) error { return nil }

func newProvider(tb testing.TB, cfg Config, public string, receive providers.Receiver) *Provider {
	tb.Helper()
	p, err := New(cfg, public, receive, &exchange{}, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p
}

// start returns a fake Twilio and a provider that talks to it.
func start(tb testing.TB) (*fakeTwilio, *Provider) {
	tb.Helper()
	cfg := testConfig()
	fake := newFakeTwilio(tb, cfg)
	cfg.BaseURL = fake.URL
	return fake, newProvider(tb, cfg, testPublic, noReceipts)
}

// failureOf checks that err is a provider's error which tells nothing private.
func failureOf(t *testing.T, err error) *providers.Error {
	t.Helper()
	var failure *providers.Error
	if !errors.As(err, &failure) {
		t.Fatalf("error is %#v, want a *providers.Error", err)
	}
	cfg := testConfig()
	for _, secret := range []string{
		testNumber[1:], testNumber[3:], "12345678", "5005550", "123456（", "認証", cfg.AuthToken, cfg.AccountSID, testDelivery,
	} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("error %q holds %q", err, secret)
		}
	}
	return failure
}

func TestStatusCallbackIsGivenOnlyWhereItCanBeReached(t *testing.T) {
	tests := []struct {
		public, base string
		want         bool
	}{
		{"https://verify.example.jp", "https://api.twilio.com", true},
		{"https://203.0.113.7:8443/denwa/", "https://api.twilio.com", true},
		{"", "https://api.twilio.com", false},
		{"http://localhost:8080", "https://api.twilio.com", false},
		{"http://demo.localhost:8080", "https://api.twilio.com", false},
		{"http://127.0.0.1:8080", "https://api.twilio.com", false},
		{"http://[::1]:8080", "https://api.twilio.com", false},
		{"http://192.168.1.10:8080", "https://api.twilio.com", false},
		{"http://127.0.0.1:8080", "http://127.0.0.1:9090", true},
	}
	for _, tt := range tests {
		cfg := testConfig()
		cfg.BaseURL = tt.base
		if p := newProvider(t, cfg, tt.public, noReceipts); p.reports != tt.want {
			t.Errorf("public %q, base %q: status callback %v, want %v", tt.public, tt.base, p.reports, tt.want)
		}
	}
}

// Nothing that is logged while sending holds anything private.
func TestLogIsSilentOnPrivateThings(t *testing.T) {
	var out bytes.Buffer
	cfg := testConfig()
	fake := newFakeTwilio(t, cfg)
	cfg.BaseURL = fake.URL
	p, err := New(cfg, "", noReceipts, nil, slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.http.CloseIdleConnections)
	for _, number := range []string{testNumber, numberInvalid} {
		msg := testMessage()
		msg.To = number
		_, _ = p.SendMessage(t.Context(), msg)
	}
	if want := "no public_url"; !strings.Contains(out.String(), want) {
		t.Errorf("log does not say %q:\n%s", want, &out)
	}
	for _, secret := range []string{"12345678", "5005550", "123456", cfg.AuthToken} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("log holds %q:\n%s", secret, &out)
		}
	}
}

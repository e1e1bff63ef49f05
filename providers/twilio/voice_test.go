package twilio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"denwa/ivr"
	"denwa/providers"
)

func voiceConfig() Config {
	cfg := testConfig()
	cfg.Voice.From = "+815055500006"
	cfg.Voice.CallsPerSecond = 1000
	return cfg
}

func testCall() providers.Call {
	return providers.Call{
		Delivery: testDelivery, To: testNumber, ValidFor: 10 * time.Minute,
		Script: ivr.Script{Mode: ivr.ModeCode, Locale: "ja", Brand: "Example", Code: "123456"},
	}
}

// startVoice returns a fake Twilio and a provider that calls by it.
func startVoice(t *testing.T) (*fakeTwilio, *Provider) {
	t.Helper()
	cfg := voiceConfig()
	fake := newFakeTwilio(t, cfg)
	cfg.BaseURL = fake.URL
	return fake, newProvider(t, cfg, testPublic, noReceipts)
}

func TestPlaceCallOnTheWire(t *testing.T) {
	const (
		to     = "&To=%2B819012345678"
		query  = "%3Fdelivery%3Dvf_abcdefghijklmnopqrstuvwxyz234567.1%23rc%3D3%26rp%3D5xx%2Cct%2Crt"
		status = "&StatusCallback=https%3A%2F%2Fverify.example.jp%2Fcallbacks%2Ftwilio-main%2Fcall%2Fstatus" + query +
			"&StatusCallbackEvent=initiated&StatusCallbackEvent=ringing&StatusCallbackEvent=answered&StatusCallbackEvent=completed"
		address = "&Url=https%3A%2F%2Fverify.example.jp%2Fcallbacks%2Ftwilio-main%2Fcall" + query
	)
	tests := map[string]struct {
		config func(*VoiceConfig)
		call   func(*providers.Call)
		body   string
	}{
		"as configured": {
			func(*VoiceConfig) {}, func(*providers.Call) {},
			"From=%2B815055500006&MachineDetection=Enable" + status + "&Timeout=30" + to + address,
		},
		"no machine detection": {
			func(c *VoiceConfig) { c.MachineDetection, c.RingTimeout = false, 45*time.Second }, func(*providers.Call) {},
			"From=%2B815055500006" + status + "&Timeout=45" + to + address,
		},
		"extension": {
			func(*VoiceConfig) {}, func(c *providers.Call) { c.Extension = "0123" },
			"From=%2B815055500006&SendDigits=wwww0123" + status + "&Timeout=30" + to + address,
		},
		"soon over": {
			func(*VoiceConfig) {}, func(c *providers.Call) { c.ValidFor = 11500 * time.Millisecond },
			"From=%2B815055500006&MachineDetection=Enable" + status + "&Timeout=12" + to + address,
		},
		"over": {
			func(*VoiceConfig) {}, func(c *providers.Call) { c.ValidFor = 0 },
			"From=%2B815055500006&MachineDetection=Enable" + status + "&Timeout=5" + to + address,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := voiceConfig()
			tt.config(&cfg.Voice)
			fake := newFakeTwilio(t, cfg)
			cfg.BaseURL = fake.URL
			p := newProvider(t, cfg, testPublic, noReceipts)
			call := testCall()
			tt.call(&call)
			got, err := p.PlaceCall(t.Context(), call)
			if err != nil {
				t.Fatal(err)
			}
			if got.Reference != fake.calls[0].sid {
				t.Errorf("reference is %q, want %q", got.Reference, fake.calls[0].sid)
			}
			request := fake.seen()[0]
			if want := "/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Calls.json"; request.target != want || request.method != http.MethodPost {
				t.Errorf("%s %s, want POST %s", request.method, request.target, want)
			}
			if diff := cmp.Diff(tt.body, request.body); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

// Neither the code nor the number is in an address that Twilio is given: it logs them.
func TestCallAddressesAreNotPrivate(t *testing.T) {
	fake, p := startVoice(t)
	if _, err := p.PlaceCall(t.Context(), testCall()); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"Url", "StatusCallback"} {
		for _, secret := range []string{"123456", "9012345678"} {
			if address := fake.calls[0].form.Get(field); strings.Contains(address, secret) {
				t.Errorf("%s is %q", field, address)
			}
		}
	}
}

func TestPlaceCallFails(t *testing.T) {
	fake, p := startVoice(t)
	for name, test := range map[string]struct {
		fault http.HandlerFunc
		kind  providers.Kind
		code  string
	}{
		"refused":              {func(w http.ResponseWriter, _ *http.Request) { fake.refuse(w, apiError{400, 21215, testNumber}) }, providers.Unavailable, "21215"},
		"not a number":         {func(w http.ResponseWriter, _ *http.Request) { fake.refuse(w, apiError{400, 13224, testNumber}) }, providers.Invalid, "13224"},
		"too many":             {func(w http.ResponseWriter, _ *http.Request) { fake.refuse(w, apiError{400, 10004, testNumber}) }, providers.Throttled, "10004"},
		"201 without a sid":    {status(201, `{"status":"queued"}`), providers.Ambiguous, ""},
		"201 with a message":   {status(201, `{"sid":"SM0123456789abcdef0123456789abcdef","status":"queued"}`), providers.Ambiguous, ""},
		"201 without a status": {status(201, `{"sid":"CA0123456789abcdef0123456789abcdef"}`), providers.Ambiguous, ""},
		"201 with a page":      {status(201, "<html>"+testNumber), providers.Ambiguous, ""},
		"failed at once":       {status(201, `{"sid":"CA0123456789abcdef0123456789abcdef","status":"failed"}`), providers.Unavailable, ""},
		"canceled at once":     {status(201, `{"sid":"CA0123456789abcdef0123456789abcdef","status":"canceled"}`), providers.Unavailable, ""},
		"closed":               {raw(t, ""), providers.Ambiguous, ""},
	} {
		fake.fail(test.fault)
		before := len(fake.seen())
		_, err := p.PlaceCall(t.Context(), testCall())
		if got := failureOf(t, err); got.Kind != test.kind || got.Code != test.code {
			t.Errorf("%s: %v, want %s with code %q", name, err, test.kind, test.code)
		}
		if n := len(fake.seen()) - before; n != 1 {
			t.Errorf("%s: %d requests, want 1", name, n)
		}
	}
}

func TestBadExtension(t *testing.T) {
	fake, p := startVoice(t)
	for _, extension := range []string{"12#", "w", "1 2", "１", strings.Repeat("1", 29)} {
		call := testCall()
		call.Extension = extension
		_, err := p.PlaceCall(t.Context(), call)
		if got := failureOf(t, err); got.Kind != providers.Invalid {
			t.Errorf("%q: %v, want invalid", extension, err)
		}
	}
	call := testCall()
	call.Extension = strings.Repeat("1", 28)
	if _, err := p.PlaceCall(t.Context(), call); err != nil {
		t.Error(err)
	}
	if n := len(fake.seen()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// Calls wait for their turn, but not for long, and never longer than their
// context leaves time for the request.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := voiceConfig()
		cfg.Voice.CallsPerSecond = 0.5
		p, err := New(cfg, testPublic, noReceipts, &exchange{}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		var asked []time.Duration
		began := time.Now()
		p.http.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
			asked = append(asked, time.Since(began))
			return nil, errors.New("down")
		})
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		gone, leave := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, leave)
		expect := func(ctx context.Context, want string, took time.Duration) {
			t.Helper()
			began := time.Now()
			_, err := p.PlaceCall(ctx, testCall())
			failure := failureOf(t, err)
			if got := fmt.Sprint(failure.Kind, " ", failure.RetryAfter, " after ", time.Since(began)); got != want+" after "+took.String() {
				t.Errorf("%s, want %s after %v", got, want, took)
			}
		}
		expect(t.Context(), "unavailable 0s", 0)
		expect(short, "throttled 2s", 0)
		expect(t.Context(), "unavailable 0s", 2*time.Second)
		expect(gone, "unavailable 0s", time.Second)
		if diff := cmp.Diff([]time.Duration{0, 2 * time.Second}, asked); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
	})
}

func TestServes(t *testing.T) {
	textless := voiceConfig()
	textless.SMS = SMSConfig{}
	for name, test := range map[string]struct {
		cfg        Config
		sms, voice bool
	}{"sms": {testConfig(), true, false}, "voice": {textless, false, true}, "both": {voiceConfig(), true, true}} {
		p := newProvider(t, test.cfg, testPublic, noReceipts)
		if sms, voice := providers.Serves(p, providers.SMS), providers.Serves(p, providers.Voice); sms != test.sms || voice != test.voice {
			t.Errorf("%s: serves sms %v, voice %v", name, sms, voice)
		}
	}
}

// Without a switchboard, or where Twilio can't ask what to say, nobody can be called.
func TestVoiceNeeds(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, public := range []string{"", "http://127.0.0.1:8080", "http://192.168.1.1"} {
		if _, err := New(voiceConfig(), public, noReceipts, &exchange{}, log); err == nil || !strings.Contains(err.Error(), "public_url") {
			t.Errorf("public_url %q: %v", public, err)
		}
	}
	if _, err := New(voiceConfig(), testPublic, noReceipts, nil, log); err == nil || !strings.Contains(err.Error(), "switchboard") {
		t.Errorf("no switchboard: %v", err)
	}
}

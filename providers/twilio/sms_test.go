package twilio

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"denwa/providers"
)

func TestSendMessageOnTheWire(t *testing.T) {
	const path = "/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Messages.json"
	const body = "Body=%E3%80%90Example%E3%80%91%E8%AA%8D%E8%A8%BC%E3%82%B3%E3%83%BC%E3%83%89%EF%BC%9A123456%EF%BC%8810%E5%88%86%E9%96%93%E6%9C%89%E5%8A%B9%EF%BC%89"
	const callback = "&StatusCallback=https%3A%2F%2Fverify.example.jp%2Fcallbacks%2Ftwilio-main%2Fstatus" +
		"%3Fdelivery%3Dvf_abcdefghijklmnopqrstuvwxyz234567.1%23rc%3D3%26rp%3D5xx%2Cct%2Crt"
	tests := map[string]struct {
		change func(*Config)
		public string
		auth   string // base64 of user:password
		body   string
	}{
		"number": {
			change: func(*Config) {}, public: testPublic,
			auth: "QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjpmZWVkYzBkZWZlZWRjMGRlZmVlZGMwZGVmZWVkYzBkZQ==",
			body: body + "&From=%2B15005550006" + callback + "&To=%2B819012345678&ValidityPeriod=600",
		},
		"service and API key, no receipts": {
			change: func(c *Config) {
				c.SMS = SMSConfig{MessagingServiceSID: "MG" + strings.Repeat("a", 32)}
				c.APIKeySID, c.APIKeySecret = "SK"+strings.Repeat("b", 32), "s3cret"
			},
			auth: "U0tiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYjpzM2NyZXQ=",
			body: body + "&MessagingServiceSid=MGaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&To=%2B819012345678&ValidityPeriod=600",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TWILIO_EDGE", "sydney") // must not move the request elsewhere
			cfg := testConfig()
			tt.change(&cfg)
			fake := newFakeTwilio(t, cfg)
			cfg.BaseURL = fake.URL
			p := newProvider(t, cfg, tt.public, noReceipts)

			got, err := p.SendMessage(t.Context(), testMessage())
			if err != nil {
				t.Fatal(err)
			}
			if want := fake.messages[0].Get("sid"); got.Reference != want {
				t.Errorf("reference is %q, want %q", got.Reference, want)
			}
			want := []recorded{{
				method: http.MethodPost, target: path, body: tt.body,
				header: http.Header{
					"Accept-Encoding": nil,
					"Authorization":   {"Basic " + tt.auth},
					"Content-Length":  nil,
					"Content-Type":    {"application/x-www-form-urlencoded"},
					"User-Agent":      {userAgent},
				},
			}}
			seen := fake.seen()
			for name := range want[0].header {
				if want[0].header[name] == nil {
					delete(want[0].header, name)
					for _, request := range seen {
						request.header.Del(name)
					}
				}
			}
			if diff := cmp.Diff(want, seen, cmp.AllowUnexported(recorded{})); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValidityPeriod(t *testing.T) {
	for d, want := range map[time.Duration]int{
		-time.Second: 1, 0: 1, time.Millisecond: 1, time.Second: 1, time.Second + 1: 2, 10 * time.Minute: 600,
		10 * time.Hour: 36000, 10*time.Hour + 1: 36000, 1<<63 - 1: 36000,
	} {
		if got := seconds(d, time.Second, maxValidity); got != want {
			t.Errorf("seconds(%v) = %d, want %d", d, got, want)
		}
	}
}

func TestMagicNumbers(t *testing.T) {
	fake, p := start(t)
	for number, want := range map[string]providers.Kind{
		numberInvalid: providers.Invalid, numberOptedOut: providers.Invalid, numberNotMobile: providers.Invalid,
		numberNoRoute: providers.Unavailable, numberNoRegion: providers.Unavailable, "+1": providers.Invalid,
	} {
		msg := testMessage()
		msg.To = number
		_, err := p.SendMessage(t.Context(), msg)
		if got := failureOf(t, err); got.Kind != want || got.Code == "" {
			t.Errorf("%s: %v, want %s with a code", number, err, want)
		}
	}
	if len(fake.messages) != 0 {
		t.Errorf("%d messages were created", len(fake.messages))
	}
}

func TestCredentials(t *testing.T) {
	fake, p := start(t)
	fake.password = "rotated"
	_, err := p.SendMessage(t.Context(), testMessage())
	if got := failureOf(t, err); got.Kind != providers.Auth || got.Code != "20003" {
		t.Errorf("wrong token: %v", err)
	}
	fake.password, fake.account = testConfig().AuthToken, "AC"+strings.Repeat("f", 32)
	_, err = p.SendMessage(t.Context(), testMessage())
	if got := failureOf(t, err); got.Kind != providers.Auth || got.Code != "20404" {
		t.Errorf("unknown account: %v", err)
	}
}

// The message is created in a state that says it will never be sent.
func TestFailedAtOnce(t *testing.T) {
	fake, p := start(t)
	tests := []struct {
		status string
		code   any
		kind   providers.Kind
		shown  string
	}{
		{"queued", nil, "", ""},
		{"scheduled", nil, "", ""},
		{"sending", nil, "", ""},
		{"sent", nil, "", ""},
		{"delivered", nil, "", ""},
		{"brand-new", nil, "", ""},
		{"failed", 30006, providers.Invalid, "30006"},
		{"failed", 30450, providers.Rejected, "30450"},
		{"failed", 30001, providers.Throttled, "30001"},
		{"failed", 30002, providers.Auth, "30002"},
		{"undelivered", 30008, providers.Unavailable, "30008"},
		{"failed", 39999, providers.Unavailable, "39999"},
		{"failed", nil, providers.Unavailable, ""},
		{"canceled", nil, providers.Unavailable, ""},
		{"failed", 30036, providers.Unavailable, "30036"},
	}
	for _, tt := range tests {
		fake.fail(func(w http.ResponseWriter, _ *http.Request) {
			form := map[string][]string{"To": {testNumber}, "From": {"+15005550006"}, "Body": {testText}}
			fake.reply(w, http.StatusCreated, fake.resource("SM"+strings.Repeat("0", 32), form, tt.status, tt.code))
		})
		_, err := p.SendMessage(t.Context(), testMessage())
		if tt.kind == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.status, err)
			}
			continue
		}
		if got := failureOf(t, err); got.Kind != tt.kind || got.Code != tt.shown {
			t.Errorf("%s %v: %v, want %s (code %s)", tt.status, tt.code, err, tt.kind, tt.shown)
		}
	}
}

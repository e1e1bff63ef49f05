package aws

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"denwa/ivr"
	"denwa/providers"
)

func newProvider(t testing.TB, cfg Config, receive providers.Receiver, log *slog.Logger) *Provider {
	t.Helper()
	p, err := New(cfg, receive, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// start returns a provider and its AWS.
func start(t testing.TB) (*fakeAWS, *Provider) {
	t.Helper()
	credentials(t, testKeyID, testSecret)
	f := newFakeAWS(t)
	return f, newProvider(t, testConfig(f.URL), nil, slog.New(slog.DiscardHandler))
}

func failureOf(t *testing.T, err error) *providers.Error {
	t.Helper()
	var failure *providers.Error
	if !errors.As(err, &failure) {
		t.Fatalf("not a provider's error: %v", err)
	}
	return failure
}

// requireOne fails the test unless there was exactly one request, signed, of the
// operation, with the body. [fakeAWS] has checked the signature.
func (f *fakeAWS) requireOne(t *testing.T, operation, body string) {
	t.Helper()
	all := f.requests()
	if len(all) != 1 {
		t.Fatalf("%d requests", len(all))
	}
	got := all[0]
	if diff := cmp.Diff(body, got.body); diff != "" || got.method != http.MethodPost || got.path != "/" {
		t.Errorf("%s %s (-want +got):\n%s", got.method, got.path, diff)
	}
	for name, form := range map[string]string{
		"Content-Type":    `^application/x-amz-json-1\.0$`,
		"X-Amz-Target":    `^PinpointSMSVoiceV2\.` + operation + `$`,
		"Authorization":   `^AWS4-HMAC-SHA256 Credential=` + testKeyID + `/\d{8}/ap-northeast-1/sms-voice/aws4_request, SignedHeaders=[a-z0-9;-]*host[a-z0-9;-]*, Signature=[0-9a-f]{64}$`,
		"Amz-Sdk-Request": `^attempt=1; max=1$`,
	} {
		if value := got.header.Get(name); !regexp.MustCompile(form).MatchString(value) {
			t.Errorf("%s: %s", name, value)
		}
	}
}

func TestMessageOnTheWire(t *testing.T) {
	f, p := start(t)
	p.cfg.SMS.MaxPrice, p.cfg.ProtectConfiguration = "0.10", "protect-1"
	msg := testMessage()
	msg.Text += "\n"
	accepted, err := p.SendMessage(t.Context(), msg)
	if err != nil || accepted.Reference != "9539975a-e71f-45f3-b496-000000000001" {
		t.Errorf("%+v, %v", accepted, err)
	}
	f.requireOne(t, "SendTextMessage", `{"ConfigurationSetName":"denwa","Context":{"delivery":"vf_abc.1"},"DestinationPhoneNumber":"+819037264815",`+
		`"MaxPrice":"0.10","MessageBody":"【Example】認証コード：493817（10分間有効）\n@example.com #493817","MessageType":"TRANSACTIONAL",`+
		`"OriginationIdentity":"EXAMPLE","ProtectConfigurationId":"protect-1","TimeToLive":600}`)
}

func TestCallOnTheWire(t *testing.T) {
	f, p := start(t)
	p.cfg.Voice.MaxPrice = ".3"
	if _, err := p.PlaceCall(t.Context(), testCall()); err != nil {
		t.Fatal(err)
	}
	digits := ""
	for _, word := range []string{"zero", "one", "two", "three", "four", "five"} {
		digits += word + `<break time=\"700ms\"/>`
	}
	f.requireOne(t, "SendVoiceMessage", `{"ConfigurationSetName":"denwa","Context":{"delivery":"vf_abc.2"},"DestinationPhoneNumber":"+81312345678",`+
		`"MaxPricePerMinute":".3","MessageBody":"<speak>This is an automated call from A &amp; B to verify your phone number.<break time=\"500ms\"/>`+
		`Here is your verification code. Do not share it with anyone.<break time=\"500ms\"/>`+digits+
		`Once more.<break time=\"500ms\"/>`+digits+`The call ends here. Goodbye.<break time=\"500ms\"/></speak>",`+
		`"MessageBodyTextType":"SSML","OriginationIdentity":"+81501234567","TimeToLive":120,"VoiceId":"JOANNA"}`)
}

func TestSpeech(t *testing.T) {
	got := speech(ivr.Script{Mode: ivr.ModeMessage, Locale: "ja-JP", Message: "コードは<1234>です"})
	once := `コードは&lt;<break time="500ms"/>`
	if !strings.HasPrefix(got, "<speak>コードは&lt;") || strings.Count(got, `いち<break time="700ms"/>に<break time="700ms"/>さん<break time="700ms"/>よん`) != 2 ||
		!strings.HasSuffix(got, "失礼いたします。<break time=\"500ms\"/></speak>") || strings.Contains(got, once) {
		t.Error(got)
	}
	if got := (VoiceConfig{}).voice("ja-JP"); got != "TAKUMI" {
		t.Errorf("ja is read by %s", got)
	}
	if got := (VoiceConfig{Voices: map[string]string{"ja": "MIZUKI"}}).voice("ja"); got != "MIZUKI" {
		t.Errorf("ja is read by %s", got)
	}
}

// TestCallsThatAreNotForAWS go on to another provider, and nobody is called.
func TestCallsThatAreNotForAWS(t *testing.T) {
	f, p := start(t)
	for name, change := range map[string]func(*providers.Call){
		"confirm":   func(c *providers.Call) { c.Script.Mode, c.Script.Code = ivr.ModeConfirm, "" },
		"keyed":     func(c *providers.Call) { c.Script.Mode, c.Script.Digits = ivr.ModeKeyed, 6 },
		"extension": func(c *providers.Call) { c.Extension = "123" },
		"too long": func(c *providers.Call) {
			c.Script.Mode, c.Script.Message = ivr.ModeMessage, strings.Repeat("あ", 3000)
		},
	} {
		call := testCall()
		change(&call)
		if _, err := p.PlaceCall(t.Context(), call); failureOf(t, err).Kind != providers.Unavailable || !failureOf(t, err).Unfit {
			t.Errorf("%s: %v, as if AWS failed", name, err)
		}
	}
	if n := len(f.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestValidity(t *testing.T) {
	for d, want := range map[time.Duration]int32{0: 5, time.Second: 5, 5001 * time.Millisecond: 6, 100 * time.Hour: 259200} {
		if got := *seconds(d); got != want {
			t.Errorf("%v is %d s, want %d", d, got, want)
		}
	}
}

// TestFaults: whatever AWS does, it is asked once, although the environment says
// that the SDK may try five times.
func TestFaults(t *testing.T) {
	const ok = `{"MessageId":"9539975a"}`
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		kind   providers.Kind
		says   string
	}{
		{"nothing", raw(t, ""), providers.Ambiguous, "unexpected EOF"},
		{"not HTTP", raw(t, "SMS +819037264815\r\n\r\n"), providers.Ambiguous, "not HTTP"},
		{"half a body", raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"+ok), providers.Ambiguous, "unexpected EOF"},
		{"half a refusal", raw(t, "HTTP/1.1 400 No\r\nContent-Length: 900\r\n\r\n{\"__type\""), providers.Unavailable, "HTTP 400"},
		{"an id of another kind", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"MessageId":"+819037264815"}`)
		}, providers.Ambiguous, "not what was asked for"},
		{"a body without end", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat(" ", 4096)); err != nil {
					return
				}
			}
		}, providers.Ambiguous, "too long"},
		{"throttled", apiError(400, "ThrottlingException", "", ""), providers.Throttled, "HTTP 400"},
		{"500", apiError(500, "InternalServerException", "", ""), providers.Ambiguous, "HTTP 500"},
		{"503", apiError(503, "", "", ""), providers.Unavailable, "HTTP 503"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, p := start(t)
			f.answer = tt.answer
			_, err := p.SendMessage(t.Context(), testMessage())
			failure := failureOf(t, err)
			if failure.Kind != tt.kind || !strings.Contains(failure.Error(), tt.says) || strings.Contains(failure.Error(), "9037264815") {
				t.Errorf("%v, want %s with %q", failure, tt.kind, tt.says)
			}
			if n := len(f.requests()); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// TestHangInTheMiddle: also half an answer is no answer, and a late one is none.
func TestHangInTheMiddle(t *testing.T) {
	for name, hang := range map[string]http.HandlerFunc{
		"body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"MessageId":`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"late": func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done() // the client has given up
			_, _ = io.WriteString(w, `{"MessageId":"9539975a"}`)
		},
	} {
		f, p := start(t)
		f.answer = hang
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := p.SendMessage(ctx, testMessage())
		cancel()
		if failure := failureOf(t, err); failure.Kind != providers.Ambiguous || !errors.Is(failure, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, failure)
		}
	}
}

// TestCredentials: without any, or without a region, an operator has to act; and
// once they exist, no restart is needed.
func TestCredentials(t *testing.T) {
	f := newFakeAWS(t)
	credentials(t, "", "")
	p := newProvider(t, testConfig(f.URL), nil, slog.New(slog.DiscardHandler))
	if _, err := p.SendMessage(t.Context(), testMessage()); failureOf(t, err).Kind != providers.Auth {
		t.Errorf("no credentials: %v", err)
	}
	cfg := testConfig(f.URL)
	cfg.Region = ""
	p = newProvider(t, cfg, nil, slog.New(slog.DiscardHandler))
	credentials(t, testKeyID, testSecret)
	if _, err := p.SendMessage(t.Context(), testMessage()); failureOf(t, err).Kind != providers.Auth || !strings.Contains(err.Error(), "region") {
		t.Errorf("no region: %v", err)
	}
	if n := len(f.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
	t.Setenv("AWS_REGION", "ap-northeast-1")
	if _, err := p.SendMessage(t.Context(), testMessage()); err != nil {
		t.Errorf("with a region: %v", err)
	}
	credentials(t, testKeyID, testSecret+"x")
	t.Setenv("AWS_REGION", "ap-northeast-1")
	p = newProvider(t, cfg, nil, slog.New(slog.DiscardHandler))
	if _, err := p.SendMessage(t.Context(), testMessage()); failureOf(t, err).Kind != providers.Auth || failureOf(t, err).Code != "InvalidSignatureException" {
		t.Errorf("wrong key: %v", err)
	}
}

package aws

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"denwa/providers"
	"denwa/providers/providertest"
)

// forge changes one field of a signed message, if the body still is one.
func forge(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		var message map[string]string
		if json.Unmarshal(raw, &message) == nil {
			message[name] = value
			raw, _ = json.Marshal(message)
		}
		r.Body = io.NopCloser(strings.NewReader(string(raw)))
	}
}

// harness is what messages and calls have in common.
func harness(t *testing.T, sns *fakeSNS) providertest.Harness {
	t.Helper()
	answers := map[providertest.Behaviour]http.HandlerFunc{
		"not a number":   apiError(400, "ValidationException", "INVALID_PARAMETER", ""),
		"opted out":      apiError(400, "ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT", ""),
		"no route":       apiError(400, "ValidationException", "COUNTRY_NOT_ENABLED", ""),
		"not verified":   apiError(400, "ConflictException", "DESTINATION_PHONE_NUMBER_NOT_VERIFIED", ""),
		"no sender":      apiError(400, "ResourceNotFoundException", "", ""),
		"busy":           apiError(503, "ServiceUnavailableException", "", ""),
		"no permission":  apiError(400, "AccessDeniedException", "", testSecret),
		"account":        apiError(400, "AccessDeniedException", "ACCOUNT_DISABLED", ""),
		"wrong key":      apiError(400, "UnrecognizedClientException", "", ""),
		"too many":       apiError(400, "ThrottlingException", "", ""),
		"429":            func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "4"); w.WriteHeader(429) },
		"budget":         apiError(400, "ServiceQuotaExceededException", "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT", ""),
		"broken":         apiError(500, "InternalServerException", "", ""),
		"502 of a proxy": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502); _, _ = io.WriteString(w, "<html>") },
		"nonsense":       func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>"+providertest.Number) },
		"no id":          func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") },
		"redirect": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://example.com/"+providertest.Number)
			w.WriteHeader(307)
		},
		"unknown code": apiError(400, providertest.Number, "", ""),
	}
	credentials(t, testKeyID, testSecret)
	return providertest.Harness{
		New: func(t *testing.T, e providertest.Env) providers.Provider {
			t.Helper()
			fake := newFakeAWS(t)
			switch e.Carrier {
			case providertest.Accept:
			case providertest.Slow:
				fake.delay = 200 * time.Millisecond
			case providertest.Hang:
				fake.answer = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
			case providertest.Cut:
				fake.answer = raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"MessageId\":")
			case providertest.Down:
				fake.Close()
			default:
				fake.answer = answers[e.Carrier]
			}
			p, err := New(testConfig(fake.URL), e.Receive, e.Log)
			if err != nil {
				t.Fatal(err)
			}
			sns.reach(p)
			return p
		},
		Refusals: []providertest.Refusal{
			{Behaviour: "not a number", Kind: providers.Invalid, Code: "INVALID_PARAMETER"},
			{Behaviour: "opted out", Kind: providers.Invalid, Code: "DESTINATION_PHONE_NUMBER_OPTED_OUT"},
			{Behaviour: "no route", Kind: providers.Unavailable, Code: "COUNTRY_NOT_ENABLED"},
			{Behaviour: "not verified", Kind: providers.Unavailable, Code: "DESTINATION_PHONE_NUMBER_NOT_VERIFIED"},
			{Behaviour: "no sender", Kind: providers.Unavailable, Code: "ResourceNotFoundException"},
			{Behaviour: "busy", Kind: providers.Unavailable, Code: "ServiceUnavailableException"},
			{Behaviour: "redirect", Kind: providers.Unavailable},
			{Behaviour: "unknown code", Kind: providers.Unavailable},
			{Behaviour: "no permission", Kind: providers.Auth, Code: "AccessDeniedException"},
			{Behaviour: "account", Kind: providers.Auth, Code: "ACCOUNT_DISABLED"},
			{Behaviour: "wrong key", Kind: providers.Auth, Code: "UnrecognizedClientException"},
			{Behaviour: "too many", Kind: providers.Throttled, Code: "ThrottlingException"},
			{Behaviour: "429", Kind: providers.Throttled, RetryAfter: 4 * time.Second},
			{Behaviour: "budget", Kind: providers.Throttled, Code: "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"},
			{Behaviour: "broken", Kind: providers.Ambiguous, Code: "InternalServerException"},
			{Behaviour: "502 of a proxy", Kind: providers.Ambiguous},
			{Behaviour: "nonsense", Kind: providers.Ambiguous},
			{Behaviour: "no id", Kind: providers.Ambiguous},
		},
		Secrets: []string{testSecret},
		Forgeries: map[string]func(*http.Request){
			"other event":     forge("Message", event("TEXT_DELIVERED", "vf_other.1", true)),
			"other topic":     forge("TopicArn", "arn:aws:sns:ap-northeast-1:999999999999:denwa"),
			"other host":      forge("SigningCertURL", "https://sns.ap-northeast-1.amazonaws.com.example.com/SimpleNotificationService-5f2b9c.pem"),
			"other file":      forge("SigningCertURL", "https://"+testHost+"/?Action=x/SimpleNotificationService-5f2b9c.pem"),
			"plain http":      forge("SigningCertURL", strings.Replace(testCert, "https", "http", 1)),
			"user in address": forge("SigningCertURL", "https://"+testHost+"@example.com/SimpleNotificationService-5f2b9c.pem"),
			"no signature":    forge("Signature", ""),
			"no base64":       forge("Signature", "%"),
			"other version":   forge("SignatureVersion", "3"),
			"added subject":   forge("Subject", "x"),
			"other type":      forge("Type", typeSubscription),
			"later":           forge("Timestamp", time.Now().UTC().Add(time.Minute).Format(time.RFC3339)),
		},
		Skip: map[string]string{"rejected": "AWS has no answer that says that nobody should send this"},
	}
}

// callback posts the event that stands for a status.
func callback(sns *fakeSNS, events map[providers.Status]string) func(*testing.T, providers.Provider, providertest.Sent, providers.Status) *http.Request {
	return func(_ *testing.T, _ providers.Provider, sent providertest.Sent, s providers.Status) *http.Request {
		return posted(sns.sign(notification(event(events[s], sent.Delivery, s == providers.Delivered), time.Now()), "2"))
	}
}

func TestConformance(t *testing.T) {
	sns := newFakeSNS(t)
	h := harness(t, sns)
	events := map[providers.Status]string{
		providers.Sent: "TEXT_SUCCESSFUL", providers.Undelivered: "TEXT_CARRIER_BLOCKED", providers.Failed: "TEXT_PROTECT_BLOCKED",
		providers.Expired: "TEXT_TTL_EXPIRED", providers.Delivered: "TEXT_DELIVERED",
	}
	h.Statuses = []providers.Status{providers.Sent, providers.Undelivered, providers.Failed, providers.Expired, providers.Delivered}
	h.Callback = callback(sns, events)
	providertest.Run(t, h)
}

func TestConformanceOfCalls(t *testing.T) {
	sns := newFakeSNS(t)
	h := harness(t, sns)
	h.Channel = providers.Voice
	events := map[providers.Status]string{
		providers.Ringing: "VOICE_RINGING", providers.Answered: "VOICE_ANSWERED", providers.Busy: "VOICE_BUSY",
		providers.NoAnswer: "VOICE_NO_ANSWER", providers.Failed: "VOICE_FAILED", providers.Delivered: "VOICE_COMPLETED",
	}
	h.Statuses = []providers.Status{
		providers.Ringing, providers.Answered, providers.Busy, providers.NoAnswer, providers.Failed, providers.Delivered,
	}
	h.Callback = callback(sns, events)
	providertest.Run(t, h)
}

// raw writes bytes to the connection and closes it.
func raw(t testing.TB, bytes string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, bytes)
		conn.Close()
	}
}

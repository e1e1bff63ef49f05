package aws

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/pinpointsmsvoicev2/types"
	"github.com/google/go-cmp/cmp"

	"denwa/providers"
)

// book is a receiver that writes down what it gets.
type book struct {
	mu  sync.Mutex
	got []providers.Receipt
}

func (b *book) receive(_ context.Context, provider string, r providers.Receipt) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if provider != testName {
		return errors.New("receipt from " + provider)
	}
	b.got = append(b.got, r)
	return nil
}

// subscribed returns a provider that finds sns, at testNow.
func subscribed(t testing.TB, b *book, sns *fakeSNS) (*Provider, *bytes.Buffer) {
	t.Helper()
	credentials(t, testKeyID, testSecret)
	var log bytes.Buffer
	p := newProvider(t, testConfig(""), b.receive, slog.New(slog.NewTextHandler(&log, nil)))
	p.now = func() time.Time { return testNow }
	sns.reach(p)
	return p, &log
}

func post(p *Provider, r *http.Request) int {
	answer := httptest.NewRecorder()
	p.Callbacks().ServeHTTP(answer, r)
	return answer.Code
}

// TestEvents: each event that the API knows, in both signature versions.
func TestEvents(t *testing.T) {
	sns := newFakeSNS(t)
	want := map[types.EventType]providers.Receipt{
		types.EventTypeTextSent:               {Status: providers.Sent},
		types.EventTypeTextSuccessful:         {Status: providers.Delivered},
		types.EventTypeTextDelivered:          {Status: providers.Delivered},
		types.EventTypeTextInvalid:            {Status: providers.Undelivered, Code: "TEXT_INVALID", Kind: providers.Invalid},
		types.EventTypeTextUnreachable:        {Status: providers.Undelivered, Code: "TEXT_UNREACHABLE"},
		types.EventTypeTextCarrierUnreachable: {Status: providers.Undelivered, Code: "TEXT_CARRIER_UNREACHABLE"},
		types.EventTypeTextBlocked:            {Status: providers.Undelivered, Code: "TEXT_BLOCKED"},
		types.EventTypeTextCarrierBlocked:     {Status: providers.Undelivered, Code: "TEXT_CARRIER_BLOCKED"},
		types.EventTypeTextSpam:               {Status: providers.Undelivered, Code: "TEXT_SPAM"},
		types.EventTypeTextUnknown:            {Status: providers.Undelivered, Code: "TEXT_UNKNOWN"},
		types.EventTypeTextInvalidMessage:     {Status: providers.Failed, Code: "TEXT_INVALID_MESSAGE"},
		types.EventTypeTextProtectBlocked:     {Status: providers.Failed, Code: "TEXT_PROTECT_BLOCKED", Kind: providers.Rejected},
		types.EventTypeTextTtlExpired:         {Status: providers.Expired, Code: "TEXT_TTL_EXPIRED"},
		types.EventTypeVoiceRinging:           {Status: providers.Ringing},
		types.EventTypeVoiceAnswered:          {Status: providers.Answered},
		types.EventTypeVoiceCompleted:         {Status: providers.Delivered},
		types.EventTypeVoiceBusy:              {Status: providers.Busy},
		types.EventTypeVoiceNoAnswer:          {Status: providers.NoAnswer},
		types.EventTypeVoiceFailed:            {Status: providers.Failed, Code: "VOICE_FAILED"},
		types.EventTypeVoiceTtlExpired:        {Status: providers.Failed, Code: "VOICE_TTL_EXPIRED"},
	}
	quiet := []types.EventType{types.EventTypeTextQueued, types.EventTypeTextPending, types.EventTypeVoiceInitiated}
	for _, version := range []string{"1", "2"} {
		for _, kind := range types.EventTypeAll.Values() {
			if strings.HasPrefix(string(kind), "MEDIA_") || strings.HasSuffix(string(kind), "ALL") {
				continue
			}
			b := &book{}
			p, log := subscribed(t, b, sns)
			message := sns.sign(notification(event(string(kind), "vf_abc.1", true), testNow), version)
			if code := post(p, posted(message)); code != http.StatusNoContent {
				t.Errorf("%s: answered with %d", kind, code)
			}
			var expected []providers.Receipt
			if r, ok := want[kind]; ok {
				r.Delivery = "vf_abc.1"
				expected = append(expected, r)
			} else if !slices.Contains(quiet, kind) {
				t.Errorf("%s is new: what does it mean?", kind)
			}
			if diff := cmp.Diff(expected, b.got); diff != "" || log.Len() != 0 {
				t.Errorf("%s (-want +got):\n%s%s", kind, diff, log)
			}
		}
	}
}

func TestEventsThatAreNoNews(t *testing.T) {
	sns, b := newFakeSNS(t), &book{}
	p, log := subscribed(t, b, sns)
	for name, tc := range map[string]struct {
		event  string
		answer int
	}{
		"unknown":          {event("TEXT_READ", "vf_abc.1", true), 204},
		"unknown and odd":  {event("+819037264815", "vf_abc.1", true), 204},
		"of somebody else": {`{"eventType":"TEXT_DELIVERED","context":{"app":"x"}}`, 204},
		"without context":  {`{"eventType":"TEXT_DELIVERED"}`, 204},
		"no JSON":          {"You have been +819037264815", 400},
	} {
		if code := post(p, posted(sns.sign(notification(tc.event, testNow), "2"))); code != tc.answer {
			t.Errorf("%s: answered with %d", name, code)
		}
	}
	if len(b.got) != 0 || strings.Contains(log.String(), "9037264815") {
		t.Errorf("%v, log: %s", b.got, log)
	}
	message := notification(event("TEXT_SUCCESSFUL", "vf_abc.1", false), testNow)
	message["Subject"] = "event"
	if code := post(p, posted(sns.sign(message, "2"))); code != 204 || len(b.got) != 1 || b.got[0].Status != providers.Sent {
		t.Errorf("answered with %d, %v", code, b.got)
	}
}

func TestOldEvent(t *testing.T) {
	sns, b := newFakeSNS(t), &book{}
	p, _ := subscribed(t, b, sns)
	for age, want := range map[time.Duration]int{
		0: 204, time.Hour: 204, maxAge: 204, maxAge + time.Second: 403, -maxAhead: 204, -maxAhead - time.Second: 403,
	} {
		if code := post(p, posted(sns.sign(notification(event("TEXT_DELIVERED", "vf_abc.1", true), testNow.Add(-age)), "2"))); code != want {
			t.Errorf("%v old: answered with %d", age, code)
		}
	}
}

func TestSubscription(t *testing.T) {
	sns := newFakeSNS(t)
	message := func() map[string]string {
		m := notification("You have chosen to subscribe", testNow)
		m["Type"], m["Token"] = typeSubscription, "2336412f37fb&x"
		m["SubscribeURL"] = "https://192.0.2.1/elsewhere" // it isn't followed
		delete(m, "UnsubscribeURL")
		return m
	}
	p, _ := subscribed(t, &book{}, sns)
	if code := post(p, posted(sns.sign(message(), "2"))); code != http.StatusNoContent {
		t.Errorf("answered with %d", code)
	}
	want := []string{
		"GET " + testCert,
		"GET https://" + testHost + "/?Action=ConfirmSubscription&Token=2336412f37fb%26x&TopicArn=arn%3Aaws%3Asns%3Aap-northeast-1%3A123456789012%3Adenwa",
	}
	if diff := cmp.Diff(want, sns.requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}

	foreign := message()
	foreign["TopicArn"] = "arn:aws:sns:ap-northeast-1:999999999999:denwa"
	if code := post(p, posted(sns.sign(foreign, "2"))); code != http.StatusForbidden || len(sns.requests()) != 2 {
		t.Errorf("another topic: answered with %d after %q", code, sns.requests())
	}
	sns.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }
	if code := post(p, posted(sns.sign(message(), "2"))); code != http.StatusServiceUnavailable {
		t.Errorf("not confirmed: answered with %d", code)
	}
	gone := message()
	gone["Type"] = typeUnsubscribed
	p, log := subscribed(t, &book{}, sns)
	sns.answer = nil
	if code := post(p, posted(sns.sign(gone, "2"))); code != http.StatusNoContent || !strings.Contains(log.String(), "unsubscribed") {
		t.Errorf("answered with %d, log: %s", code, log)
	}
}

// TestCertificates: one fetch serves all, and what isn't a certificate serves nobody.
func TestCertificates(t *testing.T) {
	sns, b := newFakeSNS(t), &book{}
	p, _ := subscribed(t, b, sns)
	var wg sync.WaitGroup
	for range 50 {
		message := sns.sign(notification(event("TEXT_DELIVERED", "vf_abc.1", true), testNow), "2")
		wg.Go(func() {
			if code := post(p, posted(message)); code != http.StatusNoContent {
				t.Errorf("answered with %d", code)
			}
		})
	}
	wg.Wait()
	if n := len(sns.requests()); n > maxKeys || len(b.got) != 50 {
		t.Errorf("%d fetches, %d receipts", n, len(b.got))
	}

	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := func(from, to time.Time, public, private any) []byte {
		template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: from, NotAfter: to}
		der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	day := 24 * time.Hour
	for name, tc := range map[string]struct {
		status int
		body   []byte
		want   int
	}{
		"missing":           {404, nil, 403},
		"redirect":          {302, nil, 403},
		"SNS is down":       {503, nil, 503},
		"not PEM":           {200, []byte("hello"), 403},
		"not a certificate": {200, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 403},
		"over":              {200, made(testNow.Add(-2*day), testNow.Add(-day), &sns.key.PublicKey, sns.key), 403},
		"too soon":          {200, made(testNow.Add(day), testNow.Add(2*day), &sns.key.PublicKey, sns.key), 403},
		"of another kind":   {200, made(testNow.Add(-day), testNow.Add(day), &other.PublicKey, other), 403},
		"valid":             {200, made(testNow.Add(-day), testNow.Add(day), &sns.key.PublicKey, sns.key), 204},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := subscribed(t, &book{}, sns)
			sns.answer = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "https://"+testHost+"/SimpleNotificationService-other.pem")
				w.WriteHeader(tc.status)
				_, _ = w.Write(tc.body)
			}
			if code := post(p, posted(sns.sign(notification(event("TEXT_DELIVERED", "vf_abc.1", true), testNow), "2"))); code != tc.want {
				t.Errorf("answered with %d", code)
			}
		})
	}
}

// TestStrangersNameCertificates: they can't make the gateway ask SNS for ever.
func TestStrangersNameCertificates(t *testing.T) {
	sns := newFakeSNS(t)
	sns.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }
	p, _ := subscribed(t, &book{}, sns)
	p.topic.keys.pace.SetLimit(0)
	for i := range 30 {
		message := notification(event("TEXT_DELIVERED", "vf_abc.1", true), testNow)
		message["SigningCertURL"] = strings.Replace(testCert, "5f2b9c", strings.Repeat("a", i+1), 1)
		if code := post(p, posted(sns.sign(message, "2"))); code != http.StatusForbidden && code != http.StatusServiceUnavailable {
			t.Errorf("answered with %d", code)
		}
	}
	if n := len(sns.requests()); n != maxKeys {
		t.Errorf("%d fetches", n)
	}
}

func TestNoTopic(t *testing.T) {
	cfg := testConfig("")
	cfg.TopicARN = ""
	p := newProvider(t, cfg, nil, slog.New(slog.DiscardHandler))
	if code := post(p, posted(notification("", testNow))); code != http.StatusNotFound {
		t.Errorf("answered with %d", code)
	}
	if _, err := p.topic.verify(t.Context(), []byte(`{"TopicArn":"","SigningCertURL":"https:///SimpleNotificationService-1.pem"}`), testNow); !errors.Is(err, errForged) {
		t.Errorf("without a topic: %v", err)
	}
}

func TestHosts(t *testing.T) {
	for arn, want := range map[string]string{
		testTopic: testHost,
		"arn:aws-cn:sns:cn-north-1:123456789012:x":        "sns.cn-north-1.amazonaws.com.cn",
		"arn:aws-us-gov:sns:us-gov-west-1:123456789012:x": "sns.us-gov-west-1.amazonaws.com",
	} {
		if got := newTopic(arn, nil).host; got != want {
			t.Errorf("%s is at %s, want %s", arn, got, want)
		}
	}
}

// FuzzVerify: nothing that anybody but SNS writes is taken.
func FuzzVerify(f *testing.F) {
	f.Add(`{"Type":"Notification","TopicArn":"` + testTopic + `","Timestamp":"2026-01-02T03:04:05Z","Subject":null}`)
	f.Add(`{"TopicArn":1}`)
	f.Add(`[]`)
	t := newTopic(testTopic, &http.Client{Transport: http.NewFileTransport(http.Dir(f.TempDir()))})
	f.Fuzz(func(tt *testing.T, body string) {
		if _, err := t.verify(tt.Context(), []byte(body), testNow); err == nil {
			tt.Error("taken")
		}
	})
}

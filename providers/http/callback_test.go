package http

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"denwa/providers"
)

// book is a receiver that writes down what it gets.
type book struct {
	got     []providers.Receipt
	failing bool
}

func (b *book) receive(_ context.Context, provider string, r providers.Receipt) error {
	if b.failing || provider != testName {
		return errors.New("the store doesn't answer")
	}
	b.got = append(b.got, r)
	return nil
}

func post(p *Provider, r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	p.Callbacks().ServeHTTP(answer, r)
	return answer
}

func TestReceiptsOfSeveralMessages(t *testing.T) {
	b, ids := &book{}, newShelf()
	ids.known = map[string]string{"m-1": "vf_a.1", "m-2": "vf_b.1", "m-3": "vf_c.1"}
	var log bytes.Buffer
	p := newProvider(t, example(t, "json", ""), ids, b.receive, slog.New(slog.NewTextHandler(&log, nil)))
	report := `{"results":[
		{"id":"m-1","status":"received","to":"+819037264815"},
		{"id":"m-2","status":"unconnected","reason":"E-12"},
		{"id":"m-3","status":"waiting"},
		{"id":"m-3","status":"+819037264815","reason":"819037264815"},
		{"id":"m-3","status":"error","reason":"819037264815"}]}`
	for range 10 {
		if got := post(p, signedReport(report, testNow)); got.Code != http.StatusNoContent {
			t.Errorf("answered with %d", got.Code)
		}
	}
	want := []providers.Receipt{
		{Delivery: "vf_a.1", Status: providers.Delivered},
		{Delivery: "vf_b.1", Status: providers.Undelivered, Code: "E-12"},
		{Delivery: "vf_c.1", Status: providers.Failed},
	}
	if diff := cmp.Diff(want, b.got[:3]); diff != "" || len(b.got) != 30 {
		t.Errorf("%d receipts (-want +got):\n%s", len(b.got), diff)
	}
	if lines := strings.Count(log.String(), "unknown status"); lines != 1 || strings.Contains(log.String(), "9037264815") {
		t.Errorf("log: %s", log.String())
	}
}

// TestWhyItDidNotArrive: rules tell for which numbers and messages others needn't
// be asked, of a message that didn't arrive.
func TestWhyItDidNotArrive(t *testing.T) {
	b, ids := &book{}, newShelf()
	for _, id := range []string{"1", "2", "3", "4", "5", "6"} {
		ids.known["m-"+id] = "vf_" + id + ".1"
	}
	p := newProvider(t, example(t, "json", ""), ids, b.receive, slog.New(slog.DiscardHandler))
	report := `{"results":[
		{"id":"m-1","status":"unconnected","reason":"UNKNOWN_NUMBER"},
		{"id":"m-2","status":"error","reason":"FRAUD_9"},
		{"id":"m-3","status":"expired","reason":"NOT_UNKNOWN_NUMBER"},
		{"id":"m-4","status":"unconnected","reason":null},
		{"id":"m-5","status":"received","reason":"UNKNOWN_NUMBER"},
		{"id":"m-6","status":"sent","reason":"SPAM"}]}`
	if got := post(p, signedReport(report, testNow)); got.Code != http.StatusNoContent {
		t.Errorf("answered with %d", got.Code)
	}
	form := newProvider(t, example(t, "form", ""), nil, b.receive, slog.New(slog.DiscardHandler))
	for _, query := range []string{"custom_id=vf_7.1&result=2&reason=102&key=", "custom_id=vf_8.1&result=2&reason=103&key="} {
		if got := post(form, httptest.NewRequest(http.MethodGet, "/receipts?"+query+testKey, nil)); got.Code != http.StatusOK {
			t.Errorf("answered with %d", got.Code)
		}
	}
	want := []providers.Receipt{
		{Delivery: "vf_1.1", Status: providers.Undelivered, Code: "UNKNOWN_NUMBER", Kind: providers.Invalid},
		{Delivery: "vf_2.1", Status: providers.Failed, Code: "FRAUD_9", Kind: providers.Rejected},
		{Delivery: "vf_3.1", Status: providers.Expired, Code: "NOT_UNKNOWN_NUMBER"},
		{Delivery: "vf_4.1", Status: providers.Undelivered},
		{Delivery: "vf_5.1", Status: providers.Delivered, Code: "UNKNOWN_NUMBER"},
		{Delivery: "vf_6.1", Status: providers.Sent, Code: "SPAM"},
		{Delivery: "vf_7.1", Status: providers.Undelivered, Code: "102", Kind: providers.Invalid},
		{Delivery: "vf_8.1", Status: providers.Undelivered, Code: "103"},
	}
	if diff := cmp.Diff(want, b.got); diff != "" {
		t.Errorf("receipts (-want +got):\n%s", diff)
	}
}

func TestReports(t *testing.T) {
	for name, tc := range map[string]struct {
		body   string
		want   int
		answer int
	}{
		"a list at the top":  {`[{"id":"m-1","status":"received"}]`, 1, 204},
		"one message":        {`{"id":"m-1","status":"received"}`, 1, 204},
		"an id nobody gave":  {`{"id":"m-2","status":"received"}`, 0, 204},
		"an empty list":      {`[]`, 0, 204},
		"no id":              {`{"status":"received"}`, 0, 400},
		"no status":          {`{"id":"m-1"}`, 0, 400},
		"an id with a space": {`{"id":"m 1","status":"received"}`, 0, 400},
		"no JSON":            {`id=m-1&status=received`, 0, 400},
		"two values":         {`{"id":"m-1","status":"received"} {}`, 0, 400},
		"too many":           {"[" + strings.Repeat(`{"id":"m-1","status":"received"},`, 100) + `{"id":"m-1","status":"received"}]`, 0, 400},
		"a list of words":    {`["received"]`, 0, 400},
		"deep":               {strings.Repeat("[", 60_000), 0, 400},
	} {
		t.Run(name, func(t *testing.T) {
			b, ids := &book{}, newShelf()
			ids.known["m-1"] = "vf_a.1"
			cfg := example(t, "json", "")
			cfg.Receipts.Items = ""
			p := newProvider(t, cfg, ids, b.receive, slog.New(slog.DiscardHandler))
			if got := post(p, signedReport(tc.body, testNow)); got.Code != tc.answer || len(b.got) != tc.want {
				t.Errorf("answered with %d, %d receipts", got.Code, len(b.got))
			}
		})
	}
}

// TestReportOvertakes: the receipt of a message whose reply is still on its way.
func TestReportOvertakes(t *testing.T) {
	b, ids := &book{}, newShelf()
	p := newProvider(t, example(t, "json", ""), ids, b.receive, slog.New(slog.DiscardHandler))
	done := make(chan int)
	go func() {
		done <- post(p, signedReport(`{"results":{"id":"m-1","status":"received"}}`, testNow)).Code
	}()
	for asked := 0; asked == 0; time.Sleep(time.Millisecond) {
		ids.mu.Lock()
		asked = ids.asked
		ids.mu.Unlock()
	}
	if err := ids.Remember(t.Context(), "m-1", "vf_a.1", time.Hour); err != nil {
		t.Fatal(err)
	}
	if code := <-done; code != http.StatusNoContent || len(b.got) != 1 {
		t.Errorf("answered with %d, receipts %v", code, b.got)
	}
}

func TestStoreFails(t *testing.T) {
	b, ids := &book{}, newShelf()
	ids.failing = true
	a := newAggregator(t, answer(200, `{"messages":[{"id":"m-1"}]}`))
	p := newProvider(t, example(t, "json", a.URL), ids, b.receive, slog.New(slog.DiscardHandler))
	if _, err := p.SendMessage(t.Context(), testMessage()); err != nil {
		t.Errorf("a message that was sent is reported as failed: %v", err)
	}
	if got := post(p, signedReport(`{"results":{"id":"m-1","status":"received"}}`, testNow)); got.Code != http.StatusServiceUnavailable {
		t.Errorf("answered with %d", got.Code)
	}
}

func TestOldReport(t *testing.T) {
	b, ids := &book{}, newShelf()
	ids.known["m-1"] = "vf_a.1"
	p := newProvider(t, example(t, "json", ""), ids, b.receive, slog.New(slog.DiscardHandler))
	for age, want := range map[time.Duration]int{
		0: 204, 5 * time.Minute: 204, -5 * time.Minute: 204, 5*time.Minute + time.Second: 403, -5*time.Minute - time.Second: 403, 1000 * time.Hour: 403,
	} {
		if got := post(p, signedReport(`{"results":{"id":"m-1","status":"received"}}`, testNow.Add(-age))); got.Code != want {
			t.Errorf("%v old: answered with %d", age, got.Code)
		}
	}
}

// TestWaysToAuthenticate are those that the examples don't have.
func TestWaysToAuthenticate(t *testing.T) {
	const body = "custom_id=vf_a.1&result=1"
	mac := hmac.New(sha256.New, []byte(testKey))
	mac.Write([]byte(body))
	signature := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	base := example(t, "form", "").Receipts
	base.Format, base.Secret, base.SecretParameter = Form, "", ""

	header := base
	header.SecretHeader, header.Secret = "Authorization", "Basic ZGVud2E6c2VjcmV0"
	signed := base
	signed.Signature.Header, signed.Signature.Key, signed.Signature.Encoding = "X-Hub", testKey, Base64

	for name, tc := range map[string]struct {
		receipts ReceiptConfig
		header   [2]string
		want     int
	}{
		"header":           {header, [2]string{"Authorization", "Basic ZGVud2E6c2VjcmV0"}, 200},
		"other header":     {header, [2]string{"Authorization", "Basic ZGVud2E6c2VjcmV1"}, 403},
		"no header":        {header, [2]string{"X", "Basic ZGVud2E6c2VjcmV0"}, 403},
		"signature":        {signed, [2]string{"X-Hub", signature}, 200},
		"no base64":        {signed, [2]string{"X-Hub", "%" + signature}, 403},
		"empty signature":  {signed, [2]string{"X-Hub", ""}, 403},
		"secret for a sig": {signed, [2]string{"X-Hub", testKey}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := example(t, "form", "")
			cfg.Receipts = tc.receipts
			b := &book{}
			p := newProvider(t, cfg, nil, b.receive, slog.New(slog.DiscardHandler))
			r := httptest.NewRequest(http.MethodPost, "/receipts", strings.NewReader(body))
			r.Header.Set(tc.header[0], tc.header[1])
			got := post(p, r)
			if got.Code != tc.want || (tc.want == 200) != (got.Body.String() == "OK" && len(b.got) == 1) {
				t.Errorf("answered with %d %q, receipts %v", got.Code, got.Body, b.got)
			}
		})
	}
	if (ReceiptConfig{}).authentic(httptest.NewRequest(http.MethodPost, "/", nil), nil, testNow) {
		t.Error("without a way to authenticate, anything is authentic")
	}
}

func TestNoReceipts(t *testing.T) {
	cfg := example(t, "form", "")
	cfg.Receipts = defaultReceiptConfig()
	p := newProvider(t, cfg, nil, nil, slog.New(slog.DiscardHandler))
	if got := post(p, httptest.NewRequest(http.MethodPost, "/receipts", nil)); got.Code != http.StatusNotFound {
		t.Errorf("answered with %d", got.Code)
	}
}

package twilio

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"denwa/providers"
)

// ledger is a receiver that keeps the best-known status of each delivery.
type ledger struct {
	mu       sync.Mutex
	failures int // how many receipts to refuse first
	known    map[string]providers.Receipt
	calls    int
}

func (l *ledger) receive(_ context.Context, provider string, r providers.Receipt) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	if provider != "twilio-main" {
		return errors.New("receipt from provider " + provider)
	}
	if l.failures > 0 {
		l.failures--
		return errors.New("store is down")
	}
	if l.known == nil {
		l.known = map[string]providers.Receipt{}
	}
	if r.Status.Rank() > l.known[r.Delivery].Status.Rank() {
		l.known[r.Delivery] = r
	}
	return nil
}

// startReporting returns a fake Twilio and a provider whose callbacks it can reach.
func startReporting(t *testing.T, receive providers.Receiver) (*fakeTwilio, *Provider) {
	t.Helper()
	return startCalling(t, testConfig(), receive, &exchange{})
}

// startCalling does so with a switchboard.
func startCalling(t *testing.T, cfg Config, receive providers.Receiver, calls providers.Switchboard) (*fakeTwilio, *Provider) {
	t.Helper()
	fake := newFakeTwilio(t, cfg)
	cfg.BaseURL = fake.URL
	mux := http.NewServeMux()
	gateway := httptest.NewServer(mux)
	t.Cleanup(gateway.Close)
	p, err := New(cfg, gateway.URL, receive, calls, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.http.CloseIdleConnections() })
	mux.Handle("/callbacks/twilio-main/", http.StripPrefix("/callbacks/twilio-main", p.Callbacks()))
	return fake, p
}

func TestReceiptsFromSendToDelivered(t *testing.T) {
	book := &ledger{}
	fake, p := startReporting(t, book.receive)
	reports := []string{"queued", "sending", "sent", "sent", "delivered", "undelivered", "brand-new"}
	for i := range 20 {
		msg := testMessage()
		msg.Delivery = strings.Replace(testDelivery, ".1", "."+string(rune('a'+i)), 1)
		if _, err := p.SendMessage(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
		for _, n := range rand.Perm(len(reports)) {
			if answer := fake.report(i, reports[n], 0); answer != http.StatusNoContent {
				t.Fatalf("%s was answered %d", reports[n], answer)
			}
		}
		want := providers.Receipt{Delivery: msg.Delivery, Status: providers.Delivered}
		if got := book.known[msg.Delivery]; got != want {
			t.Errorf("receipt is %+v, want %+v", got, want)
		}
	}
}

func TestReceiptOfEachEnd(t *testing.T) {
	tests := []struct {
		status string
		code   int
		want   providers.Receipt
	}{
		{"delivered", 0, providers.Receipt{Status: providers.Delivered}},
		{"undelivered", 30003, providers.Receipt{Status: providers.Undelivered, Code: "30003", Kind: providers.Invalid}},
		{"failed", 30008, providers.Receipt{Status: providers.Failed, Code: "30008", Kind: providers.Unavailable}},
		{"failed", 30036, providers.Receipt{Status: providers.Expired, Code: "30036", Kind: providers.Unavailable}},
		{"canceled", 0, providers.Receipt{Status: providers.Failed}},
	}
	for _, tt := range tests {
		book := &ledger{}
		fake, p := startReporting(t, book.receive)
		if _, err := p.SendMessage(t.Context(), testMessage()); err != nil {
			t.Fatal(err)
		}
		if answer := fake.report(0, tt.status, tt.code); answer != http.StatusNoContent {
			t.Errorf("%s was answered %d", tt.status, answer)
		}
		tt.want.Delivery = testDelivery
		if diff := cmp.Diff(map[string]providers.Receipt{testDelivery: tt.want}, book.known); diff != "" {
			t.Errorf("%s %d (-want +got):\n%s", tt.status, tt.code, diff)
		}
	}
}

func TestReceiptIsRepeatedWhileTheReceiverFails(t *testing.T) {
	book := &ledger{failures: 2}
	fake, p := startReporting(t, book.receive)
	if _, err := p.SendMessage(t.Context(), testMessage()); err != nil {
		t.Fatal(err)
	}
	if answer := fake.report(0, "delivered", 0); answer != http.StatusNoContent || book.calls != 3 {
		t.Errorf("answered %d after %d calls, want 204 after 3", answer, book.calls)
	}
	book.failures = 100
	if answer := fake.report(0, "delivered", 0); answer != http.StatusServiceUnavailable || book.calls != 7 {
		t.Errorf("answered %d after %d calls, want 503 after 4 more", answer, book.calls)
	}
}

// The worked example of Twilio's documentation and of its libraries' tests.
func TestSignatureVectors(t *testing.T) {
	const address = "https://mycompany.com/myapp.php?foo=1&bar=2"
	form := url.Values{
		"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+14158675309"}, "Digits": {"1234"},
		"From": {"+14158675309"}, "To": {"+18005551212"},
	}
	if got, want := sign("12345", address, form), "RSOYDt4T1cUTdK1PDd93/VVr8B8="; got != want {
		t.Errorf("signature is %s, want %s", got, want)
	}
	form.Set("Reason", "Participant")
	form.Set("ReasonConferenceEnded", "test")
	if got, want := sign("12345", address, form), "vOEb5UThFn24KEfnOFLQY2AE5FY="; got != want {
		t.Errorf("signature with a name that begins another is %s, want %s", got, want)
	}
}

// statusForm is a whole status callback.
func statusForm() url.Values {
	sid := "SM" + strings.Repeat("0", 32)
	return url.Values{
		"AccountSid": {testConfig().AccountSID}, "ApiVersion": {"2010-04-01"}, "From": {"+15005550006"},
		"MessageSid": {sid}, "MessageStatus": {"delivered"}, "SmsSid": {sid}, "SmsStatus": {"delivered"},
		"To": {testNumber},
	}
}

func callback(target, body, signature string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	if signature != "" {
		r.Header.Set("X-Twilio-Signature", signature)
	}
	r.Host = "internal:8080" // behind a proxy; says nothing
	return r
}

func answer(p *Provider, r *http.Request) int {
	w := httptest.NewRecorder()
	p.Callbacks().ServeHTTP(w, r)
	return w.Code
}

func TestCallbackAnswers(t *testing.T) {
	const target, address = "/status?delivery=d.1", testPublic + "/callbacks/twilio-main/status?delivery=d.1"
	token := testConfig().AuthToken
	with := func(pairs ...string) url.Values {
		form := statusForm()
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return form
	}
	without := func(name string) url.Values {
		form := statusForm()
		form.Del(name)
		return form
	}
	good := with()
	tests := map[string]struct {
		target    string
		form      url.Values
		signature string
		want      int
	}{
		"signed":                  {target, good, sign(token, address, good), 204},
		"signed with a port":      {target, good, sign(token, strings.Replace(address, ".jp/", ".jp:443/", 1), good), 204},
		"signed with unknown":     {target, with("RawDlrDoneDate", "2607171230"), sign(token, address, with("RawDlrDoneDate", "2607171230")), 204},
		"no news":                 {target, with("MessageStatus", "queued"), sign(token, address, with("MessageStatus", "queued")), 204},
		"unknown status":          {target, with("MessageStatus", "x"), sign(token, address, with("MessageStatus", "x")), 204},
		"unsigned":                {target, good, "", 403},
		"signed by another":       {target, good, sign("12345", address, good), 403},
		"signed with the API key": {target, good, sign("", address, good), 403},
		"signed for the Host":     {target, good, sign(token, "https://internal:8080/status?delivery=d.1", good), 403},
		"signed with fragment":    {target, good, sign(token, address+retryOverride, good), 204},
		"with another fragment":   {target, good, sign(token, address+"#rc=5", good), 403},
		"signed for http":         {target, good, sign(token, strings.Replace(address, "https", "http", 1), good), 403},
		"not base64":              {target, good, "\x00=", 403},
		"other delivery":          {"/status?delivery=d.2", good, sign(token, address, good), 403},
		"more in the query":       {target + "&x=1", good, sign(token, address, good), 403},
		"other status":            {target, with("MessageStatus", "failed"), sign(token, address, good), 403},
		"a second value":          {target, url.Values{"MessageStatus": {"failed", "delivered"}}, sign(token, address, good), 403},
		"other account":           {target, with("AccountSid", "AC"+strings.Repeat("f", 32)), sign(token, address, with("AccountSid", "AC"+strings.Repeat("f", 32))), 403},
		"no account":              {target, without("AccountSid"), sign(token, address, without("AccountSid")), 403},
		"no delivery":             {"/status", good, sign(token, testPublic+"/callbacks/twilio-main/status", good), 400},
		"no message":              {target, without("MessageSid"), sign(token, address, without("MessageSid")), 400},
		"no status":               {target, without("MessageStatus"), sign(token, address, without("MessageStatus")), 400},
		"a call's SID":            {target, with("MessageSid", "CA"+strings.Repeat("0", 32)), sign(token, address, with("MessageSid", "CA"+strings.Repeat("0", 32))), 400},
		"code in words":           {target, with("ErrorCode", "many"), sign(token, address, with("ErrorCode", "many")), 400},
		"empty code":              {target, with("ErrorCode", ""), sign(token, address, with("ErrorCode", "")), 204},
		"elsewhere":               {"/", good, sign(token, testPublic+"/callbacks/twilio-main/", good), 404},
		"too long":                {target, with("To", strings.Repeat("0", maxCallback)), "", 413},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			book := &ledger{}
			p := newProvider(t, testConfig(), testPublic, book.receive)
			if got := answer(p, callback(tt.target, tt.form.Encode(), tt.signature)); got != tt.want {
				t.Errorf("answer is %d, want %d", got, tt.want)
			}
			if tt.want != http.StatusNoContent && book.calls > 0 {
				t.Error("the receiver was called")
			}
		})
	}
}

func TestNoNewsIsNotAReceipt(t *testing.T) {
	for _, status := range []string{"accepted", "scheduled", "queued", "sending", "brand-new"} {
		book := &ledger{}
		fake, p := startReporting(t, book.receive)
		if _, err := p.SendMessage(t.Context(), testMessage()); err != nil {
			t.Fatal(err)
		}
		if got := fake.report(0, status, 0); got != http.StatusNoContent || book.calls != 0 {
			t.Errorf("%s is answered %d after %d receipts, want 204 after none", status, got, book.calls)
		}
	}
}

func TestCallbackMethodsAndBodies(t *testing.T) {
	p := newProvider(t, testConfig(), testPublic, noReceipts)
	if got := answer(p, httptest.NewRequest(http.MethodGet, "/status?delivery=d.1", nil)); got != http.StatusMethodNotAllowed {
		t.Errorf("GET is answered %d", got)
	}
	for _, body := range []string{"%zz", "a;b", `{"MessageStatus":"delivered"}`} {
		if got := answer(p, callback("/status?delivery=d.1", body, "AAAA")); got != http.StatusForbidden {
			t.Errorf("body %q is answered %d, want 403", body, got)
		}
	}
	// A body that is cut off reads as a form that could have been signed.
	whole := statusForm()
	r := callback("/status?delivery=d.1", whole.Encode()+"&%z",
		sign(testConfig().AuthToken, testPublic+"/callbacks/twilio-main/status?delivery=d.1", whole))
	if got := answer(p, r); got != http.StatusForbidden {
		t.Errorf("a malformed body is answered %d, want 403", got)
	}
	unsure := newProvider(t, testConfig(), "", noReceipts)
	form := statusForm()
	for _, address := range []string{"/status?delivery=d.1", "/callbacks/twilio-main/status?delivery=d.1"} {
		r := callback("/status?delivery=d.1", form.Encode(), sign(testConfig().AuthToken, address, form))
		if got := answer(unsure, r); got != http.StatusForbidden {
			t.Errorf("without a public_url a callback is answered %d, want 403", got)
		}
	}
}

// Under a path and a port, the address that Twilio signs holds both.
func TestCallbackUnderAPath(t *testing.T) {
	form := statusForm()
	const base = "https://example.jp:8443/denwa"
	p := newProvider(t, testConfig(), base+"/", noReceipts)
	for _, address := range []string{
		base + "/callbacks/twilio-main/status?delivery=a%2Fb",
		"https://example.jp/denwa/callbacks/twilio-main/status?delivery=a%2Fb",
	} {
		if got := answer(p, callback("/status?delivery=a%2Fb", form.Encode(), sign(testConfig().AuthToken, address, form))); got != 204 {
			t.Errorf("signed for %s: answer is %d", address, got)
		}
	}
}

func TestCallbackLog(t *testing.T) {
	var out bytes.Buffer
	book := &ledger{failures: 1}
	p, err := New(testConfig(), testPublic, book.receive, nil, slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	const target, address = "/status?delivery=d.1", testPublic + "/callbacks/twilio-main/status?delivery=d.1"
	form := statusForm()
	for range 100 {
		answer(p, callback(target, form.Encode(), "forged"))
	}
	answer(p, callback(target, form.Encode(), sign(testConfig().AuthToken, address, form)))
	if n := strings.Count(out.String(), "callback refused"); n != 1 {
		t.Errorf("100 forged callbacks made %d log lines, want 1", n)
	}
	if n := strings.Count(out.String(), "store is down"); n != 1 {
		t.Errorf("a failed receipt made %d log lines, want 1", n)
	}
	for _, secret := range []string{"12345678", "5005550", testConfig().AuthToken} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("log holds %q:\n%s", secret, &out)
		}
	}
}

func FuzzCallback(f *testing.F) {
	f.Add("delivery=d.1", statusForm().Encode(), "", true)
	f.Add("delivery=d.1&delivery=d.2", statusForm().Encode()+"&ErrorCode=30036&MessageStatus=failed", "", true)
	f.Add("", "MessageStatus=sent&ErrorCode=x&AccountSid="+testConfig().AccountSID, "", true)
	f.Add("bodySHA256=00", `{"MessageStatus":"delivered"}`, "AAAA", false)
	f.Add("%zz;", "%zz", "", false)
	cfg := testConfig()
	f.Fuzz(func(t *testing.T, query, body, signature string, genuine bool) {
		var receipts []providers.Receipt
		p, err := New(cfg, testPublic, func(_ context.Context, _ string, r providers.Receipt) error {
			receipts = append(receipts, r)
			return nil
		}, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		r := callback("/status", body, signature)
		r.URL.RawQuery = query
		if genuine {
			address := testPublic + "/callbacks/twilio-main/status"
			if query != "" {
				address += "?" + query
			}
			form, _ := url.ParseQuery(body)
			r.Header.Set("X-Twilio-Signature", sign(cfg.AuthToken, address, form))
		}
		got := answer(p, r)
		switch {
		case got == http.StatusNoContent:
			if !genuine {
				t.Fatal("a callback that wasn't signed was taken")
			}
		case got == http.StatusForbidden, got == http.StatusBadRequest && genuine, got == http.StatusRequestEntityTooLarge:
			if len(receipts) > 0 {
				t.Fatalf("answered %d, but the receiver was called", got)
			}
		default:
			t.Fatalf("answer is %d", got)
		}
		for _, receipt := range receipts {
			if receipt.Delivery == "" || receipt.Status.Rank() <= providers.Accepted.Rank() {
				t.Fatalf("receipt is %+v", receipt)
			}
		}
	})
}

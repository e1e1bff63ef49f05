package twilio

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// Twilio's magic numbers, which its test credentials answer with an error.
const (
	numberInvalid   = "+15005550001" // 21211
	numberNoRoute   = "+15005550002" // 21612
	numberNoRegion  = "+15005550003" // 21408
	numberOptedOut  = "+15005550004" // 21610
	numberNotMobile = "+15005550009" // 21614
)

var magic = map[string]apiError{
	numberInvalid:   {http.StatusBadRequest, 21211, "Invalid 'To' Phone Number: " + numberInvalid},
	numberNoRoute:   {http.StatusBadRequest, 21612, "'To' number: " + numberNoRoute + ", is not currently reachable using the 'From' number"},
	numberNoRegion:  {http.StatusBadRequest, 21408, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: " + numberNoRegion},
	numberOptedOut:  {http.StatusBadRequest, 21610, "Attempt to send to unsubscribed recipient"},
	numberNotMobile: {http.StatusBadRequest, 21614, "'To' number: " + numberNotMobile + ", is not a valid mobile number"},
}

type apiError struct {
	status, code int
	message      string
}

// fakeTwilio behaves like api.twilio.com for one account: it checks
// credentials and parameters, answers with whole Message resources, and reports
// to the StatusCallback as Twilio does.
type fakeTwilio struct {
	*httptest.Server
	tb             testing.TB
	user, password string
	account, token string
	mu             sync.Mutex
	requests       []recorded
	messages       []url.Values
	calls          []*fakeCall
	fault          http.HandlerFunc // answers instead, when set
	delay          time.Duration    // before every answer
	repeatAfter    time.Duration
}

// recorded is one request as it was on the wire.
type recorded struct {
	method, target, body string
	header               http.Header
}

func newFakeTwilio(tb testing.TB, cfg Config) *fakeTwilio {
	tb.Helper()
	f := &fakeTwilio{
		tb: tb, account: cfg.AccountSID, token: cfg.AuthToken,
		user: cfg.AccountSID, password: cfg.AuthToken, repeatAfter: time.Millisecond,
	}
	if cfg.APIKeySID != "" {
		f.user, f.password = cfg.APIKeySID, cfg.APIKeySecret
	}
	f.Server = httptest.NewServer(f)
	tb.Cleanup(f.Close)
	return f
}

// fail makes every following request meet the fault.
func (f *fakeTwilio) fail(fault http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

func (f *fakeTwilio) seen() []recorded {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

func (f *fakeTwilio) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	f.mu.Lock()
	f.requests = append(f.requests, recorded{r.Method, r.RequestURI, string(body), r.Header.Clone()})
	fault := f.fault
	f.mu.Unlock()
	time.Sleep(f.delay)
	if fault != nil {
		fault(w, r)
		return
	}
	if user, password, ok := r.BasicAuth(); !ok || user != f.user || password != f.password {
		f.refuse(w, apiError{http.StatusUnauthorized, 20003, "Authenticate"})
		return
	}
	resource, found := strings.CutPrefix(r.URL.Path, "/2010-04-01/Accounts/"+f.account)
	if !found || resource != "/Messages.json" && resource != "/Calls.json" {
		f.refuse(w, apiError{http.StatusNotFound, 20404, "The requested resource " + r.URL.Path + " was not found"})
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		f.refuse(w, apiError{http.StatusBadRequest, 20001, "Bad request"})
		return
	}
	if resource == "/Calls.json" {
		f.placeCall(w, form)
		return
	}
	if refusal, ok := check(form); !ok {
		f.refuse(w, refusal)
		return
	}
	sid := f.create(form)
	f.reply(w, http.StatusCreated, f.resource(sid, form, "queued", nil))
}

var e164 = regexp.MustCompile(`^\+[1-9]\d{6,14}$`)

// check applies Twilio's rules for creating a message.
func check(form url.Values) (apiError, bool) {
	to := form.Get("To")
	if refusal, ok := magic[to]; ok {
		return refusal, false
	}
	validity, err := strconv.Atoi(form.Get("ValidityPeriod"))
	callback, urlErr := url.Parse(form.Get("StatusCallback"))
	switch {
	case to == "":
		return apiError{http.StatusBadRequest, 21604, "A 'To' phone number is required."}, false
	case !e164.MatchString(to):
		return apiError{http.StatusBadRequest, 21211, "The 'To' number " + to + " is not a valid phone number."}, false
	case form.Get("From") == "" && form.Get("MessagingServiceSid") == "":
		return apiError{http.StatusBadRequest, 21603, "A 'From' phone number is required."}, false
	case form.Get("Body") == "":
		return apiError{http.StatusBadRequest, 21602, "Message body is required."}, false
	case utf8.RuneCountInString(form.Get("Body")) > 1600:
		return apiError{http.StatusBadRequest, 21617, "The concatenated message body exceeds the 1600 character limit"}, false
	case form.Has("ValidityPeriod") && (err != nil || validity < 1 || validity > 36000):
		return apiError{http.StatusBadRequest, 20001, "ValidityPeriod is out of range"}, false
	case form.Has("StatusCallback") && (urlErr != nil || callback.Host == "" || strings.Contains(callback.Host, "_")):
		return apiError{http.StatusBadRequest, 21609, "The StatusCallback URL " + form.Get("StatusCallback") + " is not a valid URL."}, false
	}
	return apiError{}, true
}

// newSID is a new SID of a kind.
func (f *fakeTwilio) newSID(kind string) string {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		f.tb.Error(err)
	}
	return kind + hex.EncodeToString(id[:])
}

func (f *fakeTwilio) create(form url.Values) string {
	sid := f.newSID("SM")
	form.Set("sid", sid)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.messages = append(f.messages, form)
	return sid
}

// resource is a whole Message resource, as Twilio returns it on creation.
func (f *fakeTwilio) resource(sid string, form url.Values, status string, code any) map[string]any {
	path := "/2010-04-01/Accounts/" + f.account + "/Messages/" + sid
	date := time.Now().UTC().Format(time.RFC1123Z)
	var from, service any = form.Get("From"), nil
	segments := "1"
	if form.Has("MessagingServiceSid") {
		from, service, segments, status = nil, form.Get("MessagingServiceSid"), "0", "accepted"
	}
	return map[string]any{
		"account_sid": f.account, "api_version": "2010-04-01", "body": form.Get("Body"),
		"date_created": date, "date_sent": nil, "date_updated": date, "direction": "outbound-api",
		"error_code": code, "error_message": nil, "from": from, "messaging_service_sid": service,
		"num_media": "0", "num_segments": segments, "price": nil, "price_unit": "USD", "sid": sid,
		"status": status, "subresource_uris": map[string]any{"media": path + "/Media.json"},
		"to": form.Get("To"), "uri": path + ".json",
	}
}

func (f *fakeTwilio) refuse(w http.ResponseWriter, e apiError) {
	f.reply(w, e.status, map[string]any{
		"code": e.code, "message": e.message, "status": e.status,
		"more_info": "https://www.twilio.com/docs/errors/" + strconv.Itoa(e.code),
	})
}

func (f *fakeTwilio) reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.Header().Set("Twilio-Request-Id", "RQ00000000000000000000000000000000")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// report calls back the n-th message's StatusCallback and returns the last
// answer's HTTP status. It repeats as the callback's connection overrides say.
func (f *fakeTwilio) report(n int, status string, code int) int {
	f.tb.Helper()
	f.mu.Lock()
	message := f.messages[n]
	f.mu.Unlock()
	answer, _ := f.callBack(message.Get("StatusCallback"), f.reportForm(message, status, code))
	return answer
}

// callBack posts a signed form and returns the last answer. It repeats as the
// address's connection overrides say.
func (f *fakeTwilio) callBack(address string, form url.Values) (status int, body string) {
	f.tb.Helper()
	address, overrides, _ := strings.Cut(address, "#")
	settings, err := url.ParseQuery(overrides)
	if err != nil {
		f.tb.Fatalf("connection overrides %q: %v", overrides, err)
	}
	repeats := 0
	if slices.Contains(strings.Split(settings.Get("rp"), ","), "5xx") {
		repeats, _ = strconv.Atoi(settings.Get("rc"))
	}
	for {
		status, body = f.post(address, form, sign(f.token, address, form))
		if status < 500 || repeats == 0 {
			return status, body
		}
		repeats--
		time.Sleep(f.repeatAfter)
	}
}

// reportForm is what Twilio reports of a message.
func (f *fakeTwilio) reportForm(message url.Values, status string, code int) url.Values {
	form := url.Values{
		"AccountSid": {f.account}, "ApiVersion": {"2010-04-01"}, "From": {message.Get("From")},
		"MessageSid": {message.Get("sid")}, "MessageStatus": {status},
		"SmsSid": {message.Get("sid")}, "SmsStatus": {status}, "To": {message.Get("To")},
	}
	if code != 0 {
		form.Set("ErrorCode", strconv.Itoa(code))
	}
	return form
}

func (f *fakeTwilio) post(address string, form url.Values, signature string) (status int, body string) {
	f.tb.Helper()
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		f.tb.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	req.Header.Set("User-Agent", "TwilioProxy/1.1")
	req.Header.Set("X-Twilio-Signature", signature)
	resp, err := f.Client().Do(req)
	if err != nil {
		f.tb.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		f.tb.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// sign signs as Twilio documents it, independently of the vendor's library.
func sign(token, address string, form url.Values) string {
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(address))
	for _, name := range slices.Sorted(maps.Keys(form)) {
		mac.Write([]byte(name + form.Get(name)))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

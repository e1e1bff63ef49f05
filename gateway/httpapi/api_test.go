package httpapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"denwa/gateway"
	"denwa/gateway/httpapi"
	"denwa/ratelimit"
)

const (
	start  = "/v1/verifications"
	lookup = "/v1/numbers/lookup"
)

// begin starts a verification and returns its path.
func begin(t *testing.T, c client) string {
	t.Helper()
	r := c.do(t, "POST", start, `{"to":"090-1234-5678"}`)
	want(t, r, http.StatusCreated, "")
	return start + "/" + r.id()
}

func TestStart(t *testing.T) {
	c := newClient(newServer(t, nil))
	r := c.do(t, "POST", start, `{"to":"090-1234-5678","purpose":"registration","reference":"user-42"}`)
	want(t, r, http.StatusCreated, "")

	exact := `{"id":"` + r.id() + `","status":"pending","channel":"sms","mode":"code",` +
		`"to":"+819012345678","to_masked":"+81 90-****-5678","country":"JP","number_type":"mobile","locale":"ja",` +
		`"attempts_remaining":5,"sends_remaining":4,` +
		`"created_at":"2026-04-01T00:00:00.123Z","expires_at":"2026-04-01T00:10:00.123Z",` +
		`"next_send_at":{"sms":"2026-04-01T00:00:30.124Z","voice":"2026-04-01T00:00:00.124Z"},` +
		`"purpose":"registration","reference":"user-42",` +
		`"deliveries":[{"provider":"sandbox","channel":"sms","status":"accepted","at":"2026-04-01T00:00:00.123Z","segments":1}]}`
	if r.text != exact {
		t.Error(cmp.Diff(exact, r.text))
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		if got := r.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
}

// TestDisplayCode: the digits of a keyed call are shown until it is over.
func TestDisplayCode(t *testing.T) {
	c := newClient(newServer(t, nil))
	for mode, shown := range map[string]any{"keyed": shownCode, "confirm": nil, "code": nil} {
		r := c.do(t, "POST", start, `{"to":"03-1234-5678","extension":"123","channel":"voice","mode":"`+mode+`"}`)
		want(t, r, http.StatusCreated, "")
		if r.body["mode"] != mode || r.body["extension"] != "123" || r.body["display_code"] != shown {
			t.Errorf("%s: %s", mode, r.text)
		}
		path := start + "/" + r.id()
		if r := c.do(t, "GET", path, ""); r.body["display_code"] != shown {
			t.Errorf("%s, read again: %s", mode, r.text)
		}
		r = c.do(t, "POST", path+"/check", `{"code":"123456"}`)
		if v := r.body["verification"].(map[string]any); v["display_code"] != nil || v["status"] != "approved" {
			t.Errorf("%s, over: %s", mode, r.text)
		}
	}
}

func TestStartHandsOverEveryField(t *testing.T) {
	var got gateway.StartRequest
	c := newClient(newServer(t, func(o *httpapi.Options) { o.Verifier = recorder{o.Verifier, &got} }))
	want(t, c.do(t, "POST", start, `{"to":"a","country":"b","extension":"c","channel":"d","mode":"e","locale":"f",
		"purpose":"g","client_ip":"h","origin":"i","app_hash":"j","reference":"k"}`), http.StatusServiceUnavailable, "unavailable")
	all := gateway.StartRequest{
		To: "a", Country: "b", Extension: "c", Channel: "d", Mode: "e", Locale: "f",
		Purpose: "g", ClientIP: "h", Origin: "i", AppHash: "j", Reference: "k",
	}
	if d := cmp.Diff(all, got); d != "" {
		t.Error(d)
	}
}

// recorder keeps what a start was asked and refuses it.
type recorder struct {
	httpapi.Verifier
	got *gateway.StartRequest
}

func (r recorder) Start(_ context.Context, _ *gateway.AppPolicy, s gateway.StartRequest) (*gateway.Verification, error) {
	*r.got = s
	return nil, &gateway.Error{Code: gateway.CodeUnavailable, Message: "not now"}
}

func TestCheck(t *testing.T) {
	c := newClient(newServer(t, nil))
	path := begin(t, c)

	r := c.do(t, "POST", path+"/check", `{"code":"000000"}`)
	want(t, r, http.StatusOK, "")
	v := r.body["verification"].(map[string]any)
	if r.body["valid"] != false || v["status"] != "pending" || v["attempts_remaining"] != 4.0 {
		t.Errorf("wrong code: %s", r.text)
	}
	r = c.do(t, "POST", path+"/check", `{"code":"123456"}`)
	want(t, r, http.StatusOK, "")
	v = r.body["verification"].(map[string]any)
	if r.body["valid"] != true || v["status"] != "approved" {
		t.Errorf("right code: %s", r.text)
	}
	if _, ok := v["next_send_at"]; ok {
		t.Errorf("a verification that is over says when it can be sent again: %s", r.text)
	}
	want(t, c.do(t, "POST", path+"/check", `{"code":"123456"}`), http.StatusConflict, "not_pending")
}

func TestResendAndCancel(t *testing.T) {
	c := newClient(newServer(t, nil))
	path := begin(t, c)
	for _, body := range []string{"", "{}", `{"channel":"voice"}`} {
		want(t, c.do(t, "POST", path+"/resend", body), http.StatusOK, "")
	}
	r := c.do(t, "GET", path, "")
	want(t, r, http.StatusOK, "")
	deliveries := r.body["deliveries"].([]any)
	if r.body["channel"] != "voice" || r.body["sends_remaining"] != 1.0 || len(deliveries) != 4 {
		t.Errorf("after three resends: %s", r.text)
	}
	if _, ok := deliveries[3].(map[string]any)["segments"]; ok {
		t.Errorf("a call has no segments: %s", r.text)
	}
	if r := c.do(t, "POST", path+"/cancel", ""); r.body["status"] != "canceled" {
		t.Errorf("cancel: %s", r.text)
	}
}

func TestLookup(t *testing.T) {
	c := newClient(newServer(t, nil))
	r := c.do(t, "POST", lookup, `{"number":"03-1234-5678"}`)
	want(t, r, http.StatusOK, "")
	exact := `{"e164":"+81312345678","national":"03-1234-5678","masked":"+81 3-****-5678","country":"JP","type":"fixed_line",` +
		`"channels":{"sms":{"allowed":false,"reason":"a fixed-line phone gets no text messages"},"voice":{"allowed":true}}}`
	if r.text != exact {
		t.Error(cmp.Diff(exact, r.text))
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(newServer(t, nil))
		path := begin(t, c)

		begun := time.Now()
		want(t, c.do(t, "GET", path+"?wait=7", ""), http.StatusOK, "")
		if took := time.Since(begun); took != 7*time.Second {
			t.Errorf("without a change it took %s", took)
		}
		go func() {
			time.Sleep(3 * time.Second)
			c.do(t, "POST", path+"/check", `{"code":"123456"}`)
		}()
		begun = time.Now()
		r := c.do(t, "GET", path+"?wait=60", "")
		if took := time.Since(begun); took != 3*time.Second || r.body["status"] != "approved" {
			t.Errorf("approved after 3 s: took %s, %s", took, r.text)
		}
		want(t, c.do(t, "GET", path+"?wait=0", ""), http.StatusOK, "")
	})
}

func TestWaitRefusesNonsense(t *testing.T) {
	c := newClient(newServer(t, nil))
	path := begin(t, c)
	for _, query := range []string{"wait=61", "wait=-1", "wait=1.5", "wait=30s", "wait=", "wait", "wait=1&wait=2", "wait=256", "wiat=1", "wait=1&x=", "%zz"} {
		want(t, c.do(t, "GET", path+"?"+query, ""), http.StatusBadRequest, "invalid_request")
	}
}

// TestBadRequests is every way in which a request can be malformed.
func TestBadRequests(t *testing.T) {
	c := newClient(newServer(t, nil))
	path := begin(t, c)
	for name, tc := range map[string]struct {
		path, body string
		headers    []string
		status     int
		code       string
		field      string
		detail     string
	}{
		"empty body":         {start, "", nil, 400, "invalid_request", "", "the body is empty; send a JSON object"},
		"not JSON":           {start, `{"to":`, nil, 400, "invalid_request", "", "the body is not valid JSON: unexpected end of JSON input, at byte 6"},
		"trailing data":      {start, `{"to":"090-1234-5678"}{}`, nil, 400, "invalid_request", "", "the body is not valid JSON: invalid character '{' after top-level value, at byte 23"},
		"not an object":      {start, `["to"]`, nil, 400, "invalid_request", "", "the body must be a JSON object"},
		"null":               {start, `null`, nil, 400, "invalid_request", "", "the body must be a JSON object"},
		"not UTF-8":          {start, "{\"to\":\"\xff\"}", nil, 400, "invalid_request", "", "the body is not UTF-8"},
		"number for string":  {start, `{"to":81}`, nil, 400, "invalid_request", "to", "to must be a string, not a number"},
		"array for string":   {path + "/check", `{"code":["123456"]}`, nil, 400, "invalid_request", "code", "code must be a string, not an array"},
		"object for string":  {path + "/check", `{"code":{"a":{"b":1}}}`, nil, 400, "invalid_request", "code", "code must be a string, not an object"},
		"bool for string":    {path + "/check", `{"code":true}`, nil, 400, "invalid_request", "code", "code must be a string, not true or false"},
		"null for string":    {start, `{"to":"090-1234-5678","country":null}`, nil, 400, "invalid_request", "country", "country must not be null; leave it out instead"},
		"unknown field":      {start, `{"to":"090-1234-5678","colour":"red"}`, nil, 400, "invalid_request", "colour", `unknown field "colour"`},
		"misspelt field":     {start, `{"to":"090-1234-5678","clientIp":"192.0.2.1"}`, nil, 400, "invalid_request", "clientIp", `unknown field "clientIp"; did you mean "client_ip"?`},
		"other case":         {path + "/check", `{"Code":"123456"}`, nil, 400, "invalid_request", "Code", `unknown field "Code"; did you mean "code"?`},
		"escaped name":       {path + "/check", `{"c\u006fde":"123456","c\u006fde":"1"}`, nil, 400, "invalid_request", "code", "code is given twice"},
		"field given twice":  {path + "/check", `{"code":"000000","code":"123456"}`, nil, 400, "invalid_request", "code", "code is given twice"},
		"no such field":      {path + "/cancel", `{"code":"1"}`, nil, 400, "invalid_request", "code", `unknown field "code"`},
		"required, start":    {start, `{}`, nil, 400, "invalid_request", "to", "to is required"},
		"required, check":    {path + "/check", `{}`, nil, 400, "invalid_request", "code", "code is required"},
		"required, lookup":   {lookup, `{}`, nil, 400, "invalid_request", "number", "number is required"},
		"empty number":       {start, `{"to":""}`, nil, 422, "invalid_number", "to", ""},
		"empty, lookup":      {lookup, `{"number":""}`, nil, 422, "invalid_number", "number", ""},
		"bad country":        {start, `{"to":"090-1234-5678","country":"Japan"}`, nil, 400, "invalid_request", "country", ""},
		"bad number":         {start, `{"to":"090"}`, nil, 422, "invalid_number", "to", ""},
		"bad number, lookup": {lookup, `{"number":"090"}`, nil, 422, "invalid_number", "number", ""},
		"code of 5 digits":   {path + "/check", `{"code":"12345"}`, nil, 400, "invalid_request", "code", ""},
		"query":              {start + "?country=JP", `{"to":"090-1234-5678"}`, nil, 400, "invalid_request", "", "this call takes no query parameters"},
		"a form":             {start, `to=090`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "invalid_request", "", ""},
		"no media type":      {start, `{"to":"090-1234-5678"}`, []string{"Content-Type", ""}, 415, "invalid_request", "", ""},
		"other charset":      {start, `{"to":"090-1234-5678"}`, []string{"Content-Type", "application/json; charset=shift_jis"}, 415, "invalid_request", "", ""},
		"compressed":         {start, `{"to":"090-1234-5678"}`, []string{"Content-Encoding", "gzip"}, 415, "invalid_request", "", ""},
		"1 MB":               {start, `{"to":"` + strings.Repeat("0", 1<<20) + `"}`, nil, 413, "payload_too_large", "", "the body is larger than 16384 bytes"},
		"deep":               {start, strings.Repeat("[", 16<<10), nil, 400, "invalid_request", "", ""},
		"deep, in a field":   {start, `{"to":` + strings.Repeat("[", 8000) + strings.Repeat("]", 8000) + `}`, nil, 400, "invalid_request", "to", "to must be a string, not an array"},
		"long name":          {start, `{"` + strings.Repeat("あ", 1000) + `":1}`, nil, 400, "invalid_request", strings.Repeat("あ", 21), ""},
		"unknown id":         {start + "/vf_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/check", `{"code":"123456"}`, nil, 404, "not_found", "", ""},
		"not an id":          {start + "/1%2F2/check", `{"code":"123456"}`, nil, 404, "not_found", "", ""},
		"two keys":           {start, `{"to":"090-1234-5678"}`, []string{"Idempotency-Key", "a b"}, 400, "invalid_request", "Idempotency-Key", ""},
		"long key":           {start, `{"to":"090-1234-5678"}`, []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400, "invalid_request", "Idempotency-Key", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.do(t, "POST", tc.path, tc.body, tc.headers...)
			want(t, r, tc.status, tc.code)
			if field, _ := r.body["field"].(string); field != tc.field {
				t.Errorf("field %q, want %q", field, tc.field)
			}
			if tc.detail != "" && r.body["detail"] != tc.detail {
				t.Errorf("detail %q, want %q", r.body["detail"], tc.detail)
			}
		})
	}
}

func TestBodyOfUnknownLength(t *testing.T) {
	c := newClient(newServer(t, nil))
	for size, status := range map[int]int{16 << 10: 201, 16<<10 + 1: 413} {
		body := `{"to":"090-1234-5678"` + strings.Repeat(" ", size-22) + "}"
		r := httptest.NewRequest("POST", start, strings.NewReader(body))
		r.ContentLength = -1 // chunked
		r.Header.Set("Authorization", "Bearer "+portalKey)
		r.Header.Set("Content-Type", "application/json; charset=UTF-8")
		if got := c.send(t, r); got.StatusCode != status {
			t.Errorf("%d bytes: %d, want %d", size, got.StatusCode, status)
		}
	}
}

func TestForeignVerificationIsUnknown(t *testing.T) {
	s := newServer(t, nil)
	path := begin(t, newClient(s))
	login := client{server: s, key: loginKey}
	for _, try := range [][3]string{
		{"GET", "", ""},
		{"GET", "?wait=1", ""},
		{"GET", "/events", ""},
		{"POST", "/check", `{"code":"123456"}`},
		{"POST", "/resend", ""},
		{"POST", "/cancel", ""},
	} {
		t.Run(try[0]+try[1], func(t *testing.T) {
			foreign := login.do(t, try[0], path+try[1], try[2], "X-Request-Id", "same")
			want(t, foreign, http.StatusNotFound, "not_found")
			unknown := login.do(t, try[0], start+"/vf_"+strings.Repeat("a", 32)+try[1], try[2], "X-Request-Id", "same")
			if foreign.text != unknown.text {
				t.Errorf("foreign and unknown ids answer differently:\n%s\n%s", foreign.text, unknown.text)
			}
		})
	}
}

func TestAuthentication(t *testing.T) {
	s := newServer(t, nil)
	for name, tc := range map[string]struct {
		target  string
		headers []string
		status  int
	}{
		"none":            {"", []string{"Authorization", ""}, 401},
		"unknown":         {"", []string{"Authorization", "Bearer dnw_" + strings.Repeat("0", 40)}, 401},
		"other scheme":    {"", []string{"Authorization", "Basic " + portalKey}, 401},
		"no scheme":       {"", []string{"Authorization", portalKey}, 401},
		"empty":           {"", []string{"Authorization", "Bearer "}, 401},
		"in the URL":      {"?api_key=" + portalKey, []string{"Authorization", ""}, 401},
		"also in the URL": {"?key=" + portalKey, nil, 401},
		"lower case":      {"", []string{"Authorization", "bearer " + portalKey}, 404},
		"spaces":          {"", []string{"Authorization", "Bearer   " + portalKey}, 404},
	} {
		t.Run(name, func(t *testing.T) {
			r := newClient(s).do(t, "GET", start+"/vf_x"+tc.target, "", tc.headers...)
			if r.StatusCode != tc.status {
				t.Fatalf("%d, want %d", r.StatusCode, tc.status)
			}
			if tc.status != http.StatusUnauthorized {
				return
			}
			want(t, r, tc.status, "unauthorized")
			if got := r.Header.Get("WWW-Authenticate"); got != `Bearer realm="denwa"` {
				t.Errorf("WWW-Authenticate: %q", got)
			}
			if strings.Contains(r.text, "dnw_p") {
				t.Errorf("the reply repeats the key: %s", r.text)
			}
		})
	}
	r := httptest.NewRequest("GET", start+"/vf_x", nil)
	r.Header["Authorization"] = []string{"Bearer " + portalKey, "Bearer " + loginKey}
	want(t, newClient(s).send(t, r), http.StatusUnauthorized, "unauthorized")
}

func TestKeyRate(t *testing.T) {
	c := newClient(newServer(t, func(o *httpapi.Options) { o.KeyRate = never{} }))
	r := c.do(t, "POST", start, `{"to":"090-1234-5678"}`)
	want(t, r, http.StatusTooManyRequests, "rate_limited")
	if r.body["limit"] != "api_key" || r.body["retry_after"] != 2.0 {
		t.Errorf("problem: %s", r.text)
	}
	for name, value := range map[string]string{
		"Retry-After": "2", "RateLimit": `"api_key";r=0;t=2`, "RateLimit-Policy": `"api_key";q=5;w=1`,
	} {
		if got := r.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
}

// TestErrors is how each error of the domain looks on the wire.
func TestErrors(t *testing.T) {
	pending := &gateway.Verification{
		ID: gateway.ID("vf_" + strings.Repeat("a", 32)), Status: gateway.Pending, Channel: gateway.SMS, Mode: gateway.ModeCode,
		To: "+819012345678", ToMasked: "+81 90-****-5678", Country: "JP", NumberType: "mobile", Locale: "ja",
	}
	secret := errors.New("dial tcp 10.0.0.1:6379: connection refused")
	for name, tc := range map[string]struct {
		err    error
		status int
		code   string
		check  func(t *testing.T, r reply)
	}{
		"store down": {&gateway.Error{Code: gateway.CodeUnavailable, Message: "the store doesn't answer", Err: secret}, 503, "unavailable", func(t *testing.T, r reply) {
			if r.Header.Get("Retry-After") != "5" || r.body["retry_after"] != 5.0 {
				t.Errorf("no Retry-After: %v %s", r.Header, r.text)
			}
		}},
		"says when": {&gateway.Error{Code: gateway.CodeUnavailable, Message: "x", RetryAfter: 1001 * time.Millisecond}, 503, "unavailable", func(t *testing.T, r reply) {
			if r.Header.Get("Retry-After") != "2" {
				t.Errorf("Retry-After: %q", r.Header.Get("Retry-After"))
			}
		}},
		"delivery failed": {&gateway.Error{Code: gateway.CodeDeliveryFailed, Message: "no provider accepted it", Verification: pending}, 502, "delivery_failed", func(t *testing.T, r reply) {
			if v, _ := r.body["verification"].(map[string]any); v["id"] != string(pending.ID) || v["status"] != "pending" {
				t.Errorf("without the verification: %s", r.text)
			}
		}},
		"number limit": {&gateway.Error{
			Code: gateway.CodeRateLimited, Message: "x", Limit: "number_hour", RetryAfter: 12 * time.Minute,
			Policy: ratelimit.Limit{Burst: 5, Count: 5, Period: time.Hour},
		}, 429, "rate_limited", func(t *testing.T, r reply) {
			if r.Header.Get("RateLimit") != `"number_hour";r=0;t=720` || r.Header.Get("RateLimit-Policy") != `"number_hour";q=5;w=3600` {
				t.Errorf("headers: %v", r.Header)
			}
		}},
		"blocked": {&gateway.Error{Code: gateway.CodeBlocked, Message: "x", RetryAfter: time.Hour}, 403, "blocked", func(t *testing.T, r reply) {
			if r.Header.Get("Retry-After") != "3600" || r.body["retry_after"] != 3600.0 {
				t.Errorf("no Retry-After: %v %s", r.Header, r.text)
			}
		}},
		"call in progress": {&gateway.Error{
			Code: gateway.CodeRateLimited, Message: "x", Limit: "call_in_progress", RetryAfter: 45 * time.Second,
			Policy: ratelimit.Limit{Burst: 1, Count: 1, Period: 2 * time.Minute},
		}, 429, "rate_limited", func(t *testing.T, r reply) {
			if r.body["limit"] != "call_in_progress" || r.Header.Get("RateLimit") != `"call_in_progress";r=0;t=45` {
				t.Errorf("headers: %v %s", r.Header, r.text)
			}
		}},
		"wrapped":     {errors.Join(errors.New("start"), &gateway.Error{Code: gateway.CodeBlocked, Message: "x"}), 403, "blocked", nil},
		"not for you": {&gateway.Error{Code: gateway.CodeForbidden, Message: "x"}, 403, "forbidden", nil},
		"country":     {&gateway.Error{Code: gateway.CodeCountryNotAllowed, Message: "x"}, 422, "country_not_allowed", nil},
		"type":        {&gateway.Error{Code: gateway.CodeNumberNotAllowed, Message: "x"}, 422, "number_not_allowed", nil},
		"channel":     {&gateway.Error{Code: gateway.CodeChannelNotAvailable, Message: "x"}, 422, "channel_not_available", nil},
		"a bug":       {secret, 500, "internal", nil},
		"a deadline":  {context.DeadlineExceeded, 500, "internal", nil},
		"not ours":    {context.Canceled, 500, "internal", nil},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newFakeGateway()
			fake.fail = tc.err
			c := newClient(newServer(t, func(o *httpapi.Options) { o.Verifier = fake }))
			r := c.do(t, "POST", start, `{"to":"090-1234-5678"}`)
			want(t, r, tc.status, tc.code)
			if strings.Contains(r.text, "10.0.0.1") {
				t.Errorf("the cause reaches the caller: %s", r.text)
			}
			if r.body["title"] != http.StatusText(tc.status) || r.body["type"] != "about:blank" {
				t.Errorf("type and title: %s", r.text)
			}
			if tc.check != nil {
				tc.check(t, r)
			}
		})
	}
}

func TestUnroutedRequests(t *testing.T) {
	c := newClient(newServer(t, nil))
	for _, path := range []string{"/", "/v1", "/v2/verifications", "/v1/verifications/a/b/c", "/callbacks/nobody/x"} {
		want(t, c.do(t, "GET", path, ""), http.StatusNotFound, "not_found")
	}
	r := c.do(t, "DELETE", start+"/vf_x", "")
	want(t, r, http.StatusMethodNotAllowed, "invalid_request")
	if allow := r.Header.Get("Allow"); !strings.Contains(allow, "GET") || strings.Contains(allow, "DELETE") {
		t.Errorf("Allow: %q", allow)
	}
}

func TestRequestID(t *testing.T) {
	c := newClient(newServer(t, nil))
	for id, kept := range map[string]bool{
		"01JR3W0Z8Q": true, "a.b_c-d": true, strings.Repeat("a", 64): true,
		"": false, strings.Repeat("a", 65): false, "a b": false, "a\tb": false, "<script>": false, "日本": false,
	} {
		r := c.do(t, "GET", "/nowhere", "", "X-Request-Id", id)
		got := r.Header.Get("X-Request-Id")
		if (got == id) != kept || got == "" || r.body["request_id"] != got {
			t.Errorf("%q became %q", id, got)
		}
	}
}

package twilioverify_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"denwa/gateway"
	"denwa/providers"
	"denwa/ratelimit"
	"denwa/ratelimit/redistest"
)

// masked replaces in a body what is new every time.
func masked(g *testGateway, body string) string {
	for _, m := range []struct{ pattern, with string }{
		{regexp.QuoteMeta(g.server.URL), "https://host"},
		{`VE[0-9a-f]{32}`, "VE#"},
		{`VL[0-9a-f]{32}`, "VL#"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`, "MS"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`, "S"},
		{`PageToken=[\w-]+`, "PageToken=#"},
	} {
		body = regexp.MustCompile(m.pattern).ReplaceAllString(body, m.with)
	}
	return body
}

// verificationOf is the body of a verification.
func verificationOf(to, channel, status string, attempts ...string) string {
	list := make([]string, len(attempts))
	for i, ch := range attempts {
		list[i] = `{"time":"MS","channel":"` + ch + `","attempt_sid":"VL#"}`
	}
	return `{"sid":"VE#","service_sid":"` + service + `","account_sid":"` + account + `","to":"` + to + `","channel":"` + channel +
		`","status":"` + status + `","valid":` + fmt.Sprint(status == "approved") +
		`,"lookup":{},"amount":null,"payee":null,"send_code_attempts":[` + strings.Join(list, ",") +
		`],"date_created":"S","date_updated":"S","sna":null,"url":"https://host` + path + `/Verifications/VE#"}`
}

func checkOf(to, status string) string {
	return `{"sid":"VE#","service_sid":"` + service + `","account_sid":"` + account + `","to":"` + to +
		`","channel":"sms","status":"` + status + `","valid":` + fmt.Sprint(status == "approved") +
		`,"amount":null,"payee":null,"date_created":"S","date_updated":"S","sna_attempts_error_codes":null}`
}

// errorOf is the body of an error.
func errorOf(code, status int, message string) string {
	return fmt.Sprintf(`{"code":%d,"message":%q,"more_info":"https://www.twilio.com/docs/errors/%d","status":%d}`, code, message, code, status)
}

const serviceBody = `{"sid":"` + service + `","account_sid":"` + account + `","friendly_name":"Example","code_length":6,"lookup_enabled":false,` +
	`"psd2_enabled":false,"skip_sms_to_landlines":true,"dtmf_input_required":false,"tts_name":null,"do_not_share_warning_enabled":false,` +
	`"custom_code_enabled":true,"push":{},"totp":{},"default_template_sid":null,"whatsapp":{},"passkeys":{},` +
	`"verify_event_subscription_enabled":false,"date_created":null,"date_updated":null,"url":"https://host` + path + `",` +
	`"links":{"verification_checks":"https://host` + path + `/VerificationCheck","verifications":"https://host` + path + `/Verifications"}}`

// TestConformance asks for everything once. Each case has a number of its own,
// for which {to} stands, so its limits are untouched.
func TestConformance(t *testing.T) {
	const (
		send   = path + "/Verifications"
		check  = path + "/VerificationCheck"
		gone   = "The requested resource was not found"
		anyVE  = "VE00000000000000000000000000000000"
		locale = "Invalid parameter: `Locale`. locale must be one of en, ja"
	)
	cases := []struct {
		name   string
		before func(g *testGateway, to string) // may set things up
		method string
		path   string // {to} is the number, {ve} the SID of what before started, {code} its code
		form   string
		status int
		body   string
		sent   int // messages to the number in all
	}{
		{"sms", nil, "POST", send, "To={to}&Channel=sms", 201, verificationOf("{to}", "sms", "pending", "sms"), 1},
		{"auto", nil, "POST", send, "To={to}&Channel=auto", 201, verificationOf("{to}", "sms", "pending", "sms"), 1},
		{"upper case", nil, "POST", send, "To={to}&Channel=SMS", 201, verificationOf("{to}", "sms", "pending", "sms"), 1},
		{"call", nil, "POST", send, "To={to}&Channel=call", 201, verificationOf("{to}", "call", "pending", "call"), 0},
		{"without plus", nil, "POST", send, "To={digits}&Channel=sms", 201, verificationOf("{to}", "sms", "pending", "sms"), 1},
		{"as typed", nil, "POST", send, "To={national}&Channel=sms", 201, verificationOf("{to}", "sms", "pending", "sms"), 1},
		{
			"all parameters", nil, "POST", send,
			"To={to}&Channel=sms&Locale=en&CustomFriendlyName=Shop&CustomCode=4321&AppHash=abcdefghijk&DeviceIp=192.0.2.7&SendDigits=1ww2&RiskCheck=enable" +
				"&RateLimits=" + url.QueryEscape(`{"end_user":"x"}`) + "&Tags=" + url.QueryEscape(`{"a":"b"}`) + "&TemplateSid=HJ1&Unknown=1",
			201, verificationOf("{to}", "sms", "pending", "sms"), 1,
		},
		{"no number", nil, "POST", send, "Channel=sms", 400, errorOf(60200, 400, "Invalid parameter: `To` is required"), 0},
		{"no channel", nil, "POST", send, "To={to}", 400, errorOf(60200, 400, "Invalid parameter: `Channel` is required: sms, call or auto"), 0},
		{"strange channel", nil, "POST", send, "To={to}&Channel=fax", 400, errorOf(60200, 400, "Invalid parameter: `Channel` must be sms, call or auto"), 0},
		{"whatsapp", nil, "POST", send, "To={to}&Channel=whatsapp", 400, errorOf(60204, 400, "Service does not support this feature: `Channel` must be sms, call or auto"), 0},
		{"email", nil, "POST", send, "To=a%40example.jp&Channel=email", 400, errorOf(60204, 400, "Service does not support this feature: `Channel` must be sms, call or auto"), 0},
		{"sna", nil, "POST", send, "To={to}&Channel=sna", 400, errorOf(60204, 400, "Service does not support this feature: `Channel` must be sms, call or auto"), 0},
		{"payment", nil, "POST", send, "To={to}&Channel=sms&Amount=1&Payee=x", 400, errorOf(60204, 400, "Service does not support this feature: `Amount`: the message can't say what is paid to whom"), 0},
		{"not a number", nil, "POST", send, "To=hello&Channel=sms", 400, errorOf(60200, 400, "Invalid parameter: `To`. A phone number has no letters. Enter it in digits."), 0},
		{"toll-free", nil, "POST", send, "To=0120123456&Channel=call", 400, errorOf(60200, 400, "Invalid parameter: `To`. This is a toll-free number, which a company answers, not a person."), 0},
		{"emergency", nil, "POST", send, "To=110&Channel=call", 400, errorOf(60200, 400, "Invalid parameter: `To`. This is an emergency number, which is never called to verify anything."), 0},
		{"landline", nil, "POST", send, "To=%2B81312345678&Channel=sms", 403, errorOf(60205, 403, "SMS is not supported by landline phone number"), 0},
		{"locale", nil, "POST", send, "To={to}&Channel=sms&Locale=fr", 400, errorOf(60200, 400, locale), 0},
		{"short code", nil, "POST", send, "To={to}&Channel=sms&CustomCode=123", 400, errorOf(60200, 400, "Invalid parameter: `CustomCode`. a code of your own has 4 to 10 digits"), 0},
		{"letters in the code", nil, "POST", send, "To={to}&Channel=sms&CustomCode=12ab", 400, errorOf(60200, 400, "Invalid parameter: `CustomCode`. a code of your own has 4 to 10 digits"), 0},
		{"line break in the name", nil, "POST", send, "To={to}&Channel=sms&CustomFriendlyName=a%0Ab", 400, errorOf(60200, 400, "Invalid parameter: `CustomFriendlyName`. the brand can't be sent: the brand has a line break or control character (U+000A): remove it"), 0},
		{"address", nil, "POST", send, "To={to}&Channel=sms&DeviceIp=x", 400, errorOf(60200, 400, "Invalid parameter: `DeviceIp`. client_ip must be an IPv4 or IPv6 address"), 0},
		{"app hash", nil, "POST", send, "To={to}&Channel=sms&AppHash=x", 400, errorOf(60200, 400, "Invalid parameter: `AppHash`. app_hash must be the app's 11-character hash: letters, digits, + and /"), 0},
		{"digits", nil, "POST", send, "To={to}&Channel=call&SendDigits=12x", 400, errorOf(60200, 400, "Invalid parameter: `SendDigits` must be the digits of an extension, with w to wait"), 0},
		{"rate limits", nil, "POST", send, "To={to}&Channel=sms&RateLimits=x", 400, errorOf(60200, 400, "Invalid parameter: `RateLimits` must be a JSON object of strings"), 0},
		{"tags", nil, "POST", send, "To={to}&Channel=sms&Tags=%5B%5D", 400, errorOf(60200, 400, "Invalid parameter: `Tags` must be a JSON object of up to 10 strings of up to 128 bytes"), 0},
		{"risk check", nil, "POST", send, "To={to}&Channel=sms&RiskCheck=x", 400, errorOf(60200, 400, "Invalid parameter: `RiskCheck` must be enable or disable"), 0},
		{"not UTF-8", nil, "POST", send, "To={to}&Channel=sms&Locale=%FF", 400, errorOf(60200, 400, "Invalid parameter: `Locale` is not UTF-8"), 0},
		{"malformed", nil, "POST", send, "To=%zz", 400, errorOf(60200, 400, "Invalid parameter: the form is malformed"), 0},
		{"too long", nil, "POST", send, "To=" + strings.Repeat("1", 70_000), 413, errorOf(60200, 413, "Invalid parameter: the request is too long"), 0},
		{"soon again", begun, "POST", send, "To={to}&Channel=sms", 429, errorOf(60212, 429, "Too many concurrent requests for phone number: the limit number_cooldown"), 1},
		{"another channel", begun, "POST", send, "To={to}&Channel=call", 201, verificationOf("{to}", "call", "pending", "sms", "call"), 1},

		{"fetch", begun, "GET", send + "/{ve}", "", 200, verificationOf("{to}", "sms", "pending", "sms"), 1},
		{"fetch by number", begun, "GET", send + "/{to}", "", 200, verificationOf("{to}", "sms", "pending", "sms"), 1},
		{"fetch by escaped number", begun, "GET", send + "/%2B{digits}", "", 200, verificationOf("{to}", "sms", "pending", "sms"), 1},
		{"fetch unknown", nil, "GET", send + "/" + anyVE, "", 404, errorOf(20404, 404, gone), 0},
		{"fetch unknown number", nil, "GET", send + "/{to}", "", 404, errorOf(20404, 404, gone), 0},
		{"fetch nonsense", nil, "GET", send + "/nonsense", "", 404, errorOf(20404, 404, gone), 0},
		{"fetch of another service", begun, "GET", "/v2/Services/" + otherVA + "/Verifications/{ve}", "", 404, errorOf(20404, 404, gone), 1},

		{"cancel", begun, "POST", send + "/{ve}", "Status=canceled", 200, verificationOf("{to}", "sms", "canceled", "sms"), 1},
		{"approve", begun, "POST", send + "/{to}", "Status=approved", 200, verificationOf("{to}", "sms", "approved", "sms"), 1},
		{"another status", begun, "POST", send + "/{ve}", "Status=pending", 400, errorOf(60200, 400, "Invalid parameter: `Status` must be canceled or approved"), 1},
		{"cancel what is over", approved, "POST", send + "/{ve}", "Status=canceled", 404, errorOf(20404, 404, gone), 1},
		{"fetch approved", approved, "GET", send + "/{ve}", "", 200, verificationOf("{to}", "sms", "approved", "sms"), 1},
		{"fetch exhausted", exhausted, "GET", send + "/{ve}", "", 200, verificationOf("{to}", "sms", "max_attempts_reached", "sms"), 1},

		{"right code", begun, "POST", check, "To={to}&Code={code}", 200, checkOf("{to}", "approved"), 1},
		{"right code by SID", begun, "POST", check, "VerificationSid={ve}&Code={code}", 200, checkOf("{to}", "approved"), 1},
		{"right code by both", begun, "POST", check, "To={to}&VerificationSid={ve}&Code={code}", 200, checkOf("{to}", "approved"), 1},
		{"right code, another number", begun, "POST", check, "To=%2B819099999999&VerificationSid={ve}&Code={code}", 404, errorOf(20404, 404, gone), 1},
		{"wrong code", begun, "POST", check, "To={to}&Code={wrong}", 200, checkOf("{to}", "pending"), 1},
		{"code of another length", begun, "POST", check, "To={to}&Code=1234", 200, checkOf("{to}", "pending"), 1},
		{"code with letters", begun, "POST", check, "To={to}&Code=abcdef", 200, checkOf("{to}", "pending"), 1},
		{"no code", begun, "POST", check, "To={to}", 400, errorOf(60200, 400, "Invalid parameter: `Code` is required"), 1},
		{"endless code", begun, "POST", check, "To={to}&Code=12345678901", 400, errorOf(60200, 400, "Invalid parameter: `Code` has at most 10 characters"), 1},
		{"no number to check", nil, "POST", check, "Code=123456", 400, errorOf(60200, 400, "Invalid parameter: `To` or `VerificationSid` is required"), 0},
		{"check of an unknown number", nil, "POST", check, "To={to}&Code=123456", 404, errorOf(20404, 404, gone), 0},
		{"check of an unknown SID", nil, "POST", check, "VerificationSid=" + anyVE + "&Code=123456", 404, errorOf(20404, 404, gone), 0},
		{"check after approval", approved, "POST", check, "To={to}&Code={code}", 404, errorOf(20404, 404, gone), 1},
		{"malformed check after approval", approved, "POST", check, "To={to}&Code=1234", 404, errorOf(20404, 404, gone), 1},
		{"check after cancel", canceled, "POST", check, "To={to}&Code={code}", 404, errorOf(20404, 404, gone), 1},
		{"last check", almostExhausted, "POST", check, "To={to}&Code={wrong}", 429, errorOf(60202, 429, "Max check attempts reached: start a new verification"), 1},
		{"check after the last", exhausted, "POST", check, "To={to}&Code={code}", 404, errorOf(20404, 404, gone), 1},

		{"services", nil, "GET", "/v2/Services", "", 200, `{"meta":{"page":0,"page_size":50,"first_page_url":"https://host/v2/Services?PageSize=50\u0026Page=0","previous_page_url":null,"url":"https://host/v2/Services?PageSize=50\u0026Page=0","next_page_url":null,"key":"services"},"services":[` + serviceBody + `]}`, 0},
		{"service", nil, "GET", path, "", 200, serviceBody, 0},
		{"another service", nil, "GET", "/v2/Services/" + otherVA, "", 404, errorOf(20404, 404, gone), 0},
		{"create the service", nil, "POST", "/v2/Services", "FriendlyName=Example&CodeLength=6", 201, serviceBody, 0},
		{"create another service", nil, "POST", "/v2/Services", "FriendlyName=Mine", 403, errorOf(20006, 403, "Access denied: services are set up in Denwa's configuration, where `FriendlyName` is different"), 0},
		{"create a nameless service", nil, "POST", "/v2/Services", "CodeLength=6", 400, errorOf(60200, 400, "Invalid parameter: `FriendlyName` is required"), 0},
		{"update to the same", nil, "POST", path, "CustomCodeEnabled=true&FriendlyName=Example", 200, serviceBody, 0},
		{"update", nil, "POST", path, "CodeLength=8", 403, errorOf(20006, 403, "Access denied: services are set up in Denwa's configuration, where `CodeLength` is different"), 0},
		{"delete", nil, "DELETE", path, "", 405, errorOf(20004, 405, "Method not allowed"), 0},

		{"attempts of one", begun, "GET", "/v2/Attempts?VerificationSid={ve}", "", 200, `{"attempts":[{"sid":"VL#","account_sid":"` + account + `","service_sid":"` + service + `","verification_sid":"VE#","date_created":"S","date_updated":"S","conversion_status":"unconverted","channel":"sms","price":null,"channel_data":{"to":"{to}","country":"JP"},"url":"https://host/v2/Attempts/VL#"}],"meta":{"page":0,"page_size":50,"first_page_url":"https://host/v2/Attempts?PageSize=50\u0026Page=0\u0026PageToken=#","previous_page_url":null,"url":"https://host/v2/Attempts?PageSize=50\u0026Page=0\u0026PageToken=#","next_page_url":null,"key":"attempts"}}`, 1},
		{"no attempts", nil, "GET", "/v2/Attempts?ChannelData.To={to}", "", 200, `{"attempts":[],"meta":{"page":0,"page_size":50,"first_page_url":"https://host/v2/Attempts?PageSize=50\u0026Page=0\u0026PageToken=#","previous_page_url":null,"url":"https://host/v2/Attempts?PageSize=50\u0026Page=0\u0026PageToken=#","next_page_url":null,"key":"attempts"}}`, 0},
		{"summary of none", nil, "GET", "/v2/Attempts/Summary?Country=FR", "", 200, `{"conversion_rate_percentage":"0.00","total_attempts":0,"total_converted":0,"total_unconverted":0,"url":"https://host/v2/Attempts/Summary"}`, 0},
		{"unknown attempt", nil, "GET", "/v2/Attempts/VL00000000000000000000000000000001", "", 404, errorOf(20404, 404, gone), 0},
		{"nonsense attempt", nil, "GET", "/v2/Attempts/nonsense", "", 404, errorOf(20404, 404, gone), 0},
		{"page size", nil, "GET", "/v2/Attempts?PageSize=1001", "", 400, errorOf(60200, 400, "Invalid parameter: `PageSize` must be 1 to 1000"), 0},
		{"page token", nil, "GET", "/v2/Attempts?PageToken=abcd", "", 400, errorOf(60200, 400, "Invalid parameter: `PageToken` is not one of this list"), 0},
		{"date", nil, "GET", "/v2/Attempts?DateCreatedAfter=today", "", 400, errorOf(60200, 400, "Invalid parameter: `DateCreatedAfter` must be a time such as S"), 0},
		{"country", nil, "GET", "/v2/Attempts?Country=Japan", "", 400, errorOf(60200, 400, "Invalid parameter: `Country` must be an ISO 3166-1 alpha-2 code, such as JP"), 0},
		{"attempts by status", nil, "GET", "/v2/Attempts?Status=x", "", 400, errorOf(60200, 400, "Invalid parameter: `Status` must be converted or unconverted"), 0},
		{"attempts by channel", nil, "GET", "/v2/Attempts?Channel=x", "", 400, errorOf(60200, 400, "Invalid parameter: `Channel` must be sms or call"), 0},
		{"attempts by service", nil, "GET", "/v2/Attempts?VerifyServiceSid=x", "", 400, errorOf(60200, 400, "Invalid parameter: `VerifyServiceSid` must be VA and 32 hexadecimal digits"), 0},
		{"attempts by verification", nil, "GET", "/v2/Attempts?VerificationSid=x", "", 400, errorOf(60200, 400, "Invalid parameter: `VerificationSid` must be VE and 32 hexadecimal digits"), 0},
		{"summary by prefix", nil, "GET", "/v2/Attempts/Summary?DestinationPrefix=x", "", 400, errorOf(60200, 400, "Invalid parameter: `DestinationPrefix` must be how a number in E.164 begins"), 0},

		{"no such path", nil, "GET", "/v2/Forms/form-push", "", 404, errorOf(20404, 404, gone), 0},
		{"no such method", nil, "PUT", send, "", 405, errorOf(20004, 405, "Method not allowed"), 0},
	}
	each(t, func(t *testing.T, g *testGateway) {
		for i, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				g.t = t
				to := fmt.Sprintf("+8190111100%02d", i)
				fill := strings.NewReplacer("{to}", url.QueryEscape(to), "{digits}", to[1:], "{national}", "0"+to[3:])
				if c.before != nil {
					c.before(g, to)
					code, ve := g.code(to), g.ask("GET", "/v2/Attempts?ChannelData.To="+url.QueryEscape(to), "")
					fill = strings.NewReplacer("{to}", url.QueryEscape(to), "{digits}", to[1:], "{code}", code, "{wrong}", wrong(code),
						"{ve}", regexp.MustCompile(`VE[0-9a-f]{32}`).FindString(ve.body))
				}
				a := g.ask(c.method, fill.Replace(c.path), fill.Replace(c.form))
				if got, want := masked(g, a.body), strings.ReplaceAll(c.body, "{to}", to); a.status != c.status || got != want {
					t.Errorf("%d %s\nwant %d %s", a.status, got, c.status, want)
				}
				if kind := a.header.Get("Content-Type"); kind != "application/json" {
					t.Errorf("Content-Type: %s", kind)
				}
				if n := len(g.messages(to)); n != c.sent {
					t.Errorf("%d messages, want %d", n, c.sent)
				}
			})
		}
	})
}

func begun(g *testGateway, to string) { g.start(to, "") }

func approved(g *testGateway, to string) {
	g.start(to, "")
	if a := g.check(to, g.code(to)); a.field("valid") != "true" {
		g.t.Fatal(a.body)
	}
}

func canceled(g *testGateway, to string) {
	if a := g.ask("POST", path+"/Verifications/"+g.start(to, ""), "Status=canceled"); a.field("status") != "canceled" {
		g.t.Fatal(a.body)
	}
}

func almostExhausted(g *testGateway, to string) {
	g.start(to, "")
	for range 4 {
		if a := g.check(to, wrong(g.code(to))); a.status != http.StatusOK || a.field("status") != "pending" {
			g.t.Fatal(a.body)
		}
	}
}

func exhausted(g *testGateway, to string) {
	almostExhausted(g, to)
	if a := g.check(to, wrong(g.code(to))); a.code() != 60202 {
		g.t.Fatal(a.body)
	}
}

func TestContentType(t *testing.T) {
	g := newGateway(t, "", nil)
	for _, kind := range []string{"", "application/json", "multipart/form-data; boundary=x", "text/plain"} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", g.server.URL+path+"/Verifications?To=%2B819012345678&Channel=sms", strings.NewReader("To=%2B819012345678&Channel=sms"))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(account, portalKey)
		r.Header.Set("Content-Type", kind)
		if a := g.do(r); a.status != http.StatusUnsupportedMediaType || a.code() != 60200 {
			t.Errorf("%q: %d %s", kind, a.status, a.body)
		}
	}
	// What is in the address isn't a parameter.
	if a := g.ask("POST", path+"/Verifications?To=%2B819012345678", "Channel=sms"); a.code() != 60200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestAuthentication(t *testing.T) {
	g := newGateway(t, "", nil)
	for _, c := range []struct {
		name, user, password, path string
		status, code               int
	}{
		{"account", account, portalKey, path, 200, 0},
		{"API key", apiKey, portalKey, path, 200, 0},
		{"another account", otherAC, portalKey, path, 401, 20003},
		{"no user", "", portalKey, path, 401, 20003},
		{"strange user", "portal", portalKey, path, 401, 20003},
		{"strange API key", "SKx", portalKey, path, 401, 20003},
		{"wrong password", account, otherKey, path, 401, 20003},
		{"unknown password", account, strings.Repeat("x", 40), path, 401, 20003},
		{"password with its prefix", account, "dnw_" + portalKey, path, 401, 20003},
		{"no password", account, "", path, 401, 20003},
		{"another's service", account, portalKey, "/v2/Services/" + otherVA, 404, 20404},
		{"another's service, with an API key", apiKey, otherKey, path, 404, 20404},
		{"an app without the dialect", account, plainKey, path, 404, 20404},
		{"an app without the dialect, with an API key", apiKey, plainKey, path, 404, 20404},
		{"an app without the dialect, strange user", "", plainKey, path, 401, 20003},
		{"no such path, as a stranger", account, "x", "/v2/nothing", 401, 20003},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := g.as(c.user, c.password, "GET", c.path, "")
			if a.status != c.status || a.code() != c.code {
				t.Errorf("%d %s", a.status, a.body)
			}
			if c.status == 401 && a.header.Get("Www-Authenticate") != `Basic realm="denwa"` {
				t.Errorf("%v", a.header)
			}
		})
	}
	for _, header := range []string{"", "Bearer dnw_" + portalKey, "Basic !!!"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", g.server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		if a := g.do(r); a.code() != 20003 {
			t.Errorf("%q: %d %s", header, a.status, a.body)
		}
	}
}

// TestLimits drives into every limit.
func TestLimits(t *testing.T) {
	send := func(g *testGateway, to, more string) answer {
		return g.ask("POST", path+"/Verifications", "Channel=sms&To="+url.QueryEscape(to)+more)
	}
	few := ratelimit.Limit{Burst: 1, Count: 1, Period: time.Hour}
	for _, c := range []struct {
		name   string
		change func(*setup)
		drive  func(g *testGateway) answer
		code   int
	}{
		{"number_cooldown", nil, func(g *testGateway) answer {
			g.start(mobile, "")
			return send(g, mobile, "")
		}, 60212},
		{"number_hour", func(s *setup) { s.config.Limits.NumberHour = few }, func(g *testGateway) answer {
			g.start(mobile, "")
			g.clock.pass(31 * time.Second)
			return send(g, mobile, "")
		}, 60203},
		{"number_day", func(s *setup) { s.config.Limits.NumberDay = few }, func(g *testGateway) answer {
			g.start(mobile, "")
			g.clock.pass(31 * time.Second)
			return send(g, mobile, "")
		}, 60203},
		{"max_sends", func(s *setup) { s.config.Defaults.MaxSends = 1 }, func(g *testGateway) answer {
			g.start(mobile, "")
			g.clock.pass(31 * time.Second)
			return send(g, mobile, "")
		}, 60203},
		{"number_failed_checks", func(s *setup) { s.config.Limits.NumberFailedChecks = few }, func(g *testGateway) answer {
			g.start(mobile, "")
			g.check(mobile, wrong(g.code(mobile)))
			return g.check(mobile, g.code(mobile))
		}, 60202},
		{"client_address", func(s *setup) { s.config.Limits.ClientAddress = few }, func(g *testGateway) answer {
			g.start(mobile, "&DeviceIp=192.0.2.1")
			return send(g, "+819087654321", "&DeviceIp=192.0.2.1")
		}, 60207},
		{"app", func(s *setup) { s.config.Limits.App = few }, func(g *testGateway) answer {
			g.start(mobile, "")
			return send(g, "+819087654321", "")
		}, 20429},
		{"api_key", func(s *setup) { s.rate = few }, func(g *testGateway) answer {
			g.start(mobile, "")
			return g.ask("GET", path, "")
		}, 20429},
		{"call_in_progress", nil, func(g *testGateway) answer {
			to := "Channel=call&To=" + url.QueryEscape(mobile)
			g.ask("POST", path+"/Verifications", to)
			g.clock.pass(31 * time.Second)
			return g.ask("POST", path+"/Verifications", to)
		}, 60212},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, "", c.change)
			a := c.drive(g)
			if a.status != http.StatusTooManyRequests || a.code() != c.code || !strings.HasSuffix(a.field("message"), "the limit "+c.name) {
				t.Errorf("%d %s", a.status, a.body)
			}
			if a.header.Get("Retry-After") == "" {
				t.Errorf("no Retry-After: %v", a.header)
			}
		})
	}
}

// TestPolicy asks for what the app or the number's holder doesn't want.
func TestPolicy(t *testing.T) {
	g := newGateway(t, "", nil)
	const send = "/v2/Services/" + otherVA + "/Verifications"
	if a := g.as(otherAC, otherKey, "POST", send, "To=%2B14155552671&Channel=sms"); a.status != 403 || a.code() != 60605 {
		t.Errorf("another country: %d %s", a.status, a.body)
	}
	if a := g.as(otherAC, otherKey, "POST", send, "To=%2B819012345678&Channel=call"); a.status != 400 || a.code() != 60204 {
		t.Errorf("a channel that isn't offered: %d %s", a.status, a.body)
	}
	// The holder presses 0# and then #: they didn't ask for it.
	if a := g.ask("POST", path+"/Verifications", "To=%2B81312345678&Channel=call"); a.status != 201 {
		t.Fatal(a.body)
	}
	g.pickUp(landline)
	id := g.calls(landline)[0].ID
	for range 2 {
		g.sandbox("POST", "/sandbox/api/calls/"+id+"/press", `{"digits":"0#"}`)
		if a := g.ask("GET", path+"/Verifications/"+landline, ""); a.field("status") != "pending" {
			if a.field("status") != "failed" {
				t.Errorf("a denied verification is %s", a.body)
			}
			break
		}
		g.sandbox("POST", "/sandbox/api/calls/"+id+"/press", `{"digits":"#"}`)
	}
	if a := g.ask("POST", path+"/Verifications", "To=%2B81312345678&Channel=call"); a.status != 403 || a.code() != 60410 {
		t.Errorf("a number that its holder blocked: %d %s", a.status, a.body)
	}
}

// TestFraud: what a fraud rule refuses is told as Twilio's own guard tells it.
func TestFraud(t *testing.T) {
	g := newGateway(t, "", func(s *setup) {
		s.config.Fraud.Mode = gateway.FraudEnforce
		s.config.Fraud.Range = ratelimit.Limit{Burst: 1, Count: 1, Period: time.Hour}
	})
	g.start(mobile, "")
	a := g.ask("POST", path+"/Verifications", "Channel=sms&To=%2B819012340000")
	if a.status != http.StatusForbidden || a.code() != 60410 || !strings.Contains(a.field("message"), "not approved") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestProviderFaults: what the carrier does is told by kind, and asking again sends again.
func TestProviderFaults(t *testing.T) {
	want := map[providers.Kind]struct{ status, code int }{
		providers.Invalid: {400, 60200}, providers.Rejected: {403, 60410}, providers.Throttled: {503, 20503},
		providers.Unavailable: {503, 20503}, providers.Auth: {503, 20503}, providers.Ambiguous: {503, 20503},
	}
	for _, kind := range providers.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			g := newGateway(t, "", nil)
			g.phone("POST", mobile+"/behaviour", `{"error":"`+string(kind)+`"}`)
			a := g.ask("POST", path+"/Verifications", "To=%2B819012345678&Channel=sms")
			if a.status != want[kind].status || a.code() != want[kind].code {
				t.Errorf("%d %s", a.status, a.body)
			}
			// It was an attempt, and its verification is pending.
			before := g.ask("GET", path+"/Verifications/"+mobile, "")
			if before.field("status") != "pending" || strings.Count(before.body, "attempt_sid") != 1 {
				t.Errorf("%s", before.body)
			}
			g.clock.pass(31 * time.Second)
			if again := g.start(mobile, ""); again != before.field("sid") {
				t.Errorf("%s, and again %s", before.field("sid"), again)
			}
			if a := g.check(mobile, g.code(mobile)); a.field("status") != "approved" {
				t.Errorf("%s", a.body)
			}
		})
	}
}

// TestStoreDown: nothing is sent that can't be recorded.
func TestStoreDown(t *testing.T) {
	redis := redistest.Start(t)
	g := newGateway(t, redis.Addr(), nil)
	sid, code := g.start(mobile, ""), g.code(mobile)
	redis.Kill()
	for _, r := range []struct{ method, path, form string }{
		{"POST", path + "/Verifications", "To=%2B819087654321&Channel=sms"},
		{"POST", path + "/VerificationCheck", "To=%2B819012345678&Code=" + code},
		{"POST", path + "/VerificationCheck", "VerificationSid=" + sid + "&Code=" + code},
		{"GET", path + "/Verifications/" + sid, ""},
		{"GET", path + "/Verifications/" + mobile, ""},
		{"POST", path + "/Verifications/" + sid, "Status=canceled"},
		{"GET", "/v2/Attempts", ""},
		{"GET", "/v2/Attempts/Summary", ""},
		{"GET", "/v2/Attempts/VL" + sid[2:32] + "01", ""},
	} {
		a := g.ask(r.method, r.path, r.form)
		if a.status != http.StatusServiceUnavailable || a.code() != 20503 || a.header.Get("Retry-After") == "" {
			t.Errorf("%s %s: %d %s", r.method, r.path, a.status, a.body)
		}
	}
	if n := len(g.messages("+819087654321")); n != 0 {
		t.Errorf("%d messages were sent that nobody recorded", n)
	}
	if a := g.ask("GET", path, ""); a.status != http.StatusOK {
		t.Errorf("a service, which isn't in the store: %d %s", a.status, a.body)
	}
	redis.Restart()
	g.start("+819087654321", "")
}

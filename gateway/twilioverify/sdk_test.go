package twilioverify_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twilio/twilio-go/client"
	verify "github.com/twilio/twilio-go/rest/verify/v2"
)

// swapped is twilio-go's own client with another address, as in
// docs/twilio-verify.md.
type swapped struct {
	*client.Client
	host string
}

func (s swapped) SendRequest(method, rawURL string, form url.Values, headers map[string]any, body ...byte) (*http.Response, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	u.Scheme, u.Host = "http", s.host
	return s.Client.SendRequest(method, u.String(), form, headers, body...)
}

// twilioGo is twilio-go's Verify API, on g.
func twilioGo(g *testGateway, user, password string) *verify.ApiService {
	c := &client.Client{Credentials: client.NewCredentials(user, password), HTTPClient: g.server.Client()}
	c.SetAccountSid(account)
	return verify.NewApiServiceWithClient(swapped{c, strings.TrimPrefix(g.server.URL, "http://")})
}

func ptr[T any](v T) *T { return &v }

// spoken is how a call in English says a code.
func spoken(code string) string {
	words := make([]string, len(code))
	for i, digit := range code {
		words[i] = []string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}[digit-'0']
	}
	return strings.Join(words, " ")
}

// TestTwilioGo does everything with Twilio's library for Go.
func TestTwilioGo(t *testing.T) {
	each(t, func(t *testing.T, g *testGateway) {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		api := twilioGo(g, account, portalKey)
		begin := g.clock.read().Add(-time.Second)
		v, err := api.CreateVerification(service, &verify.CreateVerificationParams{
			To: ptr(mobile), Channel: ptr("sms"), Locale: ptr("en"), CustomFriendlyName: ptr("Shop"), DeviceIp: ptr("192.0.2.1"),
			RateLimits: ptr[any](map[string]any{"end_user": "x"}), Tags: ptr(`{"a":"b"}`), RiskCheck: ptr("enable"),
		})
		must(err)
		if *v.Status != "pending" || *v.To != mobile || *v.Channel != "sms" || *v.Valid || *v.ServiceSid != service || *v.AccountSid != account ||
			len(*v.SendCodeAttempts) != 1 || v.DateCreated.Unix() != g.clock.read().Unix() {
			t.Errorf("%+v", v)
		}
		if text := g.messages(mobile)[0].Text; !strings.Contains(text, "Shop") || strings.Contains(text, "Example") {
			t.Errorf("%q", text)
		}
		code := g.code(mobile)

		c, err := api.CreateVerificationCheck(service, &verify.CreateVerificationCheckParams{To: ptr(mobile), Code: ptr(wrong(code))})
		must(err)
		if *c.Status != "pending" || *c.Valid || *c.Sid != *v.Sid {
			t.Errorf("%+v", c)
		}
		// Asking again calls the number, with the same code.
		g.clock.pass(31 * time.Second)
		again, err := api.CreateVerification(service, &verify.CreateVerificationParams{To: ptr(mobile), Channel: ptr("call")})
		must(err)
		if *again.Sid != *v.Sid || *again.Channel != "call" || len(*again.SendCodeAttempts) != 2 {
			t.Errorf("%+v", again)
		}
		if said := g.pickUp(mobile); strings.Count(said, spoken(code)) != 2 {
			t.Errorf("the call said %q, not twice %s", said, code)
		}
		fetched, err := api.FetchVerification(service, mobile)
		must(err)
		if *fetched.Sid != *v.Sid || *fetched.Status != "pending" {
			t.Errorf("%+v", fetched)
		}
		c, err = api.CreateVerificationCheck(service, &verify.CreateVerificationCheckParams{VerificationSid: v.Sid, Code: &code})
		must(err)
		if *c.Status != "approved" || !*c.Valid {
			t.Errorf("%+v", c)
		}
		_, err = api.CreateVerificationCheck(service, &verify.CreateVerificationCheckParams{To: ptr(mobile), Code: &code})
		var refused *client.TwilioRestError
		if !errors.As(err, &refused) || refused.Code != 20404 || refused.Status != 404 || refused.MoreInfo == "" {
			t.Errorf("%v", err)
		}

		// With an API key, end a verification by the app's own word.
		g.clock.pass(time.Second)
		byKey := twilioGo(g, apiKey, portalKey)
		for number, status := range map[string]string{"+819011112222": "canceled", "+819011113333": "approved"} {
			v, err := byKey.CreateVerification(service, &verify.CreateVerificationParams{To: &number, Channel: ptr("auto"), CustomCode: ptr(customCode)})
			must(err)
			u, err := byKey.UpdateVerification(service, *v.Sid, &verify.UpdateVerificationParams{Status: &status})
			must(err)
			if *u.Status != status || *u.Valid != (status == "approved") {
				t.Errorf("%+v", u)
			}
		}

		attempts, err := api.ListVerificationAttempt(&verify.ListVerificationAttemptParams{PageSize: ptr(1)})
		must(err)
		if len(attempts) != 4 || *attempts[3].VerificationSid != *v.Sid || *attempts[3].ConversionStatus != "unconverted" || *attempts[2].ConversionStatus != "converted" {
			t.Errorf("%d attempts: %+v", len(attempts), attempts)
		}
		one, err := api.FetchVerificationAttempt(*attempts[2].Sid)
		must(err)
		if *one.Channel != "call" || *one.VerificationSid != *v.Sid || one.Price != nil || (*one.ChannelData).(map[string]any)["to"] != mobile {
			t.Errorf("%+v", one)
		}
		filtered, err := api.ListVerificationAttempt(&verify.ListVerificationAttemptParams{
			DateCreatedAfter: &begin, DateCreatedBefore: ptr(g.clock.read().Add(time.Minute)), ChannelDataTo: ptr(mobile), Country: ptr("JP"), Channel: ptr("sms"),
			VerifyServiceSid: ptr(service), VerificationSid: v.Sid, Status: ptr("unconverted"),
		})
		must(err)
		if len(filtered) != 1 || *filtered[0].Sid != *attempts[3].Sid {
			t.Errorf("%+v", filtered)
		}
		sum, err := api.FetchVerificationAttemptsSummary(&verify.FetchVerificationAttemptsSummaryParams{Country: ptr("JP"), DestinationPrefix: ptr("+81901")})
		must(err)
		if sum.TotalAttempts != 4 || sum.TotalConverted != 2 || sum.TotalUnconverted != 2 || *sum.ConversionRatePercentage != "50.00" {
			t.Errorf("%+v", sum)
		}

		services, err := api.ListService(nil)
		if err == nil && (len(services) != 1 || *services[0].FriendlyName != "Example" || services[0].CodeLength != 6) {
			t.Errorf("%+v", services)
		}
		must(err)
		s, err := api.FetchService(service)
		must(err)
		if *s.Sid != service || s.DateCreated != nil {
			t.Errorf("%+v", s)
		}
		_, err = api.CreateService(&verify.CreateServiceParams{FriendlyName: ptr("Example")})
		must(err)
		_, err = api.UpdateService(service, &verify.UpdateServiceParams{CodeLength: ptr(8)})
		if !errors.As(err, &refused) || refused.Code != 20006 {
			t.Errorf("%v", err)
		}
		if err = api.DeleteService(service); !errors.As(err, &refused) || refused.Code != 20004 {
			t.Errorf("%v", err)
		}
	})
}

// TestFields holds the fields of every reply against twilio-go's models: none is
// missing, none is invented, and each has the type that is decoded.
func TestFields(t *testing.T) {
	g := newGateway(t, "", nil)
	sid := g.start(mobile, "")
	attempt := "VL" + sid[2:32] + "01"
	for _, c := range []struct {
		method, path, form string
		model              any
	}{
		{"GET", path + "/Verifications/" + sid, "", &verify.VerifyV2Verification{}},
		{"POST", path + "/VerificationCheck", "To=%2B819012345678&Code=1111", &verify.VerifyV2VerificationCheck{}},
		{"GET", "/v2/Attempts/" + attempt, "", &verify.VerifyV2VerificationAttempt{}},
		{"GET", "/v2/Attempts/Summary", "", &verify.VerifyV2VerificationAttemptsSummary{}},
		{"GET", "/v2/Attempts", "", &verify.ListVerificationAttemptResponse{}},
		{"GET", path, "", &verify.VerifyV2Service{}},
		{"GET", "/v2/Services", "", &verify.ListServiceResponse{}},
		{"GET", "/v2/nothing", "", &client.TwilioRestError{}},
	} {
		a := g.ask(c.method, c.path, c.form)
		strict := json.NewDecoder(strings.NewReader(a.body))
		strict.DisallowUnknownFields()
		if err := strict.Decode(c.model); err != nil {
			t.Errorf("%s: %v in %s", c.path, err, a.body)
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(a.body), &got); err != nil {
			t.Fatal(err)
		}
		model := reflect.TypeOf(c.model).Elem()
		for i := range model.NumField() {
			name, _, _ := strings.Cut(model.Field(i).Tag.Get("json"), ",")
			if _, ok := got[name]; !ok && name != "details" { // which Twilio leaves out, too, where there is none
				t.Errorf("%s: no %s in %s", c.path, name, a.body)
			}
		}
		if c.path == "/v2/Attempts" && !slices.Contains(keysOf(got["meta"]), "next_page_url") {
			t.Errorf("%s", a.body)
		}
	}
}

func keysOf(v any) (keys []string) {
	m, _ := v.(map[string]any)
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

// TestSupabase makes the requests of Supabase Auth's own Twilio Verify client,
// and reads the replies as it does: internal/api/sms_provider/twilio_verify.go in
// github.com/supabase/auth, commit 00ee75c. It sends number without a plus as it
// keeps it, after "+".
func TestSupabase(t *testing.T) {
	g := newGateway(t, "", nil)
	post := func(path string, form url.Values) answer {
		r, err := http.NewRequestWithContext(t.Context(), "POST", g.server.URL+"/v2/Services/"+service+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Add("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(account, portalKey)
		return g.do(r)
	}
	decode := func(a answer, to any) {
		t.Helper()
		if err := json.Unmarshal([]byte(a.body), to); err != nil {
			t.Fatalf("%v in %s", err, a.body)
		}
	}
	const stored = "819012345678"
	type reply struct {
		To           string `json:"to"`
		Status       string `json:"status"`
		Channel      string `json:"channel"`
		Valid        bool   `json:"valid"`
		SID          string `json:"sid"`
		ErrorCode    string `json:"error_code"`
		ErrorMessage string `json:"error_message"`
	}
	type failure struct {
		Code     int    `json:"code"`
		Message  string `json:"message"`
		MoreInfo string `json:"more_info"`
		Status   int    `json:"status"`
	}
	a := post("/Verifications", url.Values{"To": {"+" + stored}, "Channel": {"sms"}})
	var sent reply
	decode(a, &sent)
	if a.status != http.StatusCreated || sent.SID == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	a = post("/VerificationCheck", url.Values{"To": {"+" + stored}, "Code": {wrong(g.code(mobile))}})
	var checked reply
	decode(a, &checked)
	if a.status != http.StatusOK || checked.Status == "approved" || checked.Valid {
		t.Errorf("%d %s", a.status, a.body)
	}
	a = post("/VerificationCheck", url.Values{"To": {"+" + stored}, "Code": {g.code(mobile)}})
	decode(a, &checked)
	if a.status != http.StatusOK || checked.Status != "approved" || !checked.Valid {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, form := range []url.Values{{"To": {"+" + stored}, "Channel": {"whatsapp"}}, {"To": {"+123"}, "Channel": {"sms"}}} {
		var failed failure
		a = post("/Verifications", form)
		decode(a, &failed)
		if a.status == http.StatusOK || a.status == http.StatusCreated || failed.Code == 0 || failed.Message == "" || failed.Status != a.status {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}

package hooks

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"denwa/gateway"
	"denwa/providers"
)

// TestDecode: the shapes beside the recorded ones.
func TestDecode(t *testing.T) {
	now := time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
	const form = "application/x-www-form-urlencoded"
	fields := gateway.HookFields{Number: "phone", Message: "sms", ID: "uuid", Secret: "token"}
	for _, c := range []struct {
		name   string
		kind   gateway.HookType
		fields gateway.HookFields
		media  string
		body   string
		want   order
	}{
		{
			"Supabase without metadata", gateway.HookSupabase,
			gateway.HookFields{},
			"",
			`{"user":{"phone":"819012345678"},"sms":{"otp":"123456"}}`,
			order{to: "819012345678", international: true, code: "123456", key: []string{"", "819012345678", "123456"}},
		},
		{
			"Supabase with a new number", gateway.HookSupabase,
			gateway.HookFields{},
			"application/json; charset=utf-8",
			`{"metadata":{"uuid":"u"},"user":{"phone":"819012345678"},"sms":{"otp":"123456","phone":"819087654321","sms_type":"phone_change"}}`,
			order{to: "819087654321", international: true, code: "123456", key: []string{"u", "819087654321", "123456"}},
		},
		{
			"Kratos without a code", gateway.HookKratos,
			gateway.HookFields{},
			"",
			`{"to":"+819012345678","text":"hello","type":"stub","code":""}`,
			order{to: "+819012345678", text: "hello", key: []string{"+819012345678", "stub", "", "hello"}},
		},
		{
			"Zitadel's phone verification", gateway.HookZitadel,
			gateway.HookFields{},
			"",
			`{"contextInfo":{"eventType":"user.human.phone.code.added","provider":{"id":"1"},"recipientPhoneNumber":"+819012345678"},"templateData":{"text":"Code 123456"},"args":{"code":"123456","expiry":"5m"}}`,
			order{to: "+819012345678", text: "Code 123456", key: []string{"+819012345678", "user.human.phone.code.added", "123456"}},
		},
		{
			"Zitadel's older releases", gateway.HookZitadel,
			gateway.HookFields{},
			"",
			`{"contextInfo":{"eventType":"e","recipientPhoneNumber":"+819012345678"},"templateData":{"text":"Code 123456"},"args":{"oTP":"123456","expiry":60500000000}}`,
			order{to: "+819012345678", text: "Code 123456", validFor: time.Minute, key: []string{"+819012345678", "e", "123456"}},
		},
		{
			"Zitadel's notice", gateway.HookZitadel,
			gateway.HookFields{},
			"",
			`{"contextInfo":{"eventType":"e","recipientPhoneNumber":"+819012345678"},"templateData":{"text":"Changed"},"args":{}}`,
			order{to: "+819012345678", text: "Changed", key: []string{"+819012345678", "e", "", "Changed"}},
		},
		{
			"authentik with a mapping that leaves out the text", gateway.HookAuthentik,
			gateway.HookFields{},
			"",
			`{"To":"090-1234-5678","Body":"123456"}`,
			order{to: "090-1234-5678", code: "123456", key: []string{"090-1234-5678", "123456", ""}},
		},
		{
			"Okta's call", gateway.HookOkta,
			gateway.HookFields{},
			"",
			`{"eventId":"e","data":{"context":{},"messageProfile":{"phoneNumber":"+819012345678","deliveryChannel":"CALL","otpCode":"123456","otpExpires":"2026-04-01T12:05:00.500Z","locale":"ja-JP","msgTemplate":null}}}`,
			order{
				to: "+819012345678", code: "123456", locale: "ja-JP", call: true, validFor: 5 * time.Minute,
				key: []string{"e", "CALL", "+819012345678", "123456"},
			},
		},
		{
			"Okta's call by its other name", gateway.HookOkta,
			gateway.HookFields{},
			"",
			`{"eventId":"e","data":{"messageProfile":{"phoneNumber":"+819012345678","deliveryChannel":"voice call","otpCode":"123456","msgTemplate":"Code 123456"}}}`,
			order{to: "+819012345678", code: "123456", call: true, key: []string{"e", "voice call", "+819012345678", "123456"}},
		},
		{
			"Okta's expired code", gateway.HookOkta,
			gateway.HookFields{},
			"",
			`{"data":{"context":{"request":{"id":"r"}},"messageProfile":{"phoneNumber":"+819012345678","deliveryChannel":"SMS","otpCode":"123456","otpExpires":"2026-04-01T11:59:00Z","msgTemplate":"Code 123456"}}}`,
			order{to: "+819012345678", code: "123456", text: "Code 123456", key: []string{"r", "SMS", "+819012345678", "123456"}},
		},
		{
			"Keycloak's form", gateway.HookKeycloak,
			gateway.HookFields{},
			form, file(t, "keycloak.form"),
			order{
				to: "+819012345678", text: "Your SMS code is 561166 and is valid for 5 minutes.",
				key: []string{"+819012345678", "Your SMS code is 561166 and is valid for 5 minutes."},
			},
		},
		{
			"Keycloak's own names", gateway.HookKeycloak, fields, "",
			`{"token":"secret","uuid":"u","sms":"Code 123456","phone":"+819012345678","from":"x","more":{"a":[1]}}`,
			order{to: "+819012345678", text: "Code 123456", key: []string{"+819012345678", "Code 123456", "u"}},
		},
	} {
		if c.media == "" {
			c.media = "application/json"
		}
		r := &request{header: http.Header{"Content-Type": {c.media}}, body: []byte(c.body), at: now}
		got, err := serviceOf(t, c.kind).decode(gateway.Hook{Type: c.kind, Fields: c.fields}, r)
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(order{})); err != nil || diff != "" {
			t.Errorf("%s: %v %s", c.name, err, diff)
		}
	}
}

func serviceOf(t testing.TB, kind gateway.HookType) service {
	t.Helper()
	for _, s := range services() {
		if s.kind == kind {
			return s
		}
	}
	t.Fatalf("no service %s", kind)
	return service{}
}

// TestEveryTypeIsServed: each type that can be configured is a row.
func TestEveryTypeIsServed(t *testing.T) {
	var served []gateway.HookType
	for _, s := range services() {
		served = append(served, s.kind)
		if s.each() <= 0 || s.each() >= s.within() || s.within() >= s.patience-s.margin() {
			t.Errorf("%s: %v for one provider, %v for all, %v till it gives up", s.kind, s.each(), s.within(), s.patience)
		}
	}
	if diff := cmp.Diff(gateway.HookTypes(), served); diff != "" {
		t.Error(diff)
	}
}

// TestNumbers: with and without a plus, national or not.
func TestNumbers(t *testing.T) {
	g := newGateway(t, connect(t, ""), nil)
	p := g.service.Policy()
	for _, c := range []struct {
		to            string
		international bool
		want          string
	}{
		{"+819012345678", true, "+819012345678"},
		{"819012345678", true, "+819012345678"},
		{"12025550123", true, "+12025550123"},
		{" 819012345678 ", true, "+819012345678"},
		{"+819012345678", false, "+819012345678"},
		{"819012345678", false, "819012345678"}, // Japan's own code is read without a plus
		{"12025550123", false, "+12025550123"},
		{"09012345678", false, "09012345678"},
		{"09012345678", true, "09012345678"},
		{"090-1234-5678", true, "090-1234-5678"},
		{"", true, ""},
	} {
		if got := number(p, p.App("portal"), order{to: c.to, international: c.international}); got != c.want {
			t.Errorf("%q (%v): %q, want %q", c.to, c.international, got, c.want)
		}
	}
}

// TestKeycloakSecretInBody: where the authenticator puts it into the body.
func TestKeycloakSecretInBody(t *testing.T) {
	g := newGateway(t, connect(t, ""), func(c *gateway.Config) {
		c.Apps[0].Hooks = []gateway.Hook{{Type: gateway.HookKeycloak, Secret: plainSecret, Fields: gateway.HookFields{Secret: "apikey"}}}
	})
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	body := file(t, "keycloak.form")
	for apikey, want := range map[string]int{
		"apikey=a+secret+for+tests&": http.StatusOK, "apikey=another+secret+&": http.StatusUnauthorized, "": http.StatusUnauthorized,
	} {
		if a := g.post("/hooks/portal/keycloak", apikey+body, header); a.status != want {
			t.Errorf("%q: %s", apikey, a.line())
		}
	}
	if n := len(g.messages("+" + recordedNumber)); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// TestOktaCalls: what Okta wants to be said is said, in the person's language.
func TestOktaCalls(t *testing.T) {
	g := newGateway(t, connect(t, ""), nil)
	c := callerOf(t, gateway.HookOkta)
	body := strings.ReplaceAll(c.body, `"deliveryChannel":"SMS"`, `"deliveryChannel":"CALL"`)
	body = strings.ReplaceAll(body, `"msgTemplate":"Your verification code is 561166.",`, "")
	if a := g.post(c.path(), body, c.sign(body, g.read())); a.status != http.StatusOK || !strings.Contains(a.body, "SUCCESSFUL") {
		t.Fatal(a.line())
	}
	var calls []struct {
		ID   string
		Said []string
	}
	number := "+" + recordedNumber
	read := func() {
		if err := json.Unmarshal(g.ask(http.MethodGet, number+"/calls", ""), &calls); err != nil {
			t.Fatal(err)
		}
	}
	for read(); len(calls) == 0; read() {
		time.Sleep(5 * time.Millisecond)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		answerCall(g, calls[0].ID)
		read()
		if heard := strings.Join(calls[0].Said, " "); strings.Count(heard, " one") >= 4 && strings.HasPrefix(heard, "Example:  five six") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("said: %q", calls[0].Said)
		}
	}
	if n := len(g.messages(number)); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// FuzzDecode: whatever a service that has the secret sends, it is read or refused
// with an error that tells nothing of it.
func FuzzDecode(f *testing.F) {
	for i, c := range callers(f) {
		f.Add(uint8(i), "application/json", c.body)
	}
	f.Add(uint8(6), "application/x-www-form-urlencoded", file(f, "keycloak.form"))
	f.Fuzz(func(t *testing.T, i uint8, media, body string) {
		s := services()[int(i)%len(services())]
		hook := gateway.Hook{Type: s.kind, Fields: gateway.HookFields{Secret: "token", ID: "id"}, Secret: plainSecret}
		r := &request{header: http.Header{
			"Content-Type": {media}, "Webhook-Signature": {body}, "Webhook-Timestamp": {media}, "Webhook-Id": {"a"}, zitadelSignature: {body},
		}, body: []byte(body), at: signedAt}
		if s.verify(hook, r) == nil && s.kind.Signed() {
			t.Error("a forged signature passed")
		}
		o, err := s.decode(hook, r)
		var e *gateway.Error
		switch {
		case err == nil:
			if o.to == "" || o.text == "" && o.code == "" || o.name(s.kind) == "" {
				t.Errorf("%+v", o)
			}
		case !errors.As(err, &e) || e.Code != gateway.CodeInvalidRequest:
			t.Errorf("%v", err)
		}
		d := &gateway.Dispatch{ID: "dl_x", Attempts: make([]gateway.Delivery, 1)}
		if a := s.answer(resultOf(english, d, err)); a.Status < 200 || a.ContentType == "" {
			t.Errorf("%+v", a)
		}
	})
}

var _ providers.Switchboard = (*testGateway)(nil)

// answerCall picks a ringing phone up; before it rings nothing happens.
func answerCall(g *testGateway, id string) {
	r, err := http.NewRequest(http.MethodPost, "/sandbox/api/calls/"+id+"/answer", strings.NewReader("{}"))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	g.phones.Handler().ServeHTTP(discard{http.Header{}}, r)
}

// discard is a reply that nobody reads.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

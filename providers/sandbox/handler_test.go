package sandbox

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"denwa/providers"
)

// request asks the phones' handler. A body is sent as JSON.
func request(p *Phones, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer := httptest.NewRecorder()
	p.Handler().ServeHTTP(answer, r)
	return answer
}

// Whoever is about to send many messages can find out where they go.
func TestCarriers(t *testing.T) {
	phones := NewPhones()
	open(t, phones, "a", discard)
	open(t, phones, "b", discard)
	for _, want := range []string{`{"carriers":["a","b"],"others":false}`, `{"carriers":["a","b"],"others":true}`} {
		if answer := request(phones, http.MethodGet, "/sandbox/api/carriers", ""); answer.Code != http.StatusOK || answer.Body.String() != want+"\n" {
			t.Errorf("%d %s, want %s", answer.Code, answer.Body, want)
		}
		phones.BesideOthers()
	}
}

func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phones := NewPhones()
		p, _ := open(t, phones, "a", discard)
		const messages = "/sandbox/api/phones/%2B819012345678/messages"
		if answer := request(phones, http.MethodGet, messages, ""); answer.Code != http.StatusOK || answer.Body.String() != "[]\n" {
			t.Errorf("before anything arrived: %d %s", answer.Code, answer.Body)
		}
		for _, msg := range []providers.Message{
			{Delivery: "vf_a.1", To: number, Text: "【Example】認証コード：123456\n\n@example.com #123456"},
			{Delivery: "vf_b.1", To: "+819000000000", Text: "another phone's"},
			{Delivery: "vf_a.2", To: number, Text: "<b>&amp;</b>"},
		} {
			if _, err := p.SendMessage(t.Context(), msg); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond)
			phones.behave(number, Behaviour{SMS: providers.Undelivered, DelayMS: 60_000})
		}
		const want = `[{"id":"sms-1","delivery":"vf_a.1","text":"【Example】認証コード：123456\n\n@example.com #123456","at":"2000-01-01T00:00:00Z","status":"delivered"},` +
			`{"id":"sms-3","delivery":"vf_a.2","text":"<b>&amp;</b>","at":"2000-01-01T00:00:03Z","status":"sent"}]` + "\n"
		for _, path := range []string{messages, strings.Replace(messages, "%2B", "+", 1), strings.Replace(messages, "%2B", "", 1)} {
			answer := request(phones, http.MethodGet, path, "")
			if diff := cmp.Diff(want, answer.Body.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
			for name, value := range map[string]string{
				"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			} {
				if got := answer.Header().Get(name); got != value {
					t.Errorf("%s: %q, want %q", name, got, value)
				}
			}
		}
		if answer := request(phones, http.MethodDelete, "/sandbox/api/phones/819012345678", ""); answer.Code != http.StatusNoContent || answer.Body.Len() > 0 {
			t.Errorf("delete: %d %s", answer.Code, answer.Body)
		}
		if got := request(phones, http.MethodGet, messages, "").Body.String(); got != "[]\n" {
			t.Errorf("after delete: %s", got)
		}
		if got := phones.behaviour(number); got != usual() {
			t.Errorf("after delete it behaves as %+v", got)
		}
		time.Sleep(time.Hour) // the receipt of the message that is gone
	})
}

func TestBehaviour(t *testing.T) {
	const path = "/sandbox/api/phones/+819012345678/behaviour"
	phones := NewPhones()
	p, _ := open(t, phones, "a", discard)
	shows := func(want string) {
		t.Helper()
		answer := request(phones, http.MethodGet, path, "")
		if answer.Code != http.StatusOK || answer.Body.String() != want+"\n" {
			t.Errorf("got %d %s, want %s", answer.Code, answer.Body, want)
		}
	}
	set := func(body string) {
		t.Helper()
		if answer := request(phones, http.MethodPost, path, body); answer.Code != http.StatusNoContent || answer.Body.Len() > 0 {
			t.Errorf("%s: %d %s", body, answer.Code, answer.Body)
		}
	}
	shows(`{"sms":"delivered","voice":"ringing","delay_ms":0}`)
	set(`{"sms":"undelivered","voice":"busy","delay_ms":3,"error":"throttled"}`)
	shows(`{"sms":"undelivered","voice":"busy","delay_ms":3,"error":"throttled"}`)
	set(`{"sms":"expired","voice":"machine"}`) // the whole of it is replaced
	shows(`{"sms":"expired","voice":"machine","delay_ms":0}`)

	// A call uses it up, but not how the next message fares; and the other way round.
	set(`{"sms":"expired","voice":"busy","delay_ms":3}`)
	if _, err := p.PlaceCall(t.Context(), providers.Call{Delivery: "d1", To: number}); err != nil {
		t.Fatal(err)
	}
	shows(`{"sms":"expired","voice":"ringing","delay_ms":0}`)
	set(`{"sms":"expired","voice":"machine"}`)
	if _, err := p.SendMessage(t.Context(), providers.Message{Delivery: "d1", To: number}); err != nil {
		t.Fatal(err)
	}
	shows(`{"sms":"delivered","voice":"machine","delay_ms":0}`)
	set(`{}`)
	shows(`{"sms":"delivered","voice":"ringing","delay_ms":0}`)
	for _, v := range voices() {
		set(`{"voice":"` + string(v) + `"}`)
	}
	for _, s := range providers.MessageStatuses() {
		set(`{"sms":"` + string(s) + `"}`)
	}
	for _, k := range providers.Kinds() {
		set(`{"error":"` + string(k) + `"}`)
	}
}

func TestProblems(t *testing.T) {
	const (
		behaviour = "/sandbox/api/phones/+819012345678/behaviour"
		object    = "the body must be a JSON object with any of delay_ms, error, sms, voice"
		statuses  = "sms must be one of accepted, sent, delivered, undelivered, failed, expired"
		outcomes  = "voice must be one of ringing, busy, no_answer, declined, unreachable, machine, failed"
		kinds     = "error must be one of invalid, rejected, throttled, unavailable, auth, ambiguous"
		delay     = "delay_ms must be a whole number from 0 to 600000"
		digits    = "digits must be 1 to 32 of 0-9, * and #"
		nothing   = "the body must be empty or {}"
		e164      = "the number in the path must be in E.164: a country code and the number, 7 to 15 digits"
	)
	for _, test := range []struct {
		method, path, body string
		want               problem
	}{
		{"POST", behaviour, `{"sms":"eaten"}`, problem{Status: 400, Code: "invalid_request", Field: "sms", Detail: statuses}},
		{"POST", behaviour, `{"sms":null}`, problem{Status: 400, Code: "invalid_request", Field: "sms", Detail: statuses}},
		{"POST", behaviour, `{"sms":""}`, problem{Status: 400, Code: "invalid_request", Field: "sms", Detail: statuses}},
		{"POST", behaviour, `{"voice":"delivered"}`, problem{Status: 400, Code: "invalid_request", Field: "voice", Detail: outcomes}},
		{"POST", behaviour, `{"voice":["busy"]}`, problem{Status: 400, Code: "invalid_request", Field: "voice", Detail: outcomes}},
		{"POST", behaviour, `{"error":"oops"}`, problem{Status: 400, Code: "invalid_request", Field: "error", Detail: kinds}},
		{"POST", behaviour, `{"delay_ms":-1}`, problem{Status: 400, Code: "invalid_request", Field: "delay_ms", Detail: delay}},
		{"POST", behaviour, `{"delay_ms":600001}`, problem{Status: 400, Code: "invalid_request", Field: "delay_ms", Detail: delay}},
		{"POST", behaviour, `{"delay_ms":1.5}`, problem{Status: 400, Code: "invalid_request", Field: "delay_ms", Detail: delay}},
		{"POST", behaviour, `{"delay_ms":null}`, problem{Status: 400, Code: "invalid_request", Field: "delay_ms", Detail: delay}},
		{"POST", behaviour, `{"delay_ms":"5"}`, problem{Status: 400, Code: "invalid_request", Field: "delay_ms", Detail: delay}},
		{"POST", behaviour, `{"SMS":"failed"}`, problem{Status: 400, Code: "invalid_request", Field: "SMS", Detail: "SMS is unknown; the fields are delay_ms, error, sms, voice"}},
		{"POST", behaviour, `null`, problem{Status: 400, Code: "invalid_request", Detail: object}},
		{"POST", behaviour, `[]`, problem{Status: 400, Code: "invalid_request", Detail: object}},
		{"POST", behaviour, `{} {}`, problem{Status: 400, Code: "invalid_request", Detail: object}},
		{"POST", behaviour, `{"sms"`, problem{Status: 400, Code: "invalid_request", Detail: object}},
		{"POST", behaviour, "{}" + strings.Repeat(" ", maxBody), problem{Status: 413, Code: "payload_too_large", Detail: "the body is too large"}},
		{"POST", behaviour, "", problem{Status: 415, Code: "invalid_request", Detail: "the body must be application/json"}},
		{"PUT", behaviour, `{}`, problem{Status: 405, Code: "invalid_request", Detail: "this path takes GET and POST only"}},
		{"POST", "/sandbox/api/phones/+819012345678/messages", `{}`, problem{Status: 405, Code: "invalid_request", Detail: "this path takes GET only"}},
		{"GET", "/sandbox/api/phones/+819012345678", "", problem{Status: 405, Code: "invalid_request", Detail: "this path takes DELETE only"}},
		{"GET", "/sandbox/api/phones/+819012345678/faxes", "", problem{Status: 404, Code: "not_found", Detail: "no such path"}},
		{"POST", "/sandbox/api/phones/+819012345678/calls", `{}`, problem{Status: 405, Code: "invalid_request", Detail: "this path takes GET only"}},
		{"GET", "/sandbox/api/calls/call-1/press", "", problem{Status: 405, Code: "invalid_request", Detail: "this path takes POST only"}},
		{"POST", "/sandbox/api/calls/call-1/answer", `{}`, problem{Status: 404, Code: "not_found", Detail: "no such call"}},
		{"POST", "/sandbox/api/calls/sms-1/hangup", `{}`, problem{Status: 404, Code: "not_found", Detail: "no such call"}},
		{"POST", "/sandbox/api/calls/call-1/press", `{"digits":"#"}`, problem{Status: 404, Code: "not_found", Detail: "no such call"}},
		{"POST", "/sandbox/api/calls/call-1/sing", `{}`, problem{Status: 404, Code: "not_found", Detail: "no such path"}},
		{"POST", "/sandbox/api/calls/call-1/answer", "", problem{Status: 415, Code: "invalid_request", Detail: "the body must be application/json"}},
		{"POST", "/sandbox/api/calls/call-1/answer", `{"digits":"#"}`, problem{Status: 400, Code: "invalid_request", Detail: nothing}},
		{"POST", "/sandbox/api/calls/call-1/hangup", `null`, problem{Status: 400, Code: "invalid_request", Detail: nothing}},
		{"POST", "/sandbox/api/calls/call-1/press", `["#"]`, problem{Status: 400, Code: "invalid_request", Detail: "the body must be a JSON object with digits"}},
		{"POST", "/sandbox/api/calls/call-1/press", `{}`, problem{Status: 400, Code: "invalid_request", Field: "digits", Detail: digits}},
		{"POST", "/sandbox/api/calls/call-1/press", `{"digits":""}`, problem{Status: 400, Code: "invalid_request", Field: "digits", Detail: digits}},
		{"POST", "/sandbox/api/calls/call-1/press", `{"digits":1}`, problem{Status: 400, Code: "invalid_request", Field: "digits", Detail: digits}},
		{"POST", "/sandbox/api/calls/call-1/press", `{"digits":"１"}`, problem{Status: 400, Code: "invalid_request", Field: "digits", Detail: digits}},
		{"POST", "/sandbox/api/calls/call-1/press", `{"digits":"#\n"}`, problem{Status: 400, Code: "invalid_request", Field: "digits", Detail: digits}},
		{"POST", "/sandbox/api/calls/call-1/press", `{"digits":"012345678901234567890123456789012"}`, problem{Status: 400, Code: "invalid_request", Field: "digits", Detail: digits}},
		{"POST", "/sandbox/api/calls/call-1/press", `{"digits":"#","Digits":"#"}`, problem{Status: 400, Code: "invalid_request", Field: "Digits", Detail: "Digits is unknown; the only field is digits"}},
		{"GET", "/sandbox/api/phones/09012345678/messages", "", problem{Status: 422, Code: "invalid_number", Detail: e164}},
		{"GET", "/sandbox/api/phones/+81901234567890123/messages", "", problem{Status: 422, Code: "invalid_number", Detail: e164}},
		{"GET", "/sandbox/api/phones/++819012345678/messages", "", problem{Status: 422, Code: "invalid_number", Detail: e164}},
		{"DELETE", "/sandbox/api/phones/me", "", problem{Status: 422, Code: "invalid_number", Detail: e164}},
	} {
		phones := NewPhones()
		answer := request(phones, test.method, test.path, test.body)
		test.want.Type, test.want.Title = "about:blank", http.StatusText(test.want.Status)
		var got problem
		if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil {
			t.Errorf("%s %s: %v: %s", test.method, test.path, err, answer.Body)
		}
		name := test.method + " " + test.path + " " + test.body[:min(30, len(test.body))]
		if diff := cmp.Diff(test.want, got); diff != "" || answer.Code != test.want.Status {
			t.Errorf("%s: %d (-want +got):\n%s", name, answer.Code, diff)
		}
		if got := answer.Header().Get("Content-Type"); got != "application/problem+json; charset=utf-8" {
			t.Errorf("%s: Content-Type %q", name, got)
		}
		if allow := answer.Header().Get("Allow"); (allow != "") != (answer.Code == http.StatusMethodNotAllowed) {
			t.Errorf("%s: Allow %q", name, allow)
		}
		if len(phones.numbers) != 0 {
			t.Errorf("%s: changed a phone", name)
		}
	}
}

func FuzzParseBehaviour(f *testing.F) {
	for _, seed := range []string{`{"sms":"undelivered","voice":"busy","delay_ms":0,"error":"throttled"}`, `{}`, `null`, `{"sms":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b, bad := parseBehaviour(body)
		if bad != nil {
			if bad.detail == "" {
				t.Error("refused without a word")
			}
			return
		}
		// What was taken can be shown, and taken again.
		again, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if same, bad := parseBehaviour(again); bad != nil || same != b {
			t.Errorf("%s became %s, then %+v, %v", body, again, same, bad)
		}
	})
}

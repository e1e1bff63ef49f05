package twilio

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"denwa/ivr"
	"denwa/ivr/twiml"
	"denwa/providers"
)

// place places one call of a mode, and returns it with all around it.
func place(t *testing.T, mode ivr.Mode) (*fakeCall, *exchange, *ledger) {
	t.Helper()
	book := &ledger{}
	calls := &exchange{script: ivr.Script{Mode: mode, Locale: "ja", Brand: "Example", Digits: 6}, shown: "012345", attempts: 5}
	if mode == ivr.ModeCode {
		calls.script.Code = "012345"
	}
	fake, p := startCalling(t, voiceConfig(), book.receive, calls)
	call := testCall()
	call.Script = calls.script
	if _, err := p.PlaceCall(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	return fake.calls[0], calls, book
}

// Every outcome, as Twilio plays it: what is pressed in each step, "" being
// silence, and "hang up" the end.
func TestCallsFromEndToEnd(t *testing.T) {
	for _, test := range []struct {
		name    string
		mode    ivr.Mode
		by      string
		keys    []string
		pressed []string
		want    providers.Status
		result  ivr.Verdict
	}{
		{"confirmed", ivr.ModeConfirm, "human", []string{"#"}, []string{"#"}, providers.Confirmed, ivr.Approved},
		{"confirmed by who knows", ivr.ModeConfirm, "unknown", []string{"#"}, []string{"#"}, providers.Confirmed, ivr.Approved},
		{"confirmed at last", ivr.ModeConfirm, "human", []string{"", "1", "#"}, []string{"#"}, providers.Confirmed, ivr.Approved},
		{"denied", ivr.ModeConfirm, "human", []string{"0", "#"}, []string{"0#"}, providers.Denied, ivr.Denied},
		{"denied in a hurry", ivr.ModeConfirm, "human", []string{"0#", "#"}, []string{"0#"}, providers.Denied, ivr.Denied},
		{"silence", ivr.ModeConfirm, "human", []string{"", "", ""}, nil, providers.NoInput, ""},
		{"other keys", ivr.ModeConfirm, "human", []string{"1", "*", "5"}, nil, providers.WrongInput, ""},
		{"hung up", ivr.ModeConfirm, "human", []string{"hang up"}, nil, providers.HungUp, ""},
		{"hung up after a 0", ivr.ModeConfirm, "human", []string{"0", "hang up"}, nil, providers.HungUp, ""},
		{"voicemail", ivr.ModeConfirm, "machine_start", nil, nil, providers.Machine, ""},
		{"fax", ivr.ModeCode, "fax", nil, nil, providers.Machine, ""},
		{"code", ivr.ModeCode, "human", []string{""}, nil, providers.Delivered, ""},
		{"code again", ivr.ModeCode, "human", []string{"3", ""}, nil, providers.Delivered, ""},
		{"code denied", ivr.ModeCode, "human", []string{"0", "#"}, []string{"0#"}, providers.Denied, ivr.Denied},
		{"code and hung up", ivr.ModeCode, "human", []string{"hang up"}, nil, providers.HungUp, ""},
		{"keyed", ivr.ModeKeyed, "human", []string{"012345#"}, []string{"012345"}, providers.Confirmed, ivr.Approved},
		{"keyed without #", ivr.ModeKeyed, "human", []string{"012345"}, []string{"012345"}, providers.Confirmed, ivr.Approved},
		{"keyed the second time", ivr.ModeKeyed, "human", []string{"999999#", "012345#"}, []string{"999999", "012345"}, providers.Confirmed, ivr.Approved},
		{"keyed wrong", ivr.ModeKeyed, "human", []string{"999999#", "12345#", "999998#"}, []string{"999999", "999998"}, providers.WrongInput, ""},
		{"keyed silence", ivr.ModeKeyed, "human", []string{"", "#", ""}, nil, providers.NoInput, ""},
	} {
		for _, finishing := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/finishing=%v", test.name, finishing), func(t *testing.T) {
				call, calls, book := place(t, test.mode)
				call.finishing = finishing
				for _, status := range []string{"queued", "ringing", "in-progress"} {
					if got := call.report(status); got != http.StatusNoContent {
						t.Fatalf("%s is answered %d", status, got)
					}
				}
				d := call.answer(test.by)
				for _, keys := range test.keys {
					if keys != "hang up" {
						d = call.press(d, keys)
					}
				}
				if got := call.report("completed"); got != http.StatusNoContent {
					t.Fatalf("completed is answered %d", got)
				}
				if got := book.known[testDelivery]; got.Status != test.want {
					t.Errorf("ends %s, want %s", got.Status, test.want)
				}
				if diff := cmp.Diff(test.pressed, calls.pressed); diff != "" || calls.result != test.result {
					t.Errorf("result is %q, want %q; pressed (-want +got):\n%s", calls.result, test.result, diff)
				}
				if last := test.keys; len(last) > 0 && last[len(last)-1] != "hang up" && (d.Hangup == nil || d.said() == "") {
					t.Errorf("it ends with %+v, not with a word", d)
				}
			})
		}
	}
}

// Where Twilio tells the key that finished, "0#" in one go denies at once. In
// the other modes it can't: one key ends the <Gather>.
func TestDenialWhileDigitsAreExpected(t *testing.T) {
	for _, finishing := range []bool{false, true} {
		call, calls, book := place(t, ivr.ModeKeyed)
		call.finishing = finishing
		d := call.press(call.answer("human"), "0#")
		if !finishing {
			if calls.result != "" {
				t.Error("denied by what may be the first digit of a code")
			}
			d = call.press(d, "#")
		}
		if calls.result != ivr.Denied || book.known[testDelivery].Status != providers.Denied || d.Hangup == nil {
			t.Errorf("finishing %v: result %q, status %+v, then %+v", finishing, calls.result, book.known, d)
		}
	}
}

func TestUnansweredCalls(t *testing.T) {
	for name, test := range map[string]struct {
		status string
		more   []string
		want   providers.Receipt
	}{
		"busy":         {"busy", nil, providers.Receipt{Status: providers.Busy}},
		"busy by SIP":  {"busy", []string{"SipResponseCode", "486"}, providers.Receipt{Status: providers.Busy}},
		"declined":     {"busy", []string{"SipResponseCode", "603"}, providers.Receipt{Status: providers.Declined}},
		"no answer":    {"no-answer", nil, providers.Receipt{Status: providers.NoAnswer}},
		"no answer487": {"no-answer", []string{"SipResponseCode", "487"}, providers.Receipt{Status: providers.NoAnswer}},
		"failed":       {"failed", nil, providers.Receipt{Status: providers.Failed}},
		"failed why":   {"failed", []string{"ErrorCode", "13224", "SipResponseCode", "500"}, providers.Receipt{Status: providers.Failed, Code: "13224", Kind: providers.Invalid}},
		"no such":      {"failed", []string{"SipResponseCode", "404"}, providers.Receipt{Status: providers.Unreachable}},
		"out of reach": {"failed", []string{"SipResponseCode", "480"}, providers.Receipt{Status: providers.Unreachable}},
		"canceled":     {"canceled", nil, providers.Receipt{Status: providers.Failed}},
		"a machine":    {"completed", []string{"AnsweredBy", "machine_start"}, providers.Receipt{Status: providers.Machine}},
	} {
		t.Run(name, func(t *testing.T) {
			call, _, book := place(t, ivr.ModeConfirm)
			for range 2 {
				for _, status := range []string{"initiated", "ringing"} {
					call.report(status)
				}
				if got := call.report(test.status, test.more...); got != http.StatusNoContent {
					t.Errorf("answered %d", got)
				}
			}
			test.want.Delivery = testDelivery
			if diff := cmp.Diff(map[string]providers.Receipt{testDelivery: test.want}, book.known); diff != "" {
				t.Errorf("receipt (-want +got):\n%s", diff)
			}
		})
	}
}

// Reports come in any order, more than once, and before what the last key meant.
func TestCallReportsInAnyOrder(t *testing.T) {
	statuses := []string{"initiated", "ringing", "in-progress", "completed", "completed", "brand-new"}
	for range 20 {
		call, _, book := place(t, ivr.ModeConfirm)
		order := rand.Perm(len(statuses) + 1)
		for _, i := range order {
			if i == len(statuses) {
				call.press(call.answer("human"), "#")
			} else if got := call.report(statuses[i]); got != http.StatusNoContent {
				t.Errorf("%s is answered %d", statuses[i], got)
			}
		}
		if got := book.known[testDelivery].Status; got != providers.Confirmed {
			t.Errorf("in order %v it is %s, want confirmed", order, got)
		}
	}
}

func TestProgressIsReported(t *testing.T) {
	call, _, book := place(t, ivr.ModeConfirm)
	var got []providers.Status
	for _, status := range []string{"initiated", "ringing", "in-progress", "completed"} {
		call.report(status)
		got = append(got, book.known[testDelivery].Status)
	}
	if diff := cmp.Diff([]providers.Status{"", providers.Ringing, providers.Answered, providers.HungUp}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

// A callback that comes twice, or after the end, does no harm: keys that were
// pressed once approve once.
func TestRepeatedCallbacks(t *testing.T) {
	call, calls, book := place(t, ivr.ModeConfirm)
	first := call.answer("human")
	if diff := cmp.Diff(first, call.answer("human")); diff != "" {
		t.Errorf("the second time it begins otherwise (-want +got):\n%s", diff)
	}
	call.press(first, "#")
	for _, keys := range []string{"#", "0", "", "1"} {
		d := call.press(first, keys)
		if keys == "#" && (d.Hangup == nil || !strings.Contains(d.said(), "失礼いたします")) {
			t.Errorf("%q after the end: %+v, want a goodbye", keys, d)
		}
	}
	d := call.press(call.press(first, "0"), "#")
	if d.Hangup == nil || calls.result != ivr.Approved || book.known[testDelivery].Status != providers.Confirmed {
		t.Errorf("denied after the approval: %+v, %q, %+v", d, calls.result, book.known)
	}
}

// A verification that ended elsewhere during the call.
func TestKeysForAFinishedVerification(t *testing.T) {
	for mode, keys := range map[ivr.Mode]string{ivr.ModeConfirm: "#", ivr.ModeKeyed: "012345#"} {
		call, calls, book := place(t, mode)
		first := call.answer("human")
		calls.result = ivr.Over
		d := call.press(first, keys)
		if d.Hangup == nil || !strings.Contains(d.said(), "失礼いたします") {
			t.Errorf("%s: %+v, want a goodbye", mode, d)
		}
		if got := book.known[testDelivery].Status; got != providers.WrongInput {
			t.Errorf("%s: ends %s", mode, got)
		}
	}
}

func TestCallOfNothing(t *testing.T) {
	call, calls, book := place(t, ivr.ModeConfirm)
	first := call.answer("human")
	calls.gone = true
	for _, d := range []document{call.answer("human"), call.press(first, "#"), call.press(first, "")} {
		if d.Hangup == nil || d.said() != "" {
			t.Errorf("%+v, want a hang-up", d)
		}
	}
	if len(book.known) > 0 || len(calls.pressed) > 0 {
		t.Errorf("receipts %v, pressed %v", book.known, calls.pressed)
	}
}

// Twilio asks again while the gateway can't answer.
func TestSwitchboardFails(t *testing.T) {
	call, calls, book := place(t, ivr.ModeConfirm)
	calls.failures = 3
	first := call.answer("human")
	calls.failures = 2
	if d := call.press(first, "#"); d.Hangup == nil || calls.result != ivr.Approved || book.known[testDelivery].Status != providers.Confirmed {
		t.Errorf("%+v, %q, %v", d, calls.result, book.known)
	}
	calls.failures = 100
	if got, _ := call.callBack(call.form.Get("Url"), call.callForm("in-progress")); got != http.StatusServiceUnavailable {
		t.Errorf("answered %d, want 503", got)
	}
}

// How a call ended is told again until it is taken.
func TestReceiverFailsInACall(t *testing.T) {
	call, _, book := place(t, ivr.ModeConfirm)
	book.failures = 2
	if d := call.answer("machine_start"); d.Hangup == nil || book.known[testDelivery].Status != providers.Machine {
		t.Errorf("%+v, %v", d, book.known)
	}
}

// Keys are put to the gateway once, and who pressed them hears what they meant.
func TestReceiverFailsAfterKeys(t *testing.T) {
	call, calls, book := place(t, ivr.ModeConfirm)
	first := call.answer("human")
	book.failures = 1
	if d := call.press(first, "#"); d.Hangup == nil || !strings.Contains(d.said(), "確認できました") {
		t.Errorf("%+v, want what an approval says", d)
	}
	if diff := cmp.Diff([]string{"#"}, calls.pressed); diff != "" {
		t.Errorf("pressed (-want +got):\n%s", diff)
	}
}

// Each locale has its voice, and the operator's goes first.
func TestVoices(t *testing.T) {
	cfg := voiceConfig()
	cfg.Voice.Voices = map[string]VoiceName{"en": {Language: "en-GB", Name: "Polly.Amy-Neural"}}
	for locale, want := range map[string]twiml.Voice{
		"ja": {Language: "ja-JP", Name: "Polly.Takumi-Neural"}, "en": {Language: "en-GB", Name: "Polly.Amy-Neural"},
	} {
		calls := &exchange{script: ivr.Script{Mode: ivr.ModeConfirm, Locale: locale}}
		fake, p := startCalling(t, cfg, noReceipts, calls)
		if _, err := p.PlaceCall(t.Context(), testCall()); err != nil {
			t.Fatal(err)
		}
		for _, s := range fake.calls[0].answer("human").Gather.Say {
			if got := (twiml.Voice{Language: s.Language, Name: s.Voice}); got != want {
				t.Errorf("%s is spoken by %+v, want %+v", locale, got, want)
			}
		}
	}
}

func callForm(more ...string) url.Values {
	form := url.Values{"AccountSid": {testConfig().AccountSID}, "CallSid": {"CA" + strings.Repeat("0", 32)}, "CallStatus": {"in-progress"}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

func TestCallCallbackAnswers(t *testing.T) {
	token, query := testConfig().AuthToken, "?delivery="+testDelivery
	without := func(name string) url.Values {
		form := callForm()
		form.Del(name)
		return form
	}
	for name, tt := range map[string]struct {
		target string
		form   url.Values
		want   int
	}{
		"answered":              {"/call" + query, callForm(), 200},
		"answered by nobody":    {"/call", callForm(), 400},
		"answered a message":    {"/call" + query, callForm("CallSid", "SM"+strings.Repeat("0", 32)), 400},
		"answered without call": {"/call" + query, without("CallSid"), 400},
		"keys":                  {"/call/keys" + query + "&state=a0", callForm("Digits", "1"), 200},
		"keys of no state":      {"/call/keys" + query, callForm("Digits", "1"), 400},
		"keys of a bad state":   {"/call/keys" + query + "&state=a9", callForm("Digits", "1"), 400},
		"keys of no delivery":   {"/call/keys?state=a0", callForm("Digits", "1"), 400},
		"letters":               {"/call/keys" + query + "&state=a0", callForm("Digits", "yes"), 400},
		"many keys":             {"/call/keys" + query + "&state=a0", callForm("Digits", strings.Repeat("1", 33)), 400},
		"report":                {"/call/status" + query, callForm(), 204},
		"report of no status":   {"/call/status" + query, without("CallStatus"), 400},
		"report of no delivery": {"/call/status", callForm(), 400},
		"report of no call":     {"/call/status" + query, without("CallSid"), 400},
		"report of a bad code":  {"/call/status" + query, callForm("ErrorCode", "x"), 400},
		"elsewhere":             {"/call/", callForm(), 404},
	} {
		t.Run(name, func(t *testing.T) {
			book := &ledger{}
			calls := &exchange{script: ivr.Script{Mode: ivr.ModeConfirm, Locale: "ja"}}
			p, err := New(voiceConfig(), testPublic, book.receive, calls, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			signature := sign(token, testPublic+"/callbacks/twilio-main"+tt.target, tt.form)
			if got := answer(p, callback(tt.target, tt.form.Encode(), signature)); got != tt.want {
				t.Errorf("answer is %d, want %d", got, tt.want)
			}
			if tt.want == http.StatusNotFound {
				return
			}
			// Forged: with other keys, in another state, without a signature.
			other := url.Values{"Digits": {"#"}}
			for name := range tt.form {
				if name != "Digits" {
					other[name] = tt.form[name]
				}
			}
			longer := tt.target + "&state=j0"
			if !strings.Contains(tt.target, "?") {
				longer = tt.target + "?state=j0"
			}
			for target, forged := range map[string]url.Values{tt.target: other, longer: tt.form} {
				if got := answer(p, callback(target, forged.Encode(), signature)); got != http.StatusForbidden {
					t.Errorf("forged as %s %s: answer is %d", target, forged.Encode(), got)
				}
			}
			if got := answer(p, callback(tt.target, tt.form.Encode(), "")); got != http.StatusForbidden {
				t.Errorf("unsigned: answer is %d", got)
			}
			if len(calls.pressed) > 0 {
				t.Errorf("pressed %q", calls.pressed)
			}
		})
	}
}

// Without voice there is nothing to call back about.
func TestNoVoiceNoCallbacks(t *testing.T) {
	p, err := New(testConfig(), testPublic, noReceipts, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/call", "/call/keys", "/call/status"} {
		signature := sign(testConfig().AuthToken, testPublic+"/callbacks/twilio-main"+path, callForm())
		if got := answer(p, callback(path, callForm().Encode(), signature)); got != http.StatusNotFound {
			t.Errorf("%s is answered %d", path, got)
		}
	}
}

func FuzzCallKeys(f *testing.F) {
	f.Add("a0", "Digits=%23", "confirm", false)
	f.Add("d2k", "Digits=%23&FinishedOnKey=%23", "code", true)
	f.Add("a1", "Digits=012345", "keyed", false)
	f.Add("j0k", "Digits=hangup&CallStatus=completed", "confirm", false)
	f.Add("%zz", "Digits=%zz;", "", true)
	f.Fuzz(func(t *testing.T, state, more, mode string, finished bool) {
		calls := &exchange{script: ivr.Script{Mode: ivr.Mode(mode), Locale: "ja", Digits: 6}, shown: "012345", attempts: 2}
		if finished {
			calls.result = ivr.Over
		}
		book := &ledger{}
		p, err := New(voiceConfig(), testPublic, book.receive, calls, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		body := callForm().Encode() + "&" + more
		form, parseErr := url.ParseQuery(body)
		target := "/call/keys?delivery=" + testDelivery + "&state=" + url.QueryEscape(state)
		got := answer(p, callback(target, body, sign(voiceConfig().AuthToken, testPublic+"/callbacks/twilio-main"+target, form)))
		switch {
		case got == http.StatusOK:
		case got == http.StatusBadRequest, got == http.StatusForbidden && parseErr != nil:
			if len(calls.pressed) > 0 || book.calls > 0 {
				t.Errorf("answered %d, but pressed %q, and made %d receipts", got, calls.pressed, book.calls)
			}
		case got == http.StatusForbidden: // the account or what is signed was given a second time
		default:
			t.Errorf("answered %d", got)
		}
		if st, err := ivr.ParseState(state); len(calls.pressed) > 0 && (err != nil || st.Over() || st == ivr.State{}) {
			t.Errorf("%q was pressed in state %q", calls.pressed, state)
		}
	})
}

// Nothing that is logged of a call holds the code, the keys or the number.
func TestCallLogIsSilentOnPrivateThings(t *testing.T) {
	var out bytes.Buffer
	book := &ledger{failures: 1}
	calls := &exchange{script: ivr.Script{Mode: ivr.ModeKeyed, Locale: "ja", Digits: 6}, shown: "012345", attempts: 5, failures: 1}
	p, err := New(voiceConfig(), testPublic, book.receive, calls, slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []url.Values{callForm("Digits", "012345"), callForm("Digits", "012345"), callForm("Digits", "x12345")} {
		form.Set("To", testNumber)
		target := "/call/keys?delivery=" + testDelivery + "&state=a0"
		answer(p, callback(target, form.Encode(), sign(testConfig().AuthToken, testPublic+"/callbacks/twilio-main"+target, form)))
		answer(p, callback(target, form.Encode(), "forged"))
	}
	for _, want := range []string{"a call can't go on", "outcome of a call not taken", "callback refused"} {
		if n := strings.Count(out.String(), want); n != 1 {
			t.Errorf("%q is logged %d times, want once:\n%s", want, n, &out)
		}
	}
	for _, secret := range []string{"12345", "9012345678", testConfig().AuthToken} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("log holds %q:\n%s", secret, &out)
		}
	}
}

package twilio

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fakeCall is a call that Twilio placed, with the phone at its other end.
type fakeCall struct {
	*fakeTwilio
	form url.Values // the request
	sid  string
	// finishing is whether Twilio tells the key that finished a <Gather>, which
	// it doesn't document.
	finishing bool
	heard     []document
}

// document is a TwiML document, as far as the call uses TwiML.
type document struct {
	XMLName xml.Name  `xml:"Response"`
	Say     []speech  `xml:"Say"`
	Gather  *gather   `xml:"Gather"`
	Hangup  *struct{} `xml:"Hangup"`
}

type speech struct {
	Language string `xml:"language,attr"`
	Voice    string `xml:"voice,attr"`
	Text     string `xml:",innerxml"`
}

type gather struct {
	Input       string   `xml:"input,attr"`
	NumDigits   int      `xml:"numDigits,attr"`
	FinishOnKey string   `xml:"finishOnKey,attr"`
	Timeout     int      `xml:"timeout,attr"`
	OnEmpty     bool     `xml:"actionOnEmptyResult,attr"`
	Method      string   `xml:"method,attr"`
	Action      string   `xml:"action,attr"`
	Say         []speech `xml:"Say"`
}

var sendDigits = regexp.MustCompile(`^[0-9A-D#*wW]{1,32}$`)

// placeCall applies Twilio's rules for creating a call.
func (f *fakeTwilio) placeCall(w http.ResponseWriter, form url.Values) {
	address, urlErr := url.Parse(form.Get("Url"))
	status, statusErr := url.Parse(form.Get("StatusCallback"))
	timeout, timeoutErr := strconv.Atoi(form.Get("Timeout"))
	refusal, bad := magic[form.Get("To")]
	switch {
	case bad:
	case form.Get("To") == "":
		refusal = apiError{http.StatusBadRequest, 21201, "No 'To' number is specified"}
	case !e164.MatchString(form.Get("To")):
		refusal = apiError{http.StatusBadRequest, 21211, "Invalid 'To' Phone Number: " + form.Get("To")}
	case !e164.MatchString(form.Get("From")):
		refusal = apiError{http.StatusBadRequest, 21212, "Invalid 'From' Phone Number: " + form.Get("From")}
	case urlErr != nil || address.Host == "" || strings.Contains(address.Host, "_"):
		refusal = apiError{http.StatusBadRequest, 21205, "Url is not a valid URL: " + form.Get("Url")}
	case statusErr != nil || status.Host == "" || strings.Contains(status.Host, "_"):
		refusal = apiError{http.StatusBadRequest, 21609, "Invalid 'StatusCallback' URL: " + form.Get("StatusCallback")}
	case timeoutErr != nil || timeout < 1 || timeout > 600,
		form.Has("SendDigits") && !sendDigits.MatchString(form.Get("SendDigits")),
		form.Has("MachineDetection") && form.Get("MachineDetection") != "Enable":
		refusal = apiError{http.StatusBadRequest, 20001, "Bad request"}
	}
	if refusal.code != 0 {
		f.refuse(w, refusal)
		return
	}
	c := &fakeCall{fakeTwilio: f, form: form, sid: f.newSID("CA")}
	f.mu.Lock()
	f.calls = append(f.calls, c)
	f.mu.Unlock()
	f.reply(w, http.StatusCreated, c.resource("queued"))
}

// resource is a whole Call resource, as Twilio returns it on creation.
func (c *fakeCall) resource(status string) map[string]any {
	path := "/2010-04-01/Accounts/" + c.account + "/Calls/" + c.sid
	return map[string]any{
		"account_sid": c.account, "annotation": nil, "answered_by": nil, "api_version": "2010-04-01", "caller_name": nil,
		"date_created": nil, "date_updated": nil, "direction": "outbound-api", "duration": nil, "end_time": nil,
		"forwarded_from": nil, "from": c.form.Get("From"), "from_formatted": c.form.Get("From"), "group_sid": nil,
		"parent_call_sid": nil, "phone_number_sid": "PN" + strings.Repeat("0", 32), "price": nil, "price_unit": "USD",
		"queue_time": "0", "sid": c.sid, "start_time": nil, "status": status,
		"subresource_uris": map[string]any{"recordings": path + "/Recordings.json"},
		"to":               c.form.Get("To"), "to_formatted": c.form.Get("To"), "trunk_sid": nil, "uri": path + ".json",
	}
}

// callForm is what Twilio tells of a call in every callback, and more.
func (c *fakeCall) callForm(status string, more ...string) url.Values {
	form := url.Values{
		"AccountSid": {c.account}, "ApiVersion": {"2010-04-01"}, "CallSid": {c.sid}, "CallStatus": {status},
		"Called": {c.form.Get("To")}, "Caller": {c.form.Get("From")}, "Direction": {"outbound-api"},
		"From": {c.form.Get("From")}, "To": {c.form.Get("To")},
	}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

// report sends a status callback and returns the answer.
func (c *fakeCall) report(status string, more ...string) int {
	c.tb.Helper()
	event := map[string]string{"queued": "initiated", "initiated": "initiated", "ringing": "ringing", "in-progress": "answered"}[status]
	if event == "" {
		event = "completed" // also for busy and the like
	}
	if !slices.Contains(c.form["StatusCallbackEvent"], event) {
		return http.StatusNoContent // not asked for
	}
	form := c.callForm(status, append([]string{"CallbackSource", "call-progress-events", "SequenceNumber", "0", "Timestamp", time.Now().UTC().Format(time.RFC1123Z)}, more...)...)
	answer, _ := c.callBack(c.form.Get("StatusCallback"), form)
	return answer
}

// fetch asks for a document as Twilio does.
func (c *fakeCall) fetch(address string, form url.Values) document {
	c.tb.Helper()
	status, body := c.callBack(address, form)
	if status != http.StatusOK {
		c.tb.Fatalf("%s is answered %d %q", address, status, body)
	}
	var d document
	if err := xml.Unmarshal([]byte(body), &d); err != nil {
		c.tb.Fatalf("%v in %s", err, body)
	}
	if g := d.Gather; g != nil && (g.Input != "dtmf" || g.Method != "POST" || !g.OnEmpty || g.NumDigits < 1 || g.Timeout < 1) || (d.Gather == nil) == (d.Hangup == nil) {
		c.tb.Fatalf("the document makes no sense: %s", body)
	}
	c.heard = append(c.heard, d)
	return d
}

// answer is what happens when somebody or something picks up. Machine detection
// says by whom, where it was asked for.
func (c *fakeCall) answer(by string) document {
	c.tb.Helper()
	form := c.callForm("in-progress")
	if c.form.Has("MachineDetection") {
		form.Set("AnsweredBy", by)
	}
	return c.fetch(c.form.Get("Url"), form)
}

// press presses keys one after the other in the <Gather> of d, or none, as a
// person does who doesn't wait: keys after the one that ended it are lost.
func (c *fakeCall) press(d document, keys string) document {
	c.tb.Helper()
	if d.Gather == nil {
		c.tb.Fatalf("nothing listens for %q in %+v", keys, d)
	}
	form := c.callForm("in-progress", gathered(d.Gather, keys, c.finishing)...)
	return c.fetch(d.Gather.Action, form)
}

// gathered is what Twilio makes of keys.
func gathered(g *gather, keys string, finishing bool) []string {
	digits, finished := "", ""
	for _, key := range strings.Split(keys, "") {
		if key == g.FinishOnKey {
			finished = key
			break
		}
		if digits += key; len(digits) == g.NumDigits {
			break
		}
	}
	form := []string{"Digits", digits, "msg", "Gather End"}
	if finishing {
		form = append(form, "FinishedOnKey", finished)
	}
	return form
}

// said is all that was said in d.
func (d document) said() string {
	all := d.Say
	if d.Gather != nil {
		all = d.Gather.Say
	}
	var text strings.Builder
	for _, s := range all {
		text.WriteString(s.Text)
	}
	return text.String()
}

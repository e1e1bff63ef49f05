package main

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio signs with it.
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	twilioAccount = "AC0123456789abcdef0123456789abcdef"
	twilioToken   = "fedcba9876543210fedcba9876543210"
	// twilioAppKey is the app's. The playground's own is for the sandbox only.
	twilioAppKey = "dnw_testtesttesttesttesttesttesttesttesttest"
	// publicURL is where Twilio would call back. Tests take such a callback to a
	// gateway of their choice, as a load balancer does.
	publicURL = "https://verify.example.jp"
)

// twilioDouble is Twilio's API as far as a gateway needs it to place calls and
// send messages, and Twilio's callbacks from there.
type twilioDouble struct {
	*httptest.Server
	mu       sync.Mutex
	calls    []url.Values
	messages []url.Values
	hold     chan struct{} // if set, calls are placed but not answered until it closes
}

func newTwilioDouble(t *testing.T) *twilioDouble {
	t.Helper()
	d := &twilioDouble{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2010-04-01/Accounts/"+twilioAccount+"/Calls.json", func(w http.ResponseWriter, r *http.Request) {
		n := d.record(r, &d.calls)
		d.mu.Lock()
		hold := d.hold
		d.mu.Unlock()
		if hold != nil {
			select {
			case <-hold:
			case <-r.Context().Done():
				return
			}
		}
		d.created(w, "CA", n)
	})
	mux.HandleFunc("POST /2010-04-01/Accounts/"+twilioAccount+"/Messages.json", func(w http.ResponseWriter, r *http.Request) {
		d.created(w, "SM", d.record(r, &d.messages))
	})
	d.Server = httptest.NewServer(mux)
	t.Cleanup(d.Close)
	return d
}

func (d *twilioDouble) record(r *http.Request, in *[]url.Values) (n int) {
	_ = r.ParseForm() // what is missing then, fails the test
	d.mu.Lock()
	defer d.mu.Unlock()
	*in = append(*in, r.PostForm)
	return len(*in)
}

func (d *twilioDouble) created(w http.ResponseWriter, kind string, n int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{"sid": fmt.Sprintf("%s%032x", kind, n), "status": "queued"})
}

// placed are the calls so far.
func (d *twilioDouble) placed() []url.Values {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls)
}

// called waits for the n-th call.
func (d *twilioDouble) called(t *testing.T, n int) *twilioCall {
	t.Helper()
	for range 500 {
		if calls := d.placed(); len(calls) >= n {
			return &twilioCall{t: t, form: calls[n-1], sid: fmt.Sprintf("CA%032x", n)}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d calls were placed, want %d", len(d.placed()), n)
	return nil
}

// twilioConfig writes a configuration with d as carrier, and with more for its app.
func twilioConfig(t *testing.T, d *twilioDouble, redis, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "denwa.yaml")
	text := fmt.Sprintf(`
server: {public_url: %q}
keys: {master: %q}
store: {type: redis, addresses: [%q]}
providers:
  - name: twilio
    type: twilio
    account_sid: %s
    auth_token: %s
    base_url: %q
    sms: {from: "+815012345678"}
    voice: {from: "+815012345678", calls_per_second: 100}
limits: {number_cooldown: {burst: 20, count: 20}, number_hour: {burst: 20, count: 20, period: 1h}}
log: {level: debug, format: json}
apps:
  - name: portal
    brand: Example
    api_keys: [{id: k1, sha256: "%s"}]
%s`, publicURL, testMaster, redis, twilioAccount, twilioToken, d.URL, hashKey(twilioAppKey), more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// twilioCall is one call, from Twilio's side.
type twilioCall struct {
	t    *testing.T
	form url.Values // what was asked for
	sid  string
}

// document is TwiML, as far as a test looks at it.
type document struct {
	Gather *struct {
		Action string   `xml:"action,attr"`
		Say    []string `xml:"Say"`
	} `xml:"Gather"`
	Say    []string  `xml:"Say"`
	Hangup *struct{} `xml:"Hangup"`
}

// post takes a callback to g, signed unless a signature is given, and returns
// the reply.
func (c *twilioCall) post(g *running, address string, form url.Values, signature ...string) (status int, body string) {
	c.t.Helper()
	address, _, _ = strings.Cut(address, "#") // Twilio keeps the fragment for itself
	path, ours := strings.CutPrefix(address, publicURL)
	if !ours {
		c.t.Errorf("a callback to %s", address)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, g.server+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Error(err)
		return 0, ""
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Twilio-Signature", append(signature, twilioSignature(address, form))[0])
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Error(err)
	}
	return resp.StatusCode, string(text)
}

// twilioSignature is as in
// https://www.twilio.com/docs/usage/security#validating-requests.
func twilioSignature(address string, form url.Values) string {
	mac := hmac.New(sha1.New, []byte(twilioToken))
	mac.Write([]byte(address))
	for _, name := range slices.Sorted(maps.Keys(form)) {
		mac.Write([]byte(name + form.Get(name)))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// tells is what every callback of the call tells.
func (c *twilioCall) tells(status string, more ...string) url.Values {
	form := url.Values{
		"AccountSid": {twilioAccount}, "CallSid": {c.sid}, "CallStatus": {status}, "AnsweredBy": {"human"},
		"From": {c.form.Get("From")}, "To": {c.form.Get("To")},
	}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

// ask posts a callback that is answered with a document.
func (c *twilioCall) ask(g *running, address string, form url.Values) (d document) {
	c.t.Helper()
	status, body := c.post(g, address, form)
	if err := xml.Unmarshal([]byte(body), &d); status != http.StatusOK || err != nil {
		c.t.Errorf("%s is answered %d %q", address, status, body)
	}
	return d
}

// answer is what the phone hears when somebody picks up.
func (c *twilioCall) answer(g *running) document {
	c.t.Helper()
	d := c.ask(g, c.form.Get("Url"), c.tells("in-progress"))
	if d.Gather == nil {
		c.t.Fatalf("the call doesn't listen: %+v", d)
	}
	return d
}

// press presses a key where d listens.
func (c *twilioCall) press(g *running, d document, key string) document {
	c.t.Helper()
	if d.Gather == nil {
		c.t.Errorf("nothing listens for %q in %+v", key, d)
		return document{}
	}
	return c.ask(g, d.Gather.Action, c.tells("in-progress", "Digits", key))
}

// report takes a status callback to g.
func (c *twilioCall) report(g *running, status string) {
	c.t.Helper()
	if got, body := c.post(g, c.form.Get("StatusCallback"), c.tells(status)); got != http.StatusNoContent {
		c.t.Errorf("%s is answered %d %q", status, got, body)
	}
}

package twilio

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"denwa/providers"
	"denwa/providers/providertest"
)

// carriers are the fake Twilios of the providers under test.
type carriers struct{ sync.Map }

// start starts a provider and its Twilio.
func (c *carriers) start(t *testing.T, e providertest.Env) providers.Provider {
	t.Helper()
	answers := map[providertest.Behaviour]apiError{
		"400 not a number":    {http.StatusBadRequest, 21211, "The 'To' number " + providertest.Number + " is not a valid phone number."},
		"400 suspected fraud": {http.StatusBadRequest, 30450, "Message delivery to " + providertest.Number + " blocked"},
		"400 no route":        {http.StatusBadRequest, 21612, "'To' number: " + providertest.Number + ", is not currently reachable"},
		"400 no permission":   {http.StatusBadRequest, 21215, "Account not authorized to call " + providertest.Number},
		"401 credentials":     {http.StatusUnauthorized, 20003, "Authenticate"},
		"429 too many":        {http.StatusTooManyRequests, 20429, "Too Many Requests"},
		"500 broken":          {http.StatusInternalServerError, 20500, "An internal server error has occurred"},
	}
	cfg := voiceConfig()
	fake := newFakeTwilio(t, cfg)
	cfg.BaseURL = fake.URL
	switch e.Carrier {
	case providertest.Accept:
	case providertest.Slow:
		fake.delay = 200 * time.Millisecond
	case providertest.Hang:
		fake.fail(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	case providertest.Cut:
		fake.fail(raw(t, "HTTP/1.1 201 Created\r\nContent-Length: 900\r\n\r\n{\"account_sid\":"))
	case providertest.Down:
		fake.Close()
	default:
		fake.fail(func(w http.ResponseWriter, _ *http.Request) {
			if e.Carrier == "429 too many" {
				w.Header().Set("Retry-After", "3")
			}
			fake.refuse(w, answers[e.Carrier])
		})
	}
	p, err := New(cfg, testPublic, e.Receive, &exchange{}, e.Log)
	if err != nil {
		t.Fatal(err)
	}
	c.Store(p, fake)
	return p
}

// of returns the Twilio of a provider.
func (c *carriers) of(t *testing.T, p providers.Provider) *fakeTwilio {
	t.Helper()
	value, _ := c.Load(p)
	fake, ok := value.(*fakeTwilio)
	if !ok {
		t.Fatal("a provider of another harness")
	}
	return fake
}

// request is Twilio's request to an address with a form.
func (f *fakeTwilio) request(address string, form url.Values) *http.Request {
	address, _, _ = strings.Cut(address, "#")
	return callback(strings.TrimPrefix(address, testPublic+"/callbacks/twilio-main"), form.Encode(), sign(f.token, address, form))
}

// harness is what messages and calls have in common.
func harness(c *carriers) providertest.Harness {
	return providertest.Harness{
		New: c.start,
		Refusals: []providertest.Refusal{
			{Behaviour: "400 not a number", Kind: providers.Invalid, Code: "21211"},
			{Behaviour: "400 suspected fraud", Kind: providers.Rejected, Code: "30450"},
			{Behaviour: "400 no route", Kind: providers.Unavailable, Code: "21612"},
			{Behaviour: "400 no permission", Kind: providers.Unavailable, Code: "21215"},
			{Behaviour: "401 credentials", Kind: providers.Auth, Code: "20003"},
			{Behaviour: "429 too many", Kind: providers.Throttled, Code: "20429", RetryAfter: 3 * time.Second},
			{Behaviour: "500 broken", Kind: providers.Ambiguous, Code: "20500"},
		},
		Secrets: []string{testConfig().AuthToken, testConfig().AccountSID + ":" + testConfig().AuthToken},
		Forgeries: map[string]func(*http.Request){
			"unsigned":       func(r *http.Request) { r.Header.Del("X-Twilio-Signature") },
			"made up":        func(r *http.Request) { r.Header.Set("X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=") },
			"other delivery": func(r *http.Request) { r.URL.RawQuery = "delivery=vf_other.1" },
			"longer query":   func(r *http.Request) { r.URL.RawQuery += "&x" },
		},
	}
}

func TestConformance(t *testing.T) {
	reported := map[providers.Status]struct {
		status string
		code   int
	}{
		providers.Sent:        {"sent", 0},
		providers.Failed:      {"failed", 30008},
		providers.Undelivered: {"undelivered", 30003},
		providers.Expired:     {"failed", 30036},
		providers.Delivered:   {"delivered", 0},
	}
	c := &carriers{}
	h := harness(c)
	h.Statuses = []providers.Status{providers.Sent, providers.Failed, providers.Undelivered, providers.Expired, providers.Delivered}
	h.Callback = func(t *testing.T, p providers.Provider, sent providertest.Sent, s providers.Status) *http.Request {
		t.Helper()
		fake := c.of(t, p)
		fake.mu.Lock()
		defer fake.mu.Unlock()
		n := slices.IndexFunc(fake.messages, func(m url.Values) bool { return m.Get("sid") == sent.Reference })
		message := fake.messages[n]
		return fake.request(message.Get("StatusCallback"), fake.reportForm(message, reported[s].status, reported[s].code))
	}
	providertest.Run(t, h)
}

func TestConformanceOfCalls(t *testing.T) {
	reported := map[providers.Status][]string{
		providers.Ringing:     {"ringing"},
		providers.Answered:    {"in-progress"},
		providers.HungUp:      {"completed"},
		providers.Machine:     {"completed", "AnsweredBy", "machine_start"},
		providers.Busy:        {"busy"},
		providers.NoAnswer:    {"no-answer"},
		providers.Declined:    {"busy", "SipResponseCode", "603"},
		providers.Unreachable: {"failed", "SipResponseCode", "404"},
		providers.Failed:      {"failed", "ErrorCode", "13224"},
	}
	c := &carriers{}
	h := harness(c)
	h.Channel = providers.Voice
	h.Statuses = []providers.Status{
		providers.Ringing, providers.Answered, providers.HungUp, providers.Machine, providers.Busy, providers.NoAnswer,
		providers.Declined, providers.Unreachable, providers.Failed,
	}
	h.Callback = func(t *testing.T, p providers.Provider, sent providertest.Sent, s providers.Status) *http.Request {
		t.Helper()
		fake := c.of(t, p)
		fake.mu.Lock()
		defer fake.mu.Unlock()
		n := slices.IndexFunc(fake.calls, func(call *fakeCall) bool { return call.sid == sent.Reference })
		call := fake.calls[n]
		return fake.request(call.form.Get("StatusCallback"), call.callForm(reported[s][0], reported[s][1:]...))
	}
	providertest.Run(t, h)
}

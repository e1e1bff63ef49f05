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

func TestConformance(t *testing.T) {
	refusals := []providertest.Refusal{
		{Behaviour: "400 not a number", Kind: providers.Invalid, Code: "21211"},
		{Behaviour: "400 suspected fraud", Kind: providers.Rejected, Code: "30450"},
		{Behaviour: "400 no route", Kind: providers.Unavailable, Code: "21612"},
		{Behaviour: "401 credentials", Kind: providers.Auth, Code: "20003"},
		{Behaviour: "429 too many", Kind: providers.Throttled, Code: "20429", RetryAfter: 3 * time.Second},
		{Behaviour: "500 broken", Kind: providers.Ambiguous, Code: "20500"},
	}
	answers := map[providertest.Behaviour]apiError{
		"400 not a number":    {http.StatusBadRequest, 21211, "The 'To' number " + providertest.Number + " is not a valid phone number."},
		"400 suspected fraud": {http.StatusBadRequest, 30450, "Message delivery to " + providertest.Number + " blocked"},
		"400 no route":        {http.StatusBadRequest, 21612, "'To' number: " + providertest.Number + ", is not currently reachable"},
		"401 credentials":     {http.StatusUnauthorized, 20003, "Authenticate"},
		"429 too many":        {http.StatusTooManyRequests, 20429, "Too Many Requests"},
		"500 broken":          {http.StatusInternalServerError, 20500, "An internal server error has occurred"},
	}
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

	var carriers sync.Map // *Provider to its *fakeTwilio
	start := func(t *testing.T, e providertest.Env) providers.Provider {
		t.Helper()
		cfg := testConfig()
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
		p, err := New(cfg, testPublic, e.Receive, e.Log)
		if err != nil {
			t.Fatal(err)
		}
		carriers.Store(p, fake)
		return p
	}
	report := func(t *testing.T, p providers.Provider, sent providertest.Sent, s providers.Status) *http.Request {
		t.Helper()
		value, _ := carriers.Load(p)
		fake, ok := value.(*fakeTwilio)
		if !ok {
			t.Fatal("a provider of another harness")
		}
		fake.mu.Lock()
		defer fake.mu.Unlock()
		n := slices.IndexFunc(fake.messages, func(m url.Values) bool { return m.Get("sid") == sent.Reference })
		message := fake.messages[n]
		address, _, _ := strings.Cut(message.Get("StatusCallback"), "#")
		form := fake.reportForm(message, reported[s].status, reported[s].code)
		return callback(strings.TrimPrefix(address, testPublic+"/callbacks/twilio-main"), form.Encode(), sign(fake.token, address, form))
	}
	providertest.Run(t, providertest.Harness{
		New:      start,
		Refusals: refusals,
		Secrets:  []string{testConfig().AuthToken, testConfig().AccountSID + ":" + testConfig().AuthToken},
		Statuses: []providers.Status{providers.Sent, providers.Failed, providers.Undelivered, providers.Expired, providers.Delivered},
		Callback: report,
		Forgeries: map[string]func(*http.Request){
			"unsigned":       func(r *http.Request) { r.Header.Del("X-Twilio-Signature") },
			"made up":        func(r *http.Request) { r.Header.Set("X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=") },
			"other delivery": func(r *http.Request) { r.URL.RawQuery = "delivery=vf_other.1" },
			"longer query":   func(r *http.Request) { r.URL.RawQuery += "&x" },
		},
	})
}

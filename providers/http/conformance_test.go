package http

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"denwa/providers"
	"denwa/providers/providertest"
)

// conform runs the suite with an example, whose aggregator accepts with what
// accepts says and refuses with what refusals say.
func conform(t *testing.T, name string, accept func(n int64) string, answers map[providertest.Behaviour]http.HandlerFunc, h providertest.Harness) {
	t.Helper()
	h.New = func(t *testing.T, e providertest.Env) providers.Provider {
		t.Helper()
		var messages atomic.Int64
		a := newAggregator(t, func(w http.ResponseWriter, r *http.Request) {
			switch e.Carrier {
			case providertest.Hang:
				<-r.Context().Done()
			case providertest.Cut:
				raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"+accept(1)[:3])(w, r)
			case providertest.Slow:
				time.Sleep(200 * time.Millisecond)
				fallthrough
			case providertest.Accept:
				answer(http.StatusOK, accept(messages.Add(1)))(w, r)
			default:
				answers[e.Carrier](w, r)
			}
		})
		if e.Carrier == providertest.Down {
			a.Close()
		}
		p, err := New(example(t, name, a.URL+"/api"), testPublic, newShelf(), e.Receive, e.Log)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	h.Secrets = append(h.Secrets, testKey)
	providertest.Run(t, h)
}

func TestConformanceOfForm(t *testing.T) {
	words := map[providers.Status]string{
		providers.Sent: "0", providers.Delivered: "1", providers.Undelivered: "2", providers.Failed: "3",
	}
	other := func(r *http.Request, change func(url.Values)) {
		query := r.URL.Query()
		change(query)
		r.URL.RawQuery = query.Encode()
	}
	conform(t, "form", func(int64) string { return "ok\r\n" },
		map[providertest.Behaviour]http.HandlerFunc{
			"code=101":          answer(200, "ng code=101 "+providertest.Number),
			"code=203":          answer(200, "ng code=203"),
			"code=429":          answer(200, "ng code=429", "Retry-After", "5"),
			"503 code=99":       answer(503, "ng code=99"),
			"401":               answer(401, "who?"),
			"500":               answer(500, "oops "+providertest.Number),
			"200 nonsense":      answer(200, "<html>maintenance</html>"),
			"302 to a page":     answer(302, "", "Location", "https://sms.example.jp/login?to="+providertest.Number),
			"307 to an address": answer(307, "", "Location", "https://sms.example.jp/send?to="+providertest.Number),
		},
		providertest.Harness{
			Refusals: []providertest.Refusal{
				{Behaviour: "code=101", Kind: providers.Invalid, Code: "101"},
				{Behaviour: "code=203", Kind: providers.Rejected, Code: "203"},
				{Behaviour: "code=429", Kind: providers.Throttled, Code: "429", RetryAfter: 5 * time.Second},
				{Behaviour: "503 code=99", Kind: providers.Unavailable, Code: "99"},
				{Behaviour: "307 to an address", Kind: providers.Unavailable},
				{Behaviour: "401", Kind: providers.Auth},
				{Behaviour: "500", Kind: providers.Ambiguous},
				{Behaviour: "200 nonsense", Kind: providers.Ambiguous},
				{Behaviour: "302 to a page", Kind: providers.Ambiguous},
			},
			Secrets:  []string{testPassword, "denwa:" + testPassword},
			Statuses: []providers.Status{providers.Sent, providers.Undelivered, providers.Failed, providers.Delivered},
			Callback: func(_ *testing.T, _ providers.Provider, sent providertest.Sent, s providers.Status) *http.Request {
				return httptest.NewRequest(http.MethodPost, "/receipts?"+url.Values{
					"custom_id": {sent.Delivery}, "result": {words[s]}, "key": {testKey}, "phone": {providertest.Number},
				}.Encode(), nil)
			},
			Forgeries: map[string]func(*http.Request){
				"no secret":    func(r *http.Request) { other(r, func(v url.Values) { v.Del("key") }) },
				"empty secret": func(r *http.Request) { other(r, func(v url.Values) { v.Set("key", "") }) },
				"other secret": func(r *http.Request) { other(r, func(v url.Values) { v.Set("key", testKey+"x") }) },
				"secret second": func(r *http.Request) {
					other(r, func(v url.Values) { v["key"] = []string{"x", testKey} })
				},
			},
		})
}

func sign(timestamp, body string) string {
	mac := hmac.New(sha256.New, []byte(testKey))
	fmt.Fprintf(mac, "%s.%s", timestamp, body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// signedReport is a report that the aggregator of the JSON example signed at a time.
func signedReport(body string, at time.Time) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/receipts", strings.NewReader(body))
	timestamp := strconv.FormatInt(at.Unix(), 10)
	r.Header.Set("X-Timestamp", timestamp)
	r.Header.Set("X-Signature", sign(timestamp, body))
	return r
}

func TestConformanceOfJSON(t *testing.T) {
	words := map[providers.Status]string{
		providers.Sent: "sent", providers.Delivered: "received", providers.Undelivered: "unconnected",
		providers.Failed: "error", providers.Expired: "expired",
	}
	refusal := func(status int, code string, headers ...string) http.HandlerFunc {
		return answer(status, `{"error":{"code":"`+code+`","message":"`+providertest.Number+` can't"}}`, headers...)
	}
	conform(t, "json", func(n int64) string { return fmt.Sprintf(`{"messages":[{"id":"m-%d"}]}`, n) },
		map[providertest.Behaviour]http.HandlerFunc{
			"400 INVALID_TO": refusal(400, "INVALID_TO"),
			"422 SPAM":       refusal(422, "SPAM"),
			"403 DENIED":     refusal(403, "DENIED"),
			"429 SLOW":       refusal(429, "SLOW", "Retry-After", "7"),
			"503 BUSY":       refusal(503, "BUSY"),
			"400 other":      refusal(400, providertest.Number),
			"502":            answer(502, "<html>bad gateway</html>"),
			"200 no id":      answer(200, `{"messages":[]}`),
			"200 cut JSON":   answer(200, `{"messages":[{"id":"m-`),
			"200 empty":      answer(200, ""),
		},
		providertest.Harness{
			Refusals: []providertest.Refusal{
				{Behaviour: "400 INVALID_TO", Kind: providers.Invalid, Code: "INVALID_TO"},
				{Behaviour: "422 SPAM", Kind: providers.Rejected, Code: "SPAM"},
				{Behaviour: "403 DENIED", Kind: providers.Auth, Code: "DENIED"},
				{Behaviour: "429 SLOW", Kind: providers.Throttled, Code: "SLOW", RetryAfter: 7 * time.Second},
				{Behaviour: "503 BUSY", Kind: providers.Unavailable, Code: "BUSY"},
				{Behaviour: "400 other", Kind: providers.Unavailable},
				{Behaviour: "502", Kind: providers.Ambiguous},
				{Behaviour: "200 no id", Kind: providers.Ambiguous},
				{Behaviour: "200 cut JSON", Kind: providers.Ambiguous},
				{Behaviour: "200 empty", Kind: providers.Ambiguous},
			},
			Secrets: []string{testToken},
			Statuses: []providers.Status{
				providers.Sent, providers.Failed, providers.Undelivered, providers.Expired, providers.Delivered,
			},
			Callback: func(t *testing.T, _ providers.Provider, sent providertest.Sent, s providers.Status) *http.Request {
				t.Helper()
				body, err := json.Marshal(map[string]any{"results": []any{
					map[string]any{"id": sent.Reference, "status": words[s], "to": providertest.Number},
				}})
				if err != nil {
					t.Fatal(err)
				}
				return signedReport(string(body), time.Now())
			},
			Forgeries: map[string]func(*http.Request){
				"unsigned":       func(r *http.Request) { r.Header.Del("X-Signature") },
				"no prefix":      func(r *http.Request) { r.Header.Set("X-Signature", r.Header.Get("X-Signature")[7:]) },
				"no hex":         func(r *http.Request) { r.Header.Set("X-Signature", "sha256=zz") },
				"cut":            func(r *http.Request) { r.Header.Set("X-Signature", r.Header.Get("X-Signature")[:39]) },
				"of other body":  func(r *http.Request) { r.Header.Set("X-Signature", sign(r.Header.Get("X-Timestamp"), "{}")) },
				"other time":     func(r *http.Request) { r.Header.Set("X-Timestamp", strconv.FormatInt(time.Now().Unix()+1, 10)) },
				"no time":        func(r *http.Request) { r.Header.Del("X-Timestamp") },
				"time as a word": func(r *http.Request) { r.Header.Set("X-Timestamp", "now") },
				"all of it gone": func(r *http.Request) { maps.DeleteFunc(r.Header, func(string, []string) bool { return true }) },
			},
		})
}

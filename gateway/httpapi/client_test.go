package httpapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"

	"denwa/gateway/httpapi"
)

// specification returns a validator of openapi.yaml that also refuses what the
// document doesn't mention.
var specification = sync.OnceValues(func() (validator.Validator, error) {
	data, err := os.ReadFile("openapi.yaml")
	if err != nil {
		return nil, err
	}
	doc, err := libopenapi.NewDocument(data)
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(doc, config.WithStrictMode(), config.WithFormatAssertions(),
		config.WithStrictIgnoredHeadersExtra("Cache-Control", "Content-Security-Policy", "Referrer-Policy",
			"X-Content-Type-Options", "Accept-Ranges", "Allow", "X-Accel-Buffering", "Connection"))
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return v, nil
})

// client speaks to a server with an app's key, and holds every reply against
// openapi.yaml.
type client struct {
	server *httpapi.Server
	key    string
}

func newClient(s *httpapi.Server) client { return client{server: s, key: portalKey} }

// reply is a reply that was read.
type reply struct {
	*http.Response
	text string
	body map[string]any
}

func (r reply) code() any { return r.body["code"] }

// verification is the id in a reply.
func (r reply) id() string {
	id, _ := r.body["id"].(string)
	return id
}

// do makes a request. headers are pairs; a body is JSON unless they say
// otherwise.
func (c client) do(tb testing.TB, method, target, body string, headers ...string) reply {
	tb.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if c.key != "" {
		r.Header.Set("Authorization", "Bearer "+c.key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Del(headers[i]); headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	return c.send(tb, r)
}

func (c client) send(tb testing.TB, r *http.Request) reply {
	tb.Helper()
	w := httptest.NewRecorder()
	c.server.Public().ServeHTTP(w, r)
	res := w.Result()
	holdToSpecification(tb, r, res, w.Body.String())
	return readReply(tb, res)
}

func readReply(tb testing.TB, res *http.Response) reply {
	tb.Helper()
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatal(err)
	}
	out := reply{Response: res, text: string(data)}
	if strings.Contains(res.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(data, &out.body); err != nil {
			tb.Fatalf("reply is not JSON: %v\n%s", err, data)
		}
	}
	return out
}

// holdToSpecification fails the test unless openapi.yaml describes this reply.
// Only what has no operation, and so can't be described, is let through.
func holdToSpecification(tb testing.TB, r *http.Request, res *http.Response, body string) {
	tb.Helper()
	v, err := specification()
	if err != nil {
		tb.Fatal(err)
	}
	copied := *res
	copied.Body = io.NopCloser(strings.NewReader(body))
	ok, problems := v.ValidateHttpResponse(r, &copied)
	if ok || res.StatusCode == http.StatusMethodNotAllowed || res.StatusCode == http.StatusNotFound && !strings.HasPrefix(r.URL.Path, "/v1/verifications/vf_") {
		return
	}
	for _, p := range problems {
		tb.Errorf("%s %s, %d: openapi.yaml: %s: %s", r.Method, r.URL.Path, res.StatusCode, p.Message, p.Reason)
		for _, s := range p.SchemaValidationErrors {
			tb.Errorf("  %s: %s", s.FieldPath, s.Reason)
		}
	}
	if tb.Failed() {
		tb.Log(body)
	}
}

// want fails the test unless a reply has a status and, if it is an error, a code.
func want(tb testing.TB, r reply, status int, code string) {
	tb.Helper()
	if r.StatusCode != status {
		tb.Fatalf("status %d, want %d\n%s", r.StatusCode, status, r.text)
	}
	if code == "" {
		return
	}
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		tb.Errorf("Content-Type %q", got)
	}
	if r.code() != code {
		tb.Errorf("code %q, want %q", r.code(), code)
	}
	if r.body["status"] != float64(status) || r.body["request_id"] != r.Header.Get("X-Request-Id") {
		tb.Errorf("problem doesn't agree with its reply: %s", r.text)
	}
}

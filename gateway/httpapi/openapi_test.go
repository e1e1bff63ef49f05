package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"denwa/gateway"
	"denwa/gateway/httpapi"
	"denwa/providers"
	"denwa/ratelimit"
)

// model returns openapi.yaml as the library reads it.
func model(t *testing.T) *v3.Document {
	t.Helper()
	data, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := libopenapi.NewDocument(data)
	if err != nil {
		t.Fatal(err)
	}
	m, err := doc.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	return &m.Model
}

func TestSpecificationIsOpenAPI(t *testing.T) {
	v, err := specification()
	if err != nil {
		t.Fatal(err)
	}
	if ok, problems := v.ValidateDocument(); !ok {
		t.Error(problems)
	}
}

// TestRoutesAndSpecificationAgree asks for every operation that the document
// describes, and looks for every route in it.
func TestRoutesAndSpecificationAgree(t *testing.T) {
	var described []string
	for path, item := range model(t).Paths.PathItems.FromOldest() {
		for method := range item.GetOperations().FromOldest() {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	routes := httpapi.Routes(newServer(t, nil))
	slices.Sort(described)
	slices.Sort(routes)
	if !slices.Equal(described, routes) {
		t.Errorf("described:\n%s\nserved:\n%s", strings.Join(described, "\n"), strings.Join(routes, "\n"))
	}
}

// TestEnumsAgree holds the document's closed sets against the program's.
func TestEnumsAgree(t *testing.T) {
	schemas := model(t).Components.Schemas
	enum := func(name, property string) []string {
		s := schemas.GetOrZero(name).Schema()
		if property != "" {
			s = s.Properties.GetOrZero(property).Schema()
		}
		var values []string
		for _, n := range s.Enum {
			values = append(values, n.Value)
		}
		return values
	}
	var codes []string
	for _, c := range documentedCodes(t) {
		codes = append(codes, c.code)
	}
	same(t, "ErrorCode", enum("ErrorCode", ""), codes)
	same(t, "Status", enum("Status", ""), texts(gateway.Statuses()))
	same(t, "channel", enum("Resend", "channel"), texts(providers.Channels()))
	modes := texts([]gateway.Mode{gateway.ModeCode, gateway.ModeConfirm, gateway.ModeKeyed})
	same(t, "Start.mode", enum("Start", "mode"), modes)
	same(t, "Verification.mode", enum("Verification", "mode"), modes)
	statuses := texts(append(providers.MessageStatuses(), providers.CallStatuses()...))
	slices.Sort(statuses)
	same(t, "Delivery.status", enum("Delivery", "status"), slices.Compact(statuses))
}

// TestEveryLimitAndStatusIsExplained looks for each name where the document
// says what they mean.
func TestEveryLimitAndStatusIsExplained(t *testing.T) {
	schemas := model(t).Components.Schemas
	for _, tc := range []struct {
		schema, property string
		names            []string
	}{
		{"Problem", "limit", texts(append(ratelimit.Names(), gateway.LimitSends, gateway.LimitCalls))},
		{"Delivery", "status", texts(append(providers.MessageStatuses(), providers.CallStatuses()...))},
	} {
		text := schemas.GetOrZero(tc.schema).Schema().Properties.GetOrZero(tc.property).Schema().Description
		for _, name := range tc.names {
			if !strings.Contains(text, "`"+name+"`") {
				t.Errorf("%s.%s doesn't explain %s", tc.schema, tc.property, name)
			}
		}
	}
}

func same(t *testing.T, name string, a, b []string) {
	t.Helper()
	slices.Sort(a)
	slices.Sort(b)
	if !slices.Equal(a, b) {
		t.Errorf("%s: openapi.yaml has %q, the program %q", name, a, b)
	}
}

func texts[T ~string](in []T) []string {
	var out []string
	for _, v := range in {
		out = append(out, string(v))
	}
	return out
}

// TestExamplesAreAccepted sends each example of a request, and holds each
// example of a reply against its own schema.
func TestExamplesAreAccepted(t *testing.T) {
	v, err := specification()
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(newServer(t, nil))
	id := begin(t, c)[len(start)+1:]
	requests, replies := 0, 0
	for path, item := range model(t).Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			method, target := strings.ToUpper(method), strings.Replace(path, "{id}", id, 1)
			if op.RequestBody != nil {
				for _, body := range examples(t, op.RequestBody.Content.GetOrZero("application/json")) {
					requests++
					if r := c.do(t, method, target, body); r.StatusCode >= 300 && r.code() != "not_pending" {
						t.Errorf("%s %s %s: %s", method, path, body, r.text)
					}
				}
			}
			for status, response := range op.Responses.Codes.FromOldest() {
				for media, content := range response.Content.FromOldest() {
					for _, body := range examples(t, content) {
						replies++
						holdExample(t, v, method, target, status, media, body)
					}
				}
			}
		}
	}
	if requests < 6 || replies < 60 {
		t.Errorf("found only %d requests and %d replies", requests, replies)
	}
}

func holdExample(t *testing.T, v validator.Validator, method, target, status, media, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", media)
	for name, value := range map[string]string{
		"X-Request-Id": "x", "Retry-After": "1", "RateLimit": "x", "RateLimit-Policy": "x", "WWW-Authenticate": "x",
	} {
		w.Header().Set(name, value)
	}
	var code int
	_, _ = fmt.Sscan(status, &code)
	w.WriteHeader(code)
	_, _ = w.WriteString(body)
	res := w.Result()
	defer res.Body.Close()
	_, problems := v.ValidateHttpResponse(httptest.NewRequest(method, target, nil), res)
	for _, p := range problems {
		if strings.Contains(p.Message, "header") {
			continue // those above that this reply doesn't have.
		}
		t.Errorf("%s %s %s: %s: %s", method, target, status, p.Message, p.Reason)
		for _, s := range p.SchemaValidationErrors {
			t.Errorf("  %s: %s", s.FieldPath, s.Reason)
		}
	}
	if media == "application/problem+json" {
		var p struct {
			Status int
			Title  string
		}
		if err := json.Unmarshal([]byte(body), &p); err != nil || p.Status != code || p.Title != http.StatusText(code) {
			t.Errorf("%s %s %s: example disagrees with its status: %s", method, target, status, body)
		}
	}
}

// examples are the examples of one body, as JSON.
func examples(t *testing.T, m *v3.MediaType) []string {
	t.Helper()
	var out []string
	add := func(n interface{ Decode(any) error }) {
		var v any
		if err := n.Decode(&v); err != nil {
			t.Fatal(err)
		}
		if text, ok := v.(string); ok { // not JSON
			out = append(out, text)
			return
		}
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(data))
	}
	if m.Example != nil {
		add(m.Example)
	}
	for _, e := range m.Examples.FromOldest() {
		add(e.Value)
	}
	return out
}

// TestPatternOfKeys holds the documented form of an Idempotency-Key against
// what is taken.
func TestPatternOfKeys(t *testing.T) {
	c := newClient(newServer(t, nil))
	pattern := regexp.MustCompile("^[!-~]+$")
	for _, key := range []string{"!", "~", "a", "a b", "é", "k\tk", strings.Repeat("x", 255)} {
		r := c.do(t, "POST", lookup, `{"number":"03-1234-5678"}`, "Idempotency-Key", key)
		if accepted := r.StatusCode == http.StatusOK; accepted != pattern.MatchString(key) {
			t.Errorf("%q: %d", key, r.StatusCode)
		}
	}
}

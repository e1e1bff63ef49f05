package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"denwa/gateway/httpapi"
)

func TestDocumentationNeedsNoKey(t *testing.T) {
	c := client{server: newServer(t, nil)}
	for path, contentType := range map[string]string{
		"/v1/openapi.yaml": "application/yaml", "/v1/docs": "text/html; charset=utf-8", "/v1/docs/style.css": "text/css; charset=utf-8",
	} {
		r := c.do(t, "GET", path, "")
		want(t, r, http.StatusOK, "")
		if got := r.Header.Get("Content-Type"); got != contentType || len(r.text) < 1000 {
			t.Errorf("%s: %s, %d bytes", path, got, len(r.text))
		}
		tag := r.Header.Get("ETag")
		conditional := httptest.NewRequest("GET", path, nil)
		conditional.Header.Set("If-None-Match", tag)
		w := httptest.NewRecorder()
		if c.server.Public().ServeHTTP(w, conditional); w.Code != http.StatusNotModified || tag == "" {
			t.Errorf("%s with its tag %q: %d", path, tag, w.Code)
		}
	}
}

// TestDocumentationPage walks the page: everything is described, every link
// within it leads somewhere, and it loads nothing but its style sheet.
func TestDocumentationPage(t *testing.T) {
	s := newServer(t, nil)
	r := client{server: s}.do(t, "GET", "/v1/docs", "")
	if csp := r.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'self';") {
		t.Errorf("Content-Security-Policy: %s", csp)
	}
	root, err := html.Parse(strings.NewReader(r.text))
	if err != nil {
		t.Fatal(err)
	}
	ids, links := map[string]bool{}, []string(nil)
	for n := range root.Descendants() {
		if n.Data == "script" || n.Data == "style" || n.Data == "img" || n.Data == "iframe" {
			t.Errorf("there is a <%s>", n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case a.Key == "id" && ids[a.Val]:
				t.Errorf("two elements are called %q", a.Val)
			case a.Key == "id":
				ids[a.Val] = true
			case a.Key == "href" || a.Key == "src":
				links = append(links, a.Val)
			case a.Key == "style" || strings.HasPrefix(a.Key, "on"):
				t.Errorf("<%s %s=…>", n.Data, a.Key)
			}
		}
	}
	for _, link := range links {
		if target, within := strings.CutPrefix(link, "#"); within && !ids[target] {
			t.Errorf("%s leads nowhere", link)
		} else if !within && link != "docs/style.css" && link != "openapi.yaml" {
			t.Errorf("the page loads or links to %s", link)
		}
	}
	text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(r.text, "")
	for _, route := range httpapi.Routes(s) {
		method, path, _ := strings.Cut(route, " ")
		if !strings.Contains(text, method+" "+path) {
			t.Errorf("%s isn't on the page", route)
		}
	}
	for _, c := range documentedCodes(t) {
		if !strings.Contains(text, c.code) {
			t.Errorf("%s isn't on the page", c.code)
		}
	}
	if example := `{
  "to": "03-1234-5678",
  "extension": "123",
  "channel": "voice",
  "mode": "confirm"
}`; !strings.Contains(html.UnescapeString(text), example) {
		t.Error("the examples aren't on the page, or in another order")
	}
	if strings.Contains(text, "`") || strings.Contains(text, "ZgotmplZ") || strings.Contains(text, "$ref") {
		t.Error("the page shows source text")
	}
}

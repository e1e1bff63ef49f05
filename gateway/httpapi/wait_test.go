package httpapi_test

import (
	"net/http"
	"testing"
)

// A client that says what it knows misses nothing between two requests, and is
// told when there is nothing new.
func TestKnownStates(t *testing.T) {
	c := newClient(newServer(t, nil))
	one := begin(t, c)
	first := c.do(t, "GET", one, "")
	tag := first.Header.Get("ETag")
	if first.StatusCode != http.StatusOK || tag == "" {
		t.Fatalf("%d %q", first.StatusCode, tag)
	}
	for _, known := range []string{tag, "W/" + tag} {
		for _, query := range []string{"", "?wait=1"} {
			if r := c.do(t, "GET", one+query, "", "If-None-Match", known); r.StatusCode != http.StatusNotModified || r.text != "" || r.Header.Get("ETag") != tag {
				t.Errorf("%s %s: %d %q", query, known, r.StatusCode, r.text)
			}
		}
	}
	// Something happens that this client doesn't see.
	c.do(t, "POST", one+"/check", `{"code":"000000"}`)
	r := c.do(t, "GET", one+"?wait=60", "", "If-None-Match", tag)
	if r.StatusCode != http.StatusOK || r.Header.Get("ETag") == tag || r.body["attempts_remaining"] != 4.0 {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	for _, unknown := range []string{"*", `"x"`, `"-1"`, `"0"`, `"9999999999999999999999"`} {
		if r := c.do(t, "GET", one, "", "If-None-Match", unknown); r.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", unknown, r.StatusCode)
		}
	}
	sent := c.do(t, "POST", deliveries, `{"to":"090-1234-5678","message":"493817","valid_for":300}`)
	delivery := deliveries + "/" + sent.id()
	tag = c.do(t, "GET", delivery, "").Header.Get("ETag")
	if r := c.do(t, "GET", delivery, "", "If-None-Match", tag); tag == "" || r.StatusCode != http.StatusNotModified {
		t.Errorf("%d %q", r.StatusCode, tag)
	}
}

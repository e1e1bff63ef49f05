package sandbox

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"denwa/providers"
)

// follow opens a stream, and returns what reads its next event.
func follow(t *testing.T, phones *Phones, query string) (next func() string) {
	t.Helper()
	server := httptest.NewServer(phones.Handler())
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/sandbox/api/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	if got := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("%d %s", answer.StatusCode, got)
	}
	lines := bufio.NewReader(answer.Body)
	return func() string {
		t.Helper()
		var event strings.Builder
		for {
			line, err := lines.ReadString('\n')
			if err == io.EOF {
				return "end"
			}
			if err != nil {
				t.Fatal(err)
			}
			if line == "\n" {
				return event.String()
			}
			event.WriteString(line)
		}
	}
}

func TestEvents(t *testing.T) {
	phones := NewPhones()
	p, _ := open(t, phones, "a", discard)
	next := follow(t, phones, "?phone=819012345678&phone=%2B818011112222")
	expect := func(parts ...string) {
		t.Helper()
		got := next()
		for _, part := range parts {
			if !strings.Contains(got, part) {
				t.Fatalf("got %q, want %q in it", got, part)
			}
		}
	}
	expect("event: phones\ndata: []\n")
	expect("event: phone\n", `{"number":"+819012345678","messages":[],"calls":[],"behaviour":{"sms":"delivered"`)
	expect("event: phone\n", `{"number":"+818011112222"`)
	if _, err := p.SendMessage(t.Context(), text(number, "line\nbreak")); err != nil {
		t.Fatal(err)
	}
	expect("event: phones\n", `["+819012345678"]`)
	for got := next(); !strings.Contains(got, `"status":"delivered"`); got = next() {
		if !strings.Contains(got, `"text":"line\nbreak"`) {
			t.Fatalf("got %q", got)
		}
	}
	if _, err := p.SendMessage(t.Context(), text("+12025550123", "of a phone that nobody follows")); err != nil {
		t.Fatal(err)
	}
	expect("event: phones\n", `["+12025550123","+819012345678"]`)
	request(phones, http.MethodDelete, "/sandbox/api/phones/"+number, "")
	for got := next(); !strings.Contains(got, `"number":"+819012345678","messages":[]`); got = next() {
		if !strings.HasPrefix(got, "event: phones\n") && got != ":\n" {
			t.Fatalf("got %q", got)
		}
	}
	if err := phones.Close(); err != nil {
		t.Fatal(err)
	}
	for got := next(); got != "end"; got = next() {
		if got != ":\n" && !strings.HasPrefix(got, "event: phones\n") {
			t.Fatalf("got %q", got)
		}
	}
}

func TestEventsRefused(t *testing.T) {
	for query, want := range map[string]int{
		"?phone=me":          http.StatusUnprocessableEntity,
		"?phone=09012345678": http.StatusUnprocessableEntity,
		"?" + strings.Repeat("phone=819012345678&", 17): http.StatusUnprocessableEntity,
	} {
		if answer := request(NewPhones(), http.MethodGet, "/sandbox/api/events"+query, ""); answer.Code != want {
			t.Errorf("%s: %d, want %d", query, answer.Code, want)
		}
	}
	if answer := request(NewPhones(), http.MethodPost, "/sandbox/api/events", "{}"); answer.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", answer.Code)
	}
}

// TestWordsAreComplete holds the languages against what there is to say.
func TestWordsAreComplete(t *testing.T) {
	for _, w := range words {
		said := map[string]bool{}
		for _, n := range w.Message {
			said["message "+n.Name] = n.Label != ""
		}
		for _, n := range w.Call {
			said["call "+n.Name] = n.Label != ""
		}
		for _, n := range w.Refusals {
			said["refused "+n.Name] = n.Label != ""
		}
		for _, s := range providers.MessageStatuses() {
			if !said["message "+string(s)] {
				t.Errorf("%s has no word for a message that is %s", w.Language, s)
			}
		}
		for _, s := range providers.CallStatuses() {
			if !said["call "+string(s)] {
				t.Errorf("%s has no word for a call that is %s", w.Language, s)
			}
		}
		for _, r := range []*refusal{refusedEnded, refusedRinging, refusedListening, refusedDecided} {
			if !said["refused "+r.code] {
				t.Errorf("%s has no word for %s", w.Language, r.code)
			}
		}
		for i, c := range w.Choices {
			for j, o := range c.Options {
				if first := words[0].Choices[i]; c.Name != first.Name || o.Value != first.Options[j].Value || o.Label == "" {
					t.Errorf("%s has another choice than %s: %s %q", w.Language, words[0].Language, c.Name, o.Value)
				}
			}
		}
	}
}

func TestPageInTheReadersLanguage(t *testing.T) {
	for _, c := range []struct{ query, accepts, want string }{
		{"", "", "ja"}, {"", "en-GB,ja;q=0.5", "en"}, {"", "fr,ja;q=0.5", "ja"}, {"?lang=en", "ja", "en"}, {"?lang=xx", "en", "en"}, {"", "fr", "ja"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/sandbox/"+c.query, nil)
		r.Header.Set("Accept-Language", c.accepts)
		w := httptest.NewRecorder()
		NewPhones().Handler().ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), `<html lang="`+c.want+`">`) || w.Header().Get("Content-Security-Policy") != policy {
			t.Errorf("%s %q: %d, not %s", c.query, c.accepts, w.Code, c.want)
		}
	}
}

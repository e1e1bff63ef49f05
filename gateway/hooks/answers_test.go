package hooks

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/providers"
)

// TestAnswers holds what each login service gets in each situation against
// testdata/answers.txt, and what arrives on the phone.
func TestAnswers(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client, nil)
		var got strings.Builder
		for i, c := range callers(t) {
			last := 0
			fresh := func() string { // a number of its own for each case, so that no limit is met by chance
				last++
				return fmt.Sprintf("8190123%d%04d", i, last)
			}
			says := func(situation string, number string, a answer, messages int) {
				fmt.Fprintf(&got, "%s %s: %s\n", c.kind, situation, a.line())
				if all := g.messages("+" + number); len(all) != messages {
					t.Errorf("%s %s: %d messages, want %d", c.kind, situation, len(all), messages)
				}
			}
			post := func(body string) answer { return g.post(c.path(), body, c.sign(body, g.read())) }

			n := fresh()
			says("sent", n, post(c.to(n)), 1)
			if text := g.messages("+" + n)[0].Text; text != c.says(recordedCode) {
				t.Errorf("%s: %q arrived", c.kind, text)
			}
			another := strings.ReplaceAll(strings.ReplaceAll(c.to(n), recordedCode, "778899"), "reqRgSk8IBBRhuo0YdlEDTmUw", "reqOther")
			says("another code at once", n, post(another), 1)

			n = "81312345"
			says("no such number", n, post(c.to(n)), 0)
			n = "81120123456"
			says("toll-free", n, post(c.to(n)), 0)
			n = "447400123456"
			says("another country", n, post(c.to(n)), 0)
			n = fresh()
			g.fail("+"+n, providers.Rejected)
			says("a carrier refuses it", n, post(c.to(n)), 0)

			n = fresh()
			body := c.to(n)
			says("no credentials", n, g.post(c.path(), body, http.Header{"Content-Type": {"application/json"}}), 0)
			if c.kind.Signed() {
				says("stale", n, g.post(c.path(), body, c.sign(body, g.read().Add(-tolerance-1e9))), 0)
				says("tampered", n, g.post(c.path(), body+" ", c.sign(body, g.read())), 0)
			}
			header := c.sign(body, g.read())
			header.Set("Content-Type", "text/plain")
			says("another type", n, g.post(c.path(), body, header), 0)
			says("not JSON", n, post(body[:len(body)/2]), 0)
			says("nothing", n, post("{}"), 0)
			says("oversized", n, post(body+strings.Repeat(" ", maxBody)), 0)
			says("not POST", n, g.do(t.Context(), http.MethodPut, c.path(), body, c.sign(body, g.read())), 0)
			says("no such app", n, g.post("/hooks/nobody/"+string(c.kind), body, c.sign(body, g.read())), 0)
			says("app without it", n, g.post("/hooks/other/"+string(c.kind), body, c.sign(body, g.read())), 0)
			says("below it", n, g.post(c.path()+"/", body, c.sign(body, g.read())), 0)
		}
		golden(t, "answers.txt", got.String())
	})
}

// TestPersonsLanguage: persons are told in the app's language, or in the one
// that the service says.
func TestPersonsLanguage(t *testing.T) {
	client := connect(t, "")
	g := newGateway(t, client, func(c *gateway.Config) { c.Apps[0].Locale = "en" })
	authentik, logto := callerOf(t, gateway.HookAuthentik), callerOf(t, gateway.HookLogto)
	for _, c := range []struct {
		caller
		want string
	}{
		{authentik, "This phone number doesn't seem right. Please check it and try again."},
		{logto, "電話番号が正しくないようです。ご確認のうえ、もう一度お試しください。"}, // payload.locale is ja-JP
	} {
		body := c.to("81312345")
		if a := g.post(c.path(), body, c.sign(body, g.read())); a.body != c.want {
			t.Errorf("%s: %s", c.kind, a.body)
		}
	}
}

// golden compares a text with a file, or with -update writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile("testdata/"+name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := strings.Split(file(t, name), "\n")
	for i, line := range strings.Split(got, "\n") {
		if i >= len(want) || line != want[i] {
			t.Errorf("%s:%d: got %s", name, i+1, line)
		}
	}
}

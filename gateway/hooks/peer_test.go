package hooks

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"denwa/gateway"
	"denwa/providers/providertest"
)

// TestStandardWebhooksSigns has the library sign that Supabase Auth signs with,
// and call over HTTP.
func TestStandardWebhooksSigns(t *testing.T) {
	node, folder := providertest.Node(t, "standardwebhooks")
	g := newGateway(t, connect(t, ""), nil)
	c := callerOf(t, gateway.HookSupabase)
	type call struct {
		Secrets []string `json:"secrets"`
		ID      string   `json:"id"`
		At      int64    `json:"at"`
		Body    string   `json:"body"`
		Sent    string   `json:"sent,omitempty"`
	}
	const another = "v1,whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIz"
	now := g.read().Unix()
	cases := []struct {
		name string
		call
		want string
	}{
		{"first try", call{[]string{supabaseSecret}, "msg_1", now, c.body, ""}, "200 {}"},
		{"its retry, with an id of its own", call{[]string{supabaseSecret}, "msg_2", now + 2, c.body, ""}, "200 {}"},
		{"two secrets", call{[]string{another, supabaseSecret}, "msg_3", now, c.to("819011112222"), ""}, "200 {}"},
		{"another secret", call{[]string{another}, "msg_4", now, c.to("819011113333"), ""}, "401 "},
		{"another body", call{[]string{supabaseSecret}, "msg_5", now, c.body, c.to("819011113333")}, "401 "},
		{"an old one", call{[]string{supabaseSecret}, "msg_6", now - 400, c.to("819011113333"), ""}, "401 "},
	}
	var in bytes.Buffer
	for _, c := range cases {
		line, err := json.Marshal(c.call)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(line, '\n'))
	}
	cmd := exec.CommandContext(t.Context(), node, "testdata/sign.cjs", folder, g.server.URL+c.path())
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(answers) != len(cases) {
		t.Fatalf("%d answers: %s", len(answers), out)
	}
	for i, c := range cases {
		if !strings.HasPrefix(answers[i], c.want) {
			t.Errorf("%s: %s, want %s", c.name, answers[i], c.want)
		}
	}
	for number, want := range map[string]int{recordedNumber: 1, "819011112222": 1, "819011113333": 0} {
		if n := len(g.messages("+" + number)); n != want {
			t.Errorf("%s: %d messages", number, n)
		}
	}
}

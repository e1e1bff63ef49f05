package webhook

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"denwa/gateway"
	"denwa/providers/providertest"
)

// TestStandardWebhooksVerifiesWhatWeSign asks the library that receivers use.
func TestStandardWebhooksVerifiesWhatWeSign(t *testing.T) {
	node, folder := providertest.Node(t, "standardwebhooks")

	q, r := newQueue(t, ""), newReceiver(t, nil)
	to := r.webhook()
	to.Secret, to.PreviousSecret = secretOf("now"), secretOf("before")
	q.emit("app")
	newDispatcher(t, q, map[string]gateway.Webhook{"app": to}).run(t)
	within(t, "delivered", func() bool { return len(r.got()) == 1 })
	got := r.got()[0]

	headers := func(change string, value string) map[string]string {
		h := map[string]string{}
		for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
			h[name] = got.header.Get(name)
		}
		if change != "" {
			h[change] = value
		}
		return h
	}
	sent, err := strconv.ParseInt(got.header.Get("webhook-timestamp"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	type question struct {
		Secret  string            `json:"secret"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	}
	const accepted = "verification.approved"
	cases := []struct {
		name string
		question
		want string
	}{
		{"current secret", question{to.Secret, headers("", ""), got.body}, accepted},
		{"previous secret", question{to.PreviousSecret, headers("", ""), got.body}, accepted},
		{"another secret", question{secretOf("other"), headers("", ""), got.body}, "refused: "},
		{"another body", question{to.Secret, headers("", ""), got.body + " "}, "refused: "},
		{"another id", question{to.Secret, headers("webhook-id", "msg_other_1"), got.body}, "refused: "},
		{"another second", question{to.Secret, headers("webhook-timestamp", strconv.FormatInt(sent-1, 10)), got.body}, "refused: "},
	}
	var in bytes.Buffer
	for _, c := range cases {
		line, err := json.Marshal(c.question)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(line, '\n'))
	}
	cmd := exec.CommandContext(t.Context(), node, "testdata/verify.cjs", folder)
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
}

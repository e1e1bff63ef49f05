package main

import (
	"encoding/json"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"denwa/ratelimit/redistest"
)

// operate runs a command of an operator and returns its output and exit code.
func (c *testConfig) operate(t *testing.T, stdin string, args ...string) (out, errs string, code int) {
	t.Helper()
	run := command(t, append(args, "--config", c.path)...)
	var stdout, stderr strings.Builder
	run.Stdin, run.Stdout, run.Stderr = strings.NewReader(stdin), &stdout, &stderr
	_ = run.Run() // the exit code tells
	return stdout.String(), stderr.String(), run.ProcessState.ExitCode()
}

// TestOperatorCommands blocks a number of a running gateway, unblocks it, and
// searches all that was printed and stored.
func TestOperatorCommands(t *testing.T) {
	redis := redistest.Start(t)
	c := redisConfig(t, redis.Addr(), "")
	g := serving(t, "--config", c.path)
	var printed strings.Builder
	operate := func(want int, says, stdin string, args ...string) string {
		t.Helper()
		out, errs, code := c.operate(t, stdin, args...)
		if code != want || !strings.Contains(out+errs, says) {
			t.Errorf("denwa %v: exit code %d, want %d and %q:\n%s%s", args, code, want, says, out, errs)
		}
		printed.WriteString(out + errs)
		return out
	}

	started := g.post(t, "/v1/verifications", `{"to":"090-1234-9876"}`)
	id, code := started.text("id"), codeSent(t, g.server, "+819012349876")
	operate(0, "\n  delivery 1   sms by sandbox, ", "", "verifications", "show", id)
	var v struct {
		App, Status string
		ToMasked    string `json:"to_masked"`
		Deliveries  []struct{ Provider string }
	}
	if err := json.Unmarshal([]byte(operate(0, "", "", "verifications", "show", "--json", id)), &v); err != nil ||
		v.App != "portal" || v.Status != "pending" || v.ToMasked != "+81 90-****-9876" || len(v.Deliveries) != 1 || v.Deliveries[0].Provider != "sandbox" {
		t.Errorf("%+v, %v", v, err)
	}
	operate(0, "\n  attempts     0 of 5\n", "", "verifications", "show", id)
	operate(1, "no such verification", "", "verifications", "show", "vf_nothing")

	dispatched := g.post(t, "/v1/deliveries", `{"to":"080-1234-9876","message":"hello"}`).text("id")
	if out := operate(0, "\n  sends        1 of 5\n", "", "verifications", "show", dispatched); strings.Contains(out, "attempts") || strings.Contains(out, "mode") {
		t.Errorf("a dispatch is shown as if it could be checked:\n%s", out)
	}

	operate(0, "blocked      no", "", "numbers", "show", "090-1234-9876")
	operate(1, "isn't blocked", "", "numbers", "unblock", "090-1234-9876")
	operate(2, "--reason is missing", "", "numbers", "block", "090-1234-9876")
	operate(2, "", "", "numbers", "block", "--reason", "x", "--for", "1h", "--forever", "090-1234-9876")
	operate(2, "", "", "numbers", "block", "--reason", "x", "110")
	operate(2, "", "", "numbers", "block", "--reason", "x", "nobody")
	operate(0, "+81 90-****-9876 is blocked until 20", "090-1234-9876\n", "numbers", "block", "--by", "carol", "--reason", "ticket 4711", "-")
	if r := g.post(t, "/v1/verifications", `{"to":"+819012349876"}`); r.text("code") != "blocked" {
		t.Errorf("a blocked number: %d %v", r.status, r.body)
	}
	operate(0, ", by carol at 20", "", "numbers", "show", "090-1234-9876")
	operate(0, `"reason":"ticket 4711"`, "", "numbers", "show", "--json", "090-1234-9876")
	operate(0, "is blocked until 203", "", "numbers", "block", "--forever", "--by", "carol", "--reason", "ticket 4711", "--country", "jp", "090-1234-9876")
	operate(0, "no longer blocked", "", "numbers", "unblock", "090-1234-9876")
	operate(1, "isn't blocked", "", "numbers", "unblock", "090-1234-9876")
	if r := g.post(t, "/v1/verifications", `{"to":"+819012349876"}`); r.text("code") == "blocked" {
		t.Errorf("an unblocked number: %d %v", r.status, r.body)
	}

	log := strings.Split(strings.TrimSpace(operate(0, "", "", "audit", "export")), "\n")
	if len(log) != 3 {
		t.Fatalf("audit log: %q", log)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []auditEntry{
		{Action: "block", By: "carol", Reason: "ticket 4711"}, {Action: "block", By: "carol", Reason: "ticket 4711"}, {Action: "unblock", By: me.Username},
	} {
		var e auditEntry
		if err := json.Unmarshal([]byte(log[i]), &e); err != nil || e.Action != want.Action || e.By != want.By || e.Reason != want.Reason ||
			e.ToMasked != "+81 90-****-9876" || e.To != "" || (e.Until == nil) != (e.Action == "unblock") {
			t.Errorf("%s, %v", log[i], err)
		}
	}
	if out, _, _ := c.operate(t, "", "audit", "export", "--reveal"); strings.Count(out, `"to":"+819012349876"`) != 3 {
		t.Errorf("revealed: %s", out)
	}

	held := everything(t, redis.Addr())
	if !strings.Contains(held, "audit") || !strings.Contains(held, "carol") {
		t.Error("the dump lacks the audit log")
	}
	for _, secret := range []string{"9012349876", "090-1234-9876", code, testMaster} {
		for place, text := range map[string]string{"store": held, "output": printed.String(), "log": g.logs.String()} {
			if containsAlone(text, secret) {
				t.Errorf("the %s holds %q", place, secret)
			}
		}
	}
	if strings.Contains(held, "ticket 4711") {
		t.Error("the store holds a reason in clear")
	}
}

func TestOperatorCommandsNeedAStoreInReach(t *testing.T) {
	away := redisConfig(t, freeAddress(t), "")
	for _, args := range [][]string{{"audit", "export"}, {"numbers", "show", "090-1234-5678"}} {
		if _, errs, code := away.operate(t, "", args...); code != exitStore || errs == "" {
			t.Errorf("%v without Redis: exit code %d, %q", args, code, errs)
		}
	}

	server := redistest.Start(t)
	full := redisConfig(t, server.Addr(), "")
	if _, errs, code := full.operate(t, "", "numbers", "show", "090-1234-5678"); code != exitOK {
		t.Fatalf("exit code %d, %q", code, errs)
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	if err := client.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := full.operate(t, "", "numbers", "block", "--reason", "x", "090-1234-5678"); code != exitStore || strings.Count(errs, "OOM") != 1 {
		t.Errorf("Redis is full: exit code %d, %q", code, errs)
	}
	if out, errs, code := full.operate(t, "", "numbers", "show", "090-1234-5678"); code != exitOK || !strings.Contains(out, "blocked      no") {
		t.Errorf("Redis is full: exit code %d, %q%q", code, out, errs)
	}

	inside := &testConfig{path: filepath.Join(t.TempDir(), "denwa.yaml")}
	inside.write(t, "portal", "")
	text, err := os.ReadFile(inside.path)
	if err != nil {
		t.Fatal(err)
	}
	embedded := strings.Replace(string(text), `type: redis, addresses: [""]`, "type: embedded", 1)
	if err := os.WriteFile(inside.path, []byte(embedded), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"audit", "export"}, {"webhook", "list", "--app", "portal"}} {
		if _, errs, code := inside.operate(t, "", args...); code != exitUsage || !strings.Contains(errs, "embedded store") {
			t.Errorf("%v with the embedded store: exit code %d, %q", args, code, errs)
		}
	}
}

package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"denwa/config"
	"denwa/ratelimit/redistest"
)

// TestMasterKeyRotation goes through the steps of docs/operate.md with old and new
// instances side by side, and checks on each what another one began.
func TestMasterKeyRotation(t *testing.T) {
	const fresh = "YW5vdGhlciBvbmUgb2YgdGhpcnR5LXR3byBieXRlcyE="
	redis, carrier := redistest.Start(t), newSMSCarrier(t)
	step := func(keys string) (*running, *testConfig) {
		c := redisConfig(t, redis.Addr(), "")
		c.save(t, fmt.Sprintf(`
keys: {%s}
store: {type: redis, addresses: [%q]}
providers:
  - {name: carrier, type: http, url: %q, form: {to: "{to}", text: "{text}"}, reply: {rules: [{status: "2xx", means: accepted}]}}
apps:
  - {name: portal, brand: Example, api_keys: [{id: k1, sha256: %q}]}
`, keys, redis.Addr(), carrier.URL, hashKey(config.PlaygroundKey)))
		return serving(t, "--config", c.path), c
	}
	began := map[string]string{} // id by number
	start := func(g *running, number string) {
		r := g.post(t, "/v1/verifications", `{"to":"`+number+`"}`)
		if r.status != http.StatusCreated {
			t.Fatalf("start: %d %v", r.status, r.body)
		}
		began[number] = r.text("id")
	}
	check := func(g *running, number string) {
		t.Helper()
		codes := carrier.sent(number)
		if r := g.post(t, "/v1/verifications/"+began[number]+"/check", `{"code":"`+codes[0]+`"}`); r.body["valid"] != true {
			t.Errorf("check of %s: %d %v", number, r.status, r.body)
		}
	}

	before, c := step(`master: "` + testMaster + `"`)
	start(before, "+819020000001")
	if out, errs, code := c.operate(t, "", "numbers", "block", "--forever", "--reason", "x", "+819020000009"); code != 0 {
		t.Fatal(out, errs)
	}
	announced, _ := step(`master: "` + testMaster + `", next: "` + fresh + `"`)
	start(announced, "+819020000002")
	rotated, _ := step(`master: "` + fresh + `", previous: ["` + testMaster + `"]`)
	start(rotated, "+819020000003")
	check(rotated, "+819020000001")
	check(rotated, "+819020000002")
	check(announced, "+819020000003")
	start(rotated, "+819020000004")
	if r := announced.post(t, "/v1/verifications", `{"to":"+819020000004"}`); r.text("limit") != "number_cooldown" {
		t.Errorf("the other instance's cooldown: %d %v", r.status, r.body)
	}
	after, c := step(`master: "` + fresh + `"`)
	check(after, "+819020000004")
	for _, g := range []*running{announced, rotated, after} {
		if r := g.post(t, "/v1/verifications", `{"to":"+819020000009"}`); r.text("code") != "blocked" {
			t.Errorf("a number that was blocked before: %d %v", r.status, r.body)
		}
	}
	if out, errs, code := c.operate(t, "", "numbers", "unblock", "+819020000009"); code != 0 || !strings.Contains(out, "no longer blocked") {
		t.Errorf("unblock: %s%s", out, errs)
	}
}

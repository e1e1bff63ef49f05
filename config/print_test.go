package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"
)

// exampleSecrets are what the example leaves to its reader.
var exampleSecrets = []string{
	"DENWA_KEYS_MASTER=" + keyA, "DENWA_KEYS_PREVIOUS=" + keyB, "DENWA_STORE_PASSWORD=hunter2",
	"DENWA_PROVIDERS_0_AUTH_TOKEN=token0", "DENWA_PROVIDERS_1_AUTH_TOKEN=token1",
}

func TestExample(t *testing.T) {
	c, err := load("example.yaml", []byte(Example), exampleSecrets)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Gateway.Apps) != 1 || len(c.Providers) != 2 || len(c.Routes) != 2 {
		t.Errorf("%+v", c)
	}
	if len(problemsOf(t, func() error { _, err := load("example.yaml", []byte(Example), nil); return err }())) != 3 {
		t.Error("the example should lack its three secrets, and nothing else")
	}
}

func TestPlayground(t *testing.T) {
	a, err := Playground(nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := Playground(nil); err != nil || a.Keys.Master == b.Keys.Master {
		t.Error("two playgrounds share a master key", err)
	}
	if a.Server.Listen != "127.0.0.1:8080" || a.Admin.Listen != "127.0.0.1:8081" || a.Store.Type != "embedded" ||
		a.Gateway.Apps[0].Name != "demo" || a.Gateway.Apps[0].APIKeys[0].SHA256 != demoHash() || a.Providers[0].Type != "sandbox" {
		t.Errorf("%+v", a)
	}
	c, err := Playground([]string{"DENWA_LOG_LEVEL=debug", "DENWA_KEYS_MASTER_FILE=testdata/master", "DENWA_APPS_0_BRAND=Mine"})
	if err != nil || c.Log.Level != LogDebug || c.Keys.Master != keyB || c.Gateway.Apps[0].Brand != "Mine" {
		t.Error(err, c)
	}
	_, err = Playground([]string{"DENWA_SERVER_LISTEN=:8080"})
	if got := problemsOf(t, err); len(got) != 1 || !strings.Contains(got[0], "the playground's key") {
		t.Error(got)
	}
}

// TestPrint: what is printed shows no secret and, with the secrets put back,
// is the same configuration.
func TestPrint(t *testing.T) {
	c, err := load("example.yaml", []byte(Example), exampleSecrets)
	if err != nil {
		t.Fatal(err)
	}
	c.Gateway.Messages = map[string]string{"ja": "コードは {{.Code}} です\n", "en": "no: {{.Code}} # \"really\""}
	out, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	printed := string(out)
	for _, secret := range []string{keyA, keyB, "hunter2", "token0", "token1"} {
		if strings.Contains(printed, secret) {
			t.Errorf("a secret is printed:\n%s", printed)
		}
	}
	if n := strings.Count(printed, redacted); n != 5 {
		t.Errorf("%d secrets are redacted, not 5:\n%s", n, printed)
	}
	_, err = load("printed.yaml", out, nil)
	for _, line := range problemsOf(t, err) {
		if !strings.Contains(line, "is the placeholder") && !strings.Contains(line, "messages") {
			t.Errorf("the printed configuration is broken: %s", line)
		}
	}
	// The texts are no valid messages, so this reads them without checking.
	problems := &mistakes{}
	tree := parse(out, problems)
	root := rootField()
	overlay(root, tree, exampleSecrets, problems)
	again := Default()
	decoder{root, problems}.decode(root, tree, "", reflect.ValueOf(&again).Elem())
	c.Gateway.Limits = c.Gateway.InForce()
	if diff := cmp.Diff(c, &again, cmpopts.EquateEmpty()); diff != "" || len(problems.list) > 0 {
		t.Errorf("read again (-printed +read): %v\n%s", problems.list, diff)
	}
}

// TestPrintPlain holds the form of a few values against what people write.
func TestPrintPlain(t *testing.T) {
	c, err := load("example.yaml", []byte(Example), exampleSecrets)
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`  listen: 127.0.0.1:8080`, `  trusted_proxies: [127.0.0.1]`, `  write_timeout: 1m15s`, `  idle_timeout: 2m`,
		`  shutdown_delay: 0s`, `  master: '[redacted]'`, `  password: '[redacted]'`, `  username: ""`, `messages: {}`,
		`    period: 30s`, `    period: 24h`, `    rate: 10`, `      from: "+15005550006"`, `      - id: k1`,
	} {
		if !strings.Contains(string(out), "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, out)
		}
	}
	if err := yaml.Unmarshal(out, &map[string]any{}); err != nil {
		t.Error(err)
	}
}

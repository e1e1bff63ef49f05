package config

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// TestSchema: the schema takes what check takes, and refuses what it refuses
// as far as an editor can know.
func TestSchema(t *testing.T) {
	schema := compileSchema(t)
	for name, file := range map[string]string{"example": Example, "playground": playground, "empty": ""} {
		if err := schema.Validate(instance(t, file)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, file := range []string{
		"foo: 1",
		"server: {listn: x}",
		"server: {listen: 1}",
		"server: {idle_timeout: 10}",
		"server: {idle_timeout: 10 m}",
		"store: {type: postgres}",
		"store: {addresses: 127.0.0.1:6379}",
		"store: {cluster: yes please}",
		"apps: [{name: a, brnad: b}]",
		"apps: [{channels: [fax]}]",
		"limits: {number_hour: {on_error: maybe}}",
		"messages: {ja: [1]}",
		"log: {level: loud}",
		"providers: [{name: a}]",
		"providers: [{name: a, type: pigeon}]",
		"providers: [{name: a, type: twilio, smss: {}}]",
		"providers: [{name: a, type: twilio, sms: {form: x}}]",
		"providers: [{name: a, type: sandbox, account_sid: x}]",
		"routes: [{channel: sms, provider: [a]}]",
	} {
		if schema.Validate(instance(t, file)) == nil {
			t.Errorf("the schema allows %q", file)
		}
		_, err := load("denwa.yaml", []byte(file), nil)
		if !slices.ContainsFunc(problemsOf(t, err), func(line string) bool { return strings.HasPrefix(line, "denwa.yaml:1:") }) {
			t.Errorf("check allows %q", file)
		}
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// instance is YAML as JSON has it.
func instance(t *testing.T, file string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(file), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestKeys(t *testing.T) {
	raw := make([]byte, 32)
	for i := range raw {
		raw[i] = byte(255 - i)
	}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		master, previous, err := Keys{Master: e.EncodeToString(raw), Previous: []string{keyA}}.Decode()
		if err != nil || string(master) != string(raw) || len(previous) != 1 || len(previous[0]) != 32 {
			t.Error(err)
		}
	}
	for _, bad := range []string{
		"", "====", e(31), e(33), e(64), "!" + keyA[1:], strings.Repeat("A", 42) + "B",
	} {
		if _, _, err := (Keys{Master: bad}).Decode(); err == nil {
			t.Errorf("%q is taken as a key", bad)
		}
		if _, _, err := (Keys{Master: keyA, Previous: []string{bad}}).Decode(); err == nil {
			t.Errorf("%q is taken as a previous key", bad)
		}
	}
}

func e(size int) string { return base64.StdEncoding.EncodeToString(make([]byte, size)) }

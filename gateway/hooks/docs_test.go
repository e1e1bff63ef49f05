package hooks

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"denwa/gateway"
)

// TestIntegrationDocs: each login service has a page whose configuration of Denwa
// is right, and whose address is the hook's.
func TestIntegrationDocs(t *testing.T) {
	for _, kind := range gateway.HookTypes() {
		page, err := os.ReadFile("../../docs/integrations/" + string(kind) + ".md")
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.Contains(string(page), "https://verify.example.jp/hooks/portal/"+string(kind)) {
			t.Errorf("%s.md: nothing calls the hook", kind)
		}
		found := 0
		for _, snippet := range strings.Split(string(page), "```yaml\n")[1:] {
			snippet, _, _ = strings.Cut(snippet, "```")
			if strings.HasPrefix(snippet, "apps:") {
				found++
				checkSnippet(t, kind, snippet)
			}
		}
		if found == 0 {
			t.Errorf("%s.md: no configuration of Denwa", kind)
		}
	}
}

// checkSnippet reads a configuration as Denwa does, with secrets in the place of
// the files that hold them.
func checkSnippet(t *testing.T, kind gateway.HookType, snippet string) {
	t.Helper()
	lines := strings.Split(snippet, "\n")
	for i, line := range lines {
		if indent, _, ok := strings.Cut(line, "secret_file:"); ok {
			lines[i] = indent + `secret: "` + supabaseSecret + `"`
		}
		if indent, _, ok := strings.Cut(line, "password_file:"); ok {
			lines[i] = indent + `password: "` + basicPassword + `"`
		}
	}
	c := gateway.DefaultConfig()
	d := yaml.NewDecoder(bytes.NewReader([]byte(strings.Join(lines, "\n"))))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		t.Errorf("%s.md: %v", kind, err)
		return
	}
	c.Validate(func(field, problem string) { t.Errorf("%s.md: %s %s", kind, field, problem) })
	if c.Apps[0].Hooks[0].Type != kind {
		t.Errorf("%s.md configures %s", kind, c.Apps[0].Hooks[0].Type)
	}
}

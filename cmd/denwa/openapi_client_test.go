package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"denwa/config"
)

// TestGeneratedClient makes a client of openapi.yaml as others would, and
// verifies a phone with it: the specification is enough to work with.
func TestGeneratedClient(t *testing.T) {
	t.Parallel()
	tools, err := filepath.Glob("../../.tools/*/oapi-codegen")
	if err != nil || len(tools) == 0 {
		lacking(t, "oapi-codegen (make .tools builds it)")
	}
	generator, err := filepath.Abs(tools[len(tools)-1])
	if err != nil {
		t.Fatal(err)
	}
	specification, err := filepath.Abs("../../gateway/httpapi/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS("testdata/client")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "denwa"), 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), name, args...)
		c.Dir, c.Stderr = folder, t.Output()
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	run(generator, "-generate", "types,client", "-package", "denwa", "-o", "denwa/denwa.gen.go", specification)
	run("go", "build", "-o", "client", ".")
	got := run("./client", playground(t), config.PlaygroundKey)
	want := `started pending +81 90-****-5678 5
checked true approved
read approved 1
delivered voice 1
refused number_not_allowed
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the client's output (-want +got):\n%s", diff)
	}
}

// lacking skips a test whose peer isn't there, and fails it in CI.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("missing: %s", what)
	}
	t.Skipf("missing: %s", what)
}

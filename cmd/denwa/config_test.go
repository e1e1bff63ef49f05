package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"denwa/config"
)

// configCommand runs "denwa config" and returns what it writes, and its exit code.
func configCommand(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	root := newRootCommand()
	root.SetArgs(append([]string{"config"}, args...))
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	err := root.ExecuteContext(t.Context())
	if text := message(err); text != "" {
		stderr.WriteString(text)
	}
	return stdout.String(), stderr.String(), exitCode(err)
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "denwa.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const goodConfig = `keys: {master: QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=}
providers: [{name: phones, type: sandbox}]
`

func TestConfigCheck(t *testing.T) {
	good, broken := writeConfig(t, goodConfig), writeConfig(t, goodConfig+"log: {levle: info}\nadmin: 1\n")
	mistakes := broken + ":3:7: log.levle: unknown key; did you mean \"level\"?\n" +
		broken + ":4:8: admin: must be keys with values, not a number\n\n2 mistakes\n"
	for name, tt := range map[string]struct {
		args      []string
		file      string // DENWA_CONFIG
		out, errs string
		code      int
	}{
		"good":         {args: []string{good}, out: good + ": no mistakes\n"},
		"as for serve": {args: []string{"--config", good}, out: good + ": no mistakes\n"},
		"by variable":  {file: good, out: good + ": no mistakes\n"},
		"argument":     {args: []string{good}, file: broken, out: good + ": no mistakes\n"},
		"broken":       {args: []string{broken}, errs: mistakes, code: exitUsage},
		"no such file": {args: []string{"/nonexistent"}, errs: "/nonexistent: can't be read: no such file or directory\n\n1 mistake\n", code: exitUsage},
		"no file":      {errs: `FILE is missing, and DENWA_CONFIG is not set; see "denwa config check --help"`, code: exitUsage},
		"two files":    {args: []string{good, good}, errs: `one FILE at a time; see "denwa config check --help"`, code: exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(config.Variable, tt.file)
			out, errs, code := configCommand(t, append([]string{"check"}, tt.args...)...)
			if out != tt.out || errs != tt.errs || code != tt.code {
				t.Errorf("exit code %d\n%s%s\nwant %d\n%s%s", code, out, errs, tt.code, tt.out, tt.errs)
			}
		})
	}
}

func TestConfigPrint(t *testing.T) {
	t.Setenv(config.Variable, "")
	t.Setenv("DENWA_LOG_LEVEL", "debug")
	out, errs, code := configCommand(t, "print", writeConfig(t, goodConfig))
	if code != exitOK || errs != "" || !strings.Contains(out, "\n  level: debug\n") || !strings.Contains(out, "\n  - name: phones\n") ||
		strings.Contains(out, "QUFB") || !strings.Contains(out, "[redacted]") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	out, errs, code = configCommand(t, "print")
	if code != exitOK || errs != "" || !strings.Contains(out, "\n  - name: demo\n") {
		t.Errorf("the playground: exit code %d\n%s%s", code, out, errs)
	}
	out, errs, code = configCommand(t, "print", writeConfig(t, "x"))
	if code != exitUsage || out != "" || !strings.HasSuffix(errs, "\n1 mistake\n") {
		t.Errorf("a broken file: exit code %d\n%s%s", code, out, errs)
	}
}

func TestConfigTexts(t *testing.T) {
	for name, want := range map[string]string{"reference": config.Reference, "schema": config.Schema, "example": config.Example} {
		out, errs, code := configCommand(t, name)
		if out != want || len(out) < 1000 || errs != "" || code != exitOK {
			t.Errorf("%s: exit code %d, %d bytes, %s", name, code, len(out), errs)
		}
	}
}

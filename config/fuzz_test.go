package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// FuzzLoad: no file and no environment panics or takes long; what is loaded is
// valid, and can be printed and read again.
func FuzzLoad(f *testing.F) {
	f.Add(Example, "")
	f.Add(playground, "DENWA_APPS_0_BRAND=x\nDENWA_STORE_ADDRESSES=a:1,b:2")
	f.Add("a: &a [*a]\nb: {<<: *a}", "DENWA_PROVIDERS_0_TYPE=sandbox\nDENWA_PROVIDERS_999999999999_NAME=x")
	f.Add(strings.Repeat("[", 20_000), "DENWA_=")
	f.Add("keys: {master_file: example.yaml, previous_file: /dev/zero}", "DENWA_MESSAGES_JA=x\nDENWA_LIMITS_APP_COUNT=-1")
	f.Add("? [a]: b\n: c\nrate: .nan\nproviders: [{type: *x}]", "")
	f.Fuzz(func(t *testing.T, file, env string) {
		if len(file) > 64<<10 {
			t.Skip()
		}
		begin := time.Now()
		c, err := load("denwa.yaml", []byte(file), strings.Split(env, "\n"))
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("took %s", took)
		}
		var list *Error
		switch {
		case err == nil:
			if _, err := c.YAML(); err != nil {
				t.Error(err)
			}
			c.Validate(func(path, problem string) { t.Errorf("loaded with a mistake: %s: %s", path, problem) })
		case !errors.As(err, &list) || len(list.Problems) == 0:
			t.Errorf("not an *Error: %v", err)
		}
	})
}

// TestAdversarial: files made to be slow are not.
func TestAdversarial(t *testing.T) {
	var keys, merges strings.Builder
	for i := range 5_000 {
		fmt.Fprintf(&keys, "key%d: 1\n", i)
		fmt.Fprintf(&merges, "key%d: 1, ", i)
	}
	for name, file := range map[string]string{
		"deep":       strings.Repeat("[", maxFile-1),
		"deep block": strings.Repeat("- ", 50_000),
		"wide":       "apps: [" + strings.Repeat("{},", 150_000) + "]",
		"one key":    strings.Repeat("? a\n", 50_000),
		"many keys":  keys.String(),
		"merges":     "x: &x {" + merges.String() + "}\ny: {" + strings.Repeat("<<: *x, ", 1000) + "}\n",
		"large":      strings.Repeat("#", maxFile+1),
	} {
		if _, err := load(name, []byte(file), nil); err == nil {
			t.Errorf("%s: no mistake", name)
		}
	}
	big := t.TempDir() + "/big"
	if err := os.WriteFile(big, make([]byte, maxFile+100), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(big, nil); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Error(err)
	}
}

package deploy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"denwa/config"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// write makes a file for this test and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// into reads a YAML file, each key of which must be known.
func into(t *testing.T, path string, value any) {
	t.Helper()
	d := yaml.NewDecoder(bytes.NewReader([]byte(read(t, path))))
	d.KnownFields(true)
	if err := d.Decode(value); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// documents are those of a YAML text, as JSON has them.
func documents(t *testing.T, name, text string) []any {
	t.Helper()
	var all []any
	for d := yaml.NewDecoder(bytes.NewReader([]byte(text))); ; {
		var document any
		err := d.Decode(&document)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		b, err := json.Marshal(document)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		plain, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, plain)
	}
}

// as is what a document says, in the words of T.
func as[T any](t *testing.T, document any) (value T) {
	t.Helper()
	b, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// schema compiles a schema of testdata, or a part of it.
func schema(t *testing.T, name, part string) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(read(t, "testdata/schema/"+name))))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name + part)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// testMaster is a master key that protects nothing.
const testMaster = "dGhpcnR5LXR3byBieXRlcywgbm90IGEgc2VjcmV0ISE="

// load reads a configuration of Denwa whose secrets are elsewhere.
func load(t *testing.T, path string, secrets ...string) *config.Config {
	t.Helper()
	c, err := config.Load(path, append(secrets, "DENWA_KEYS_MASTER="+testMaster))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// margin is what an end takes besides what the configuration allows it: webhooks under
// way get five seconds, spans three.
const margin = 10 * time.Second

// stopping is how long a gateway with this configuration takes to stop, at most.
func stopping(c *config.Config) time.Duration {
	return c.Server.ShutdownDelay + c.Server.ShutdownTimeout + c.Server.ShutdownCalls + margin
}

// waiters is what 10,000 clients that wait take, in bytes of memory, measured.
const waiters = 360 << 20

// checkMemory compares GOMEMLIMIT with the limit above which the kernel kills.
func checkMemory(t *testing.T, soft, hard int64) {
	t.Helper()
	if soft < waiters*3/2 || soft < hard*7/10 || soft > hard*9/10 {
		t.Errorf("GOMEMLIMIT %d of %d: must leave room for clients that wait, and be 70 to 90 %% of the limit", soft, hard)
	}
}

// bytesOf reads sizes such as 600MiB, 768Mi, 768m and 768M.
func bytesOf(t *testing.T, size string) int64 {
	t.Helper()
	var n int64
	i := 0
	for ; i < len(size) && size[i] >= '0' && size[i] <= '9'; i++ {
		n = n*10 + int64(size[i]-'0')
	}
	switch size[i:] {
	case "MiB", "Mi", "m", "M":
		return n << 20
	}
	t.Fatalf("size %q", size)
	return 0
}

package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

func TestMain(m *testing.M) {
	testscript.Main(chromium.Main(m), map[string]func(){"denwa": main})
}

// TestScripts runs the program as a person does. DENWA_SERVER is a gateway
// that behaves, READY and UNREADY are what readiness checks meet.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
		},
		Setup: func(e *testscript.Env) error {
			serve := func(name string, h http.Handler) {
				s := httptest.NewServer(h)
				e.Setenv(name, s.URL)
				e.Defer(s.Close)
			}
			serve("DENWA_SERVER", newDouble())
			serve("READY", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, `{"status":"ready"}`)
			}))
			serve("UNREADY", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, `{"status":"unready","failing":{"store":"no answer","sms":"all providers are tripped"}}`)
			}))
			return nil
		},
	})
}

// exits runs denwa and wants an exit code: "exits CODE ARG...".
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: exits CODE ARG...")
	}
	err := ts.Exec("denwa", args[1:]...)
	code := 0
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("run: %v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// Every command explains itself, and its examples name commands and flags that
// exist.
func TestHelp(t *testing.T) {
	root := newRootCommand()
	flag := regexp.MustCompile(`\s--([a-z][a-z-]*)`)
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || len(c.Short) > 60 {
			t.Errorf("%s: its short help is %q", c.CommandPath(), c.Short)
		}
		if c.Long == "" || c.Example == "" {
			t.Errorf("%s: its long help or its example is missing", c.CommandPath())
		}
		for line := range strings.Lines(c.Long) {
			if len([]rune(line)) > 81 {
				t.Errorf("%s: this line is wider than a terminal: %q", c.CommandPath(), line)
			}
		}
		found := false
		for line := range strings.Lines(c.Example) {
			_, command, is := strings.Cut(line, "denwa ")
			if !is {
				continue
			}
			command, _, _ = strings.Cut(command, "#")
			command, _, _ = strings.Cut(command, ")")
			named, _, err := root.Find(strings.Fields(command))
			if err != nil {
				t.Errorf("%s: example %q: %v", c.CommandPath(), line, err)
				continue
			}
			found = found || named == c || c.HasSubCommands()
			for _, name := range flag.FindAllStringSubmatch(command, -1) {
				if named.Flag(name[1]) == nil {
					t.Errorf("%s: example %q: %s has no --%s", c.CommandPath(), line, named.CommandPath(), name[1])
				}
			}
		}
		if !found {
			t.Errorf("%s: no example shows it", c.CommandPath())
		}
	}
	for _, c := range root.Commands() {
		walk(c)
	}
}

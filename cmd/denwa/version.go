package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// build says what this binary was made from.
type build struct {
	// Version is the module's version; "(devel)" when built without one.
	Version string `json:"version"`
	// Revision is the commit; empty when built outside a repository.
	Revision string `json:"revision,omitempty"`
	// Time is when the commit was made, RFC 3339.
	Time string `json:"time,omitempty"`
	// Modified reports changes on top of the commit.
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// readBuild reads what the Go toolchain recorded.
func readBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version = cmp.Or(info.Main.Version, b.Version)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String is one line: "denwa v1.2.3 (0123456789ab, 2026-11-22) go1.26.0 linux/amd64".
func (b build) String() string {
	var source []string
	if b.Revision != "" {
		source = append(source, b.Revision[:min(12, len(b.Revision))])
	}
	if day, _, ok := strings.Cut(b.Time, "T"); ok {
		source = append(source, day)
	}
	if b.Modified {
		source = append(source, "modified")
	}
	line := "denwa " + b.Version
	if len(source) > 0 {
		line += " (" + strings.Join(source, ", ") + ")"
	}
	return line + " " + b.Go + " " + b.Platform
}

func newVersionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: `Prints the version, the commit it was built from, and the Go release.
A build from a changed work tree says "modified".`,
		Example: `  denwa version
  denwa version --json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(readBuild())
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), readBuild())
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

package providertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// Missing skips a test that needs what isn't installed, and says how to get it.
// With CI=true it fails: there nothing is missing.
func Missing(tb testing.TB, what string) {
	tb.Helper()
	message := "missing peer: " + what
	if ci, _ := strconv.ParseBool(os.Getenv("CI")); ci {
		tb.Fatal(message)
	}
	tb.Skip(message)
}

// Node is for a test of a package two folders below the top, whose peer is an npm
// package. It returns the path of node and the folder that has node_modules.
func Node(tb testing.TB, npmPackage string) (node, folder string) {
	tb.Helper()
	folder, err := filepath.Abs("../../.peers")
	if err != nil {
		tb.Fatal(err)
	}
	if node, err = exec.LookPath("node"); err != nil {
		Missing(tb, "node (Debian: apt-get install nodejs npm)")
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", npmPackage)); err != nil {
		Missing(tb, "npm package "+npmPackage+" (run .ci/setup)")
	}
	return node, folder
}

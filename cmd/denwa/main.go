// Command denwa is a phone verification gateway and its tools.
package main

import (
	"fmt"
	"os"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

// run executes one command line and returns the exit code. Each command
// handles the signals that mean something to it.
func run(args []string) int {
	root := newRootCommand()
	root.SetArgs(args)
	err := execute(root, args)
	if text := message(err); text != "" {
		fmt.Fprintln(os.Stderr, "denwa:", text)
	}
	return exitCode(err)
}

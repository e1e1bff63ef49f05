//go:build !linux

package redistest

import "os/exec"

// dieWithParent does nothing: only Linux can tie one process to another. A
// server may outlive a test that was killed.
func dieWithParent(*exec.Cmd) {}

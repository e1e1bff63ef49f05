//go:build !linux

package siptest

import "os/exec"

// dieWithParent does nothing: only Linux can tie one process to another. A
// peer may outlive a test that was killed.
func dieWithParent(*exec.Cmd) {}

// kill ends a peer.
func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // it may be dead already
}

package siptest

import (
	"os/exec"
	"syscall"
)

// dieWithParent keeps a peer from outliving a test that was killed, and makes
// a group of it and its children.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// kill ends a peer with its children.
func kill(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may be dead already
}

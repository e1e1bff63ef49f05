package deploy_test

import (
	"os/exec"
	"syscall"
)

// dieWithParent keeps a program from outliving a test that was killed.
func dieWithParent(c *exec.Cmd) {
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
}

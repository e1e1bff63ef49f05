//go:build !linux

package deploy_test

import "os/exec"

// dieWithParent can't keep a program from outliving a test that was killed.
func dieWithParent(*exec.Cmd) {}

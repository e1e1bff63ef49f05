package deploy_test

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"denwa/config"
)

// setting is the value of a line of the unit.
func setting(t *testing.T, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + name + `=(.*)$`).FindStringSubmatch(read(t, "systemd/denwa.service"))
	if m == nil {
		t.Fatalf("the unit has no %s", name)
	}
	return m[1]
}

func TestSystemd(t *testing.T) {
	analyze := peer(t, "systemd-analyze", "systemd")
	// It wants the program to be where the unit says.
	unit := write(t, "denwa.service", strings.Replace(read(t, "systemd/denwa.service"), "/usr/local/bin/denwa", denwa(t), 1))
	if out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	// Exposure in tenths, 0 to 100: above 15 something that protects is gone.
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=15", unit).CombinedOutput(); err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}

	d := config.Default()
	if seconds, err := strconv.Atoi(setting(t, "TimeoutStopSec")); err != nil || time.Duration(seconds)*time.Second < stopping(&d) {
		t.Errorf("TimeoutStopSec=%d, and stopping takes %s", seconds, stopping(&d))
	}
	if files, err := strconv.Atoi(setting(t, "LimitNOFILE")); err != nil || files < d.Server.MaxConnections+d.Store.PoolSize+4096 {
		t.Errorf("LimitNOFILE=%d, and %d clients may connect", files, d.Server.MaxConnections)
	}
	limit := strings.TrimPrefix(setting(t, "Environment"), "GOMEMLIMIT=")
	checkMemory(t, bytesOf(t, limit), bytesOf(t, setting(t, "MemoryMax")))
	if user := setting(t, "User"); !strings.HasPrefix(regexp.MustCompile(`(?m)^u .*`).FindString(read(t, "systemd/denwa.sysusers")), "u "+user+" ") {
		t.Errorf("no user %s in denwa.sysusers", user)
	}
}

// TestSystemdRestarts holds the unit to what denwa does: it isn't started again
// with a configuration that has mistakes, and is while Redis is away.
func TestSystemdRestarts(t *testing.T) {
	mistakes := write(t, "denwa.yaml", "server: {listne: x}\n")
	c := exec.Command(denwa(t), "serve", "--config", mistakes)
	c.Env = environment()
	out, _ := c.CombinedOutput()
	if code := c.ProcessState.ExitCode(); strconv.Itoa(code) != setting(t, "RestartPreventExitStatus") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if restart := setting(t, "Restart"); restart != "on-failure" {
		t.Errorf("Restart=%s", restart)
	}
}

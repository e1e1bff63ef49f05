// Package siptest runs real SIP software for tests: baresip, a phone; sipp, a
// phone or trunk that does exactly what a scenario says; kamailio, a proxy that
// asks for credentials.
//
// Every peer is a process of its own on free loopback ports, and ends with the
// test that started it. A test that needs one is skipped where it isn't
// installed, and fails there when CI=true.
package siptest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// patience is how long a peer may take to start, or to do what it was told. A
// loaded machine needs it.
const patience = time.Minute

// need returns where a command is. Without it the test is skipped; in CI it fails.
func need(tb testing.TB, command, debian string) string {
	tb.Helper()
	for _, name := range []string{command, "/usr/sbin/" + command} { // not every user looks there
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing := "missing peer: " + command + " (Debian: apt-get install " + debian + ")"
	if os.Getenv("CI") == "true" {
		tb.Fatal(missing)
	}
	tb.Skip(missing)
	return ""
}

// process is a running peer.
type process struct {
	cmd    *exec.Cmd
	done   chan struct{} // closed when it has ended
	err    error         // how, after done
	output output
}

// output is what a peer wrote.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// run starts a command, which is killed with the test, or when this process
// dies. On Linux that means when the thread that started it does, so that
// thread waits for its end.
func run(tb testing.TB, dir, command string, args ...string) *process {
	tb.Helper()
	p := &process{cmd: exec.Command(command, args...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, &p.output, &p.output
	p.cmd.WaitDelay = time.Second // for what its children still hold open
	dieWithParent(p.cmd)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		tb.Fatalf("start %s: %v", command, err)
	}
	tb.Cleanup(func() {
		p.kill()
		if tb.Failed() {
			text := p.output.String()
			tb.Logf("%s wrote:\n%s", command, text[max(0, len(text)-6000):])
		}
	})
	return p
}

func (p *process) kill() {
	kill(p.cmd)
	<-p.done
}

// eventually waits until what holds.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("%s not within %v", what, patience)
		}
	}
}

func writeFile(tb testing.TB, dir, name, text string) string {
	tb.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

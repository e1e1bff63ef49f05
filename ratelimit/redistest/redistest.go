// Package redistest runs real Redis servers for tests, and breaks them.
//
// Every server is a process of its own on a free loopback port, keeps nothing
// on disk unless it is told to, and ends with the test that started it. A test that needs one is
// skipped where redis-server is not installed, and fails there when CI=true.
package redistest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to start. A loaded machine needs it.
const patience = time.Minute

// Server is one redis-server process. Its methods are for the goroutine of the
// test that started it, and end that test when they fail.
type Server struct {
	tb      testing.TB
	command []string // before its arguments; nil for one that keeps nothing
	args    []string
	dir     string
	port    int
	bus     int // where the nodes of a cluster talk; 0 outside of one
	proc    *process
}

// Start starts a server, with further arguments as redis-server takes them
// ("--requirepass", "x"), and returns when it answers.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return start(tb, false, args)
}

func start(tb testing.TB, clustered bool, args []string) *Server {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		const missing = "missing peer: redis-server (Debian: apt-get install redis-server)"
		if os.Getenv("CI") == "true" {
			tb.Fatal(missing)
		}
		tb.Skip(missing)
	}
	s := &Server{tb: tb, args: args, dir: tb.TempDir()}
	tb.Cleanup(s.Kill)
	// Another process may take the port between freePort and the server's
	// bind; then the server exits, and another port is tried.
	var err error
	for range 5 {
		s.port = freePort(tb)
		if clustered {
			s.bus = freePort(tb)
		}
		if err = s.start(); err == nil {
			return s
		}
	}
	tb.Fatalf("start redis-server: %v", err)
	return nil
}

// Addr returns the server's host:port, the same after a Restart.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Kill ends the server as kill -9 does, with all it held. A server that was
// killed already is left alone.
func (s *Server) Kill() {
	if s.proc != nil {
		s.proc.kill()
		s.proc = nil
	}
}

// Restart starts a killed or running server anew on the same port: empty, unless
// its arguments have it keep something on disk.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Kill()
	var err error
	for range 5 {
		if err = s.start(); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond) // someone may hold the port for a moment
	}
	s.tb.Fatalf("restart redis-server: %v", err)
}

// Pause stops the server without closing anything: connections are accepted
// by the kernel and nothing answers, as when a machine hangs.
func (s *Server) Pause() {
	s.tb.Helper()
	s.signal(syscall.SIGSTOP)
}

// Resume lets a paused server go on. It answers what was sent meanwhile.
func (s *Server) Resume() {
	s.tb.Helper()
	s.signal(syscall.SIGCONT)
}

func (s *Server) signal(sig syscall.Signal) {
	s.tb.Helper()
	if s.proc == nil {
		s.tb.Fatalf("%v: redis-server is not running", sig)
	}
	if err := s.proc.cmd.Process.Signal(sig); err != nil {
		s.tb.Fatalf("%v: %v", sig, err)
	}
}

// start runs the server on s.port and waits until it answers there.
func (s *Server) start() error {
	command := s.command
	if command == nil {
		command = []string{"--save", "", "--appendonly", "no"}
	}
	args := append(slices.Clone(command),
		"--bind", "127.0.0.1", "--port", strconv.Itoa(s.port), "--dir", s.dir, "--daemonize", "no", "--logfile", "redis.log")
	args = append(args, s.args...)
	if s.bus != 0 {
		args = append(args, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(s.bus))
	}
	p, err := run(exec.Command("redis-server", args...))
	if err != nil {
		return err
	}
	// Something else may answer on this port, so the process id has to be ours.
	want := "process_id:" + strconv.Itoa(p.cmd.Process.Pid) + "\r\n"
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		select {
		case <-p.done:
			return fmt.Errorf("it exited: %s", s.log())
		default:
		}
		if reply, err := ask(s.Addr(), "INFO server"); err == nil && (strings.Contains(reply, want) || strings.HasPrefix(reply, "-NOAUTH")) {
			s.proc = p
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	p.kill()
	return fmt.Errorf("no answer within %v: %s", patience, s.log())
}

// log returns the end of the server's log.
func (s *Server) log() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "redis.log"))
	return string(text[max(0, len(text)-2000):])
}

// process is a running command.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// run starts cmd, which is killed when this process dies. On Linux that means
// when the thread that started it does, so that thread waits for its end.
func run(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	dieWithParent(cmd)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is told by its log
			close(p.done)
		}
	}()
	return p, <-started
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be dead already
	<-p.done
}

func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return int(netip.MustParseAddrPort(l.Addr().String()).Port())
}

// ask sends one command without arguments that need quoting, and returns the
// beginning of the reply as it is on the wire.
func ask(addr, command string) (string, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	// The end of the reply is where the next one begins.
	const marker = "that-was-all"
	if _, err := conn.Write([]byte(command + "\r\nPING " + marker + "\r\nQUIT\r\n")); err != nil {
		return "", err
	}
	var reply []byte
	chunk := make([]byte, 4096)
	for {
		n, err := conn.Read(chunk)
		reply = append(reply, chunk[:n]...)
		if i := bytes.LastIndex(reply, []byte(fmt.Sprintf("$%d\r\n%s", len(marker), marker))); i >= 0 {
			return string(reply[:i]), nil
		}
		if errors.Is(err, io.EOF) && len(reply) > 0 { // it isn't let in, and told so
			return string(reply), nil
		}
		if err != nil {
			return "", err
		}
	}
}

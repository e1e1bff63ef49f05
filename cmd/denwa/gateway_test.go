package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"denwa/config"
	"denwa/providers/providertest"
)

// command is denwa, to be run as a process of its own, without the settings of
// whoever runs the tests.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe)
	c.Args = append([]string{"denwa"}, args...) // TestMain goes by the name
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "DENWA_") })
	return c
}

// freeAddress is an address that nothing listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// playground runs "denwa serve" without a configuration and returns its URL.
func playground(t *testing.T) string {
	t.Helper()
	return serving(t).server
}

// running is "denwa serve", ready.
type running struct {
	*exec.Cmd
	server, admin string // URLs
	key           string // of an app
	traceparent   string // of requests; none if empty
	logs          *providertest.Log
	stopping      bool       // SIGTERM was sent
	killed        bool       // and so it can't end well
	ended         chan error // closed when the process is gone
}

// races is what the race detector said of a process, which the Makefile keeps
// apart from what it writes.
func races(pid int) string {
	for _, option := range strings.Fields(os.Getenv("GORACE")) {
		if path, ok := strings.CutPrefix(option, "log_path="); ok {
			report, _ := os.ReadFile(path + "." + strconv.Itoa(pid)) // none if there was no race
			return string(report)
		}
	}
	return ""
}

// stop sends SIGTERM. The end of the test waits for the end of the process.
func (r *running) stop(t *testing.T) {
	t.Helper()
	r.stopping = true // a second signal would end it at once
	if err := r.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// kill ends it as kill -9 does, in the middle of whatever it does.
func (r *running) kill(t *testing.T) {
	t.Helper()
	r.killed = true
	if err := r.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-r.ended
}

// serving runs "denwa serve" with args. When the test ends, it must stop on
// SIGTERM with exit code 0.
func serving(t testing.TB, args ...string) *running {
	t.Helper()
	public, admin := freeAddress(t), freeAddress(t)
	logs := &providertest.Log{}
	c := command(t, append([]string{"serve"}, args...)...)
	c.Env = append(c.Env, "DENWA_SERVER_LISTEN="+public, "DENWA_ADMIN_LISTEN="+admin)
	c.Stderr = logs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	r := &running{
		Cmd: c, server: "http://" + public, admin: "http://" + admin, key: config.PlaygroundKey,
		logs: logs, ended: make(chan error, 1),
	}
	go func() {
		defer close(r.ended)
		r.ended <- c.Wait()
	}()
	t.Cleanup(func() {
		if !r.stopping {
			_ = c.Process.Signal(syscall.SIGTERM) // it may have ended already
		}
		defer time.AfterFunc(30*time.Second, func() { _ = c.Process.Kill() }).Stop()
		if err := <-r.ended; err != nil && !r.killed {
			t.Errorf("serve ended with %v; %sits log:\n%s", err, races(c.Process.Pid), logs)
		}
		for _, private := range []string{"9012345678", "090-1234-5678"} {
			if strings.Contains(logs.String(), private) {
				t.Errorf("the log holds the number:\n%s", logs)
			}
		}
	})

	var why string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		check := command(t, "healthcheck")
		check.Env = append(check.Env, "DENWA_ADMIN_LISTEN="+admin)
		out, err := check.CombinedOutput()
		if err == nil {
			return r
		}
		why = string(out)
		if len(r.ended) > 0 {
			break
		}
	}
	t.Fatalf("the gateway never got ready: %s", why)
	return nil
}

// codeSent is the code in the latest message on the phone on the screen.
func codeSent(t *testing.T, server, number string) string {
	t.Helper()
	resp, err := http.Get(server + "/sandbox/api/phones/" + number + "/messages")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var messages []struct{ Text string }
	if err := json.NewDecoder(resp.Body).Decode(&messages); err != nil || len(messages) == 0 {
		t.Fatalf("%d messages, %v", len(messages), err)
	}
	return regexp.MustCompile(`\b\d{6}\b`).FindString(messages[len(messages)-1].Text)
}

// verifying is "denwa verify" in the middle of its work.
type verifying struct {
	*exec.Cmd
	keys io.WriteCloser
	said *bufio.Reader
	out  strings.Builder
}

// beginVerify returns when the message is on its way.
func beginVerify(t *testing.T, server, number string) *verifying {
	t.Helper()
	v := &verifying{Cmd: command(t, "verify", number, "--server", server)}
	v.Stdout = &v.out
	keys, err := v.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := v.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	v.keys, v.said = keys, bufio.NewReader(stderr)
	if err := v.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Process.Kill() }) // mostly it has ended
	if line, err := v.said.ReadString('\n'); err != nil || !strings.HasPrefix(line, "A code goes to ") {
		t.Fatalf("verify said %q, %v", line, err)
	}
	return v
}

// want waits for the end.
func (v *verifying) want(t *testing.T, code int, out string) {
	t.Helper()
	rest, err := io.ReadAll(v.said)
	if err != nil {
		t.Error(err)
	}
	_ = v.Wait() // the exit code tells
	if got := v.ProcessState.ExitCode(); got != code || v.out.String() != out {
		t.Errorf("exit code %d, output %q, and it said %q; want %d and %q", got, v.out.String(), rest, code, out)
	}
}

// The programs as people run them: a gateway, and a verification of each end.
func TestPlayground(t *testing.T) {
	server := playground(t)

	t.Run("right code", func(t *testing.T) {
		v := beginVerify(t, server, "０９０−１２３４−５６７８")
		fullWidth := strings.NewReplacer("0", "０", "1", "１", "2", "２", "3", "３", "4", "４")
		if _, err := io.WriteString(v.keys, fullWidth.Replace(codeSent(t, server, "+819012345678"))+"\n"); err != nil {
			t.Fatal(err)
		}
		v.want(t, exitOK, "approved +81 90-****-5678\n")
	})

	t.Run("wrong codes", func(t *testing.T) {
		v := beginVerify(t, server, "080-1234-5678")
		wrong := "000000"
		if codeSent(t, server, "+818012345678") == wrong {
			wrong = "000001"
		}
		if _, err := io.WriteString(v.keys, strings.Repeat(wrong+"\n", 5)); err != nil {
			t.Fatal(err)
		}
		v.want(t, exitNo, "failed +81 80-****-5678\n")
	})

	t.Run("Ctrl-C", func(t *testing.T) {
		v := beginVerify(t, server, "070-1234-5678")
		if err := v.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		v.want(t, exitInterrupted, "canceled +81 70-****-5678\n")
	})

	t.Run("refused", func(t *testing.T) {
		c := command(t, "verify", "0120-123-456", "--server", server)
		out, _ := c.CombinedOutput()
		want := "denwa: This is a toll-free number, which a company answers, not a person (number_not_allowed)\n"
		if c.ProcessState.ExitCode() != exitUsage || string(out) != want {
			t.Errorf("exit code %d, output %q; want %d and %q", c.ProcessState.ExitCode(), out, exitUsage, want)
		}
	})
}

// The second gateway on an address says so and has the exit code for it.
func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := command(t, "serve")
	c.Env = append(c.Env, "DENWA_SERVER_LISTEN="+l.Addr().String(), "DENWA_ADMIN_LISTEN="+freeAddress(t))
	out, _ := c.CombinedOutput()
	if c.ProcessState.ExitCode() != exitListen || !strings.Contains(string(out), "address already in use") {
		t.Errorf("exit code %d, output %q; want %d", c.ProcessState.ExitCode(), out, exitListen)
	}
}

// The commands to paste reach this gateway, and are no longer than they must be.
func TestPlaygroundBanner(t *testing.T) {
	admin := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8081}
	for port, want := range map[int]string{
		8080:  " verify 090-1234-5678\n",
		18080: " verify 090-1234-5678 --server http://127.0.0.1:18080\n",
	} {
		banner := playgroundBanner(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}, admin)
		if !strings.Contains(banner, want) || strings.Contains(banner, "ELSEWHERE") {
			t.Errorf("port %d: no %q in%s", port, want, banner)
		}
	}
}

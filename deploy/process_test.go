package deploy_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"denwa/providers/providertest"
)

// patience is how long a program may take to start. A loaded machine needs it.
const patience = time.Minute

// scratch is a folder for what all tests share, removed after them.
var scratch string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "denwa-deploy-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	scratch = folder
	return m.Run()
}

// build makes denwa once, by the command that stands in the Dockerfile.
var build = sync.OnceValues(func() (string, error) {
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		return "", err
	}
	command := regexp.MustCompile(`CGO_ENABLED=0 go build .* -o /denwa \./cmd/denwa`).FindString(string(text))
	if command == "" {
		return "", errors.New("the Dockerfile doesn't build /denwa from ./cmd/denwa")
	}
	binary := filepath.Join(scratch, "denwa")
	c := exec.Command("sh", "-c", strings.Replace(command, " /denwa ", " '"+binary+"' ", 1))
	c.Dir = ".."
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", command, err, out)
	}
	return binary, nil
})

// denwa is the path of the program.
func denwa(t *testing.T) string {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// environment is that of a program under test, without the settings of whoever
// runs the tests.
func environment(more ...string) []string {
	return append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "DENWA_") }), more...)
}

// process is a program that runs until the test ends.
type process struct {
	*exec.Cmd
	output locked
	ended  chan struct{} // closed when it has
}

// start runs c until the test ends, and not longer than this process.
func start(t *testing.T, c *exec.Cmd) *process {
	t.Helper()
	p := &process{Cmd: c, ended: make(chan struct{})}
	c.Stdout, c.Stderr = &p.output, &p.output
	c.WaitDelay = time.Second // a child of its own may hold the output
	dieWithParent(c)
	started := make(chan error)
	go func() { // Linux kills it with the thread that started it, so that thread waits.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.Start()
		started <- err
		if err == nil {
			_ = c.Wait() // it is killed
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill() // it may have ended
		<-p.ended
	})
	return p
}

// answers waits until url answers 200.
func (p *process) answers(t *testing.T, url string) {
	t.Helper()
	client := http.Client{Timeout: time.Second}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		select {
		case <-p.ended:
			t.Fatalf("%s ended:\n%s", p.Path, p.output.String())
		default:
		}
		resp, err := client.Get(url)
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatalf("%s doesn't answer:\n%s", url, p.output.String())
}

// gateway is "denwa serve", ready.
type gateway struct {
	*process
	public, admin string // host:port
}

func serve(t *testing.T, args []string, env ...string) *gateway {
	t.Helper()
	g := &gateway{public: freeAddress(t), admin: freeAddress(t)}
	c := exec.Command(denwa(t), append([]string{"serve"}, args...)...)
	c.Env = environment(append(env, "DENWA_SERVER_LISTEN="+g.public, "DENWA_ADMIN_LISTEN="+g.admin)...)
	g.process = start(t, c)
	g.answers(t, "http://"+g.admin+"/readyz")
	return g
}

// locked is an output that is read while it is written.
type locked struct {
	mu sync.Mutex
	b  strings.Builder
}

// Write implements [io.Writer].
func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// freeAddress is an address that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// peer is the path of a program of others. Without it the test is skipped, and fails in CI.
func peer(t *testing.T, name, debian string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} { // where Debian puts servers, and not every user looks
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	providertest.Missing(t, name+" (Debian: apt-get install "+debian+")")
	return ""
}

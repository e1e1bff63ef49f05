package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"denwa/config"
	"denwa/providers/providertest"
	"denwa/ratelimit/redistest"
)

// reader works through a document: a shell that reads each block of commands, and a
// second terminal where a gateway runs.
type reader struct {
	t        *testing.T
	replace  *strings.Replacer
	env      []string
	folder   string
	admin    string
	shell    *exec.Cmd
	in       io.Writer
	out      *bufio.Reader
	said     strings.Builder
	gateways int
}

const endOfBlock = "----- end of block"

// newReader has denwa on its path, and a home with nothing in it.
func newReader(t *testing.T, redis string) *reader {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		providertest.Missing(t, "bash")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir()
	if err := os.Symlink(exe, filepath.Join(path, "denwa")); err != nil { // TestMain goes by the name
		t.Fatal(err)
	}
	public, admin := freeAddress(t), freeAddress(t)
	r := &reader{t: t, folder: t.TempDir(), admin: "http://" + admin}
	r.replace = strings.NewReplacer("127.0.0.1:8080", public, "127.0.0.1:8081", admin, "127.0.0.1:6379", redis, "https://verify.example.jp", "http://"+public, "go run ./cmd/denwa", "denwa")
	r.env = []string{
		"PATH=" + path + string(filepath.ListSeparator) + os.Getenv("PATH"), "HOME=" + r.folder,
		"DENWA_SERVER=http://" + public, "DENWA_SERVER_LISTEN=" + public, "DENWA_ADMIN_LISTEN=" + admin,
	}
	r.shell = r.bash(bash)
	in, err := r.shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.in, r.out = in, bufio.NewReader(out)
	if err := r.shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // which ends it
		_ = r.shell.Wait()
	})
	if _, err := fmt.Fprintln(r.in, "exec 2>&1; set -euo pipefail"); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *reader) bash(args ...string) *exec.Cmd {
	c := exec.Command(args[0], args[1:]...)
	c.Dir, c.Env = r.folder, r.env
	return c
}

// run reads one block. The shell ends at the first command that fails.
func (r *reader) run(d *page, b block) {
	r.t.Helper()
	if _, err := fmt.Fprintf(r.in, "%s\necho; echo '%s'\n", r.replace.Replace(b.text), endOfBlock); err != nil {
		r.t.Fatalf("%s: %v", d.at(b), err)
	}
	for {
		line, err := r.out.ReadString('\n')
		if strings.TrimSpace(line) == endOfBlock {
			return
		}
		r.said.WriteString(line)
		if err != nil {
			r.t.Fatalf("%s: a command failed:\n%s", d.at(b), r.said.String())
		}
	}
}

// serve runs a block that goes on until Ctrl-C, in a terminal of its own.
func (r *reader) serve(d *page, b block) {
	r.t.Helper()
	r.gateways++
	output := &providertest.Log{}
	c := r.bash("bash", "-euo", "pipefail", "-c", "exec "+strings.TrimSpace(r.replace.Replace(b.text)))
	c.Stdout, c.Stderr = output, output
	if err := c.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM) // it may have ended
		if err := c.Wait(); err != nil {
			r.t.Errorf("%s: ended with %v:\n%s", d.at(b), err, output)
		}
	})
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(r.admin + "/readyz")
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
	}
	r.t.Fatalf("%s: never got ready:\n%s", d.at(b), output)
}

// work reads all blocks of a document as somebody does who pastes them, one after the
// other. A block that can't be run here says so: "sh elsewhere".
func (r *reader) work(d *page) {
	r.t.Helper()
	for _, b := range d.blocks {
		switch {
		case b.info != "sh":
		case strings.TrimSpace(b.text) == "make test":
			// This is it.
		case strings.Contains(b.text, "denwa serve"):
			r.serve(d, b)
		default:
			r.run(d, b)
		}
	}
}

// Whoever pastes the commands of these documents, from top to bottom, gets what they
// promise.
func TestDocumentedSteps(t *testing.T) {
	redis := redistest.Start(t)
	tried := []string{`"status":"pending"`, "【Denwa】", `"valid":true`, `"status":"approved"`}
	for path, wants := range map[string][]string{
		"README.md":         tried,
		"docs/README.ja.md": tried,
		"docs/install.md":   {"denwa.yaml: no mistakes", "ready", `"status":"pending"`, "+81 70-****-5678, JP, mobile"},
		"docs/integrate.md": {`"valid":true`, `"channel":"voice","mode":"confirm"`, `"status":"approved"`, `"deliveries":[{"provider":"sandbox","channel":"sms"`, `{"provider":"sandbox","channel":"voice"`},
	} {
		t.Run(path, func(t *testing.T) {
			d := documents(t)[path]
			r := newReader(t, redis.Addr())
			r.work(d)
			for _, want := range wants {
				if !strings.Contains(r.said.String(), want) {
					t.Errorf("nothing printed %q:\n%s", want, r.said.String())
				}
			}
			if r.gateways != 1 {
				t.Errorf("%d gateways were started", r.gateways)
			}
		})
	}
}

// The configuration of docs/pages.md makes its command work.
func TestDocumentedPages(t *testing.T) {
	r := newReader(t, "")
	d := documents(t)["docs/pages.md"]
	r.env = append(r.env, "DENWA_KEYS_MASTER="+testMaster, "DENWA_STORE_TYPE=embedded", "DENWA_PROVIDERS_0_NAME=sandbox", "DENWA_PROVIDERS_0_TYPE=sandbox",
		"DENWA_APPS_0_API_KEYS_0_ID=k1", "DENWA_APPS_0_API_KEYS_0_SHA256="+hashKey(config.PlaygroundKey))
	text := strings.Replace(d.blocks[0].text, "logo:", "# logo:", 1) // which isn't here
	if err := os.WriteFile(filepath.Join(r.folder, "denwa.yaml"), []byte(r.replace.Replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	r.serve(d, block{text: "denwa serve --config denwa.yaml"})
	r.run(d, block{text: "key=" + config.PlaygroundKey})
	r.work(d)
	if !strings.Contains(r.said.String(), `"url":"http://`) {
		t.Errorf("no session was made: %s", r.said.String())
	}
}

// README.ja.md says what README.md says: the same headings, tables, commands and links.
func TestJapaneseREADME(t *testing.T) {
	en, ja := readDocument(t, "README.md"), readDocument(t, "docs/README.ja.md")
	levels := func(d *page) (all []int) {
		for _, h := range d.headings {
			all = append(all, h.level)
		}
		return all
	}
	if a, b := levels(en), levels(ja); !slices.Equal(a, b) {
		t.Errorf("headings: %v, and in Japanese %v", a, b)
	}
	if en.rows != ja.rows {
		t.Errorf("rows of tables: %d, and in Japanese %d", en.rows, ja.rows)
	}
	if a, b := commandsOf(en), commandsOf(ja); !slices.Equal(a, b) {
		t.Errorf("commands:\n%s\nand in Japanese:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
	if a, b := targets(en), targets(ja); !slices.Equal(a, b) {
		t.Errorf("links:\n%s\nand in Japanese:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
	for _, h := range ja.headings[1:] {
		if !strings.ContainsFunc(h.text, func(r rune) bool { return r >= 'ぁ' && r <= '龯' }) {
			t.Errorf("the heading %q isn't Japanese", h.text)
		}
	}
}

// commandsOf are the lines of a document's commands, without comments.
func commandsOf(d *page) (all []string) {
	for _, b := range d.blocks {
		if !slices.Contains(shells, b.language) {
			continue
		}
		for line := range strings.Lines(b.text) {
			line, _, _ = strings.Cut(line, "#")
			if line = strings.TrimSpace(line); line != "" {
				all = append(all, line)
			}
		}
	}
	return all
}

// targets are where a document's links lead, in order: from the root, the Japanese
// page for its English one, and the number of pictures, which differ.
func targets(d *page) (all []string) {
	pictures := 0
	for _, l := range d.links {
		to := l.to
		switch {
		case l.image:
			pictures++
			continue
		case d.path == "README.md" && to == "docs/README.ja.md", d.path != "README.md" && to == "../README.md":
			continue // one names the other
		case !strings.Contains(to, "://"):
			to = filepath.ToSlash(filepath.Join(filepath.Dir(d.path), to))
			to = strings.Replace(to, ".ja.md", ".md", 1)
		}
		all = append(all, to)
	}
	slices.Sort(all) // words come in another order
	return append(all, fmt.Sprintf("%d pictures", pictures))
}

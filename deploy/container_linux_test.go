package deploy_test

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"denwa/config"
)

// instructions are those of the Dockerfile, lines joined, comments left out.
func instructions(t *testing.T) (all [][2]string) {
	t.Helper()
	text := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(read(t, "Dockerfile"), "")
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if name, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			all = append(all, [2]string{name, rest})
		}
	}
	return all
}

// last is what the last stage says by an instruction.
func last(t *testing.T, name string) (all []string) {
	t.Helper()
	for _, i := range instructions(t) {
		if i[0] == "FROM" {
			all = nil
		}
		if i[0] == name {
			all = append(all, i[1])
		}
	}
	return all
}

func TestDockerfile(t *testing.T) {
	image := instructions(t)[0]
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))[1]
	if image[0] != "FROM" || !strings.HasPrefix(image[1], "golang:"+version+"-") {
		t.Errorf("go.mod wants Go %s, the Dockerfile begins %v", version, image)
	}
	if from := last(t, "FROM"); from[0] != "scratch" {
		t.Errorf("the last stage is from %s", from)
	}
	if user := last(t, "USER"); len(user) != 1 || !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user[0]) {
		t.Errorf("USER %s must be a number, and not root", user)
	}
	d := config.Default()
	_, public, _ := net.SplitHostPort(d.Server.Listen)
	_, admin, _ := net.SplitHostPort(d.Admin.Listen)
	if ports := last(t, "EXPOSE"); ports[0] != public+" "+admin {
		t.Errorf("EXPOSE %s, and the defaults are %s and %s", ports, public, admin)
	}
	f, err := elf.Open(denwa(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program isn't static: it asks for a loader")
		}
	}
}

// TestImage runs denwa with nothing around it but what the Dockerfile copies, as
// the user that it names, and asks it by the Dockerfile's health check.
func TestImage(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may change the root folder")
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil { // another user's root
		t.Fatal(err)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, copied := range last(t, "COPY") {
		fields := strings.Fields(copied) // --from=build SOURCE DESTINATION
		source := fields[1]
		switch {
		case source == "/denwa":
			source = denwa(t)
		case strings.HasPrefix(source, "/usr/local/go/"):
			source = strings.TrimSpace(string(goroot)) + strings.TrimPrefix(source, "/usr/local/go")
		}
		to := filepath.Join(root, fields[2], filepath.Base(fields[1]))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(read(t, source)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "etc/denwa"), 0o755); err != nil {
		t.Fatal(err)
	}
	contained := func(command []string, env ...string) *exec.Cmd {
		c := &exec.Cmd{Path: command[0], Args: command, Dir: "/", Env: append(strings.Fields(last(t, "ENV")[0]), env...)}
		c.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		return c
	}
	var entry, command, health []string
	for in, out := range map[string]*[]string{
		last(t, "ENTRYPOINT")[0]: &entry, last(t, "CMD")[0]: &command,
		regexp.MustCompile(`\[.*\]`).FindString(last(t, "HEALTHCHECK")[0]): &health,
	} {
		if err := json.Unmarshal([]byte(in), out); err != nil {
			t.Fatalf("%s: %v", in, err)
		}
	}
	if user := last(t, "USER"); user[0] != "65532:65532" {
		t.Errorf("USER %s", user)
	}

	t.Run("no configuration", func(t *testing.T) {
		out, err := contained(append(entry, command...)).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "/etc/denwa/denwa.yaml") {
			t.Errorf("%v, %s", err, out)
		}
	})
	t.Run("compose's configuration", func(t *testing.T) {
		if err := os.WriteFile(filepath.Join(root, "etc/denwa/denwa.yaml"), []byte(read(t, "compose/denwa.yaml")), 0o644); err != nil {
			t.Fatal(err)
		}
		admin := freeAddress(t)
		env := []string{
			"DENWA_KEYS_MASTER=" + testMaster, "DENWA_STORE_TYPE=embedded",
			"DENWA_SERVER_LISTEN=" + freeAddress(t), "DENWA_ADMIN_LISTEN=" + admin,
		}
		p := start(t, contained(append(entry, command...), env...))
		p.answers(t, fmt.Sprintf("http://%s/healthz", admin))
		var out []byte
		var err error
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			if out, err = contained(health, env...).CombinedOutput(); err == nil {
				return
			}
		}
		t.Errorf("%v: %v, %s\n%s", health, err, out, p.output.String())
	})
}

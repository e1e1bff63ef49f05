package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rule is an alert or a recording rule.
type rule struct {
	Alert       string
	Record      string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

// rules are those of alerts.yml and recording.yml.
func rules(t *testing.T) (all []rule) {
	t.Helper()
	for _, path := range []string{"prometheus/recording.yml", "prometheus/alerts.yml"} {
		var file struct {
			Groups []struct {
				Name     string
				Interval string
				Rules    []rule
			}
		}
		into(t, path, &file)
		for _, g := range file.Groups {
			all = append(all, g.Rules...)
		}
	}
	return all
}

func alerts(t *testing.T) []rule {
	t.Helper()
	return slices.DeleteFunc(rules(t), func(r rule) bool { return r.Alert == "" })
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(peer(t, "promtool", "prometheus"), args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "config", "prometheus/prometheus.yml") // and the rules that it names
	tests, err := filepath.Glob("prometheus/tests/*.yml")
	if err != nil || len(tests) == 0 {
		t.Fatalf("no tests of rules: %v", err)
	}
	for _, file := range tests {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			promtool(t, "test", "rules", file)
		})
	}
}

// TestEveryAlertIsTested wants each alert at each severity to fire in a test,
// and not to in another.
func TestEveryAlertIsTested(t *testing.T) {
	fires, silent := map[string]bool{}, map[string]bool{}
	files, err := filepath.Glob("prometheus/tests/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		for _, document := range documents(t, path, read(t, path)) {
			file := as[struct {
				Tests []struct {
					Alerts []struct {
						Name string `json:"alertname"`
						Want []struct {
							Labels map[string]string `json:"exp_labels"`
						} `json:"exp_alerts"`
					} `json:"alert_rule_test"`
				}
			}](t, document)
			for _, test := range file.Tests {
				for _, a := range test.Alerts {
					silent[a.Name] = silent[a.Name] || len(a.Want) == 0
					for _, want := range a.Want {
						fires[a.Name+" "+want.Labels["severity"]] = true
					}
				}
			}
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert+" "+a.Labels["severity"]] || !silent[a.Alert] {
			t.Errorf("%s, %s: tests must show it firing and not firing", a.Alert, a.Labels["severity"])
		}
	}
}

// TestRunbooks wants one for each alert, and none without.
func TestRunbooks(t *testing.T) {
	const folder = "../docs/runbooks/"
	want := map[string]bool{"README.md": true}
	for _, a := range alerts(t) {
		want[a.Alert+".md"] = true
		if url := a.Annotations["runbook_url"]; url != "docs/runbooks/"+a.Alert+".md" {
			t.Errorf("%s: runbook_url %q", a.Alert, url)
		}
		if a.Annotations["summary"] == "" || !slices.Contains([]string{"page", "ticket"}, a.Labels["severity"]) {
			t.Errorf("%s needs a summary and a severity, page or ticket", a.Alert)
		}
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	index := read(t, folder+"README.md")
	for _, f := range files {
		if !want[f.Name()] {
			t.Errorf("%s is for no alert", f.Name())
		}
		delete(want, f.Name())
		text := read(t, folder+f.Name())
		if f.Name() != "README.md" {
			for _, heading := range []string{"\n## Look\n", "\n## Do\n"} {
				if !strings.Contains(text, heading) {
					t.Errorf("%s has no %q", f.Name(), heading)
				}
			}
			if !strings.Contains(index, "]("+f.Name()+")") {
				t.Errorf("README.md doesn't list %s", f.Name())
			}
		}
	}
	for name := range want {
		t.Errorf("no runbook %s", name)
	}
}

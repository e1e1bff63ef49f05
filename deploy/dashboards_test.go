package deploy_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// classic is the form that every Grafana of today reads from files.
type classic = dashboard.Dashboard //nolint:staticcheck // SA1019: its successor is for newer Grafanas alone.

// dashboards are the provisioned ones, by file, held against Grafana's schema
// of dashboards, of these panels' options, and of Prometheus' queries. It is
// published as Go code: the Foundation SDK is generated from it.
func dashboards(t *testing.T) map[string]classic {
	t.Helper()
	known := cog.NewRuntime()
	known.RegisterPanelcfgVariant(bargauge.VariantConfig())
	known.RegisterPanelcfgVariant(heatmap.VariantConfig())
	known.RegisterPanelcfgVariant(stat.VariantConfig())
	known.RegisterPanelcfgVariant(timeseries.VariantConfig())
	known.RegisterDataqueryVariant(prometheus.VariantConfig())

	files, err := filepath.Glob("grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	all := map[string]classic{}
	for _, path := range files {
		text := []byte(read(t, path))
		// The SDK returns its list of errors even if it is empty, and takes that for
		// a failure of its own: so what it read is read again, for its values.
		if err := new(classic).UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
			t.Fatalf("%s:\n%v", path, err)
		}
		var d classic
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if err := d.Validate(); err != nil {
			t.Fatalf("%s:\n%v", path, err)
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if lost := lost("", documents(t, path, string(text))[0], documents(t, path, string(again))[0]); lost != "" {
			t.Fatalf("%s: the schema doesn't know %s", path, lost)
		}
		if len(panels(d)) == 0 {
			t.Fatalf("%s has no panels", path)
		}
		all[path] = d
	}
	return all
}

// lost is the first place in a where something stands that isn't in b: a field
// that the schema doesn't have. Fields may be left out of b where they are empty.
func lost(place string, a, b any) string {
	switch a := a.(type) {
	case map[string]any:
		b, _ := b.(map[string]any)
		for key, value := range a {
			if place := lost(place+"."+key, value, b[key]); place != "" {
				return place
			}
		}
		return ""
	case []any:
		b, _ := b.([]any)
		for i, value := range a {
			if i >= len(b) {
				return place
			}
			if place := lost(fmt.Sprintf("%s[%d]", place, i), value, b[i]); place != "" {
				return place
			}
		}
		return ""
	}
	if text := fmt.Sprint(a); text == fmt.Sprint(b) || b == nil && slices.Contains([]string{"", "0", "false", "<nil>"}, text) {
		return ""
	}
	return place
}

// panels are those of d that show something.
func panels(d classic) (all []dashboard.Panel) {
	for _, p := range d.Panels {
		if p.Panel != nil {
			all = append(all, *p.Panel)
		}
	}
	return all
}

// query is the PromQL of a panel's target.
func query(t *testing.T, p dashboard.Panel, i int) string {
	t.Helper()
	q, ok := p.Targets[i].(prometheus.Dataquery)
	if !ok {
		if pointer, isPointer := p.Targets[i].(*prometheus.Dataquery); isPointer {
			return pointer.Expr
		}
		t.Fatalf("panel %q: target %d is a %T", *p.Title, i, p.Targets[i])
	}
	return q.Expr
}

// apart wants panels of d to have ids and places of their own.
func apart(t *testing.T, path string, d classic) {
	t.Helper()
	ids, taken := map[uint32]bool{}, map[[2]uint32]string{}
	for _, p := range panels(d) {
		if ids[*p.Id] {
			t.Errorf("%s: two panels have the id %d", path, *p.Id)
		}
		ids[*p.Id] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]uint32{x, y}]; other != "" {
					t.Fatalf("%s: %q lies on %q", path, *p.Title, other)
				}
				taken[[2]uint32{x, y}] = *p.Title
			}
		}
	}
}

func TestDashboards(t *testing.T) {
	variable := regexp.MustCompile(`\$\{?(\w+)`)
	uids, ids := map[string]bool{}, map[string]bool{}
	for path, d := range dashboards(t) {
		uids[*d.Uid] = true
		known := map[string]bool{"__rate_interval": true, "__range": true}
		for _, v := range d.Templating.List {
			known[v.Name] = true
		}
		used := map[string]bool{}
		for _, p := range panels(d) {
			if p.Title == nil || p.Description == nil || *p.Description == "" || len(p.Targets) == 0 {
				t.Errorf("%s: a panel lacks its title, description or query: %+v", path, p.Id)
				continue
			}
			if ids[path+*p.Title] && *p.Title != "Failovers" && *p.Title != "Refused by limits" {
				t.Errorf("%s: two panels are called %q", path, *p.Title)
			}
			ids[path+*p.Title] = true
			if p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: %q is wider than the page", path, *p.Title)
			}
			for i := range p.Targets {
				for _, m := range variable.FindAllStringSubmatch(query(t, p, i), -1) {
					used[m[1]] = true
					if !known[m[1]] {
						t.Errorf("%s: %q asks for $%s, which isn't a variable", path, *p.Title, m[1])
					}
				}
			}
			if ref := p.Datasource; ref == nil || ref.Uid == nil || *ref.Uid != "${datasource}" {
				t.Errorf("%s: %q has a datasource of its own", path, *p.Title)
			}
		}
		apart(t, path, d)
		for _, v := range d.Templating.List {
			if v.Name != "datasource" && !used[v.Name] {
				t.Errorf("%s: no panel uses $%s", path, v.Name)
			}
		}
		if releases := d.Annotations.List[0]; !strings.Contains(*releases.Expr, "denwa_build_info") {
			t.Errorf("%s: releases aren't marked", path)
		}
	}
	for path, d := range dashboards(t) {
		for _, l := range d.Links {
			if l.Url == nil || !uids[strings.TrimPrefix(*l.Url, "/d/")] {
				t.Errorf("%s links to a dashboard that isn't there", path)
			}
		}
	}
}

// TestProvisioning holds Grafana's provisioning against the files there are.
func TestProvisioning(t *testing.T) {
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			IsDefault                    bool `yaml:"isDefault"`
			JSONData                     struct {
				TimeInterval string `yaml:"timeInterval"`
				HTTPMethod   string `yaml:"httpMethod"`
			} `yaml:"jsonData"`
		}
	}
	into(t, "grafana/provisioning/datasources/prometheus.yaml", &sources)
	var scrape scrapeConfig
	into(t, "prometheus/prometheus.yml", &scrape)
	s := sources.Datasources[0]
	if sources.APIVersion != 1 || s.Type != "prometheus" || s.URL != "http://prometheus:9090" || !s.IsDefault {
		t.Errorf("datasource: %+v", sources)
	}
	if s.JSONData.TimeInterval != scrape.Global["scrape_interval"] {
		t.Errorf("the datasource's interval is %s, Prometheus scrapes every %s", s.JSONData.TimeInterval, scrape.Global["scrape_interval"])
	}
}

// scrapeConfig is Prometheus' configuration, as far as prometheus.yml goes.
type scrapeConfig struct {
	Global map[string]string `yaml:"global"`
	Rules  []string          `yaml:"rule_files"`
	Scrape []struct {
		Job    string `yaml:"job_name"`
		Static []struct {
			Targets []string `yaml:"targets"`
		} `yaml:"static_configs"`
	} `yaml:"scrape_configs"`
}

package deploy_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// composeFile is compose.yaml, as far as it goes. The schema says more.
type composeFile struct {
	Name     string                    `yaml:"name"`
	Services map[string]composeService `yaml:"services"`
	Networks map[string]struct {
		Internal bool `yaml:"internal"`
	} `yaml:"networks"`
	Volumes map[string]struct{} `yaml:"volumes"`
	Secrets map[string]struct {
		Environment string `yaml:"environment"`
	} `yaml:"secrets"`
}

type composeService struct {
	Build           map[string]string            `yaml:"build"`
	Image           string                       `yaml:"image"`
	Restart         string                       `yaml:"restart"`
	Command         []string                     `yaml:"command"`
	Ports           []string                     `yaml:"ports"`
	Volumes         []string                     `yaml:"volumes"`
	Environment     map[string]string            `yaml:"environment"`
	Secrets         []string                     `yaml:"secrets"`
	MemLimit        string                       `yaml:"mem_limit"`
	ReadOnly        bool                         `yaml:"read_only"`
	CapDrop         []string                     `yaml:"cap_drop"`
	SecurityOpt     []string                     `yaml:"security_opt"`
	StopGracePeriod time.Duration                `yaml:"stop_grace_period"`
	DependsOn       map[string]map[string]string `yaml:"depends_on"`
	Healthcheck     map[string]any               `yaml:"healthcheck"`
	Networks        []string                     `yaml:"networks"`
}

// mounts are the folders and files of a service, by where it sees them.
func (s composeService) mounts() map[string]string {
	m := map[string]string{}
	for _, v := range s.Volumes {
		parts := strings.Split(v, ":")
		m[parts[1]] = parts[0]
	}
	return m
}

func TestCompose(t *testing.T) {
	const path = "compose/compose.yaml"
	if err := schema(t, "compose.json", "").Validate(documents(t, path, read(t, path))[0]); err != nil {
		t.Error(err)
	}
	var c composeFile
	into(t, path, &c)
	for name, s := range c.Services {
		for _, source := range s.mounts() {
			if _, isVolume := c.Volumes[source]; isVolume {
				continue
			}
			if _, err := os.Stat(filepath.Join("compose", source)); err != nil {
				t.Errorf("%s mounts %s: %v", name, source, err)
			}
		}
		for _, secret := range s.Secrets {
			if c.Secrets[secret].Environment == "" {
				t.Errorf("%s: no secret %s", name, secret)
			}
		}
		for _, network := range s.Networks {
			if _, ok := c.Networks[network]; !ok {
				t.Errorf("%s: no network %s", name, network)
			}
		}
		for _, published := range s.Ports {
			if !strings.HasPrefix(published, "127.0.0.1:") {
				t.Errorf("%s publishes %s to everybody", name, published)
			}
		}
		if s.Build == nil && !strings.Contains(s.Image, ":") {
			t.Errorf("%s: image %s has no version", name, s.Image)
		}
	}

	d := c.Services["denwa"]
	t.Run("denwa", func(t *testing.T) {
		settings := load(t, "compose/denwa.yaml", "DENWA_APPS_0_API_KEYS_0_SHA256="+strings.Repeat("1", 64))
		_, public, _ := net.SplitHostPort(settings.Server.Listen)
		_, admin, _ := net.SplitHostPort(settings.Admin.Listen)
		if want := []string{"127.0.0.1:8080:" + public}; !slices.Equal(d.Ports, want) {
			t.Errorf("ports %q, want %q", d.Ports, want)
		}
		if d.StopGracePeriod < stopping(settings) {
			t.Errorf("stop_grace_period %s, and stopping takes %s", d.StopGracePeriod, stopping(settings))
		}
		checkMemory(t, bytesOf(t, d.Environment["GOMEMLIMIT"]), bytesOf(t, d.MemLimit))
		if !strings.Contains(read(t, "Dockerfile"), "DENWA_CONFIG=/etc/denwa/denwa.yaml ") || d.mounts()["/etc/denwa/denwa.yaml"] != "./denwa.yaml" {
			t.Error("the configuration isn't mounted where the image looks for it")
		}
		if !strings.Contains(read(t, "compose/denwa.yaml"), "\n  master_file: /run/secrets/denwa_master\n") || !slices.Contains(d.Secrets, "denwa_master") {
			t.Error("the master key isn't the secret denwa_master")
		}
		host, port, _ := net.SplitHostPort(settings.Store.Addresses[0])
		if _, ok := c.Services[host]; !ok || port != "6379" {
			t.Errorf("store at %s", settings.Store.Addresses[0])
		}
		var scrape scrapeConfig
		into(t, "prometheus/prometheus.yml", &scrape)
		if target := scrape.Scrape[0].Static[0].Targets[0]; target != "denwa:"+admin || scrape.Scrape[0].Job != "denwa" {
			t.Errorf("Prometheus scrapes %s as %s", target, scrape.Scrape[0].Job)
		}
	})
	t.Run("redis", func(t *testing.T) {
		r := c.Services["redis"]
		command := strings.Join(r.Command, " ")
		for _, setting := range []string{"--appendonly yes", "--appendfsync everysec", "--maxmemory-policy noeviction"} {
			if !strings.Contains(command, setting) {
				t.Errorf("redis runs without %s", setting)
			}
		}
		if r.mounts()["/data"] == "" || !c.Networks["store"].Internal || len(r.Ports) > 0 {
			t.Error("redis must keep its data, and be reached by Denwa alone")
		}
	})
	t.Run("grafana", func(t *testing.T) {
		g := c.Services["grafana"]
		var provisioned struct {
			APIVersion int `yaml:"apiVersion"`
			Providers  []struct {
				Name, Folder, Type string
				AllowUIUpdates     bool `yaml:"allowUiUpdates"`
				Options            map[string]string
			}
		}
		into(t, "grafana/provisioning/dashboards/denwa.yaml", &provisioned)
		folder := provisioned.Providers[0].Options["path"]
		if provisioned.APIVersion != 1 || g.mounts()[folder] != "../grafana/dashboards" {
			t.Errorf("dashboards are read from %s, mounted are %v", folder, g.mounts())
		}
		home := strings.Replace(g.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"], folder, "grafana/dashboards", 1)
		if _, err := os.Stat(home); err != nil {
			t.Error(err)
		}
	})
}

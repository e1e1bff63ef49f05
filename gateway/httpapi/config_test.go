package httpapi_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"denwa/gateway/httpapi"
)

func TestDefaultConfigIsValid(t *testing.T) {
	report := func(field, problem string) { t.Errorf("%s: %s", field, problem) }
	httpapi.DefaultConfig().Validate(report)
	httpapi.DefaultAdminConfig().Validate(report)
	for _, listen := range []string{httpapi.DefaultConfig().Listen, httpapi.DefaultAdminConfig().Listen} {
		if !strings.HasPrefix(listen, "127.0.0.1:") {
			t.Errorf("%s isn't loopback", listen)
		}
	}
}

func TestConfigMistakes(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*httpapi.Config)
		fields []string // empty: none
	}{
		"no port":        {func(c *httpapi.Config) { c.Listen = "127.0.0.1" }, []string{"listen"}},
		"named port":     {func(c *httpapi.Config) { c.Listen = "127.0.0.1:http" }, []string{"listen"}},
		"big port":       {func(c *httpapi.Config) { c.Listen = ":65536" }, []string{"listen"}},
		"every address":  {func(c *httpapi.Config) { c.Listen = ":0" }, nil},
		"IPv6":           {func(c *httpapi.Config) { c.Listen = "[::1]:8080" }, nil},
		"URL":            {func(c *httpapi.Config) { c.PublicURL = "https://verify.example.jp/denwa" }, nil},
		"no scheme":      {func(c *httpapi.Config) { c.PublicURL = "verify.example.jp" }, []string{"public_url"}},
		"other scheme":   {func(c *httpapi.Config) { c.PublicURL = "ftp://verify.example.jp" }, []string{"public_url"}},
		"trailing slash": {func(c *httpapi.Config) { c.PublicURL = "https://verify.example.jp/" }, []string{"public_url"}},
		"query":          {func(c *httpapi.Config) { c.PublicURL = "https://verify.example.jp?" }, []string{"public_url"}},
		"password":       {func(c *httpapi.Config) { c.PublicURL = "https://a:b@verify.example.jp" }, []string{"public_url"}},
		"proxies":        {func(c *httpapi.Config) { c.TrustedProxies = []string{"10.0.0.0/8", "::1", "lb", "10.0.0.0/33"} }, []string{"trusted_proxies[2]", "trusted_proxies[3]"}},
		"short writes":   {func(c *httpapi.Config) { c.WriteTimeout = 60 * time.Second }, []string{"write_timeout"}},
		"all at once": {func(c *httpapi.Config) { *c = httpapi.Config{Listen: ":1"} }, []string{
			"idle_timeout", "max_body", "max_connections", "max_header", "read_header_timeout", "read_timeout", "shutdown_timeout", "write_timeout",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := httpapi.DefaultConfig()
			tc.change(&c)
			got := map[string]string{}
			c.Validate(func(field, problem string) { got[field] = problem })
			if fields := slices.Sorted(maps.Keys(got)); !slices.Equal(fields, tc.fields) {
				t.Errorf("reported %v", got)
			}
		})
	}
}

package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"denwa/providers"
)

// PlaygroundKey is the API key of the playground's only app. Everybody knows it, so
// it is refused wherever somebody else could use it.
const PlaygroundKey = "dnw_demodemodemodemodemodemodemodemodemodemo"

// Validate reports every mistake in c, with the path of its key.
func (c *Config) Validate(report func(path, problem string)) {
	part := func(prefix string, validate func(report func(field, problem string))) {
		validate(func(field, problem string) { report(strings.TrimSuffix(prefix+"."+field, "."), problem) })
	}
	part("server", c.Server.Validate)
	part("admin", c.Admin.Validate)
	part("keys", c.Keys.Validate)
	part("store", c.Store.Validate)
	c.Gateway.Validate(report)
	part("log", c.Log.Validate)
	part("tracing", c.Tracing.Validate)
	if len(c.Providers) == 0 {
		report("providers", "needs at least one; type sandbox tries everything without a carrier")
	}
	for i, p := range c.Providers {
		part(fmt.Sprintf("providers[%d]", i), p.Validate)
		if slices.ContainsFunc(c.Providers[:i], func(o Provider) bool { return o.Name == p.Name }) {
			report(fmt.Sprintf("providers[%d].name", i), "is the name of another provider already")
		}
	}
	c.validateRoutes(report)
	c.validateListeners(report)
}

// validateListeners checks who can reach the listeners, and with what.
func (c *Config) validateListeners(report func(path, problem string)) {
	host, port, _ := net.SplitHostPort(c.Server.Listen)
	public := !providers.Loopback(host)
	if u, err := url.Parse(c.Server.PublicURL); err == nil && u.Host != "" {
		if u.Path != "" && u.Path != "/" {
			report("server.public_url", "must have no path: the gateway answers at the root of its host")
		}
		if u.Scheme == "http" && !providers.Loopback(u.Hostname()) {
			report("server.public_url", "must be https: codes and numbers travel with it")
		}
		public = public || !providers.Loopback(u.Hostname())
	}
	if c.Server.Listen == c.Admin.Listen && port != "0" {
		report("admin.listen", "is the address of server.listen already")
	}
	if public {
		c.validatePublic(report)
	}
}

// validatePublic refuses what is good only where nobody else can reach the
// public listener: the playground's key, and real codes on the sandbox's phones.
func (c *Config) validatePublic(report func(path, problem string)) {
	sum := sha256.Sum256([]byte(PlaygroundKey))
	demo := hex.EncodeToString(sum[:])
	for i, a := range c.Gateway.Apps {
		for j, k := range a.APIKeys {
			if strings.EqualFold(k.SHA256, demo) {
				report(fmt.Sprintf("apps[%d].api_keys[%d].sha256", i, j),
					`is the playground's key, which everybody knows; make one with "denwa key new"`)
			}
		}
	}
	carrier := func(p Provider) bool { return p.Type != typeSandbox }
	for i, p := range c.Providers {
		if !carrier(p) && slices.ContainsFunc(c.Providers, carrier) {
			report(fmt.Sprintf("providers[%d].type", i),
				"must not be sandbox beside a carrier: it shows codes to everybody who can reach this gateway")
		}
	}
}

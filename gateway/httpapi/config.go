package httpapi

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// MaxWait is the longest that a request may ask to wait for a change.
const MaxWait = 60 * time.Second

// Config is the public listener: the APIs, carrier callbacks and pages.
type Config struct {
	// Address and port of the public listener.
	Listen string `yaml:"listen"`
	// URL under which carriers and browsers reach the public listener, without a trailing slash. Carriers sign it, so it must be exact.
	PublicURL string `yaml:"public_url"`
	// Addresses or prefixes of the proxies in front of the gateway, whose X-Forwarded-For is believed; empty believes nobody.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Most time a client may take to send its request's header.
	ReadHeaderTimeout time.Duration `yaml:"read_header_timeout"`
	// Most time a client may take to send its whole request.
	ReadTimeout time.Duration `yaml:"read_timeout"`
	// Most time from a request's header to the end of the reply; over 60s, because a client may wait that long for a change.
	WriteTimeout time.Duration `yaml:"write_timeout"`
	// How long a connection without a request is kept open.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// How long the gateway still serves after /readyz turned 503, so that load balancers notice first.
	ShutdownDelay time.Duration `yaml:"shutdown_delay"`
	// Most time that requests in flight get to finish when the gateway stops.
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout"`
	// Most time that calls in progress get to come to their end after that, those over a SIP trunk: what is said and rings lives in this process. 0 hangs up.
	ShutdownCalls time.Duration `yaml:"shutdown_calls"`
	// Largest request body, in bytes.
	MaxBody int64 `yaml:"max_body"`
	// Largest request header, in bytes.
	MaxHeader int `yaml:"max_header"`
	// Most connections at once. More wait to be accepted.
	MaxConnections int `yaml:"max_connections"`
}

// AdminConfig is the admin listener: metrics, health and profiles. It asks for
// no password, so it belongs on a loopback or otherwise private address.
type AdminConfig struct {
	// Address and port of the admin listener.
	Listen string `yaml:"listen"`
}

// DefaultConfig is what holds where the operator says nothing.
func DefaultConfig() Config {
	return Config{
		Listen:            "127.0.0.1:8080",
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      75 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ShutdownTimeout:   20 * time.Second,
		ShutdownCalls:     30 * time.Second,
		MaxBody:           16 << 10,
		MaxHeader:         16 << 10,
		MaxConnections:    20_000,
	}
}

// DefaultAdminConfig is what holds where the operator says nothing.
func DefaultAdminConfig() AdminConfig { return AdminConfig{Listen: "127.0.0.1:8081"} }

// Validate reports every mistake in c.
func (c Config) Validate(report func(field, problem string)) {
	validateListen(c.Listen, report)
	if c.PublicURL != "" {
		if problem := publicURLProblem(c.PublicURL); problem != "" {
			report("public_url", problem)
		}
	}
	for i, s := range c.TrustedProxies {
		if _, err := parsePrefix(s); err != nil {
			report(fmt.Sprintf("trusted_proxies[%d]", i), fmt.Sprintf("%q is neither an address nor a prefix such as 10.0.0.0/8.", s))
		}
	}
	for _, d := range []struct {
		field    string
		value    time.Duration
		min, max time.Duration
	}{
		{"read_header_timeout", c.ReadHeaderTimeout, time.Second, time.Minute},
		{"read_timeout", c.ReadTimeout, time.Second, 5 * time.Minute},
		{"write_timeout", c.WriteTimeout, MaxWait + 5*time.Second, 10 * time.Minute},
		{"idle_timeout", c.IdleTimeout, time.Second, time.Hour},
		{"shutdown_delay", c.ShutdownDelay, 0, 5 * time.Minute},
		{"shutdown_timeout", c.ShutdownTimeout, time.Second, 10 * time.Minute},
		{"shutdown_calls", c.ShutdownCalls, 0, 10 * time.Minute},
	} {
		if d.value < d.min || d.value > d.max {
			report(d.field, fmt.Sprintf("%s is outside %s to %s.", d.value, d.min, d.max))
		}
	}
	for _, n := range []struct {
		field           string
		value, min, max int64
	}{
		{"max_body", c.MaxBody, 4 << 10, 1 << 20},
		{"max_header", int64(c.MaxHeader), 4 << 10, 1 << 20},
		{"max_connections", int64(c.MaxConnections), 1, 1 << 20},
	} {
		if n.value < n.min || n.value > n.max {
			report(n.field, fmt.Sprintf("%d is outside %d to %d.", n.value, n.min, n.max))
		}
	}
}

// Validate reports every mistake in c.
func (c AdminConfig) Validate(report func(field, problem string)) { validateListen(c.Listen, report) }

func validateListen(listen string, report func(field, problem string)) {
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		report("listen", fmt.Sprintf("%q is not an address and a port, such as 127.0.0.1:8080.", listen))
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		report("listen", fmt.Sprintf("%q is not a port, 0 to 65535.", port))
	}
}

// publicURLProblem says what is wrong with a public URL, or nothing.
func publicURLProblem(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return fmt.Sprintf("%q is not a URL, such as https://verify.example.jp.", s)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return "A public URL has no user, query or fragment."
	case u.Path != "" && u.Path[len(u.Path)-1] == '/':
		return "A public URL has no trailing slash."
	}
	return ""
}

// parsePrefix reads an address as the prefix that holds it alone.
func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Prefix(addr.BitLen())
	}
	return netip.ParsePrefix(s)
}

package sip

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"denwa/ivr/sipcall"
	"denwa/providers"
)

// Transport is what SIP messages travel over.
type Transport string

// The transports.
const (
	UDP Transport = "udp"
	TCP Transport = "tcp"
	TLS Transport = "tls"
)

// Config describes one SIP trunk.
type Config struct {
	// Name is what the provider is called in routes, logs and metrics: lower-case letters, digits and hyphens, at most 32.
	Name string `yaml:"name"`
	// Server is the trunk's host and port.
	Server string `yaml:"server"`
	// Transport that SIP messages travel over: udp, tcp or tls.
	Transport Transport `yaml:"transport"`
	// Domain in SIP addresses; empty for the server's host.
	Domain string `yaml:"domain"`
	// Username that the trunk asks for; empty for a trunk that knows Denwa by its address.
	Username string `yaml:"username"`
	// Password that goes with the username.
	Password string `yaml:"password" secret:"true"`
	// From is the number that calls, as the trunk wants to see it.
	From string `yaml:"from"`
	// Dial replaces the beginning of numbers, which are + and country code by themselves: "+81" by "0", "+" by "010".
	// The longest beginning that fits is replaced. "81" means "+81".
	Dial map[string]string `yaml:"dial"`
	// Listen is the local address and port of SIP over UDP; port 0 for any that is free. Over TCP and TLS the trunk uses
	// the connection that Denwa makes.
	Listen string `yaml:"listen"`
	// Media says where the sound of calls goes.
	Media MediaConfig `yaml:"media"`
	// RingTimeout is for how long the phone rings.
	RingTimeout time.Duration `yaml:"ring_timeout"`
	// MaxCalls is how many calls there may be at once; more are left to the next provider.
	MaxCalls int `yaml:"max_calls"`
	// Prompts is a folder of own recordings as WAV files: <locale>/<prompt>.wav replaces a shipped one. Empty for none.
	Prompts string `yaml:"prompts"`
	// TLS says whom to trust over transport tls.
	TLS providers.TLS `yaml:"tls"`
}

// MediaConfig says where the sound of calls goes.
type MediaConfig struct {
	// Address at which the trunk reaches Denwa, for sound and for requests: an IP address, the public one behind NAT.
	// Empty for the one that packets to the trunk leave from.
	Address string `yaml:"address"`
	// Ports of UDP for sound, "first-last". Each call takes an even one.
	Ports string `yaml:"ports"`
	// Timeout is after how long without sound from the other side a call is given up.
	Timeout time.Duration `yaml:"timeout"`
}

// DefaultConfig returns what holds where the configuration says nothing.
func DefaultConfig() Config {
	return Config{
		Transport:   UDP,
		Listen:      ":0",
		Media:       MediaConfig{Ports: "20000-20999", Timeout: 20 * time.Second},
		RingTimeout: 40 * time.Second,
		MaxCalls:    100,
	}
}

// maxCalls bounds calls by what one process can sensibly carry.
const maxCalls = 10_000

var (
	hostForm   = regexp.MustCompile(`^[0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?$`)
	userForm   = regexp.MustCompile(`^\+?[0-9A-Za-z._-]{1,64}$`)
	prefixForm = regexp.MustCompile(`^(\+|\+?[0-9]+)$`)
	dialForm   = regexp.MustCompile(`^\+?[0-9]*$`)
)

// Validate reports every mistake with the field it is in.
func (c Config) Validate(report func(field, problem string)) {
	if !providers.ValidName(c.Name) {
		report("name", "must be 1 to 32 lower-case letters, digits and hyphens")
	}
	if host, port, err := net.SplitHostPort(c.Server); err != nil || !validHost(host) || !validPort(port, 1) {
		report("server", `must be a host and port, such as "sip.example.jp:5060"`)
	}
	if c.Transport != UDP && c.Transport != TCP && c.Transport != TLS {
		report("transport", "must be udp, tcp or tls")
	}
	if c.Domain != "" && !validHost(c.Domain) {
		report("domain", "must be a host name or an IP address")
	}
	if c.Username == "" && c.Password != "" {
		report("username", "must be set when there is a password")
	}
	if strings.ContainsAny(c.Username, "\"\r\n") {
		report("username", "must not have a quotation mark or a line break")
	}
	if !userForm.MatchString(c.From) {
		report("from", "must be the number that calls, as the trunk wants to see it: digits, perhaps with + before them")
	}
	for from, to := range c.Dial {
		_, twice := c.Dial["+"+from]
		if twice || !prefixForm.MatchString(from) || !dialForm.MatchString(to) {
			report("dial", `must replace beginnings of numbers, such as "+81", by digits, each once`)
			break
		}
	}
	if host, port, err := net.SplitHostPort(c.Listen); err != nil || host != "" && !validIP(host) || !validPort(port, 0) {
		report("listen", `must be a local IP address and port, such as "192.0.2.10:5060", or ":0"`)
	}
	if c.RingTimeout < time.Second || c.RingTimeout > 3*time.Minute {
		report("ring_timeout", "must be between 1s and 3m")
	}
	if c.MaxCalls < 1 || c.MaxCalls > maxCalls {
		report("max_calls", "must be between 1 and "+strconv.Itoa(maxCalls))
	}
	c.Media.validate(c.MaxCalls, report)
	c.TLS.Validate(func(field, problem string) { report("tls."+field, problem) })
}

func (c MediaConfig) validate(calls int, report func(field, problem string)) {
	if c.Address != "" && !validIP(c.Address) {
		report("media.address", "must be an IP address that the trunk can reach")
	}
	if ports, err := c.open(netip.Addr{}); err != nil {
		report("media.ports", `must be "first-last" with an even port, such as "20000-20999"`)
	} else if ports.Count() < calls {
		report("media.ports", fmt.Sprintf("has %d even ports, fewer than max_calls", ports.Count()))
	}
	if c.Timeout < time.Second || c.Timeout > 5*time.Minute {
		report("media.timeout", "must be between 1s and 5m")
	}
}

// open is the range of ports on a local address.
func (c MediaConfig) open(host netip.Addr) (*sipcall.Ports, error) {
	first, last, _ := strings.Cut(c.Ports, "-")
	from, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%q is not a port", first)
	}
	to, err := strconv.ParseUint(last, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%q is not a port", last)
	}
	return sipcall.NewPorts(host, uint16(from), uint16(to))
}

func validHost(host string) bool { return validIP(host) || hostForm.MatchString(host) }

func validIP(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && !addr.IsMulticast()
}

func validPort(port string, least uint64) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n >= least
}

// dialled is an E.164 number as the trunk wants to be asked for it.
func (c Config) dialled(number string) string {
	result, longest := number, -1
	for from, to := range c.Dial {
		from = strings.TrimPrefix(from, "+")
		if rest, fits := strings.CutPrefix(number, "+"+from); fits && len(from) > longest {
			result, longest = to+rest, len(from)
		}
	}
	return result
}

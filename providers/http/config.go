package http

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"denwa/providers"
)

// Config describes one account at an aggregator with an HTTP API.
//
// Where a text may hold placeholders, these are {to}, {text}, {from},
// {delivery}, {valid_for}, {valid_until}, {callback} and {secret:<name>}; {{ and
// }} are braces. {to} and {text} have no place in an address or a header, which
// are logged on their way.
type Config struct {
	// Name is what the provider is called in routes, logs and metrics, and in the address that the aggregator reports to:
	// lower-case letters, digits and hyphens, at most 32.
	Name string `yaml:"name"`
	// URL that messages are sent to. Its path and query may hold {delivery} and {secret:<name>}. Redirects aren't followed.
	URL string `yaml:"url"`
	// Method of the request, POST or PUT.
	Method Method `yaml:"method"`
	// AllowHTTP accepts a plain http address whose host is a private address, such as a modem in the same rack. Loopback
	// addresses need no leave.
	AllowHTTP bool `yaml:"allow_http"`
	// Headers by name. Their values may hold {delivery} and {secret:<name>}.
	Headers map[string]string `yaml:"headers"`
	// Username of HTTP Basic authentication.
	Username string `yaml:"username"`
	// Password of HTTP Basic authentication.
	Password string `yaml:"password" secret:"true"`
	// Token of Bearer authentication.
	Token string `yaml:"token" secret:"true"`
	// Secrets for {secret:<name>}, where the API wants its keys in a header, a field or the address.
	Secrets []Secret `yaml:"secrets"`
	// Body is the request's JSON. Its strings, and nothing else, may hold placeholders, so that no text can change its
	// shape; "{valid_for:number}" becomes a number. One of body and form is set.
	Body string `yaml:"body"`
	// Form holds the request's fields, which may hold placeholders; it is sent as application/x-www-form-urlencoded.
	Form map[string]string `yaml:"form"`
	// From is the sender, for {from}.
	From string `yaml:"from"`
	// Dial replaces the beginning of numbers, which are + and country code by themselves: "+81" by "0", "+" by "".
	// The longest beginning that fits is replaced.
	Dial map[string]string `yaml:"dial"`
	// Timeout bounds a request where the route leaves more time.
	Timeout time.Duration `yaml:"timeout"`
	// Reply says how replies are understood.
	Reply ReplyConfig `yaml:"reply"`
	// Receipts says how the aggregator reports what became of messages. It may be left out.
	Receipts ReceiptConfig `yaml:"receipts"`
}

// Method is how a message is sent.
type Method string

// The methods.
const (
	MethodPost Method = "POST"
	MethodPut  Method = "PUT"
)

// Secret is one of the account's credentials.
type Secret struct {
	// Name for {secret:<name>}.
	Name string `yaml:"name"`
	// Value of the secret.
	Value string `yaml:"value" secret:"true"`
}

// DefaultConfig returns what holds where the configuration says nothing.
func DefaultConfig() Config {
	return Config{Method: MethodPost, Timeout: 10 * time.Second, Receipts: defaultReceiptConfig()}
}

var (
	headerForm = regexp.MustCompile("^[0-9A-Za-z!#$%&'*+.^_`|~-]+$") // a token of RFC 9110, 5.6.2
	valueForm  = regexp.MustCompile(`^[\t -~]*$`)
	secretForm = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)
	prefixForm = regexp.MustCompile(`^\+[0-9]*$`)
	dialForm   = regexp.MustCompile(`^\+?[0-9]*$`)
)

// Validate reports every mistake with the field it is in.
func (c Config) Validate(report func(field, problem string)) {
	if !providers.ValidName(c.Name) {
		report("name", "must be 1 to 32 lower-case letters, digits and hyphens")
	}
	if c.Method != MethodPost && c.Method != MethodPut {
		report("method", "must be POST or PUT: number and text have no place in an address")
	}
	if c.Timeout < 100*time.Millisecond || c.Timeout > time.Minute {
		report("timeout", "must be between 100ms and 1m")
	}
	for from, to := range c.Dial {
		if !prefixForm.MatchString(from) || !dialForm.MatchString(to) {
			report("dial", `must replace beginnings of numbers, such as "+81", by digits`)
			break
		}
	}
	c.validateCredentials(report)
	c.validateRequest(report)
	c.Reply.validate(report)
	c.Receipts.validate(report)
	if c.Receipts.MessageID != "" && c.Reply.MessageID == "" {
		report("reply.message_id", "must be set when receipts name messages by receipts.message_id")
	}
	if c.Receipts.Delivery != "" && !c.names("delivery") {
		report("receipts.delivery", "is a field that must come from the request: let the request hold {delivery}")
	}
}

func (c Config) validateCredentials(report func(field, problem string)) {
	if c.Token != "" && (c.Username != "" || c.Password != "") {
		report("token", "can't go with username and password: there is one Authorization header")
	}
	if (c.Username == "") != (c.Password == "") || strings.Contains(c.Username, ":") {
		report("username", "and password go together, and a username has no colon")
	}
	if !valueForm.MatchString(c.Token) {
		report("token", "must be printable ASCII")
	}
	seen := map[string]bool{}
	for i, s := range c.Secrets {
		field := fmt.Sprintf("secrets[%d]", i)
		if !secretForm.MatchString(s.Name) || seen[s.Name] {
			report(field+".name", "must be 1 to 32 lower-case letters, digits, _ and -, each once")
		}
		if s.Value == "" {
			report(field+".value", "must be set")
		}
		seen[s.Name] = true
	}
}

func (c Config) validateRequest(report func(field, problem string)) {
	if problem := c.urlProblem(); problem != "" {
		report("url", problem)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		switch _, err := parseTemplate(c.Headers[name], c.allowed(false)); {
		case !headerForm.MatchString(name) || !valueForm.MatchString(c.Headers[name]):
			report("headers."+name, "must be a header's name and value, in ASCII")
		case reserved(name):
			report("headers."+name, "is set by Denwa; for Authorization see username, token and secrets")
		case strings.EqualFold(name, "Authorization") && (c.Token != "" || c.Username != ""):
			report("headers."+name, "can't go with token or username: there is one Authorization header")
		case err != nil:
			report("headers."+name, err.Error())
		}
		for _, secret := range c.Secrets {
			if strings.Contains(c.Headers[name], "{secret:"+secret.Name+"}") && !valueForm.MatchString(secret.Value) {
				report("headers."+name, fmt.Sprintf("holds the secret %q, which isn't one line of ASCII", secret.Name))
			}
		}
	}
	switch {
	case (c.Body == "") == (len(c.Form) == 0):
		report("body", "or form must be set, and not both")
	case c.Body != "":
		if _, err := parseDocument(c.Body, c.allowed(true)); err != nil {
			report("body", err.Error())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Form)) {
		if _, err := parseTemplate(c.Form[name], c.allowed(true)); err != nil {
			report("form."+name, err.Error())
		}
	}
	if c.Body+strings.Join(slices.Collect(maps.Values(c.Form)), "") != "" && (!c.names("to") || !c.names("text")) {
		report("body", "or form must hold {to} and {text}")
	}
}

// reserved are headers that follow from the request itself.
func reserved(name string) bool {
	for _, r := range []string{"Host", "Content-Type", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "Te", "Trailer", "Upgrade"} {
		if strings.EqualFold(name, r) {
			return true
		}
	}
	return false
}

// urlProblem tells what is wrong with the URL.
func (c Config) urlProblem() string {
	if _, err := parseTemplate(c.URL, c.allowed(false)); err != nil {
		return err.Error()
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "must be an https URL"
	case u.User != nil || u.Fragment != "" || strings.ContainsAny(u.Host, "{}"):
		return "must hold no user and no fragment, and no placeholder in its host"
	case u.Scheme == "https" || providers.Loopback(u.Hostname()) || c.AllowHTTP && private(u.Hostname()):
		return ""
	case c.AllowHTTP:
		return "must be https: allow_http is for loopback and private addresses"
	}
	return "must be https: numbers and codes travel with each request"
}

// allowed are the placeholders that a template may hold, with or without those
// that are private.
func (c Config) allowed(private bool) func(name string) bool {
	names := []string{"delivery"}
	if private {
		names = append(names, "to", "text", "from", "valid_for", "valid_until", "callback")
	}
	for _, s := range c.Secrets {
		names = append(names, "secret:"+s.Name)
	}
	return func(name string) bool { return slices.Contains(names, name) }
}

// names reports whether the request holds a placeholder anywhere.
func (c Config) names(placeholder string) bool {
	found := false
	see := func(name string) bool {
		found = found || name == placeholder
		return true
	}
	_, _ = parseTemplate(c.URL, see)
	_, _ = parseDocument(c.Body, see)
	for _, values := range []map[string]string{c.Headers, c.Form} {
		for _, value := range values {
			_, _ = parseTemplate(value, see)
		}
	}
	return found
}

// dialled is an E.164 number as the aggregator wants it.
func (c Config) dialled(number string) string {
	longest := ""
	for from := range c.Dial {
		if strings.HasPrefix(number, from) && len(from) > len(longest) {
			longest = from
		}
	}
	if longest == "" {
		return number
	}
	return c.Dial[longest] + number[len(longest):]
}

// private reports whether host is an address that the internet doesn't reach.
func private(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.IsPrivate() || ip.IsLinkLocalUnicast())
}

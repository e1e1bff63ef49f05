// Package twilio sends text messages and calls phones through Twilio's REST
// API, and takes its callbacks: what became of a message or a call, and, in the
// middle of a call, what to say next.
//
// One SendMessage or PlaceCall is at most one request that reaches Twilio. What a
// failure means for the next provider is decided in two places only: codes.go
// for what Twilio answers, and the transport's trace in client.go for an
// answer that never came.
package twilio

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/twilio/twilio-go/client"
	"golang.org/x/time/rate"

	"denwa/providers"
	"denwa/providers/carrierhttp"
)

// Provider is one Twilio account.
type Provider struct {
	name    string
	sms     SMSConfig
	voice   VoiceConfig
	receive providers.Receiver
	calls   providers.Switchboard
	log     *slog.Logger

	base         *url.URL
	http         *http.Client
	certificates *providers.Certificates
	client       *client.Client

	// callbacks is the address of this provider's callbacks as Twilio sees it, without a slash at the end.
	callbacks string
	// reports is whether Twilio is asked for status callbacks.
	reports   bool
	validator client.RequestValidator
	// pace holds calls to what the account may place per second.
	pace *rate.Limiter
	// refusals keeps a flood of forged callbacks from becoming a flood of log lines.
	refusals rate.Sometimes
}

var (
	_ providers.Messenger = (*Provider)(nil)
	_ providers.Caller    = (*Provider)(nil)
	_ providers.Selective = (*Provider)(nil)
	_ providers.Callbacks = (*Provider)(nil)
	_ providers.Certified = (*Provider)(nil)
)

// New returns a provider for the account in cfg. It makes no request.
//
// publicURL is the public listener's address as Twilio sees it; callbacks are
// verified against it. Twilio refuses a message whose callback address it
// can't reach (error 21609), so none is given, and no receipts come, when
// publicURL is empty, or is a loopback or private address while the API itself
// is not on a loopback address. receive takes the receipts.
//
// Calls need both a public_url that can be reached, because Twilio asks there
// what to say, and calls, the switchboard, which may be nil where cfg has no
// voice.
func New(cfg Config, publicURL string, receive providers.Receiver, calls providers.Switchboard, log *slog.Logger) (*Provider, error) {
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBaseURL
	}
	var problems []error
	cfg.Validate(func(field, problem string) {
		problems = append(problems, fmt.Errorf("%s %s", field, problem))
	})
	if len(problems) > 0 {
		return nil, fmt.Errorf("twilio provider %q: %w", cfg.Name, errors.Join(problems...))
	}
	base, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("twilio provider %q: base_url: %w", cfg.Name, err)
	}
	certificates := &providers.Certificates{}
	p := &Provider{
		name:         cfg.Name,
		sms:          cfg.SMS,
		voice:        cfg.Voice,
		receive:      receive,
		calls:        calls,
		log:          log.With("provider", cfg.Name),
		base:         base,
		http:         carrierhttp.NewClient(certificates),
		certificates: certificates,
		client:       &client.Client{Credentials: credentials(cfg)},
		validator:    client.NewRequestValidator(cfg.AuthToken),
		pace:         rate.NewLimiter(rate.Limit(cfg.Voice.CallsPerSecond), 1),
		refusals:     rate.Sometimes{Interval: time.Minute},
	}
	p.client.SetAccountSid(cfg.AccountSID)
	if err := p.setPublicURL(publicURL); err != nil {
		return nil, fmt.Errorf("twilio provider %q: %w", cfg.Name, err)
	}
	switch {
	case p.voice.enabled() && !p.reports:
		return nil, fmt.Errorf("twilio provider %q: voice needs a public_url that is reachable from the internet", cfg.Name)
	case p.voice.enabled() && calls == nil:
		return nil, fmt.Errorf("twilio provider %q: voice needs a switchboard", cfg.Name)
	}
	return p, nil
}

func credentials(cfg Config) *client.Credentials {
	if cfg.APIKeySID != "" {
		return client.NewCredentials(cfg.APIKeySID, cfg.APIKeySecret)
	}
	return client.NewCredentials(cfg.AccountSID, cfg.AuthToken)
}

func (p *Provider) setPublicURL(publicURL string) error {
	if publicURL == "" {
		p.log.Warn("no public_url: twilio can't report deliveries")
		return nil
	}
	u, err := url.Parse(publicURL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("public_url must be scheme, host and perhaps a path")
	case strings.Contains(u.Hostname(), "_"):
		return errors.New("public_url has an underscore in its host name, which twilio refuses in a callback address")
	}
	p.callbacks = strings.TrimRight(publicURL, "/") + "/callbacks/" + p.name
	p.reports = !private(u.Hostname()) || providers.Loopback(p.base.Hostname())
	if !p.reports {
		p.log.Warn("public_url is not reachable from the internet: twilio can't report deliveries")
	}
	return nil
}

// Name is the operator's name for the account.
func (p *Provider) Name() string { return p.name }

// Certificates are those of the connections to Twilio.
func (p *Provider) Certificates() *providers.Certificates { return p.certificates }

// Serves reports whether the account is set up for ch.
func (p *Provider) Serves(ch providers.Channel) bool {
	return Config{SMS: p.sms, Voice: p.voice}.Serves(ch)
}

// Close closes idle connections. There is no other background work.
func (p *Provider) Close() error {
	p.http.CloseIdleConnections()
	return nil
}

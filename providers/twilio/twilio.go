// Package twilio sends text messages through Twilio's REST API and takes its
// status callbacks.
//
// One call of SendMessage is at most one request that reaches Twilio. What a
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
)

// Provider is one Twilio account.
type Provider struct {
	name    string
	sms     SMSConfig
	receive providers.Receiver
	log     *slog.Logger

	base   *url.URL
	http   *http.Client
	client *client.Client

	// callbacks is the address of this provider's callbacks as Twilio sees it, without a slash at the end.
	callbacks string
	// reports is whether Twilio is asked for status callbacks.
	reports   bool
	validator client.RequestValidator
	// refusals keeps a flood of forged callbacks from becoming a flood of log lines.
	refusals rate.Sometimes
}

var (
	_ providers.Messenger = (*Provider)(nil)
	_ providers.Callbacks = (*Provider)(nil)
)

// New returns a provider for the account in cfg. It makes no request.
//
// publicURL is the public listener's address as Twilio sees it; callbacks are
// verified against it. Twilio refuses a message whose callback address it
// can't reach (error 21609), so none is given, and no receipts come, when
// publicURL is empty, or is a loopback or private address while the API itself
// is not on a loopback address. receive takes the receipts.
func New(cfg Config, publicURL string, receive providers.Receiver, log *slog.Logger) (*Provider, error) {
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
	p := &Provider{
		name:      cfg.Name,
		sms:       cfg.SMS,
		receive:   receive,
		log:       log.With("provider", cfg.Name),
		base:      base,
		http:      newHTTPClient(),
		client:    &client.Client{Credentials: credentials(cfg)},
		validator: client.NewRequestValidator(cfg.AuthToken),
		refusals:  rate.Sometimes{Interval: time.Minute},
	}
	p.client.SetAccountSid(cfg.AccountSID)
	if err := p.setPublicURL(publicURL); err != nil {
		return nil, fmt.Errorf("twilio provider %q: %w", cfg.Name, err)
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
	p.reports = !private(u.Hostname()) || loopback(p.base.Hostname())
	if !p.reports {
		p.log.Warn("public_url is not reachable from the internet: twilio can't report deliveries")
	}
	return nil
}

// Name is the operator's name for the account.
func (p *Provider) Name() string { return p.name }

// Close closes idle connections. There is no other background work.
func (p *Provider) Close() error {
	p.http.CloseIdleConnections()
	return nil
}

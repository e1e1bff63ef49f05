// Package http sends text messages through any aggregator with an HTTP API, as
// the configuration describes it, and takes the receipts that it posts back.
//
// One SendMessage is at most one request, never repeated and never redirected.
// What a reply means is decided in reply.go, and in client.go for a reply that
// never came.
package http

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"denwa/providers"
	"denwa/providers/carrierhttp"
)

// IDStore keeps what the aggregator's message ids stand for. All instances
// share it, because a receipt may reach any of them. It is safe for concurrent
// use, and fails when the store can't be reached.
type IDStore interface {
	// Remember keeps for ttl what an id stands for, in place of what it stood for.
	Remember(ctx context.Context, id, what string, ttl time.Duration) error
	// Recall returns what each of the ids stands for, "" for one that isn't known.
	Recall(ctx context.Context, ids ...string) (what []string, err error)
}

// Provider is one account at one aggregator.
type Provider struct {
	cfg          Config
	request      request
	judge        judge
	reports      reports
	ids          IDStore
	receive      providers.Receiver
	log          *slog.Logger
	http         *http.Client
	certificates *providers.Certificates
	now          func() time.Time

	// refusals and unknowns keep a flood of reports from becoming a flood of log lines.
	refusals, unknowns rate.Sometimes
}

var (
	_ providers.Messenger = (*Provider)(nil)
	_ providers.Callbacks = (*Provider)(nil)
	_ providers.Certified = (*Provider)(nil)
)

// New returns a provider for the account in cfg. It makes no request.
//
// publicURL is the public listener's address as the aggregator sees it, for
// {callback}. ids may be nil where receipts don't name messages by
// receipts.message_id; receive takes the receipts.
func New(cfg Config, publicURL string, ids IDStore, receive providers.Receiver, log *slog.Logger) (*Provider, error) {
	var problems []error
	cfg.Validate(func(field, problem string) { problems = append(problems, fmt.Errorf("%s %s", field, problem)) })
	if len(problems) > 0 {
		return nil, fmt.Errorf("http provider %q: %w", cfg.Name, errors.Join(problems...))
	}
	certificates := &providers.Certificates{}
	p := &Provider{
		cfg: cfg, ids: ids, receive: receive, log: log.With("provider", cfg.Name), http: carrierhttp.NewClient(certificates), certificates: certificates, now: time.Now,
		refusals: rate.Sometimes{Interval: time.Minute}, unknowns: rate.Sometimes{Interval: time.Minute},
	}
	var err error
	if p.request, err = newRequest(cfg, cfg.Receipts.callback(publicURL, cfg.Name)); err != nil {
		return nil, fmt.Errorf("http provider %q: %w", cfg.Name, err)
	}
	if p.judge, err = newJudge(cfg.Reply); err != nil {
		return nil, fmt.Errorf("http provider %q: reply: %w", cfg.Name, err)
	}
	if p.reports, err = newReports(cfg.Receipts); err != nil {
		return nil, fmt.Errorf("http provider %q: receipts: %w", cfg.Name, err)
	}
	switch {
	case cfg.Receipts.MessageID != "" && ids == nil:
		return nil, fmt.Errorf("http provider %q: receipts.message_id needs a store of message ids", cfg.Name)
	case cfg.names("callback") && publicURL == "":
		return nil, fmt.Errorf("http provider %q: {callback} needs a public_url", cfg.Name)
	case cfg.names("callback") && cfg.Receipts.Format == "":
		return nil, fmt.Errorf("http provider %q: {callback} needs receipts", cfg.Name)
	}
	return p, nil
}

// callback is the address that the aggregator reports to; "" where publicURL is.
func (c ReceiptConfig) callback(publicURL, name string) string {
	if publicURL == "" {
		return ""
	}
	address := strings.TrimRight(publicURL, "/") + "/callbacks/" + name + "/receipts"
	if c.SecretParameter != "" {
		address += "?" + url.Values{c.SecretParameter: {c.Secret}}.Encode()
	}
	return address
}

// Name is the operator's name for the account.
func (p *Provider) Name() string { return p.cfg.Name }

// Certificates are those of the connections to the aggregator.
func (p *Provider) Certificates() *providers.Certificates { return p.certificates }

// Close closes idle connections. There is no other background work.
func (p *Provider) Close() error {
	p.http.CloseIdleConnections()
	return nil
}

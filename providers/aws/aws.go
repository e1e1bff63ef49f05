// Package aws sends text messages and reads codes out over AWS End User
// Messaging, and takes what its event destination reports through SNS.
//
// One SendMessage or PlaceCall is at most one request: the SDK's repeats are off,
// because what may have been sent must not be sent again. What a failure means
// for the next provider is decided in codes.go for what AWS answers, and in
// client.go for an answer that never came.
package aws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/pinpointsmsvoicev2"
	"golang.org/x/time/rate"

	"denwa/providers"
	"denwa/providers/carrierhttp"
)

// Provider is one account and region.
type Provider struct {
	cfg          Config
	receive      providers.Receiver
	log          *slog.Logger
	http         *http.Client
	certificates *providers.Certificates
	topic        topic
	now          func() time.Time

	mu     sync.Mutex
	client *pinpointsmsvoicev2.Client // nil while there is no region

	// refusals keeps a flood of forged reports from becoming a flood of log lines.
	refusals rate.Sometimes
}

var (
	_ providers.Messenger = (*Provider)(nil)
	_ providers.Caller    = (*Provider)(nil)
	_ providers.Selective = (*Provider)(nil)
	_ providers.Callbacks = (*Provider)(nil)
	_ providers.Certified = (*Provider)(nil)
)

// loadTimeout bounds reading the SDK's configuration, which asks an instance's
// metadata service where AWS_DEFAULTS_MODE says so.
const loadTimeout = 2 * time.Second

// New returns a provider for the account in cfg. It reads the SDK's environment
// and files, and fetches no credentials. If there is nothing usable yet, it is
// looked for again with each send, so that a gateway starts nevertheless.
// receive takes the receipts.
func New(cfg Config, receive providers.Receiver, log *slog.Logger) (*Provider, error) {
	var problems []error
	cfg.Validate(func(field, problem string) { problems = append(problems, fmt.Errorf("%s %s", field, problem)) })
	if len(problems) > 0 {
		return nil, fmt.Errorf("aws provider %q: %w", cfg.Name, errors.Join(problems...))
	}
	certificates := &providers.Certificates{}
	p := &Provider{
		cfg: cfg, receive: receive, log: log.With("provider", cfg.Name), http: carrierhttp.NewClient(certificates), certificates: certificates, now: time.Now,
		refusals: rate.Sometimes{Interval: time.Minute},
	}
	p.topic = newTopic(cfg.TopicARN, p.http)
	if cfg.TopicARN == "" {
		p.log.Warn("no topic_arn: aws can't report deliveries")
	}
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	if _, err := p.api(ctx); err != nil {
		p.log.Error("aws can't be used yet", "error", err)
	}
	return p, nil
}

// Name is the operator's name for the account.
func (p *Provider) Name() string { return p.cfg.Name }

// Certificates are those of the connections to AWS.
func (p *Provider) Certificates() *providers.Certificates { return p.certificates }

// Serves reports whether the account is set up for ch.
func (p *Provider) Serves(ch providers.Channel) bool { return p.cfg.Serves(ch) }

// Close closes idle connections. There is no other background work.
func (p *Provider) Close() error {
	p.http.CloseIdleConnections()
	return nil
}

package aws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/pinpointsmsvoicev2"
	"github.com/aws/smithy-go/logging"

	"denwa/providers"
	"denwa/providers/carrierhttp"
)

// requestTimeout bounds one request where the caller's deadline is later.
const requestTimeout = 10 * time.Second

// api is the client of the API, made once the SDK's configuration can be used.
func (p *Provider) api(ctx context.Context) (*pinpointsmsvoicev2.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client != nil {
		return p.client, nil
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(p.cfg.Region),
		config.WithLogger(logging.Nop{})) // the SDK's own writes to standard error, past every rule of ours
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		return nil, errors.New("there is no region: set region, or AWS_REGION")
	}
	p.client = pinpointsmsvoicev2.NewFromConfig(cfg, func(o *pinpointsmsvoicev2.Options) {
		o.Retryer, o.RetryMaxAttempts = aws.NopRetryer{}, 1 // whatever the environment says
		o.HTTPClient = wire{p.http}                         // credentials have one of their own: their requests aren't ours
		if p.cfg.Endpoint != "" {
			o.BaseEndpoint = aws.String(p.cfg.Endpoint)
		}
	})
	return p.client, nil
}

// attempt is what is known of one request.
type attempt struct {
	carrierhttp.Attempt
	asked  atomic.Bool // the request was signed and handed over
	status int         // of the reply; 0 for none
	header http.Header // of the reply
}

type attemptKey struct{}

// wire is the HTTP client below the SDK. It notes in the context's attempt how
// far a request came, and bounds the reply.
type wire struct{ *http.Client }

// Do sends a request of the SDK.
func (w wire) Do(r *http.Request) (*http.Response, error) {
	a, ok := r.Context().Value(attemptKey{}).(*attempt)
	if !ok {
		return nil, errors.New("a request that no send made")
	}
	a.asked.Store(true)
	// The transport has to have the body twice to begin again on another connection.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.WithContext(a.Context(r.Context()))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	resp, err := w.Client.Do(r) //nolint:gosec // G704: the address is the region's or the operator's.
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	reply, err := carrierhttp.ReadBody(resp.Body)
	if err != nil && resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return nil, err
	}
	a.status, a.header = resp.StatusCode, resp.Header
	resp.Body = io.NopCloser(bytes.NewReader(reply)) // outside 2xx the status says enough
	return resp, nil
}

// call makes one request and returns the id in the reply.
func (p *Provider) call(ctx context.Context, do func(context.Context, *pinpointsmsvoicev2.Client) (id *string, err error)) (providers.Acceptance, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	a := &attempt{}
	client, err := p.api(ctx)
	if err != nil {
		return providers.Acceptance{}, unasked(ctx, err)
	}
	id, err := do(context.WithValue(ctx, attemptKey{}, a), client)
	switch {
	case err != nil:
		return providers.Acceptance{}, p.failure(ctx, a, err)
	case id == nil || !idForm.MatchString(*id):
		return providers.Acceptance{}, nonsense()
	}
	return providers.Acceptance{Reference: *id}, nil
}

// failure is what an error of the SDK means.
func (p *Provider) failure(ctx context.Context, a *attempt, err error) *providers.Error {
	switch {
	case !a.asked.Load():
		return unasked(ctx, err)
	case a.status == 0:
		return a.Unanswered(ctx, "aws", err)
	case a.status >= 200 && a.status <= 299:
		return nonsense()
	}
	return refused(a.status, err, carrierhttp.RetryAfter(a.header, p.now()))
}

// unasked is the failure of a request that wasn't made: there are no
// credentials. The number isn't known to whoever failed.
func unasked(ctx context.Context, err error) *providers.Error {
	if ctx.Err() != nil {
		return &providers.Error{Kind: providers.Unavailable, Err: fmt.Errorf("not asked: %w", ctx.Err())}
	}
	return &providers.Error{Kind: providers.Auth, Err: fmt.Errorf("aws: the SDK's configuration or credentials: %w", err)}
}

// nonsense is the failure of a reply that says success and nothing else.
func nonsense() *providers.Error {
	return &providers.Error{Kind: providers.Ambiguous, Err: errors.New("aws accepted the request, but its reply is not what was asked for")}
}

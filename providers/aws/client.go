package aws

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/pinpointsmsvoicev2"
	"github.com/aws/smithy-go/logging"

	"denwa/providers"
)

const (
	// requestTimeout bounds one request where the caller's deadline is later.
	requestTimeout = 10 * time.Second
	// maxReply bounds what is read of a reply, which has an id or an error in it.
	maxReply = 64 << 10
)

// newHTTPClient returns a client that keeps connections and follows no
// redirect. It speaks HTTP/1.1 only: there a connection that went silent costs
// the one request on it, where on HTTP/2 it would hold up all of them.
func newHTTPClient(seen *providers.Certificates) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dialer.DialContext,
			TLSClientConfig:        seen.Watch(&tls.Config{MinVersion: tls.VersionTLS12}),
			TLSHandshakeTimeout:    5 * time.Second,
			MaxConnsPerHost:        100,
			MaxIdleConnsPerHost:    100,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 32 << 10,
			DisableCompression:     true,
			Protocols:              protocols,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

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
	asked   atomic.Bool // the request was signed and handed over
	written atomic.Bool // some of it may have been
	status  int         // of the reply; 0 for none
	header  http.Header // of the reply
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
	// Nothing can have been written before there is a connection. The transport
	// asks for another one only when it knows that it wrote nothing on the first,
	// and it has to have the body twice for that.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { a.written.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { a.written.Store(true) },
	}))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	resp, err := w.Client.Do(r) //nolint:gosec // G704: the address is the region's or the operator's.
	if err != nil {
		return nil, err
	}
	reply, err := readReply(resp)
	if err != nil && resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return nil, err
	}
	a.status, a.header = resp.StatusCode, resp.Header
	resp.Body = io.NopCloser(bytes.NewReader(reply)) // outside 2xx the status says enough
	return resp, nil
}

var errReplyTooLong = errors.New("the reply is too long")

func readReply(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err == nil && len(reply) > maxReply {
		err = errReplyTooLong
	}
	return reply, err
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
		return unanswered(ctx, err, a.written.Load())
	case a.status >= 200 && a.status <= 299:
		return nonsense()
	}
	return refused(a.status, err, retryAfter(a.header, p.now()))
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

// unanswered is the failure of a request that got no whole answer. Causes are
// named, not quoted, once the server may have spoken: what it said may hold
// the number.
func unanswered(ctx context.Context, err error, written bool) *providers.Error {
	var address *url.Error
	if errors.As(err, &address) {
		err = address.Err
	}
	var network *net.OpError
	switch {
	case !written && errors.As(err, &network):
		return &providers.Error{Kind: providers.Unavailable, Err: fmt.Errorf("connect to aws: %w", network)}
	case !written:
		return &providers.Error{Kind: providers.Unavailable, Err: fmt.Errorf("connect to aws: %w", err)}
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.As(err, &network):
		err = network
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = io.ErrUnexpectedEOF
	case errors.Is(err, errReplyTooLong):
		err = errReplyTooLong
	default:
		err = errors.New("the connection broke, or the reply is not HTTP")
	}
	return &providers.Error{Kind: providers.Ambiguous, Err: fmt.Errorf("no answer from aws: %w", err)}
}

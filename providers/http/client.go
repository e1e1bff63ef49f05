package http

import (
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

	"denwa/providers"
)

// maxReply bounds what is read of a reply.
const maxReply = 64 << 10

// newClient returns a client that keeps connections and follows no redirect. It
// speaks HTTP/1.1 only: there a connection that went silent costs the one
// request on it, where on HTTP/2 it would hold up all of them.
func newClient(seen *providers.Certificates) *http.Client {
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
			DisableCompression:     true, // so that maxReply bounds the work, too
			Protocols:              protocols,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// exchange makes one request, and returns the reply whatever its status. The
// body of a reply outside 2xx may be cut short: its status says enough.
func (p *Provider) exchange(ctx context.Context, v values) (reply, *providers.Error) {
	// Nothing can have been written before there is a connection. The transport
	// asks for another one only when it knows that it wrote nothing on the first.
	var written atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { written.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { written.Store(true) },
	})
	req, err := p.request.build(traced, v)
	if err != nil {
		return reply{}, &providers.Error{Kind: providers.Unavailable, Err: errors.New("the request can't be built")}
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return reply{}, unanswered(ctx, err, written.Load())
	}
	raw, err := readReply(resp)
	if err != nil && statusMeaning(resp.StatusCode) == MeansAccepted {
		return reply{}, unanswered(ctx, err, true)
	}
	return reply{resp.StatusCode, resp.Header, readBody(raw)}, nil
}

var errReplyTooLong = errors.New("the reply is too long")

func readReply(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err == nil && len(raw) > maxReply {
		err = errReplyTooLong
	}
	return raw, err
}

// unanswered is the failure of a request that got no whole answer. Causes are
// named, not quoted, once the server may have spoken: what it said may hold
// the number.
func unanswered(ctx context.Context, err error, written bool) *providers.Error {
	var address *url.Error
	if errors.As(err, &address) {
		err = address.Err // it quotes the URL, which may hold a secret
	}
	if !written {
		return &providers.Error{Kind: providers.Unavailable, Err: fmt.Errorf("connect to the aggregator: %w", err)}
	}
	var network *net.OpError
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.As(err, &network):
		err = network
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = io.ErrUnexpectedEOF
	case errors.Is(err, errReplyTooLong):
	default:
		err = errors.New("the connection broke, or the reply is not HTTP")
	}
	return &providers.Error{Kind: providers.Ambiguous, Err: fmt.Errorf("no answer from the aggregator: %w", err)}
}

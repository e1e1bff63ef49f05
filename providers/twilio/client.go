package twilio

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twilio/twilio-go/client"

	"denwa/providers"
)

const (
	// requestTimeout bounds one request where the caller's deadline is later.
	requestTimeout = 10 * time.Second
	// maxReply bounds what is read of a reply; a message resource is about 1 KiB.
	maxReply = 64 << 10
	// maxRetryAfter bounds what is believed of a Retry-After header.
	maxRetryAfter = 24 * time.Hour

	userAgent = "denwa twilio-go/" + client.LibraryVersion
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
			MaxConnsPerHost:        100, // Twilio answers 429 beyond about as many at once
			MaxIdleConnsPerHost:    100,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 32 << 10,
			DisableCompression:     true,
			Protocols:              protocols,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// call carries one request through twilio-go in place of its own client, which
// sends under context.Background, knows no other host, and loses the headers of
// an answer, and its status where it isn't JSON. Every error it returns is a
// [*providers.Error], which twilio-go passes on as it is.
type call struct {
	*client.Client
	provider *Provider
	ctx      context.Context //nolint:containedctx // twilio-go's SendRequest takes none; a call lives as long as its request
}

// SendRequest posts a form to the configured host, whatever TWILIO_EDGE and
// TWILIO_REGION made of it, and returns a reply only if its status is 2xx, with
// the body read.
func (c call) SendRequest(method, rawURL string, form url.Values, headers map[string]any, _ ...byte) (*http.Response, error) {
	target, err := url.Parse(rawURL)
	if err != nil {
		return nil, &providers.Error{Kind: providers.Unavailable, Err: errors.New("twilio: the request's address can't be built")}
	}
	target.Scheme, target.Host = c.provider.base.Scheme, c.provider.base.Host

	// Nothing can have been written before there is a connection. The transport
	// asks for another one only when it knows that it wrote nothing on the first.
	var written atomic.Bool
	ctx := httptrace.WithClientTrace(c.ctx, &httptrace.ClientTrace{
		GetConn: func(string) { written.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { written.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, method, target.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, &providers.Error{Kind: providers.Unavailable, Err: errors.New("twilio: the request can't be built")}
	}
	req.SetBasicAuth(c.Username, c.Password)
	req.Header.Set("User-Agent", userAgent)
	for name, value := range headers {
		req.Header.Set(name, fmt.Sprint(value))
	}

	resp, err := c.provider.http.Do(req)
	if err != nil {
		return nil, unanswered(c.ctx, err, written.Load())
	}
	body, err := readReply(resp)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, refused(resp.StatusCode, errorCode(body), retryAfter(resp.Header, time.Now()))
	}
	if err != nil {
		return nil, unanswered(c.ctx, err, true)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

var errReplyTooLong = errors.New("the reply is too long")

func readReply(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err == nil && len(body) > maxReply {
		err = errReplyTooLong
	}
	return body, err
}

// unanswered is the failure of a request that got no whole answer. Causes are
// named, not quoted, once the server may have spoken: what it said may hold
// the number.
func unanswered(ctx context.Context, err error, written bool) *providers.Error {
	var address *url.Error
	if errors.As(err, &address) {
		err = address.Err // it quotes the URL, and so the account
	}
	if !written {
		return &providers.Error{Kind: providers.Unavailable, Err: fmt.Errorf("connect to twilio: %w", err)}
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
	return &providers.Error{Kind: providers.Ambiguous, Err: fmt.Errorf("no answer from twilio: %w", err)}
}

// errorCode returns the code in an error reply, 0 if there is none.
func errorCode(body []byte) int {
	var reply struct {
		Code int `json:"code"`
	}
	if json.Unmarshal(body, &reply) != nil {
		return 0
	}
	return reply.Code
}

// retryAfter reads the Retry-After header, in seconds or as a date; 0 if there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	var wait time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// Package carrierhttp asks carriers over HTTP, and reads what they report:
// without redirects, with bodies that are bounded, and with a clear word on
// whether a request that got no answer can have been taken.
package carrierhttp

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
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"denwa/providers"
)

const (
	// maxReply bounds what is read of a reply, which has an id or an error in it.
	maxReply = 64 << 10
	// maxConns is about where Twilio begins to answer 429.
	maxConns = 100
	// MaxRetryAfter bounds what is believed of a Retry-After header.
	MaxRetryAfter = 24 * time.Hour
)

// NewClient returns a client that keeps connections and follows no redirect. It
// speaks HTTP/1.1 only: there a connection that went silent costs the one
// request on it, where on HTTP/2 it would hold up all of them. It tells seen of
// the certificates that carriers show.
func NewClient(seen *providers.Certificates) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dialer.DialContext,
			TLSClientConfig:        seen.Watch(&tls.Config{MinVersion: tls.VersionTLS12}),
			TLSHandshakeTimeout:    5 * time.Second,
			MaxConnsPerHost:        maxConns,
			MaxIdleConnsPerHost:    maxConns,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 32 << 10,
			DisableCompression:     true, // so that maxReply bounds the work, too
			Protocols:              protocols,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Attempt is one request, and whether any of it may have been written. Nothing
// can have been before there is a connection, and the transport asks for another
// one only when it knows that it wrote nothing on the first.
type Attempt struct {
	written atomic.Bool
}

// Context returns ctx for the request that a is about.
func (a *Attempt) Context(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { a.written.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { a.written.Store(true) },
	})
}

// Unanswered is the failure of a request to a carrier that got no whole answer:
// [providers.Unavailable] if nothing was written, else [providers.Ambiguous].
// Causes are named, not quoted, once the carrier may have spoken: what it said
// may hold the number.
func (a *Attempt) Unanswered(ctx context.Context, carrier string, err error) *providers.Error {
	var address *url.Error
	if errors.As(err, &address) {
		err = address.Err // it quotes the URL, which may hold a secret
	}
	var network *net.OpError
	if errors.As(err, &network) {
		err = network
	}
	if !a.written.Load() {
		return &providers.Error{Kind: providers.Unavailable, Err: fmt.Errorf("connect to %s: %w", carrier, err)}
	}
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case network != nil:
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = io.ErrUnexpectedEOF
	case errors.Is(err, errReplyTooLong):
		err = errReplyTooLong
	default:
		err = errors.New("the connection broke, or the reply is not HTTP")
	}
	return &providers.Error{Kind: providers.Ambiguous, Err: fmt.Errorf("no answer from %s: %w", carrier, err)}
}

var errReplyTooLong = errors.New("the reply is too long")

// ReadBody reads a reply's body to its end. It fails if that is cut off or longer
// than 64 KiB, and returns what it has read all the same.
func ReadBody(body io.Reader) ([]byte, error) {
	read, err := io.ReadAll(io.LimitReader(body, maxReply+1))
	if err == nil && len(read) > maxReply {
		err = errReplyTooLong
	}
	return read, err
}

// StatusKind is what an answer outside 2xx means, where nothing but its status says so.
func StatusKind(status int) providers.Kind {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return providers.Auth
	case status == http.StatusTooManyRequests:
		return providers.Throttled
	case status == http.StatusServiceUnavailable:
		// The one server error that is defined as the refusal to handle a request (RFC 9110, 15.6.4).
		return providers.Unavailable
	case status >= 500:
		// 500 may come after the message was queued; with 502 and 504 the gateway lost the answer, not the request.
		return providers.Ambiguous
	default:
		// A redirect or an unknown 4xx: nothing was created, and nothing says that the number is at fault.
		return providers.Unavailable
	}
}

// RetryAfter reads the Retry-After header (RFC 9110, section 10.2.3), in seconds
// or as a date. It is 0 if there is none, and at most [MaxRetryAfter].
func RetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	var wait time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), MaxRetryAfter)
}

// CheckBase tells what is wrong with the address of a carrier's API, to which
// paths are added; "" if nothing is.
func CheckBase(address string) (problem string) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "must be an https URL"
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return "must be scheme and host only: no user, path, query or fragment"
	case u.Scheme == "http" && !providers.Loopback(u.Hostname()):
		return "must be https: numbers, codes and credentials travel with each request (http is for loopback addresses)"
	}
	return ""
}

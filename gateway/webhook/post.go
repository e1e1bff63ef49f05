package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"denwa/gateway"
)

// maxAnswer is how much of an answer is read, to use the connection again.
const maxAnswer = 4 << 10

// clients are two HTTP clients. They share no connections: one that was allowed
// to reach a private address must not serve an app that isn't.
type clients struct{ public, private *http.Client }

func newClients() clients {
	return clients{public: newClient(guard(public)), private: newClient(nil)}
}

// newClient returns a client that follows no redirects and uses no proxy: both
// would reach where the guard doesn't look.
func newClient(control func(network, address string, c syscall.RawConn) error) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: control}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    10 * time.Second,
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    concurrency,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 16 << 10,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (c clients) close() {
	c.public.CloseIdleConnections()
	c.private.CloseIdleConnections()
}

// post delivers body once. ctx bounds it.
func (c clients) post(ctx context.Context, to gateway.Webhook, id string, body []byte, now time.Time) result {
	keys := to.Keys()
	if len(keys) == 0 {
		return result{outcome: Unrendered, err: errors.New("the webhook has no secret")}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(body))
	if err != nil {
		return result{outcome: Unrendered, err: errors.New("the webhook's url is not one")}
	}
	client := c.public
	if to.AllowPrivate {
		client = c.private
	} else if r.URL.Scheme != "https" {
		return result{outcome: Forbidden, err: errors.New("the webhook's url is not https; see webhook.allow_private")}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Denwa")
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("Webhook-Signature", sign(keys, id, now, body))
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.Header))
	answer, err := client.Do(r)
	if err != nil {
		return failure(err)
	}
	defer answer.Body.Close()
	// What it says doesn't matter, and neither does how it ends.
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer)
	said := judge(answer, now)
	said.tls = answer.TLS
	return said
}

// judge reads an answer's status.
func judge(answer *http.Response, now time.Time) result {
	r := result{outcome: Rejected, status: answer.StatusCode}
	switch {
	case r.status >= 200 && r.status < 300:
		r.outcome = Delivered
	case r.status == http.StatusGone:
		r.outcome = Gone
	case r.status == http.StatusTooManyRequests, r.status == http.StatusServiceUnavailable:
		r.outcome = Throttled
		r.retryAfter = retryAfter(answer.Header.Get("Retry-After"), now)
	}
	return r
}

// retryAfter reads the header of that name: seconds, or a date (RFC 9110
// §10.2.3). What can't be read is 0.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second //nolint:gosec // G115: 32 bits.
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// failure classifies the error of a request that had no answer. Its text goes
// to the log, so it is one of those that are known to hold neither the address
// with its query nor what the other side sent.
func failure(err error) result {
	var (
		wrapped     *url.Error
		netError    net.Error
		operation   *net.OpError
		name        *net.DNSError
		certificate *tls.CertificateVerificationError
		alert       tls.AlertError
	)
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	r := result{outcome: Unreachable}
	switch {
	case errors.Is(err, errForbidden):
		r.outcome, r.err = Forbidden, errForbidden
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netError) && netError.Timeout():
		r.outcome, r.err = Timeout, errors.New("no answer in time")
	case errors.As(err, &operation), errors.As(err, &name), errors.As(err, &certificate), errors.As(err, &alert):
		r.err = err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		r.err = errors.New("the connection ended before the answer")
	default:
		r.err = errors.New("the answer is not HTTP, or with https not TLS")
	}
	return r
}

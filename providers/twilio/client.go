package twilio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/twilio/twilio-go/client"

	"denwa/providers"
	"denwa/providers/carrierhttp"
)

const (
	// requestTimeout bounds one request where the caller's deadline is later.
	requestTimeout = 10 * time.Second

	userAgent = "denwa twilio-go/" + client.LibraryVersion
)

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

	var attempt carrierhttp.Attempt
	req, err := http.NewRequestWithContext(attempt.Context(c.ctx), method, target.String(), strings.NewReader(form.Encode()))
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
		return nil, attempt.Unanswered(c.ctx, "twilio", err)
	}
	defer resp.Body.Close()
	body, err := carrierhttp.ReadBody(resp.Body)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, refused(resp.StatusCode, errorCode(body), carrierhttp.RetryAfter(resp.Header, time.Now()))
	}
	if err != nil {
		return nil, attempt.Unanswered(c.ctx, "twilio", err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
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

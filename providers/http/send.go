package http

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"denwa/providers"
)

// request is what is sent for a message, with holes in it.
type request struct {
	method  string
	url     address
	headers map[string]template
	// One of document and form makes the body.
	document    document
	form        map[string]template
	contentType string
	// fixed is what every message has: sender, callback address and secrets.
	fixed values
}

// newRequest makes the request of a valid configuration.
func newRequest(c Config, callback string) (request, error) {
	r := request{
		method: string(c.Method), headers: map[string]template{}, form: map[string]template{},
		contentType: "application/x-www-form-urlencoded",
		fixed:       values{"from": c.From, "callback": callback},
	}
	for _, s := range c.Secrets {
		r.fixed["secret:"+s.Name] = s.Value
	}
	var err error
	if r.url, err = parseAddress(c.URL, c.allowed(false)); err != nil {
		return request{}, fmt.Errorf("url %w", err)
	}
	for name, value := range c.Headers {
		if r.headers[name], err = parseTemplate(value, c.allowed(false)); err != nil {
			return request{}, fmt.Errorf("headers.%s %w", name, err)
		}
	}
	literal := strings.NewReplacer("{", "{{", "}", "}}")
	switch {
	case c.Token != "":
		r.headers["Authorization"], err = parseTemplate(literal.Replace("Bearer "+c.Token), c.allowed(false))
	case c.Username != "":
		r.headers["Authorization"], err = parseTemplate("Basic "+base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password)), c.allowed(false))
	}
	if err != nil {
		return request{}, fmt.Errorf("credentials: %w", err)
	}
	if c.Body != "" {
		r.contentType = "application/json"
		r.document, err = parseDocument(c.Body, c.allowed(true))
		return r, err
	}
	for name, value := range c.Form {
		if r.form[name], err = parseTemplate(value, c.allowed(true)); err != nil {
			return request{}, fmt.Errorf("form.%s %w", name, err)
		}
	}
	return r, nil
}

// body is the request's body.
func (r request) body(v values) []byte {
	if r.contentType == "application/json" {
		return r.document.expand(v)
	}
	form := url.Values{}
	for name, value := range r.form {
		form.Set(name, value.expand(v, nil))
	}
	return []byte(form.Encode())
}

// build is the request for one message.
func (r request) build(ctx context.Context, v values) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url.expand(v), bytes.NewReader(r.body(v)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "denwa")
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Content-Type", r.contentType)
	for name, value := range r.headers {
		name = http.CanonicalHeaderKey(name)
		if name == "Idempotency-Key" || name == "X-Idempotency-Key" {
			// In this spelling, which means the same, net/http doesn't take it for leave to send a request again.
			name = strings.ToLower(name)
		}
		req.Header[name] = []string{value.expand(v, nil)}
	}
	return req, nil
}

// values are what the placeholders stand for in msg.
func (p *Provider) values(msg providers.Message) values {
	seconds := max(1, int((msg.ValidFor+time.Second-1)/time.Second))
	v := values{
		"to":          p.cfg.dialled(msg.To),
		"text":        msg.Text,
		"delivery":    msg.Delivery,
		"valid_for":   strconv.Itoa(seconds),
		"valid_until": p.now().Add(time.Duration(seconds) * time.Second).UTC().Format(time.RFC3339),
	}
	for name, value := range p.request.fixed {
		v[name] = value
	}
	return v
}

// SendMessage makes one request. It does so once: what may have been read is
// never repeated.
func (p *Provider) SendMessage(ctx context.Context, msg providers.Message) (providers.Acceptance, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	r, failure := p.exchange(ctx, p.values(msg))
	if failure != nil {
		return providers.Acceptance{}, failure
	}
	id, failure := p.judge.verdict(r, p.now())
	if failure != nil {
		return providers.Acceptance{}, failure
	}
	if id != "" && p.cfg.Receipts.MessageID != "" {
		if err := p.ids.Remember(ctx, id, msg.Delivery, p.cfg.Receipts.Within); err != nil {
			p.log.WarnContext(ctx, "message id not remembered, its receipt won't be understood", "delivery", msg.Delivery, "error", err)
		}
	}
	if holdsNumber(id, msg.To) {
		id = "" // references are logged
	}
	return providers.Acceptance{Reference: id}, nil
}

var notDigit = regexp.MustCompile(`[^0-9]`)

// holdsNumber reports whether an id is built of a number: whether it has the
// number's last digits, which every way to write it ends with.
func holdsNumber(id, number string) bool {
	const last = 7
	return len(number) > last && strings.Contains(notDigit.ReplaceAllString(id, ""), number[len(number)-last:])
}

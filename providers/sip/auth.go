package sip

import (
	"bytes"
	"io"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// credentials answer the challenges to one request, sent again and again.
type credentials struct {
	username, password string
	// headers answer the challenges so far, by their name and realm: a proxy
	// and who is behind it may both ask.
	headers map[challenger]sip.Header
}

type challenger struct{ header, realm string }

// maxChallengers bounds how many ask for credentials on the way of one call.
const maxChallengers = 4

// answer takes the challenge of a 401 or 407 to a request and reports whether
// the request may be sent again. It may not when credentials were refused: the
// same challenger asks again, and not because its nonce is stale.
func (c *credentials) answer(req *sip.Request, res *sip.Response) bool {
	asks, answers := "WWW-Authenticate", "Authorization"
	if res.StatusCode == proxyAuth {
		asks, answers = "Proxy-Authenticate", "Proxy-Authorization"
	}
	if c.username == "" {
		return false
	}
	for _, h := range res.GetHeaders(asks) {
		challenge, err := digest.ParseChallenge(h.Value())
		if err != nil {
			continue
		}
		for i, qop := range challenge.QOP {
			challenge.QOP[i] = strings.TrimSpace(qop)
		}
		if !digest.CanDigest(challenge) {
			continue
		}
		by := challenger{answers, challenge.Realm}
		if _, again := c.headers[by]; again && !challenge.Stale || len(c.headers) >= maxChallengers {
			return false
		}
		response, err := digest.Digest(challenge, digest.Options{
			Method: req.Method.String(), URI: req.Recipient.String(), Username: c.username, Password: c.password,
			GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(req.Body())), nil },
		})
		if err != nil {
			continue
		}
		if c.headers == nil {
			c.headers = map[challenger]sip.Header{}
		}
		c.headers[by] = sip.NewHeader(answers, response.String())
		return true
	}
	return false
}

// authorize gives req the answers to all challenges.
func (c *credentials) authorize(req *sip.Request) {
	for _, h := range c.headers {
		req.AppendHeader(h)
	}
}

// challenged reports whether a response asks for credentials.
func challenged(res *sip.Response) bool {
	return res.StatusCode == unauthorized || res.StatusCode == proxyAuth
}

package httpapi

import (
	"net/http"
	"strings"

	"denwa/gateway"
)

// authenticate finds out whose request c is, and whether that key may make
// another one now.
func (s *Server) authenticate(c *call) error {
	r := c.Request()
	if strings.Contains(r.URL.RawQuery, gateway.APIKeyPrefix) {
		return unauthorized("an API key must not be in a URL, where logs keep it; replace that key and send the new one in the Authorization header")
	}
	key, ok := bearer(r.Header)
	if !ok {
		return unauthorized("send an API key, as Authorization: Bearer dnw_…")
	}
	app, keyID, ok := s.o.Authenticate(key)
	if !ok {
		return unauthorized("the API key is unknown")
	}
	c.app, c.keyID = app, keyID
	if d := s.o.KeyRate.Allow(app.Name + "/" + keyID); !d.Allowed {
		s.o.Limited(app, d.Limit)
		return &gateway.Error{
			Code: gateway.CodeRateLimited, Message: "too many requests with this API key",
			Limit: string(d.Limit), Policy: s.o.KeyLimit(), RetryAfter: d.RetryAfter,
		}
	}
	return nil
}

// bearer returns the token of the one Authorization header.
func bearer(h http.Header) (token string, ok bool) {
	values := h["Authorization"]
	if len(values) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimLeft(token, " ")
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

func unauthorized(message string) error {
	return &gateway.Error{Code: gateway.CodeUnauthorized, Message: message}
}

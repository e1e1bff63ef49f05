package entra

import (
	"context"
	"crypto/rsa"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// leeway is how far our clock may be off.
const leeway = time.Minute

// refusal is why a caller isn't let in. why is one of a few fixed words, for the
// operator's log.
type refusal struct {
	outcome outcome
	why     string
}

// claims are those of an access token that matter here. appid is the caller in
// a v1.0 token, azp in a v2.0 token. Source:
// https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference.
type claims struct {
	jwt.Claims
	AppID  string `json:"appid"`
	AZP    string `json:"azp"`
	Tenant string `json:"tid"`
}

// authenticate checks the caller's token: by which key it is signed, by whom it
// was issued, for whom, when, and to which application.
func (t *tenant) authenticate(ctx context.Context, header http.Header, now time.Time) *refusal {
	token, ok := bearer(header)
	if !ok {
		return &refusal{unauthorized, "no bearer token"}
	}
	// Entra ID signs with RS256; naming the algorithm here keeps a token from
	// choosing its own.
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return &refusal{unauthorized, "malformed token"}
	}
	key, err := t.signers.key(ctx, parsed.Headers[0].KeyID)
	switch {
	case errors.Is(err, errNoSigners):
		return &refusal{unavailable, "no signing keys"}
	case err != nil:
		return &refusal{unauthorized, "unknown signing key"}
	}
	return t.check(parsed, key, now)
}

func (t *tenant) check(token *jwt.JSONWebToken, key *rsa.PublicKey, now time.Time) *refusal {
	var c claims
	if err := token.Claims(key, &c); err != nil {
		return &refusal{unauthorized, "bad signature"}
	}
	switch {
	case !slices.Contains(t.issuers, c.Issuer), c.Tenant != "" && !strings.EqualFold(c.Tenant, t.id):
		return &refusal{unauthorized, "other issuer"}
	case !c.Audience.Contains(t.audience):
		return &refusal{unauthorized, "other audience"}
	case c.Expiry == nil, c.ValidateWithLeeway(jwt.Expected{Time: now}, leeway) != nil:
		return &refusal{unauthorized, "expired or not valid yet"}
	}
	caller := c.AZP
	if caller == "" {
		caller = c.AppID
	}
	if !strings.EqualFold(caller, t.caller) || c.AppID != "" && !strings.EqualFold(c.AppID, t.caller) {
		return &refusal{forbidden, "other caller"}
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

package hooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"denwa/gateway"
)

// tolerance is how far a signed timestamp may be off, either way: what Standard
// Webhooks recommends and Zitadel's own check allows.
const tolerance = 300 * time.Second

// Why a request isn't the service's, for the operator.
var (
	errUnsigned    = errors.New("the request has no signature, or one that can't be read")
	errStale       = errors.New("the signature is more than five minutes off: it was recorded, or a clock is wrong")
	errForged      = errors.New("the signature isn't by this hook's secret")
	errCredentials = errors.New("the credentials are missing, or not this hook's")
)

// verifyStandardWebhook checks a signature as
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
// has it: "v1," and the base64 of an HMAC-SHA256 over id, timestamp and body.
// Several are apart by spaces there; Supabase puts ", " between them.
func verifyStandardWebhook(h gateway.Hook, r *request) error {
	id, at := r.header.Get("Webhook-Id"), r.header.Get("Webhook-Timestamp")
	key, ok := h.Key()
	if id == "" || !ok {
		return errUnsigned
	}
	var signatures [][]byte
	for field := range strings.FieldsSeq(r.header.Get("Webhook-Signature")) {
		text, found := strings.CutPrefix(strings.TrimSuffix(field, ","), "v1,")
		if signature, err := base64.StdEncoding.DecodeString(text); found && err == nil {
			signatures = append(signatures, signature)
		}
	}
	return checkSignatures(r, at, signatures, key, id+"."+at+".")
}

// checkSignatures looks for the HMAC-SHA256 of prefix and body among signatures.
func checkSignatures(r *request, at string, signatures [][]byte, key []byte, prefix string) error {
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || len(signatures) == 0 {
		return errUnsigned
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(prefix))
	mac.Write(r.body)
	want := mac.Sum(nil)
	for _, signature := range signatures {
		if !hmac.Equal(want, signature) {
			continue
		}
		if r.at.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
			return errStale
		}
		return nil
	}
	return errForged
}

// zitadelSignature is the header that Zitadel signs in, as t=…,v1=…,v1=…:
// https://github.com/zitadel/zitadel/blob/main/pkg/actions/signing.go.
const zitadelSignature = "Zitadel-Signature"

func verifyZitadel(h gateway.Hook, r *request) error {
	var at string
	var signatures [][]byte
	for part := range strings.SplitSeq(r.header.Get(zitadelSignature), ",") {
		switch name, value, _ := strings.Cut(part, "="); name {
		case "t":
			at = value
		case "v1":
			if signature, err := hex.DecodeString(value); err == nil {
				signatures = append(signatures, signature)
			}
		}
	}
	return checkSignatures(r, at, signatures, []byte(h.Secret), at+".")
}

// verifySecret checks Basic authentication, or a secret that a header carries as
// it is, or as a Bearer token.
func verifySecret(h gateway.Hook, r *request) error {
	name := h.Header
	if name == "" {
		name = "Authorization"
	}
	values := r.header.Values(name)
	if len(values) != 1 {
		return errCredentials
	}
	if h.Username != "" {
		user, password, ok := (&http.Request{Header: r.header}).BasicAuth()
		if right := same(user, h.Username) & same(password, h.Password); !ok || right != 1 {
			return errCredentials
		}
		return nil
	}
	given := values[0]
	if right := same(given, h.Secret) | same(given, "Bearer "+h.Secret); h.Secret == "" || right != 1 {
		return errCredentials
	}
	return nil
}

// same compares in a time that tells nothing of b, its length included.
func same(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}

package http

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"denwa/providers/carrierhttp"
)

// maxCallback bounds a report's body.
const maxCallback = 64 << 10

// Callbacks returns the handler for what the aggregator reports, at /receipts.
//
// It answers what it took with 204, or with 200 and the configured answer, also
// what is no news or names no message; with 403 what isn't authentic; with 400
// what makes no sense; and with 503 when the receiver or the store failed, so
// that the aggregator repeats it. Reports come more than once and in any order:
// sorting that out is the receiver's.
func (p *Provider) Callbacks() http.Handler {
	mux := http.NewServeMux()
	switch p.cfg.Receipts.Format {
	case JSON, Form:
		mux.HandleFunc("POST /receipts", p.authentic(p.take))
	case Query:
		mux.HandleFunc("GET /receipts", p.authentic(p.take))
		mux.HandleFunc("POST /receipts", p.authentic(p.take))
	}
	return mux
}

// authentic lets through only what the aggregator sent, before any of it is
// parsed.
func (p *Provider) authentic(next func(http.ResponseWriter, *http.Request, []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, ok := carrierhttp.ReadReport(w, r, maxCallback)
		if !ok {
			return
		}
		if !p.cfg.Receipts.authentic(r, body, p.now()) {
			ctx := r.Context()
			p.refusals.Do(func() { p.log.WarnContext(ctx, "report refused: not authenticated as receipts says") })
			carrierhttp.Refuse(w, http.StatusForbidden)
			return
		}
		next(w, r, body)
	}
}

// authentic checks the signature or the secret of a report.
func (c ReceiptConfig) authentic(r *http.Request, body []byte, now time.Time) bool {
	switch {
	case c.Signature.Header != "":
		return c.Signature.authentic(r.Header, body, now)
	case c.SecretHeader != "":
		return equal(r.Header.Get(c.SecretHeader), c.Secret)
	case c.SecretParameter != "":
		return equal(r.URL.Query().Get(c.SecretParameter), c.Secret)
	}
	return false
}

// authentic checks the HMAC of a report, and that it is fresh where it is dated.
func (c SignatureConfig) authentic(h http.Header, body []byte, now time.Time) bool {
	shown, ok := strings.CutPrefix(h.Get(c.Header), c.Prefix)
	if !ok {
		return false
	}
	signature, err := hex.DecodeString(shown)
	if c.Encoding == Base64 {
		signature, err = base64.StdEncoding.DecodeString(shown)
	}
	if err != nil {
		return false
	}
	timestamp := ""
	if c.TimestampHeader != "" {
		timestamp = h.Get(c.TimestampHeader)
	}
	signed, err := parseTemplate(c.Signed, func(string) bool { return true })
	if err != nil {
		return false // it was validated
	}
	mac := hmac.New(sha256.New, []byte(c.Key))
	mac.Write([]byte(signed.expand(values{"body": string(body), "timestamp": timestamp}, nil)))
	if !hmac.Equal(mac.Sum(nil), signature) {
		return false
	}
	return c.TimestampHeader == "" || c.fresh(timestamp, now)
}

// fresh reports whether a timestamp in seconds or milliseconds is near now.
func (c SignatureConfig) fresh(timestamp string, now time.Time) bool {
	n, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return false
	}
	const year5138 = 1e11 // in seconds; in milliseconds it is 1973
	at := time.Unix(n, 0)
	if n >= year5138 {
		at = time.UnixMilli(n)
	}
	age := now.Sub(at)
	return age <= c.Tolerance && age >= -c.Tolerance
}

// equal compares secrets in constant time, whatever their lengths.
func equal(shown, secret string) bool {
	a, b := sha256.Sum256([]byte(shown)), sha256.Sum256([]byte(secret))
	return secret != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"denwa/gateway"
)

// envelope is what Standard Webhooks recommends as the body.
type envelope struct {
	Type      string          `json:"type"`
	Timestamp string          `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
}

// payload is n's body: the same on each attempt.
func payload(n gateway.Notification, data json.RawMessage) ([]byte, error) {
	body, err := json.Marshal(envelope{n.Type, n.At.UTC().Format("2006-01-02T15:04:05.000Z"), data})
	if err != nil {
		return nil, fmt.Errorf("render event: %w", err)
	}
	return body, nil
}

// sign is the webhook-signature header: one signature for each key, apart by
// spaces, so that a receiver may hold any of them.
func sign(keys [][]byte, id string, at time.Time, body []byte) string {
	signatures := make([]string, len(keys))
	for i, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " ")
}

// endpointName names an endpoint in the store, without its address, which may
// hold a token.
func endpointName(w gateway.Webhook) string {
	sum := sha256.Sum256([]byte(w.URL))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

package aws

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // G505: signature version 1, which AWS makes unless the topic says otherwise.
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

// Types of SNS messages.
const (
	typeNotification = "Notification"
	typeSubscription = "SubscriptionConfirmation"
	typeUnsubscribed = "UnsubscribeConfirmation"
)

// envelope is a message of SNS.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html.
type envelope struct {
	Type             string
	MessageID        string `json:"MessageId"`
	TopicARN         string `json:"TopicArn"`
	Subject          *string
	Message          string
	Timestamp        time.Time
	Token            string
	SubscribeURL     string
	SignatureVersion string
	Signature        string
	SigningCertURL   string

	timestamp string // as it was written, which is what is signed
}

// UnmarshalJSON keeps the timestamp as it was written.
func (e *envelope) UnmarshalJSON(raw []byte) error {
	type plain envelope // without this method
	if err := json.Unmarshal(raw, (*plain)(e)); err != nil {
		return err
	}
	var written struct{ Timestamp string }
	if err := json.Unmarshal(raw, &written); err != nil {
		return err
	}
	e.timestamp = written.Timestamp
	return nil
}

// signed is what is signed of e.
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html.
func (e *envelope) signed() []byte {
	fields := []string{"Message", e.Message, "MessageId", e.MessageID}
	switch {
	case e.Type != typeNotification:
		fields = append(fields, "SubscribeURL", e.SubscribeURL, "Timestamp", e.timestamp, "Token", e.Token)
	case e.Subject != nil:
		fields = append(fields, "Subject", *e.Subject, "Timestamp", e.timestamp)
	default:
		fields = append(fields, "Timestamp", e.timestamp)
	}
	fields = append(fields, "TopicArn", e.TopicARN, "Type", e.Type)
	return []byte(strings.Join(fields, "\n") + "\n")
}

const (
	// maxAge is how old a message may be. SNS repeats one for an hour at most.
	maxAge = 75 * time.Minute
	// maxAhead is how far AWS' clock may be ahead.
	maxAhead = 5 * time.Minute
)

// errForged says that a message isn't of the topic. Any other error of verify
// says that it can't be told now.
var errForged = errors.New("not signed by SNS for the topic")

// topic is the SNS topic whose messages are taken.
type topic struct {
	arn  string
	host string // of its region's SNS
	keys *keyring
}

func newTopic(arn string, client *http.Client) topic {
	t := topic{arn: arn, keys: &keyring{http: client, pace: rate.NewLimiter(1, maxKeys), known: map[string]*x509.Certificate{}}}
	if parts := topicForm.FindStringSubmatch(arn); parts != nil {
		t.host = "sns." + parts[2] + ".amazonaws.com"
		if parts[1] == "aws-cn" {
			t.host += ".cn"
		}
	}
	return t
}

// verify reads a message if SNS signed it for this topic, lately.
func (t topic) verify(ctx context.Context, body []byte, now time.Time) (*envelope, error) {
	e := &envelope{}
	if err := json.Unmarshal(body, e); err != nil || t.arn == "" || e.TopicARN != t.arn {
		return nil, errForged
	}
	age := now.Sub(e.Timestamp)
	if age > maxAge || age < -maxAhead || !t.ours(e.SigningCertURL) {
		return nil, errForged
	}
	signature, err := base64.StdEncoding.DecodeString(e.Signature)
	if err != nil {
		return nil, errForged
	}
	key, err := t.keys.get(ctx, e.SigningCertURL, now)
	if err != nil {
		return nil, err
	}
	switch e.SignatureVersion {
	case "1":
		digest := sha1.Sum(e.signed()) //nolint:gosec // G401: as above; what is signed, strangers can't choose.
		err = rsa.VerifyPKCS1v15(key, crypto.SHA1, digest[:], signature)
	case "2":
		digest := sha256.Sum256(e.signed())
		err = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature)
	default:
		return nil, errForged
	}
	if err != nil {
		return nil, errForged
	}
	return e, nil
}

var certificateForm = regexp.MustCompile(`^/SimpleNotificationService-[0-9A-Za-z]{1,64}\.pem$`)

// ours reports whether an address is that of a signing certificate of the
// topic's own SNS, and nothing else.
func (t topic) ours(address string) bool {
	path, found := strings.CutPrefix(address, "https://"+t.host)
	return found && t.host != "" && certificateForm.MatchString(path)
}

// confirm confirms the topic's subscription. The address that the message names
// isn't used: this is the same one.
func (t topic) confirm(ctx context.Context, client *http.Client, token string) error {
	query := url.Values{"Action": {"ConfirmSubscription"}, "TopicArn": {t.arn}, "Token": {token}}
	resp, err := get(ctx, client, "https://"+t.host+"/?"+query.Encode())
	if err != nil {
		return errors.New("confirm subscription: no answer from SNS") // the address has the token
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("confirm subscription: HTTP %d", resp.StatusCode)
	}
	return nil
}

func get(ctx context.Context, client *http.Client, address string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return client.Do(r)
}

const (
	// maxKeys bounds the keys that are kept; SNS signs with one or two at a time.
	maxKeys = 8
	// fetchTimeout bounds the fetch of a certificate.
	fetchTimeout = 5 * time.Second
	// maxCertificate bounds a certificate, which has about 2 KiB.
	maxCertificate = 64 << 10
)

// keyring keeps the certificates of the keys that SNS signs with, by address.
// Strangers can name addresses, so it asks for few.
type keyring struct {
	http    *http.Client
	pace    *rate.Limiter
	fetches singleflight.Group

	mu    sync.Mutex
	known map[string]*x509.Certificate
}

// get returns the key of a certificate. It fails with errForged if there is none.
func (k *keyring) get(ctx context.Context, address string, now time.Time) (*rsa.PublicKey, error) {
	certificate, err := k.certificate(ctx, address)
	if err != nil {
		return nil, err
	}
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok || now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
		return nil, errForged
	}
	return key, nil
}

func (k *keyring) certificate(ctx context.Context, address string) (*x509.Certificate, error) {
	k.mu.Lock()
	known := k.known[address]
	k.mu.Unlock()
	if known != nil {
		return known, nil
	}
	fetched, err, _ := k.fetches.Do(address, func() (any, error) {
		if !k.pace.Allow() {
			return nil, errors.New("too many signing certificates are asked for")
		}
		return k.fetch(context.WithoutCancel(ctx), address) // others wait for it, too
	})
	if err != nil {
		return nil, err
	}
	certificate, _ := fetched.(*x509.Certificate)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.known) >= maxKeys {
		clear(k.known)
	}
	k.known[address] = certificate
	return certificate, nil
}

// fetch gets a certificate. That it comes from SNS over TLS is what vouches for
// it: its own issuer isn't among the system's authorities.
func (k *keyring) fetch(ctx context.Context, address string) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	resp, err := get(ctx, k.http, address)
	if err != nil {
		return nil, fmt.Errorf("get signing certificate: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxCertificate))
	switch {
	case err != nil:
		return nil, fmt.Errorf("get signing certificate: %w", err)
	case resp.StatusCode >= 500:
		return nil, fmt.Errorf("get signing certificate: HTTP %d", resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		return nil, errForged
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errForged
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errForged
	}
	return certificate, nil
}

package aws

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"denwa/ivr"
	"denwa/providers"
)

const (
	testKeyID  = "AKIDEXAMPLE5F2B9C"
	testSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLE"
	testTopic  = "arn:aws:sns:ap-northeast-1:123456789012:denwa"
	testHost   = "sns.ap-northeast-1.amazonaws.com"
	testCert   = "https://" + testHost + "/SimpleNotificationService-5f2b9c.pem"
	testName   = "aws-tokyo"
)

var testNow = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func testMessage() providers.Message {
	return providers.Message{
		Delivery: "vf_abc.1", To: "+819037264815", ValidFor: 10 * time.Minute,
		Text: "【Example】認証コード：493817（10分間有効）\n@example.com #493817",
	}
}

func testCall() providers.Call {
	return providers.Call{
		Delivery: "vf_abc.2", To: "+81312345678", ValidFor: 2 * time.Minute,
		Script: ivr.Script{Mode: ivr.ModeCode, Locale: "en", Brand: "A & B", Code: "012345"},
	}
}

func testConfig(endpoint string) Config {
	return Config{
		Name: testName, Region: "ap-northeast-1", Endpoint: endpoint, ConfigurationSet: "denwa", TopicARN: testTopic,
		SMS: SMSConfig{Origination: "EXAMPLE"}, Voice: VoiceConfig{Origination: "+81501234567"},
	}
}

// credentials puts test credentials where the SDK's chain looks first, and
// nothing where it looks then.
func credentials(t testing.TB, id, secret string) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "",
		"AWS_CONFIG_FILE": t.TempDir() + "/none", "AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/none",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
		"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_CA_BUNDLE": "", "AWS_ENDPOINT_URL": "", "AWS_DEFAULT_REGION": "", "AWS_MAX_ATTEMPTS": "5",
	} {
		t.Setenv(name, value)
	}
}

// exchanged is one request as it was on the wire.
type exchanged struct {
	method, path, body string
	header             http.Header
}

// fakeAWS answers like AWS End User Messaging: it checks signatures, and
// accepts what is well formed unless it is told otherwise.
type fakeAWS struct {
	*httptest.Server
	t      testing.TB
	answer http.HandlerFunc // instead of accepting, when set
	delay  time.Duration
	mu     sync.Mutex
	seen   []exchanged
}

func newFakeAWS(t testing.TB) *fakeAWS {
	t.Helper()
	f := &fakeAWS{t: t}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	f.mu.Lock()
	f.seen = append(f.seen, exchanged{r.Method, r.RequestURI, string(body), r.Header.Clone()})
	n := len(f.seen)
	f.mu.Unlock()
	time.Sleep(f.delay)
	switch {
	case !f.signed(r, body):
		apiError(http.StatusBadRequest, "InvalidSignatureException", "", "signature of "+testSecret)(w, r)
	case f.answer != nil:
		f.answer(w, r)
	default:
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		fmt.Fprintf(w, `{"MessageId":"9539975a-e71f-45f3-b496-%012d"}`, n)
	}
}

// signed signs the request once more and compares.
func (f *fakeAWS) signed(r *http.Request, body []byte) bool {
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return false
	}
	again, err := http.NewRequestWithContext(r.Context(), r.Method, f.URL+r.RequestURI, strings.NewReader(string(body)))
	if err != nil {
		return false
	}
	shown := r.Header.Get("Authorization")
	_, list, _ := strings.Cut(shown, "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	for name := range strings.SplitSeq(list, ";") {
		if name != "host" {
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	digest := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(r.Context(), aws.Credentials{AccessKeyID: testKeyID, SecretAccessKey: testSecret}, again,
		hex.EncodeToString(digest[:]), "sms-voice", "ap-northeast-1", at)
	return err == nil && shown != "" && again.Header.Get("Authorization") == shown
}

func (f *fakeAWS) requests() []exchanged {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// apiError answers as the API's JSON protocol does; its message quotes the number.
func apiError(status int, code, reason, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.Header().Set("X-Amzn-Errortype", code)
		w.WriteHeader(status)
		body := map[string]any{"__type": code, "Message": message + " +819037264815"}
		if reason != "" {
			body["Reason"] = reason
		}
		if reason == "INVALID_PARAMETER" {
			body["Fields"] = []any{map[string]any{"Name": "DestinationPhoneNumber", "Message": "not a number"}}
		}
		_ = json.NewEncoder(w).Encode(body)
	}
}

// fakeSNS is a topic that signs what it posts, and serves its certificate on
// its own host over TLS.
type fakeSNS struct {
	*httptest.Server
	t           testing.TB
	key         *rsa.PrivateKey
	certificate []byte // PEM
	roots       *x509.CertPool
	answer      http.HandlerFunc // instead, when set
	mu          sync.Mutex
	seen        []string
}

// testRSA is made once: it takes a while.
var testRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newFakeSNS(t testing.TB) *fakeSNS {
	t.Helper()
	key, err := testRSA()
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: testHost}, DNSNames: []string{testHost},
		NotBefore: testNow.Add(-time.Hour), NotAfter: testNow.Add(20 * 365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeSNS{t: t, key: key, roots: x509.NewCertPool(), certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	f.roots.AddCert(root)
	f.Server = httptest.NewUnstartedServer(f)
	f.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	f.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

func (f *fakeSNS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.seen = append(f.seen, r.Method+" https://"+r.Host+r.RequestURI)
	answer := f.answer
	f.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	if strings.HasSuffix(r.URL.Path, ".pem") {
		_, _ = w.Write(f.certificate)
	}
}

func (f *fakeSNS) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// reach makes p find f at the address of SNS.
func (f *fakeSNS) reach(p *Provider) {
	transport, _ := p.http.Transport.(*http.Transport)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == testHost+":443" {
			address = f.Listener.Addr().String()
		}
		return dial(ctx, network, address)
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: f.roots}
}

// sign signs a message as SNS does; version is 1 or 2.
func (f *fakeSNS) sign(message map[string]string, version string) map[string]string {
	f.t.Helper()
	names := []string{"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	var text strings.Builder
	for _, name := range names {
		if value, ok := message[name]; ok {
			text.WriteString(name + "\n" + value + "\n")
		}
	}
	digest, hash := sha256.Sum256([]byte(text.String())), crypto.SHA256
	sum := digest[:]
	if version == "1" {
		old := sha1.Sum([]byte(text.String()))
		sum, hash = old[:], crypto.SHA1
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, f.key, hash, sum)
	if err != nil {
		f.t.Fatal(err)
	}
	message["SignatureVersion"], message["Signature"] = version, base64.StdEncoding.EncodeToString(signature)
	if message["SigningCertURL"] == "" {
		message["SigningCertURL"] = testCert
	}
	return message
}

// notification is a message with an event, published at a time.
func notification(event string, at time.Time) map[string]string {
	return map[string]string{
		"Type": typeNotification, "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "TopicArn": testTopic,
		"Message": event, "Timestamp": at.UTC().Format("2006-01-02T15:04:05.000Z"),
		"UnsubscribeURL": "https://" + testHost + "/?Action=Unsubscribe",
	}
}

// event is an event of a message as AWS documents it.
func event(kind, delivery string, final bool) string {
	return fmt.Sprintf(`{"eventType":%q,"eventVersion":"1.0","eventTimestamp":1686975103470,"isFinal":%v,`+
		`"originationPhoneNumber":"+12065550152","destinationPhoneNumber":"+819037264815","isoCountryCode":"JP",`+
		`"messageId":"862a8790-60c0-4430-9b2b-658bdexample","context":{"delivery":%q},"totalMessagePrice":0.09582}`, kind, final, delivery)
}

func posted(message map[string]string) *http.Request {
	body, _ := json.Marshal(message)
	r := httptest.NewRequest(http.MethodPost, "/events", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "text/plain; charset=UTF-8")
	r.Header.Set("X-Amz-Sns-Message-Type", message["Type"])
	return r
}

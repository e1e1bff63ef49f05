package http

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The secrets that the examples read from files.
const (
	testPassword = "pa55-w0rd/+="
	testToken    = "t0ken_5f2b9c"
	testKey      = "receipt-key-5f2b9c1a"
	testPublic   = "https://verify.example.jp"
	testName     = "aggregator"
)

// example is a configuration of the documentation, with its secrets and with
// another address.
func example(t testing.TB, name, url string) Config {
	t.Helper()
	text, err := os.ReadFile("../../docs/providers-http.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "<!-- example: "+name+" -->\n```yaml\n")
	block, _, ended := strings.Cut(after, "```")
	if !found || !ended {
		t.Fatalf("the documentation has no example %q", name)
	}
	for file, value := range map[string]string{
		"password_file: /run/secrets/aggregator":        "password: " + testPassword,
		"token_file: /run/secrets/aggregator":           "token: " + testToken,
		"secret_file: /run/secrets/aggregator-receipts": "secret: " + testKey,
		"key_file: /run/secrets/aggregator-receipts":    "key: " + testKey,
		"type: http\n": "",
	} {
		block = strings.Replace(block, file, value, 1)
	}
	cfg := DefaultConfig()
	decoder := yaml.NewDecoder(strings.NewReader(block))
	decoder.KnownFields(true)
	if err := decoder.Decode(&cfg); err != nil {
		t.Fatalf("example %q: %v", name, err)
	}
	cfg.Validate(func(field, problem string) { t.Errorf("example %q: %s %s", name, field, problem) })
	if url != "" {
		cfg.URL = url
	}
	return cfg
}

// TestExamplesOnTheWire: what the examples of the documentation send, to the byte.
func TestExamplesOnTheWire(t *testing.T) {
	tests := []struct {
		example string
		reply   string
		want    exchanged
	}{
		{
			example: "form", reply: "ok\r\n",
			want: exchanged{
				method: http.MethodPost, target: "/api",
				header: http.Header{
					"Accept": {"*/*"}, "User-Agent": {"denwa"}, "Content-Length": {"200"},
					"Content-Type":  {"application/x-www-form-urlencoded"},
					"Authorization": {"Basic ZGVud2E6cGE1NS13MHJkLys9"},
				},
				body: "custom_id=vf_abc.1&limit_sec=600&message=%E3%80%90Example%E3%80%91%E8%AA%8D%E8%A8%BC%E3%82%B3%E3%83%BC%E3%83%89%EF%BC%9A493817" +
					"%0A%22%7Bto%7D%22%26phone%3D1%0A%40example.com+%23493817&phone=09037264815",
			},
		},
		{
			example: "json", reply: `{"messages":[{"id":"m-1"}]}`,
			want: exchanged{
				method: http.MethodPost, target: "/api",
				header: http.Header{
					"Accept": {"*/*"}, "User-Agent": {"denwa"}, "Content-Length": {"275"},
					"Content-Type": {"application/json"}, "Authorization": {"Bearer " + testToken}, "Api-Version": {"2023-01-01"},
				},
				body: "{\n" +
					"  \"from\": \"Example\",\n" +
					"  \"messages\": [{\"to\": \"819037264815\", \"text\": \"【Example】認証コード：493817\\n\\\"{to}\\\"&phone=1\\n@example.com #493817\"," +
					" \"expires_at\": \"2026-01-02T03:14:05Z\", \"ttl\": 600}],\n" +
					"  \"webhook\": \"https://verify.example.jp/callbacks/aggregator/receipts\"\n" +
					"}\n",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.example, func(t *testing.T) {
			a := newAggregator(t, answer(http.StatusOK, tt.reply))
			p := a.provider(t, example(t, tt.example, a.URL+"/api"))
			if _, err := p.SendMessage(t.Context(), testMessage()); err != nil {
				t.Fatal(err)
			}
			a.requireOnly(t, tt.want)
		})
	}
}

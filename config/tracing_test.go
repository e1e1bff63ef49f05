package config

import "testing"

func TestTracingURL(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://127.0.0.1:4318":                    "http://127.0.0.1:4318/v1/traces",
		"http://127.0.0.1:4318/":                   "http://127.0.0.1:4318/v1/traces",
		"https://otlp.example.jp/tenant":           "https://otlp.example.jp/tenant/v1/traces",
		"https://otlp.example.jp/tenant/v1/traces": "https://otlp.example.jp/tenant/v1/traces",
		"https://otlp.example.jp/v1/traces/":       "https://otlp.example.jp/v1/traces",
	} {
		if got := (Tracing{OTLPEndpoint: endpoint}).URL(); got != want {
			t.Errorf("%s is %s, want %s", endpoint, got, want)
		}
	}
}

package gateway_test

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"testing"

	"denwa/gateway"
)

func webhookSecret(n int) string {
	return gateway.WebhookSecretPrefix + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n)))
}

func TestWebhookConfig(t *testing.T) {
	const address = "https://portal.example.jp/denwa?t=1"
	good := webhookSecret(32)
	for _, tc := range []struct {
		name string
		gateway.Webhook
		wrong []string
	}{
		{"none", gateway.Webhook{}, nil},
		{"plain", gateway.Webhook{URL: address, Secret: good}, nil},
		{"rotation", gateway.Webhook{URL: address, Secret: good, PreviousSecret: webhookSecret(24)}, nil},
		{"longest secret", gateway.Webhook{URL: address, Secret: webhookSecret(64)}, nil},
		{"private http", gateway.Webhook{URL: "http://10.0.0.1:8080/", Secret: good, AllowPrivate: true}, nil},
		{"http", gateway.Webhook{URL: "http://portal.example.jp/", Secret: good}, []string{"url"}},
		{"no scheme", gateway.Webhook{URL: "portal.example.jp", Secret: good}, []string{"url"}},
		{"other scheme", gateway.Webhook{URL: "ftp://portal.example.jp", Secret: good, AllowPrivate: true}, []string{"url"}},
		{"no host", gateway.Webhook{URL: "https:///denwa", Secret: good}, []string{"url"}},
		{"only a port", gateway.Webhook{URL: "https://:443/", Secret: good}, []string{"url"}},
		{"password", gateway.Webhook{URL: "https://me:hunter2@portal.example.jp/", Secret: good}, []string{"url"}},
		{"fragment", gateway.Webhook{URL: address + "#top", Secret: good}, []string{"url"}},
		{"no secret", gateway.Webhook{URL: address}, []string{"secret"}},
		{"short secret", gateway.Webhook{URL: address, Secret: webhookSecret(23)}, []string{"secret"}},
		{"long secret", gateway.Webhook{URL: address, Secret: webhookSecret(65)}, []string{"secret"}},
		{"no prefix", gateway.Webhook{URL: address, Secret: good[6:]}, []string{"secret"}},
		{"not base64", gateway.Webhook{URL: address, Secret: "whsec_" + strings.Repeat("?", 40)}, []string{"secret"}},
		{"bad previous", gateway.Webhook{URL: address, Secret: good, PreviousSecret: "x"}, []string{"previous_secret"}},
		{
			"no url",
			gateway.Webhook{Secret: good, PreviousSecret: good, AllowPrivate: true},
			[]string{"allow_private", "previous_secret", "secret"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			problems := map[string]string{}
			tc.Validate(func(field, problem string) { problems[field] = problem })
			if got := slices.Sorted(maps.Keys(problems)); !slices.Equal(got, tc.wrong) {
				t.Errorf("wrong are %v, want %v", got, tc.wrong)
			}
			for _, p := range problems {
				if strings.Contains(p, "hunter2") || strings.Contains(p, "kkkk") {
					t.Errorf("%q repeats a secret", p)
				}
			}
			if want := tc.wrong == nil && tc.URL != ""; want && string(tc.Keys()[0][:3]) != "kkk" {
				t.Errorf("keys %q", tc.Keys())
			}
		})
	}
}

func TestWebhookKeysCurrentFirst(t *testing.T) {
	w := gateway.Webhook{Secret: webhookSecret(32), PreviousSecret: webhookSecret(24)}
	if k := w.Keys(); len(k) != 2 || len(k[0]) != 32 || len(k[1]) != 24 {
		t.Errorf("keys of %d lengths", len(k))
	}
}

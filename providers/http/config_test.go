package http

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestConfigMistakes(t *testing.T) {
	for name, tc := range map[string]struct {
		example string
		spoil   func(c *Config)
		field   string // "" for none
	}{
		"nothing wrong":           {"json", func(*Config) {}, ""},
		"name":                    {"json", func(c *Config) { c.Name = "A" }, "name"},
		"get":                     {"json", func(c *Config) { c.Method = "GET" }, "method"},
		"put":                     {"json", func(c *Config) { c.Method = MethodPut }, ""},
		"plain http":              {"json", func(c *Config) { c.URL = "http://sms.example.jp/" }, "url"},
		"plain http in public":    {"json", func(c *Config) { c.URL, c.AllowHTTP = "http://192.0.2.1/", true }, "url"},
		"plain http in private":   {"json", func(c *Config) { c.URL = "http://192.168.0.1/" }, "url"},
		"plain http allowed":      {"json", func(c *Config) { c.URL, c.AllowHTTP = "http://192.168.0.1/", true }, ""},
		"plain http on loopback":  {"json", func(c *Config) { c.URL = "http://localhost:1/" }, ""},
		"number in the address":   {"json", func(c *Config) { c.URL = "https://sms.example.jp/{to}" }, "url"},
		"placeholder in the host": {"json", func(c *Config) { c.URL = "https://{delivery}.example.jp/" }, "url"},
		"user in the address":     {"json", func(c *Config) { c.URL = "https://a:b@sms.example.jp/" }, "url"},
		"unknown secret":          {"json", func(c *Config) { c.URL = "https://sms.example.jp/{secret:x}" }, "url"},
		"text in a header":        {"json", func(c *Config) { c.Headers = map[string]string{"X": "{text}"} }, "headers.X"},
		"line break in a header":  {"json", func(c *Config) { c.Headers = map[string]string{"X": "a\r\nb"} }, "headers.X"},
		"line break in its secret": {"json", func(c *Config) {
			c.Secrets, c.Headers = []Secret{{"a", "1\n2"}}, map[string]string{"X": "key {secret:a}"}
		}, "headers.X"},
		"host header":              {"json", func(c *Config) { c.Headers = map[string]string{"host": "x"} }, "headers.host"},
		"two authorizations":       {"json", func(c *Config) { c.Headers = map[string]string{"authorization": "x"} }, "headers.authorization"},
		"token and password":       {"json", func(c *Config) { c.Username, c.Password = "a", "b" }, "token"},
		"no password":              {"form", func(c *Config) { c.Password = "" }, "username"},
		"colon in the username":    {"form", func(c *Config) { c.Username = "a:b" }, "username"},
		"secret twice":             {"json", func(c *Config) { c.Secrets = []Secret{{"a", "1"}, {"a", "2"}} }, "secrets[1].name"},
		"empty secret":             {"json", func(c *Config) { c.Secrets = []Secret{{Name: "a"}} }, "secrets[0].value"},
		"no body":                  {"json", func(c *Config) { c.Body = "" }, "body"},
		"body and form":            {"json", func(c *Config) { c.Form = map[string]string{"a": "b"} }, "body"},
		"body is no JSON":          {"json", func(c *Config) { c.Body = "to={to}&text={text}" }, "body"},
		"body without text":        {"json", func(c *Config) { c.Body = `{"to":"{to}"}` }, "body"},
		"unknown placeholder":      {"form", func(c *Config) { c.Form["code"] = "{code}" }, "form.code"},
		"dial":                     {"form", func(c *Config) { c.Dial = map[string]string{"81": "0"} }, "dial"},
		"timeout":                  {"form", func(c *Config) { c.Timeout = 0 }, "timeout"},
		"pointer":                  {"json", func(c *Config) { c.Reply.MessageID = "/a~2" }, "reply.message_id"},
		"pattern with two groups":  {"json", func(c *Config) { c.Reply.ErrorCode = "(a)(b)" }, "reply.error_code"},
		"rule's status":            {"json", func(c *Config) { c.Reply.Rules[0].Status = "40x" }, "reply.rules[0].status"},
		"rule's meaning":           {"json", func(c *Config) { c.Reply.Rules[0].Means = "bad" }, "reply.rules[0].means"},
		"rule's field":             {"json", func(c *Config) { c.Reply.Rules[0].Field = "" }, "reply.rules[0].match"},
		"rule's match":             {"json", func(c *Config) { c.Reply.Rules[0].Match = "(" }, "reply.rules[0].match"},
		"rule for all":             {"json", func(c *Config) { c.Reply.Rules[0] = Rule{Means: MeansAccepted} }, "reply.rules[0].status"},
		"no id in replies":         {"json", func(c *Config) { c.Reply.MessageID = "" }, "reply.message_id"},
		"no delivery in requests":  {"form", func(c *Config) { delete(c.Form, "custom_id") }, "receipts.delivery"},
		"receipts without format":  {"json", func(c *Config) { c.Receipts.Format = "" }, "receipts.format"},
		"two names":                {"json", func(c *Config) { c.Receipts.Delivery = "/d" }, "receipts.delivery"},
		"no status":                {"json", func(c *Config) { c.Receipts.Status = "" }, "receipts.status"},
		"unknown status":           {"json", func(c *Config) { c.Receipts.Statuses["x"] = "confirmed" }, "receipts.statuses.x"},
		"reason's field":           {"json", func(c *Config) { c.Receipts.Rules[0].Field = "reason" }, "receipts.rules[0].field"},
		"reason without a field":   {"form", func(c *Config) { c.Receipts.Rules[0].Field = "" }, "receipts.rules[0].field"},
		"reason's pattern":         {"json", func(c *Config) { c.Receipts.Rules[1].Match = "(" }, "receipts.rules[1].match"},
		"reason without a pattern": {"json", func(c *Config) { c.Receipts.Rules[1].Match = "" }, "receipts.rules[1].match"},
		"reason's meaning":         {"form", func(c *Config) { c.Receipts.Rules[0].Means = "ambiguous" }, "receipts.rules[0].means"},
		"reasons without receipts": {"form", func(c *Config) {
			c.Receipts = ReceiptConfig{Rules: c.Receipts.Rules}
		}, "receipts.format"},
		"no statuses":               {"json", func(c *Config) { c.Receipts.Statuses = nil }, "receipts.statuses"},
		"no authentication":         {"form", func(c *Config) { c.Receipts.SecretParameter = "" }, "receipts.secret_header"},
		"two authentications":       {"json", func(c *Config) { c.Receipts.SecretHeader = "X" }, "receipts.secret_header"},
		"short secret":              {"form", func(c *Config) { c.Receipts.Secret = "short" }, "receipts.secret"},
		"short key":                 {"json", func(c *Config) { c.Receipts.Signature.Key = "short" }, "receipts.signature.key"},
		"body isn't signed":         {"json", func(c *Config) { c.Receipts.Signature.Signed = "{timestamp}" }, "receipts.signature.signed"},
		"timestamp isn't signed":    {"json", func(c *Config) { c.Receipts.Signature.Signed = "{body}" }, "receipts.signature.timestamp_header"},
		"signature of an address":   {"json", func(c *Config) { c.Receipts.Format = Query }, "receipts.signature.header"},
		"ids are forgotten at once": {"json", func(c *Config) { c.Receipts.Within = time.Second }, "receipts.within"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := example(t, tc.example, "")
			tc.spoil(&cfg)
			var got []string
			cfg.Validate(func(field, _ string) { got = append(got, field) })
			found := tc.field == "" && len(got) == 0
			for _, field := range got {
				found = found || field == tc.field
			}
			if !found {
				t.Errorf("mistakes in %v, want %q", got, tc.field)
			}
			if _, err := New(cfg, testPublic, newShelf(), nil, slog.New(slog.DiscardHandler)); (err == nil) != (tc.field == "") {
				t.Errorf("New: %v", err)
			} else if err != nil && (strings.Contains(err.Error(), testToken) || strings.Contains(err.Error(), testKey) || strings.Contains(err.Error(), testPassword)) {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
}

func TestNewNeeds(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	if _, err := New(example(t, "json", ""), testPublic, nil, nil, log); err == nil {
		t.Error("receipts by message id without a store")
	}
	if _, err := New(example(t, "json", ""), "", newShelf(), nil, log); err == nil {
		t.Error("{callback} without a public_url")
	}
	if _, err := New(example(t, "form", ""), "", nil, nil, log); err != nil {
		t.Errorf("no public_url, and none is needed: %v", err)
	}
}

func TestCallbackAddress(t *testing.T) {
	cfg := example(t, "form", "")
	if got, want := cfg.Receipts.callback(testPublic+"/", "x"), testPublic+"/callbacks/x/receipts?key="+testKey; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

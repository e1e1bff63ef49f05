package entra_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/providers"
)

const good = `{"nonce":"` + nonce + `","correlationId":"` + correlation + `","providerStatus":"accepted"}`

func bad(reason string) string {
	return `{"error":"bad_request","reason":"` + reason + `","requestId":"r1"}`
}

const (
	undecryptable = `{"error":"decryption_failed","correlationId":"` + correlation + `","requestId":"r1"}`
	undelivered   = `{"error":"provider_delivery_failed","correlationId":"` + correlation + `","requestId":"r1"}`
)

// TestConformance: what Entra ID may send, what it gets back to the letter, and
// what reaches the phone. The bad requests are those of Microsoft's
// tests/fixtures/contract.json.
func TestConformance(t *testing.T) {
	w := newWorld(t, embedded(t))
	raw := func(body string) func() string { return func() string { return body } }
	with := func(change map[string]any) func() string { return func() string { return envelope(t, change) } }
	inside := func(change map[string]any) func() string {
		return with(map[string]any{"encryptedDeliveryContext": encrypt(t, change, nil)})
	}
	encrypted := func(how func(*encryption)) func() string {
		return with(map[string]any{"encryptedDeliveryContext": encrypt(t, nil, how)})
	}
	for _, tt := range []struct {
		name    string
		body    func() string
		status  int
		want    string
		outcome string
		sent    bool // message, to mobile
	}{
		{"live", with(nil), 200, good, "accepted", true},
		{"names instead of numbers", with(map[string]any{"channel": "SMS", "mode": "Live"}), 200, good, "accepted", true},
		{"no ttl", with(map[string]any{"ttlSeconds": nil}), 200, good, "accepted", true},
		{"longest ttl", with(map[string]any{"ttlSeconds": 1<<31 - 1}), 200, good, "accepted", true},
		{"unknown fields", with(map[string]any{"new": map[string]any{"a": 1}}), 200, good, "accepted", true},
		{"number without +", inside(map[string]any{"phoneNumber": mobile[1:]}), 200, good, "accepted", true},
		{"strange language", inside(map[string]any{"locale": "not a language"}), 200, good, "accepted", true},
		{"speech for a call only", inside(map[string]any{"textToVoice": "spoken"}), 200, good, "accepted", true},
		{
			"nonce is echoed as it is", inside(map[string]any{"nonce": " <&\"日本> "}), 200,
			`{"nonce":" \u003c\u0026\"日本\u003e ","correlationId":"` + correlation + `","providerStatus":"accepted"}`, "accepted", true,
		},
		{"kid in upper case", encrypted(func(e *encryption) { e.kid = strings.ToUpper(kid) }), 200, good, "accepted", true},

		{"evaluation", with(map[string]any{"mode": 2}), 200, good, "evaluated", false},
		{"evaluation by name", with(map[string]any{"mode": "evaluation"}), 200, good, "evaluated", false},
		{"evaluation of a number that live would refuse", with(map[string]any{
			"mode": 2, "encryptedDeliveryContext": encrypt(t, map[string]any{"phoneNumber": "+81120123456"}, nil),
		}), 200, good, "evaluated_refused", false},
		{"evaluation still decrypts", with(map[string]any{"mode": 2, "encryptedDeliveryContext": "a.b.c.d.e"}), 400, undecryptable, "decryption_failed", false},

		{"not JSON", raw("{"), 400, bad("invalid JSON body"), "bad_request", false},
		{"nothing", raw(""), 400, bad("invalid JSON body"), "bad_request", false},
		{"two bodies", raw("{}{}"), 400, bad("invalid JSON body"), "bad_request", false},
		{"deep JSON", raw(strings.Repeat("[", 15_000)), 400, bad("invalid JSON body"), "bad_request", false},
		{"too large", raw(`{"a":"` + strings.Repeat("a", 21_000) + `"}`), 400, bad("invalid JSON body"), "bad_request", false},
		{"array", raw("[]"), 400, bad("invalid envelope"), "bad_request", false},
		{"null", raw("null"), 400, bad("invalid envelope"), "bad_request", false},
		{"text", raw(`"a"`), 400, bad("invalid envelope"), "bad_request", false},
		{"wrong version", with(map[string]any{"type": "microsoft.mfa.otpDeliver.v2"}), 400, bad("unsupported envelope type"), "bad_request", false},
		{"no version", with(map[string]any{"type": nil}), 400, bad("unsupported envelope type"), "bad_request", false},
		{"version in another case", with(map[string]any{"type": "Microsoft.mfa.otpDeliver.v1"}), 400, bad("unsupported envelope type"), "bad_request", false},
		{"empty encryption", with(map[string]any{"encryptedDeliveryContext": ""}), 400, bad("encryptedDeliveryContext is required"), "bad_request", false},
		{"blank encryption", with(map[string]any{"encryptedDeliveryContext": " "}), 400, bad("encryptedDeliveryContext is required"), "bad_request", false},
		{"encryption that is no text", with(map[string]any{"encryptedDeliveryContext": 1}), 400, bad("encryptedDeliveryContext is required"), "bad_request", false},
		{"boolean channel", with(map[string]any{"channel": true}), 400, bad("unsupported channel"), "bad_request", false},
		{"number as text", with(map[string]any{"channel": "1"}), 400, bad("unsupported channel"), "bad_request", false},
		{"channel 0", with(map[string]any{"channel": 0}), 400, bad("unsupported channel"), "bad_request", false},
		{"no channel", with(map[string]any{"channel": nil}), 400, bad("unsupported channel"), "bad_request", false},
		{"mode 3", with(map[string]any{"mode": 3}), 400, bad("unsupported mode"), "bad_request", false},
		{"no mode", with(map[string]any{"mode": nil}), 400, bad("unsupported mode"), "bad_request", false},
		{"ttl as text", with(map[string]any{"ttlSeconds": "60"}), 400, bad("invalid ttlSeconds"), "bad_request", false},
		{"boolean ttl", with(map[string]any{"ttlSeconds": true}), 400, bad("invalid ttlSeconds"), "bad_request", false},
		{"fractional ttl", with(map[string]any{"ttlSeconds": 1.5}), 400, bad("invalid ttlSeconds"), "bad_request", false},
		{"too long a ttl", with(map[string]any{"ttlSeconds": 1 << 31}), 400, bad("invalid ttlSeconds"), "bad_request", false},
		{
			"null ttl", raw(`{"type":"microsoft.mfa.otpDeliver.v1","channel":1,"mode":1,"encryptedDeliveryContext":"x","ttlSeconds":null}`),
			400, bad("invalid ttlSeconds"), "bad_request", false,
		},
		{"expired ttl", with(map[string]any{"ttlSeconds": 0}), 400, bad("ttlSeconds expired"), "expired", false},
		{"negative ttl", with(map[string]any{"ttlSeconds": -1}), 400, bad("ttlSeconds expired"), "expired", false},
		{"encryption before ttl", with(map[string]any{"encryptedDeliveryContext": "", "ttlSeconds": "bad"}), 400, bad("encryptedDeliveryContext is required"), "bad_request", false},
		{"channel before mode and ttl", with(map[string]any{"channel": false, "mode": nil, "ttlSeconds": "bad"}), 400, bad("unsupported channel"), "bad_request", false},

		{"RSA-OAEP", encrypted(func(e *encryption) { e.alg = jose.RSA_OAEP }), 400, undecryptable, "decryption_failed", false},
		{"A128GCM", encrypted(func(e *encryption) { e.enc = jose.A128GCM }), 400, undecryptable, "decryption_failed", false},
		{"A256CBC-HS512", encrypted(func(e *encryption) { e.enc = jose.A256CBC_HS512 }), 400, undecryptable, "decryption_failed", false},
		{"compressed", encrypted(func(e *encryption) { e.zip = jose.DEFLATE }), 400, undecryptable, "decryption_failed", false},
		{"no kid", encrypted(func(e *encryption) { e.kid = "" }), 400, undecryptable, "decryption_failed", false},
		{"unknown kid", encrypted(func(e *encryption) { e.kid = otherKID }), 400, undecryptable, "decryption_failed", false},
		{"to another key", encrypted(func(e *encryption) { e.to = stranger().Public() }), 400, undecryptable, "decryption_failed", false},
		{"not JSON inside", encrypted(func(e *encryption) { e.text = "hello" }), 400, undecryptable, "decryption_failed", false},
		{"four segments", with(map[string]any{"encryptedDeliveryContext": "a.b.c.d"}), 400, undecryptable, "decryption_failed", false},
		{"six segments", with(map[string]any{"encryptedDeliveryContext": "a.b.c.d.e.f"}), 400, undecryptable, "decryption_failed", false},
		{"empty segment", with(map[string]any{"encryptedDeliveryContext": "a..c.d.e"}), 400, undecryptable, "decryption_failed", false},
		{"JWE in JSON", with(map[string]any{"encryptedDeliveryContext": `{"protected":"."...."}`}), 400, undecryptable, "decryption_failed", false},

		{"array inside", encrypted(func(e *encryption) { e.text = "[]" }), 400, incomplete, "bad_request", false},
		{"empty nonce", inside(map[string]any{"nonce": ""}), 400, incomplete, "bad_request", false},
		{"nonce that is no text", inside(map[string]any{"nonce": 123}), 400, incomplete, "bad_request", false},
		{"no number", inside(map[string]any{"phoneNumber": nil}), 400, incomplete, "bad_request", false},
		{"blank message", inside(map[string]any{"message": " "}), 400, incomplete, "bad_request", false},

		{"not a number", inside(map[string]any{"phoneNumber": "+81"}), 400, undelivered, "undeliverable", false},
		{"sms to a fixed line", inside(map[string]any{"phoneNumber": fixed}), 400, undelivered, "undeliverable", false},
		{"not an extension", inside(map[string]any{"extension": "abc"}), 400, undelivered, "undeliverable", false},
		{"toll-free", inside(map[string]any{"phoneNumber": "+81120123456"}), 403, undelivered, "blocked", false},
		{"other country", inside(map[string]any{"phoneNumber": "+14155550123"}), 403, undelivered, "blocked", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.clock.pass(24 * time.Hour) // over the limits of the number
			w.ask("first", http.MethodDelete, mobile, "")
			before := w.count(tt.outcome)
			got := w.post(tt.body(), nil)
			if got.status != tt.status || got.body != tt.want {
				t.Errorf("%d %s\nwant %d %s", got.status, got.body, tt.status, tt.want)
			}
			if kind := got.header.Get("Content-Type"); kind != "application/json" {
				t.Errorf("Content-Type %q", kind)
			}
			texts := w.texts(mobile)
			switch {
			case tt.sent && (len(texts) != 1 || texts[0] != message):
				t.Errorf("the phone got %q, want the message unchanged", texts)
			case !tt.sent && len(texts) > 0:
				t.Errorf("the phone got %q", texts)
			}
			if n := w.count(tt.outcome) - before; n != 1 {
				t.Errorf("%s counted %d times", tt.outcome, n)
			}
		})
	}
}

const incomplete = `{"error":"bad_request","reason":"incomplete delivery context","correlationId":"` + correlation + `","requestId":"r1"}`

// TestSize: the encrypted part may have 16,384 characters, and not one more.
func TestSize(t *testing.T) {
	w := newWorld(t, embedded(t))
	// Padding that fills the segments up to n characters: three characters hold
	// two bytes more or less, so the header takes up the rest.
	sized := func(n int) string {
		for pad := n*3/4 - 800; ; pad++ {
			compact := encrypt(t, map[string]any{"riskContext": strings.Repeat("r", pad)}, nil)
			if len(compact) > n {
				return ""
			}
			if len(compact) == n {
				return compact
			}
		}
	}
	longest := 16_384
	compact := sized(longest)
	if compact == "" { // base64 skips every fourth length
		longest--
		compact = sized(longest)
	}
	if got := w.post(envelope(t, map[string]any{"mode": 2, "encryptedDeliveryContext": compact}), nil); got.status != 200 || got.body != good {
		t.Errorf("%d characters: %d %s", longest, got.status, got.body)
	}
	for _, s := range []string{strings.Repeat("a", 16_385), compact + strings.Repeat("a", 16_385-longest)} {
		if got := w.post(envelope(t, map[string]any{"mode": 2, "encryptedDeliveryContext": s}), nil); got.status != 400 || got.body != undecryptable {
			t.Errorf("%d characters: %d %s", len(s), got.status, got.body)
		}
	}
}

// TestTampered: no bit of any segment may change.
func TestTampered(t *testing.T) {
	w := newWorld(t, embedded(t))
	segments := strings.Split(encrypt(t, nil, nil), ".")
	for i, s := range segments {
		for _, at := range []int{0, len(s) / 2} {
			tampered := make([]string, len(segments))
			copy(tampered, segments)
			flipped := byte('A')
			if s[at] == 'A' {
				flipped = 'B'
			}
			tampered[i] = s[:at] + string(flipped) + s[at+1:]
			got := w.post(envelope(t, map[string]any{"encryptedDeliveryContext": strings.Join(tampered, ".")}), nil)
			if got.status != 400 || got.body != undecryptable {
				t.Errorf("segment %d at %d: %d %s", i, at, got.status, got.body)
			}
		}
	}
	if texts := w.texts(mobile); len(texts) != 0 {
		t.Errorf("the phone got %q", texts)
	}
}

// TestRequestsOfOtherForms: what isn't a POST of JSON to an app that speaks the
// dialect.
func TestRequestsOfOtherForms(t *testing.T) {
	w := newWorld(t, embedded(t))
	for _, tt := range []struct {
		name, method, path, kind string
		status                   int
		want                     string
	}{
		{"GET", http.MethodGet, "/entra/portal/api/SendOtp", "application/json", 405, `{"error":"method_not_allowed","requestId":"r1"}`},
		{"unknown app", http.MethodPost, "/entra/nobody/api/SendOtp", "application/json", 404, `{"error":"not_found","requestId":"r1"}`},
		{"app without the dialect", http.MethodPost, "/entra/other/api/SendOtp", "application/json", 404, `{"error":"not_found","requestId":"r1"}`},
		{"other path", http.MethodPost, "/entra/portal/api/sendotp", "application/json", 404, `{"error":"not_found","requestId":"r1"}`},
		{"root", http.MethodGet, "/entra/", "application/json", 404, `{"error":"not_found","requestId":"r1"}`},
		{"form", http.MethodPost, "/entra/portal/api/SendOtp", "application/x-www-form-urlencoded", 400, bad("invalid JSON body")},
		{"no type", http.MethodPost, "/entra/portal/api/SendOtp", "", 400, bad("invalid JSON body")},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, w.URL+tt.path, strings.NewReader(envelope(t, nil)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+w.token(nil))
		r.Header.Set("X-Request-Id", "r1")
		r.Header.Set("X-Ms-Correlation-Id", "")
		if tt.kind != "" {
			r.Header.Set("Content-Type", tt.kind)
		}
		got := w.do(r)
		if got.status != tt.status || got.body != tt.want {
			t.Errorf("%s: %d %s", tt.name, got.status, got.body)
		}
	}
	if texts := w.texts(mobile); len(texts) != 0 {
		t.Errorf("the phone got %q", texts)
	}
}

// TestCorrelation: the envelope's word for a sign-in comes before the header's,
// and ours stands in for both.
func TestCorrelation(t *testing.T) {
	w := newWorld(t, embedded(t))
	header := map[string]string{"X-Ms-Correlation-Id": "of-the-header"}
	for want, got := range map[string]reply{
		correlation:     w.post(envelope(t, map[string]any{"mode": 2}), header),
		"of-the-header": w.post(envelope(t, map[string]any{"mode": 2, "correlationId": nil}), header),
		"r1":            w.post(envelope(t, map[string]any{"mode": 2, "correlationId": nil}), nil),
	} {
		if !strings.Contains(got.body, `"correlationId":"`+want+`"`) {
			t.Errorf("%s, want %s", got.body, want)
		}
	}
}

// TestVoice: a call reads the message twice, the code digit by digit, and dials
// the extension; what is meant for speech is read instead, if it is a text.
func TestVoice(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		w := newWorld(t, client)
		for _, tt := range []struct {
			inside map[string]any
			begin  string
		}{
			{map[string]any{"phoneNumber": fixed, "extension": "204"}, "Example:"},
			{map[string]any{"phoneNumber": fixed, "extension": "204", "textToVoice": "Spoken: " + code}, "Spoken:"},
			{map[string]any{"phoneNumber": fixed, "extension": "204", "textToVoice": map[string]any{"password": "000000"}}, "Example:"},
		} {
			w.clock.pass(time.Minute)
			w.ask("first", http.MethodDelete, fixed, "")
			got := w.post(envelope(t, map[string]any{"channel": 2, "encryptedDeliveryContext": encrypt(t, tt.inside, nil)}), nil)
			if got.status != 200 || got.body != good {
				t.Fatalf("%d %s", got.status, got.body)
			}
			call := w.answer(fixed)
			said := strings.Join(call.Said, " ")
			if call.Extension != "204" || strings.Count(said, "nine one eight two seven three") != 2 || strings.Count(said, tt.begin) != 2 {
				t.Errorf("extension %q, said %q", call.Extension, said)
			}
		}
	})
}

// TestDispatchRequest: what the service is asked for, to the letter.
func TestDispatchRequest(t *testing.T) {
	w := newWorld(t, embedded(t))
	for _, tt := range []struct {
		name            string
		ttl             any
		least, most     time.Duration // of ValidFor
		within, atLeast time.Duration
	}{
		{"usual", 180, 170 * time.Second, 180 * time.Second, 2500 * time.Millisecond, 2 * time.Second},
		{"none", nil, 0, 0, 2500 * time.Millisecond, 2 * time.Second},
		{"longer than a delivery lives", 90_000, time.Hour, time.Hour, 2500 * time.Millisecond, 2 * time.Second},
		{"shorter than the providers may take", 2, time.Second, 2 * time.Second, 2 * time.Second, time.Millisecond},
	} {
		w.clock.pass(time.Minute)
		if got := w.post(envelope(t, map[string]any{"ttlSeconds": tt.ttl}), map[string]string{"X-Ms-Client-Request-Id": ""}); got.status != 200 {
			t.Fatalf("%s: %d %s", tt.name, got.status, got.body)
		}
		asked := w.asked.all()
		r := asked[len(asked)-1]
		if r.ValidFor < tt.least || r.ValidFor > tt.most {
			t.Errorf("%s: valid for %v", tt.name, r.ValidFor)
		}
		if r.Within > tt.within || r.Within < tt.atLeast || r.EachWithin != 1500*time.Millisecond {
			t.Errorf("%s: within %v, each %v", tt.name, r.Within, r.EachWithin)
		}
		if r.To != mobile || r.Message != message || r.Channel != gateway.SMS || r.Locale != "en-US" || r.Reference != correlation || len(r.Seed) == 0 {
			t.Errorf("%s: %+v", tt.name, r)
		}
	}
}

// TestProviderFailures: the last provider's failure decides the answer, and who
// can be asked next is.
func TestProviderFailures(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		w := newWorld(t, client)
		for _, tt := range []struct {
			first, second providers.Kind
			status        int
			outcome       string
		}{
			{providers.Unavailable, "", 200, "accepted"},
			{providers.Throttled, "", 200, "accepted"},
			{providers.Auth, "", 200, "accepted"},
			{providers.Ambiguous, "", 200, "accepted"},
			{providers.Invalid, "", 400, "undeliverable"},
			{providers.Rejected, "", 403, "blocked"},
			{providers.Unavailable, providers.Unavailable, 502, "failed"},
			{providers.Unavailable, providers.Throttled, 429, "throttled"},
			{providers.Unavailable, providers.Auth, 401, "credentials"},
			{providers.Unavailable, providers.Ambiguous, 504, "timeout"},
			{providers.Ambiguous, providers.Unavailable, 504, "timeout"},
		} {
			w.clock.pass(time.Hour)
			w.ask("second", http.MethodDelete, mobile, "")
			w.behave("first", mobile, `{"error":"`+string(tt.first)+`"}`)
			if tt.second != "" {
				w.behave("second", mobile, `{"error":"`+string(tt.second)+`"}`)
			}
			before := w.count(tt.outcome)
			got := w.post(envelope(t, nil), nil)
			want := undelivered
			if tt.status == 200 {
				want = good
			}
			if got.status != tt.status || got.body != want || w.count(tt.outcome) != before+1 {
				t.Errorf("%s, %s: %d %s", tt.first, tt.second, got.status, got.body)
			}
			if got.header.Get("WWW-Authenticate") != "" {
				t.Errorf("%s, %s: the caller is asked to authenticate, for our credentials", tt.first, tt.second)
			}
			if texts := w.texts(mobile); (len(texts) == 1) != (tt.status == 200) {
				t.Errorf("%s, %s: the phone got %q", tt.first, tt.second, texts)
			}
		}
	})
}

// TestSlowProviders: providers that don't answer are cut off, one after the
// other, and the caller hears of it before it gives up.
func TestSlowProviders(t *testing.T) {
	w := newWorld(t, embedded(t))
	for _, carrier := range []string{"first", "second"} {
		w.behave(carrier, mobile, `{"error":"unavailable","delay_ms":60000}`)
	}
	headers := map[string]string{"X-Ms-Client-Request-Id": attempt}
	if got := w.post(envelope(t, nil), headers); got.status != 504 || got.body != undelivered {
		t.Errorf("%d %s", got.status, got.body)
	}
	// Both may have sent it, so the same attempt sends nothing more.
	if got := w.post(envelope(t, nil), headers); got.status != 504 || len(w.asked.all()) != 1 {
		t.Errorf("%d, %d dispatches", got.status, len(w.asked.all()))
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t, embedded(t))
	if got := w.post(envelope(t, nil), nil); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	headers := map[string]string{"X-Ms-Client-Request-Id": attempt}
	body := envelope(t, nil)
	if got := w.post(body, headers); got.status != 429 || got.body != undelivered || w.count("limited") != 1 {
		t.Errorf("within the cooldown: %d %s", got.status, got.body)
	}
	w.clock.pass(time.Minute)
	if got := w.post(body, headers); got.status != 200 || len(w.texts(mobile)) != 2 {
		t.Errorf("the same attempt after the cooldown: %d %s", got.status, got.body)
	}
}

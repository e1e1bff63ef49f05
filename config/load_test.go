package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"denwa/gateway"
	"denwa/providers"
	"denwa/providers/twilio"
)

const (
	keyA = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=" // 32 times "A"
	keyB = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="
)

// complete is an environment that supplies what every configuration needs, so
// that a test's file can be about one thing.
var complete = []string{
	"DENWA_KEYS_MASTER=" + keyA,
	"DENWA_PROVIDERS_0_NAME=main",
	"DENWA_PROVIDERS_0_TYPE=twilio",
	"DENWA_PROVIDERS_0_ACCOUNT_SID=AC00000000000000000000000000000000",
	"DENWA_PROVIDERS_0_AUTH_TOKEN=secret",
	"DENWA_PROVIDERS_0_SMS_FROM=+15005550006",
}

func problemsOf(t *testing.T, err error) []string {
	t.Helper()
	var e *Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("not an *Error: %v", err)
	}
	var lines []string
	if e != nil {
		for _, p := range e.Problems {
			lines = append(lines, p.String())
		}
	}
	return lines
}

// TestBroken: every mistake in a file, where it is, and what to do.
func TestBroken(t *testing.T) {
	hash := strings.Repeat("0", 64)
	for name, tt := range map[string]struct {
		file string
		env  []string // besides complete
		want []string
	}{
		"empty":         {},
		"only comments": {file: "# nothing\n\n"},
		"only a marker": {file: "---\n"},
		"byte order mark and CRLF": {
			file: "\xef\xbb\xbflog:\r\n  level: loud\r\n",
			want: []string{`denwa.yaml:2:10: log.level: must be debug, info, warn or error`},
		},
		"unknown keys": {
			file: "server:\n  listn: 127.0.0.1:1\n  code_length: 6\nfoo: 1\nlog: {levle: info, fromat: json}\n",
			want: []string{
				`denwa.yaml:2:3: server.listn: unknown key; did you mean "listen"?`,
				`denwa.yaml:3:3: server.code_length: unknown key; did you mean "defaults.code_length"?`,
				`denwa.yaml:4:1: foo: unknown key; known here: server, admin, keys, store, defaults, apps, messages, limits, fraud, providers, routes, log, tracing`,
				`denwa.yaml:5:7: log.levle: unknown key; did you mean "level"?`,
				`denwa.yaml:5:20: log.fromat: unknown key; did you mean "format"?`,
			},
		},
		"a misspelled key is not missing too": {
			file: "apps:\n  - name: a\n    brnad: A\n",
			want: []string{`denwa.yaml:3:5: apps[0].brnad: unknown key; did you mean "brand"?`},
		},
		"wrong types": {
			file: "server:\n  - listen\nadmin: yes\nstore:\n  cluster: yes\n  pool_size: \"5\"\n  addresses: 127.0.0.1:6379\n" +
				"apps: {name: a}\ndefaults:\n  country: true\n  code_length: 6.5\n  max_sends: [5]\n  max_attempts: true\n",
			want: []string{
				`denwa.yaml:2:3: server: must be keys with values, not a list`,
				`denwa.yaml:3:8: admin: must be keys with values, not text`,
				`denwa.yaml:5:12: store.cluster: must be true or false`,
				`denwa.yaml:6:14: store.pool_size: must be a whole number, not text`,
				`denwa.yaml:7:14: store.addresses: must be a list, not text; write [ ] around it`,
				`denwa.yaml:8:7: apps: must be a list, not keys with values`,
				`denwa.yaml:10:12: defaults.country: must be text, not true or false`,
				`denwa.yaml:11:16: defaults.code_length: must be a whole number, such as 10`,
				`denwa.yaml:12:14: defaults.max_sends: must be a whole number, not a list`,
				`denwa.yaml:13:17: defaults.max_attempts: must be a whole number, such as 10`,
			},
		},
		"not a mapping": {
			file: "just text\n",
			want: []string{`denwa.yaml:1:1: must be keys with values, not text`},
		},
		"durations": {
			file: "defaults:\n  expires_in: 600\n  resend_after: 30 s\n  retention: -1h\nserver: {idle_timeout: 1d}\nstore: {timeout: 1h}\n",
			want: []string{
				`denwa.yaml:2:15: defaults.expires_in: has no unit; write 600s for seconds`,
				`denwa.yaml:3:17: defaults.resend_after: must be a duration such as 30s, 10m or 24h`,
				`denwa.yaml:4:14: defaults.retention: must not be negative`,
				`denwa.yaml:5:24: server.idle_timeout: must be a duration such as 30s, 10m or 24h`,
				`denwa.yaml:6:18: store.timeout: must be between 10ms and 30s`,
			},
		},
		"set twice": {
			file: "log:\n  level: info\n  level: warn\nlog: {}\n",
			want: []string{
				`denwa.yaml:3:3: log.level: is set twice, first in line 2`,
				`denwa.yaml:4:1: log: is set twice, first in line 1`,
			},
		},
		"a tab": {
			file: "server:\n\tlisten: 127.0.0.1:1\n",
			want: []string{`denwa.yaml:2:1: a tab; YAML is indented with spaces`},
		},
		"not YAML": {
			file: "server:\n  listen: [127.0.0.1:1\nadmin: {}\n",
			want: []string{`denwa.yaml:2: is not YAML, here or below: did not find expected ',' or ']'`},
		},
		"unknown alias": {
			file: "server: *nowhere\n",
			want: []string{`denwa.yaml: is not YAML: unknown anchor 'nowhere' referenced`},
		},
		"two documents": {
			file: "log: {}\n---\nlog: {}\n",
			want: []string{`denwa.yaml:2:1: a second document starts; a configuration is one`},
		},
		"UTF-16": {
			file: "\xff\xfel\x00o\x00g\x00",
			want: []string{`denwa.yaml: is UTF-16; save it as UTF-8`},
		},
		"Shift_JIS": {
			file: "apps:\n  - brand: \"\x93\x64\x98\x62\"\n",
			want: []string{`denwa.yaml:2:13: a byte that is not UTF-8; save the file as UTF-8`},
		},
		"control character": {
			file: "log:\n  level: \x00\n",
			want: []string{`denwa.yaml:2:10: a control character`},
		},
		"tags and odd keys": {
			file: "log: !!binary aGk=\n? [a]\n: 1\n\"\": 1\n\"a\\e[31m\": 1\n",
			want: []string{
				`denwa.yaml:1:6: log: has the tag !!binary; a configuration needs none`,
				`denwa.yaml:2:3: has a key that is not a word`,
				`denwa.yaml:4:1: has a key that is not a word`,
				`denwa.yaml:5:1: "a\x1b[31m": unknown key; known here: server, admin, keys, store, defaults, apps, messages, limits, fraud, providers, routes, log, tracing`,
			},
		},
		"networks of no country beside a country": {
			file: "apps:\n  - {name: a, brand: A, countries: [JP, \"001\"]}\n  - {name: b, brand: B, countries: [\"001\"]}\n",
			want: []string{
				`denwa.yaml:3:25: apps[1].countries: must name a country beside 001, which is none`,
			},
		},
		"aliases keep the place of what they repeat": {
			file: "apps:\n  - &a {name: a, brand: A, countries: [XX]}\n  - {<<: *a, name: b}\n",
			want: []string{
				`denwa.yaml:2:40: apps[0].countries[0]: must be an ISO 3166-1 alpha-2 code, such as JP`,
				`denwa.yaml:2:40: apps[1].countries[0]: must be an ISO 3166-1 alpha-2 code, such as JP`,
			},
		},
		"an alias of itself": {
			file: "apps: &a [*a]\n",
			want: []string{`denwa.yaml:1:7: is nested too deeply, or repeats an alias too often`},
		},
		"a billion laughs": {
			file: "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
				"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
			want: []string{`denwa.yaml:1:26: is nested too deeply, or repeats an alias too often`},
		},
		"merging text": {
			file: "a: &a text\nlog: {<<: *a}\n",
			want: []string{
				`denwa.yaml:1:1: a: unknown key; known here: server, admin, keys, store, defaults, apps, messages, limits, fraud, providers, routes, log, tracing`,
				`denwa.yaml:2:7: log: << takes an alias of keys with values`,
			},
		},
		"listeners": {
			file: "server:\n  listen: localhost\n  public_url: http://verify.example.jp/denwa\n  trusted_proxies: [10.0.0.0/33]\nadmin: {listen: \":99999\"}\n",
			want: []string{
				`denwa.yaml:2:11: server.listen: "localhost" is not an address and a port, such as 127.0.0.1:8080`,
				`denwa.yaml:3:15: server.public_url: must have no path: the gateway answers at the root of its host`,
				`denwa.yaml:4:21: server.trusted_proxies[0]: "10.0.0.0/33" is neither an address nor a prefix such as 10.0.0.0/8`,
				`denwa.yaml:5:17: admin.listen: "99999" is not a port, 0 to 65535`,
			},
		},
		"plain http is for this machine": {
			file: "server: {public_url: \"http://verify.example.jp\"}\nadmin: {listen: \"127.0.0.1:8080\"}\n",
			want: []string{
				`denwa.yaml:1:22: server.public_url: must be https: codes and numbers travel with it`,
				`denwa.yaml:2:17: admin.listen: is the address of server.listen already`,
			},
		},
		"the playground's key behind a proxy": {
			file: "server: {public_url: \"https://verify.example.jp\"}\napps:\n  - name: demo\n    brand: Demo\n" +
				"    api_keys: [{id: demo, sha256: " + demoHash() + "}]\n",
			want: []string{`denwa.yaml:5:35: apps[0].api_keys[0].sha256: is the playground's key, which everybody knows; make one with "denwa key new"`},
		},
		"the playground's key on every address": {
			file: "server: {listen: \":8080\"}\napps:\n  - name: demo\n    brand: Demo\n" +
				"    api_keys: [{id: demo, sha256: " + strings.ToUpper(demoHash()) + "}]\n",
			want: []string{`denwa.yaml:5:35: apps[0].api_keys[0].sha256: is the playground's key, which everybody knows; make one with "denwa key new"`},
		},
		"apps": {
			file: "apps:\n  - {name: a, brand: A, api_keys: [{id: k, sha256: " + hash + "}, {id: k, sha256: xyz}]}\n" +
				"  - {name: a, brand: A, api_keys: [{id: K, sha256: " + hash + "}]}\n  - {brand: B, channels: [fax, vocie]}\n  -\n",
			want: []string{
				`denwa.yaml:2:124: apps[0].api_keys[1].id: is the id of another key of this app already`,
				`denwa.yaml:2:135: apps[0].api_keys[1].sha256: must be 64 hexadecimal digits, as "denwa key new" prints`,
				`denwa.yaml:3:12: apps[1].name: is the name of another app already`,
				`denwa.yaml:3:41: apps[1].api_keys[0].id: must be 1 to 32 of a-z, 0-9 and -`,
				`denwa.yaml:3:52: apps[1].api_keys[0].sha256: is a key of app a already`,
				`denwa.yaml:4:5: apps[2].name: must be 1 to 32 of a-z, 0-9 and -`,
				`denwa.yaml:4:27: apps[2].channels[0]: must be sms or voice`,
				`denwa.yaml:4:32: apps[2].channels[1]: must be sms or voice`,
				`denwa.yaml:5:4: apps[3]: is empty`,
			},
		},
		"providers": {
			file: "providers:\n  - {}\n  - {name: two, type: twillio, account_sid: x}\n  - {name: two, type: twilio, rate: -1, user: x}\n",
			want: []string{
				`denwa.yaml:3:23: providers[1].type: must be sandbox, twilio, smpp, http, aws or sip`,
				`denwa.yaml:4:5: providers[2].account_sid: must be AC and 32 lower-case hexadecimal digits, as the Twilio console shows it`,
				`denwa.yaml:4:5: providers[2].auth_token: must be set, letters and digits only; callbacks are verified with it even where an API key is used`,
				`denwa.yaml:4:5: providers[2].sms: needs one of from and messaging_service_sid`,
				`denwa.yaml:4:12: providers[2].name: is the name of another provider already`,
				`denwa.yaml:4:37: providers[2].rate: must not be negative; 0 is no bound`,
				`denwa.yaml:4:41: providers[2].user: unknown key; known here: name, type, rate, concurrency, breaker, account_sid, auth_token, auth_token_file, api_key_sid, api_key_secret, api_key_secret_file, base_url, sms, voice`,
			},
		},
		"a sandbox beside a carrier": {
			file: "server: {listen: \":8080\"}\nproviders:\n  - {}\n  - {name: phones, type: sandbox}\n",
			want: []string{`denwa.yaml:4:26: providers[1].type: must not be sandbox beside a carrier: it shows codes to everybody who can reach this gateway`},
		},
		"a sandbox beside a carrier, on loopback": {
			file: "providers:\n  - {}\n  - {name: phones, type: sandbox}\n",
		},
		"tracing": {
			file: "tracing:\n  otlp_endpoint: http://user:hunter2@collector:4318\n  headers:\n    - {name: \"a b\", value: \"x\\ny\"}\n  sample: 1.5\n",
			want: []string{
				`denwa.yaml:2:18: tracing.otlp_endpoint: must hold no password; put it into headers`,
				`denwa.yaml:4:14: tracing.headers[0].name: must be the name of a header, such as Authorization`,
				`denwa.yaml:4:28: tracing.headers[0].value: must be visible ASCII characters, and not empty`,
				`denwa.yaml:5:11: tracing.sample: must be from 0 to 1`,
			},
		},
		"a collector that is none": {
			file: "tracing: {otlp_endpoint: \"collector:4318\"}\n",
			want: []string{`denwa.yaml:1:26: tracing.otlp_endpoint: must be a URL, such as http://127.0.0.1:4318`},
		},
		"variables of another type": {
			env: []string{"DENWA_PROVIDERS_0_TYPE=sandbox"},
			want: []string{
				`DENWA_PROVIDERS_0_ACCOUNT_SID: providers[0].account_sid: unknown key; known here: name, type, rate, concurrency, breaker, ring_timeout`,
				`DENWA_PROVIDERS_0_AUTH_TOKEN: providers[0].auth_token: unknown key; known here: name, type, rate, concurrency, breaker, ring_timeout`,
				`DENWA_PROVIDERS_0_SMS_FROM: providers[0].sms: unknown key; known here: name, type, rate, concurrency, breaker, ring_timeout`,
			},
		},
		"routes": {
			file: "routes:\n  - {channel: voice, providers: [main]}\n  - {channel: sms, providers: [mian, trunk]}\n  - {channel: sms, countries: [jp], providers: []}\n",
			want: []string{
				`denwa.yaml:2:34: routes[0].providers[0]: names "main", which can't do voice`,
				`denwa.yaml:3:32: routes[1].providers[0]: names "mian", which is not a provider; did you mean "main"?`,
				`denwa.yaml:3:38: routes[1].providers[1]: names "trunk", which is not a provider`,
				`denwa.yaml:4:5: routes[2]: is never taken: all that it would take goes by routes[1]`,
				`denwa.yaml:4:32: routes[2].countries[0]: must be two capital letters, as in ISO 3166-1 alpha-2, or 001 for networks of no country`,
				`denwa.yaml:4:37: routes[2].providers: must name at least one provider`,
			},
		},
		"routes that nothing can take": {
			file: "apps:\n  - {name: portal, brand: A, channels: [voice]}\n  - {name: shop, brand: B, countries: [JP]}\nroutes:\n" +
				"  - {channel: sms, apps: [portl, portal, shop, shop], providers: [main]}\n" +
				"  - {channel: sms, apps: [shop], countries: [KR, US], providers: [main]}\n" +
				"  - {channel: sms, number_types: [mobile, fixed_line, mobil], providers: [main]}\n" +
				"  - {channel: sms, number_types: [mobile], apps: [shop], providers: [main]}\n",
			want: []string{
				`denwa.yaml:5:27: routes[0].apps[0]: names "portl", which is not an app; did you mean "portal"?`,
				`denwa.yaml:5:34: routes[0].apps[1]: names "portal", which doesn't offer sms`,
				`denwa.yaml:5:48: routes[0].apps[3]: names "shop" a second time`,
				`denwa.yaml:6:5: routes[1]: is never taken: all that it would take goes by routes[0]`,
				`denwa.yaml:6:27: routes[1].apps[0]: names "shop", which serves none of the route's countries`,
				`denwa.yaml:7:43: routes[2].number_types[1]: names fixed_line, to which no sms goes: This is a fixed line, which receives no messages; it can only be called`,
				`denwa.yaml:7:55: routes[2].number_types[2]: must be mobile, fixed_line, fixed_line_or_mobile, voip, toll_free, premium_rate, shared_cost, personal_number, pager, uan, voicemail, emergency or unknown`,
				`denwa.yaml:8:5: routes[3]: is never taken: all that it would take goes by routes[0]`,
			},
		},
		"a call that no route is for": {
			file: "routes:\n  - {channel: sms, providers: [main], then: voice}\n",
			want: []string{`denwa.yaml:2:45: routes[0].then: says voice, but no route is for voice`},
		},
		"weights": {
			file: "routes:\n  - {channel: sms, countries: [JP], providers: [main], weights: {main: 1001, other: 2}}\n" +
				"  - {channel: sms, countries: [KR], providers: [main], weights: {main: 0.5}}\n  - {channel: sms, providers: [main], weights: [1]}\n",
			env: []string{"DENWA_ROUTES_2_WEIGHTS_MAIN=2"},
			want: []string{
				`denwa.yaml:2:72: routes[0].weights.main: must be 0 to 1000`,
				`denwa.yaml:2:85: routes[0].weights.other: is the weight of a provider that the route doesn't name in providers`,
				`denwa.yaml:3:72: routes[1].weights.main: must be a whole number, such as 10`,
				`denwa.yaml:4:48: routes[2].weights: must be keys with values, not a list`,
			},
		},
		"keys": {
			file: "keys:\n  previous:\n    - " + keyA + "\n    - dG9vIHNob3J0\n    - \"[redacted]\"\n",
			want: []string{
				`denwa.yaml:3:7: keys.previous[0]: is the same as another master key`,
				`denwa.yaml:4:7: keys.previous[1]: must be base64 of 32 bytes; "openssl rand -base64 32" makes one`,
				`denwa.yaml:5:7: keys.previous[2]: is the placeholder that "denwa config print" puts for a secret; give the secret`,
			},
		},
		"days": {
			file: "keys: {created: 2026-02-30}\napps:\n  - name: a\n    brand: A\n    api_keys: [{id: k, sha256: " + strings.Repeat("0", 64) + ", created: yesterday}]\n",
			want: []string{
				`denwa.yaml:1:17: keys.created: must be a day, such as 2026-01-31`,
				`denwa.yaml:5:107: apps[0].api_keys[0].created: must be a day, such as 2026-01-31`,
			},
		},
		"secrets in files": {
			file: "keys: {previous: [" + keyB + "], previous_file: testdata/nothing}\nstore:\n  password_file: testdata\n",
			env:  []string{"DENWA_PROVIDERS_0_API_KEY_SECRET_FILE=testdata/nothing"},
			want: []string{
				`denwa.yaml:1:66: keys.previous_file: can't be set together with previous`,
				`denwa.yaml:3:18: store.password_file: testdata is not a regular file`,
				`DENWA_PROVIDERS_0_API_KEY_SECRET_FILE: providers[0].api_key_secret_file: can't be read: stat testdata/nothing: no such file or directory`,
			},
		},
		"variables": {
			file: "log: {level: info}\napps: [{name: a, brand: A}]\nroutes: none\n",
			env: []string{
				"DENWA_LOG_LEVEL=chatty", "DENWA_APPS_0_COUNTRIES=JP,XX", "DENWA_APPS_2_NAME=c", "DENWA_APPS_01_NAME=c",
				"DENWA_STORE_ADDRESES=a:1", "DENWA_SERVER_IDLE_TIMEOUT=10", "DENWA_DEFAULTS_MAX_SENDS=many",
				"DENWA_PROVIDERS_0_SMS_FORM=x", "DENWA_ROUTES_0_CHANNEL=sms", "DENWA_KEYS_MASTER_FILE=x", "DENWA_NONSENSE=1", "DENWA_PORT=8080",
			},
			want: []string{
				`denwa.yaml:3:9: routes: must be a list, not text`,
				`DENWA_APPS_01_NAME: unknown variable; did you mean "DENWA_APPS_1_NAME"?`,
				`DENWA_APPS_0_COUNTRIES: apps[0].countries[1]: must be an ISO 3166-1 alpha-2 code, such as JP`,
				`DENWA_APPS_2_NAME: apps[2].name: sets apps[2], but there are only 1; lists count from 0, without gaps`,
				`DENWA_DEFAULTS_MAX_SENDS: defaults.max_sends: must be a whole number, such as 10`,
				`DENWA_KEYS_MASTER_FILE: keys.master_file: can't be set together with master`,
				`DENWA_LOG_LEVEL: log.level: must be debug, info, warn or error`,
				`DENWA_NONSENSE: unknown variable`,
				`DENWA_PORT: unknown variable`,
				`DENWA_PROVIDERS_0_SMS_FORM: unknown variable; did you mean "DENWA_PROVIDERS_0_SMS_FROM"?`,
				`DENWA_SERVER_IDLE_TIMEOUT: server.idle_timeout: has no unit; write 10s for seconds`,
				`DENWA_STORE_ADDRESES: unknown variable; did you mean "DENWA_STORE_ADDRESSES"?`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load("denwa.yaml", []byte(tt.file), slices.Concat(complete, tt.env))
			if diff := cmp.Diff(tt.want, problemsOf(t, err)); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMissing: what no default can supply is asked for, with or without a file.
func TestMissing(t *testing.T) {
	_, err := Load("", nil)
	want := []string{
		`keys.master: is missing; "openssl rand -base64 32" makes one`,
		`providers: needs at least one; type sandbox tries everything without a carrier`,
	}
	if diff := cmp.Diff(want, problemsOf(t, err)); diff != "" {
		t.Error(diff)
	}
	_, err = Load("testdata/nothing.yaml", nil)
	want = []string{"testdata/nothing.yaml: can't be read: no such file or directory"}
	if diff := cmp.Diff(want, problemsOf(t, err)); diff != "" {
		t.Error(diff)
	}
	_, err = Load("", []string{"DENWA_CONFIG=testdata"})
	want = []string{"testdata: can't be read: is a directory"}
	if diff := cmp.Diff(want, problemsOf(t, err)); diff != "" {
		t.Error(diff)
	}
}

// TestSecretsStayOut: no mistake repeats a secret.
func TestSecretsStayOut(t *testing.T) {
	const secret = "hunter2-hunter2"
	file := "keys: {master: " + secret + ", previous: [" + secret + ", {a: " + secret + "}]}\n" +
		"store: {password: [" + secret + "], password_file: /nonexistent}\n" +
		"providers: [{name: p, type: twilio, auth_token: {a: " + secret + "}, api_key_secret: " + secret + "}]\n"
	_, err := load("denwa.yaml", []byte(file), []string{"DENWA_KEYS_MATSER=" + secret, "DENWA_PROVIDERS_1_AUTH_TOKEN=" + secret})
	if err == nil || strings.Contains(err.Error(), secret) || len(problemsOf(t, err)) < 5 {
		t.Error(err)
	}
}

// TestEnvironment: variables win over the file, item by item.
func TestEnvironment(t *testing.T) {
	folder := t.TempDir()
	previous, token := filepath.Join(folder, "previous"), filepath.Join(folder, "token")
	for name, secret := range map[string]string{previous: keyB + "\r\n", token: "fromfile\n"} {
		if err := os.WriteFile(name, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(folder, "denwa.yaml")
	file := `
server: {listen: "127.0.0.1:1", public_url: "https://verify.example.jp"}
messages: {ja: }
keys: {previous: [` + keyA + `]}
store: {addresses: ["127.0.0.1:1", "127.0.0.1:2"], password: fromyaml}
apps:
  - {name: a, brand: A, countries: [JP, US]}
providers:
  - {name: main, type: twilio, account_sid: AC00000000000000000000000000000000, auth_token: fromyaml, sms: {from: +15005550006}}
routes:
`
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load("", []string{
		"DENWA_CONFIG=" + path,
		"DENWA_KEYS_MASTER=" + keyA,
		"DENWA_KEYS_PREVIOUS_FILE=" + previous,
		"DENWA_SERVER_LISTEN=127.0.0.1:2",
		"DENWA_SERVER_PUBLIC_URL=",
		"DENWA_STORE_ADDRESSES=10.0.0.1:6379, 10.0.0.2:6379",
		"DENWA_STORE_ADDRESSES_1=10.0.0.3:6379",
		"DENWA_STORE_CLUSTER=true",
		"DENWA_STORE_TIMEOUT=1s",
		"DENWA_STORE_PASSWORD=12345",
		"DENWA_APPS_0_BRAND=Changed",
		"DENWA_APPS_0_COUNTRIES_1=TH",
		"DENWA_APPS_1_NAME=b", "DENWA_APPS_1_BRAND=B", "DENWA_APPS_1_API_KEYS_0_ID=k",
		"DENWA_APPS_1_API_KEYS_0_SHA256=" + strings.Repeat("1", 64),
		"DENWA_PROVIDERS_0_AUTH_TOKEN_FILE=" + token,
		"DENWA_PROVIDERS_0_RATE=2.5",
		"DENWA_ROUTES_0_CHANNEL=sms", "DENWA_ROUTES_0_NUMBER_TYPES=mobile,fixed_line_or_mobile", "DENWA_ROUTES_0_APPS=a",
		"DENWA_ROUTES_0_PROVIDERS=main", "DENWA_ROUTES_0_WEIGHTS_MAIN=3",
		"DENWA_LIMITS_NUMBER_HOUR_BURST=3",
		// What else an environment may hold.
		"DENWA_PORT=tcp://10.0.0.9:8080", "DENWA_PORT_8080_TCP_ADDR=10.0.0.9", "DENWA_SERVICE_PORT_HTTP=8080",
		"DENWA_ADMIN_SERVICE_HOST=10.0.0.9", "DENWA_SERVER=http://127.0.0.1:8080", "DENWA_API_KEY=x", "HOME=/", "denwa_x=1",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Keys = Keys{Master: keyA, Previous: []string{keyB}}
	want.Server.Listen, want.Server.PublicURL = "127.0.0.1:2", "https://verify.example.jp"
	want.Store.Addresses = []string{"10.0.0.1:6379", "10.0.0.3:6379"}
	want.Store.Cluster, want.Store.Timeout, want.Store.Password = true, time.Second, "12345"
	want.Gateway.Apps = []gateway.App{
		{Name: "a", Brand: "Changed", Countries: []string{"JP", "TH"}},
		{Name: "b", Brand: "B", APIKeys: []gateway.APIKey{{ID: "k", SHA256: strings.Repeat("1", 64)}}},
	}
	want.Gateway.Limits.NumberHour.Burst = 3
	want.Providers = []Provider{{Name: "main", Type: "twilio", Rate: 2.5, Settings: twilio.Config{
		Name: "main", AccountSID: "AC00000000000000000000000000000000", AuthToken: "fromfile",
		BaseURL: twilio.DefaultBaseURL, SMS: twilio.SMSConfig{From: "+15005550006"}, Voice: twilio.DefaultConfig().Voice,
	}}}
	want.Routes = []providers.Route{{
		Channel: providers.SMS, NumberTypes: []providers.NumberType{"mobile", "fixed_line_or_mobile"}, Apps: []string{"a"},
		Providers: []string{"main"}, Weights: map[string]int{"main": 3},
	}}
	if diff := cmp.Diff(&want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSandboxAlone: without a carrier beside it, a sandbox may be reached.
func TestSandboxAlone(t *testing.T) {
	file := "server: {listen: \":8080\"}\nproviders: [{name: phones, type: sandbox}]\n"
	if _, err := load("denwa.yaml", []byte(file), complete[:1]); err != nil {
		t.Error(err)
	}
}

// TestSecretReplaced: a secret in a variable replaces its file in the file.
func TestSecretReplaced(t *testing.T) {
	c, err := load("denwa.yaml", []byte("keys: {master_file: testdata/nothing}\n"), complete)
	if err != nil || c.Keys.Master != keyA {
		t.Errorf("%v", err)
	}
}

func demoHash() string {
	sum := sha256.Sum256([]byte(PlaygroundKey))
	return hex.EncodeToString(sum[:])
}

package main

import (
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/config"
	"denwa/ratelimit/redistest"
)

// cells are the rows of all tables of a document that have so many columns.
func cells(t *testing.T, path string, columns int) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, path))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.ReplaceAll(strings.TrimSpace(line), `\|`, "\x00")
		if !strings.HasPrefix(line, "|") {
			continue
		}
		row := strings.Split(strings.Trim(line, "|"), "|")
		if len(row) != columns || strings.HasPrefix(strings.TrimSpace(row[0]), "---") {
			continue
		}
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		rows = append(rows, row)
	}
	return rows
}

// The exit codes are those of --help.
func TestDocumentedExitCodes(t *testing.T) {
	documented := map[string]string{}
	for _, row := range cells(t, "docs/troubleshoot.md", 2) {
		documented[row[0]] = row[1]
	}
	for _, m := range exitMeanings {
		if got := documented[strconv.Itoa(m.code)]; got != m.meaning {
			t.Errorf("exit code %d: docs/troubleshoot.md says %q, --help %q", m.code, got, m.meaning)
		}
	}
}

// Every promise of the threat model names tests that there are.
func TestPromisesAreShown(t *testing.T) {
	tests := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(top, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(text, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	promises := 0
	for _, row := range cells(t, "docs/threat-model.md", 3)[1:] {
		promises++
		named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(row[2], -1)
		if len(named) == 0 {
			t.Errorf("nothing shows that %q", row[0])
		}
		for _, m := range named {
			if !tests[m[1]] {
				t.Errorf("there is no %s, which shows that %q", m[1], row[0])
			}
		}
	}
	if promises < 10 {
		t.Errorf("%d promises", promises)
	}
}

// family is the keys in Redis of one form, and how long they may live.
type family struct {
	form  string // as in the source: "dnw1:{2f}:v:<id>"
	match *regexp.Regexp
	life  time.Duration
	seen  bool
}

// families are all that the source speaks of, with what docs/privacy.md says of them.
func families(t *testing.T) (all []*family) {
	t.Helper()
	lives := map[string]time.Duration{}
	unit := map[string]time.Duration{"minutes": time.Minute, "hours": time.Hour, "days": 24 * time.Hour}
	for _, row := range cells(t, "docs/privacy.md", 4) {
		life := regexp.MustCompile(`^(\d+) (minutes|hours|days)$`).FindStringSubmatch(row[3])
		if life == nil {
			continue // the heading
		}
		n, _ := strconv.Atoi(life[1])
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[0], -1) {
			lives[m[1]] = time.Duration(n) * unit[life[2]]
		}
	}
	documented := slices.Sorted(maps.Keys(lives))
	for _, path := range []string{"gateway/redisstore/keys.go", "gateway/redisstore/carrier_ids.go", "ratelimit/keys.go"} {
		source, err := os.ReadFile(filepath.Join(top, path))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^//\tdnw1:(?:\{(\w+)\}:)?(\S+)(.*)$`).FindAllStringSubmatch(string(source), -1) {
			tag, form := m[1], strings.Replace(m[2], "l:number_hour:", "l:<limit>:", 1)
			if strings.Contains(m[3], "not a key") {
				continue
			}
			life, ok := lives[form]
			if !ok {
				t.Errorf("docs/privacy.md doesn't say how long %q is kept; it has %q", form, documented)
			}
			delete(lives, form)
			expression := "^dnw1:"
			switch tag {
			case "":
			case "2f", "tag":
				expression += `\{[^}]{2,}\}:`
			default:
				expression += `\{` + tag + `\}:`
			}
			expression += regexp.MustCompile(`<[^>]*>`).ReplaceAllString(form, "[^:]+") + "$"
			all = append(all, &family{form: form, match: regexp.MustCompile(expression), life: life})
		}
	}
	for form := range lives {
		t.Errorf("docs/privacy.md speaks of %q, which the source doesn't", form)
	}
	// The funnel's keys look like others': its own forms are tried first.
	slices.SortStableFunc(all, func(a, b *family) int {
		return strings.Count(a.match.String(), "funnel")*-1 + strings.Count(b.match.String(), "funnel")
	})
	return all
}

// Whatever is done, each key in Redis is of a form that docs/privacy.md knows, and
// lives no longer than it says.
func TestPrivacyOfTheStore(t *testing.T) {
	known := families(t)
	server := redistest.Start(t)
	gone, failing := newReceiver(t, http.StatusGone), newReceiver(t, http.StatusInternalServerError)
	c := redisConfig(t, server.Addr(), fmt.Sprintf(`    webhook: {url: %q, secret: %q, allow_private: true}
    pages: {return_urls: ["https://portal.example.jp/"]}
    twilio: {account_sid: %s, service_sid: VA0123456789abcdef0123456789abcdef}
  - name: shop
    brand: Shop
    api_keys: [{id: k1, sha256: %q}]
    webhook: {url: %q, secret: %q, allow_private: true}
routes: [{channel: sms, providers: [sandbox], receipt_within: 60s, then: voice}, {channel: voice, providers: [sandbox]}]
`, failing.URL, testWebhookSecret, twilioAccount, hashKey(twilioAppKey), gone.URL, testWebhookSecret))
	g := serving(t, "--config", c.path)
	post := func(path, body string, want int) reply {
		t.Helper()
		r := g.post(t, path, body)
		if r.status != want {
			t.Fatalf("POST %s: %d %v", path, r.status, r.body)
		}
		return r
	}

	// A message, approved; one that is to move on; a call that is denied; a dispatch.
	id := post("/v1/verifications", `{"to":"090-2000-0001","reference":"user-1","client_ip":"198.51.100.7"}`, 201).text("id")
	post("/v1/verifications/"+id+"/check", `{"code":"`+codeSent(t, g.server, "+819020000001")+`"}`, 200)
	send := func(path, contentType, body string, want int, sign func(*http.Request)) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.server+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", contentType)
		sign(r)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Fatalf("POST %s: %s", path, resp.Status)
		}
	}
	send("/sandbox/api/phones/+819020000002/behaviour", "application/json", `{"sms":"accepted"}`, 204, func(*http.Request) {})
	send("/v1/verifications", "application/json", `{"to":"090-2000-0002"}`, 201, func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+g.key)
		r.Header.Set("Idempotency-Key", "attempt-1")
	})
	wrong := post("/v1/verifications", `{"to":"090-2000-0003"}`, 201).text("id")
	post("/v1/verifications/"+wrong+"/check", `{"code":"000000"}`, 200)
	post("/v1/verifications", `{"to":"03-2000-0004","channel":"voice"}`, 201)
	call := g.phoneCall(t, "+81320000004", "ringing", false)
	g.keys(t, call, "answer", `{}`)
	g.phoneCall(t, "+81320000004", "answered", true)
	g.keys(t, call, "press", `{"digits":"0#"}`)
	post("/v1/deliveries", `{"to":"090-2000-0005","message":"Your code is 123456","valid_for":3600}`, 201)
	// An operator's block, a session, Twilio's API, an app whose endpoint is gone.
	block := command(t, "numbers", "block", "--config", c.path, "--for", "24h", "--reason", "a test", "090-2000-0006")
	if out, err := block.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	post("/v1/sessions", `{"return_url":"https://portal.example.jp/done"}`, 201)
	send("/v2/Services/VA0123456789abcdef0123456789abcdef/Verifications", "application/x-www-form-urlencoded", "To=%2B819020000007&Channel=sms", 201, func(r *http.Request) {
		r.SetBasicAuth(twilioAccount, strings.TrimPrefix(config.PlaygroundKey, "dnw_"))
	})
	g.key = twilioAppKey
	post("/v1/verifications", `{"to":"090-2000-0008"}`, 201)

	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	missing := func() (forms []string) {
		for _, f := range known {
			if !f.seen && f.form != "cm:<name>" && f.form != "cs:<name>" { // carriers' ids: there is none here
				forms = append(forms, f.form)
			}
		}
		return forms
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && len(missing()) > 0; time.Sleep(100 * time.Millisecond) {
		for _, key := range client.Keys(t.Context(), "*").Val() {
			i := slices.IndexFunc(known, func(f *family) bool { return f.match.MatchString(key) })
			if i < 0 {
				t.Fatalf("docs/privacy.md knows no %q", key)
			}
			known[i].seen = true
			// A minute is for clocks that are set back.
			if left := client.PTTL(t.Context(), key).Val(); left == -1 || left > known[i].life+time.Minute {
				t.Fatalf("%q lives for %s, and docs/privacy.md says %s", key, left, known[i].life)
			}
		}
	}
	if forms := missing(); len(forms) > 0 {
		t.Errorf("nothing wrote %q", forms)
	}
}

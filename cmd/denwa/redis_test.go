package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"denwa/config"
	"denwa/ratelimit/redistest"
)

// testConfig is a configuration on Redis, and its file.
type testConfig struct{ path, redis string }

const testMaster = "dGhpcnR5LXR3byBieXRlcywgbm90IGEgc2VjcmV0ISE="

// redisConfig writes a configuration whose app has the playground's key, and more.
func redisConfig(t *testing.T, redis, more string) *testConfig {
	t.Helper()
	c := &testConfig{path: filepath.Join(t.TempDir(), "denwa.yaml"), redis: redis}
	c.write(t, "portal", more)
	return c
}

func (c *testConfig) write(t *testing.T, app, more string) {
	t.Helper()
	c.save(t, fmt.Sprintf(`
keys: {master: %q}
store: {type: redis, addresses: [%q]}
providers: [{name: sandbox, type: sandbox}]
log: {level: debug, format: json}
apps:
  - name: %s
    brand: Example
    api_keys: [{id: k1, sha256: "%s"}]
%s`, testMaster, c.redis, app, hashKey(config.PlaygroundKey), more))
}

func (c *testConfig) save(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(c.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reply is what the gateway answered.
type reply struct {
	status int
	header http.Header
	body   map[string]any
}

func (r *running) post(t *testing.T, path, body string) reply {
	t.Helper()
	return r.do(t, http.MethodPost, path, body)
}

func (r *running) do(t *testing.T, method, path, body string) reply {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, r.server+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+r.key)
	if body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	if r.traceparent != "" {
		q.Header.Set("Traceparent", r.traceparent)
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Error(err)
		return reply{}
	}
	defer resp.Body.Close()
	out := reply{status: resp.StatusCode, header: resp.Header}
	if err := json.NewDecoder(resp.Body).Decode(&out.body); err != nil {
		t.Errorf("%s %s: %v", method, path, err)
	}
	return out
}

// text is a field of the reply, as text.
func (r reply) text(field string) string { return fmt.Sprint(r.body[field]) }

// atOnce makes n requests at once and counts the replies by status.
func atOnce(n int, request func(i int) reply) map[int][]reply {
	var mu sync.Mutex
	var wg sync.WaitGroup
	replies := map[int][]reply{}
	for i := range n {
		wg.Go(func() {
			r := request(i)
			mu.Lock()
			defer mu.Unlock()
			replies[r.status] = append(replies[r.status], r)
		})
	}
	wg.Wait()
	return replies
}

// TestPromisesOverHTTP holds the gateway, as people run it, to what it promises
// about requests at once, and then searches all that it wrote.
func TestPromisesOverHTTP(t *testing.T) {
	redis := redistest.Start(t)
	g := serving(t, "--config", redisConfig(t, redis.Addr(), "").path)
	var secrets []string

	// 200 starts at once for one number: one verification, one message.
	started := atOnce(200, func(int) reply { return g.post(t, "/v1/verifications", `{"to":"090-1111-2222"}`) })
	if len(started[201]) != 1 || len(started[429]) != 199 {
		t.Fatalf("201: %d, 429: %d", len(started[201]), len(started[429]))
	}
	limited := started[429][0]
	if limited.text("code") != "rate_limited" || limited.text("limit") != "number_cooldown" ||
		limited.header.Get("Retry-After") == "" || !strings.HasPrefix(limited.header.Get("RateLimit"), `"number_cooldown";r=0;t=`) ||
		limited.header.Get("RateLimit-Policy") != `"number_cooldown";q=1;w=30` {
		t.Errorf("limited: %v %v", limited.header, limited.body)
	}
	id, code := started[201][0].text("id"), codeSent(t, g.server, "+819011112222")
	secrets = append(secrets, "9011112222", code)

	// 500 wrong checks at once: five are evaluated.
	checked := atOnce(500, func(i int) reply {
		guess := fmt.Sprintf("%06d", i)
		if guess == code {
			guess = "999999"
		}
		return g.post(t, "/v1/verifications/"+id+"/check", `{"code":"`+guess+`"}`)
	})
	if len(checked[200]) != 5 || len(checked[409]) != 495 {
		t.Errorf("200: %d, 409: %d", len(checked[200]), len(checked[409]))
	}
	if v := g.do(t, http.MethodGet, "/v1/verifications/"+id, ""); v.text("status") != "failed" || v.text("attempts_remaining") != "0" {
		t.Errorf("after the guesses: %v", v.body)
	}

	// The right code 200 times at once: accepted once.
	v := g.post(t, "/v1/verifications", `{"to":"090-3333-4444","reference":"user-4711","client_ip":"198.51.100.77"}`)
	id, code = v.text("id"), codeSent(t, g.server, "+819033334444")
	secrets = append(secrets, "9033334444", code, "user-4711", "198.51.100.77")
	checked = atOnce(200, func(int) reply { return g.post(t, "/v1/verifications/"+id+"/check", `{"code":"`+code+`"}`) })
	if len(checked[200]) != 1 || checked[200][0].body["valid"] != true || len(checked[409]) != 199 {
		t.Errorf("200: %v, 409: %d", checked[200], len(checked[409]))
	}

	held := everything(t, redis.Addr())
	if len(held) < 500 {
		t.Errorf("the dump has %d bytes: too few to mean anything", len(held))
	}
	for _, s := range append(secrets, config.PlaygroundKey, testMaster) {
		for place, text := range map[string]string{"store": held, "log": g.logs.String()} {
			if containsAlone(text, s) {
				t.Errorf("the %s holds %q", place, s)
			}
		}
	}
}

// containsAlone finds s in text, but not inside a longer number, as times are.
func containsAlone(text, s string) bool {
	digit := func(i int) bool { return i >= 0 && i < len(text) && text[i] >= '0' && text[i] <= '9' }
	for from := 0; ; {
		i := strings.Index(text[from:], s)
		if i < 0 {
			return false
		}
		if i += from; len(s) != 6 || !digit(i-1) && !digit(i+len(s)) {
			return true
		}
		from = i + 1
	}
}

// everything is each key and value in the Redis at address, in Redis' protocol.
func everything(t *testing.T, address string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	script := `local out = {}
for _, k in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', k).ok
  local read = {hash = {'HGETALL', k}, string = {'GET', k}, zset = {'ZRANGE', k, 0, -1, 'WITHSCORES'}}
  local v = redis.call(unpack(read[kind]))
  if type(v) == 'table' then v = table.concat(v, ' ') end
  if redis.call('PTTL', k) < 0 then v = 'NO TTL' end
  out[#out + 1] = k .. ' ' .. v
end
return table.concat(out, '\n')`
	fmt.Fprintf(conn, "*3\r\n$4\r\nEVAL\r\n$%d\r\n%s\r\n$1\r\n0\r\n", len(script), script)
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "$") {
		t.Fatalf("%q, %v", line, err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(line[1:]))
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "NO TTL") {
		t.Error("a key has no TTL")
	}
	return string(b)
}

func TestReload(t *testing.T) {
	redis := redistest.Start(t)
	c := redisConfig(t, redis.Addr(), "")
	g := serving(t, "--config", c.path)
	lookup := func() reply { return g.post(t, "/v1/numbers/lookup", `{"number":"+1 202 555 0123"}`) }
	if r := lookup(); r.status != 200 {
		t.Fatal(r)
	}

	c.write(t, "portal", "    countries: [JP]\n")
	g.hup(t, "configuration reloaded")
	if r := lookup(); r.status != 200 || !strings.Contains(fmt.Sprint(r.body["channels"]), "country") {
		t.Errorf("the new countries aren't followed: %v", r.body)
	}

	c.write(t, "portal", "    countrys: [US]\n")
	g.hup(t, "the old one stays")
	if want := c.path + ":10:5: apps[0].countrys: "; !strings.Contains(g.logs.String(), want) {
		t.Errorf("the log doesn't say %q:\n%s", want, g.logs)
	}
	if r := lookup(); r.status != 200 || !strings.Contains(fmt.Sprint(r.body["channels"]), "country") {
		t.Errorf("the old configuration didn't stay: %v", r.body)
	}

	c.write(t, "portal", "limits: {api_key: {burst: 1, count: 1, period: 1h}}\n")
	g.hup(t, "configuration reloaded")
	if a, b := lookup(), lookup(); a.status != 200 || b.status != 429 || b.text("limit") != "api_key" {
		t.Errorf("the new limit isn't followed: %v, %v", a.body, b.body)
	}
}

// TestReloadOfKeys: a key that was taken out opens nothing any more, and a new one does.
func TestReloadOfKeys(t *testing.T) {
	redis := redistest.Start(t)
	c := redisConfig(t, redis.Addr(), "")
	g := serving(t, "--config", c.path)
	lookup := func(key string) int {
		g.key = key
		return g.post(t, "/v1/numbers/lookup", `{"number":"+1 202 555 0123"}`).status
	}
	former, next := "dnw_"+strings.Repeat("former00", 5), "dnw_"+strings.Repeat("next0000", 5)
	app := func(key string) string {
		return fmt.Sprintf("  - {name: shop, brand: Example, api_keys: [{id: k1, sha256: %q}]}\n", hashKey(key))
	}
	c.write(t, "portal", app(former))
	g.hup(t, "configuration reloaded")
	if was, will := lookup(former), lookup(next); was != 200 || will != 401 {
		t.Fatalf("before: the former key %d, the next %d", was, will)
	}
	c.write(t, "portal", app(next))
	g.hup(t, "configuration reloaded")
	if was, is, other := lookup(former), lookup(next), lookup(config.PlaygroundKey); was != 401 || is != 200 || other != 200 {
		t.Errorf("after: the former key %d, the next %d, another app's %d", was, is, other)
	}
	if strings.Contains(g.logs.String(), restartWarning) {
		t.Errorf("it wants a restart for keys:\n%s", g.logs)
	}
}

const restartWarning = "the new configuration changes what only a restart takes over"

// TestReloadNamesWhatNeedsARestart: by section, and never by value.
func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	redis := redistest.Start(t)
	c := redisConfig(t, redis.Addr(), "")
	g := serving(t, "--config", c.path)
	c.write(t, "portal", `routes: [{channel: sms, countries: [JP], providers: [sandbox]}, {channel: sms, providers: [sandbox]}]
server: {max_body: 4096}
limits: {api_key: {burst: 1, count: 1, period: 1h}}
`)
	file, err := os.ReadFile(c.path)
	if err != nil {
		t.Fatal(err)
	}
	another := strings.ToUpper(testMaster[:4]) + testMaster[4:]
	c.save(t, strings.ReplaceAll(string(file), testMaster, another))
	g.hup(t, restartWarning)
	if !strings.Contains(g.logs.String(), `"sections":"server,keys,routes"`) {
		t.Errorf("the sections aren't named:\n%s", g.logs)
	}
	if strings.Contains(g.logs.String(), another) {
		t.Errorf("the log holds a master key:\n%s", g.logs)
	}
	c.write(t, "portal", "") // as at the start
	before := strings.Count(g.logs.String(), restartWarning)
	g.hup(t, "configuration reloaded")
	if strings.Count(g.logs.String(), restartWarning) != before {
		t.Errorf("it wants a restart for what runs already:\n%s", g.logs)
	}
}

// hup sends SIGHUP and waits for what the log then says.
func (r *running) hup(t *testing.T, says string) {
	t.Helper()
	before := strings.Count(r.logs.String(), says)
	if err := r.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if strings.Count(r.logs.String(), says) > before {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("the log never said %q:\n%s", says, r.logs)
}

// TestReadyWithoutItsCarrier: while the only carrier is left alone, whoever asks for
// the rest keeps the gateway in service, and a code that arrived before is good.
func TestReadyWithoutItsCarrier(t *testing.T) {
	redis, carrier := redistest.Start(t), newSMSCarrier(t)
	c := redisConfig(t, redis.Addr(), "")
	c.save(t, fmt.Sprintf(`
keys: {master: %q}
store: {type: redis, addresses: [%q]}
providers:
  - {name: carrier, type: http, url: %q, form: {to: "{to}", text: "{text}"}, reply: {rules: [{status: "2xx", means: accepted}]}, breaker: {failures: 1, open_for: 1h}}
apps:
  - {name: portal, brand: Example, api_keys: [{id: k1, sha256: %q}]}
`, testMaster, redis.Addr(), carrier.URL, hashKey(config.PlaygroundKey)))
	g := serving(t, "--config", c.path)
	arrived := g.post(t, "/v1/verifications", `{"to":"+819020000001"}`).text("id")
	carrier.Close()
	if r := g.post(t, "/v1/verifications", `{"to":"+819020000002"}`); r.text("code") != "delivery_failed" {
		t.Errorf("start: %d %v", r.status, r.body)
	}
	for path, want := range map[string]int{"/readyz": 503, "/readyz?exclude=providers": 200} {
		resp, err := http.Get(g.admin + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	for exclude, want := range map[string]int{"": exitNo, "store": exitNo, "providers": exitOK} {
		check := command(t, "healthcheck", "--exclude", exclude)
		check.Env = append(check.Env, "DENWA_ADMIN_LISTEN="+strings.TrimPrefix(g.admin, "http://"))
		if out, _ := check.CombinedOutput(); check.ProcessState.ExitCode() != want {
			t.Errorf("healthcheck without %q: exit code %d, want %d: %s", exclude, check.ProcessState.ExitCode(), want, out)
		}
	}
	if r := g.post(t, "/v1/verifications/"+arrived+"/check", `{"code":"`+carrier.sent("+819020000001")[0]+`"}`); r.body["valid"] != true {
		t.Errorf("check: %d %v", r.status, r.body)
	}
}

func TestRedisGoesAndComesBack(t *testing.T) {
	redis := redistest.Start(t)
	g := serving(t, "--config", redisConfig(t, redis.Addr(), "").path)
	redis.Kill()
	r := g.post(t, "/v1/verifications", `{"to":"090-5555-6666"}`)
	if r.status != 503 || r.text("code") != "unavailable" || r.header.Get("Retry-After") == "" {
		t.Errorf("%d %v", r.status, r.body)
	}
	ready, err := http.Get(g.admin + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	ready.Body.Close()
	if ready.StatusCode != 503 {
		t.Errorf("readyz: %d", ready.StatusCode)
	}
	redis.Restart()
	if r := g.post(t, "/v1/verifications", `{"to":"090-5555-6666"}`); r.status != 201 {
		t.Errorf("after the restart: %d %v", r.status, r.body)
	}
}

func TestNoRedisAtStart(t *testing.T) {
	nobody := freeAddress(t)
	c := command(t, "serve", "--config", redisConfig(t, nobody, "").path)
	c.Env = append(c.Env, "DENWA_SERVER_LISTEN="+freeAddress(t), "DENWA_ADMIN_LISTEN="+freeAddress(t))
	out, _ := c.Output() // the exit code tells
	if c.ProcessState.ExitCode() != exitStore || len(out) > 0 {
		t.Errorf("exit code %d, output %q", c.ProcessState.ExitCode(), out)
	}
}

// TestWaitersAreLetGo: a gateway that stops doesn't hold up its waiting clients.
func TestWaitersAreLetGo(t *testing.T) {
	redis := redistest.Start(t)
	g := serving(t, "--config", redisConfig(t, redis.Addr(), "").path)
	id := g.post(t, "/v1/verifications", `{"to":"090-7777-8888"}`).text("id")
	began := time.Now()
	waited := make(chan reply)
	go func() {
		r := g.do(t, http.MethodGet, "/v1/verifications/"+id+"?wait=60", "")
		for r.status == 200 && r.text("status") == "pending" && time.Since(began) < time.Second { // a receipt came first
			r = g.do(t, http.MethodGet, "/v1/verifications/"+id+"?wait=60", "")
		}
		waited <- r
	}()
	time.Sleep(1200 * time.Millisecond)
	g.stop(t)
	if r := <-waited; r.status != 200 || r.text("status") != "pending" || time.Since(began) > 30*time.Second {
		t.Errorf("after %v: %d %v", time.Since(began), r.status, r.body)
	}
}

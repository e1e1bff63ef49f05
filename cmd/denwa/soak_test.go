package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"denwa/ratelimit/redistest"
)

const (
	soakSends   = 4
	soakPersons = 45
	// soakWithin is how long receipts may take in the soak.
	soakWithin = 600 * time.Millisecond
)

// TestSoak has people verify their phones over carriers that misbehave in every
// way that carriers do, through two gateways of which one is killed and the
// other stopped and started. However it goes, each verification ends approved
// or with a reason, no phone gets more than max_sends messages, and all
// messages of one verification have the same code.
//
// DENWA_SOAK makes it longer: how many people there are.
func TestSoak(t *testing.T) {
	persons := soakPersons
	if text := os.Getenv("DENWA_SOAK"); text != "" {
		if _, err := fmt.Sscan(text, &persons); err != nil {
			t.Fatalf("DENWA_SOAK: %v", err)
		}
	}
	carriers := newPatchyCarriers(t)
	file := soakConfig(t, redistest.Start(t).Addr(), carriers.server.URL)
	gateways := &fleet{carriers: carriers}
	for range 2 {
		gateways.add(serving(t, "--config", file))
	}

	var people sync.WaitGroup
	ends := make(chan string, persons)
	turn := make(chan struct{}, 16)
	for i := range persons {
		switch i {
		case persons / 3:
			gateways.restart(t, 0, file, (*running).kill)
		case 2 * persons / 3:
			gateways.restart(t, 1, file, (*running).stop)
		}
		turn <- struct{}{}
		people.Go(func() {
			defer func() { <-turn }()
			ends <- (&person{number: fmt.Sprintf("+8190%08d", 20000000+i), gateways: gateways}).verify(t)
		})
	}
	people.Wait()
	close(ends)
	counted := map[string]int{}
	for end := range ends {
		counted[end]++
	}
	t.Logf("ends: %v; carriers: %v", counted, carriers.faults())
	if counted["approved"] < persons/2 {
		t.Errorf("of %d people only %d were approved: nothing was tried", persons, counted["approved"])
	}
	carriers.check(t)
}

func soakConfig(t *testing.T, redis, carriers string) string {
	t.Helper()
	var list strings.Builder
	for _, name := range []string{"a", "b", "c"} {
		fmt.Fprintf(&list, `
  - name: %[1]s
    type: http
    url: %[2]s/%[1]s
    allow_http: true
    timeout: 300ms
    breaker: {failures: -1}
    body: '{"to":"{to}","text":"{text}","delivery":"{delivery}"}'
    reply:
      message_id: /id
      rules: [{status: "422", means: invalid}]
    receipts:
      format: json
      delivery: /delivery
      status: /status
      statuses: {ok: delivered, lost: undelivered, on_its_way: sent}
      secret: soak-secret-of-the-carriers
      secret_header: X-Secret
`, name, carriers)
	}
	path := filepath.Join(t.TempDir(), "denwa.yaml")
	text := fmt.Sprintf(`
keys: {master: %q}
store: {type: redis, addresses: [%q]}
server: {public_url: "https://gateway.example.jp"}
defaults: {expires_in: 30s, max_sends: %d, resend_after: 1s}
limits:
  client_address: {count: 0}
  app: {count: 0}
  api_key: {count: 0}
log: {level: info, format: json}
apps:
  - name: portal
    brand: Example
    api_keys: [{id: k1, sha256: "%s"}]
providers:%s
routes:
  - {channel: sms, providers: [a, b, c], timeout: 400ms, deadline: 1200ms, receipt_within: %s}
`, testMaster, redis, soakSends, hashKey(twilioAppKey), list.String(), soakWithin)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fleet is gateways of which some may be down.
type fleet struct {
	carriers *patchyCarriers
	mu       sync.Mutex
	all      []*running
}

func (f *fleet) add(g *running) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g.key = twilioAppKey
	f.all = append(f.all, g)
	f.carriers.report(g.server)
}

// restart ends the i-th gateway and starts another in its place, while the rest go on.
func (f *fleet) restart(t *testing.T, i int, file string, end func(*running, *testing.T)) {
	t.Helper()
	f.mu.Lock()
	g := f.all[i]
	f.mu.Unlock()
	end(g, t)
	fresh := serving(t, "--config", file)
	f.mu.Lock()
	fresh.key = twilioAppKey
	f.all[i] = fresh
	f.mu.Unlock()
	f.carriers.report(fresh.server)
}

func (f *fleet) any() *running {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[rand.IntN(len(f.all))]
}

// person verifies a phone as an app does for them: each request is made again
// with the same Idempotency-Key until it is answered, by whichever gateway.
type person struct {
	number   string
	gateways *fleet
	id       string
	asked    int
}

// verify says how it ended: approved, or why not.
func (p *person) verify(t *testing.T) string {
	status, body := p.post(t, "/v1/verifications", fmt.Sprintf(`{"to":%q}`, p.number))
	if status != http.StatusCreated {
		v, started := body["verification"].(map[string]any)
		if status != http.StatusBadGateway || !started {
			return fmt.Sprintf("not started: %v", body["code"])
		}
		body = v
	}
	p.id, _ = body["id"].(string)
	for asked := time.Now(); ; {
		if code := p.gateways.carriers.code(p.number); code != "" {
			status, body = p.post(t, "/v1/verifications/"+p.id+"/check", fmt.Sprintf(`{"code":%q}`, code))
			if status == http.StatusOK && body["valid"] == true {
				return "approved"
			}
			if status == http.StatusOK {
				t.Errorf("a code that arrived is wrong: %v", body)
			}
		}
		status, v := p.ask(t, http.MethodGet, "/v1/verifications/"+p.id, "", "")
		switch v["status"] {
		case "pending":
		case nil: // a gateway went away, or says that it can't tell now
			if status != 0 && status != http.StatusServiceUnavailable {
				t.Errorf("%s can't be read: %d %v", p.id, status, v)
				return "lost"
			}
		case "expired", "failed", "canceled":
			return fmt.Sprint(v["status"])
		default:
			t.Errorf("%s is %v, and nobody was told", p.id, v["status"])
			return fmt.Sprint(v["status"])
		}
		if time.Since(asked) > asksAgain {
			p.post(t, "/v1/verifications/"+p.id+"/resend", "{}") // it may be refused
			asked = time.Now()
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// asksAgain is how long somebody waits for a message before they ask for another one.
const asksAgain = 5 * time.Second

// post asks until there is an answer that isn't "try again".
func (p *person) post(t *testing.T, path, body string) (int, map[string]any) {
	p.asked++
	key := fmt.Sprintf("%s-%d", p.number[1:], p.asked)
	for {
		status, reply := p.ask(t, http.MethodPost, path, body, key)
		switch {
		case status == 0, status == http.StatusServiceUnavailable,
			status == http.StatusConflict && reply["code"] == "idempotency_conflict":
			time.Sleep(100 * time.Millisecond)
		default:
			return status, reply
		}
	}
}

// ask makes one request; the status is 0 where the gateway went away.
func (p *person) ask(t *testing.T, method, path, body, key string) (int, map[string]any) {
	g := p.gateways.any()
	r, err := http.NewRequestWithContext(t.Context(), method, g.server+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	r.Header.Set("Authorization", "Bearer "+g.key)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", key)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	var reply map[string]any
	text, err := io.ReadAll(resp.Body)
	if err != nil || json.NewDecoder(bytes.NewReader(text)).Decode(&reply) != nil {
		return 0, nil
	}
	return resp.StatusCode, reply
}

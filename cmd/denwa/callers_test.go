package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"denwa/config"
)

// smsCarrier is a carrier with an HTTP API that remembers what it was given.
type smsCarrier struct {
	*httptest.Server
	mu    sync.Mutex
	codes map[string][]string // by number
}

func newSMSCarrier(t *testing.T) *smsCarrier {
	t.Helper()
	c := &smsCarrier{codes: map[string][]string{}}
	code := regexp.MustCompile(`\b\d{6}\b`)
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		to := r.PostFormValue("to")
		c.codes[to] = append(c.codes[to], code.FindString(r.PostFormValue("text")))
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *smsCarrier) sent(number string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.codes[number])
}

// callers serve people who verify their numbers, all the time and each a new one.
// They do what the documentation asks for: what may be made again is made again,
// with the same Idempotency-Key, at whichever gateway.
type callers struct {
	*testing.T
	carrier *smsCarrier
	hook    *receiver
	config  *testConfig

	mu       sync.Mutex
	gateways []*running
	approved []*holder
	saw      map[string]int // what callers saw besides success, by kind
	changed  chan struct{}  // closed by the next approval

	numbers, turn atomic.Int64
	leave         chan struct{}
	people        sync.WaitGroup
}

// holder is who holds a number, and their verification of it.
type holder struct {
	number, id, code string
	resent           int
}

// newCallers has a store, as the configuration has it, and that many gateways.
func newCallers(t *testing.T, store string, gateways int) *callers {
	t.Helper()
	c := &callers{
		T: t, carrier: newSMSCarrier(t), hook: newReceiver(t, http.StatusNoContent),
		saw: map[string]int{}, changed: make(chan struct{}), leave: make(chan struct{}),
	}
	c.config = &testConfig{path: filepath.Join(t.TempDir(), "denwa.yaml")}
	c.config.save(t, fmt.Sprintf(`
keys: {master: %q}
store: %s
providers:
  - {name: carrier, type: http, url: %q, form: {to: "{to}", text: "{text}"}, reply: {rules: [{status: "2xx", means: accepted}]}}
defaults: {resend_after: 1s}
limits: {app: {count: 0}}
log: {level: debug, format: json}
apps:
  - name: portal
    brand: Example
    api_keys: [{id: k1, sha256: "%s"}]
    webhook: {url: %q, secret: %q, allow_private: true}
`, testMaster, store, c.carrier.URL, hashKey(config.PlaygroundKey), c.hook.URL, testWebhookSecret))
	for range gateways {
		c.gateways = append(c.gateways, serving(t, "--config", c.config.path))
	}
	return c
}

// come lets that many people come at a time, until they
// are told to leave.
func (c *callers) come(n int) {
	for range n {
		c.people.Go(func() {
			for {
				select {
				case <-c.leave:
					return
				case <-time.After(30 * time.Millisecond): // holds looks at each of them in the end
					c.verify()
				}
			}
		})
	}
}

// gone is when the last one has finished.
func (c *callers) gone() {
	close(c.leave)
	c.people.Wait()
}

// approve waits until n more people are approved.
func (c *callers) approve(n int) {
	c.Helper()
	c.mu.Lock()
	want := len(c.approved) + n
	c.mu.Unlock()
	limit := time.After(90 * time.Second)
	for {
		c.mu.Lock()
		enough, changed := len(c.approved) >= want, c.changed
		c.mu.Unlock()
		if enough {
			return
		}
		select {
		case <-changed:
		case <-limit:
			c.Fatalf("nobody gets through any more; callers saw %v", c.trouble())
		}
	}
}

func (c *callers) trouble() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.saw)
}

// without is the gateway that gets no more requests.
func (c *callers) without(i int) *running {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gateways[i]
	c.gateways = slices.Delete(slices.Clone(c.gateways), i, i+1)
	return g
}

// verify takes one person from the start to the approval.
func (c *callers) verify() {
	n := c.numbers.Add(1)
	p := &holder{number: fmt.Sprintf("+8190%08d", 10_000_000+n)}
	key := strconv.FormatInt(n, 10)
	started := c.make("/v1/verifications", `{"to":"`+p.number+`"}`, "start-"+key)
	if started.status != http.StatusCreated {
		c.Errorf("start: %d %v", started.status, started.body)
		return
	}
	p.id = started.text("id")
	// A gateway that dies between the record and the carrier sends nothing. The
	// person asks for the code again.
	for !c.arrives(p) {
		if p.resent++; p.resent > 3 {
			c.Errorf("no message arrives")
			return
		}
		r := c.make("/v1/verifications/"+p.id+"/resend", "{}", fmt.Sprintf("resend-%s-%d", key, p.resent))
		if r.status != http.StatusOK {
			c.Errorf("resend: %d %v", r.status, r.body)
			return
		}
	}
	checked := c.make("/v1/verifications/"+p.id+"/check", `{"code":"`+p.code+`"}`, "check-"+key)
	if checked.status != http.StatusOK || checked.body["valid"] != true {
		c.Errorf("the right code: %d %v", checked.status, checked.body)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.approved = append(c.approved, p)
	close(c.changed)
	c.changed = make(chan struct{})
}

// arrives waits a while for the code.
func (c *callers) arrives(p *holder) bool {
	for range 100 {
		if codes := c.carrier.sent(p.number); len(codes) > 0 {
			p.code = codes[len(codes)-1]
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

// make makes a request until it is answered for good.
func (c *callers) make(path, body, key string) reply {
	for limit := time.Now().Add(90 * time.Second); ; {
		r, err := c.try(path, body, key)
		kind := strconv.Itoa(r.status) + " " + r.text("code")
		switch {
		case err != nil:
			kind = "connection"
		case r.header.Get("Retry-After") == "":
			return r
		case r.status == http.StatusServiceUnavailable:
		case r.status == http.StatusConflict && r.text("code") == "idempotency_conflict":
		case r.status == http.StatusTooManyRequests && r.text("limit") == "number_cooldown": // of the try before, whose answer got lost
		default:
			return r
		}
		c.mu.Lock()
		c.saw[kind]++
		c.mu.Unlock()
		if time.Now().After(limit) {
			c.Errorf("%s is never answered: %v", path, r.body)
			return r
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// try makes a request once, at the next gateway.
func (c *callers) try(path, body, key string) (r reply, err error) {
	c.mu.Lock()
	g := c.gateways[int(c.turn.Add(1))%len(c.gateways)]
	c.mu.Unlock()
	q, err := http.NewRequestWithContext(c.Context(), http.MethodPost, g.server+path, strings.NewReader(body))
	if err != nil {
		return r, err
	}
	q.Header.Set("Authorization", "Bearer "+g.key)
	q.Header.Set("Content-Type", "application/json")
	if key != "" {
		q.Header.Set("Idempotency-Key", key)
	}
	resp, err := (&http.Client{Timeout: time.Minute}).Do(q)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	r = reply{status: resp.StatusCode, header: resp.Header}
	return r, json.NewDecoder(resp.Body).Decode(&r.body)
}

// holds checks what was promised to everybody who was approved.
func (c *callers) holds() {
	c.Helper()
	resent := 0
	for _, p := range c.approved {
		resent += p.resent
		if got := len(c.carrier.sent(p.number)); got > 1+p.resent {
			c.Errorf("%s: %d messages, %d of them asked for again", p.id, got, p.resent)
		}
		if v := c.gateways[0].do(c.T, http.MethodGet, "/v1/verifications/"+p.id, ""); v.text("status") != "approved" {
			c.Errorf("%s was approved, and is %d %v", p.id, v.status, v.body)
		}
		if again := c.make("/v1/verifications/"+p.id+"/check", `{"code":"`+p.code+`"}`, ""); again.text("code") != "not_pending" {
			c.Errorf("%s can be approved again: %d %v", p.id, again.status, again.body)
		}
	}
	told := c.hook.approvals()
	untold := func(p *holder) bool { return told[p.id] == 0 }
	// What a dead gateway was about to tell is told when its lease ends.
	for end := time.Now().Add(3 * time.Minute); slices.ContainsFunc(c.approved, untold) && time.Now().Before(end); told = c.hook.approvals() {
		time.Sleep(20 * time.Millisecond)
	}
	for _, p := range c.approved {
		if n := told[p.id]; n != 1 {
			c.Errorf("%s: the app is told of %d approvals", p.id, n)
		}
	}
	c.Logf("%d people, %d codes asked for again; callers saw %v", len(c.approved), resent, c.trouble())
}

// approvals counts the events of approvals by verification.
func (r *receiver) approvals() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := map[string]int{}
	for id, what := range r.arrived {
		if what == "verification.approved approved" {
			n["vf_"+strings.Split(id, "_")[1]]++
		}
	}
	return n
}

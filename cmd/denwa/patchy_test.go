package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// patchyCarriers are aggregators with an HTTP API, one at each path, that
// misbehave. They know which phones their messages reached.
type patchyCarriers struct {
	server *httptest.Server

	mu      sync.Mutex
	reports []string             // where receipts go: gateways, of which some may be gone
	phones  map[string][]arrival // by number
	count   map[string]int       // of each fault
	ending  chan struct{}
	later   sync.WaitGroup
}

// arrival is a message on a phone.
type arrival struct{ delivery, code string }

// A fault is what a carrier does with a message. They arrive or not, whatever
// the answer says: that is what makes an answer ambiguous.
type fault struct {
	name    string
	arrives bool
	answer  func(c *patchyCarriers, w http.ResponseWriter, r *http.Request)
	reports []string // one after the other
}

func accept(_ *patchyCarriers, w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"id":"m-%d"}`, rand.Uint64())
}

func refuseWith(status int) func(*patchyCarriers, http.ResponseWriter, *http.Request) {
	return func(_ *patchyCarriers, w http.ResponseWriter, _ *http.Request) { http.Error(w, "{}", status) }
}

func faults() []fault {
	return []fault{
		{"delivered", true, accept, []string{"on_its_way", "ok"}},
		{"delivered, reported ten times", true, accept, strings.Split(strings.Repeat("ok ", 10), " ")[:10]},
		{"delivered, nothing reported", true, accept, nil},
		{"undelivered", false, accept, []string{"on_its_way", "lost", "lost", "lost"}},
		{"undelivered, then delivered", true, accept, []string{"lost", "ok"}},
		{"lost in silence", false, accept, nil},
		{"answers 200 with nonsense", false, func(_ *patchyCarriers, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<html>Welcome</html>")
		}, nil},
		{"hangs in the middle of its answer, and delivers", true, func(c *patchyCarriers, w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"id":`)
			_ = http.NewResponseController(w).Flush()
			c.wait(r, time.Minute)
		}, nil},
		{"hangs up, and delivers", true, func(*patchyCarriers, http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}, nil},
		{"answers after the deadline, and delivers", true, func(c *patchyCarriers, w http.ResponseWriter, r *http.Request) {
			c.wait(r, 500*time.Millisecond)
			accept(c, w, r)
		}, []string{"ok"}},
		{"redirects", false, func(_ *patchyCarriers, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, nil},
		{"is down", false, refuseWith(http.StatusServiceUnavailable), nil},
		{"throttles", false, refuseWith(http.StatusTooManyRequests), nil},
		{"refuses the key", false, refuseWith(http.StatusUnauthorized), nil},
	}
}

func newPatchyCarriers(t *testing.T) *patchyCarriers {
	t.Helper()
	c := &patchyCarriers{phones: map[string][]arrival{}, count: map[string]int{}, ending: make(chan struct{})}
	c.server = httptest.NewUnstartedServer(c)
	c.server.Config.ErrorLog = nil
	c.server.Start()
	t.Cleanup(func() {
		close(c.ending)
		c.later.Wait()
		c.server.CloseClientConnections()
		c.server.Close()
	})
	return c
}

var codeInText = regexp.MustCompile(`\b\d{6}\b`)

// ServeHTTP implements [http.Handler].
func (c *patchyCarriers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var m struct{ To, Text, Delivery, Callback string }
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || m.To == "" {
		http.Error(w, "not a message", http.StatusBadRequest)
		return
	}
	all := faults()
	f := all[rand.IntN(len(all))]
	c.mu.Lock()
	c.count[f.name]++
	if f.arrives {
		c.phones[m.To] = append(c.phones[m.To], arrival{m.Delivery, codeInText.FindString(m.Text)})
	}
	c.mu.Unlock()
	c.later.Go(func() {
		for _, status := range f.reports {
			select {
			case <-c.ending:
				return
			case <-time.After(time.Duration(20+rand.IntN(300)) * time.Millisecond):
			}
			c.tell(strings.Trim(r.URL.Path, "/"), m.Delivery, status)
		}
		c.tell(strings.Trim(r.URL.Path, "/"), "vf_somebodyelses.1", "ok")
	})
	f.answer(c, w, r)
}

// wait waits that long, or until whoever asked is gone.
func (c *patchyCarriers) wait(r *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	case <-c.ending:
	}
}

// report has receipts sent to one more gateway.
func (c *patchyCarriers) report(server string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reports = append(c.reports, server)
}

// tell sends a receipt to some gateway, as a balancer would: to one that is there.
func (c *patchyCarriers) tell(carrier, delivery, status string) {
	c.mu.Lock()
	servers := append([]string(nil), c.reports...)
	c.mu.Unlock()
	rand.Shuffle(len(servers), func(i, j int) { servers[i], servers[j] = servers[j], servers[i] })
	for _, server := range servers {
		body := strings.NewReader(fmt.Sprintf(`{"delivery":%q,"status":%q}`, delivery, status))
		r, err := http.NewRequest(http.MethodPost, server+"/callbacks/"+carrier+"/receipts", body)
		if err != nil {
			return
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Secret", "soak-secret-of-the-carriers")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode < 300 {
			return
		}
	}
}

// code is the one in the latest message on a phone.
func (c *patchyCarriers) code(number string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := c.phones[number]; len(got) > 0 {
		return got[len(got)-1].code
	}
	return ""
}

func (c *patchyCarriers) faults() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.count)
}

// check holds what arrived on the phones to what was promised.
func (c *patchyCarriers) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for number, got := range c.phones {
		if len(got) > soakSends {
			t.Errorf("%s got %d messages; max_sends is %d", number, len(got), soakSends)
		}
		once := map[string]bool{}
		for _, m := range got {
			if once[m.delivery] {
				t.Errorf("%s got delivery %s twice", number, m.delivery)
			}
			once[m.delivery] = true
			if m.code != got[0].code {
				t.Errorf("%s got different codes", number)
			}
		}
	}
}

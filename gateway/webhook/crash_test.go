package webhook

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"denwa/gateway"
	"denwa/ratelimit/redistest"
)

// TestKillLosesNothing kills a gateway (kill -9) while some events are
// delivered, some are on their way and some wait. Another one delivers the rest.
func TestKillLosesNothing(t *testing.T) {
	const child = "DENWA_TEST_CRASH" // address of Redis and of the receiver
	if where := os.Getenv(child); where != "" {
		address, url, _ := strings.Cut(where, " ")
		to := map[string]gateway.Webhook{"app": {URL: url, Secret: secretOf("now"), AllowPrivate: true}}
		newDispatcher(t, newQueue(t, address), to).Run(t.Context()) // until it is killed
		return
	}
	const answered, total = 20, 60
	var requests atomic.Int32
	r := newReceiver(t, func(_ http.ResponseWriter, r *http.Request) {
		if n := requests.Add(1); n > answered && n <= total {
			<-r.Context().Done()
		}
	})
	address := redistest.Start(t).Addr()
	q := newQueue(t, address)
	events := q.emitMany("app", total)

	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKillLosesNothing$")
	cmd.Env = append(os.Environ(), child+"="+address+" "+r.URL)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	within(t, "some delivered, some on their way", func() bool { return len(r.got()) == answered+concurrency })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed

	requests.Store(total)
	before := r.deliveries()
	if left := q.backlog("app"); left < total-answered || left == 0 {
		t.Fatalf("%d events left", left)
	}
	q.pass(2 * lease) // its clock began a little later than this one
	newDispatcher(t, q, map[string]gateway.Webhook{"app": {URL: r.URL, Secret: secretOf("now"), AllowPrivate: true}}).run(t)
	within(t, "nothing left", func() bool { return q.backlog("app") == 0 })
	after := r.deliveries()
	for _, id := range events {
		if after[id] == 0 {
			t.Errorf("%s was lost", id)
		}
	}
	again := 0
	for id := range before {
		if after[id] > before[id] {
			again++
		}
	}
	if len(after) != total || again < concurrency {
		t.Errorf("%d of %d ids; %d that were on their way came again, want %d", len(after), total, again, concurrency)
	}
}

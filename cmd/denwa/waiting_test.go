package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/config"
	"denwa/ratelimit/redistest"
)

// waiter is a client that waits for a verification to end, over a connection
// of its own.
type waiter struct {
	net.Conn
	r *bufio.Reader
}

// wait asks for a path of the verification with id, "?wait=60" or "/events".
func (r *running) wait(tb testing.TB, id, path string) *waiter {
	tb.Helper()
	u, err := url.Parse(r.server)
	if err != nil {
		tb.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	if _, err := fmt.Fprintf(conn, "GET /v1/verifications/%s%s HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer %s\r\n\r\n", id, path, r.key); err != nil {
		tb.Fatal(err)
	}
	return &waiter{conn, bufio.NewReaderSize(conn, 1024)}
}

// sees reads until the reply says that the verification has status.
func (w *waiter) sees(status string) error {
	if err := w.SetReadDeadline(time.Now().Add(55 * time.Second)); err != nil {
		return err
	}
	resp, err := http.ReadResponse(w.r, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var text strings.Builder
	b := make([]byte, 4096)
	for !strings.Contains(text.String(), `"status":"`+status+`"`) {
		n, err := resp.Body.Read(b)
		text.Write(b[:n])
		switch {
		case n > 0:
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%s: %s", resp.Status, &text)
		case err != nil:
			return err
		}
	}
	return nil
}

// settled is a verification of a number whose message has arrived, so that
// nothing will happen to it by itself.
func (r *running) settled(tb testing.TB, number string) (id string) {
	tb.Helper()
	id = r.begin(tb, number)
	r.settle(tb, id)
	return id
}

func (r *running) begin(tb testing.TB, number string) (id string) {
	tb.Helper()
	started := r.ask(tb, "/v1/verifications", `{"to":"`+number+`"}`)
	return regexp.MustCompile(`vf_\w+`).FindString(started)
}

func (r *running) settle(tb testing.TB, id string) {
	tb.Helper()
	r.reaches(tb, id, "delivered")
}

// reaches waits until a delivery of id has a status.
func (r *running) reaches(tb testing.TB, id, status string) {
	tb.Helper()
	for range 500 {
		if strings.Contains(r.ask(tb, "/v1/verifications/"+id, ""), `"`+status+`"`) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	tb.Errorf("no delivery of %s is %s", id, status)
}

// ask makes a request, a POST if it has a body, and returns what is answered.
func (r *running) ask(tb testing.TB, path, body string) string {
	tb.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	q, err := http.NewRequestWithContext(tb.Context(), method, r.server+path, strings.NewReader(body))
	if err != nil {
		tb.Error(err)
		return ""
	}
	q.Header.Set("Authorization", "Bearer "+r.key)
	q.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		tb.Error(err)
		return ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		tb.Errorf("%s %s: %s %s, %v", method, path, resp.Status, text, err)
	}
	return string(text)
}

// TestKeyPressWakesEveryInstance: a key is pressed at one gateway, and who waits
// at another one sees it, by either way of waiting.
func TestKeyPressWakesEveryInstance(t *testing.T) {
	t.Parallel()
	path := redisConfig(t, redistest.Start(t).Addr(), "").path
	here, there := serving(t, "--config", path), serving(t, "--config", path)
	id := there.post(t, "/v1/verifications", `{"to":"090-1234-5678","channel":"voice"}`).text("id")
	const number = "+819012345678"
	there.keys(t, there.phoneCall(t, number, "ringing", false), "answer", "")
	call := there.phoneCall(t, number, "answered", true)
	there.reaches(t, id, "answered") // or the wait would end with that

	var polls, streams []*waiter
	for _, g := range []*running{here, there} {
		for range 5 {
			polls = append(polls, g.wait(t, id, "?wait=60"))
			streams = append(streams, g.wait(t, id, "/events"))
		}
	}
	time.Sleep(300 * time.Millisecond) // mostly they wait by then; who comes later sees it, too
	pressed := time.Now()
	there.keys(t, call, "press", `{"digits":"#"}`)
	for i, w := range polls {
		if err := w.sees("approved"); err != nil {
			t.Errorf("poll %d: %v", i, err)
		}
	}
	// Without a wake-up they would look again when their minute is over. A stream
	// looks with each heartbeat, so its time says less.
	took := time.Since(pressed)
	if t.Logf("all %d polls knew after %v", len(polls), took); took > 45*time.Second {
		t.Error("nobody woke them")
	}
	for i, w := range streams {
		if err := w.sees("approved"); err != nil {
			t.Errorf("stream %d: %v", i, err)
		}
	}
}

// connections is how many there are to the Redis at address, this one not counted.
func connections(tb testing.TB, address string) int {
	tb.Helper()
	client := redis.NewClient(&redis.Options{Addr: address})
	defer client.Close()
	info, err := client.Info(tb.Context(), "clients").Result()
	if err != nil {
		tb.Fatal(err)
	}
	n, err := strconv.Atoi(regexp.MustCompile(`connected_clients:(\d+)`).FindStringSubmatch(info)[1])
	if err != nil {
		tb.Fatal(err)
	}
	return n - 1
}

// crowd has n clients wait here, each for a verification of its own that began
// there, half by each way of waiting. address is of their Redis.
func crowd(tb testing.TB, address string, here, there *running, n int) (ids []string, waiters []*waiter) {
	tb.Helper()
	ids, waiters = make([]string, n), make([]*waiter, n)
	several(n, func(i int) { ids[i] = there.begin(tb, fmt.Sprintf("+8190%08d", 10_000_000+i)) })
	several(n, func(i int) { there.settle(tb, ids[i]) })
	for i, id := range ids {
		waiters[i] = here.wait(tb, id, []string{"?wait=60", "/events"}[i%2])
		// Many at once would have to wait for a connection to Redis, too long for
		// some where the machine is busy: those would be told to try later.
		if (i+1)%100 == 0 || i+1 == n {
			subscribed(tb, address, i+1)
		}
	}
	return ids, waiters
}

// several does work n times, as many at once as [http.DefaultClient] keeps
// connections for.
func several(n int, work func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range http.DefaultMaxIdleConnsPerHost {
		wg.Go(func() {
			for i := range next {
				work(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// subscribed waits until Redis has a subscription for each of n verifications.
func subscribed(tb testing.TB, address string, n int) {
	tb.Helper()
	client := redis.NewClient(&redis.Options{Addr: address})
	defer client.Close()
	var got int
	for range 1000 {
		if got = len(client.PubSubChannels(tb.Context(), "*").Val()); got == n {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	tb.Fatalf("%d verifications are waited for, want %d", got, n)
}

// crowdConfig is for many requests over few connections to Redis.
func crowdConfig(tb testing.TB, redis string, pool int) string {
	tb.Helper()
	path := tb.TempDir() + "/denwa.yaml"
	text := fmt.Sprintf(`
keys: {master: %q}
store: {type: redis, addresses: [%q], pool_size: %d}
providers: [{name: sandbox, type: sandbox}]
limits: {app: {count: 0}, api_key: {count: 0}}
log: {level: warn}
apps: [{name: portal, brand: Example, api_keys: [{id: k1, sha256: %q}]}]
`, testMaster, redis, pool, hashKey(config.PlaygroundKey))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// TestManyWaitersFewConnections: 1,000 clients wait at a gateway that may have
// eight connections to Redis, and one more for all that wait. Each sees the end
// of its verification, which comes about elsewhere.
func TestManyWaitersFewConnections(t *testing.T) {
	t.Parallel()
	// go-redis has connections for pipelines beside the pool: as many, at most 16.
	const waiting, pool, most = 1000, 8, 2 * (8 + 8 + 1)
	address := redistest.Start(t).Addr()
	path := crowdConfig(t, address, pool)
	here, there := serving(t, "--config", path), serving(t, "--config", path)
	ids, waiters := crowd(t, address, here, there, waiting)
	if n := connections(t, address); n > most {
		t.Errorf("%d connections to Redis while %d wait, want at most %d", n, waiting, most)
	}

	errs := make(chan error, waiting)
	for _, w := range waiters {
		go func() { errs <- w.sees("canceled") }()
	}
	began := time.Now()
	several(waiting, func(i int) { there.ask(t, "/v1/verifications/"+ids[i]+"/cancel", "{}") })
	canceled := time.Now()
	for range waiters {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d cancellations took %v, and the last client knew %v later", waiting, canceled.Sub(began), time.Since(canceled))
	subscribed(t, address, 0)
	if n := connections(t, address); n > most {
		t.Errorf("%d connections to Redis afterwards, want at most %d", n, most)
	}
}

// resident is the memory of g's process, in bytes.
func (r *running) resident(tb testing.TB) float64 {
	tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.Process.Pid))
	if err != nil {
		tb.Skip("it needs Linux: ", err)
	}
	kilobytes, err := strconv.ParseFloat(regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindStringSubmatch(string(text))[1], 64)
	if err != nil {
		tb.Fatal(err)
	}
	return kilobytes * 1024
}

// BenchmarkWaiting measures a gateway at which 10,000 clients wait: its resident
// memory, its connections to Redis, and the time from a change at another
// gateway until a client sees it.
func BenchmarkWaiting(b *testing.B) {
	const waiting = 10_000
	address := redistest.Start(b).Addr()
	path := crowdConfig(b, address, 64)
	here, there := serving(b, "--config", path), serving(b, "--config", path)
	idle := here.resident(b)
	crowd(b, address, here, there, waiting)
	full, held := here.resident(b), connections(b, address)
	n := 0
	for b.Loop() {
		b.StopTimer()
		n++
		id := there.settled(b, fmt.Sprintf("+8180%08d", 10_000_000+n))
		w := here.wait(b, id, "?wait=60")
		subscribed(b, address, waiting+1)
		b.StartTimer()
		there.ask(b, "/v1/verifications/"+id+"/cancel", "{}")
		if err := w.sees("canceled"); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = w.Close()
		subscribed(b, address, waiting)
		b.StartTimer()
	}
	b.ReportMetric(full/(1<<20), "MiB-resident")
	b.ReportMetric((full-idle)/waiting/1024, "KiB/waiter")
	b.ReportMetric(float64(held), "store-conns")
}

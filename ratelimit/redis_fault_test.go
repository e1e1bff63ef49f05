package ratelimit

import (
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/ratelimit/redistest"
)

// pair is the same limit failing open and failing closed.
func pair() (open, closed Bucket) {
	open = Bucket{Name: ClientAddress, Limit: fivePerHour, Key: "address"}
	open.Limit.OnError = Open
	return open, Bucket{Name: App, Limit: fivePerHour, Key: "portal"}
}

// checkFailure spends while the store can't be asked.
func checkFailure(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	open, closed := pair()

	d, err := s.Spend(ctx, open)
	if err != nil || !d[0].Allowed || d[0].Unchecked == nil || d[0].Limit != ClientAddress {
		t.Errorf("open: %+v, %v, want it allowed and marked", d[0], err)
	}

	for name, buckets := range map[string][]Bucket{"closed": {closed}, "open and closed": {open, closed}} {
		d, err = s.Spend(ctx, buckets...)
		if err == nil || !strings.HasPrefix(err.Error(), `ask limit "app": `) || strings.Contains(err.Error(), "portal") {
			t.Errorf("%s: error %v", name, err)
		}
		if last := d[len(d)-1]; last.Allowed || last.Unchecked != nil || last.Limit != App {
			t.Errorf("%s: %+v, want it refused", name, last)
		}
	}

	if d, err := s.Spend(ctx, Bucket{Name: App, Key: "portal"}); err != nil || !d[0].Allowed || d[0].Unchecked != nil {
		t.Errorf("off: %+v, %v, want it allowed without asking", d[0], err)
	}
	if err := s.Refund(ctx, closed); err == nil || !strings.HasPrefix(err.Error(), `refund limit "app": `) {
		t.Errorf("refund: error %v", err)
	}
}

func TestServerKilled(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := NewRedis(connect(t, server.Addr()), Prefix)
	open, closed := pair()
	if _, err := s.Spend(t.Context(), open, closed); err != nil {
		t.Fatal(err)
	}

	server.Kill()
	checkFailure(t, s)
	_, err := s.Spend(t.Context(), closed)
	if netErr := net.Error(nil); !errors.As(err, &netErr) {
		t.Errorf("the cause is lost: %v", err)
	}

	// What comes back is empty and knows no script. Dead connections are noticed by use.
	server.Restart()
	if d := spendOne(t, s, closed); !d.Allowed || d.Remaining != 4 || d.Unchecked != nil {
		t.Errorf("after the restart: %+v", d)
	}
}

// Killed under load: every request is answered by the rule of its limit, and
// none is allowed as checked beyond the burst.
func TestServerKilledUnderLoad(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := NewRedis(connect(t, server.Addr()), Prefix)
	open, closed := pair()
	var checked, unchecked, failed, refused atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	finish := sync.OnceFunc(func() { close(stop); wg.Wait() })
	defer finish()
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				d, err := s.Spend(t.Context(), open)
				switch {
				case err != nil:
					t.Errorf("an open limit failed: %v", err)
				case d[0].Unchecked != nil:
					unchecked.Add(1)
				case d[0].Allowed:
					checked.Add(1)
				default:
					refused.Add(1)
				}
				d, err = s.Spend(t.Context(), closed)
				if err != nil {
					failed.Add(1)
				}
				if d[0].Unchecked != nil || err != nil && d[0].Allowed {
					t.Errorf("a closed limit allowed unchecked: %+v, %v", d[0], err)
				}
			}
		})
	}
	waitFor(t, func() bool { return refused.Load() > 100 })
	server.Kill()
	waitFor(t, func() bool { return unchecked.Load() > 100 && failed.Load() > 100 })
	finish()
	if n := checked.Load(); n != 5 {
		t.Errorf("%d allowed as checked, want 5", n)
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never happened")
		}
	}
}

// A server that hangs is a server that can't be asked, once the client's patience ends.
func TestServerHangs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, ReadTimeout: 100 * time.Millisecond})
	t.Cleanup(func() { _ = c.Close() })
	s := NewRedis(c, Prefix)
	_, closed := pair()
	if _, err := s.Spend(t.Context(), closed); err != nil {
		t.Fatal(err)
	}
	server.Pause()
	checkFailure(t, s)
	server.Resume()
	waitFor(t, func() bool {
		d, err := s.Spend(t.Context(), closed)
		return err == nil && d[0].Unchecked == nil
	})
}

// Buckets in different slots of a real cluster, in one call; and the half of
// it that still answers when the other half is gone.
func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t, 3)
	var addrs []string
	for _, n := range nodes {
		addrs = append(addrs, n.Addr())
	}
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, MaxRedirects: 1, DialerRetries: 1, DialTimeout: time.Second, ReadTimeout: time.Second})
	t.Cleanup(func() { _ = c.Close() })
	s := NewRedis(c, Prefix)

	// One bucket on each node: the slots of their tags are 3300, 7365 and 15495.
	buckets := []Bucket{
		{Name: ClientAddress, Limit: fivePerHour, Key: "b"},
		{Name: App, Limit: fivePerHour, Key: "c"},
		{Name: NumberDay, Limit: fivePerHour, Key: "a"},
	}
	d, err := s.Spend(t.Context(), buckets...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range nodes {
		if !d[i].Allowed || d[i].Remaining != 4 {
			t.Errorf("%+v", d[i])
		}
		alone := connect(t, addrs[i])
		if n := alone.DBSize(t.Context()).Val(); n != 1 {
			t.Errorf("node %d holds %d buckets, want 1", i, n)
		}
	}

	nodes[2].Kill()
	d, err = s.Spend(t.Context(), buckets...)
	if err == nil || !strings.HasPrefix(err.Error(), `ask limit "number_day": `) || strings.Contains(err.Error(), `"app"`) {
		t.Errorf("with one node gone: %v", err)
	}
	if d[2].Allowed || !d[1].Allowed {
		t.Errorf("with one node gone: %+v", d)
	}
	buckets[2].Limit.OnError = Open
	d, err = s.Spend(t.Context(), buckets...)
	if err != nil || d[2].Unchecked == nil {
		t.Fatalf("with one node gone, open: %+v, %v", d, err)
	}
	// Spent three times, once for nothing and refunded.
	if d[0].Remaining != 3 || d[1].Remaining != 3 {
		t.Errorf("%d and %d left, want 3: the failed call was not refunded", d[0].Remaining, d[1].Remaining)
	}
}

package redisstore_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"denwa/gateway"
	"denwa/gateway/redisstore"
	"denwa/ratelimit/redistest"
)

// connectSlowly is a client that gives Redis more time than a test has, so that
// whoever waits for an answer fails the test.
func connectSlowly(t *testing.T, address string) redis.UniversalClient {
	c := redisstore.DefaultConfig()
	c.Addresses, c.Timeout = []string{address}, 30*time.Second
	return connect(t, c)
}

func watch(tb testing.TB, s *redisstore.Store, id gateway.ID) <-chan struct{} {
	tb.Helper()
	changed, stop, err := s.Watch(tb.Context(), id)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(stop)
	return changed
}

// started is a verification that has begun.
func started(tb testing.TB, s *redisstore.Store, number int) gateway.ID {
	tb.Helper()
	r := record(testKeyring(tb), "app", fmt.Sprintf("+8190%08d", number))
	if c, err := s.Start(tb.Context(), r, begin(), generous(), time.Hour); err != nil || c.Effect != gateway.EffectCreated {
		tb.Fatal(c, err)
	}
	return r.ID
}

func cancel(tb testing.TB, s *redisstore.Store, id gateway.ID) {
	tb.Helper()
	if c, err := s.Apply(tb.Context(), id, "app", gateway.Cancel{}, generous()); err != nil || c.Effect != gateway.EffectCanceled {
		tb.Fatal(c, err)
	}
}

// TestWatchDoesNotWaitForRedis: while Redis hangs, waiters come and go as if
// nothing were, and those that stay are woken when it answers again.
func TestWatchDoesNotWaitForRedis(t *testing.T) {
	t.Parallel()
	for _, connected := range []bool{false, true} {
		t.Run(fmt.Sprintf("connected=%v", connected), func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			s := newStore(t, connectSlowly(t, server.Addr()))
			first, second := started(t, s, 1), started(t, s, 2)
			if connected {
				awaitWake(t, watch(t, s, started(t, s, 3)))
			}
			server.Pause()
			stay := []<-chan struct{}{watch(t, s, first), watch(t, s, second)}
			passed := make(chan struct{})
			go func() {
				defer close(passed)
				var wg sync.WaitGroup
				for range 100 {
					wg.Go(func() {
						if _, stop, err := s.Watch(context.Background(), first); err == nil {
							stop()
						}
					})
				}
				wg.Wait()
			}()
			awaitWake(t, passed)
			server.Resume()
			for _, changed := range stay {
				awaitWake(t, changed)
			}
			cancel(t, s, first)
			cancel(t, s, second)
			for _, changed := range stay {
				awaitWake(t, changed)
			}
		})
	}
}

// severed is a network whose connections can go dead: nothing is closed,
// nothing arrives, as when the machine at the other end is gone.
type severed struct{ cut atomic.Pointer[chan struct{}] }

type severedConn struct {
	net.Conn
	cut chan struct{}
}

func (n *severed) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	return &severedConn{Conn: conn, cut: *n.cut.Load()}, err
}

// sever cuts all connections there are. New ones work.
func (n *severed) sever() {
	next := make(chan struct{})
	if was := n.cut.Swap(&next); was != nil {
		close(*was)
	}
}

func (c *severedConn) dead() bool {
	select {
	case <-c.cut:
		return true
	default:
		return false
	}
}

func (c *severedConn) Write(b []byte) (int, error) {
	if c.dead() {
		return len(b), nil // as far as the kernel's buffer
	}
	return c.Conn.Write(b)
}

func (c *severedConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.dead() {
			return n, err
		}
	}
}

// TestWatchNoticesSilence: the connection is dead and nobody says so. Who waits
// is woken by another one.
func TestWatchNoticesSilence(t *testing.T) {
	t.Parallel()
	var network severed
	network.sever()
	client := redis.NewClient(&redis.Options{Addr: redistest.Start(t).Addr(), MaxRetries: -1, Dialer: network.dial})
	t.Cleanup(func() { _ = client.Close() })
	s := newStore(t, client)
	changed := watch(t, s, started(t, s, 1))
	awaitWake(t, changed)
	network.sever()
	awaitWake(t, changed)
}

// TestWatchSubscribesAnew after connections that were closed, and after a
// restart, for all that wait and for nobody else.
func TestWatchSubscribesAnew(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := redisstore.DefaultConfig()
	c.Addresses = []string{server.Addr()}
	client := connect(t, c)
	s := newStore(t, client)
	changed := watch(t, s, started(t, s, 1))
	_, stop, err := s.Watch(t.Context(), started(t, s, 2))
	if err != nil {
		t.Fatal(err)
	}
	awaitWake(t, changed)
	stop()
	for range 3 {
		if n, err := client.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Result(); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		awaitWake(t, changed)
	}
	server.Restart()
	awaitWake(t, changed)
	if channels := client.PubSubChannels(t.Context(), "*").Val(); len(channels) != 1 {
		t.Errorf("subscribed to %d channels, one is watched", len(channels))
	}
}

// TestWatchLeaveAndReturn: of waiters that come and go at once, each is woken
// when it comes, and by a change.
func TestWatchLeaveAndReturn(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		s := newStore(t, client)
		var wg sync.WaitGroup
		for n := range 20 {
			id := started(t, s, n)
			wg.Go(func() {
				for range 20 {
					changed, stop, err := s.Watch(context.Background(), id)
					if err != nil {
						t.Error(err)
						return
					}
					select {
					case <-changed:
					case <-time.After(time.Minute):
						t.Error("nobody woke a waiter that came back")
					}
					stop()
				}
				changed := watch(t, s, id)
				awaitNoted(t, changed)
				cancel(t, s, id)
				awaitNoted(t, changed)
			})
		}
		wg.Wait()
	})
}

// awaitNoted is awaitWake outside of the test's own goroutine.
func awaitNoted(t *testing.T, changed <-chan struct{}) {
	t.Helper()
	select {
	case <-changed:
	case <-time.After(time.Minute):
		t.Error("nobody woke the waiter")
	}
}

// TestManyWaitersShareAConnection has 10,000 wait at once: Redis sees one
// connection for them, beside the pool, and those whose verification changes
// are woken, and nobody else.
func TestManyWaitersShareAConnection(t *testing.T) {
	t.Parallel()
	const waiting, changing, poolSize = 10_000, 200, 8
	c := redisstore.DefaultConfig()
	c.Addresses, c.PoolSize = []string{redistest.Start(t).Addr()}, poolSize
	client := connect(t, c)
	here, there := newStore(t, client), newStore(t, client)
	keys := testKeyring(t)
	ids := make([]gateway.ID, waiting)
	changed := make([]<-chan struct{}, waiting)
	stops := make([]func(), waiting)
	for i := range waiting {
		if i < changing {
			ids[i] = started(t, there, i)
		} else {
			ids[i] = keys.NewID(keys.NumberName("+819012345678"), 6, nil)
		}
		var err error
		if changed[i], stops[i], err = here.Watch(t.Context(), ids[i]); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range changed {
		awaitWake(t, c)
	}
	var wg sync.WaitGroup
	for i := range changing {
		wg.Go(func() { cancel(t, there, ids[i]) })
	}
	wg.Wait()
	for _, c := range changed[:changing] {
		awaitWake(t, c)
	}
	for i, c := range changed[changing:] {
		if len(c) > 0 {
			t.Fatalf("waiter %d was woken for nothing", changing+i)
		}
	}
	list := client.ClientList(t.Context()).Val()
	if n := strings.Count(list, "\n"); n > poolSize+1 || !strings.Contains(list, fmt.Sprintf(" sub=%d ", waiting)) {
		t.Errorf("%d connections for %d waiters:\n%s", n, waiting, list)
	}
	for _, stop := range stops {
		stop()
	}
	left := func() int { return len(client.PubSubChannels(t.Context(), "*").Val()) }
	for range 500 {
		if left() == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := left(); n != 0 {
		t.Errorf("%d channels are subscribed for nobody", n)
	}
}

// TestWatchAfterClose: a store that is closed leaves nothing running and takes
// no waiters.
func TestWatchAfterClose(t *testing.T) {
	server := redistest.Start(t)
	for _, hung := range []bool{false, true} {
		t.Run(fmt.Sprintf("hung=%v", hung), func(t *testing.T) {
			c := redisstore.DefaultConfig()
			c.Addresses, c.Timeout = []string{server.Addr()}, 200*time.Millisecond
			client := connect(t, c)
			before := goleak.IgnoreCurrent()
			s := newStore(t, client)
			id := started(t, s, 1+len(t.Name()))
			awaitWake(t, watch(t, s, id))
			if hung {
				server.Pause()
				watch(t, s, testKeyring(t).NewID(testKeyring(t).NumberName("+819087654321"), 6, nil))
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, _, err := s.Watch(t.Context(), id); err == nil {
				t.Error("a closed store takes a waiter")
			}
			goleak.VerifyNone(t, before)
		})
	}
}

// BenchmarkWaiters reports what a waiter costs this process, and how long a
// change takes to reach one of 10,000.
func BenchmarkWaiters(b *testing.B) {
	const waiting = 10_000
	client := backends()[0].start(b)
	here, there := newStore(b, client), newStore(b, client)
	keys := testKeyring(b)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := heap()
	all := make([]<-chan struct{}, waiting)
	for i := range all {
		changed, stop, err := here.Watch(b.Context(), keys.NewID(keys.NumberName("+819012345678"), 6, nil))
		if err != nil {
			b.Fatal(err)
		}
		defer stop()
		all[i] = changed
	}
	for _, changed := range all {
		<-changed
	}
	each := float64(heap()-before) / waiting
	n := 0
	for b.Loop() {
		b.StopTimer()
		n++
		id := started(b, there, n)
		changed, stop, err := here.Watch(b.Context(), id)
		if err != nil {
			b.Fatal(err)
		}
		<-changed
		b.StartTimer()
		cancel(b, there, id)
		<-changed
		stop()
	}
	b.ReportMetric(each, "bytes/waiter")
}

package redisstore

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Embedded is a store inside this process, for trying Denwa out: it runs the
// same scripts, speaks to nobody else, and keeps nothing when it ends.
// docs/embedded-store.md says how it differs from Redis.
type Embedded struct {
	server *miniredis.Miniredis
	stop   chan struct{}
	once   sync.Once
	done   sync.WaitGroup

	dialling sync.Mutex
	closed   bool
}

// ttlTick is how often the embedded store's TTLs count down. The scripts compare
// times themselves, so a late TTL only frees memory late.
const ttlTick = time.Second

// StartEmbedded starts an embedded store. It listens on no port.
func StartEmbedded() *Embedded {
	e := &Embedded{server: miniredis.NewMiniRedis(), stop: make(chan struct{})}
	e.done.Go(func() {
		ticker := time.NewTicker(ttlTick)
		defer ticker.Stop()
		last := time.Now()
		for {
			select {
			case <-e.stop:
				return
			case now := <-ticker.C:
				e.server.FastForward(now.Sub(last))
				last = now
			}
		}
	})
	return e
}

// Client returns a client of the store.
func (e *Embedded) Client() redis.UniversalClient {
	return newClient(&redis.UniversalOptions{
		Addrs:  []string{"embedded"},
		Dialer: func(context.Context, string, string) (net.Conn, error) { return e.dial() },
	})
}

// dial connects to the store. A client dials in the background, also when nobody
// needs it any more; a server that ends would race with that, and one that has
// ended would begin again.
func (e *Embedded) dial() (net.Conn, error) {
	e.dialling.Lock()
	defer e.dialling.Unlock()
	if e.closed {
		return nil, net.ErrClosed
	}
	conn, err := e.server.Dial()
	if err != nil {
		return nil, err
	}
	return newPipeConn(conn), nil
}

// Dump is all that the store holds, as text, for tests that search it.
func (e *Embedded) Dump() string { return e.server.Dump() }

// Close ends the store.
func (e *Embedded) Close() error {
	e.once.Do(func() {
		close(e.stop)
		e.done.Wait()
		e.dialling.Lock()
		e.closed = true
		e.dialling.Unlock()
		e.server.Close()
	})
	return nil
}

package redisstore

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"denwa/ratelimit/redistest"
)

// deaf is a connection on which the answer to a script never comes.
type deaf struct {
	net.Conn

	cut   *atomic.Bool
	asked bool
}

func (d *deaf) Write(b []byte) (int, error) {
	if d.cut.Load() && bytes.Contains(bytes.ToLower(b), []byte("eval")) {
		d.asked = true
	}
	return d.Conn.Write(b)
}

func (d *deaf) Read(b []byte) (int, error) {
	n, err := d.Conn.Read(b)
	if d.asked {
		_ = d.Close()
		return 0, io.EOF
	}
	return n, err
}

// TestNothingIsSentTwice: a script whose answer got lost has run, and isn't run
// again by itself, whatever kind of store it is.
func TestNothingIsSentTwice(t *testing.T) {
	for name, start := range map[string]func(t *testing.T) *redis.UniversalOptions{
		"one": func(t *testing.T) *redis.UniversalOptions {
			return &redis.UniversalOptions{Addrs: []string{redistest.Start(t).Addr()}}
		},
		"cluster": func(t *testing.T) *redis.UniversalOptions {
			return &redis.UniversalOptions{Addrs: []string{redistest.StartCluster(t, 1)[0].Addr()}, IsClusterMode: true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var cut atomic.Bool
			o := start(t)
			o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
				return &deaf{Conn: conn, cut: &cut}, err
			}
			client := newClient(o)
			t.Cleanup(func() { _ = client.Close() })
			count := redis.NewScript(`return redis.call('INCR', KEYS[1])`)
			run := func() (int, error) { return count.Run(t.Context(), client, []string{"{a}n"}).Int() }
			if n, err := run(); n != 1 || err != nil {
				t.Fatal(n, err)
			}

			cut.Store(true)
			if n, err := run(); err == nil {
				t.Errorf("an answer came: %d", n)
			}
			_, err := client.Pipelined(t.Context(), func(p redis.Pipeliner) error {
				count.EvalSha(t.Context(), p, []string{"{a}n"})
				count.EvalSha(t.Context(), p, []string{"{a}n"})
				return nil
			})
			if err == nil {
				t.Error("the answer to a pipeline came")
			}

			cut.Store(false)
			if n, err := run(); n != 5 || err != nil {
				t.Errorf("after one and two that were lost: %d, %v; want 5", n, err)
			}
		})
	}
}

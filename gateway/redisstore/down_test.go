package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway/redisstore"
	"denwa/ratelimit/redistest"
)

// nobody is an address where no Redis answers.
const nobody = "127.0.0.1:1"

// TestSweepSaysOnceWhatIsWrong: not once for each of all tags.
func TestSweepSaysOnceWhatIsWrong(t *testing.T) {
	c := redisstore.DefaultConfig()
	c.Addresses = []string{nobody}
	_, err := newStore(t, connect(t, c)).Sweep(t.Context())
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("Sweep without Redis: %q", err)
	}
}

// TestNothingBesideTheLog: go-redis doesn't write to stderr by itself, where it
// would stand between the lines of the log.
func TestNothingBesideTheLog(t *testing.T) {
	const child = "DENWA_TEST_CHILD"
	if os.Getenv(child) != "" {
		c := redisstore.DefaultConfig()
		c.Addresses = []string{nobody}
		if err := connect(t, c).Ping(t.Context()).Err(); err == nil {
			t.Error("something answers at " + nobody)
		}
		return
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNothingBesideTheLog$")
	cmd.Env, cmd.Stderr = append(os.Environ(), child+"=1"), &stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr: %s", stderr.Bytes())
	}
}

// TestWatchWhileDownLeavesNothing: what was watched while Redis was down isn't
// subscribed later, when Redis is back and nobody waits for it any more.
func TestWatchWhileDownLeavesNothing(t *testing.T) {
	var up atomic.Bool
	address := redistest.Start(t).Addr()
	client := redis.NewClient(&redis.Options{
		MaxRetries: -1, DialerRetries: 1,
		Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
			if !up.Load() {
				return nil, errors.New("down")
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	})
	t.Cleanup(func() { _ = client.Close() })
	store, keys := newStore(t, client), testKeyring(t)
	number := keys.NumberName("+819012345678")
	for range 10 {
		changed, stop, err := store.Watch(t.Context(), keys.NewID(number, 6, nil))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if len(changed) > 0 {
				t.Error("woken by nobody")
			}
		}()
		stop()
	}
	up.Store(true)
	changed, stop, err := store.Watch(t.Context(), keys.NewID(number, 6, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	select {
	case <-changed:
	case <-time.After(time.Minute):
		t.Fatal("no subscription")
	}
	if channels := client.PubSubChannels(t.Context(), "*").Val(); len(channels) != 1 {
		t.Errorf("subscribed to %d channels, one is watched", len(channels))
	}
}

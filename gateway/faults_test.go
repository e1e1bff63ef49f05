package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/gateway/redisstore"
	"denwa/ratelimit"
	"denwa/ratelimit/redistest"
)

// TestRedisDown: while the store doesn't answer nothing is sent and every call
// says so; when it is back, all goes on.
func TestRedisDown(t *testing.T) {
	server := redistest.Start(t)
	g := newGateway(t, connect(t, server))
	v := g.start(mobile)
	code := g.lastCode("+819012345678")
	g.settle(v)
	server.Kill()

	ctx, app := t.Context(), g.app("portal")
	_, started := g.Start(ctx, app, gateway.StartRequest{To: "090-8765-4321"})
	_, _, checked := g.Check(ctx, app, string(v.ID), code)
	_, resent := g.Resend(ctx, app, string(v.ID), "")
	_, canceled := g.Cancel(ctx, app, string(v.ID))
	_, read := g.Get(ctx, app, string(v.ID))
	_, waited := g.WaitSince(ctx, app, string(v.ID), time.Time{}, time.Second)
	for what, err := range map[string]error{"start": started, "check": checked, "resend": resent, "cancel": canceled, "get": read, "wait": waited} {
		var e *gateway.Error
		if !errors.As(err, &e) || e.Code != gateway.CodeUnavailable || e.RetryAfter <= 0 {
			t.Errorf("%s: %v", what, err)
		}
	}
	if g.Ready(ctx) == nil {
		t.Error("it says that it is ready")
	}
	if n := len(g.messages("+819087654321")); n != 0 {
		t.Errorf("%d messages were sent that nobody recorded", n)
	}

	server.Restart()
	v = g.start("090-8765-4321")
	if valid, _, err := g.Check(ctx, app, string(v.ID), g.lastCode("+819087654321")); !valid || err != nil {
		t.Errorf("after the restart: %v, %v", valid, err)
	}
}

// TestRedisHangs: a store that takes requests and doesn't answer is as good as down.
func TestRedisHangs(t *testing.T) {
	server := redistest.Start(t)
	c := redisstore.DefaultConfig()
	c.Addresses, c.Timeout = []string{server.Addr()}, 200*time.Millisecond
	client, closer, err := redisstore.Connect(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closer() })
	g := newGateway(t, client)
	v := g.start(mobile)
	g.settle(v)
	server.Pause()
	if _, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: "090-8765-4321"}); gateway.CodeOf(err) != gateway.CodeUnavailable {
		t.Errorf("%v", err)
	}
	server.Resume()
	if n := len(g.messages("+819087654321")); n != 0 {
		t.Errorf("%d messages", n)
	}
	if got, err := g.Get(t.Context(), g.app("portal"), string(v.ID)); err != nil || got.Status != gateway.Pending {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestLimitsWithoutTheirStore(t *testing.T) {
	for _, onError := range []ratelimit.OnError{ratelimit.Closed, ratelimit.Open} {
		t.Run(string(onError), func(t *testing.T) {
			limits := redistest.Start(t)
			g := newGatewayWith(t, connect(t, redistest.Start(t)), connect(t, limits), func(c *gateway.Config) {
				c.Limits.App.OnError = onError
			})
			limits.Kill()
			_, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{To: mobile})
			if closed := gateway.CodeOf(err) == gateway.CodeUnavailable; closed != (onError == ratelimit.Closed) {
				t.Errorf("%v", err)
			}
			if n := len(g.messages("+819012345678")); (n == 1) != (onError == ratelimit.Open) {
				t.Errorf("%d messages", n)
			}
		})
	}
}

// TestStoreHoldsNothingReadable searches all that a life of verifications left
// in the store, and in the log.
func TestStoreHoldsNothingReadable(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		var secrets []string
		keys := gateway.NewIdempotency(g.store, g.keys)
		for i := range 30 {
			number := fmt.Sprintf("+81901234%04d", 1000+i)
			v, err := g.Start(t.Context(), g.app("portal"), gateway.StartRequest{
				To: number, Reference: "reference-of-user", ClientIP: fmt.Sprintf("203.0.113.%d", i+1),
			})
			if err != nil {
				t.Fatal(err)
			}
			code := g.lastCode(number)
			switch i % 3 {
			case 0:
				_, _, _ = g.Check(t.Context(), g.app("portal"), string(v.ID), code)
			case 1:
				_, _, _ = g.Check(t.Context(), g.app("portal"), string(v.ID), other(code))
			}
			// A hash of a short body is as good as the body to whoever tries them all.
			fingerprint := sha256.Sum256([]byte(number))
			ticket, err := keys.Begin(t.Context(), "portal", fmt.Sprint("idempotency-", i), fingerprint)
			if err != nil {
				t.Fatal(err)
			}
			if err := keys.Finish(t.Context(), ticket, &gateway.Reply{Status: 201, Body: []byte(v.To)}); err != nil {
				t.Fatal(err)
			}
			secrets = append(secrets, number, number[3:], "0"+number[3:], code, fmt.Sprintf("203.0.113.%d\x00", i+1), string(fingerprint[:]))
		}
		secrets = append(secrets, "reference-of-user", "idempotency-")
		held := dump(t, client)
		for _, s := range secrets {
			if len(s) == 6 { // a code, six digits: times hold some, too
				if n := countCode(held, s); n > 0 {
					t.Errorf("the store holds a code %d times", n)
				}
				if n := countCode(g.log.Bytes(), s); n > 0 {
					t.Errorf("the log holds a code %d times", n)
				}
				continue
			}
			if bytes.Contains(held, []byte(s)) {
				t.Errorf("the store holds %q", s)
			}
			if bytes.Contains(g.log.Bytes(), []byte(s)) {
				t.Errorf("the log holds %q", s)
			}
		}
		if len(held) < 1000 || len(g.log.Bytes()) < 1000 {
			t.Errorf("searched %d bytes of store, %d of log: too few to mean anything", len(held), len(g.log.Bytes()))
		}
	})
}

// countCode counts a code that stands alone, not inside a longer number.
func countCode(in []byte, code string) (n int) {
	digit := func(i int) bool { return i >= 0 && i < len(in) && in[i] >= '0' && in[i] <= '9' }
	for from := 0; ; {
		at := bytes.Index(in[from:], []byte(code))
		if at < 0 {
			return n
		}
		at += from
		if !digit(at-1) && !digit(at+len(code)) {
			n++
		}
		from = at + 1
	}
}

// dump is every key and value that the store holds, but for those whose time is
// over while it looks.
func dump(t *testing.T, client redis.UniversalClient) []byte {
	t.Helper()
	ctx := context.Background()
	var out bytes.Buffer
	keys, err := client.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		fmt.Fprintln(&out, k)
		switch kind := client.Type(ctx, k).Val(); kind {
		case "hash":
			for f, v := range client.HGetAll(ctx, k).Val() {
				fmt.Fprintln(&out, f, v)
			}
		case "zset":
			fmt.Fprintln(&out, client.ZRange(ctx, k, 0, -1).Val())
		case "string":
			fmt.Fprintln(&out, client.Get(ctx, k).Val())
		case "none":
			continue
		default:
			t.Fatalf("%s is a %s", k, kind)
		}
		const never = -1 // -2 is a key that is gone
		if ttl := client.PTTL(ctx, k).Val(); ttl == never {
			t.Errorf("%s has no TTL", k)
		}
	}
	return out.Bytes()
}

// TestIdempotency: one key, one reply; and a start whose instance died is not
// sent a second time.
func TestIdempotency(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		g := newGateway(t, client)
		i := gateway.NewIdempotency(g.store, g.keys)
		ctx, request, another := t.Context(), [32]byte{1}, [32]byte{2}

		first, err := i.Begin(ctx, "portal", "key", request)
		if err != nil || first.Replay != nil || len(first.Seed) != gateway.SeedSize {
			t.Fatal(first, err)
		}
		if _, err := i.Begin(ctx, "portal", "key", request); gateway.CodeOf(err) != gateway.CodeIdempotencyConflict {
			t.Errorf("in flight: %v", err)
		}
		if _, err := i.Begin(ctx, "portal", "key", another); gateway.CodeOf(err) != gateway.CodeIdempotencyMismatch {
			t.Errorf("another request: %v", err)
		}
		if stranger, err := i.Begin(ctx, "other", "key", another); err != nil || stranger.Replay != nil {
			t.Errorf("another app's same key: %v", err)
		}

		// The instance dies here, after the start. Whoever takes over makes the same one.
		v, err := g.Start(ctx, g.app("portal"), gateway.StartRequest{To: mobile, Seed: first.Seed})
		if err != nil {
			t.Fatal(err)
		}
		g.clock.pass(2 * time.Minute)
		second, err := i.Begin(ctx, "portal", "key", request)
		if err != nil || second.Replay != nil || !bytes.Equal(second.Seed, first.Seed) {
			t.Fatalf("taking over: %+v, %v", second, err)
		}
		again, err := g.Start(ctx, g.app("portal"), gateway.StartRequest{To: mobile, Seed: second.Seed})
		if err != nil || again.ID != v.ID || len(again.Deliveries) != 1 || len(g.messages("+819012345678")) != 1 {
			t.Errorf("the same start again: %+v, %v, %d messages", again, err, len(g.messages("+819012345678")))
		}

		// The first holder comes back too late to matter.
		if err := i.Finish(ctx, first, &gateway.Reply{Status: 500}); err != nil {
			t.Fatal(err)
		}
		reply := &gateway.Reply{Status: 201, ContentType: "application/json", Body: []byte(strings.Repeat("x", 3000))}
		if err := i.Finish(ctx, second, reply); err != nil {
			t.Fatal(err)
		}
		third, err := i.Begin(ctx, "portal", "key", request)
		if err != nil || third.Replay == nil || third.Replay.Status != 201 || !bytes.Equal(third.Replay.Body, reply.Body) {
			t.Errorf("replay: %+v, %v", third, err)
		}

		released, err := i.Begin(ctx, "portal", "released", request)
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Finish(ctx, released, nil); err != nil {
			t.Fatal(err)
		}
		if fresh, err := i.Begin(ctx, "portal", "released", another); err != nil || bytes.Equal(fresh.Seed, released.Seed) {
			t.Errorf("a released key: %+v, %v", fresh, err)
		}
	})
}

func connect(t testing.TB, server *redistest.Server) redis.UniversalClient {
	c := redisstore.DefaultConfig()
	c.Addresses, c.Timeout = []string{server.Addr()}, 20*time.Second
	client, closer, err := redisstore.Connect(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closer() })
	return client
}

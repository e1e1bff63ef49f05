package ratelimit

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"denwa/ratelimit/redistest"
)

var _ redis.Cmdable = redis.UniversalClient(nil) // any client will do

// clock is a time that a test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// connect returns a client that doesn't try again, and waits for a loaded machine.
func connect(tb testing.TB, addr string) *redis.Client {
	tb.Helper()
	c := redis.NewClient(&redis.Options{
		Addr: addr, MaxRetries: -1, DialerRetries: 1,
		DialTimeout: 20 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 20 * time.Second,
	})
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

func realRedis(tb testing.TB) *redis.Client {
	tb.Helper()
	return connect(tb, redistest.Start(tb).Addr())
}

func embedded(t *testing.T) (*redis.Client, *miniredis.Miniredis) {
	t.Helper()
	m := miniredis.RunT(t)
	return connect(t, m.Addr()), m
}

// unique makes keys that no other test or try uses.
var unique atomic.Int64

func newKey() string { return strconv.FormatInt(unique.Add(1)+1000, 36) }

func spendOne(tb testing.TB, s *Store, b Bucket) Decision {
	tb.Helper()
	d, err := s.Spend(tb.Context(), b)
	if err != nil {
		tb.Fatal(err)
	}
	return d[0]
}

// testStore holds a store on c to the table. The clock is the test's, given to
// the store, so a key must not expire by the server's before the test is over.
func testStore(t *testing.T, c *redis.Client) {
	t.Helper()
	testHistories(t, func(*testing.T) spender {
		var now clock
		s := NewRedis(c, Prefix, WithClock(now.Now))
		key := newKey()
		return func(t *testing.T, l Limit, at time.Time) Decision {
			t.Helper()
			now.now = at
			return spendOne(t, s, Bucket{Name: App, Limit: l, Key: key})
		}
	})
}

func TestRedis(t *testing.T) {
	t.Parallel()
	testStore(t, realRedis(t))
}

func TestMiniredis(t *testing.T) {
	t.Parallel()
	c, _ := embedded(t)
	testStore(t, c)
}

// By the server's own time, as in production.
func TestServerTime(t *testing.T) {
	t.Parallel()
	c, m := embedded(t)
	testHistories(t, func(*testing.T) spender {
		s := NewRedis(c, Prefix)
		key := newKey()
		return func(t *testing.T, l Limit, at time.Time) Decision {
			t.Helper()
			m.SetTime(at)
			return spendOne(t, s, Bucket{Name: App, Limit: l, Key: key})
		}
	})
}

// The Lua and the Go agree on every step of random histories: on the answer,
// and on what is kept.
func TestLuaIsGCRA(t *testing.T) {
	t.Parallel()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		// Keys expire by the server's clock, so none may be meant to live shorter than a try takes.
		testLuaIsGCRA(t, realRedis(t), time.Minute)
	})
	t.Run("miniredis", func(t *testing.T) {
		t.Parallel()
		c, _ := embedded(t) // its keys never expire unless told to
		testLuaIsGCRA(t, c, time.Microsecond)
	})
}

func testLuaIsGCRA(t *testing.T, c *redis.Client, least time.Duration) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		limit := drawLimit(t, least)
		g := limit.GCRA()
		if fields := problems(limit); fields != nil {
			t.Fatalf("%+v: %q", limit, fields)
		}
		now := clock{time.UnixMicro(rapid.Int64Range(1.6e15, 4e15).Draw(t, "start")).UTC()}
		s := NewRedis(c, Prefix, WithClock(now.Now))
		b := Bucket{Name: App, Limit: limit, Key: newKey()}
		key := Key(Prefix, spreadTag(b.Key), b.Name, b.Key)
		var tat time.Time

		t.Repeat(map[string]func(*rapid.T){
			"spend": func(t *rapid.T) {
				want := g.Spend(tat, now.now)
				tat = want.TAT
				want.TAT, want.Limit = time.Time{}, App
				got, err := s.Spend(context.Background(), b)
				if err != nil {
					t.Fatal(err)
				}
				if got[0] != want {
					t.Fatalf("%+v at %v: %+v, want %+v", g, now.now, got[0], want)
				}
			},
			"refund": func(t *rapid.T) {
				n := rapid.SampledFrom([]float64{1, 1, 0.5, 10.0 / 3, 100}).Draw(t, "requests")
				refunded := g.times(n).Refund(tat, now.now)
				if left := refunded.Sub(now.now); left > 0 && left < least {
					return
				}
				tat = refunded
				if err := s.RefundTimes(context.Background(), n, b); err != nil {
					t.Fatal(err)
				}
			},
			"wait": func(t *rapid.T) {
				// Around what matters: the interval, the whole bucket, one microsecond.
				span := rapid.SampledFrom([]time.Duration{time.Microsecond, g.Interval, g.full(), longest}).Draw(t, "span")
				now.now = now.now.Add(time.Duration(rapid.Int64Range(0, span.Microseconds()).Draw(t, "µs")) * time.Microsecond)
			},
			"wait exactly": func(*rapid.T) { now.now = now.now.Add(g.Peek(tat, now.now).RetryAfter) },
			"set clock back": func(t *rapid.T) {
				now.now = now.now.Add(-time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "µs")) * time.Microsecond)
			},
			"": func(t *rapid.T) {
				kept, err := c.Get(context.Background(), key).Int64()
				switch {
				case errors.Is(err, redis.Nil):
					if tat.After(now.now) {
						t.Fatalf("nothing kept, want %v", tat)
					}
				case err != nil:
					t.Fatal(err)
				case kept != tat.UnixMicro():
					t.Fatalf("kept %d, want %d", kept, tat.UnixMicro())
				}
			},
		})
	})
}

// drawLimit draws a valid limit that regains a request in least or more.
func drawLimit(t *rapid.T, least time.Duration) Limit {
	interval := time.Duration(rapid.Int64Range(least.Microseconds(), (longest/1001).Microseconds()).Draw(t, "interval")) * time.Microsecond
	count := rapid.IntRange(1, 1000).Draw(t, "count")
	return Limit{
		Burst:  rapid.IntRange(1, min(1000, int(longest/interval))).Draw(t, "burst"),
		Count:  count,
		Period: interval*time.Duration(count) + time.Duration(rapid.IntRange(0, count*1000-1).Draw(t, "rest")), // less than a microsecond each
	}
}

// The promise of the fragment: a script asks all its limits, and writes only
// when none refuses.
func TestFragmentChecksBeforeItStores(t *testing.T) {
	t.Parallel()
	server := realRedis(t)
	mini, _ := embedded(t)
	script := redis.NewScript(Lua + `
		local now = gcra_now(ARGV[1])
		local tats = {}
		for i, key in ipairs(KEYS) do
			local wait, tat, remaining = gcra_check(redis.call('GET', key), now, tonumber(ARGV[2*i]), tonumber(ARGV[2*i+1]))
			if wait > 0 then return {i, wait, remaining} end
			tats[i] = tat
		end
		for i, key in ipairs(KEYS) do gcra_store(key, tats[i], now) end
		return {0, 0, 0}`)
	for name, c := range map[string]*redis.Client{"redis": server, "miniredis": mini} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const now, minute = int64(1.7e15), int64(60e6)
			keys := []string{Key(Prefix, "aa", NumberHour, "n"), Key(Prefix, "aa", NumberDay, "n"), Key(Prefix, "aa", App, "off")}
			run := func() []int64 {
				// Two at once of the first, one of the second; the third is off.
				reply, err := script.Run(t.Context(), c, keys, now, minute, 2, minute, 1, 0, 0).Int64Slice()
				if err != nil {
					t.Fatal(err)
				}
				return reply
			}
			if got := run(); got[0] != 0 {
				t.Fatalf("first: %d", got)
			}
			if got := run(); got[0] != 2 || got[1] != minute || got[2] != 0 {
				t.Fatalf("second: %d, want limit 2 to refuse for a minute", got)
			}
			for i, want := range []any{"1700000060000000", "1700000060000000", nil} {
				if got := c.MGet(t.Context(), keys...).Val()[i]; got != want {
					t.Errorf("bucket %d: %v, want %v: the first must not have been spent twice", i+1, got, want)
				}
			}
		})
	}
}

// Exactly a bucket's burst is allowed, however many ask at once.
func TestConcurrentSpends(t *testing.T) {
	t.Parallel()
	s := NewRedis(realRedis(t), Prefix)
	b := Bucket{Name: App, Limit: Limit{Burst: 10, Count: 10, Period: 24 * time.Hour}, Key: "portal"}
	var allowed, refused atomic.Int64
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			d, err := s.Spend(t.Context(), b)
			switch {
			case err != nil:
				t.Error(err)
			case d[0].Allowed:
				allowed.Add(1)
			default:
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 10 || refused.Load() != 190 {
		t.Errorf("%d allowed, %d refused, want 10 and 190", allowed.Load(), refused.Load())
	}
}

// A refusal gives back what the other buckets of the batch were spent for.
func TestRefusalRefunds(t *testing.T) {
	t.Parallel()
	now := clock{time.Now()}
	c := realRedis(t)
	s := NewRedis(c, Prefix, WithClock(now.Now))
	address := Bucket{Name: ClientAddress, Limit: onePer30s, Key: "address"}
	app := Bucket{Name: App, Limit: fivePerHour, Key: "portal"}
	off := Bucket{Name: APIKey, Key: "k1"}
	for i, want := range []bool{true, false, false, false} {
		d, err := s.Spend(t.Context(), address, app, off)
		if err != nil {
			t.Fatal(err)
		}
		if d[0].Limit != ClientAddress || d[0].Allowed != want {
			t.Errorf("spend %d, address: %+v", i, d[0])
		}
		if d[1].Limit != App || !d[1].Allowed {
			t.Errorf("spend %d, app: %+v", i, d[1])
		}
		if d[2].Limit != APIKey || !d[2].Allowed {
			t.Errorf("spend %d, off: %+v", i, d[2])
		}
	}
	if d := spendOne(t, s, app); d.Remaining != 3 {
		t.Errorf("the app has %d left after one start and three refusals, want 3", d.Remaining)
	}
	if keys := c.DBSize(t.Context()).Val(); keys != 2 {
		t.Errorf("%d keys, want none for the limit that is off", keys)
	}
}

// An advisory bucket tells, and leaves the others spent; another's refusal gives
// it back what it was spent for.
func TestAdvisory(t *testing.T) {
	t.Parallel()
	now := clock{time.Now()}
	s := NewRedis(realRedis(t), Prefix, WithClock(now.Now))
	advisory := Bucket{Name: ClientAddress, Limit: onePer30s, Key: "address", Advisory: true}
	app := Bucket{Name: App, Limit: Limit{Burst: 2, Count: 2, Period: time.Hour}, Key: "portal"}
	for i, want := range []struct {
		wait          time.Duration
		told, allowed bool
	}{{0, true, true}, {0, false, true}, {30 * time.Second, true, false}, {0, true, false}} {
		now.now = now.now.Add(want.wait)
		d, err := s.Spend(t.Context(), advisory, app)
		if err != nil || d[0].Allowed != want.told || d[1].Allowed != want.allowed {
			t.Errorf("spend %d: %+v, %v", i, d, err)
		}
	}
}

// lostReplies fails every piped command on one key, after it was carried out.
type lostReplies struct{ key string }

func (lostReplies) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (lostReplies) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (h lostReplies) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			if strings.Contains(cmd.String(), h.key) {
				cmd.SetErr(errors.New("reply lost"))
			}
		}
		return err
	}
}

// What nobody knows to be spent is not refunded: it could be a present.
func TestUncheckedIsNotRefunded(t *testing.T) {
	t.Parallel()
	c := realRedis(t)
	s := NewRedis(c, Prefix)
	address := Bucket{Name: ClientAddress, Limit: fivePerHour, Key: "address"}
	address.Limit.OnError = Open
	app := Bucket{Name: App, Limit: onePer30s, Key: "portal"}
	spendOne(t, s, app)
	spendOne(t, s, address)

	c.AddHook(lostReplies{"address"})
	d, err := s.Spend(t.Context(), address, app)
	if err != nil || d[0].Unchecked == nil || d[1].Allowed {
		t.Fatalf("%+v, %v", d, err)
	}
	if d := spendOne(t, s, address); d.Remaining != 2 {
		t.Errorf("%d left after three spends, want 2", d.Remaining)
	}
}

// Nothing is kept for longer than it takes to be full again.
func TestEveryKeyExpires(t *testing.T) {
	t.Parallel()
	c := realRedis(t)
	s := NewRedis(c, Prefix)
	limits := map[string]Limit{
		"fast":    {Burst: 1, Count: 1e6, Period: time.Second}, // full in 1 µs; PX 0 would be an error
		"hour":    fivePerHour,
		"longest": {Burst: 1, Count: 1, Period: longest},
	}
	for key, l := range limits {
		b := Bucket{Name: App, Limit: l, Key: key}
		for range 7 { // the last ones are refused
			spendOne(t, s, b)
		}
		if err := s.Refund(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		spendOne(t, s, b)
	}
	ttl := func(key string) time.Duration {
		return c.PTTL(t.Context(), Key(Prefix, spreadTag(key), App, key)).Val()
	}
	const gone = -2 // "fast" may be; without an expiry it would be -1
	if got := ttl("fast"); got != gone && (got < 0 || got > time.Millisecond) {
		t.Errorf("fast lives %v, want 1ms at most", got)
	}
	for _, key := range []string{"hour", "longest"} {
		if got, full := ttl(key), limits[key].GCRA().full(); got > full || got < full-time.Minute {
			t.Errorf("%s lives %v, want just under %v", key, got, full)
		}
	}
}

// A fraction would be cut off in a reply, and so go unnoticed there.
func TestFragmentIsWhole(t *testing.T) {
	t.Parallel()
	server := realRedis(t)
	mini, _ := embedded(t)
	for name, c := range map[string]*redis.Client{"redis": server, "miniredis": mini} {
		// A bucket of three, regained in 60 each, that is full in 30.
		got, err := c.Eval(t.Context(), Lua+`
			local wait, tat, remaining = gcra_check('1030', 1000, 60, 3)
			return tostring(wait) .. ' ' .. tostring(tat) .. ' ' .. tostring(remaining)`, nil).Result()
		if err != nil || got != "0 1090 1" {
			t.Errorf("%s: %q, %v, want 0 1090 1", name, got, err)
		}
	}
}

// A restarted Redis knows no script. Both buckets are asked again, once.
func TestUnknownScript(t *testing.T) {
	t.Parallel()
	c := realRedis(t)
	s := NewRedis(c, Prefix)
	a := Bucket{Name: ClientAddress, Limit: fivePerHour, Key: "address"}
	b := Bucket{Name: App, Limit: fivePerHour, Key: "portal"}
	for want := 4; want >= 2; want-- {
		if err := c.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		d, err := s.Spend(t.Context(), a, b)
		if err != nil {
			t.Fatal(err)
		}
		if d[0].Remaining != want || d[1].Remaining != want {
			t.Errorf("%d and %d remaining, want %d", d[0].Remaining, d[1].Remaining, want)
		}
	}
	if err := c.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if d := spendOne(t, s, a); d.Remaining != 1 {
		t.Errorf("alone: %d remaining, want 1", d.Remaining)
	}
}

// What is spent is there, as documented, for whoever reads the store.
func TestKey(t *testing.T) {
	t.Parallel()
	if got, want := Key(Prefix, "q7", NumberHour, "q7xk"), "dnw1:{q7}:l:number_hour:q7xk"; got != want {
		t.Errorf("Key = %q, want %q", got, want)
	}
	c := realRedis(t)
	s := NewRedis(c, Prefix, WithClock(func() time.Time { return time.Unix(1.7e9, 0) }))
	spendOne(t, s, Bucket{Name: App, Limit: fivePerHour, Key: "portal"})
	if got := c.Get(t.Context(), "dnw1:{po}:l:app:portal").Val(); got != "1700000720000000" {
		t.Errorf("the bucket holds %q", got)
	}
	spendOne(t, s, Bucket{Name: App, Limit: fivePerHour, Key: "x"})
	if c.Exists(t.Context(), "dnw1:{x}:l:app:x").Val() != 1 {
		t.Error("a short key is its own tag")
	}
}

// A damaged bucket is a failure of the store, not a full or empty bucket.
func TestDamagedBucket(t *testing.T) {
	t.Parallel()
	server := realRedis(t)
	mini, _ := embedded(t)
	for name, c := range map[string]*redis.Client{"redis": server, "miniredis": mini} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := c.Set(t.Context(), "dnw1:{po}:l:app:portal", "1.7e15?", time.Hour).Err(); err != nil {
				t.Fatal(err)
			}
			s := NewRedis(c, Prefix)
			d, err := s.Spend(t.Context(), Bucket{Name: App, Limit: fivePerHour, Key: "portal"})
			if err == nil || d[0].Allowed {
				t.Errorf("%+v, %v", d, err)
			}
			if err != nil && strings.Contains(err.Error(), "1.7e15?") {
				t.Errorf("the error shows the value: %v", err)
			}
		})
	}
}

func BenchmarkSpend(b *testing.B) {
	c := realRedis(b)
	s := NewRedis(c, Prefix)
	limit := Limit{Burst: 1e6, Count: 1e6, Period: time.Second}
	buckets := []Bucket{{Name: ClientAddress, Limit: limit, Key: "address"}, {Name: App, Limit: limit, Key: "portal"}}
	for n := 1; n <= len(buckets); n++ {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.Spend(b.Context(), buckets[:n]...); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

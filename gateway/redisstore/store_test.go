package redisstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/gateway/redisstore"
	"denwa/ratelimit"
	"denwa/ratelimit/redistest"
)

// backend is one place where the scripts run.
type backend struct {
	name  string
	start func(testing.TB) redis.UniversalClient
}

// backends are all of them. Every test of behaviour runs on each.
func backends() []backend {
	return []backend{
		{"redis", func(tb testing.TB) redis.UniversalClient {
			c := redisstore.DefaultConfig()
			c.Addresses, c.Timeout = []string{redistest.Start(tb).Addr()}, 20*time.Second
			return connect(tb, c)
		}},
		{"embedded", func(tb testing.TB) redis.UniversalClient {
			return connect(tb, redisstore.Config{Type: redisstore.TypeEmbedded})
		}},
	}
}

func connect(tb testing.TB, c redisstore.Config) redis.UniversalClient {
	client, closer, err := redisstore.Connect(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = closer() })
	return client
}

func newStore(tb testing.TB, client redis.UniversalClient) *redisstore.Store {
	s := redisstore.New(client, redisstore.NewMetrics(prometheus.NewRegistry()))
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// each runs test on every backend.
func each(t *testing.T, test func(t *testing.T, client redis.UniversalClient)) {
	for _, b := range backends() {
		t.Run(b.name, func(t *testing.T) { test(t, b.start(t)) })
	}
}

func testKeyring(tb testing.TB) *gateway.Keyring {
	keys, err := gateway.NewKeyring(make([]byte, gateway.MasterKeySize))
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

// generous are rules that get in no test's way.
func generous() gateway.Rules {
	much := ratelimit.Limit{Burst: 1000, Count: 1000, Period: time.Hour}.GCRA()
	return gateway.Rules{Cooldown: much, Hour: much, Day: much, FailedChecks: much, Lock: gateway.DefaultLock()}
}

func begin() gateway.Begin {
	return gateway.Begin{
		Channel: gateway.SMS, MaxAttempts: 5, MaxSends: 5, Life: 10 * time.Minute,
		Provider: "first", Segments: 1,
	}
}

func record(keys *gateway.Keyring, app, e164 string) gateway.Record {
	number := keys.NumberName(e164)
	id := keys.NewID(number, 6, nil)
	return gateway.Record{
		ID: id, App: app, Number: number, Mode: gateway.ModeCode, Country: "JP", NumberType: "mobile", Locale: "ja",
		Purpose: "sign_in", SealedTo: keys.Seal("to", string(id), []byte("2"+e164+";")),
	}
}

// requireTTLs fails if any key would live for ever.
func requireTTLs(t testing.TB, client redis.UniversalClient) {
	t.Helper()
	ctx := context.Background()
	keys, err := client.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if ttl := client.PTTL(ctx, k).Val(); ttl <= 0 {
			t.Errorf("key %s has no TTL (%v)", k, ttl)
		}
	}
}

func TestRecordComesBackAsItWas(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx, s, keys := context.Background(), newStore(t, client), testKeyring(t)
		r := record(keys, "app", "+819012345678")
		r.Origin, r.AppHash = "example.jp", ""
		// Sealed bytes may be anything, line feeds too.
		r.SealedTo = append(r.SealedTo, "\n\x00|\n"...)
		r.SealedReference = []byte("\nsealed\n")
		if _, err := s.Start(ctx, r, begin(), generous(), time.Hour); err != nil {
			t.Fatal(err)
		}
		c, err := s.Load(ctx, r.ID, "app")
		if err != nil {
			t.Fatal(err)
		}
		got := c.Record
		if got.ID != r.ID || got.App != "app" || got.Mode != r.Mode || got.Country != "JP" || got.NumberType != "mobile" ||
			got.Locale != "ja" || got.Purpose != "sign_in" || got.Origin != "example.jp" || got.AppHash != "" ||
			string(got.SealedTo) != string(r.SealedTo) || string(got.SealedReference) != string(r.SealedReference) {
			t.Errorf("got %+v, want %+v", got, r)
		}
		if d := c.Now.Sub(got.CreatedAt); d < 0 || d > time.Minute || got.ExpiresAt.Sub(got.CreatedAt) != 10*time.Minute {
			t.Errorf("created %v, expires %v, now %v", got.CreatedAt, got.ExpiresAt, c.Now)
		}
		requireTTLs(t, client)
	})
}

func TestForeignAndUnknownLookAlike(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx, s, keys := context.Background(), newStore(t, client), testKeyring(t)
		mine := record(keys, "app", "+819012345678")
		if _, err := s.Start(ctx, mine, begin(), generous(), time.Hour); err != nil {
			t.Fatal(err)
		}
		unknown := record(keys, "app", "+819012345678").ID
		before, _ := s.Load(ctx, mine.ID, "app")
		for _, e := range []gateway.Event{
			gateway.Check{Match: true}, gateway.Resend{Channel: gateway.SMS}, gateway.Cancel{}, gateway.Failover{N: 1},
		} {
			foreign, err := s.Apply(ctx, mine.ID, "other", e, generous())
			if err != nil {
				t.Fatal(err)
			}
			none, err := s.Apply(ctx, unknown, "other", e, generous())
			if err != nil {
				t.Fatal(err)
			}
			if foreign.Refusal != none.Refusal || foreign.Record.App != "" || foreign.Refusal.Reason != gateway.RefusedNotFound {
				t.Errorf("%T: foreign %+v, unknown %+v", e, foreign, none)
			}
		}
		if c, _ := s.Load(ctx, mine.ID, "other"); c.Refusal.Reason != gateway.RefusedNotFound {
			t.Errorf("foreign load: %+v", c)
		}
		after, _ := s.Load(ctx, mine.ID, "app")
		if before.Record.Attempts != after.Record.Attempts || after.Record.Status != gateway.Pending {
			t.Errorf("a stranger changed it: %+v", after.Record.State)
		}
	})
}

func TestExpireGivesEachToOne(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx, keys := context.Background(), testKeyring(t)
		now := time.Now()
		a := newStore(t, client).WithClock(func() time.Time { return now })
		b := newStore(t, client).WithClock(func() time.Time { return now })
		want := map[gateway.ID]bool{}
		for _, n := range []string{"+819011111111", "+819022222222", "+819033333333"} {
			r := record(keys, "app", n)
			if _, err := a.Start(ctx, r, begin(), generous(), time.Hour); err != nil {
				t.Fatal(err)
			}
			want[r.ID] = true
		}
		approved := record(keys, "app", "+819044444444")
		if _, err := a.Start(ctx, approved, begin(), generous(), time.Hour); err != nil {
			t.Fatal(err)
		}
		if c, err := a.Apply(ctx, approved.ID, "app", gateway.Check{Match: true}, generous()); err != nil || c.Effect != gateway.EffectApproved {
			t.Fatal(c, err)
		}
		if swept, err := a.Sweep(ctx); err != nil || len(swept.Expired) != 0 {
			t.Fatalf("before time: %v, %v", swept, err)
		}
		now = now.Add(10 * time.Minute)
		type result struct {
			due []gateway.Due
			err error
		}
		results := make(chan result, 2)
		for _, s := range []*redisstore.Store{a, b} {
			go func() {
				swept, err := s.Sweep(ctx)
				results <- result{swept.Expired, err}
			}()
		}
		for range 2 {
			r := <-results
			if r.err != nil {
				t.Fatal(r.err)
			}
			for _, d := range r.due {
				if !want[d.ID] || d.App != "app" || d.Provider != "first" || d.Channel != gateway.SMS || d.Country != "JP" {
					t.Errorf("unexpected %+v", d)
				}
				delete(want, d.ID)
			}
		}
		if len(want) != 0 {
			t.Errorf("%d not expired", len(want))
		}
	})
}

// TestHolderIsKnownAgain shows that who has proved to hold a number has limits
// apart from a stranger's, and that only the last few are remembered.
func TestHolderIsKnownAgain(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx, s, keys := context.Background(), newStore(t, client), testKeyring(t)
		start := func(who string, rules gateway.Rules) (gateway.ID, gateway.Change) {
			r := record(keys, "app", "+819012345678")
			r.Party = keys.PartyName("app", "reference", who)
			c, err := s.Start(ctx, r, begin(), rules, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			return r.ID, c
		}
		for _, who := range []string{"1", "2", "3", "4", "5", "3"} {
			id, _ := start(who, generous())
			if c, err := s.Apply(ctx, id, "app", gateway.Check{Match: true}, generous()); err != nil || c.Effect != gateway.EffectApproved {
				t.Fatal(c, err)
			}
		}
		once := generous()
		once.Hour = ratelimit.Limit{Burst: 1, Count: 1, Period: time.Hour}.GCRA()
		// "1" is the fifth last, so forgotten: a stranger, who uses up the strangers' limit.
		if _, c := start("1", once); c.Effect != gateway.EffectCreated {
			t.Fatalf("first stranger: %+v", c.Refusal)
		}
		if _, c := start("stranger", once); c.Refusal.Limit != ratelimit.NumberHour {
			t.Errorf("second stranger: %+v", c.Refusal)
		}
		if _, c := start("2", once); c.Effect != gateway.EffectCreated {
			t.Errorf("a holder is locked out by strangers: %+v", c.Refusal)
		}
		requireTTLs(t, client)
	})
}

func TestWatchWakesAcrossInstances(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx, keys := context.Background(), testKeyring(t)
		here, there := newStore(t, client), newStore(t, client)
		r := record(keys, "app", "+819012345678")
		if _, err := here.Start(ctx, r, begin(), generous(), time.Hour); err != nil {
			t.Fatal(err)
		}
		changed, stop, err := here.Watch(ctx, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		awaitWake(t, changed) // subscribed
		if _, err := there.Apply(ctx, r.ID, "app", gateway.Cancel{}, generous()); err != nil {
			t.Fatal(err)
		}
		awaitWake(t, changed)
	})
}

func awaitWake(t *testing.T, changed <-chan struct{}) {
	t.Helper()
	select {
	case <-changed:
	case <-time.After(time.Minute):
		t.Fatal("nobody woke the waiter")
	}
}

package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/gateway/redisstore"
	"denwa/ratelimit"
	"denwa/ratelimit/redistest"
)

const lease = time.Minute

// events is an outbox with a clock that tests move, and what fills it.
type events struct {
	*redisstore.Outbox
	tb      testing.TB
	store   *redisstore.Store
	client  redis.UniversalClient
	keys    *gateway.Keyring
	script  *redis.Script
	now     time.Time
	numbers int
}

func newEvents(tb testing.TB, client redis.UniversalClient) *events {
	e := &events{tb: tb, client: client, keys: testKeyring(tb), now: time.Now().Truncate(time.Microsecond).UTC()}
	text := ratelimit.Lua
	for _, part := range []string{"lua/lib.lua", "lua/emit.lua", "testdata/emit.lua"} {
		b, err := os.ReadFile(part)
		if err != nil {
			tb.Fatal(err)
		}
		text += "\n" + string(b)
	}
	e.script = redis.NewScript(text)
	e.store = newStore(tb, client).WithClock(func() time.Time { return e.now })
	e.Outbox = e.store.Outbox()
	return e
}

// verification starts one of app, with a number of its own.
func (e *events) verification(app string) gateway.Record {
	e.tb.Helper()
	e.numbers++
	r := record(e.keys, app, fmt.Sprintf("+8190%08d", e.numbers))
	if c, err := e.store.Start(context.Background(), r, begin(), generous(), time.Hour); err != nil || c.Effect != gateway.EffectCreated {
		e.tb.Fatal(c, err)
	}
	return r
}

// emit records that something happened to r, and returns the event's id.
func (e *events) emit(r gateway.Record, what string) string {
	e.tb.Helper()
	key := fmt.Sprintf("dnw1:{%02x}:v:%s", r.ID.Tag(), r.ID.Name())
	id, err := e.script.Run(context.Background(), e.client, []string{key}, e.now.UnixMicro(), r.ID.Name(), what).Text()
	if err != nil {
		e.tb.Fatal(err)
	}
	return id
}

func (e *events) claim(apps ...string) []gateway.Notification {
	e.tb.Helper()
	claimed, err := e.Claim(context.Background(), apps, lease)
	if err != nil {
		e.tb.Fatal(err)
	}
	return claimed
}

func (e *events) dead(app string) []gateway.DeadLetter {
	e.tb.Helper()
	letters, err := e.DeadLetters(context.Background(), app, 100)
	if err != nil {
		e.tb.Fatal(err)
	}
	return letters
}

func (e *events) must(err error) {
	e.tb.Helper()
	if err != nil {
		e.tb.Fatal(err)
	}
}

// eachEvents runs test on an outbox of every backend.
func eachEvents(t *testing.T, test func(t *testing.T, e *events)) {
	each(t, func(t *testing.T, client redis.UniversalClient) { test(t, newEvents(t, client)) })
}

func ids(claimed []gateway.Notification) (all []string) {
	for _, n := range claimed {
		all = append(all, n.ID)
	}
	slices.Sort(all)
	return all
}

func TestEventTellsWhatWasThen(t *testing.T) {
	eachEvents(t, func(t *testing.T, e *events) {
		r := e.verification("app")
		id := e.emit(r, "created")
		emitted := e.now
		e.now = e.now.Add(time.Second)
		if _, err := e.store.Apply(t.Context(), r.ID, "app", gateway.Check{Match: true}, generous()); err != nil {
			t.Fatal(err)
		}
		claimed := e.claim("other", "app")
		if len(claimed) != 1 {
			t.Fatalf("claimed %v", ids(claimed))
		}
		n := claimed[0]
		if n.ID != id || n.App != "app" || n.Type != "verification.created" || !n.At.Equal(emitted) || n.Attempts != 0 || n.Err != nil {
			t.Errorf("claimed %+v", n)
		}
		got := n.Change.Record
		if got.ID != r.ID || got.Status != gateway.Pending || string(got.SealedTo) != string(r.SealedTo) || !n.Change.Now.Equal(emitted) {
			t.Errorf("the verification then: %+v", got)
		}
		requireTTLs(t, e.client)
	})
}

func TestEventIDsAreUniqueAndPlain(t *testing.T) {
	eachEvents(t, func(t *testing.T, e *events) {
		a, b := e.verification("app"), e.verification("app")
		seen := map[string]bool{}
		for _, r := range []gateway.Record{a, a, b, b} {
			id := e.emit(r, "sent")
			if seen[id] || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || !strings.HasPrefix(id, "msg_") {
				t.Errorf("id %q", id)
			}
			seen[id] = true
		}
	})
}

func TestLeasedEventIsNobodyElses(t *testing.T) {
	eachEvents(t, func(t *testing.T, e *events) {
		id := e.emit(e.verification("app"), "created")
		first := e.claim("app")
		if again := e.claim("app"); len(again) != 0 {
			t.Errorf("claimed twice: %v", ids(again))
		}
		// Whoever had it died: it is due when the lease ends, under its own id.
		e.now = e.now.Add(lease - time.Microsecond)
		if early := e.claim("app"); len(early) != 0 {
			t.Errorf("claimed before the lease ended: %v", ids(early))
		}
		e.now = e.now.Add(time.Microsecond)
		second := e.claim("app")
		if !slices.Equal(ids(second), []string{id}) {
			t.Fatalf("after the lease: %v", ids(second))
		}
		// The first lives after all. Its word on a failure comes too late.
		e.must(e.Retry(t.Context(), first[0], time.Hour))
		e.must(e.Dead(t.Context(), first[0], "rejected", 1))
		if letters := e.dead("app"); len(letters) != 0 {
			t.Errorf("given up by who lost the lease: %+v", letters)
		}
		e.must(e.Retry(t.Context(), second[0], time.Second))
		e.now = e.now.Add(time.Second)
		third := e.claim("app")
		if len(third) != 1 || third[0].Attempts != 1 {
			t.Fatalf("after one counted failure: %+v", third)
		}
		// Its word on a delivery doesn't.
		e.must(e.Done(t.Context(), first[0]))
		e.must(e.Retry(t.Context(), third[0], 0))
		if rest := e.claim("app"); len(rest) != 0 {
			t.Errorf("delivered, and still there: %v", ids(rest))
		}
		requireTTLs(t, e.client)
	})
}

func TestSettledEvents(t *testing.T) {
	eachEvents(t, func(t *testing.T, e *events) {
		ctx := t.Context()
		want := map[string]string{}
		for _, what := range []string{"done", "retry", "release", "dead"} {
			want[e.emit(e.verification("app"), what)] = what
		}
		for len(want) > 0 {
			claimed := e.claim("app")
			if len(claimed) == 0 {
				t.Fatalf("never claimed: %v", want)
			}
			for _, n := range claimed {
				switch want[n.ID] {
				case "done":
					e.must(e.Done(ctx, n))
				case "retry":
					e.must(e.Retry(ctx, n, 2*time.Hour))
				case "release":
					e.must(e.Release(ctx, n))
					want[n.ID] = "released"
					continue
				case "released":
					if n.Attempts != 0 {
						t.Errorf("a release counts: %d attempts", n.Attempts)
					}
					e.must(e.Done(ctx, n))
				case "dead":
					e.must(e.Dead(ctx, n, "gone", 1))
				}
				delete(want, n.ID)
			}
		}
		if backlog, err := e.Backlog(ctx, []string{"none", "app"}); err != nil || backlog["app"] != (gateway.Backlog{Waiting: 1, GivenUp: 1}) || backlog["none"] != (gateway.Backlog{}) {
			t.Errorf("backlog %v, %v", backlog, err)
		}
		e.now = e.now.Add(2*time.Hour - time.Microsecond)
		if early := e.claim("app"); len(early) != 0 {
			t.Errorf("retried early: %+v", early)
		}
		e.now = e.now.Add(time.Microsecond)
		if due := e.claim("app"); len(due) != 1 || due[0].Type != "verification.retry" || due[0].Attempts != 1 {
			t.Errorf("due %+v", due)
		}
		requireTTLs(t, e.client)
	})
}

func TestDeadLettersAreListedAndReplayed(t *testing.T) {
	eachEvents(t, func(t *testing.T, e *events) {
		ctx := t.Context()
		var order []string
		for range 5 {
			e.now = e.now.Add(time.Second)
			order = append(order, e.emit(e.verification("app"), "approved"))
			e.must(e.Dead(ctx, e.claim("app")[0], "timeout", 1))
		}
		slices.Reverse(order)
		letters := e.dead("app")
		var listed []string
		for _, l := range letters {
			listed = append(listed, l.ID)
			if l.App != "app" || l.Type != "verification.approved" || l.Reason != "timeout" || l.Attempts != 1 || l.At.IsZero() || l.DiedAt.IsZero() {
				t.Errorf("listed %+v", l)
			}
		}
		if !slices.Equal(listed, order) {
			t.Errorf("listed %v, want %v", listed, order)
		}
		if some, err := e.DeadLetters(ctx, "app", 2); err != nil || len(some) != 2 || some[0].ID != order[0] {
			t.Errorf("the latest two: %+v, %v", some, err)
		}
		if letters := e.dead("other"); len(letters) != 0 {
			t.Errorf("another app's: %+v", letters)
		}

		e.must(e.Disable(ctx, "app", "here", time.Hour))
		if found, err := e.Replay(ctx, "other", order[0]); err != nil || found {
			t.Errorf("replayed by another app: %v, %v", found, err)
		}
		if found, err := e.Replay(ctx, "app", order[0]); err != nil || !found {
			t.Fatal(found, err)
		}
		if disabled, err := e.Disabled(ctx, "app", "here"); err != nil || disabled {
			t.Errorf("still disabled after a replay: %v, %v", disabled, err)
		}
		due := e.claim("app")
		if len(due) != 1 || due[0].ID != order[0] || due[0].Attempts != 0 {
			t.Fatalf("after the replay: %+v", due)
		}
		if len(e.dead("app")) != 4 {
			t.Error("a replayed event is still among the dead")
		}
		for _, id := range []string{order[0], "", "msg_", "msg_nothing_1", "nonsense"} {
			if found, err := e.Replay(ctx, "app", id); err != nil || found {
				t.Errorf("replayed %q: %v, %v", id, found, err)
			}
		}
		requireTTLs(t, e.client)
	})
}

func TestDisabledEndpointIsThatOne(t *testing.T) {
	eachEvents(t, func(t *testing.T, e *events) {
		ctx := t.Context()
		e.must(e.Disable(ctx, "app", "here", time.Hour))
		for _, tc := range []struct {
			app, endpoint string
			want          bool
		}{{"app", "here", true}, {"app", "elsewhere", false}, {"other", "here", false}} {
			if got, err := e.Disabled(ctx, tc.app, tc.endpoint); err != nil || got != tc.want {
				t.Errorf("%s of %s: %v, %v", tc.endpoint, tc.app, got, err)
			}
		}
		requireTTLs(t, e.client)
	})
}

// TestForgottenEventIsSkipped: an event whose time is over leaves its queue.
func TestForgottenEventIsSkipped(t *testing.T) {
	eachEvents(t, func(t *testing.T, e *events) {
		r := e.verification("app")
		gone, stays := e.emit(r, "created"), e.emit(r, "sent")
		e.must(e.client.Del(t.Context(), fmt.Sprintf("dnw1:{%02x}:e:%s", r.ID.Tag(), gone)).Err())
		var claimed []gateway.Notification
		for range 2 {
			claimed = append(claimed, e.claim("app")...)
		}
		if !slices.Equal(ids(claimed), []string{stays}) {
			t.Errorf("claimed %v", ids(claimed))
		}
		if backlog, _ := e.Backlog(t.Context(), []string{"app"}); backlog["app"].Waiting != 1 {
			t.Errorf("backlog %v", backlog)
		}
	})
}

// TestUnreadableSnapshotIsNotLost: another release may have written it.
func TestUnreadableSnapshotIsNotLost(t *testing.T) {
	eachEvents(t, func(t *testing.T, e *events) {
		r := e.verification("app")
		id := e.emit(r, "created")
		e.must(e.client.HSet(t.Context(), fmt.Sprintf("dnw1:{%02x}:e:%s", r.ID.Tag(), id), "s", "of another kind").Err())
		claimed := e.claim("app")
		if len(claimed) != 1 || claimed[0].ID != id || claimed[0].Err == nil {
			t.Fatalf("claimed %+v", claimed)
		}
		e.must(e.Retry(t.Context(), claimed[0], 0))
		if again := e.claim("app"); len(again) != 1 {
			t.Error("it was lost")
		}
	})
}

// TestClaimSharesTheWork: of many who ask at once, one gets each event.
func TestClaimSharesTheWork(t *testing.T) {
	eachEvents(t, func(t *testing.T, e *events) {
		const n = 300
		want := map[string]int{}
		for range n {
			want[e.emit(e.verification("app"), "created")] = 0
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					claimed, err := e.Claim(context.Background(), []string{"app"}, lease)
					if err != nil {
						t.Error(err)
					}
					if len(claimed) == 0 {
						return
					}
					mu.Lock()
					for _, c := range claimed {
						want[c.ID]++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for id, times := range want {
			if times != 1 {
				t.Errorf("%s was claimed %d times", id, times)
			}
		}
		if len(want) != n {
			t.Errorf("%d events, want %d", len(want), n)
		}
	})
}

// TestClaimOnCluster: no part's script is run twice because another part
// doesn't know it yet, and a part that is down hides nothing of the others.
func TestClaimOnCluster(t *testing.T) {
	nodes := redistest.StartCluster(t, 3)
	c := redisstore.DefaultConfig()
	c.Cluster, c.Addresses = true, []string{nodes[0].Addr(), nodes[1].Addr(), nodes[2].Addr()}
	e := newEvents(t, connect(t, c))
	want := map[string]bool{}
	for range 30 {
		want[e.emit(e.verification("app"), "created")] = true
	}
	e.claim("nobody") // every part knows the script now
	one := redis.NewClient(&redis.Options{Addr: nodes[0].Addr()})
	defer one.Close()
	e.must(one.ScriptFlush(t.Context()).Err())
	got := map[string]bool{}
	for claimed := e.claim("app"); len(claimed) > 0; claimed = e.claim("app") {
		for _, n := range claimed {
			got[n.ID] = true
			if n.App != "app" {
				t.Errorf("claimed %+v", n)
			}
		}
	}
	if len(got) != len(want) {
		t.Errorf("claimed %d of %d", len(got), len(want))
	}

	e.now = e.now.Add(lease)
	nodes[2].Kill()
	claimed, err := e.Claim(t.Context(), []string{"app"}, lease)
	if err == nil || len(claimed) == 0 || len(claimed) >= len(want) {
		t.Errorf("with a part down: %d claimed, %v", len(claimed), err)
	}
}

func TestOutboxWithoutRedis(t *testing.T) {
	c := redisstore.DefaultConfig()
	c.Addresses = []string{nobody}
	o, ctx, apps := newStore(t, connect(t, c)).Outbox(), t.Context(), []string{"app"}
	_, claim := o.Claim(ctx, apps, lease)
	_, backlog := o.Backlog(ctx, apps)
	_, dead := o.DeadLetters(ctx, "app", 1)
	_, replay := o.Replay(ctx, "app", "msg_x_1")
	_, disabled := o.Disabled(ctx, "app", "here")
	for what, err := range map[string]error{
		"claim": claim, "backlog": backlog, "dead letters": dead, "replay": replay, "disabled": disabled,
		"disable": o.Disable(ctx, "app", "here", time.Hour), "done": o.Done(ctx, gateway.Notification{}),
	} {
		if err == nil || strings.Contains(err.Error(), "\n") || errors.Is(err, redis.Nil) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// BenchmarkClaim is one round over all hash tags. The floor is a pipeline of as
// many scripts that do next to nothing.
func BenchmarkClaim(b *testing.B) {
	for _, backend := range backends() {
		b.Run(backend.name, func(b *testing.B) {
			client := backend.start(b)
			e, ctx := newEvents(b, client), context.Background()
			b.Run("floor", func(b *testing.B) {
				b.ReportAllocs()
				floor := redis.NewScript("return redis.call('INCR', KEYS[1])")
				e.must(floor.Load(ctx, client).Err())
				for b.Loop() {
					_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
						for tag := range gateway.Tags {
							floor.EvalSha(ctx, p, []string{fmt.Sprint("floor", tag)})
						}
						return nil
					})
					e.must(err)
				}
			})
			for _, apps := range []int{1, 20} {
				names := make([]string, apps)
				for i := range names {
					names[i] = fmt.Sprint("app-", i)
				}
				b.Run(fmt.Sprintf("nothing due, %d apps", apps), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if claimed := e.claim(names...); len(claimed) > 0 {
							b.Fatal("something is due")
						}
					}
				})
			}
			b.Run("claim and done", func(b *testing.B) {
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					b.StopTimer()
					e.emit(e.verification("app-0"), "created")
					b.StartTimer()
					for _, c := range e.claim("app-0") {
						n++
						e.must(e.Done(ctx, c))
					}
				}
				if n != b.N {
					b.Errorf("%d events, claimed %d", b.N, n)
				}
			})
		})
	}
}

package redisstore_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/ratelimit/redistest"
)

const (
	sessionLife = 30 * time.Minute
	sessionKeep = time.Hour
)

func TestSessionSteps(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		begin := time.Now().UTC().Truncate(time.Microsecond)
		now := begin
		s := newStore(t, client).WithClock(func() time.Time { return now })
		id := gateway.NewSessionID(nil)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		load := func() gateway.SessionRecord {
			t.Helper()
			r, ok, err := s.LoadSession(t.Context(), id)
			must(err)
			if !ok {
				t.Fatal("there is none")
			}
			return r
		}
		expect := func(want gateway.SessionOutcome) func(gateway.SessionOutcome, error) {
			return func(got gateway.SessionOutcome, err error) {
				t.Helper()
				must(err)
				if got != want {
					t.Errorf("%s, want %s", got, want)
				}
			}
		}
		claim := func(c gateway.SessionClaim, want gateway.SessionOutcome) (seed, lease string) {
			t.Helper()
			c.Lease = time.Minute
			o, b, lease, err := s.ClaimSession(t.Context(), id, c)
			must(err)
			if o != want || (o == gateway.SessionDone) != (lease != "") {
				t.Errorf("%s, want %s; lease %q", o, want, lease)
			}
			return string(b), lease
		}

		if _, ok, err := s.LoadSession(t.Context(), id); ok || err != nil {
			t.Error(ok, err)
		}
		expect(gateway.SessionUnknown)(s.OpenSession(t.Context(), id, "a"))
		sealed := []byte("\x00sealed\n\xff")
		made, err := s.CreateSession(t.Context(), gateway.SessionRecord{ID: id, App: "portal", SealedRequest: sealed}, sessionLife, sessionKeep)
		must(err)
		want := gateway.SessionRecord{
			ID: id, App: "portal", Status: gateway.Pending, SealedRequest: sealed, SealedDraft: []byte{},
			CreatedAt: begin, ExpiresAt: begin.Add(sessionLife), Now: begin,
		}
		if diff := cmp.Diff(want, made); diff != "" {
			t.Error(diff)
		}
		again, err := s.CreateSession(t.Context(), gateway.SessionRecord{ID: id, App: "other", SealedRequest: []byte("x")}, time.Second, sessionKeep)
		must(err)
		if diff := cmp.Diff(want, again); diff != "" {
			t.Errorf("made again: %s", diff)
		}

		// It belongs to who opened it last, until something is sent.
		expect(gateway.SessionDone)(s.OpenSession(t.Context(), id, "a"))
		expect(gateway.SessionDone)(s.DraftSession(t.Context(), id, "a", []byte("draft")))
		expect(gateway.SessionTaken)(s.DraftSession(t.Context(), id, "b", []byte("draft")))
		expect(gateway.SessionDone)(s.OpenSession(t.Context(), id, "b"))
		if r := load(); r.Browser != "b" || len(r.SealedDraft) != 0 {
			t.Errorf("%+v", r)
		}
		claim(gateway.SessionClaim{Browser: "a", What: "x", Seed: []byte("s1")}, gateway.SessionTaken)
		seed, _ := claim(gateway.SessionClaim{Browser: "b", What: "x", Seed: []byte("s1")}, gateway.SessionDone)
		expect(gateway.SessionTaken)(s.OpenSession(t.Context(), id, "c"))
		if r := load(); !r.Sending || r.Turn != 1 || seed != "s1" {
			t.Errorf("%+v, seed %s", r, seed)
		}

		// Whoever sends may die: the next one makes the same.
		claim(gateway.SessionClaim{Browser: "b", What: "x", Seed: []byte("s2")}, gateway.SessionBusy)
		now = now.Add(time.Minute)
		if seed, _ = claim(gateway.SessionClaim{Browser: "b", What: "x", Seed: []byte("s2")}, gateway.SessionDone); seed != "s1" {
			t.Errorf("seed %s", seed)
		}
		now = now.Add(time.Minute)
		seed, lease := claim(gateway.SessionClaim{Browser: "b", What: "y", Seed: []byte("s3")}, gateway.SessionDone)
		if seed != "s3" {
			t.Errorf("seed %s of something else", seed)
		}
		must(s.SettleSession(t.Context(), id, "1", "vf_a", now.Add(time.Hour))) // a lease that is none
		if r := load(); !r.Sending || r.Verification != "" {
			t.Errorf("%+v", r)
		}
		must(s.SettleSession(t.Context(), id, lease, "vf_a", now.Add(time.Hour)))
		if r := load(); r.Sending || r.Verification != "vf_a" || !r.ExpiresAt.Equal(now.Add(time.Hour)) {
			t.Errorf("%+v", r)
		}
		claim(gateway.SessionClaim{Browser: "b", What: "y", Seed: []byte("s4")}, gateway.SessionRepeat)

		// A resend is for the page that is current.
		claim(gateway.SessionClaim{Browser: "b", Verification: "vf_a", Turn: 2}, gateway.SessionRepeat)
		claim(gateway.SessionClaim{Browser: "b", Verification: "vf_b", Turn: 3}, gateway.SessionRepeat)
		_, lease = claim(gateway.SessionClaim{Browser: "b", Verification: "vf_a", Turn: 3}, gateway.SessionDone)
		must(s.SettleSession(t.Context(), id, lease, "", time.Time{}))
		claim(gateway.SessionClaim{Browser: "b", Verification: "vf_a", Turn: 3}, gateway.SessionRepeat)

		// What is over is sent anew; another number's failure leaves what is current.
		seed, lease = claim(gateway.SessionClaim{Browser: "b", What: "z", Seed: []byte("s5")}, gateway.SessionDone)
		must(s.SettleSession(t.Context(), id, lease, "", time.Time{}))
		claim(gateway.SessionClaim{Browser: "b", What: "y", Seed: []byte("s6")}, gateway.SessionRepeat)
		seed2, lease := claim(gateway.SessionClaim{Browser: "b", What: "y", Verification: "vf_a", Seed: []byte("s7")}, gateway.SessionDone)
		if seed != "s5" || seed2 != "s7" {
			t.Errorf("seeds %s and %s", seed, seed2)
		}
		must(s.SettleSession(t.Context(), id, lease, "vf_c", now.Add(time.Minute)))
		if r := load(); r.Verification != "vf_c" || !r.ExpiresAt.Equal(now.Add(time.Hour)) {
			t.Errorf("%+v", r)
		}

		now = now.Add(time.Hour)
		expect(gateway.SessionOver)(s.DraftSession(t.Context(), id, "b", []byte("draft")))
		claim(gateway.SessionClaim{Browser: "b", What: "q"}, gateway.SessionOver)
		must(s.FinishSession(t.Context(), id, gateway.Approved)) // pressed at the last moment
		must(s.FinishSession(t.Context(), id, gateway.Canceled))
		if r := load(); r.Status != gateway.Approved {
			t.Errorf("%+v", r)
		}
		must(s.FinishSession(t.Context(), gateway.NewSessionID(nil), gateway.Canceled)) // of one that is gone
		keys, err := client.Keys(t.Context(), "dnw1:*:s:*").Result()
		must(err)
		if len(keys) != 1 {
			t.Fatal(keys)
		}
		ttl, err := client.PTTL(t.Context(), keys[0]).Result()
		must(err)
		if ttl <= sessionKeep || ttl > sessionKeep+2*time.Hour {
			t.Errorf("kept for %v", ttl)
		}
	})
}

// TestOneClaim: of many at once, one may send.
func TestOneClaim(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		s, id := newStore(t, client), gateway.NewSessionID(nil)
		if _, err := s.CreateSession(t.Context(), gateway.SessionRecord{ID: id, App: "portal", SealedRequest: []byte("x")}, sessionLife, sessionKeep); err != nil {
			t.Fatal(err)
		}
		if _, err := s.OpenSession(t.Context(), id, "a"); err != nil {
			t.Fatal(err)
		}
		outcomes := make(chan gateway.SessionOutcome, 50)
		var all sync.WaitGroup
		for range cap(outcomes) {
			all.Go(func() {
				o, _, _, err := s.ClaimSession(t.Context(), id, gateway.SessionClaim{Browser: "a", What: "x", Seed: []byte("s"), Lease: time.Minute})
				if err != nil {
					t.Error(err)
				}
				outcomes <- o
			})
		}
		all.Wait()
		close(outcomes)
		count := map[gateway.SessionOutcome]int{}
		for o := range outcomes {
			count[o]++
		}
		if count[gateway.SessionDone] != 1 || count[gateway.SessionBusy] != cap(outcomes)-1 {
			t.Errorf("%v", count)
		}
	})
}

// TestSessionsOnCluster: each script stays in one slot.
func TestSessionsOnCluster(t *testing.T) {
	nodes := redistest.StartCluster(t, 3)
	addresses := make([]string, len(nodes))
	for i, n := range nodes {
		addresses[i] = n.Addr()
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addresses})
	t.Cleanup(func() { _ = client.Close() })
	s := newStore(t, client)
	for range 32 {
		id := gateway.NewSessionID(nil)
		_, err := s.CreateSession(t.Context(), gateway.SessionRecord{ID: id, App: "portal", SealedRequest: []byte("x")}, sessionLife, sessionKeep)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.OpenSession(t.Context(), id, "a"); err != nil {
			t.Fatal(err)
		}
		o, _, lease, err := s.ClaimSession(t.Context(), id, gateway.SessionClaim{Browser: "a", What: "x", Lease: time.Minute})
		if err != nil || o != gateway.SessionDone {
			t.Fatal(o, err)
		}
		if err := s.SettleSession(t.Context(), id, lease, "vf_a", time.Now()); err != nil {
			t.Fatal(err)
		}
		if r, ok, err := s.LoadSession(t.Context(), id); err != nil || !ok || r.Verification != "vf_a" {
			t.Fatal(r, ok, err)
		}
	}
}

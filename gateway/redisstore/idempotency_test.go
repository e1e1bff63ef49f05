package redisstore_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
)

// TestRenewedLease: a claim that is renewed lasts longer, and only who holds it
// renews it.
func TestRenewedLease(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		now := time.Now()
		s := newStore(t, client).WithClock(func() time.Time { return now })
		const key = gateway.StoreName("AAAAAAAAAAAAAAAA")
		reserve := func() gateway.Reservation {
			t.Helper()
			r, err := s.Reserve(t.Context(), key, []byte("f"), []byte("seed"), 10*time.Second, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		renew := func(lease string) string {
			t.Helper()
			renewed, err := s.Renew(t.Context(), key, lease, 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			return renewed
		}
		first := reserve()
		now = now.Add(6 * time.Second)
		renewed := renew(first.Lease)
		if renewed == "" || renewed == first.Lease {
			t.Fatalf("renewed as %q", renewed)
		}
		if again := renew(first.Lease); again != "" {
			t.Errorf("the old lease is renewed as %q", again)
		}
		now = now.Add(6 * time.Second)
		if r := reserve(); r.Outcome != gateway.InFlight {
			t.Errorf("while it is held: %+v", r)
		}
		now = now.Add(5 * time.Second)
		if r := reserve(); r.Outcome != gateway.Reserved || string(r.Seed) != "seed" {
			t.Errorf("after it ran out: %+v", r)
		}
		if again := renew(renewed); again != "" {
			t.Errorf("what was taken over is renewed as %q", again)
		}
		requireTTLs(t, client)
	})
}

package gateway_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"denwa/gateway"
)

// leases is a store of one idempotency key, whose time a bubble makes pass.
type leases struct {
	mu      sync.Mutex
	until   time.Time
	renewed int
	err     error // of renewals
}

func (l *leases) Reserve(_ context.Context, _ gateway.StoreName, _, seed []byte, lease, _ time.Duration) (gateway.Reservation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().Before(l.until) {
		return gateway.Reservation{Outcome: gateway.InFlight}, nil
	}
	l.until = time.Now().Add(lease)
	return gateway.Reservation{Outcome: gateway.Reserved, Seed: seed, Lease: l.token()}, nil
}

func (l *leases) token() string { return strconv.FormatInt(l.until.UnixMicro(), 10) }

func (l *leases) Renew(_ context.Context, _ gateway.StoreName, lease string, life time.Duration) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed++
	if l.err != nil || lease != l.token() {
		return "", l.err
	}
	l.until = time.Now().Add(life)
	return l.token(), nil
}

func (l *leases) Complete(context.Context, gateway.StoreName, string, []byte) error { return nil }

func (l *leases) Release(_ context.Context, _ gateway.StoreName, lease string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lease == l.token() {
		l.until = time.Time{}
	}
	return nil
}

func (l *leases) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *leases) renewals() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.renewed
}

// TestKeyIsHeldWhileItsRequestLasts: as long as its instance lives, and not for
// much longer.
func TestKeyIsHeldWhileItsRequestLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys, err := gateway.NewKeyring(make([]byte, gateway.MasterKeySize))
		if err != nil {
			t.Fatal(err)
		}
		store := &leases{}
		i := gateway.NewIdempotency(store, keys)
		begin := func() (*gateway.Ticket, error) { return i.Begin(t.Context(), "portal", "key", [32]byte{}) }

		first, err := begin()
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(62 * time.Second)
		if _, err := begin(); gateway.CodeOf(err) != gateway.CodeIdempotencyConflict {
			t.Errorf("in the middle of it: %v", err)
		}
		if err := i.Finish(t.Context(), first, nil); err != nil {
			t.Fatal(err)
		}
		renewed := store.renewals()
		second, err := begin()
		if err != nil || renewed != 12 {
			t.Fatalf("after it: %v, renewed %d times", err, renewed)
		}

		// Redis is away for too long: the lease runs out, another one takes over, and
		// the second doesn't take it back. (A renewal is due every five seconds: these
		// sleeps end in between.)
		store.fail(errors.New("down"))
		time.Sleep(21 * time.Second)
		store.fail(nil)
		third, err := begin()
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(21 * time.Second)
		if err := i.Finish(t.Context(), second, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := begin(); gateway.CodeOf(err) != gateway.CodeIdempotencyConflict {
			t.Errorf("the one that took over has lost it: %v", err)
		}
		time.Sleep(2 * time.Minute) // nobody works for so long
		if _, err := begin(); err != nil {
			t.Errorf("after two minutes: %v", err)
		}
		_ = i.Finish(t.Context(), third, nil)
	})
}

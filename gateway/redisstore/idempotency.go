package redisstore

import (
	"context"
	"fmt"
	"time"

	"denwa/gateway"
)

var _ gateway.IdempotencyStore = (*Store)(nil)

// Reserve implements [gateway.IdempotencyStore].
func (s *Store) Reserve(ctx context.Context, key gateway.StoreName, fingerprint, seed []byte, lease, keep time.Duration) (r gateway.Reservation, err error) {
	defer s.metrics.observe(opReserve, time.Now(), &err)
	answer, err := s.eval(ctx, opReserve, []string{idempotencyKey(key)},
		s.now(), fingerprint, seed, lease.Microseconds(), keep.Milliseconds()).StringSlice()
	if err != nil {
		return r, fmt.Errorf("reserve idempotency key: %w", err)
	}
	r.Outcome = gateway.ReservationOutcome(answer[0])
	switch r.Outcome {
	case gateway.Reserved:
		r.Seed, r.Lease = []byte(answer[1]), answer[2]
	case gateway.Replayed:
		r.Sealed = []byte(answer[1])
	case gateway.InFlight, gateway.Mismatched:
	}
	return r, nil
}

// Renew implements [gateway.IdempotencyStore].
func (s *Store) Renew(ctx context.Context, key gateway.StoreName, lease string, life time.Duration) (renewed string, err error) {
	defer s.metrics.observe(opRenew, time.Now(), &err)
	renewed, err = s.eval(ctx, opRenew, []string{idempotencyKey(key)}, s.now(), lease, life.Microseconds()).Text()
	if err != nil {
		return "", fmt.Errorf("renew idempotency key: %w", err)
	}
	return renewed, nil
}

// Complete implements [gateway.IdempotencyStore].
func (s *Store) Complete(ctx context.Context, key gateway.StoreName, lease string, sealed []byte) (err error) {
	defer s.metrics.observe(opComplete, time.Now(), &err)
	err = s.eval(ctx, opComplete, []string{idempotencyKey(key)}, lease, sealed).Err()
	if err != nil {
		return fmt.Errorf("complete idempotency key: %w", err)
	}
	return nil
}

// Release implements [gateway.IdempotencyStore].
func (s *Store) Release(ctx context.Context, key gateway.StoreName, lease string) (err error) {
	defer s.metrics.observe(opRelease, time.Now(), &err)
	err = s.eval(ctx, opRelease, []string{idempotencyKey(key)}, lease).Err()
	if err != nil {
		return fmt.Errorf("release idempotency key: %w", err)
	}
	return nil
}

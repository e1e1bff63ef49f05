package redisstore

import (
	"cmp"
	"context"
	"time"

	"denwa/gateway"
	"denwa/ratelimit"
)

var _ gateway.LimitStore = (*Limits)(nil)

const (
	opSpend  op = "spend"
	opRefund op = "refund"
)

// Limits are limits in the same Redis, counted like the store's own operations: a start
// asks for them first, so where Redis fails they are what fails.
type Limits struct {
	limits  gateway.LimitStore
	metrics *Metrics
}

// Limits has what l does counted.
func (s *Store) Limits(l gateway.LimitStore) *Limits { return &Limits{l, s.metrics} }

// Spend implements [gateway.LimitStore]. A limit that couldn't be asked is an error in
// the metrics, whether or not it fails open.
func (l *Limits) Spend(ctx context.Context, buckets ...ratelimit.Bucket) ([]ratelimit.Decision, error) {
	start := time.Now()
	decisions, err := l.limits.Spend(ctx, buckets...)
	failed := err
	for _, d := range decisions {
		failed = cmp.Or(failed, d.Unchecked)
	}
	l.metrics.observe(opSpend, start, &failed)
	return decisions, err
}

// Refund implements [gateway.LimitStore].
func (l *Limits) Refund(ctx context.Context, buckets ...ratelimit.Bucket) error {
	return l.RefundTimes(ctx, 1, buckets...)
}

// RefundTimes implements [gateway.LimitStore].
func (l *Limits) RefundTimes(ctx context.Context, n float64, buckets ...ratelimit.Bucket) (err error) {
	defer l.metrics.observe(opRefund, time.Now(), &err)
	return l.limits.RefundTimes(ctx, n, buckets...)
}

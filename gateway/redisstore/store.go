// Package redisstore keeps verifications in Redis.
//
// Every change of state is one Lua script and one round trip; the scripts are
// in lua/, and [gateway.Transition] is what they are held against. All keys
// have a TTL. The embedded store, for trying Denwa out, runs the same scripts
// inside this process.
package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
)

var _ gateway.Store = (*Store)(nil)

// Store is a [gateway.Store] on Redis.
type Store struct {
	client  redis.UniversalClient
	metrics *Metrics
	hub     *hub
	now     func() int64 // microseconds; 0 is the server's own time
}

// New returns a store on client, which it doesn't close. Call [Store.Close] to
// end its subscription.
func New(client redis.UniversalClient, m *Metrics) *Store {
	hub := newHub(client, m.errors.WithLabelValues(string(opWatch)).Inc)
	return &Store{client: client, metrics: m, hub: hub, now: func() int64 { return 0 }}
}

// WithClock replaces the server's time, for tests that move it.
func (s *Store) WithClock(now func() time.Time) *Store {
	s.now = func() int64 { return now().UnixMicro() }
	return s
}

// Close ends the store's subscription.
func (s *Store) Close() error {
	s.hub.close()
	return nil
}

// Ping implements [gateway.Store].
func (s *Store) Ping(ctx context.Context) error {
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		return pingCluster(ctx, cluster)
	}
	return s.client.Ping(ctx).Err()
}

// pingWait is how long a master may take to answer a ping of all of them.
const pingWait = time.Second

// pingCluster fails if no master answers. While some do, the numbers that they
// keep can be verified, and the others fail on every instance alike: taking all
// instances out of service would help nobody.
func pingCluster(ctx context.Context, c *redis.ClusterClient) error {
	ctx, cancel := context.WithTimeout(ctx, pingWait)
	defer cancel()
	var answers atomic.Int32
	err := c.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		err := master.Ping(ctx).Err()
		if err == nil {
			answers.Add(1)
		}
		return err
	})
	if answers.Load() > 0 {
		return nil
	}
	return err
}

// Start implements [gateway.Store].
func (s *Store) Start(ctx context.Context, r gateway.Record, e gateway.Begin, rules gateway.Rules, retention time.Duration) (gateway.Change, error) {
	return s.run(ctx, opStart, r.ID, []string{verificationKey(r.ID), dueKey(r.ID.Tag())},
		s.now(), encodeRules(rules), r.ID.Name(), string(r.Number), string(r.Party), r.App, string(e.Channel),
		e.Provider, e.Segments, e.MaxAttempts, e.MaxSends, e.Life.Microseconds(), retention.Microseconds(),
		encodeMeta(r), r.SealedTo, r.SealedReference, flag(r.Hook), r.SealedContent, encodeFollowUp(e.FollowUp))
}

// Apply implements [gateway.Store].
func (s *Store) Apply(ctx context.Context, id gateway.ID, app string, event gateway.Event, rules gateway.Rules) (gateway.Change, error) {
	keys := []string{verificationKey(id)}
	name := id.Name()
	switch e := event.(type) {
	case gateway.Check:
		return s.run(ctx, opCheck, id, keys, s.now(), encodeRules(rules), name, app, flag(e.Match), e.Call, string(e.Request), string(e.Guess))
	case gateway.Confirm:
		return s.run(ctx, opPress, id, keys, s.now(), encodeRules(rules), name, app, "confirm", e.Call)
	case gateway.Deny:
		return s.run(ctx, opPress, id, keys, s.now(), encodeRules(rules), name, app, "deny", e.Call)
	case gateway.Resend:
		return s.run(ctx, opResend, id, keys, s.now(), encodeRules(rules), name, app, string(e.Channel), e.Provider, e.Segments,
			encodeFollowUp(e.FollowUp), string(e.Request))
	case gateway.Failover:
		return s.run(ctx, opFailover, id, keys, s.now(), encodeRules(rules), name, app, e.N, e.Next, flag(e.Ambiguous),
			encodeFollowUp(e.FollowUp))
	case gateway.MoveOn:
		return s.run(ctx, opMoveOn, id, keys, s.now(), encodeRules(rules), name, app, e.N, string(e.Channel), e.Provider,
			e.Segments, encodeFollowUp(e.FollowUp))
	case gateway.Report:
		return s.run(ctx, opReport, id, keys, s.now(), name, e.N, e.Provider, string(e.Status), string(e.Kind))
	case gateway.Cancel:
		return s.run(ctx, opCancel, id, keys, s.now(), name, app)
	}
	return gateway.Change{}, fmt.Errorf("apply: no script for %T", event)
}

// Load implements [gateway.Store].
func (s *Store) Load(ctx context.Context, id gateway.ID, app string) (gateway.Change, error) {
	return s.run(ctx, opLoad, id, []string{verificationKey(id)}, s.now(), app)
}

// Proved implements [gateway.Store].
func (s *Store) Proved(ctx context.Context, number, party gateway.StoreName) (proved bool, err error) {
	defer s.metrics.observe(opProved, time.Now(), &err)
	parties, err := s.client.Get(ctx, provedKey(number)).Result()
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	return party != "" && strings.Contains(parties, string(party)), err
}

const (
	// sweepBatch is how many verifications of one slot one script ends or moves on.
	sweepBatch = 200
	// sweepLease is how long an instance has to move one on.
	sweepLease = time.Minute
)

// Sweep implements [gateway.Store]: one pipeline of one script per hash tag.
func (s *Store) Sweep(ctx context.Context) (swept gateway.Swept, err error) {
	defer s.metrics.observe(opSweep, time.Now(), &err)
	cmds, err := s.eachTag(ctx, opSweep, func(tag byte) ([]string, []any) {
		return []string{dueKey(tag), nextKey(tag)}, []any{s.now(), sweepBatch, slot(tag) + "v:", sweepLease.Microseconds()}
	})
	for _, cmd := range cmds {
		text, cmdErr := cmd.Text()
		if cmdErr != nil {
			// One of them stands for all: without Redis each tag has the same.
			err = cmp.Or(err, cmdErr)
			continue
		}
		for line := range strings.Lines(text) {
			decodeSwept(strings.TrimSuffix(line, "\n"), &swept)
		}
	}
	if err != nil {
		err = fmt.Errorf("sweep: %w", err)
	}
	return swept, err
}

// Watch implements [gateway.Store]. It doesn't wait for Redis: a waiter whose
// subscription can't be made is woken when it could be. It fails only after
// [Store.Close].
func (s *Store) Watch(_ context.Context, id gateway.ID) (<-chan struct{}, func(), error) {
	return s.hub.watch(wakeChannel(id)) //nolint:contextcheck // the subscription outlives who waits.
}

func (s *Store) run(ctx context.Context, o op, id gateway.ID, keys []string, args ...any) (c gateway.Change, err error) {
	defer s.metrics.observe(o, time.Now(), &err)
	text, err := s.eval(ctx, o, keys, args...).Text()
	if err == nil {
		c, err = decodeChange(text, id)
	}
	if err != nil {
		return gateway.Change{}, fmt.Errorf("%s: %w", o, err)
	}
	return c, nil
}

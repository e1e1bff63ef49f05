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
	"fmt"
	"strings"
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
	return s.client.Ping(ctx).Err()
}

// Start implements [gateway.Store].
func (s *Store) Start(ctx context.Context, r gateway.Record, e gateway.Begin, rules gateway.Rules, retention time.Duration) (gateway.Change, error) {
	hook := "0"
	if r.Hook {
		hook = "1"
	}
	return s.run(ctx, opStart, r.ID, []string{verificationKey(r.ID), dueKey(r.ID.Tag())},
		s.now(), encodeRules(rules), r.ID.Name(), string(r.Number), string(r.Party), r.App, string(e.Channel),
		e.Provider, e.Segments, e.MaxAttempts, e.MaxSends, e.Life.Microseconds(), retention.Microseconds(),
		encodeMeta(r), r.SealedTo, r.SealedReference, hook, r.SealedContent)
}

// Apply implements [gateway.Store].
func (s *Store) Apply(ctx context.Context, id gateway.ID, app string, event gateway.Event, rules gateway.Rules) (gateway.Change, error) {
	keys := []string{verificationKey(id)}
	name := id.Name()
	switch e := event.(type) {
	case gateway.Check:
		match := "0"
		if e.Match {
			match = "1"
		}
		return s.run(ctx, opCheck, id, keys, s.now(), encodeRules(rules), name, app, match, e.Call)
	case gateway.Confirm:
		return s.run(ctx, opPress, id, keys, s.now(), encodeRules(rules), name, app, "confirm", e.Call)
	case gateway.Deny:
		return s.run(ctx, opPress, id, keys, s.now(), encodeRules(rules), name, app, "deny", e.Call)
	case gateway.Resend:
		return s.run(ctx, opResend, id, keys, s.now(), encodeRules(rules), name, app, string(e.Channel), e.Provider, e.Segments)
	case gateway.Failover:
		return s.run(ctx, opFailover, id, keys, s.now(), name, app, e.N, e.Next)
	case gateway.Report:
		return s.run(ctx, opReport, id, keys, s.now(), name, e.N, e.Provider, string(e.Status))
	case gateway.Cancel:
		return s.run(ctx, opCancel, id, keys, s.now(), name, app)
	}
	return gateway.Change{}, fmt.Errorf("apply: no script for %T", event)
}

// Load implements [gateway.Store].
func (s *Store) Load(ctx context.Context, id gateway.ID, app string) (gateway.Change, error) {
	return s.run(ctx, opLoad, id, []string{verificationKey(id)}, s.now(), app)
}

// expireBatch is how many verifications of one slot one script ends.
const expireBatch = 200

// Expire implements [gateway.Store]: one pipeline of one script per hash tag.
func (s *Store) Expire(ctx context.Context) (due []gateway.Due, err error) {
	defer s.metrics.observe(opExpire, time.Now(), &err)
	cmds, err := s.eachTag(ctx, opExpire, func(tag byte) ([]string, []any) {
		return []string{dueKey(tag)}, []any{s.now(), expireBatch, slot(tag) + "v:"}
	})
	for _, cmd := range cmds {
		text, cmdErr := cmd.Text()
		if cmdErr != nil {
			// One of them stands for all: without Redis each tag has the same.
			err = cmp.Or(err, cmdErr)
			continue
		}
		for line := range strings.Lines(text) {
			due = append(due, decodeDue(strings.TrimSuffix(line, "\n")))
		}
	}
	if err != nil {
		err = fmt.Errorf("expire: %w", err)
	}
	return due, err
}

// Watch implements [gateway.Store]. It doesn't wait for Redis: a waiter whose
// subscription can't be made is woken when it could be. It fails only after
// [Store.Close].
func (s *Store) Watch(_ context.Context, id gateway.ID) (<-chan struct{}, func(), error) {
	return s.hub.watch(wakeChannel(id)) //nolint:contextcheck // the subscription outlives who waits.
}

func (s *Store) run(ctx context.Context, o op, id gateway.ID, keys []string, args ...any) (c gateway.Change, err error) {
	defer s.metrics.observe(o, time.Now(), &err)
	text, err := scripts[o].Run(ctx, s.client, keys, args...).Text()
	if err == nil {
		c, err = decodeChange(text, id)
	}
	if err != nil {
		return gateway.Change{}, fmt.Errorf("%s: %w", o, err)
	}
	return c, nil
}

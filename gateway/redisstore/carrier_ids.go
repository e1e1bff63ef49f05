package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
)

// The keys of what carriers' message ids stand for. Names are HMACs, because a
// carrier may build its ids of numbers; each lies in a slot that follows from it.
//
//	dnw1:{2f}:cm:<name>  what a message id stands for (string)
//	dnw1:{2f}:cs:<name>  items that were collected (set)

func carrierIDKey(n gateway.StoreName) string { return slot(n.Tag()) + "cm:" + string(n) }

func carrierSetKey(n gateway.StoreName) string { return slot(n.Tag()) + "cs:" + string(n) }

// Operations on carriers' message ids, which are single commands and no scripts.
const (
	opRemember op = "remember"
	opRecall   op = "recall"
	opCollect  op = "collect"
)

// CarrierIDs keeps what one provider's message ids stand for, so that any
// instance understands a receipt. Ids of providers with different names are
// different ids.
type CarrierIDs struct {
	store    *Store
	names    *gateway.Keyring
	provider string
}

// CarrierIDs returns a store of the message ids of a provider beside s.
func (s *Store) CarrierIDs(names *gateway.Keyring, provider string) *CarrierIDs {
	for _, o := range []op{opRemember, opRecall, opCollect} {
		s.metrics.duration.WithLabelValues(string(o))
		s.metrics.errors.WithLabelValues(string(o))
	}
	return &CarrierIDs{store: s, names: names, provider: provider}
}

// Remember keeps for ttl what an id stands for, in place of what it stood for.
func (c *CarrierIDs) Remember(ctx context.Context, id, what string, ttl time.Duration) (err error) {
	defer c.store.metrics.observe(opRemember, time.Now(), &err)
	if err = c.store.client.Set(ctx, c.idKey(id), what, max(ttl, time.Millisecond)).Err(); err != nil {
		return fmt.Errorf("remember message id: %w", err)
	}
	return nil
}

// Recall returns what each of the ids stands for, "" for one that isn't known.
func (c *CarrierIDs) Recall(ctx context.Context, ids ...string) (what []string, err error) {
	defer c.store.metrics.observe(opRecall, time.Now(), &err)
	answers := make([]*redis.StringCmd, len(ids))
	_, err = c.store.client.Pipelined(ctx, func(p redis.Pipeliner) error { // in a cluster, they lie apart
		for i, id := range ids {
			answers[i] = p.Get(ctx, c.idKey(id))
		}
		return nil
	})
	what = make([]string, len(ids))
	for i, a := range answers {
		if what[i], err = a.Result(); err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("recall message id: %w", err)
		}
	}
	err = nil // redis.Nil is an answer
	return what, nil
}

// Collect adds an item to the set called name, unless it is in it, keeps the set
// for ttl from now, and returns how many items it has.
func (c *CarrierIDs) Collect(ctx context.Context, name, item string, ttl time.Duration) (n int, err error) {
	defer c.store.metrics.observe(opCollect, time.Now(), &err)
	key := carrierSetKey(c.names.PartyName(c.provider, "carrier set", name))
	var size *redis.IntCmd
	_, err = c.store.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.SAdd(ctx, key, item)
		p.PExpire(ctx, key, max(ttl, time.Millisecond))
		size = p.SCard(ctx, key)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("collect: %w", err)
	}
	return int(size.Val()), nil
}

func (c *CarrierIDs) idKey(id string) string {
	return carrierIDKey(c.names.PartyName(c.provider, "carrier id", id))
}

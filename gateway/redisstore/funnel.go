package redisstore

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Funnel keeps counts in slots of time, summed over all instances. What is
// counted, a field says; it must come from a bounded set, and holds no number
// and no code. Each count is kept twice: in slots of a minute for two hours,
// and in slots of ten minutes for a little more than a day, so that a day is
// 144 hashes to read and not 1440.
type Funnel struct{ store *Store }

// Funnel returns the store's counts.
func (s *Store) Funnel() *Funnel { return &Funnel{s} }

const (
	opCount  op = "count"  // adding
	opCounts op = "counts" // reading
)

const (
	shortSlot = time.Minute
	longSlot  = 10 * time.Minute
	keepShort = 2 * time.Hour
	keepLong  = 25 * time.Hour
	// rememberInstance is how long an instance that is silent is listed, and
	// its last batch known.
	rememberInstance = time.Hour
)

//go:embed lua/count.lua
var countSource string

var countScript = redis.NewScript(countSource)

// Add adds counts to the slots of the store's time, and notes that the instance
// lives. Batches are numbered from 1 and ascend. A batch that was added before
// isn't added again, so after an error, when nobody knows, the same one may be
// sent once more.
func (f *Funnel) Add(ctx context.Context, instance string, batch int64, counts map[string]int64) (err error) {
	defer f.store.metrics.observe(opCount, time.Now(), &err)
	now, err := f.time(ctx)
	if err != nil {
		return fmt.Errorf("add counts: %w", err)
	}
	args := append(make([]any, 0, 6+2*len(counts)),
		instance, batch, now.UnixMilli(), keepShort.Milliseconds(), keepLong.Milliseconds(), rememberInstance.Milliseconds())
	for field, n := range counts {
		args = append(args, field, n)
	}
	keys := []string{funnelKey(shortSlot, now), funnelKey(longSlot, now), batchKey(instance), instancesKey}
	if err := countScript.Run(ctx, f.store.client, keys, args...).Err(); err != nil {
		return fmt.Errorf("add counts: %w", err)
	}
	return nil
}

// Read returns the counts of that many slots of a minute, or of ten minutes if
// width is no less, oldest first. The last slot is the one of now. Seen is when
// each instance last added, at most an hour ago.
func (f *Funnel) Read(ctx context.Context, width time.Duration, slots int) (now time.Time, counts []map[string]int64, seen map[string]time.Time, err error) {
	defer f.store.metrics.observe(opCounts, time.Now(), &err)
	fail := func(err error) (time.Time, []map[string]int64, map[string]time.Time, error) {
		return now, nil, nil, fmt.Errorf("read counts: %w", err)
	}
	if now, err = f.time(ctx); err != nil {
		return fail(err)
	}
	if width < longSlot {
		width = shortSlot
	} else {
		width = longSlot
	}
	hashes := make([]*redis.MapStringStringCmd, slots)
	var instances *redis.ZSliceCmd
	_, err = f.store.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range hashes {
			hashes[i] = p.HGetAll(ctx, funnelKey(width, now.Add(-time.Duration(slots-1-i)*width)))
		}
		instances = p.ZRangeWithScores(ctx, instancesKey, 0, -1)
		return nil
	})
	if err != nil {
		return fail(err)
	}
	p := parser{}
	for _, hash := range hashes {
		slot := make(map[string]int64, len(hash.Val()))
		for field, n := range hash.Val() {
			slot[field] = p.number(n)
		}
		counts = append(counts, slot)
	}
	if p.err != nil {
		return fail(p.err)
	}
	seen = map[string]time.Time{}
	for _, z := range instances.Val() {
		if name, ok := z.Member.(string); ok {
			seen[name] = time.UnixMilli(int64(z.Score)).UTC()
		}
	}
	return now, counts, seen, nil
}

// time is the store's: one clock for all instances.
func (f *Funnel) time(ctx context.Context) (time.Time, error) {
	if us := f.store.now(); us != 0 {
		return time.UnixMicro(us).UTC(), nil
	}
	now, err := f.store.client.Time(ctx).Result()
	return now.UTC(), err
}

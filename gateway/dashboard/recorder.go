// Package dashboard shows operators what becomes of deliveries, live: requested,
// accepted, delivered, approved, by channel, provider and country, with no
// other software.
//
// Every instance has a [Recorder], which adds what it counts to the [Store]
// once a second. The [Handler] reads what all of them added, so it shows the
// same on each instance.
package dashboard

import (
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
	"sync"
	"time"

	"denwa/gateway"
	"denwa/providers"
)

const (
	// flushInterval is how often counts go to the store, and how much a kill -9 loses.
	flushInterval = time.Second
	// flushTimeout bounds one try.
	flushTimeout = 5 * time.Second
	// maxFields bounds what waits for the store. Labels come from bounded sets, so
	// it is a net under a bug.
	maxFields = 20_000
)

// Store keeps counts by field in slots of time, summed over all instances.
// [denwa/gateway/redisstore.Funnel] is one.
type Store interface {
	// Add adds counts to the slots of the store's time, and notes that the
	// instance lives. A batch that was added before isn't added again; batches
	// are numbered from 1 and ascend.
	Add(ctx context.Context, instance string, batch int64, counts map[string]int64) error
	// Read returns that many slots, each a minute or ten minutes wide, oldest
	// first and the last one that of now, and when each instance last added.
	Read(ctx context.Context, width time.Duration, slots int) (now time.Time, counts []map[string]int64, seen map[string]time.Time, err error)
}

// Recorder counts what this instance does. Its methods don't block, and are safe
// for concurrent use.
type Recorder struct {
	store    Store
	log      *slog.Logger
	instance string

	mu      sync.Mutex
	counts  map[field]int64
	others  map[string]int64 // of others than the dashboard
	dropped int64

	batch   int64
	pending map[string]int64 // the batch that the store may not have
}

// NewRecorder returns a recorder that counts in memory until [Recorder.Run] runs.
func NewRecorder(store Store, log *slog.Logger) *Recorder {
	return &Recorder{store: store, log: log, instance: rand.Text()[:8], counts: map[field]int64{}, others: map[string]int64{}}
}

// Sent counts a message or a call that a provider was asked for. The outcome is
// accepted, or the kind of failure.
func (r *Recorder) Sent(provider string, ch providers.Channel, country, outcome string) {
	r.count(field{asked, ch, provider, country, outcome})
}

// Took counts how long a provider took to accept or refuse.
func (r *Recorder) Took(provider string, ch providers.Channel, d time.Duration) {
	r.count(field{askTime, ch, provider, "", bucketOf(askTime, d)})
}

// Receipt counts a receipt that brought news of a delivery.
func (r *Recorder) Receipt(provider string, ch providers.Channel, country string, status providers.Status, sinceAsked time.Duration) {
	r.count(field{reported, ch, provider, country, string(status)})
	if status == arrival(ch) {
		r.count(field{deliveryTime, ch, provider, country, bucketOf(deliveryTime, sinceAsked)})
	}
}

// Finished counts a verification that ended. The provider is that of its last
// delivery.
func (r *Recorder) Finished(provider string, ch providers.Channel, country string, status gateway.Status, sinceStart time.Duration) {
	r.count(field{ended, ch, provider, country, string(status)})
	if status == gateway.Approved {
		r.count(field{approvalTime, ch, provider, country, bucketOf(approvalTime, sinceStart)})
	}
}

func (r *Recorder) count(f field) {
	f.country = providers.CountryOf(f.country)
	r.mu.Lock()
	defer r.mu.Unlock()
	add(r, r.counts, f)
}

// Count counts what somebody else reads from the store again. Names come from a
// bounded set and have no "|", so that the dashboard doesn't take them for its own.
func (r *Recorder) Count(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	add(r, r.others, name)
}

// add needs r.mu.
func add[K comparable](r *Recorder, counts map[K]int64, what K) {
	if _, known := counts[what]; !known && len(counts) >= maxFields {
		r.dropped++
		return
	}
	counts[what]++
}

// Run adds what was counted to the store once a second until ctx ends, and then
// once more. While the store can't be reached it keeps counting, and nothing is
// counted twice.
func (r *Recorder) Run(ctx context.Context) {
	ticker := time.NewTicker(flushInterval)
	defer ticker.Stop()
	failing := false
	for last := false; !last; {
		select {
		case <-ctx.Done():
			last = true
		case <-ticker.C:
		}
		err := r.flush(context.WithoutCancel(ctx)) // the last one comes after ctx
		if err != nil && !failing {
			r.log.WarnContext(ctx, "the dashboard's counts can't be stored; trying on", "error", err)
		}
		failing = err != nil
	}
}

// flush adds the batch that the store may not have, and then the next one.
func (r *Recorder) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	for range 2 {
		again := r.pending != nil
		if !again {
			r.batch++
			r.pending = r.take()
		}
		if err := r.store.Add(ctx, r.instance, r.batch, r.pending); err != nil {
			return err
		}
		r.pending = nil
		if !again {
			break
		}
	}
	return nil
}

// take returns what was counted since the last time.
func (r *Recorder) take() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := make(map[string]int64, len(r.counts)+len(r.others))
	maps.Copy(taken, r.others)
	for f, n := range r.counts {
		taken[f.String()] += n
	}
	if r.dropped > 0 {
		r.log.Error("the dashboard counted too many different things", "dropped", r.dropped)
		r.dropped = 0
	}
	clear(r.counts)
	clear(r.others)
	return taken
}

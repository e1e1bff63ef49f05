package sip

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"denwa/providers"
)

const (
	// receiveTimeout bounds one try of handing over a receipt.
	receiveTimeout = 5 * time.Second
	// maxTries is how often a receipt is handed over before it is dropped: for
	// about 25 seconds in all, twice as long between any two.
	maxTries   = 9
	firstRetry = 100 * time.Millisecond
)

// reports hands over the receipts of one call, in order, without keeping the
// call waiting.
type reports struct {
	receive func(context.Context, providers.Receipt) error
	log     *slog.Logger
	running *sync.WaitGroup

	mu    sync.Mutex
	queue []providers.Receipt // the first one is being handed over
}

// add queues a receipt. It is dropped when ctx ends.
func (r *reports) add(ctx context.Context, receipt providers.Receipt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = append(r.queue, receipt)
	if len(r.queue) == 1 {
		r.running.Go(func() { r.work(ctx) })
	}
}

// work hands over what is queued.
func (r *reports) work(ctx context.Context) {
	for receipt, more := r.first(); more; receipt, more = r.next() {
		if err := r.handOver(ctx, receipt); err != nil {
			r.log.ErrorContext(ctx, "receipt dropped, the receiver doesn't take it",
				"delivery", receipt.Delivery, "status", string(receipt.Status), "error", err)
		}
	}
}

func (r *reports) first() (providers.Receipt, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.queue[0], true
}

// next drops the first receipt and returns the one after it.
func (r *reports) next() (receipt providers.Receipt, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = r.queue[1:]
	if len(r.queue) == 0 {
		return providers.Receipt{}, false
	}
	return r.queue[0], true
}

func (r *reports) handOver(ctx context.Context, receipt providers.Receipt) error {
	for try := 0; ; try++ {
		one, cancel := context.WithTimeout(ctx, receiveTimeout)
		err := r.receive(one, receipt)
		cancel()
		if err == nil || try+1 == maxTries || !sleep(ctx, firstRetry<<try) {
			return err
		}
	}
}

// sleep reports whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

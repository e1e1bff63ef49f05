package sandbox

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"denwa/providers"
)

const (
	// workers is how many receipts are handed over at once.
	workers = 16
	// maxPrompt is how many messages whose receipts are due at once may wait for them.
	// More of them wait to be taken, so that a gateway under load isn't given
	// messages faster than it takes receipts.
	maxPrompt = 256
	// maxReports is how many deliveries may wait for their receipts.
	maxReports = 10_000
	// receiveTimeout bounds one try of handing over a receipt.
	receiveTimeout = 5 * time.Second
	// maxTries is how often a receipt is handed over before it is dropped: for
	// about 25 seconds in all, twice as long between any two.
	maxTries   = 9
	firstRetry = 100 * time.Millisecond
)

// report is what is still to be reported of one delivery.
type report struct {
	delivery string
	id       string
	statuses []providers.Status // in order; never empty while it waits
	due      time.Time          // of the first status
	end      time.Time          // when the others are due
	tries    int
	open     bool // more comes by tell
	busy     bool // waits or is under way
	prompt   bool // takes room among maxPrompt
}

// reports hands receipts over when they are due, those of one delivery in order.
type reports struct {
	receive func(context.Context, providers.Receipt) error
	// reported is told what the receiver took.
	reported func(id string, s providers.Status)
	log      *slog.Logger

	mu      sync.Mutex
	waiting []*report // the one that is due first is last
	pending int       // deliveries with something to report, waiting or under way
	closed  bool
	wake    chan struct{}

	room    chan struct{} // full while maxPrompt are reported
	over    <-chan struct{}
	stop    context.CancelFunc
	workers sync.WaitGroup
}

func startReports(receive func(context.Context, providers.Receipt) error, reported func(string, providers.Status), log *slog.Logger) *reports {
	ctx, stop := context.WithCancel(context.Background())
	q := &reports{
		receive: receive, reported: reported, log: log, wake: make(chan struct{}, 1),
		room: make(chan struct{}, maxPrompt), over: ctx.Done(), stop: stop,
	}
	for range workers {
		q.workers.Go(func() {
			for r, s := q.next(ctx); r != nil; r, s = q.next(ctx) {
				q.handOver(ctx, r, s)
			}
		})
	}
	return q
}

// close drops what waits, and waits for what is under way.
func (q *reports) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.stop()
	q.workers.Wait()
}

// await waits for room for a message whose receipts are due at once.
func (q *reports) await(ctx context.Context) error {
	select {
	case q.room <- struct{}{}:
		return nil
	case <-q.over:
		return &providers.Error{Kind: providers.Unavailable, Err: errClosed}
	case <-ctx.Done():
		return &providers.Error{Kind: providers.Throttled, Err: errFull}
	}
}

// reserve makes room for one delivery, which add must follow, or tell until
// the final status.
func (q *reports) reserve() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return &providers.Error{Kind: providers.Unavailable, Err: errClosed}
	case q.pending >= maxReports:
		return &providers.Error{Kind: providers.Throttled, Err: errFull}
	}
	q.pending++
	return nil
}

// add queues what is to be reported of a message.
func (q *reports) add(r *report) {
	q.mu.Lock()
	q.queue(r)
	q.mu.Unlock()
	q.signal()
}

// tell queues one more status of a call, to be reported at once. The final one
// is the last.
func (q *reports) tell(r *report, s providers.Status) {
	q.mu.Lock()
	r.statuses, r.open = append(r.statuses, s), !s.Final()
	if !r.busy {
		r.due = time.Now()
		q.queue(r)
	}
	q.mu.Unlock()
	q.signal()
}

// queue has r wait until it is due. Nothing is left of one that has nothing to
// report, unless it is open.
func (q *reports) queue(r *report) {
	r.busy = len(r.statuses) > 0
	switch {
	case r.busy:
		at, _ := slices.BinarySearchFunc(q.waiting, r.due, func(w *report, due time.Time) int { return due.Compare(w.due) })
		q.waiting = slices.Insert(q.waiting, at, r)
	case !r.open:
		q.pending--
		if r.prompt {
			<-q.room
		}
	}
}

// signal makes one idle worker look again.
func (q *reports) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next waits for a report that is due, and returns its first status; nil when
// ctx ends.
func (q *reports) next(ctx context.Context) (*report, providers.Status) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		r, s, wait := q.pop()
		if r != nil {
			return r, s
		}
		var due <-chan time.Time
		if wait > 0 {
			timer.Reset(wait)
			due = timer.C
		}
		select {
		case <-due:
		case <-q.wake:
		case <-ctx.Done():
		}
	}
	return nil, ""
}

// pop takes the first report if it is due, else says how long until it is; 0
// when there is none.
func (q *reports) pop() (r *report, s providers.Status, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	last := len(q.waiting) - 1
	if last < 0 {
		return nil, "", 0
	}
	r = q.waiting[last]
	if wait := time.Until(r.due); wait > 0 {
		return nil, "", wait
	}
	q.waiting = slices.Delete(q.waiting, last, last+1)
	if last > 0 {
		q.signal() // the next one is another worker's
	}
	return r, r.statuses[0], 0
}

// handOver gives the first status of r to the receiver and queues the rest.
func (q *reports) handOver(ctx context.Context, r *report, s providers.Status) {
	try, cancel := context.WithTimeout(ctx, receiveTimeout)
	err := q.receive(try, providers.Receipt{Delivery: r.delivery, Status: s})
	cancel()
	dropped := err != nil && r.tries+1 == maxTries
	switch {
	case err == nil:
		q.reported(r.id, s)
	case ctx.Err() != nil:
		return
	case dropped:
		q.log.ErrorContext(ctx, "receipt dropped, the receiver doesn't take it",
			"delivery", r.delivery, "status", string(s), "error", err)
	}
	q.mu.Lock()
	switch {
	case err == nil:
		r.statuses, r.due, r.tries = r.statuses[1:], r.end, 0
	case dropped:
		r.statuses, r.tries = nil, 0
	default:
		r.due = time.Now().Add(firstRetry << r.tries)
		r.tries++
	}
	q.queue(r)
	q.mu.Unlock()
	q.signal()
}

package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Bounds of idempotency keys.
const (
	// IdempotencyLife is how long a reply is kept.
	IdempotencyLife = 24 * time.Hour
	// idempotencyLease is how long a key is taken after its request's instance
	// died: whoever asks again waits for that. An instance that lives takes it
	// again every idempotencyRenewal, at most for idempotencyMost, which is longer
	// than any request may take.
	idempotencyLease   = 15 * time.Second
	idempotencyRenewal = 5 * time.Second
	idempotencyMost    = 90 * time.Second
	// idempotencyFinish bounds how long keeping a reply may hold it up.
	idempotencyFinish = 5 * time.Second
)

// IdempotencyStore remembers which requests were made. Its methods are atomic
// and one round trip each.
type IdempotencyStore interface {
	// Reserve claims key for lease, or says why not. seed is kept with it, unless
	// an earlier claim already brought one.
	Reserve(ctx context.Context, key StoreName, fingerprint, seed []byte, lease, keep time.Duration) (Reservation, error)
	// Renew makes a claim last for life from now. It returns the lease then, or ""
	// if that was lost.
	Renew(ctx context.Context, key StoreName, lease string, life time.Duration) (renewed string, err error)
	// Complete keeps the sealed reply of a claim.
	Complete(ctx context.Context, key StoreName, lease string, sealed []byte) error
	// Release gives a claim up.
	Release(ctx context.Context, key StoreName, lease string) error
}

// Reservation is the answer of [IdempotencyStore.Reserve].
type Reservation struct {
	Outcome ReservationOutcome
	Seed    []byte // with Reserved
	Lease   string // with Reserved
	Sealed  []byte // with Replayed
}

// ReservationOutcome is what became of a claim.
type ReservationOutcome string

// The outcomes.
const (
	Reserved   ReservationOutcome = "new"
	Replayed   ReservationOutcome = "replay"
	InFlight   ReservationOutcome = "conflict"
	Mismatched ReservationOutcome = "mismatch"
)

// Idempotency gives one reply per key and app, for [IdempotencyLife]. Replies
// are sealed in the store. A request whose instance died in the middle can be
// made again: it gets the same seed, so a start makes the same verification.
type Idempotency struct {
	store IdempotencyStore
	keys  *Keyring
}

// NewIdempotency returns an Idempotency on store.
func NewIdempotency(store IdempotencyStore, keys *Keyring) *Idempotency {
	return &Idempotency{store: store, keys: keys}
}

// Ticket is the right to work on a request, or the reply it had.
type Ticket struct {
	// Seed goes into [StartRequest.Seed].
	Seed []byte
	// Request names the request, so that a repeated one is known for the same
	// even where its reply wasn't kept.
	Request StoreName
	// Replay is the earlier reply; nil if there was none.
	Replay *Reply

	// What follows is for who holds the claim; mu guards it.
	mu      sync.Mutex
	lease   string
	renewal *time.Timer
	until   time.Time // no longer than this
}

// Reply is an HTTP reply.
type Reply struct {
	Status      int    `json:"s"`
	ContentType string `json:"t"`
	Body        []byte `json:"b"`
}

// Begin claims key for a request of app. fingerprint is a hash of all that the
// request says. It fails with an [*Error]: idempotency_conflict while another
// one with this key is worked on, idempotency_mismatch if that was another
// request, unavailable.
func (i *Idempotency) Begin(ctx context.Context, app, key string, fingerprint [sha256.Size]byte) (*Ticket, error) {
	return i.begin(ctx, app, key, fingerprint, IdempotencyLife)
}

func (i *Idempotency) begin(ctx context.Context, app, key string, fingerprint [sha256.Size]byte, life time.Duration) (*Ticket, error) {
	t := &Ticket{Request: i.keys.PartyName(app, "idempotency", key)}
	// A plain hash of a short body gives its number or code away to whoever
	// tries them all, so the store gets it under a key.
	request := i.keys.PartyName(app, "request", string(fingerprint[:]))
	r, err := i.store.Reserve(ctx, t.Request, []byte(request), i.keys.NewSeed(), idempotencyLease, life)
	if err != nil {
		return nil, unavailable(err)
	}
	switch r.Outcome {
	case Reserved:
		t.Seed, t.lease = r.Seed, r.Lease
		i.hold(ctx, t)
		return t, nil
	case Replayed:
		t.Replay = &Reply{}
		return t, i.open(t.Request, r.Sealed, t.Replay)
	case InFlight:
		return nil, &Error{
			Code: CodeIdempotencyConflict, RetryAfter: time.Second,
			Message: "a request with this Idempotency-Key is still being worked on; try again in a moment",
		}
	case Mismatched:
		return nil, &Error{
			Code:    CodeIdempotencyMismatch,
			Message: "this Idempotency-Key was used with another request; use a new key for a new request",
		}
	}
	return nil, fmt.Errorf("reserve idempotency key: unknown outcome %q", r.Outcome)
}

// hold renews t's claim until [Idempotency.Finish].
func (i *Idempotency) hold(ctx context.Context, t *Ticket) {
	ctx = context.WithoutCancel(ctx) // the work goes on when its caller hangs up
	t.mu.Lock()
	defer t.mu.Unlock()
	t.until = time.Now().Add(idempotencyMost)
	t.renewal = time.AfterFunc(idempotencyRenewal, func() { i.renew(ctx, t) })
}

// renew renews the claim once. One that fails is tried again in time for the
// next; one that was lost isn't.
func (i *Idempotency) renew(ctx context.Context, t *Ticket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.renewal == nil || time.Now().After(t.until) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, idempotencyFinish)
	defer cancel()
	switch lease, err := i.store.Renew(ctx, t.Request, t.lease, idempotencyLease); {
	case err != nil:
	case lease == "":
		return
	default:
		t.lease = lease
	}
	t.renewal.Reset(idempotencyRenewal)
}

// Finish keeps the reply to t's request. With nil it forgets the key instead, so
// that the caller may try again.
func (i *Idempotency) Finish(ctx context.Context, t *Ticket, r *Reply) error {
	t.mu.Lock() // a renewal that is under way says which lease it is
	defer t.mu.Unlock()
	if t.renewal != nil {
		t.renewal.Stop()
		t.renewal = nil
	}
	if r == nil {
		return i.store.Release(ctx, t.Request, t.lease)
	}
	plain, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep reply: %w", err)
	}
	return i.store.Complete(ctx, t.Request, t.lease, i.keys.Seal("reply", string(t.Request), plain))
}

// Once answers a request of app that its caller may make more than once under
// one key, at once or later: the first runs do, the others wait for its reply
// and get the same. do says whether its reply is to be kept; if not, the next
// one with this key runs again. What it is given as a seed goes into
// [DispatchRequest.Seed], so that even a request whose instance died in the
// middle sends nothing twice. It fails as [Idempotency.Begin] does, with
// idempotency_conflict if ctx ends before the first has a reply.
func (i *Idempotency) Once(ctx context.Context, app, key string,
	do func(ctx context.Context, seed []byte) (r *Reply, keep bool),
) (*Reply, error) {
	return i.OnceIn(ctx, app, key, IdempotencyLife, do)
}

// OnceIn is Once for requests that are known for life, counted from when the
// first one came. It must be longer than do takes.
func (i *Idempotency) OnceIn(ctx context.Context, app, key string, life time.Duration,
	do func(ctx context.Context, seed []byte) (r *Reply, keep bool),
) (*Reply, error) {
	t, err := i.await(ctx, app, key, life)
	if err != nil || t.Replay != nil {
		return t.reply(), err
	}
	var reply, kept *Reply
	defer func() { // deferred, so that a panic gives the key back too
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), idempotencyFinish)
		defer cancel()
		// A reply that isn't kept costs a repeat of the request its wait for the
		// lease; it still sends nothing, because its seed is known.
		_ = i.Finish(ctx, t, kept)
	}()
	reply, keep := do(ctx, t.Seed)
	if keep {
		kept = reply
	}
	return reply, nil
}

// await takes the key, or waits for the reply of who has it.
func (i *Idempotency) await(ctx context.Context, app, key string, life time.Duration) (*Ticket, error) {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		t, err := i.begin(ctx, app, key, sha256.Sum256(nil), life)
		if CodeOf(err) != CodeIdempotencyConflict {
			return t, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}

func (t *Ticket) reply() *Reply {
	if t == nil {
		return nil
	}
	return t.Replay
}

func (i *Idempotency) open(key StoreName, sealed []byte, r *Reply) error {
	plain, err := i.keys.Unseal("reply", string(key), sealed)
	if err != nil {
		return err
	}
	if err := json.NewDecoder(bytes.NewReader(plain)).Decode(r); err != nil {
		return errors.New("read kept reply: not a reply")
	}
	return nil
}

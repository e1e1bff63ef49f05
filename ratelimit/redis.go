package ratelimit

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Lua is a fragment that other Redis scripts begin with. It defines gcra_now,
// gcra_check and gcra_store; gcra.lua says what they take and return.
//
//go:embed gcra.lua
var Lua string

//go:embed spend.lua
var spendLua string

//go:embed refund.lua
var refundLua string

// Scripts are the names of a [Store]'s scripts by their hash, for whoever shows
// what is asked of Redis.
func Scripts() map[string]string {
	return map[string]string{
		redis.NewScript(Lua + spendLua).Hash():  "spend",
		redis.NewScript(Lua + refundLua).Hash(): "refund",
	}
}

// Bucket is one limit of one app, address or whatever Key stands for.
type Bucket struct {
	Name  Name
	Limit Limit
	// Key says whose bucket it is. It is shown in the store, so whatever is
	// private in it was replaced by an HMAC before.
	Key string
	// Advisory is whether a refusal only informs: [Store.Spend] leaves other
	// buckets spent then, and the caller decides.
	Advisory bool
}

// Store spends buckets that all instances share, in Redis. It is safe for
// concurrent use.
type Store struct {
	client redis.Cmdable
	prefix string
	clock  func() time.Time // nil: the server's own time
	spend  *redis.Script
	refund *redis.Script
}

// Option changes a [Store].
type Option func(*Store)

// WithClock makes a store use this time instead of the server's own, which all
// instances agree on. It is for tests.
func WithClock(now func() time.Time) Option { return func(s *Store) { s.clock = now } }

// NewRedis returns a store whose keys start with prefix, mostly [Prefix]. The
// client may be of any kind: single, Sentinel, Cluster, auto-pipelined.
func NewRedis(client redis.Cmdable, prefix string, opts ...Option) *Store {
	s := &Store{
		client: client,
		prefix: prefix,
		spend:  redis.NewScript(Lua + spendLua),
		refund: redis.NewScript(Lua + refundLua),
	}
	for _, o := range opts {
		o(s)
	}
	return s
}

// Spend takes one request from each bucket, in one round trip, wherever in a
// cluster they live. It returns a decision for each, in order.
//
// Each bucket is spent by itself, so when one refuses that isn't advisory, others
// have been spent for nothing. Those are refunded in a second round trip: else one address
// could use up its whole app's limit with requests that are refused anyway. A
// refund that fails is not reported; the request is regained in time.
//
// While Redis can't be asked, a limit that fails open allows and says so in
// [Decision.Unchecked]. One that fails closed makes Spend fail: then nothing
// may go on, and the caller is told to try later. Spend fails for no other reason.
// It blocks as long as the client's timeouts and ctx let it. When a reply gets
// lost and the client tries again, one request may be spent twice.
func (s *Store) Spend(ctx context.Context, buckets ...Bucket) ([]Decision, error) {
	decisions := make([]Decision, len(buckets))
	var errs []error
	var spent []Bucket
	stop := false
	cmds := s.run(ctx, s.spend, 1, buckets)
	for i, b := range buckets {
		d, err := b.decide(cmds[i])
		if err != nil {
			errs = append(errs, err)
		}
		if !d.Allowed {
			stop = stop || !b.Advisory
		} else if cmds[i] != nil && d.Unchecked == nil {
			spent = append(spent, b)
		}
		decisions[i] = d
	}
	if stop && len(spent) > 0 {
		_ = s.Refund(ctx, spent...)
	}
	return decisions, errors.Join(errs...)
}

// Refund gives back one request to each bucket, in one round trip, because what
// it was spent for didn't happen. It says which buckets it failed for; they
// stay spent, which is safe.
func (s *Store) Refund(ctx context.Context, buckets ...Bucket) error {
	return s.RefundTimes(ctx, 1, buckets...)
}

// RefundTimes gives back n requests to each bucket, which may be a fraction. No
// bucket becomes more than full.
func (s *Store) RefundTimes(ctx context.Context, n float64, buckets ...Bucket) error {
	var errs []error
	cmds := s.run(ctx, s.refund, n, buckets)
	for i, b := range buckets {
		if cmd := cmds[i]; cmd != nil && cmd.Err() != nil {
			errs = append(errs, fmt.Errorf("refund limit %q: %w", b.Name, cmd.Err()))
		}
	}
	return errors.Join(errs...)
}

// decide reads the reply for b; a nil cmd stands for a limit that is off.
func (b Bucket) decide(cmd *redis.Cmd) (Decision, error) {
	if cmd == nil {
		return Decision{Limit: b.Name, Allowed: true}, nil
	}
	reply, err := cmd.Int64Slice()
	if err == nil && len(reply) != 2 {
		err = fmt.Errorf("%d values in the reply", len(reply))
	}
	switch {
	case err == nil:
		wait := time.Duration(reply[0]) * time.Microsecond
		return Decision{Limit: b.Name, Allowed: wait == 0, Remaining: int(reply[1]), RetryAfter: wait}, nil
	case b.Limit.OnError == Open:
		return Decision{Limit: b.Name, Allowed: true, Unchecked: err}, nil
	}
	return Decision{Limit: b.Name}, fmt.Errorf("ask limit %q: %w", b.Name, err)
}

// run runs script on each bucket whose limit is on, for n requests, and returns
// the replies in the buckets' order, nil for a limit that is off.
func (s *Store) run(ctx context.Context, script *redis.Script, n float64, buckets []Bucket) []*redis.Cmd {
	cmds := make([]*redis.Cmd, len(buckets))
	s.send(ctx, script.EvalSha, n, buckets, cmds)
	unknown := false
	for i, cmd := range cmds {
		if cmd != nil && cmd.Err() != nil && redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			cmds[i], unknown = nil, true
		}
	}
	if unknown {
		// EVAL, not SCRIPT LOAD: it reaches the very node that asked for it.
		s.send(ctx, script.Eval, n, buckets, cmds)
	}
	return cmds
}

type evaluate func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

// send fills in each reply that is missing.
func (s *Store) send(ctx context.Context, eval evaluate, n float64, buckets []Bucket, cmds []*redis.Cmd) {
	var now int64
	if s.clock != nil {
		now = s.clock().UnixMicro()
	}
	one := func(c redis.Scripter, i int) {
		b := buckets[i]
		g := b.Limit.GCRA().times(n)
		key := Key(s.prefix, spreadTag(b.Key), b.Name, b.Key)
		cmds[i] = eval(ctx, c, []string{key}, now, g.Interval.Microseconds(), g.Burst)
	}
	var missing []int
	for i, b := range buckets {
		if cmds[i] == nil && b.Limit.Count > 0 {
			missing = append(missing, i)
		}
	}
	switch len(missing) {
	case 0:
	case 1:
		// Outside a pipeline, so that a client that pipelines by itself can
		// send it along with other callers' commands.
		one(s.client, missing[0])
	default:
		// The error is also in the replies it concerns.
		_, _ = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, i := range missing {
				one(p, i)
			}
			return nil
		})
	}
}

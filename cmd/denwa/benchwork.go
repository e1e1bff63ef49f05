package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// benchAnswerWithin is how long a request under load may take.
	benchAnswerWithin = 10 * time.Second
	// benchPrepared is how many verifications a closed loop of checks uses up.
	benchPrepared = 20_000
)

// numbers are Japanese mobile numbers, each another one. They begin anywhere, so that
// two runs on one gateway don't meet each other's limits, and each is far from the
// last: many starts in one range of numbers look like fraud.
type numbers struct {
	first int64
	given atomic.Int64
}

// A Japanese mobile number is 70, 80 or 90, a digit that isn't 0, and seven more.
const (
	perPrefix  = 90_000_000
	allNumbers = 3 * perPrefix
	// numberStep has no divisor in common with allNumbers, so all come before one
	// comes again.
	numberStep = 61_803_401
)

func newNumbers() *numbers {
	n, err := rand.Int(rand.Reader, big.NewInt(allNumbers))
	if err != nil {
		panic(err) // never fails
	}
	return &numbers{first: n.Int64()}
}

func (n *numbers) next() string {
	i := (n.first + (n.given.Add(1)-1)*numberStep) % allNumbers
	return fmt.Sprintf("+81%d0%d", 7+i/perPrefix, 10_000_000+i%perPrefix)
}

// started is a verification whose code is still to be checked.
type started struct{ id, code string }

// bencher starts and checks verifications at one gateway.
type bencher struct {
	*benchTarget
	work     string
	numbers  *numbers
	prepared []started
	// stray is why the run had to end at once.
	stray error
	once  sync.Once
}

func newBencher(t *benchTarget, work string, n *numbers) *bencher {
	return &bencher{benchTarget: t, work: work, numbers: n}
}

// strayError is a message that went where it might have reached somebody.
type strayError struct{ server, provider string }

func (e *strayError) Error() string {
	return fmt.Sprintf("stopped: %s sent a message by %q, which isn't a sandbox", e.server, e.provider)
}

// wrongReplyError is an answer that isn't what was asked for.
type wrongReplyError string

func (e wrongReplyError) Error() string { return string(e) }

// call sends one request. It finishes one that is under way when ctx ends.
func (b *bencher) call(ctx context.Context, body, out any, path ...string) error {
	sent, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), benchAnswerWithin, errNoAnswer)
	defer cancel()
	_, err = b.api.do(ctx, http.MethodPost, b.api.base.JoinPath(path...), http.Header{"Content-Type": {"application/json"}}, sent, out)
	return err
}

func (b *bencher) start(ctx context.Context, number string) (id string, err error) {
	var v struct {
		ID         string
		Deliveries []delivery
	}
	if err := b.call(ctx, startRequest{To: number, Channel: "sms"}, &v, "v1", "verifications"); err != nil {
		return "", err
	}
	if v.ID == "" || len(v.Deliveries) == 0 {
		return "", wrongReplyError("the start was answered without a delivery")
	}
	for _, d := range v.Deliveries {
		if !slices.Contains(b.carriers, d.Provider) {
			return "", &strayError{b.name, d.Provider}
		}
	}
	return v.ID, nil
}

func (b *bencher) check(ctx context.Context, s started) error {
	var reply struct{ Valid bool }
	err := b.call(ctx, map[string]string{"code": s.code}, &reply, "v1", "verifications", s.id, "check")
	if err == nil && !reply.Valid {
		err = wrongReplyError("the right code wasn't accepted")
	}
	return err
}

// begin starts a verification and finds its code. took is the start alone.
func (b *bencher) begin(ctx context.Context, due time.Time) (s started, took time.Duration, err error) {
	number := b.numbers.next()
	s.id, err = b.start(ctx, number)
	took = time.Since(due)
	if err == nil && b.work != workStart {
		s.code, err = b.code(ctx, s.id, number)
	}
	return s, took, err
}

// try takes one verification to its end.
func (b *bencher) try(ctx context.Context) error {
	s, _, err := b.begin(ctx, time.Now())
	if err != nil || b.work == workStart {
		return err
	}
	return b.check(ctx, s)
}

// most is how many requests there can be; 0 is no bound.
func (b *bencher) most() int64 {
	if b.work == workCheck {
		return int64(len(b.prepared))
	}
	return b.holds
}

// prepare starts what will be checked.
func (b *bencher) prepare(ctx context.Context, l load, show *progress) error {
	count, within := l.scheduled(), maxBenchTime
	if count == 0 { // a check takes less than a start, but not four times less
		count, within = benchPrepared, 4*(l.warmUp+l.duration)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	prepared := make([]started, count)
	var done atomic.Int64
	stop := show.every(func(time.Duration) string { return "preparing: " + commas(done.Load()) + " verifications" })
	load{connections: l.connections, duration: within, most: count}.run(ctx, func(n int64, due time.Time) {
		s, _, err := b.begin(ctx, due)
		if err != nil {
			cancel(err)
			return
		}
		prepared[n] = s
		done.Add(1)
	})
	stop()
	if err := context.Cause(ctx); err != nil {
		if errors.Is(err, context.Canceled) {
			return exitQuietly(exitInterrupted)
		}
		return fmt.Errorf("prepare what is to be checked: %w", err)
	}
	b.prepared = slices.DeleteFunc(prepared, func(s started) bool { return s.id == "" })
	return nil
}

// measure runs the load and counts.
func (b *bencher) measure(ctx context.Context, l load, show *progress) *tally {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := newTally(b.work, time.Now().Add(l.warmUp))
	stop := show.every(t.progress)
	t.sent = l.run(ctx, func(n int64, due time.Time) {
		err := b.one(ctx, t, n, due)
		var stray *strayError
		if errors.As(err, &stray) {
			b.once.Do(func() { b.stray = stray })
			cancel()
		}
		if err != nil {
			t.failed(err)
		}
	})
	t.ended = time.Now()
	stop()
	return t
}

// one makes the nth request, or two of them, and records how long they took.
func (b *bencher) one(ctx context.Context, t *tally, n int64, due time.Time) error {
	var s started
	var took time.Duration
	var err error
	if b.work == workCheck {
		s = b.prepared[n]
	} else {
		if s, took, err = b.begin(ctx, due); err != nil {
			return err
		}
		t.took(workStart, due, took)
		if b.work == workStart {
			return nil
		}
	}
	asked := due
	if b.work == workBoth {
		asked = time.Now()
	}
	if err := b.check(ctx, s); err != nil {
		return err
	}
	checked := time.Since(asked)
	t.took(workCheck, due, checked)
	if b.work == workBoth {
		t.took(workBoth, due, took+checked)
	}
	return nil
}

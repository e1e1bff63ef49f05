package providertest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"denwa/providers"
)

func testName(t *testing.T, h Harness) {
	s := open(t, h, Accept)
	if !providers.ValidName(s.Name()) {
		t.Errorf("%q is no name for a provider", s.Name())
	}
}

func testAccept(t *testing.T, h Harness) {
	s := open(t, h, Accept)
	for i, text := range []string{
		text,
		"Your code is " + code,
		"100% \"sure\" <b>&amp;</b> {{.Code}} \\n ' ; -- " + code,
		"絵文字👨‍👩‍👧‍👦と\r\n改行\t" + code,
		strings.Repeat("長い文", 50) + code,
	} {
		msg := message(i + 1)
		msg.Text = text
		s.accept(t, msg)
	}
	for i, validFor := range []time.Duration{0, time.Millisecond, 24 * time.Hour} {
		msg := message(10 + i)
		msg.ValidFor = validFor
		s.accept(t, msg)
	}
}

func testSlow(t *testing.T, h Harness) {
	open(t, h, Slow).accept(t, message(1))
}

// testHang: nothing says whether the message was sent.
func testHang(t *testing.T, h Harness) {
	t.Run("deadline", func(t *testing.T) {
		hang(t, h, func(within time.Duration) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(t.Context(), within, errors.New("the attempt's time is over"))
		})
	})
	t.Run("cancel", func(t *testing.T) {
		hang(t, h, func(within time.Duration) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(within, cancel)
			return ctx, cancel
		})
	})
	t.Run("already over", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := open(t, h, Hang).send(ctx, t, message(1)); err == nil {
			t.Error("accepted after its context ended")
		} else if !err.Kind.TryNext() {
			t.Errorf("kind %s, which says something of the message", err.Kind)
		}
	})
}

// hang sends a message in a context that ends before there is an answer. On a
// loaded machine it may end before the carrier is asked, which is another failure,
// so more time is given then.
func hang(t *testing.T, h Harness, ending func(within time.Duration) (context.Context, context.CancelFunc)) {
	t.Helper()
	for _, within := range []time.Duration{200 * time.Millisecond, 2 * time.Second} {
		ctx, cancel := ending(within)
		_, err := open(t, h, Hang).send(ctx, t, message(1))
		cancel()
		if err != nil && err.Kind == providers.Ambiguous {
			return
		}
	}
	ctx, cancel := ending(prompt)
	defer cancel()
	open(t, h, Hang).fail(ctx, t, providers.Ambiguous)
}

func testCut(t *testing.T, h Harness) {
	ctx, cancel := context.WithTimeout(t.Context(), prompt)
	defer cancel()
	open(t, h, Cut).fail(ctx, t, providers.Ambiguous)
	if ctx.Err() != nil {
		t.Error("waited for its deadline on a connection that was closed")
	}
}

// testDown: nothing was sent, so the next provider may be asked without a doubt.
func testDown(t *testing.T, h Harness) {
	ctx, cancel := context.WithTimeout(t.Context(), prompt)
	defer cancel()
	open(t, h, Down).fail(ctx, t, providers.Unavailable)
}

func testKind(t *testing.T, h Harness, kind providers.Kind) {
	t.Helper()
	found := false
	for _, r := range h.Refusals {
		if r.Kind != kind {
			continue
		}
		found = true
		t.Run(string(r.Behaviour), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), prompt)
			defer cancel()
			err := open(t, h, r.Behaviour).fail(ctx, t, kind)
			if err.Code != r.Code {
				t.Errorf("code %q, want %q", err.Code, r.Code)
			}
			if err.RetryAfter != r.RetryAfter {
				t.Errorf("retry after %v, want %v", err.RetryAfter, r.RetryAfter)
			}
		})
	}
	if !found {
		t.Errorf("Harness.Refusals has none of kind %s; if the carrier can't refuse so, skip %q", kind, kind)
	}
}

// testConcurrent has many senders, some of which give up, and receipts at the
// same time. The race detector sees the rest.
func testConcurrent(t *testing.T, h Harness) {
	s := open(t, h, Accept)
	first := s.accept(t, message(1))
	var wg sync.WaitGroup
	for n := range 32 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*prompt)
			defer cancel()
			impatient := n%4 == 3
			if impatient {
				time.AfterFunc(time.Duration(n)*100*time.Microsecond, cancel)
			}
			if _, err := s.hand(ctx, message(n+2)); err != nil && !impatient {
				t.Errorf("message %d: %v", n+2, err)
			}
		})
	}
	if s.reports() {
		for _, status := range h.Statuses {
			wg.Go(func() { s.report(t, first, status) })
		}
	}
	wg.Wait()
}

// testClose leaves nothing behind: neither while the carrier is still up, nor
// afterwards.
func testClose(t *testing.T, h Harness) {
	before := goleak.IgnoreCurrent()
	t.Run("carrier is up", func(t *testing.T) {
		s := start(t, h, Accept)
		up := goleak.IgnoreCurrent()
		for n := range 3 {
			s.accept(t, message(n+1))
		}
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		goleak.VerifyNone(t, up)
	})
	if _, skip := h.Skip["hang"]; !skip {
		t.Run("after a timeout", func(t *testing.T) {
			s := start(t, h, Hang)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			s.fail(ctx, t, providers.Ambiguous)
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	goleak.VerifyNone(t, before)
}

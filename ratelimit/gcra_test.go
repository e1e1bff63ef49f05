package ratelimit

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	fivePerHour = Limit{Burst: 5, Count: 5, Period: time.Hour} // one each 12 minutes
	onePer30s   = Limit{Burst: 1, Count: 1, Period: 30 * time.Second}
	threeBurst  = Limit{Burst: 3, Count: 60, Period: time.Hour}        // one a minute, three at once
	sevenths    = Limit{Burst: 7, Count: 7, Period: 7 * time.Hour / 6} // 10 minutes
)

// step is one request: so long after the step before, with this answer.
type step struct {
	after     time.Duration
	allowed   bool
	remaining int
	retry     time.Duration
}

// histories is the one table of what limits do. Every store is held to it.
var histories = map[string]struct {
	limit Limit
	steps []step
}{
	"off": {Limit{}, []step{{0, true, 0, 0}, {0, true, 0, 0}}},
	"one": {onePer30s, []step{
		{0, true, 0, 0},
		{0, false, 0, 30 * time.Second},
		{29 * time.Second, false, 0, time.Second},
		{time.Second, true, 0, 0},
		{0, false, 0, 30 * time.Second},
	}},
	"burst, then one at a time": {fivePerHour, []step{
		{0, true, 4, 0},
		{0, true, 3, 0},
		{0, true, 2, 0},
		{0, true, 1, 0},
		{0, true, 0, 0},
		{0, false, 0, 12 * time.Minute},
		{12 * time.Minute, true, 0, 0},
		{0, false, 0, 12 * time.Minute},
		{24 * time.Minute, true, 1, 0},
	}},
	"a burst smaller than the count": {threeBurst, []step{
		{0, true, 2, 0},
		{0, true, 1, 0},
		{0, true, 0, 0},
		{0, false, 0, time.Minute},
		{90 * time.Second, true, 0, 0},
		{0, false, 0, 30 * time.Second},
	}},
	"full again after a period, never more than full": {threeBurst, []step{
		{0, true, 2, 0},
		{0, true, 1, 0},
		{0, true, 0, 0},
		{3 * time.Minute, true, 2, 0},
		{100 * time.Hour, true, 2, 0},
	}},
	"a refusal costs nothing": {onePer30s, []step{
		{0, true, 0, 0},
		{10 * time.Second, false, 0, 20 * time.Second},
		{10 * time.Second, false, 0, 10 * time.Second},
		{10 * time.Second, true, 0, 0},
	}},
	"to the microsecond": {onePer30s, []step{
		{0, true, 0, 0},
		{30*time.Second - time.Microsecond, false, 0, time.Microsecond},
		{time.Microsecond, true, 0, 0},
	}},
	"part of a request counts for nothing": {sevenths, []step{
		{0, true, 6, 0},
		{9 * time.Minute, true, 5, 0},
		{time.Minute, true, 5, 0},
	}},
	"the clock is set back": {onePer30s, []step{
		{time.Hour, true, 0, 0},
		{-10 * time.Second, false, 0, 40 * time.Second},
		{40 * time.Second, true, 0, 0},
	}},
}

// spender is a store with one bucket of one limit in it.
type spender func(t *testing.T, limit Limit, now time.Time) Decision

// testHistories holds a store to the table. newSpender returns one without any
// bucket in it.
func testHistories(t *testing.T, newSpender func(t *testing.T) spender) {
	t.Helper()
	for name, h := range histories {
		t.Run(name, func(t *testing.T) {
			spend := newSpender(t)
			now := time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
			for i, s := range h.steps {
				now = now.Add(s.after)
				got := spend(t, h.limit, now)
				got.TAT, got.Limit = time.Time{}, ""
				want := Decision{Allowed: s.allowed, Remaining: s.remaining, RetryAfter: s.retry}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("step %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

func TestGCRA(t *testing.T) {
	t.Parallel()
	testHistories(t, func(*testing.T) spender {
		var tat time.Time
		return func(_ *testing.T, l Limit, now time.Time) Decision {
			d := l.GCRA().Spend(tat, now)
			tat = d.TAT
			return d
		}
	})
}

func TestPeek(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
	g := threeBurst.GCRA()
	tests := map[string]struct {
		g    GCRA
		tat  time.Time
		want Decision
	}{
		"off":    {GCRA{}, now, Decision{Allowed: true, TAT: now}},
		"unused": {g, time.Time{}, Decision{Allowed: true, Remaining: 3}},
		"full":   {g, now, Decision{Allowed: true, Remaining: 3, TAT: now}},
		"some":   {g, now.Add(time.Minute), Decision{Allowed: true, Remaining: 2, TAT: now.Add(time.Minute)}},
		"last":   {g, now.Add(2 * time.Minute), Decision{Allowed: true, Remaining: 1, TAT: now.Add(2 * time.Minute)}},
		"empty":  {g, now.Add(3 * time.Minute), Decision{RetryAfter: time.Minute, TAT: now.Add(3 * time.Minute)}},
	}
	for name, tt := range tests {
		if diff := cmp.Diff(tt.want, tt.g.Peek(tt.tat, now)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRefund(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
	g := threeBurst.GCRA()
	tests := map[string]struct {
		g         GCRA
		tat, want time.Time
	}{
		"off":              {GCRA{}, now.Add(time.Hour), now.Add(time.Hour)},
		"unused":           {g, time.Time{}, time.Time{}},
		"one spent":        {g, now.Add(time.Minute), time.Time{}},
		"two spent":        {g, now.Add(2 * time.Minute), now.Add(time.Minute)},
		"regained already": {g, now.Add(-time.Hour), time.Time{}},
		"partly regained":  {g, now.Add(30 * time.Second), time.Time{}},
	}
	for name, tt := range tests {
		if got := tt.g.Refund(tt.tat, now); !got.Equal(tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// Whole microseconds: what Redis can't see must not change an answer here.
func TestGCRAIgnoresNanoseconds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 4, 1, 12, 0, 0, 999, time.UTC)
	if d := onePer30s.GCRA().Spend(time.Time{}, now); d.TAT.Nanosecond() != 0 {
		t.Errorf("TAT %v has nanoseconds", d.TAT)
	}
}

func BenchmarkGCRA(b *testing.B) {
	g := fivePerHour.GCRA()
	now := time.Now()
	var tat time.Time
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Minute)
		tat = g.Spend(tat, now).TAT
	}
}

// Times: whole microseconds and never none, or there would be no limit.
func TestTimes(t *testing.T) {
	for _, c := range []struct {
		interval time.Duration
		n        float64
		want     time.Duration
	}{
		{time.Microsecond, 0.5, time.Microsecond},
		{3 * time.Second, 10.0 / 3, 10 * time.Second},
		{72 * time.Second, 1 / 0.3, 240 * time.Second},
		{longest - time.Nanosecond, 1, longest - time.Nanosecond}, // more digits than a float64 has
	} {
		if got := (GCRA{Interval: c.interval, Burst: 1}).times(c.n).Interval; got != c.want {
			t.Errorf("%v times %v is %v, want %v", c.interval, c.n, got, c.want)
		}
	}
}

package smpp

import (
	"testing"
	"time"
)

func TestThrottle(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 10, 4, 9, 0, 0, 0, time.UTC)
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	var th throttle
	if th.left(at(0)) != 0 {
		t.Error("it begins with a pause")
	}
	for _, step := range []struct {
		sent, now float64
		want      time.Duration
	}{
		{0, 1, time.Second},
		{0.1, 1.1, 900 * time.Millisecond}, // of the same window
		{0.9, 1.5, 500 * time.Millisecond},
		{2, 3, 2 * time.Second}, // asked again after the pause
		{5, 6, 4 * time.Second},
		{10, 11, 8 * time.Second},
		{20, 21, 16 * time.Second},
		{40, 41, 30 * time.Second},
		{80, 81, 30 * time.Second},
	} {
		if got := th.slowed(at(step.sent), at(step.now)); got != step.want {
			t.Errorf("at %v: %v, want %v", step.now, got, step.want)
		}
	}
	if got := th.left(at(91)); got != 20*time.Second {
		t.Errorf("%v left", got)
	}
	th.taken(at(80.5)) // before it asked
	if got := th.slowed(at(112), at(112)); got != 30*time.Second {
		t.Errorf("forgotten too soon: %v", got)
	}
	th.taken(at(143))
	if got := th.slowed(at(144), at(144)); got != time.Second {
		t.Errorf("after it took one: %v", got)
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for failures, most := range map[int]time.Duration{
		0: 500 * time.Millisecond, 1: time.Second, 4: 8 * time.Second, 6: 30 * time.Second, 100: 30 * time.Second,
	} {
		if low, high := backoff(failures, 0), backoff(failures, 1); low != most/2 || high != most {
			t.Errorf("after %d failures %v to %v, want %v to %v", failures, low, high, most/2, most)
		}
	}
}

package smpp

import (
	"sync"
	"time"
)

// How long nothing is sent after the centre asked to slow down: twice as long
// each time it asks again.
const (
	leastPause = time.Second
	mostPause  = 30 * time.Second
)

// throttle remembers that the centre asked to slow down. It is about the
// account, so all connections share it.
type throttle struct {
	mu     sync.Mutex
	pause  time.Duration // the latest; 0 if the centre took a message since
	begun  time.Time
	passed time.Time // when it is over
}

// left is for how much longer nothing is to be sent.
func (t *throttle) left(now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(0, t.passed.Sub(now))
}

// slowed notes that a message that was sent at sent was throttled, and returns
// for how long nothing is to be sent. A whole window that is throttled at once is
// one reason to pause, not ten.
func (t *throttle) slowed(sent, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pause == 0 || !sent.Before(t.begun) {
		t.pause = min(max(2*t.pause, leastPause), mostPause)
		t.begun, t.passed = now, now.Add(t.pause)
	}
	return max(0, t.passed.Sub(now))
}

// taken notes that the centre took a message that was sent at sent.
func (t *throttle) taken(sent time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if sent.After(t.begun) {
		t.pause = 0
	}
}

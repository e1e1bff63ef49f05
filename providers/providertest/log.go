package providertest

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Log is what several goroutines write, and a test reads in between.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements [io.Writer].
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// Bytes is what was written so far.
func (l *Log) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.b.Bytes())
}

// String is what was written so far.
func (l *Log) String() string { return string(l.Bytes()) }

// Await waits until it holds text.
func (l *Log) Await(tb testing.TB, text string) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(l.String(), text) {
			return
		}
	}
	tb.Errorf("it never said %q, but %q", text, l)
}

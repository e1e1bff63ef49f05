package siptest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Peers want to be told their ports, so these are chosen before they are
// taken. They lie below those that systems give to whoever doesn't ask for
// one, and each is given to one test at a time.
const firstPort, lastPort = 10_000, 32_000

var taken = struct {
	mu    sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// FreePorts returns an even UDP and TCP port, which is free together with the
// next n-1 and stays so until the end of the test, as far as this process goes.
func FreePorts(tb testing.TB, n int) int {
	tb.Helper()
	taken.mu.Lock()
	defer taken.mu.Unlock()
	for range 500 {
		first := firstPort + 2*rand.IntN((lastPort-firstPort)/2)
		if !free(first, n) {
			continue
		}
		for i := range n {
			taken.ports[first+i] = true
		}
		tb.Cleanup(func() {
			taken.mu.Lock()
			defer taken.mu.Unlock()
			for i := range n {
				delete(taken.ports, first+i)
			}
		})
		return first
	}
	tb.Fatalf("no %d free ports in a row", n)
	return 0
}

// free reports whether nobody has any of n ports.
func free(first, n int) bool {
	for port := first; port < first+n; port++ {
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		if taken.ports[port] {
			return false
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return false
		}
		l.Close()
		c, err := net.ListenPacket("udp", addr)
		if err != nil {
			return false
		}
		c.Close()
	}
	return true
}

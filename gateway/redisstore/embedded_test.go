package redisstore

import (
	"errors"
	"net"
	"sync"
	"testing"
)

// TestEmbeddedClosesWhileItIsDialled: a client dials in the background, and may
// still do so when its store ends. Nobody gets a connection then, and nothing
// comes back to life.
func TestEmbeddedClosesWhileItIsDialled(t *testing.T) {
	for range 50 {
		e := StartEmbedded()
		var dialling sync.WaitGroup
		begin := make(chan struct{})
		for range 8 {
			dialling.Go(func() {
				<-begin
				for range 5 {
					conn, err := e.dial()
					if err != nil {
						if !errors.Is(err, net.ErrClosed) {
							t.Error(err)
						}
						return
					}
					defer func() { _ = conn.Close() }()
				}
			})
		}
		close(begin)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		dialling.Wait()
		if _, err := e.dial(); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("a closed store is dialled: %v", err)
		}
	}
}

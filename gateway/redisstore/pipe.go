package redisstore

import (
	"net"
	"sync"
)

// pipeConn is the client's end of a [net.Pipe] whose writes don't block. A pipe
// has no buffer, so client and server would wait for each other as soon as a
// pipeline of commands is answered before it is written to its end.
type pipeConn struct {
	net.Conn

	mu     sync.Mutex
	wake   *sync.Cond
	out    []byte
	closed bool
	err    error
}

func newPipeConn(c net.Conn) *pipeConn {
	p := &pipeConn{Conn: c}
	p.wake = sync.NewCond(&p.mu)
	go p.flush()
	return p
}

// Write queues b. An error of an earlier write comes back here.
func (p *pipeConn) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, net.ErrClosed
	}
	if p.err != nil {
		return 0, p.err
	}
	p.out = append(p.out, b...)
	p.wake.Signal()
	return len(b), nil
}

// Close drops what is still queued.
func (p *pipeConn) Close() error {
	p.mu.Lock()
	p.closed = true
	p.wake.Signal()
	p.mu.Unlock()
	return p.Conn.Close()
}

func (p *pipeConn) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for len(p.out) == 0 && !p.closed {
			p.wake.Wait()
		}
		if p.closed {
			return
		}
		b := p.out
		p.out = nil
		p.mu.Unlock()
		_, err := p.Conn.Write(b)
		p.mu.Lock()
		p.err = err
	}
}

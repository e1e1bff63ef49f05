package sipcall

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// ErrNoPort means that every port for media is taken.
var ErrNoPort = errors.New("no RTP port is free")

// Ports is a range of UDP ports for media. It is safe for concurrent use.
type Ports struct {
	host  netip.Addr
	first uint16
	count int

	mu   sync.Mutex
	used map[uint16]bool
	next int
}

// NewPorts returns the even ports from first to last on the local address
// host, all addresses if that isn't valid. RTP takes even ports; the odd one
// after each is RTCP's, which Denwa doesn't speak.
func NewPorts(host netip.Addr, first, last uint16) (*Ports, error) {
	first += first % 2
	if first == 0 || last < first {
		return nil, fmt.Errorf("%d to %d has no even port", first, last)
	}
	return &Ports{host: host, first: first, count: int(last-first)/2 + 1, used: map[uint16]bool{}}, nil
}

// Count is how many ports there are.
func (p *Ports) Count() int { return p.count }

// listen opens the port that was free for longest: what is still on its way to
// an ended call shouldn't reach the next one. It fails with [ErrNoPort].
func (p *Ports) listen() (*net.UDPConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range p.count {
		port := p.first + 2*uint16(p.next) //nolint:gosec // at most last
		p.next = (p.next + 1) % p.count
		if p.used[port] {
			continue
		}
		addr := net.UDPAddr{Port: int(port)}
		if p.host.IsValid() {
			addr.IP, addr.Zone = p.host.AsSlice(), p.host.Zone()
		}
		conn, err := net.ListenUDP("udp", &addr)
		if err != nil {
			continue // another program has it
		}
		p.used[port] = true
		return conn, nil
	}
	return nil, ErrNoPort
}

// release closes what listen opened.
func (p *Ports) release(conn *net.UDPConn) {
	port := conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	_ = conn.Close() // nothing is buffered
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.used, port)
}

// InUse is how many ports are open.
func (p *Ports) InUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.used)
}

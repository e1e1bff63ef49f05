// Package sipcall plays the steps of a call over RTP: it describes the media
// in SDP, sends recorded prompts as G.711, and hears the keys that are pressed.
//
// The signalling belongs to whoever made the call. It opens a [Media], puts
// its Offer in the INVITE, gives the answer to Answer, and when the call is
// answered lets Play run to the end.
//
// # Whose packets count
//
// A key that is pressed can approve a verification, so it matters who sent it.
// Media goes to the address in the other side's SDP. Packets count that come
// from there. Before the first of those, packets from one other address count,
// the first that sends RTP of a kind that was agreed on, and media goes there
// as well: that is a phone or gateway behind NAT. Anything else is dropped.
package sipcall

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Media is one call's sound: a UDP port and what both sides agreed on.
type Media struct {
	ports *Ports
	conn  *net.UDPConn
	// local is where the other side is told to send to.
	local   netip.AddrPort
	session uint64

	mu      sync.Mutex // guards version, keysFrom and writes of peer
	version uint64
	// keysFrom is who tells of keys. Some tell by RTP and by signalling.
	keysFrom keySource

	peer atomic.Pointer[peer]
	// target is where media goes to, and comes from.
	target atomic.Pointer[netip.AddrPort]
	heard  atomic.Int64 // when a packet that counts came, in Unix nanoseconds
	keys   chan byte
	closed sync.Once
}

type keySource uint8

const (
	byRTP keySource = iota + 1
	bySignalling
)

// Open takes a port. advertised is the address that the other side reaches it
// at. It fails with [ErrNoPort].
func (p *Ports) Open(advertised netip.Addr) (*Media, error) {
	conn, err := p.listen()
	if err != nil {
		return nil, err
	}
	port := conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	return &Media{
		ports: p, conn: conn, local: netip.AddrPortFrom(advertised.Unmap(), port),
		// 62 bits: some store it in a signed number.
		session: rand.Uint64() >> 2, //nolint:gosec // it only tells sessions apart
		version: 1,
		keys:    make(chan byte, 32),
	}, nil
}

// Close gives the port back. Play has to have returned.
func (m *Media) Close() {
	m.closed.Do(func() { m.ports.release(m.conn) })
}

// Offer is the SDP that offers this media.
func (m *Media) Offer() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return offer(m.local, m.session, m.version)
}

// ErrNoPeer means that nothing was agreed on.
var ErrNoPeer = errors.New("the other side described no media")

// Answer takes the other side's SDP that answers the offer. A later one replaces it.
func (m *Media) Answer(body []byte) error {
	p, _, _, err := parse(body)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.agree(p)
	return nil
}

// Reoffer takes the SDP of a new offer in the middle of the call (another
// address, hold, and back again) and returns the answer. If the offer can't be
// taken, all stays as it was.
func (m *Media) Reoffer(body []byte) ([]byte, error) {
	p, index, offered, err := parse(body)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.agree(p)
	m.version++
	return answer(m.local, m.session, m.version, p, index, offered), nil
}

// agree makes p the other side. While held at 0.0.0.0 the last address stays.
func (m *Media) agree(p peer) {
	last := m.peer.Load()
	if !p.addr.IsValid() && last != nil {
		p.addr = last.addr
	}
	if last == nil || last.addr != p.addr {
		m.target.Store(nil)
	}
	m.heard.Store(time.Now().UnixNano())
	m.peer.Store(&p)
}

// Press is a key that signalling tells of. It doesn't count if the other side
// told of keys by RTP.
func (m *Media) Press(key byte) { m.pressed(key, bySignalling) }

func (m *Media) pressed(key byte, from keySource) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keysFrom == 0 {
		m.keysFrom = from
	}
	if m.keysFrom != from {
		return
	}
	select {
	case m.keys <- key:
	default: // nobody presses 32 keys in 20 ms
	}
}

package sipcall

import (
	"net/netip"
	"time"

	"github.com/pion/rtp"
)

// comfortNoise is its payload type (RFC 3389): sent by phones while nobody speaks.
const comfortNoise = 13

// receive reads packets until the port is closed or its deadline has passed.
func (m *Media) receive() {
	var r receiver
	buffer := make([]byte, 2048)
	for {
		n, from, err := m.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		m.packet(&r, buffer[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
}

// receiver is what packets are understood by.
type receiver struct {
	header rtp.Header
	events events
	ssrc   uint32
}

// packet takes what came from an address.
func (m *Media) packet(r *receiver, data []byte, from netip.AddrPort) {
	p := m.peer.Load()
	if p == nil {
		return
	}
	header := &r.header
	n, err := header.Unmarshal(data)
	if err != nil || header.Version != 2 {
		return
	}
	kind := header.PayloadType
	isEvent := p.event != 0 && kind == p.event
	if !isEvent && kind != uint8(muLaw) && kind != uint8(aLaw) && kind != comfortNoise {
		return
	}
	if !m.counts(p, from) {
		return
	}
	m.heard.Store(time.Now().UnixNano())
	if header.SSRC != r.ssrc { // another sender, who has another clock
		r.ssrc, r.events = header.SSRC, events{}
	}
	if !isEvent {
		return
	}
	if key, pressed := r.events.packet(header.Timestamp, header.Marker, data[n:]); pressed {
		m.pressed(key, byRTP)
	}
}

// counts reports whether packets from this address are the other side's, and
// makes it where media goes to. See the package's documentation.
func (m *Media) counts(p *peer, from netip.AddrPort) bool {
	target := m.target.Load()
	switch {
	case target != nil && *target == from:
		return true
	case from == p.addr, target == nil:
		m.target.Store(&from)
		return true
	}
	return false
}

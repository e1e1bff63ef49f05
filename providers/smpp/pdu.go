package smpp

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	// headerSize is the length of a PDU without a body.
	headerSize = 16
	// maxPDU bounds a PDU: a message_payload of 64 KiB with all that may be around it.
	maxPDU = 66 << 10
)

// pdu is one protocol data unit.
type pdu struct {
	command  command
	status   status
	sequence uint32
	// body is nil where there is none, and in the answer that refuses a
	// request, whose body says nothing.
	body body
}

// body is what follows the header.
type body interface {
	appendTo(b []byte) []byte
}

// What is wrong with a PDU. Nothing of it is quoted: it may hold a number.
var (
	errLength = errors.New("a PDU has an impossible length")
	errBody   = errors.New("a PDU's body doesn't fit its command")
)

// encode returns the octets of p.
func (p pdu) encode() []byte {
	b := make([]byte, headerSize, 256)
	if p.body != nil {
		b = p.body.appendTo(b)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b))) //nolint:gosec // G115: what Denwa sends has a few hundred octets.
	binary.BigEndian.PutUint32(b[4:], uint32(p.command))
	binary.BigEndian.PutUint32(b[8:], uint32(p.status))
	binary.BigEndian.PutUint32(b[12:], p.sequence)
	return b
}

// readFrame reads one PDU from r, into buf if it fits. After an error r is
// somewhere inside a PDU and can't be read any further.
func readFrame(r *bufio.Reader, buf []byte) ([]byte, error) {
	head, err := r.Peek(4)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n < headerSize || n > maxPDU {
		return nil, errLength
	}
	if int(n) > cap(buf) {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		return nil, err
	}
	return buf, nil
}

// decode reads one PDU from frame, which it keeps nothing of. The header is
// good also where the error is [errBody].
func decode(frame []byte) (pdu, error) {
	if len(frame) < headerSize || len(frame) > maxPDU || int(binary.BigEndian.Uint32(frame)) != len(frame) {
		return pdu{}, errLength
	}
	p := pdu{
		command:  command(binary.BigEndian.Uint32(frame[4:])),
		status:   status(binary.BigEndian.Uint32(frame[8:])),
		sequence: binary.BigEndian.Uint32(frame[12:]),
	}
	if p.command.isAnswer() && p.status != statusOK {
		return p, nil
	}
	f := fields{rest: frame[headerSize:]}
	switch p.command {
	case bindTransceiver:
		p.body = f.bind()
		f.end() // it has no optional parameters
	case bindTransceiver.answer():
		p.body = f.bound()
	case submitSM, deliverSM:
		p.body = f.message()
	case submitSM.answer(), deliverSM.answer():
		p.body = f.taken()
	case enquireLink, enquireLink.answer(), unbind, unbind.answer(), genericNack:
		f.end()
	default:
		if len(f.rest) > 0 {
			p.body = opaque(f.octets(len(f.rest)))
		}
	}
	if f.err != nil {
		p.body = nil
		return p, fmt.Errorf("%w %#08x", f.err, uint32(p.command))
	}
	return p, nil
}

// opaque is the body of a command that isn't known.
type opaque []byte

func (o opaque) appendTo(b []byte) []byte { return append(b, o...) }

package smpp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"denwa/providers"
)

const (
	// classUDH is the bit of esm_class that says that the text begins with a header.
	classUDH byte = 0x40
	// receiptOnEnd of registered_delivery asks for a receipt of the final outcome.
	receiptOnEnd byte = 0x01
	// maxParts bounds a message: whoever has more to say has not a code to send, and
	// needs another provider for it.
	maxParts = 10
	// maxValidity bounds how long a centre is asked to try.
	maxValidity = 7 * 24 * time.Hour
)

var errTooLong = &providers.Error{Kind: providers.Unavailable, Unfit: true, Err: errors.New("the message is longer than ten parts")}

// writer turns messages into submit_sm bodies.
type writer struct {
	cfg       Config
	source    address
	alphabets []alphabet // in the order in which they are tried
}

func newWriter(cfg Config) writer {
	w := writer{cfg: cfg, source: cfg.source(), alphabets: []alphabet{gsm(), ucs2()}}
	if cfg.Encoding == UCS2 {
		w.alphabets = w.alphabets[1:]
	}
	return w
}

// write returns the parts of msg, which reference tells from those of other
// messages to the same phone.
func (w writer) write(msg providers.Message, reference byte) ([]*message, error) {
	for _, a := range w.alphabets {
		texts, ok := a.split(msg.Text)
		if !ok {
			continue
		}
		if len(texts) > maxParts {
			return nil, errTooLong
		}
		parts := make([]*message, len(texts))
		for i, text := range texts {
			parts[i] = &message{
				serviceType: w.cfg.ServiceType, from: w.source, to: w.destination(msg.To),
				validity: relative(msg.ValidFor), registered: receiptOnEnd, coding: a.coding, shortMessage: text,
			}
			if len(texts) > 1 {
				w.number(parts[i], reference, byte(len(texts)), byte(i+1)) //nolint:gosec // G115: there are ten at most.
			}
		}
		return parts, nil
	}
	return nil, errTooLong // not reached: UCS-2 has every character
}

// number says which part of which message m is.
func (w writer) number(m *message, reference, total, n byte) {
	if w.cfg.LongMessages == SAR {
		m.tlvs = []tlv{
			{tagSARReference, binary.BigEndian.AppendUint16(nil, uint16(reference))},
			{tagSARTotal, []byte{total}},
			{tagSARSequence, []byte{n}},
		}
		return
	}
	// Information element 0, three octets: concatenated short messages (3GPP TS 23.040, 9.2.3.24.1).
	m.class |= classUDH
	m.shortMessage = append([]byte{5, 0, 3, reference, total, n}, m.shortMessage...)
}

func (w writer) destination(e164 string) address {
	return address{
		ton: byte(w.cfg.DestTON), npi: byte(w.cfg.DestNPI), //nolint:gosec // G115: validated.
		digits: strings.TrimPrefix(e164, "+"),
	}
}

// relative is a validity_period that begins when the centre has the message,
// "YYMMDDhhmmss000R" (SMPP 3.4, 7.1.1): whole seconds, at least one.
func relative(d time.Duration) string {
	d = min(max(d, time.Second), maxValidity)
	s := int64((d + time.Second - 1) / time.Second)
	return fmt.Sprintf("0000%02d%02d%02d%02d000R", s/86400, s/3600%24, s/60%60, s%60)
}

package sipcall

import (
	"encoding/binary"
	"math"
)

// keys are those of events 0 to 15 (RFC 4733, section 3.2).
const keys = "0123456789*#ABCD"

const (
	endBit = 0x80
	// volume of the events that are sent, in -dBm0.
	volume = 10
	// gap is the RTP time within which a key can't have been let go and pressed
	// again: 50 ms.
	gap = sampleRate / 20
)

// events makes key presses of the packets of telephone-event.
//
// A press counts with the first packet that is seen of it, so it is there at
// once, and any of its packets may be lost. All packets of a press carry the
// time of its beginning, mostly.
type events struct {
	seen  bool
	start uint32 // RTP time of the last press
	until uint32 // RTP time up to which it lasted
	event byte
	ended bool
}

// packet returns the key if this packet begins a press.
func (e *events) packet(timestamp uint32, marker bool, payload []byte) (key byte, pressed bool) {
	if len(payload) < 4 || int(payload[0]) >= len(keys) {
		return 0, false
	}
	event, ended := payload[0], payload[1]&endBit != 0
	until := timestamp + uint32(binary.BigEndian.Uint16(payload[2:]))
	if e.seen {
		since := distance(timestamp, e.start)
		switch {
		case since < 0: // from a press before the last one: late, or repeated
			return 0, false
		case since == 0, distance(timestamp, e.until) < 0, e.continues(timestamp, marker, event):
			e.ended = e.ended || ended
			if distance(until, e.until) > 0 {
				e.until = until
			}
			return 0, false
		}
	}
	*e = events{seen: true, start: timestamp, until: until, event: event, ended: ended}
	return keys[event], true
}

// continues reports whether a packet of a later time goes on with the last
// press. So do the segments of a press that is longer than 65,535 samples
// (RFC 4733, section 2.5.1.3), and the packets of phones that let the time
// run on during a press.
func (e *events) continues(timestamp uint32, marker bool, event byte) bool {
	return event == e.event && !e.ended && !marker && distance(timestamp, e.until) < gap
}

// distance is the RTP time from b to a, which wraps around.
func distance(a, b uint32) int32 {
	return int32(a - b) //nolint:gosec // as serial numbers of RFC 1982
}

// eventPayload is the payload of an event that lasted so long.
func eventPayload(b []byte, key byte, duration uint16, end bool) []byte {
	b = append(b, eventOf(key), volume)
	if end {
		b[len(b)-1] |= endBit
	}
	return binary.BigEndian.AppendUint16(b, duration)
}

func eventOf(key byte) byte {
	for i := range len(keys) {
		if keys[i] == key {
			return byte(i)
		}
	}
	return 0
}

// tones is a key as sound in µ-law, for a side that takes no telephone-event.
func tones(key byte, samples int) []byte {
	row := [...]float64{697, 770, 852, 941}
	column := [...]float64{1209, 1336, 1477, 1633}
	// Where each event's key lies on the pad.
	r := [16]int{3, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 0, 1, 2, 3}[eventOf(key)]
	c := [16]int{1, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 2, 3, 3, 3, 3}[eventOf(key)]
	sound := make([]float64, samples)
	for i := range sound {
		at := 2 * math.Pi * float64(i) / sampleRate
		sound[i] = 0.2*math.Sin(row[r]*at) + 0.25*math.Sin(column[c]*at)
	}
	return compand(sound)
}

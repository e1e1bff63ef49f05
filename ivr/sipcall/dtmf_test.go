package sipcall

import (
	"math"
	"strings"
	"testing"

	"github.com/pion/rtp"
)

// press are the packets of a key: one every 20 ms, three at the end.
func press(key byte, start uint32, frames int) []*rtp.Packet {
	var packets []*rtp.Packet
	for i := range frames + 2 {
		held := uint16(min(i+1, frames) * frameSize)
		packets = append(packets, &rtp.Packet{
			Header:  rtp.Header{Version: 2, PayloadType: eventType, Timestamp: start, Marker: i == 0},
			Payload: eventPayload(nil, key, held, i >= frames-1),
		})
	}
	return packets
}

func heardKeys(packets ...*rtp.Packet) string {
	var e events
	var heard strings.Builder
	for _, p := range packets {
		if key, pressed := e.packet(p.Timestamp, p.Marker, p.Payload); pressed {
			heard.WriteByte(key)
		}
	}
	return heard.String()
}

func TestEvents(t *testing.T) {
	join := func(presses ...[]*rtp.Packet) (all []*rtp.Packet) {
		for _, p := range presses {
			all = append(all, p...)
		}
		return all
	}
	running := press('5', 1000, 8)
	for i, p := range running {
		p.Timestamp = 1000 + uint32(min(i, 7)*frameSize)
		p.Payload = eventPayload(nil, '5', frameSize, i >= 7)
	}
	segments := join(press('#', 1000, 410)[:410], press('#', 1000+65535, 5))
	for i, p := range segments[:410] {
		p.Payload = eventPayload(nil, '#', uint16(min((i+1)*frameSize, 65535)), false)
	}
	segments[410].Marker = false
	for _, c := range []struct {
		what    string
		packets []*rtp.Packet
		want    string
	}{
		{"one press", press('#', 1000, 5), "#"},
		{"only its beginning", press('#', 1000, 5)[:1], "#"},
		{"only its last packet", press('#', 1000, 5)[6:], "#"},
		{"only one in the middle", press('#', 1000, 5)[3:4], "#"},
		{"twice the same key", join(press('1', 1000, 5), press('1', 3000, 5)), "11"},
		{"twice the same key, ends lost", join(press('1', 1000, 5)[:4], press('1', 3000, 5)[1:]), "11"},
		{"two keys, ends lost", join(press('0', 1000, 5)[:3], press('#', 2000, 5)[1:]), "0#"},
		{"an end that comes late", join(press('0', 1000, 5)[:6], press('#', 3000, 5)[:3], press('0', 1000, 5)[6:], press('#', 3000, 5)[3:]), "0#"},
		{"time that runs on during the press", running, "5"},
		{"a long press in segments", segments, "#"},
		{"time that wraps around", join(press('7', math.MaxUint32-200, 5), press('8', 1200, 5)), "78"},
		{"every key", join(press('0', 1, 5), press('9', 2000, 5), press('*', 4000, 5), press('#', 6000, 5), press('A', 8000, 5), press('D', 10000, 5)), "09*#AD"},
		{"what isn't a key", []*rtp.Packet{
			{Payload: []byte{16, 10, 0, 160}},
			{Payload: []byte{255, 10, 0, 160}},
			{Payload: []byte{11, 10, 0}},
			{Payload: nil},
		}, ""},
	} {
		if got := heardKeys(c.packets...); got != c.want {
			t.Errorf("%s: heard %q, want %q", c.what, got, c.want)
		}
	}
}

// Whatever is lost or comes twice, a press that left a packet is one press.
func FuzzEvents(f *testing.F) {
	f.Add([]byte{0xFF, 0xFF}, uint32(1000))
	f.Add([]byte{0x01, 0x80, 0x7F, 0x55}, uint32(math.MaxUint32-500))
	f.Fuzz(func(t *testing.T, pattern []byte, start uint32) {
		var e events
		heard := 0
		for i, bits := range pattern {
			key := keys[i%len(keys)]
			for j, p := range press(key, start+uint32(i*4000), 6) {
				if bits>>j&1 == 0 {
					continue
				}
				for range 1 + int(bits)%3 {
					if got, pressed := e.packet(p.Timestamp, p.Marker, p.Payload); pressed {
						if heard++; got != key {
							t.Errorf("heard %q for %q", got, key)
						}
					}
				}
			}
		}
		want := 0
		for _, bits := range pattern {
			if bits != 0 {
				want++
			}
		}
		if heard != want {
			t.Errorf("heard %d presses of %d", heard, want)
		}
	})
}

// Goertzel's measure of both tones: there, and nothing else of the pad.
func TestTones(t *testing.T) {
	all := []float64{697, 770, 852, 941, 1209, 1336, 1477, 1633}
	for key, want := range map[byte][2]float64{
		'1': {697, 1209}, '5': {770, 1336}, '9': {852, 1477}, '0': {941, 1336},
		'*': {941, 1209}, '#': {941, 1477}, 'A': {697, 1633}, 'D': {941, 1633},
	} {
		samples := linear(tones(key, 800))
		for _, hz := range all {
			var re, im float64
			for i, v := range samples {
				re += v * math.Cos(2*math.Pi*hz*float64(i)/sampleRate)
				im += v * math.Sin(2*math.Pi*hz*float64(i)/sampleRate)
			}
			level := 2 * math.Hypot(re, im) / float64(len(samples))
			if expected := hz == want[0] || hz == want[1]; expected != (level > 0.15) || !expected && level > 0.03 {
				t.Errorf("key %c has %.0f Hz at %.3f", key, hz, level)
			}
		}
	}
}

package sipcall

import (
	"math"
	"testing"
)

// Values from ITU-T G.711 tables 1a to 2b, and from Sun's g711.c.
func TestG711KnownValues(t *testing.T) {
	for _, c := range []struct {
		linear int16
		mu, a  byte
	}{
		{0, 0xFF, 0xD5},
		{-1, 0x7F, 0x55},
		{1000, 0xCE, 0xFA},
		{-1000, 0x4E, 0x7A},
		{7932, 0xA0, 0x8B},
		{8316, 0x9F, 0xB5},
		{32124, 0x80, 0xAA},
		{math.MaxInt16, 0x80, 0xAA},
		{math.MinInt16, 0x00, 0x2A},
	} {
		if got := encodeMuLaw(c.linear); got != c.mu {
			t.Errorf("µ-law of %d is %#x, want %#x", c.linear, got, c.mu)
		}
		if got := encodeALaw(c.linear); got != c.a {
			t.Errorf("A-law of %d is %#x, want %#x", c.linear, got, c.a)
		}
	}
}

// What was decoded encodes to itself, and no sample moves further than half a
// step of its segment.
func TestG711RoundTrip(t *testing.T) {
	for i := range 256 {
		b := byte(i)
		if got := encodeALaw(decodeALaw(b)); got != b {
			t.Errorf("A-law %#x came back as %#x", b, got)
		}
		if got := encodeMuLaw(decodeMuLaw(b)); got != b && b != 0x7F { // -0 is 0
			t.Errorf("µ-law %#x came back as %#x", b, got)
		}
	}
	for v := math.MinInt16; v <= math.MaxInt16; v++ {
		step := max(math.Abs(float64(v))/16, 16)
		for name, got := range map[string]int16{
			"µ-law": decodeMuLaw(encodeMuLaw(int16(v))),
			"A-law": decodeALaw(encodeALaw(int16(v))),
			"both":  decodeALaw(toALaw[encodeMuLaw(int16(v))]),
		} {
			if d := math.Abs(float64(int(got) - v)); d > step+650*float64(btoi(v > 32000 || v < -32000)) {
				t.Fatalf("%s: %d became %d", name, v, got)
			}
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

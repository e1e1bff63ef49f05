package sipcall

import "math/bits"

// law is a companding law of G.711; its value is the RTP payload type.
type law uint8

const (
	muLaw law = 0
	aLaw  law = 8
)

// silence is a sample of nothing in µ-law.
const silence = 0xFF

// encodeMuLaw is a linear sample in µ-law, as G.711 and every reference code
// of it do.
func encodeMuLaw(sample int16) byte {
	const bias, clip = 0x84, 32635
	v, sign := int(sample), byte(0)
	if v < 0 {
		v, sign = -v, 0x80
	}
	v = min(v, clip) + bias
	exponent := bits.Len(uint(v)) - 8
	return ^(sign | byte(exponent<<4|v>>(exponent+3)&0x0F)) //nolint:gosec // 7 bits
}

func decodeMuLaw(b byte) int16 {
	const bias = 0x84
	b = ^b
	v := (int16(b&0x0F)<<3+bias)<<(b>>4&7) - bias
	if b&0x80 != 0 {
		return -v
	}
	return v
}

func encodeALaw(sample int16) byte {
	v, sign := int(sample), byte(0x80)
	if v < 0 {
		v, sign = ^v, 0
	}
	code := v >> 4
	if exponent := bits.Len(uint(v)) - 8; exponent > 0 {
		code = exponent<<4 | v>>(exponent+3)&0x0F
	}
	return (sign | byte(code)) ^ 0x55 //nolint:gosec // 7 bits
}

func decodeALaw(b byte) int16 {
	b ^= 0x55
	v := int16(b&0x0F)<<4 + 8
	if exponent := b >> 4 & 7; exponent > 0 {
		v = (v + 0x100) << (exponent - 1)
	}
	if b&0x80 != 0 {
		return v
	}
	return -v
}

// toALaw translates µ-law, in which recordings are kept.
var toALaw = func() (table [256]byte) {
	for i := range table {
		table[i] = encodeALaw(decodeMuLaw(byte(i)))
	}
	return table
}()

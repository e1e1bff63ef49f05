package sipcall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// Bounds of a recording. Who hears a prompt longer than that has hung up.
const (
	maxRecording  = time.Minute
	minSampleRate = 8_000
	maxSampleRate = 192_000
	maxChannels   = 8
)

// Format tags of WAV, from mmreg.h.
const (
	wavPCM        = 0x0001
	wavFloat      = 0x0003
	wavALaw       = 0x0006
	wavMuLaw      = 0x0007
	wavExtensible = 0xFFFE
)

// wavFormat is the chunk "fmt ".
type wavFormat struct {
	tag      uint16
	channels int
	rate     int
	bits     int
}

// readWAV reads the samples of a WAV file, one channel of 8 kHz, between -1
// and 1: PCM of 8, 16, 24 or 32 bits, float of 32 bits, µ-law or A-law, any
// rate and channels. Its error tells a person what to change.
func readWAV(data []byte) ([]float64, error) {
	if len(data) < 12 || string(data[:4]) != "RIFF" || string(data[8:12]) != "WAVE" {
		return nil, errors.New("it isn't a WAV file")
	}
	var format wavFormat
	for rest := data[12:]; len(rest) >= 8; {
		name, size := string(rest[:4]), uint64(binary.LittleEndian.Uint32(rest[4:8]))
		body := rest[8:min(uint64(len(rest)), 8+size)]
		switch name {
		case "fmt ":
			var err error
			if format, err = readFormat(body); err != nil {
				return nil, err
			}
		case "data":
			if format.tag == 0 {
				return nil, errors.New("its audio comes before its format")
			}
			// A size of 0 or beyond the end is what programs write that
			// stream to a pipe: the rest of the file is audio.
			if size == 0 {
				body = rest[8:]
			}
			return format.samples(body)
		}
		rest = rest[min(uint64(len(rest)), 8+size+size%2):]
	}
	return nil, errors.New("it has no audio")
}

func readFormat(chunk []byte) (wavFormat, error) {
	if len(chunk) < 16 {
		return wavFormat{}, errors.New("its format is cut off")
	}
	f := wavFormat{
		tag:      binary.LittleEndian.Uint16(chunk),
		channels: int(binary.LittleEndian.Uint16(chunk[2:])),
		rate:     int(binary.LittleEndian.Uint32(chunk[4:])),
		bits:     int(binary.LittleEndian.Uint16(chunk[14:])),
	}
	if f.tag == wavExtensible && len(chunk) >= 26 {
		f.tag = binary.LittleEndian.Uint16(chunk[24:])
	}
	switch {
	case f.tag == wavPCM && (f.bits == 8 || f.bits == 16 || f.bits == 24 || f.bits == 32):
	case f.tag == wavFloat && f.bits == 32:
	case (f.tag == wavALaw || f.tag == wavMuLaw) && f.bits == 8:
	default:
		return wavFormat{}, fmt.Errorf("its encoding (tag %#04x, %d bits) isn't one of PCM of 8, 16, 24 or 32 bits, float of 32 bits, "+
			"µ-law and A-law", f.tag, f.bits)
	}
	if f.rate < minSampleRate || f.rate > maxSampleRate {
		return wavFormat{}, fmt.Errorf("its rate of %d Hz isn't between %d and %d", f.rate, minSampleRate, maxSampleRate)
	}
	if f.channels < 1 || f.channels > maxChannels {
		return wavFormat{}, fmt.Errorf("it has %d channels, not 1 to %d", f.channels, maxChannels)
	}
	return f, nil
}

// samples are those of the chunk "data", mixed to one channel and resampled.
func (f wavFormat) samples(data []byte) ([]float64, error) {
	width := f.bits / 8
	n := len(data) / (width * f.channels)
	if n == 0 {
		return nil, errors.New("it has no audio")
	}
	if n > int(maxRecording.Seconds())*f.rate {
		return nil, fmt.Errorf("it is longer than %v", maxRecording)
	}
	mono := make([]float64, n)
	for i := range mono {
		var sum float64
		for range f.channels {
			sum += f.sample(data)
			data = data[width:]
		}
		mono[i] = sum / float64(f.channels)
	}
	return resample(mono, f.rate), nil
}

// sample is the first one in b, between -1 and 1.
func (f wavFormat) sample(b []byte) float64 {
	switch {
	case f.tag == wavMuLaw:
		return float64(decodeMuLaw(b[0])) / (1 << 15)
	case f.tag == wavALaw:
		return float64(decodeALaw(b[0])) / (1 << 15)
	case f.tag == wavFloat:
		v := float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
		if math.IsNaN(v) {
			return 0
		}
		return min(max(v, -1), 1)
	case f.bits == 8:
		return (float64(b[0]) - 128) / (1 << 7)
	case f.bits == 16:
		return float64(int16(binary.LittleEndian.Uint16(b))) / (1 << 15) //nolint:gosec // two's complement
	case f.bits == 24:
		return float64(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)) / (1 << 31) //nolint:gosec // two's complement
	default:
		return float64(int32(binary.LittleEndian.Uint32(b))) / (1 << 31) //nolint:gosec // two's complement
	}
}

// compand is samples in µ-law.
func compand(samples []float64) []byte {
	out := make([]byte, len(samples))
	for i, v := range samples {
		out[i] = encodeMuLaw(int16(min(max(math.Round(v*(1<<15)), math.MinInt16), math.MaxInt16)))
	}
	return out
}

package sipcall

import (
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// wav is a WAV file of 16 bits.
func wav(rate, channels int, samples []int16) []byte {
	data := make([]byte, 0, 2*len(samples))
	for _, v := range samples {
		data = binary.LittleEndian.AppendUint16(data, uint16(v))
	}
	return wavOf(wavPCM, rate, channels, 16, data)
}

func wavOf(tag uint16, rate, channels, bits int, data []byte) []byte {
	b := append([]byte("RIFF????WAVEfmt "), 16, 0, 0, 0)
	b = binary.LittleEndian.AppendUint16(b, tag)
	b = binary.LittleEndian.AppendUint16(b, uint16(channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate*channels*bits/8))
	b = binary.LittleEndian.AppendUint16(b, uint16(channels*bits/8))
	b = binary.LittleEndian.AppendUint16(b, uint16(bits))
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

// tone is a sine of half the full scale.
func tone(hz, rate, n int) []int16 {
	samples := make([]int16, n)
	for i := range samples {
		samples[i] = int16(16384 * math.Sin(2*math.Pi*float64(hz)*float64(i)/float64(rate)))
	}
	return samples
}

// loudness is the level of a tone in samples, 0 for half the full scale, in dB.
func loudness(samples []float64) float64 {
	samples = samples[len(samples)/4 : len(samples)*3/4]
	var sum float64
	for _, v := range samples {
		sum += v * v
	}
	return 10 * math.Log10(sum/float64(len(samples))*8+1e-12)
}

// What the phone carries passes, what it can't is gone.
func TestResample(t *testing.T) {
	for _, rate := range []int{8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000, 192000} {
		for hz, want := range map[int]float64{300: 0, 1000: 0, 3000: 0, 4600: -50, 7000: -60, 15000: -60} {
			if hz > rate/2 {
				continue
			}
			got, err := readWAV(wav(rate, 1, tone(hz, rate, rate)))
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(float64(len(got)-sampleRate)) > 1 {
				t.Errorf("a second of %d Hz became %d samples", rate, len(got))
			}
			if level := loudness(got); want == 0 && math.Abs(level) > 0.5 || want < 0 && level > want {
				t.Errorf("a tone of %d Hz at %d Hz came out at %.1f dB, want %.0f", hz, rate, level, want)
			}
		}
	}
}

// The same tone in every encoding that is taken, as sox writes it.
func TestReadWAVOfSox(t *testing.T) {
	if _, err := exec.LookPath("sox"); err != nil {
		missing(t, "sox", "sox")
	}
	for name, args := range map[string]string{
		"8 bits":     "-b 8 -e unsigned -r 8000 -c 1",
		"16 bits":    "-b 16 -e signed -r 16000 -c 2",
		"24 bits":    "-b 24 -e signed -r 48000 -c 6", // WAVE_FORMAT_EXTENSIBLE
		"32 bits":    "-b 32 -e signed -r 44100 -c 1",
		"float":      "-b 32 -e float -r 22050 -c 2",
		"mu-law":     "-e mu-law -r 8000 -c 1",
		"a-law":      "-e a-law -r 11025 -c 2",
		"from stdin": "-b 16 -e signed -r 8000 -c 1",
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "tone.wav")
			target := file
			if name == "from stdin" { // sox can't know the length
				target = "-t wav -"
			}
			command := "sox -n " + args + " " + target + " synth 0.5 sine 1000 vol 0.5"
			if target != file {
				command += " > " + file
			}
			if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", command, err, out)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := readWAV(data)
			if err != nil {
				t.Fatal(err)
			}
			if level := loudness(got); len(got) < 3999 || len(got) > 4001 || math.Abs(level) > 0.5 {
				t.Errorf("%d samples at %.1f dB, want 4000 at 0 dB", len(got), level)
			}
		})
	}
}

func TestReadWAVRefuses(t *testing.T) {
	valid := wav(8000, 1, make([]int16, 80))
	for _, c := range []struct {
		data []byte
		want string
	}{
		{nil, "isn't a WAV file"},
		{[]byte("ID3 and then an MP3"), "isn't a WAV file"},
		{append(append([]byte{}, valid[:16]...), 4, 0, 0, 0, 1, 0, 1, 0), "format is cut off"},
		{append(append([]byte{}, valid[:12]...), valid[36:]...), "before its format"},
		{valid[:36], "no audio"},
		{valid[:44], "no audio"},
		{wav(4000, 1, make([]int16, 80)), "rate of 4000 Hz"},
		{wav(384000, 1, make([]int16, 80)), "rate of 384000 Hz"},
		{wav(8000, 0, make([]int16, 80)), "0 channels"},
		{wav(8000, 9, make([]int16, 90)), "9 channels"},
		{wavOf(0x11, 8000, 1, 4, make([]byte, 80)), "(tag 0x0011, 4 bits)"}, // IMA ADPCM
		{wavOf(wavPCM, 8000, 1, 12, make([]byte, 80)), "(tag 0x0001, 12 bits)"},
		{wav(8000, 1, make([]int16, 8000*61)), "longer than 1m0s"},
	} {
		if _, err := readWAV(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want an error with %q, got %v", c.want, err)
		}
	}
}

func FuzzReadWAV(f *testing.F) {
	f.Add(wav(8000, 1, tone(1000, 8000, 80)))
	f.Add(wav(44100, 2, tone(1000, 44100, 441)))
	f.Add(wavOf(wavFloat, 8000, 1, 32, []byte{0, 0, 0xC0, 0x7F, 0, 0, 0x80, 0xFF}))
	f.Add(wavOf(wavMuLaw, 11025, 1, 8, make([]byte, 80)))
	f.Fuzz(func(t *testing.T, data []byte) {
		samples, err := readWAV(data)
		if err != nil {
			return
		}
		if len(samples) > len(data) {
			t.Errorf("%d bytes became %d samples", len(data), len(samples))
		}
		for i, v := range samples {
			if math.IsNaN(v) || math.Abs(v) > 4 {
				t.Fatalf("sample %d is %v", i, v)
			}
		}
		if len(compand(samples)) != len(samples) {
			t.Error("companding loses samples")
		}
	})
}

// missing skips a test whose peer isn't installed; in CI it fails.
func missing(tb testing.TB, command, debian string) {
	tb.Helper()
	message := "missing peer: " + command + " (Debian: apt-get install " + debian + ")"
	if ci, _ := strconv.ParseBool(os.Getenv("CI")); ci {
		tb.Fatal(message)
	}
	tb.Skip(message)
}

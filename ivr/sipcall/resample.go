package sipcall

import "math"

// sampleRate is that of telephony.
const sampleRate = 8000

// lobes is how many zero crossings of the sinc are used on each side: more
// make the edge at 4 kHz steeper. 16 keep what aliases 60 dB down.
const lobes = 16

// resample brings in from a higher rate down to [sampleRate] with a low pass
// below half of it, a sinc under a Blackman window. Without one, what the
// phone can't carry would come back as a whistle.
func resample(in []float64, rate int) []float64 {
	if rate == sampleRate {
		return in
	}
	// Output sample i stands at i*rate/8000 of the input. Its fraction takes
	// only a few values, so the filter for each is computed once.
	divisor := gcd(rate, sampleRate)
	step, phases := rate/divisor, sampleRate/divisor
	filters := make([][]float64, phases)
	half := lobes * rate / sampleRate
	out := make([]float64, len(in)*phases/step)
	for i := range out {
		at, phase := i*step/phases, i*step%phases
		if filters[phase] == nil {
			filters[phase] = lowPass(float64(phase)/float64(phases), float64(rate)/sampleRate, half)
		}
		var sum float64
		for k, weight := range filters[phase] {
			if j := at + k - half; j >= 0 && j < len(in) {
				sum += weight * in[j]
			}
		}
		out[i] = sum
	}
	return out
}

// lowPass weighs the samples from -half to half+1 around a point that lies
// offset after the one at 0. Its cut-off is a little below that of a rate
// ratio times lower, so that the slope ends there.
func lowPass(offset, ratio float64, half int) []float64 {
	const margin = 0.92
	weights := make([]float64, 2*half+2)
	var sum float64
	for k := range weights {
		x := (float64(k-half) - offset) / ratio
		weights[k] = sinc(x*margin) * blackman(x/lobes)
		sum += weights[k]
	}
	for k := range weights {
		weights[k] /= sum
	}
	return weights
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// blackman is the window for x from -1 to 1.
func blackman(x float64) float64 {
	if math.Abs(x) >= 1 {
		return 0
	}
	return 0.42 + 0.5*math.Cos(math.Pi*x) + 0.08*math.Cos(2*math.Pi*x)
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

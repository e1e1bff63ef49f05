package providers

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// weighted has a and b first, three times of four a, and then c.
func weighted() []Route {
	return []Route{{Channel: SMS, Providers: []string{"c", "a", "b"}, Weights: map[string]int{"a": 3, "b": 1}}}
}

// order is who p asks.
func (p Plan) order() string {
	var names []string
	for _, l := range p.links {
		names = append(names, l.name)
	}
	return strings.Join(names, " ")
}

func TestWeightsDecideTheOrder(t *testing.T) {
	w := newWorld(t, []string{"a", "b", "c", "d"}, []Route{{
		Channel: SMS, Providers: []string{"d", "a", "b", "c"}, Weights: map[string]int{"a": 2, "b": 1, "c": 1, "d": 0},
	}}, nil)
	for _, test := range []struct {
		drawn []float64
		want  string
	}{
		{[]float64{0, 0}, "a b c d"},
		{[]float64{0.49, 0.49}, "a b c d"},
		{[]float64{0.49, 0.5}, "a c b d"},
		{[]float64{0.5, 0}, "b a c d"},
		{[]float64{0.74, 0.7}, "b c a d"},
		{[]float64{0.75, 0.6}, "c a b d"},
		{[]float64{math.Nextafter(1, 0), math.Nextafter(1, 0)}, "c b a d"},
	} {
		n := 0
		w.random = func() float64 { n++; return test.drawn[n-1] }
		if got := w.Plan(textJP).order(); got != test.want {
			t.Errorf("drawn %v: %q, want %q", test.drawn, got, test.want)
		}
	}
}

// TestWeightsAreKept counts many draws, and draws the same again from the same seed.
func TestWeightsAreKept(t *testing.T) {
	w := newWorld(t, []string{"a", "b", "c"}, weighted(), nil)
	draw := func(n int) (orders []string) {
		w.random = rand.New(rand.NewPCG(1, 2)).Float64 //nolint:gosec // G404: a test repeats it.
		for range n {
			orders = append(orders, w.Plan(textJP).order())
		}
		return orders
	}
	const n = 10_000
	counts := map[string]float64{}
	for _, order := range draw(n) {
		counts[order]++
	}
	if share := counts["a b c"] / n; math.Abs(share-0.75) > 0.015 || counts["a b c"]+counts["b a c"] != n {
		t.Errorf("drawn: %v", counts)
	}
	if diff := cmp.Diff(draw(100), draw(100)); diff != "" {
		t.Errorf("the same seed draws otherwise:\n%s", diff)
	}
}

// TestWeightedFailover: who was drawn first fails, so the others are asked.
func TestWeightedFailover(t *testing.T) {
	w := newWorld(t, []string{"a:unavailable,ambiguous", "b:throttled", "c"}, weighted(), nil)
	w.random = func() float64 { return 0.9 } // b first
	if _, provider, err := w.send(t); err != nil || provider != "c" {
		t.Errorf("%q, %v", provider, err)
	}
	if diff := cmp.Diff([]string{"b throttled > a", "a unavailable > c"}, w.journal); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
}

// TestWeightedBreaker: who is left alone goes last, whatever is drawn.
func TestWeightedBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, []string{"a:unavailable,unavailable", "b", "c"}, weighted(), breaks())
		w.random = func() float64 { return 0 }
		for range 2 {
			if _, provider, err := w.send(t); provider != "b" || err != nil {
				t.Fatalf("%q, %v", provider, err)
			}
		}
		if got := w.Plan(textJP).order(); got != "b c a" {
			t.Errorf("order %q", got)
		}
		time.Sleep(time.Minute + time.Millisecond)
		if got := w.Plan(textJP).order(); got != "a b c" {
			t.Errorf("order %q when it may be tried", got)
		}
	})
}

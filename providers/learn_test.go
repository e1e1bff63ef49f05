package providers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func learnerOf(explore float64, weights ...float64) *Learner {
	l := &Learner{Route: Route{Learn: Learn{Explore: explore}}, weights: weights}
	for i := range max(len(weights), 2) {
		l.Providers = append(l.Providers, string(rune('a'+i)))
	}
	if len(weights) > 0 && weights[0] == 0 { // in order
		l.weights = nil
	}
	return l
}

// block is one of now with tallies "approved/sent".
func block(tallies ...string) Block {
	b := Block{}
	for _, text := range tallies {
		var t Tally
		_, _ = fmt.Sscanf(text, "%g/%g", &t.Approved, &t.Sent)
		b.Tallies = append(b.Tallies, t)
	}
	return b
}

func shown(standings []Standing) string {
	var out []string
	for _, s := range standings {
		out = append(out, fmt.Sprintf("%s %.0f%%", s.Provider, 100*s.Share))
	}
	return strings.Join(out, " ")
}

func TestJudge(t *testing.T) {
	old := block("10/100", "80/100")
	old.Age = 10 * time.Hour
	for _, test := range []struct {
		name   string
		l      *Learner
		blocks []Block
		want   string
	}{
		{"nothing is known", learnerOf(0.1), nil, "a 100% b 0%"},
		{"too little is known", learnerOf(0.1), []Block{block("0/20", "9/9")}, "a 100% b 0%"},
		{"in order, and some of it explores", learnerOf(0.1), []Block{block("70/100", "7/10")}, "a 90% b 10%"},
		{"in order among three", learnerOf(0.1, 0, 0, 0), []Block{block("70/100", "7/10", "7/10")}, "a 90% b 5% c 5%"},
		{"a better one by chance", learnerOf(0.1), []Block{block("70/100", "8/10")}, "a 90% b 10%"},
		{"the first converts worse", learnerOf(0.1), []Block{block("30/100", "9/10")}, "a 10% b 90%"},
		{"the first probably does", learnerOf(0.1), []Block{block("45/100", "10/13")}, "a 30% b 70%"},
		{"the second of three takes over", learnerOf(0.1, 0, 0, 0), []Block{block("30/100", "35/50", "3/50")}, "a 5% b 90% c 5%"},
		{"the last of three takes over", learnerOf(0.1, 0, 0, 0), []Block{block("30/100", "3/50", "35/50")}, "a 5% b 5% c 90%"},
		{"by weight, all alike", learnerOf(0.1, 3, 1), []Block{block("70/100", "70/100")}, "a 75% b 25%"},
		{"by weight, little to explore", learnerOf(0.1, 98, 1, 1), []Block{block("70/100", "7/10", "7/10")}, "a 90% b 5% c 5%"},
		{"by weight, one is worse", learnerOf(0.1, 2, 1, 1), []Block{block("20/100", "70/100", "70/100")}, "a 5% b 48% c 48%"},
		{"all of them fail", learnerOf(0.1), []Block{block("0/1000", "0/100")}, "a 90% b 10%"},
		{"all of them work", learnerOf(0.1), []Block{block("1000/1000", "100/100")}, "a 90% b 10%"},
		{"long ago", learnerOf(0.1), []Block{old, block("21/30", "2/3")}, "a 90% b 10%"},
		{"one was never asked", learnerOf(0.1), []Block{block("2/100", "0/0")}, "a 90% b 10%"},
		// Approvals may be counted of what was sent before all that is known.
		{"more approved than sent", learnerOf(0.1), []Block{block("120/100", "5/3")}, "a 90% b 10%"},
		{"half may be explored", learnerOf(0.5), []Block{block("70/100", "70/100")}, "a 50% b 50%"},
	} {
		standings, ok := test.l.Judge(test.blocks)
		if got := shown(standings); got != test.want || ok == strings.HasSuffix(test.want, "b 0%") {
			t.Errorf("%s: %s, %v, want %s\n%+v", test.name, got, ok, test.want, standings)
		}
	}
}

// TestBadTimesSayNothing: a provider that had most of a time when nobody approved
// anything isn't worse for it, though the sum of its numbers is.
func TestBadTimesSayNothing(t *testing.T) {
	l := learnerOf(0.1)
	quiet := []Block{block("30/100", "630/900"), block("28/100", "640/900")} // b is better and has most
	attack := block("0/300", "0/2700")
	standings, _ := l.Judge(append(quiet, attack))
	if got := shown(standings); got != "a 10% b 90%" {
		t.Errorf("an attack moved it: %s\n%+v", got, standings)
	}
	alone := block("0/3000", "0/0") // all of the attack on the one that is known to be good
	if standings, _ = l.Judge([]Block{block("700/1000", "50/100"), alone}); shown(standings) != "a 90% b 10%" {
		t.Errorf("an attack on one moved it: %s\n%+v", shown(standings), standings)
	}
}

// TestBetterIsAProbability holds it against drawing from the two distributions.
func TestBetterIsAProbability(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // G404: a test repeats it.
	// A beta distribution with whole parameters is that of the a-th smallest of
	// a+b-1 even draws.
	beta := func(a, b int) float64 {
		draws := make([]float64, a+b-1)
		for i := range draws {
			draws[i] = random.Float64()
		}
		for range a - 1 {
			least := 0
			for i, d := range draws {
				if d < draws[least] {
					least = i
				}
			}
			draws[least] = 2
		}
		least := 2.0
		for _, d := range draws {
			least = min(least, d)
		}
		return least
	}
	for _, test := range []struct{ approvedI, sentI, approvedJ, sentJ int }{
		{10, 20, 10, 20}, {5, 20, 10, 20}, {20, 40, 8, 10}, {16, 20, 60, 70},
	} {
		p, known := better([][]Tally{{
			{float64(test.sentI), float64(test.approvedI)}, {float64(test.sentJ), float64(test.approvedJ)},
		}}, 0, 1)
		common := float64(test.approvedI+test.approvedJ+1) / float64(test.sentI+test.sentJ+2)
		prior := int(math.Round(presumed * common))
		above, n := 0, 4000
		for range n {
			i := beta(prior+test.approvedI, presumed-prior+test.sentI-test.approvedI)
			j := beta(prior+test.approvedJ, presumed-prior+test.sentJ-test.approvedJ)
			if j > i {
				above++
			}
		}
		if want := float64(above) / float64(n); !known || math.Abs(p-want) > 0.03 {
			t.Errorf("%+v: %.3f, drawn %.3f", test, p, want)
		}
	}
}

// TestJudgeIsFair: whatever the numbers, shares are shares, exploring costs no
// more than it may, everybody gets a part, and the names don't matter.
func TestJudgeIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 5).Draw(t, "providers")
		explore := rapid.Float64Range(0.001, maxExplore).Draw(t, "explore")
		weights := rapid.SliceOfN(rapid.IntRange(1, 9), n, n).Draw(t, "weights")
		l := learnerOf(explore, make([]float64, n)...)
		if rapid.Bool().Draw(t, "weighted") {
			l.weights = nil
			for _, w := range weights {
				l.weights = append(l.weights, float64(w))
			}
		}
		var blocks []Block
		for range rapid.IntRange(1, 4).Draw(t, "blocks") {
			b := Block{Age: time.Duration(rapid.IntRange(0, 300).Draw(t, "age")) * time.Minute}
			for range n {
				sent := rapid.IntRange(0, 200).Draw(t, "sent")
				b.Tallies = append(b.Tallies, Tally{float64(sent), float64(rapid.IntRange(0, sent).Draw(t, "approved"))})
			}
			blocks = append(blocks, b)
		}
		standings, ok := l.Judge(blocks)
		kept := l.usual(func(i int) float64 { return 1 - standings[i].Lost() })
		sum, explored := 0.0, 0.0
		for i, s := range standings {
			sum += s.Share
			explored += max(0, s.Share-kept[i])
			if ok && s.Share < explore/float64(n-1)-1e-9 {
				t.Errorf("%s gets %v", s.Provider, s.Share)
			}
		}
		if math.Abs(sum-1) > 1e-9 || explored > explore+1e-9 || math.IsNaN(sum) {
			t.Errorf("shares make %v, %v of them to explore: %+v", sum, explored, standings)
		}
		again, _ := l.Judge(blocks)
		if diff := cmp.Diff(standings, again); diff != "" {
			t.Errorf("another verdict on the same numbers:\n%s", diff)
		}
	})
}

// TestTeach: what is taught decides the first provider in that country, until
// it is forgotten.
func TestTeach(t *testing.T) {
	route := Route{Channel: SMS, Providers: []string{"a", "b", "c"}, Learn: Learn{Explore: 0.1}}
	w := newWorld(t, []string{"a", "b", "c"}, []Route{route}, nil)
	w.random = func() float64 { return 0.6 }
	to := func(country string) Destination { return Destination{Channel: SMS, Country: country} }
	l := w.LearnerOf(to("JP"))
	if len(w.Learners()) != 1 || l != w.Learners()[0] || w.LearnerOf(callJP) != nil {
		t.Fatalf("learners: %+v", w.Learners())
	}
	if got := w.Plan(to("JP")).order(); got != "a b c" {
		t.Errorf("before: %q", got)
	}
	l.Teach(map[string][]float64{"JP": {0.05, 0.05, 0.9}, "": {0.05, 0.9, 0.05}})
	for country, want := range map[string]string{"JP": "c b a", "KR": "a b c", "001": "b c a", "": "b c a"} {
		if got := w.Plan(to(country)).order(); got != want {
			t.Errorf("%q: %q, want %q", country, got, want)
		}
	}
	l.Teach(nil)
	if got := w.Plan(to("JP")).order(); got != "a b c" {
		t.Errorf("forgotten: %q", got)
	}
}

// TestLearnerKey: a route is known again by what it takes, and by nothing else.
func TestLearnerKey(t *testing.T) {
	key := func(r Route) string { return newLearner(newChain(r, 0, func(string) *link { return &link{} }), 0).Key }
	base := Route{Channel: SMS, Countries: []string{"JP", "KR"}, Apps: []string{"bank"}, Providers: []string{"a", "b"}}
	same := Route{Channel: SMS, Countries: []string{"KR", "JP"}, Apps: []string{"bank"}, Providers: []string{"c", "a"}, Timeout: time.Second, Learn: Learn{Explore: 0.2}}
	if key(base) != key(same) {
		t.Error("another key for the same selectors")
	}
	seen := map[string]bool{}
	for _, r := range []Route{
		base,
		{Channel: Voice, Countries: []string{"JP", "KR"}, Apps: []string{"bank"}},
		{Channel: SMS, Countries: []string{"JP"}, Apps: []string{"bank", "KR"}},
		{Channel: SMS, Countries: []string{"JP", "KR"}},
		{Channel: SMS, Apps: []string{"mobile"}},
		{Channel: SMS, NumberTypes: []NumberType{"mobile"}},
		{Channel: SMS},
	} {
		if seen[key(r)] {
			t.Errorf("%+v has the key of another", r)
		}
		seen[key(r)] = true
	}
}

func TestLearnIsChecked(t *testing.T) {
	for _, l := range []Learn{{Explore: -0.1}, {Explore: 0.6}, {Explore: math.NaN()}, {HalfLife: time.Minute}, {Explore: 0.1, HalfLife: 25 * time.Hour}} {
		wrong := false
		l.validate(2, func(string, string) { wrong = true })
		if !wrong {
			t.Errorf("%+v is fine", l)
		}
	}
	for _, l := range []Learn{{}, {Explore: 0.5}, {Explore: 0.01, HalfLife: 10 * time.Minute}} {
		l.validate(2, func(field, problem string) { t.Errorf("%+v: %s %s", l, field, problem) })
	}
	r := Route{Channel: SMS, Providers: []string{"a", "b"}, Weights: map[string]int{"a": 1}, Learn: Learn{Explore: 0.1}}
	var got []string
	r.Validate(func(field, problem string) { got = append(got, field+" "+problem) })
	if diff := cmp.Diff([]string{"learn.explore needs two providers to choose from"}, got); diff != "" {
		t.Error(diff)
	}
}

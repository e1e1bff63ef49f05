package providers

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Learn has a route choose its first provider by what came of earlier sends, for
// each country by itself.
type Learn struct {
	// Explore is the share of a country's sends that tries providers which look worse, more than 0 and at most 0.5. 0 doesn't learn.
	Explore float64 `yaml:"explore"`
	// Half-life of what was seen: after it, a send counts half, 10m to 24h. 0 is 1h.
	HalfLife time.Duration `yaml:"half_life"`
}

const (
	defaultHalfLife = time.Hour
	minHalfLife     = 10 * time.Minute
	maxHalfLife     = 24 * time.Hour
	maxExplore      = 0.5

	// enough is how many sends a country must have seen, weighted by age, before
	// they say anything.
	enough = 30
	// plenty is how many sends by the provider that is only explored make older
	// ones count half. More wouldn't say more that matters, and where much is
	// sent, a recovery would be noticed late.
	plenty = 200
	// presumed is how many sends it is worth that a provider converts as the
	// others do, before anything is known of it.
	presumed = 10
	// A provider keeps its share while the probability that another one converts
	// better is below doubt, and has lost it from certain on; in between it
	// loses it by and by, so that no share jumps at a threshold.
	doubt, certain = 0.90, 0.99
)

// On reports whether the route learns.
func (l Learn) On() bool { return l.Explore > 0 }

// Memory is the half-life that holds.
func (l Learn) Memory() time.Duration { return cmp.Or(l.HalfLife, defaultHalfLife) }

func (l Learn) validate(learners int, report func(field, problem string)) {
	if l.Explore < 0 || l.Explore > maxExplore || math.IsNaN(l.Explore) {
		report("explore", "must be more than 0 and at most 0.5; 0 doesn't learn")
	}
	if h := l.Memory(); h < minHalfLife || h > maxHalfLife {
		report("half_life", "must be 10m to 24h")
	}
	if l.On() && learners < 2 {
		report("explore", "needs two providers to choose from")
	}
}

// Tally is what came of verifications that were sent first by one provider: how
// many there were and how many of them were approved with that one message.
type Tally struct{ Sent, Approved float64 }

// Block is the tallies of a stretch of time, in the order of a route's
// [Learner.Providers]. Age is how long ago it was.
type Block struct {
	Age     time.Duration
	Tallies []Tally
}

// Standing is how a provider of a learning route does in one country.
type Standing struct {
	Provider string
	// Share of sends for which it is asked first, 0 to 1, and Usual, the one
	// that it has without learning.
	Share, Usual float64
	// Tally is weighted by age.
	Tally
	// Rival is the provider that most probably converts better, and Worse the
	// probability that it does; "" if there is nothing to compare with.
	Rival string
	Worse float64
}

// Lesson is what a learning route knows of one country.
type Lesson struct {
	Route *Learner
	// Country is "" for numbers that belong to none.
	Country   string
	Standings []Standing
	// Enough is whether it is known well enough to go by it.
	Enough bool
}

// Sent is how many verifications it is known from, weighted by age.
func (l Lesson) Sent() (n float64) {
	for _, s := range l.Standings {
		n += s.Sent
	}
	return n
}

// Lost is which part of its usual share a provider has lost, 0 to 1.
func (s Standing) Lost() float64 {
	return min(1, max(0, (s.Worse-doubt)/(certain-doubt)))
}

// Judge says how each provider of a route does in a country, and which share of
// sends it gets for that. ok is false if too little is known to say; the shares
// are the usual ones then. It is a pure function: who has the same numbers comes
// to the same shares.
//
// Each provider keeps the share that the configuration gives it, unless another
// one converts better with a probability that leaves little doubt. Whatever the
// numbers say, each provider but the best gets an equal part of [Learn.Explore],
// if it hasn't more: that is how a recovery is noticed, and all that exploring
// may cost.
//
// Providers are compared by blocks of time, in which chance alone decided who
// sent what. So a bad hour for all of them, such as an attacker who approves
// nothing, says nothing against the one that had most of it.
func (l *Learner) Judge(blocks []Block) (standings []Standing, ok bool) {
	standings = make([]Standing, len(l.Providers))
	aged := l.age(blocks)
	total := 0.0
	for _, tallies := range aged {
		for i, t := range tallies {
			standings[i].Sent += t.Sent
			standings[i].Approved += t.Approved
			total += t.Sent
		}
	}
	for i, usual := range l.usual(func(int) float64 { return 1 }) {
		standings[i].Provider, standings[i].Usual, standings[i].Share = l.Providers[i], usual, usual
	}
	if total < enough {
		return standings, false
	}
	for i := range standings {
		for j := range standings {
			if i == j {
				continue
			}
			if p, known := better(aged, i, j); known && p > standings[i].Worse {
				standings[i].Rival, standings[i].Worse = l.Providers[j], p
			}
		}
	}
	for i, share := range l.explored(l.usual(func(i int) float64 { return 1 - standings[i].Lost() })) {
		standings[i].Share = share
	}
	return standings, true
}

// age weights what blocks say by how long ago it was, and by how much has been
// learned since.
func (l *Learner) age(blocks []Block) [][]Tally {
	blocks = slices.SortedStableFunc(slices.Values(blocks), func(a, b Block) int { return cmp.Compare(a.Age, b.Age) })
	aged := make([][]Tally, len(blocks))
	halfLife, halfSends, since := float64(l.Route.Learn.Memory()), plenty/l.floor(), 0.0
	for b, block := range blocks {
		weight := math.Exp2(-float64(block.Age)/halfLife - since/halfSends)
		aged[b] = make([]Tally, len(block.Tallies))
		for i, t := range block.Tallies {
			aged[b][i] = Tally{weight * t.Sent, weight * min(t.Approved, t.Sent)}
			since += t.Sent
		}
	}
	return aged
}

// floor is the share that each provider gets at least.
func (l *Learner) floor() float64 { return l.Route.Learn.Explore / float64(len(l.Providers)-1) }

// usual are the shares that the configuration gives, with each provider keeping
// that part of its own. In a route in order, what one doesn't keep goes to the
// next ones; in one with weights, to all others.
func (l *Learner) usual(keeps func(i int) float64) []float64 {
	shares := make([]float64, len(l.Providers))
	left, best := 1.0, 0
	for i := range shares {
		if keeps(i) > keeps(best) {
			best = i
		}
		if len(l.weights) == 0 {
			shares[i] = left * keeps(i)
			left -= shares[i]
		}
	}
	total := 0.0
	for i, weight := range l.weights {
		shares[i] = weight * keeps(i)
		total += shares[i]
	}
	for i := range l.weights {
		if total > 0 {
			shares[i] /= total
			left = 0
		}
	}
	shares[best] += left // who is beaten least gets what nobody keeps
	return shares
}

// explored raises each share but the largest to an equal part of the exploration,
// at the expense of those that have more.
func (l *Learner) explored(shares []float64) []float64 {
	floor := l.floor()
	raised, above := 0.0, 0.0
	for _, s := range shares {
		if s < floor {
			raised += floor - s
		} else {
			above += s - floor
		}
	}
	if raised == 0 {
		return shares
	}
	for i, s := range shares {
		if s < floor {
			shares[i] = floor
		} else {
			shares[i] = s - raised*(s-floor)/above
		}
	}
	return shares
}

// better is the probability that provider j converts better than i. Blocks in
// which one of them sent nothing don't count.
//
// Within a block, conversions are compared as Mantel and Haenszel do: a block
// weighs as much as the smaller side of it knows. The probability is that of
// one of two beta distributions being above the other, taken as normal.
func better(blocks [][]Tally, i, j int) (p float64, known bool) {
	var weight, sentI, sentJ, approvedI, approvedJ float64
	for _, b := range blocks {
		a, c := b[i], b[j]
		if a.Sent == 0 || c.Sent == 0 {
			continue
		}
		w := a.Sent * c.Sent / (a.Sent + c.Sent)
		weight += w
		approvedI += w * a.Approved / a.Sent
		approvedJ += w * c.Approved / c.Sent
		sentI += w * w / a.Sent
		sentJ += w * w / c.Sent
	}
	if weight == 0 {
		return 0, false
	}
	// The sends that would have told as much if all were of one block.
	nI, nJ := weight*weight/sentI, weight*weight/sentJ
	rateI, rateJ := approvedI/weight, approvedJ/weight
	common := (nI*rateI + nJ*rateJ + 1) / (nI + nJ + 2)
	meanI, varianceI := belief(common, nI, rateI)
	meanJ, varianceJ := belief(common, nJ, rateJ)
	return normal((meanJ - meanI) / math.Sqrt(varianceI+varianceJ)), true
}

// belief is the mean and the variance of a conversion that was rate in n sends
// and is presumed to be the common one.
func belief(common, n, rate float64) (mean, variance float64) {
	all := presumed + n
	mean = (presumed*common + n*rate) / all
	return mean, mean * (1 - mean) / (all + 1)
}

// normal is the distribution function of the standard normal distribution.
func normal(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

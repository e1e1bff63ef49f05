package providers

import (
	"cmp"
	"slices"
	"time"
)

// Then is who brings the same code when a delivery doesn't reach the phone.
type Then string

// What may follow a delivery. Empty is the same as ThenProvider in a [Route],
// and nobody in a [FollowUp].
const (
	// ThenProvider: the route's next provider, while there is one.
	ThenProvider Then = "provider"
	// ThenVoice: a call, or the route's next provider where a call isn't possible.
	ThenVoice Then = "voice"
	// ThenStop: nobody. Whoever asked for it has to ask again.
	ThenStop Then = "stop"
)

// Thens lists what a route may say.
func Thens() []Then { return []Then{ThenProvider, ThenVoice, ThenStop} }

// FollowUp is what a route does about a delivery that was accepted and didn't
// reach the phone. The zero value: nothing.
type FollowUp struct {
	// Then is ThenProvider, ThenVoice, or empty for nobody.
	Then Then
	// Within is how long a receipt may take; 0 waits for one that says that it failed.
	Within time.Duration
}

// Lost reports whether s says that the phone can't have got it, and that another
// carrier might do better. A call that the person didn't take isn't lost.
func (s Status) Lost() bool {
	return slices.Contains([]Status{Undelivered, Failed, Expired, Unreachable}, s)
}

// Arrived reports whether s says that the phone got it, or rang: a carrier that
// reports this took it, whatever became of the answer to who asked.
func (s Status) Arrived() bool { return s.Rank() > Accepted.Rank() && s != Sent && !s.Lost() }

// NoReceipt is why a delivery is moved on that nothing was heard of in time.
const NoReceipt = "no_receipt"

// FollowUp is what p's route does about a delivery that didn't reach the phone.
// call reports whether the phone may be called, where the route asks for that.
func (p Plan) FollowUp(call func() bool) FollowUp {
	if p.chain == nil || p.chain.Then == ThenStop {
		return FollowUp{}
	}
	f := FollowUp{Then: cmp.Or(p.chain.Then, ThenProvider), Within: p.chain.ReceiptWithin}
	if f.Then == ThenVoice && !call() {
		f.Then = ThenProvider
	}
	if f.Then == ThenProvider && len(p.links) == 1 {
		return FollowUp{} // nobody is left
	}
	return f
}

// Without is p without the providers that were asked already.
func (p Plan) Without(asked func(provider string) bool) Plan {
	var left []*link
	for _, l := range p.links {
		if !asked(l.name) {
			left = append(left, l)
		}
	}
	if left == nil {
		return Plan{}
	}
	p.links = left
	return p
}

package gateway

import (
	"time"

	"denwa/providers"
	"denwa/ratelimit"
)

// Event is something that happens to a verification.
type Event interface{ event() }

// The events.
type (
	// Begin creates a verification and asks for its first send.
	Begin struct {
		Channel     Channel
		MaxAttempts int
		MaxSends    int
		Life        time.Duration
		Provider    string
		Segments    int
		FollowUp    providers.FollowUp
	}
	// Check is a code that came back; Match tells whether it is the right one.
	// Call is the delivery (from 1) of the call it was typed on, 0 for none.
	// Request names the request that brought it, if its caller may make that
	// again: one that approved is told so again. Guess names the code and what
	// brought it, a request or a call: one that was wrong is told so again, and
	// counted once. The latter alone must not do that, since its next code may be
	// another.
	Check struct {
		Match   bool
		Call    int
		Request StoreName
		Guess   StoreName
	}
	// Confirm is the key press that approves, on the call of a delivery (from 1).
	Confirm struct{ Call int }
	// Deny is the person's word, on a call, that they didn't ask for this.
	Deny struct{ Call int }
	// Resend asks for another send of the same code. The same Request, if it has
	// one, asks once.
	Resend struct {
		Channel  Channel
		Provider string
		Segments int
		Request  StoreName
		FollowUp providers.FollowUp
	}
	// Failover says that delivery N (from 1) failed, and that Next, unless it is
	// empty, is about to be asked instead. If N may have been sent all the same,
	// it is Ambiguous: then the next one is a send of its own, or isn't asked.
	Failover struct {
		N         int
		Next      string
		Ambiguous bool
		FollowUp  providers.FollowUp
	}
	// Report is a provider's word on delivery N (from 1), which it must have made.
	// Kind is why it didn't reach the phone, if the provider said.
	Report struct {
		N        int
		Provider string
		Status   providers.Status
		Kind     providers.Kind
	}
	// MoveOn sends the same code in place of delivery N (from 1), the latest,
	// whose follow-up is due. Without a Provider nothing is sent: there is nobody
	// to ask.
	MoveOn struct {
		N        int
		Channel  Channel
		Provider string
		Segments int
		FollowUp providers.FollowUp
	}
	// Cancel withdraws the verification.
	Cancel struct{}
	// Expire is the clock's.
	Expire struct{}
)

func (Begin) event()    {}
func (Check) event()    {}
func (Confirm) event()  {}
func (Deny) event()     {}
func (Resend) event()   {}
func (Failover) event() {}
func (Report) event()   {}
func (MoveOn) event()   {}
func (Cancel) event()   {}
func (Expire) event()   {}

// Effect is what an event brought about, for metrics and for whoever listens.
type Effect string

// The effects.
const (
	EffectNone     Effect = ""
	EffectCreated  Effect = "created"
	EffectWrong    Effect = "wrong" // a check was evaluated and didn't match
	EffectApproved Effect = "approved"
	EffectFailed   Effect = "failed"
	EffectExpired  Effect = "expired"
	EffectCanceled Effect = "canceled"
	EffectDenied   Effect = "denied"
	EffectRepeated Effect = "repeated" // a check that was counted came again
	EffectSend     Effect = "send"     // a provider is to be asked now
	EffectReport   Effect = "report"   // a delivery's status changed
)

// Finished is the final status that e brought about, or "".
func (e Effect) Finished() Status {
	switch e {
	case EffectApproved, EffectFailed, EffectExpired, EffectCanceled, EffectDenied:
		return Status(e)
	case EffectNone, EffectCreated, EffectWrong, EffectRepeated, EffectSend, EffectReport:
	}
	return ""
}

// Refusal is why an event changed nothing. The zero value is no refusal.
type Refusal struct {
	Reason RefusalReason
	// Limit and Wait say which limit refused and when it would not.
	Limit ratelimit.Name
	Wait  time.Duration
}

// RefusalReason is the kind of a [Refusal].
type RefusalReason string

// The refusals.
const (
	RefusedNotFound   RefusalReason = "not_found"
	RefusedNotPending RefusalReason = "not_pending"
	RefusedLimit      RefusalReason = "limit"
	RefusedSends      RefusalReason = "max_sends"
	RefusedBlocked    RefusalReason = "blocked"
	RefusedCalling    RefusalReason = "calling" // a call of this verification isn't over
	RefusedNotDue     RefusalReason = "not_due" // nothing follows the delivery now
)

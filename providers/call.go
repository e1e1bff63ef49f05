package providers

import (
	"context"
	"errors"
	"time"

	"denwa/ivr"
)

// Statuses of calls, besides [Accepted] and [Failed], and [Delivered] for a code
// that was read out to its end.
const (
	Ringing     Status = "ringing"
	Answered    Status = "answered"
	Confirmed   Status = "confirmed"   // the person pressed what approves it
	Denied      Status = "denied"      // the person reported that they didn't ask for it
	NoInput     Status = "no_input"    // three rounds of silence
	WrongInput  Status = "wrong_input" // three rounds with other keys
	HungUp      Status = "hung_up"
	Machine     Status = "machine" // voicemail or a fax answered
	Busy        Status = "busy"
	NoAnswer    Status = "no_answer"
	Declined    Status = "declined"
	Unreachable Status = "unreachable"
)

// CallStatuses lists the statuses a call can have.
func CallStatuses() []Status {
	return []Status{
		Accepted, Ringing, Answered,
		Confirmed, Denied, Delivered, NoInput, WrongInput, HungUp, Machine,
		Busy, NoAnswer, Declined, Unreachable, Failed,
	}
}

// Call is one call to one phone.
type Call struct {
	// Delivery names this call, as in [Message].
	Delivery string
	// To is the number in E.164 with "+".
	To string
	// Extension is dialled as keys after the answer; empty for none.
	Extension string
	// Script is what the call says and asks.
	Script ivr.Script
	// ValidFor is how long the call makes sense.
	ValidFor time.Duration
}

// Caller calls phones.
type Caller interface {
	Provider
	// PlaceCall asks the carrier to call and returns when it took the call,
	// mostly before the phone rings. How it goes on is reported as receipts. It
	// fails as [Messenger.SendMessage] does, and never calls twice.
	PlaceCall(ctx context.Context, c Call) (Acceptance, error)
}

// Drainer is a provider whose calls live in this process, and end with it.
type Drainer interface {
	Provider
	// Drain takes no more calls, and returns when none is under way any more, or
	// when ctx ends: with how many still are. Close ends those.
	Drain(ctx context.Context) (left int)
}

// ErrNoCall is a [Switchboard]'s answer about a call that makes no sense, or not
// any more: hang up.
var ErrNoCall = errors.New("there is no such call")

// Switchboard is what a provider asks the gateway in the middle of a call. It
// is asked on whichever instance the carrier calls back.
type Switchboard interface {
	// Script returns what the call of a delivery says. It fails with [ErrNoCall],
	// or with anything else if it can't tell now.
	Script(ctx context.Context, delivery string) (ivr.Script, error)
	// Press says what keys mean that were pressed after the prompt began; they
	// are an [ivr.Ask].
	Press(ctx context.Context, provider, delivery, keys string) (ivr.Verdict, error)
}

// Package providers hands messages and calls to carriers.
//
// A [Provider] is one account at one carrier. The [Router] tries providers in
// the order of a route until one accepts, within a deadline, and decides by
// the [Kind] of each failure whether the next one may be asked. Receipts, what
// became of a message after it was accepted, come back through [Receiver].
//
// This package speaks plain strings: numbers are E.164 with a leading "+".
package providers

import (
	"context"
	"net/http"
	"time"
)

// Channel is a way to reach a phone.
type Channel string

// The channels.
const (
	SMS   Channel = "sms"
	Voice Channel = "voice"
)

// Channels lists every channel, in the order in which they are offered.
func Channels() []Channel { return []Channel{SMS, Voice} }

// Status is what is known of one delivery.
type Status string

// Delivery statuses. Messages use these; calls add their own.
const (
	// Accepted: handed to the provider; no receipt has come.
	Accepted Status = "accepted"
	// Sent: the provider handed it to the carrier's network.
	Sent Status = "sent"
	// Delivered: the carrier confirmed that the handset has it.
	Delivered Status = "delivered"
	// Undelivered: the carrier reported that it did not reach the handset.
	Undelivered Status = "undelivered"
	// Failed: it was never handed to the carrier's network.
	Failed Status = "failed"
	// Expired: it was not delivered before its validity ended.
	Expired Status = "expired"
)

// MessageStatuses lists the statuses a message can have.
func MessageStatuses() []Status {
	return []Status{Accepted, Sent, Delivered, Undelivered, Failed, Expired}
}

// Rank orders statuses so that receipts may come in any order and more than
// once: a receipt is applied only if its rank is higher than what is known.
// Delivered outranks the other ends, because carriers do report a failure and
// then deliver; and so does a person's answer, because the end of the call may
// be known before what its last key meant. An unknown status ranks below all.
func (s Status) Rank() int {
	switch s {
	case Accepted:
		return 1
	case Sent, Ringing:
		return 2
	case Answered:
		return 3
	case Undelivered, Failed, Expired,
		NoInput, WrongInput, HungUp, Machine, Busy, NoAnswer, Declined, Unreachable:
		return 4
	case Delivered, Confirmed, Denied:
		return 5
	}
	return 0
}

// Final reports whether nothing more is expected after s.
func (s Status) Final() bool { return s.Rank() >= Failed.Rank() }

// Message is one text message to one phone.
type Message struct {
	// Delivery names this delivery, as "<verification id>.<n>". It is safe in
	// a callback URL: it holds neither the number nor the code.
	Delivery string
	// To is the number in E.164 with "+".
	To string
	// Text is the whole message, any Unicode.
	Text string
	// ValidFor is how long the message is worth delivering.
	ValidFor time.Duration
}

// Acceptance is a provider's word that it took a message or a call.
type Acceptance struct {
	// Reference is the provider's own id of it, for its support desk. May be empty.
	Reference string
}

// Receipt tells what became of a delivery after it was accepted.
type Receipt struct {
	// Delivery is the name given in [Message] or [Call].
	Delivery string
	// Status is never Accepted.
	Status Status
	// Code is the provider's own error code; empty if there was none.
	Code string
	// Kind is why it didn't reach the phone, where the provider's code says: [Invalid]
	// and [Rejected] keep other providers from being asked. May be empty.
	Kind Kind
}

// Provider is one account at one carrier, safe for concurrent use.
//
// A provider that sends messages is also a [Messenger], one that calls phones a
// [Caller]. One that has carriers calling back is also a [Callbacks].
type Provider interface {
	// Name is the operator's name for it: [a-z0-9-], at most 32 bytes,
	// unique in a configuration, and a metric label.
	Name() string
	// Close ends background work and waits for it.
	Close() error
}

// ValidName reports whether name may be a provider's name.
func ValidName(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return name != "" && len(name) <= 32
}

// Selective is a provider whose configuration says which of the channels that
// it has methods for it really serves.
type Selective interface {
	Serves(ch Channel) bool
}

// Serves reports whether p can be asked on ch.
func Serves(p Provider, ch Channel) bool {
	if s, ok := p.(Selective); ok && !s.Serves(ch) {
		return false
	}
	switch ch {
	case SMS:
		_, ok := p.(Messenger)
		return ok
	case Voice:
		_, ok := p.(Caller)
		return ok
	default:
		return false
	}
}

// Messenger sends text messages.
type Messenger interface {
	Provider
	// SendMessage hands msg to the carrier and returns when the carrier has
	// accepted it. It doesn't outlive ctx, never retries what may have been
	// sent, and fails with an [*Error] whose text holds no number, text or
	// credential.
	SendMessage(ctx context.Context, msg Message) (Acceptance, error)
}

// Callbacks is a provider whose carrier reports by HTTP. The gateway mounts the
// handler at /callbacks/<name>/ on the public listener, with that prefix
// stripped from the path. It authenticates a request before it parses it.
type Callbacks interface {
	Provider
	Callbacks() http.Handler
}

// Receiver takes receipts. It returns nil for a receipt that was applied, is
// known already, or names nothing that exists: a carrier should not repeat
// those. An error means that the carrier should try again later.
type Receiver func(ctx context.Context, provider string, r Receipt) error

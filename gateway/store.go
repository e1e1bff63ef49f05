package gateway

import (
	"context"
	"slices"
	"time"

	"denwa/providers"
)

// Record is a verification as a store keeps it. Nothing in it is readable as a
// number or a code.
type Record struct {
	ID  ID
	App string
	// Number is what the number is called in the store. Only New has it.
	Number StoreName
	// Party is who, for the app, proves to hold the number; empty if unknown.
	// Only New has it.
	Party StoreName

	Mode       Mode
	Country    string
	NumberType string
	Locale     string
	Purpose    string
	Origin     string // WebOTP domain
	AppHash    string // SMS Retriever hash
	Brand      string // who the message is from, if not the app's brand

	// Hook is whether the app is told of events. Only New has it.
	Hook bool

	SealedTo        []byte
	SealedReference []byte
	// SealedContent is what the caller chose to be said: a code, or the text of
	// a [Dispatch]. It is gone when the verification is over.
	SealedContent []byte

	State
}

// Change is what a store answers: the record as it is now and what happened.
type Change struct {
	Record  Record
	Number  NumberState
	Effect  Effect
	Refusal Refusal
	// Now is the store's time.
	Now time.Time
}

// over reports whether nothing more can become of c's verification, whether or
// not that was written down yet.
func (c Change) over() bool {
	return c.Record.Status != Pending || !c.Now.Before(c.Record.ExpiresAt)
}

// Store keeps verifications and what their numbers share. Each method is one
// atomic step and one round trip, decides as [Transition] does, and is safe for
// concurrent use. An error means that the store didn't answer: whether it did
// its work is unknown, and it is never repeated by itself. What is refused is
// not an error but a [Refusal].
type Store interface {
	// Start creates a verification. The Record has no State but that of Begin.
	// An id that exists for the app is answered as it is, without an effect.
	Start(ctx context.Context, r Record, e Begin, rules Rules, retention time.Duration) (Change, error)
	// Apply does e to a verification of app. An empty app is any.
	Apply(ctx context.Context, id ID, app string, e Event, rules Rules) (Change, error)
	// Load reads a verification of app.
	Load(ctx context.Context, id ID, app string) (Change, error)
	// Sweep ends what is due, and finds what is to move on. Of all instances that
	// ask, one gets each verification. What comes with an error is swept, too.
	Sweep(ctx context.Context) (Swept, error)
	// Watch sends on the channel when id may have changed, on whichever
	// instance; it may miss nothing but may wake for nothing. Call stop when done.
	Watch(ctx context.Context, id ID) (changed <-chan struct{}, stop func(), err error)
	// Proved reports whether party proved lately to hold number.
	Proved(ctx context.Context, number, party StoreName) (bool, error)
	// Ping reports whether the store can be reached.
	Ping(ctx context.Context) error
}

// Swept is what [Store.Sweep] found.
type Swept struct {
	// Expired are verifications that it ended.
	Expired []Due
	// MovingOn are those whose follow-up is due. One that isn't moved on within a
	// minute, because its instance died, is found again.
	MovingOn []ID
}

// Due is a verification that expired.
type Due struct {
	ID  ID
	App string
	// Provider is that of the last delivery, Channel the way it went.
	Provider string
	Channel  Channel
	Country  string
}

// Sender hands messages and calls to providers; [providers.Router] does.
type Sender interface {
	Routes
	Plan(to providers.Destination) providers.Plan
	Send(ctx context.Context, plan providers.Plan, msg providers.Message, country string,
		failover func(context.Context, providers.Failover) (delivery string, err error)) (providers.Acceptance, string, error)
	Call(ctx context.Context, plan providers.Plan, call providers.Call, country string,
		failover func(context.Context, providers.Failover) (delivery string, err error)) (providers.Acceptance, string, error)
}

// Routes say what leads where.
type Routes interface {
	// Offered lists the channels that lead somewhere.
	Offered() []Channel
	// Reaches reports whether something leads to a destination.
	Reaches(to providers.Destination) bool
	// Providers lists whom a channel leads to, for some destination at least.
	Providers(ch Channel) []string
}

// Everywhere is [Routes] by these channels to every number, by nobody in particular.
type Everywhere []Channel

// Offered implements [Routes].
func (e Everywhere) Offered() []Channel { return e }

// Reaches implements [Routes].
func (e Everywhere) Reaches(to providers.Destination) bool { return slices.Contains(e, to.Channel) }

// Providers implements [Routes].
func (e Everywhere) Providers(Channel) []string { return nil }

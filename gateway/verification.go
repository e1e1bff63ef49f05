// Package gateway is the domain: what a verification is and may become.
//
// [Service] is what the HTTP packages call. It decides policy, derives codes,
// asks a [Store] for each change of state, and hands messages to the
// providers. [Transition] is the rule of every change, without a store; the
// store does the same inside Redis, and tests hold one against the other.
package gateway

import (
	"time"

	"denwa/providers"
)

// Channel is a way to reach a phone.
type Channel = providers.Channel

// The channels.
const (
	SMS   = providers.SMS
	Voice = providers.Voice
)

// Mode is how a person proves to hold the phone.
type Mode string

// The modes.
const (
	// ModeCode: a code reaches the phone and comes back through the page.
	ModeCode Mode = "code"
	// ModeConfirm: a call asks for "#".
	ModeConfirm Mode = "confirm"
	// ModeKeyed: digits shown on the page are typed on the phone.
	ModeKeyed Mode = "keyed"
	// ModeMessage is that of a [Dispatch]: nothing is proved.
	ModeMessage Mode = "message"
)

// Status is the state of a verification.
type Status string

// The states. All but Pending are final.
const (
	Pending  Status = "pending"
	Approved Status = "approved" // the number is that person's
	Failed   Status = "failed"   // the attempts are used up
	Expired  Status = "expired"  // the time is over
	Canceled Status = "canceled" // the app withdrew it
	Denied   Status = "denied"   // the person reported that they didn't ask for it
)

// Statuses lists every state.
func Statuses() []Status { return []Status{Pending, Approved, Failed, Expired, Canceled, Denied} }

// Delivery is one attempt to reach the phone by one provider. It is written
// before the provider is asked, so nothing is sent that isn't recorded.
type Delivery struct {
	Provider string
	Channel  Channel
	Status   providers.Status
	// At is when the provider was asked.
	At time.Time
	// UpdatedAt is when Status last changed.
	UpdatedAt time.Time
	// Segments is how many SMS segments the text took; 0 for a call.
	Segments int
}

// Verification is one attempt by one app to learn that a person holds a number.
// It belongs to the request that started it.
type Verification struct {
	ID      ID
	App     string
	Status  Status
	Channel Channel // of the latest send
	Mode    Mode

	To         string // E.164; never log it
	ToMasked   string
	Extension  string
	Country    string // ISO 3166-1 alpha-2
	NumberType string
	Locale     string
	Purpose    string
	Origin     string // WebOTP domain
	AppHash    string // SMS Retriever hash
	Brand      string // who the message is from, if not the app's brand
	Reference  string
	// ShownCode are the digits that the page shows in ModeKeyed, while pending.
	ShownCode string

	Attempts    int // checks evaluated
	MaxAttempts int
	Sends       int
	MaxSends    int

	CreatedAt time.Time
	ExpiresAt time.Time
	UpdatedAt time.Time
	// NextSendAt is the earliest resend by channel; nil when no more are allowed.
	NextSendAt map[Channel]time.Time

	Deliveries []Delivery

	// Repeated is whether [Service.Start] found that the same request had made it
	// before, and so sent nothing.
	Repeated bool
}

// AttemptsRemaining is how many more checks will be evaluated.
func (v *Verification) AttemptsRemaining() int { return max(0, v.MaxAttempts-v.Attempts) }

// SendsRemaining is how many more messages or calls may be asked for.
func (v *Verification) SendsRemaining() int { return max(0, v.MaxSends-v.Sends) }

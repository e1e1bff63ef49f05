package gateway

import (
	"context"
	"time"
)

// SessionRecord is a session as a store keeps it. Nothing in it is readable as a
// number, a link or a cookie.
type SessionRecord struct {
	ID     SessionID
	App    string
	Status Status // pending, approved or canceled; that it expired is for who reads
	// SealedRequest is what the app asked for, and the link's secret.
	SealedRequest []byte
	// SealedDraft is the number that the person typed; empty if none.
	SealedDraft []byte
	// Browser names the browser that has the session; empty if none has.
	Browser string
	// Verification is the latest that the person started; empty if none.
	Verification ID
	// Turn counts the sends that were asked for.
	Turn int
	// Sending is whether one of them is being worked on.
	Sending   bool
	CreatedAt time.Time
	ExpiresAt time.Time
	// Now is the store's time.
	Now time.Time
}

// SessionClaim asks for the right to send.
type SessionClaim struct {
	Browser string
	// What names what is to be sent, and to whom. It is not sent again while its
	// verification is current. For a resend it is empty.
	What StoreName
	// Verification is the one to resend; or, for a new one, the current one if it
	// is known to be over.
	Verification ID
	// Turn is the count of sends that the person saw when they asked for another
	// one. Only a resend needs it.
	Turn int
	// Seed is for a new verification. An unfinished send of the same has one already.
	Seed  []byte
	Lease time.Duration
}

// SessionOutcome is what a store says to a step of a session.
type SessionOutcome string

// The outcomes.
const (
	SessionDone    SessionOutcome = "done"
	SessionUnknown SessionOutcome = "unknown" // there is no such session
	SessionOver    SessionOutcome = "over"    // it has ended, or its time is over
	SessionTaken   SessionOutcome = "taken"   // another browser has it
	SessionRepeat  SessionOutcome = "repeat"  // this was asked for before, and done
	SessionBusy    SessionOutcome = "busy"    // a send is being worked on
)

// SessionStore keeps sessions. Each method is one atomic step and one round
// trip, and safe for concurrent use. An error means that the store didn't
// answer.
type SessionStore interface {
	// CreateSession keeps a new session for life, and then for keep. One that
	// exists is left as it is. Either way it returns what there is.
	CreateSession(ctx context.Context, r SessionRecord, life, keep time.Duration) (SessionRecord, error)
	// LoadSession reads a session; ok is false if there is none.
	LoadSession(ctx context.Context, id SessionID) (r SessionRecord, ok bool, err error)
	// OpenSession gives the session to a browser, and forgets the draft of any
	// other. Once something was sent it stays with the browser that has it.
	OpenSession(ctx context.Context, id SessionID, browser string) (SessionOutcome, error)
	// DraftSession keeps what the person typed.
	DraftSession(ctx context.Context, id SessionID, browser string, sealed []byte) (SessionOutcome, error)
	// ClaimSession takes the right to send. Of several that ask for the same
	// send, one gets it. With SessionDone it returns the seed to send with and
	// the lease to settle.
	ClaimSession(ctx context.Context, id SessionID, c SessionClaim) (o SessionOutcome, seed []byte, lease string, err error)
	// SettleSession ends a claim. A verification that came of it becomes the
	// current one, and the session lives at least until expires.
	SettleSession(ctx context.Context, id SessionID, lease string, v ID, expires time.Time) error
	// FinishSession ends a pending session with a status, unless it has one
	// already. Its time may be over.
	FinishSession(ctx context.Context, id SessionID, status Status) error
}

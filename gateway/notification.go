package gateway

import "time"

// Notification is one change of a verification that its app is to be told of.
// The store writes it in the same step as the change itself, so that neither
// exists without the other.
type Notification struct {
	// ID is the same each time it is delivered, so that a receiver knows a repeat.
	ID string
	// App is whose verification it is.
	App string
	// Type is what happened, such as "verification.approved".
	Type string
	// At is when it happened, by the store's clock.
	At time.Time
	// Attempts is how many times its delivery failed.
	Attempts int
	// Change is the verification as it was then, its number sealed.
	Change Change
	// Err says why Change couldn't be read, if it couldn't.
	Err error
	// Lease tells the store who claimed it, and means nothing elsewhere.
	Lease int64
}

// Notified is the verification as n's app is told of it: as it was then, without
// the digits that only a page shows.
func (s *Service) Notified(n Notification) (*Verification, error) {
	v, err := s.verification(n.Change, s.Policy())
	if err != nil {
		return nil, err
	}
	v.ShownCode = ""
	return v, nil
}

// Backlog counts events of an app that it hasn't taken.
type Backlog struct {
	// Waiting are due, or being delivered.
	Waiting int
	// GivenUp are dead letters.
	GivenUp int
}

// DeadLetter is a notification that was given up. It can be sent again.
type DeadLetter struct {
	ID       string
	App      string
	Type     string
	At       time.Time
	Attempts int
	// Reason is the outcome of the last attempt.
	Reason string
	// DiedAt is when it was given up.
	DiedAt time.Time
}

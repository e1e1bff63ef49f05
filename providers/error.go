package providers

import (
	"errors"
	"time"
)

// Kind says what a provider's failure means for what happens next.
type Kind string

// The kinds of failure.
const (
	// Invalid: this number can't receive this, by any provider. Stop.
	Invalid Kind = "invalid"
	// Rejected: the carrier refuses this message or suspects fraud. Stop.
	Rejected Kind = "rejected"
	// Throttled: the provider asks to slow down. Try the next one.
	Throttled Kind = "throttled"
	// Unavailable: the provider or its route is down; nothing was sent. Try the next one.
	Unavailable Kind = "unavailable"
	// Auth: the provider refuses our credentials. Try the next one and alert.
	Auth Kind = "auth"
	// Ambiguous: the request was written and no answer came, so it may have
	// been sent. Try the next one, at most once per send, and count it.
	Ambiguous Kind = "ambiguous"
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{Invalid, Rejected, Throttled, Unavailable, Auth, Ambiguous}
}

// TryNext reports whether another provider may be asked after a failure of this kind.
func (k Kind) TryNext() bool { return k != Invalid && k != Rejected }

// Error is a provider's failure. Its text is for the operator's log; it never
// holds a number, a message text or a credential.
type Error struct {
	Kind Kind
	// Code is the provider's own error code; empty if it gave none.
	Code string
	// RetryAfter is how long a throttling provider asked to wait; 0 if it didn't say.
	RetryAfter time.Duration
	// Unfit: the provider can't do this one thing, whoever it is for, and said so
	// without asking its carrier. The next one may, and it says nothing of how the
	// provider does.
	Unfit bool
	// Err is the cause. It must hold nothing private.
	Err error
}

func (e *Error) Error() string {
	s := string(e.Kind)
	if e.Code != "" {
		s += " (code " + e.Code + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of err. An error that isn't an [*Error] is
// [Ambiguous], the careful guess: it may have been sent.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Ambiguous
}

package gateway

import "time"

// Lock bounds consecutive wrong codes for one number (NIST SP 800-63B-4
// §3.2.2: at most 100): the After-th locks the number for Base, and each one
// after that for twice as long, up to Max.
type Lock struct {
	After     int
	Base, Max time.Duration
}

// DefaultLock is the lock that the service uses.
func DefaultLock() Lock { return Lock{After: 100, Base: time.Hour, Max: 24 * time.Hour} }

// duration is how long the failures-th consecutive failure locks a number.
func (l Lock) duration(failures int) time.Duration {
	if failures < l.After {
		return 0
	}
	d := l.Base
	for range failures - l.After {
		if d >= l.Max {
			break
		}
		d *= 2
	}
	return min(d, l.Max)
}

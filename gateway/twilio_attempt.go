package gateway

import "time"

// TwilioSIDSize is the length of what follows the two letters of a SID of the
// Twilio Verify dialect, in bytes.
const TwilioSIDSize = 16

// TwilioAttempt is a message or call that was asked for through the Twilio
// Verify dialect, as a store keeps it.
type TwilioAttempt struct {
	SID      [TwilioSIDSize]byte
	Channel  Channel
	Country  string // ISO 3166-1 alpha-2
	SealedTo []byte
	// Converted is whether its code came back.
	Converted bool
	CreatedAt time.Time
	// UpdatedAt is when Converted last changed.
	UpdatedAt time.Time
}

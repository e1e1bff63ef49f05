package twilioverify

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"denwa/gateway"
)

// A SID is two letters and 32 hexadecimal digits, so it holds 16 bytes, and a
// gateway id has 20. To fit, the dialect gives a verification a seed of 11
// random bytes (88 bits) and zeros: the first 15 bytes of the id then are all of
// it. The last byte of a SID is 0 for a verification (VE) and the number of the
// send, from 1, for its attempts (VL). So each finds the other without a table.

// sid is what follows the two letters.
type sid [gateway.TwilioSIDSize]byte

const (
	idInSID    = gateway.TwilioSIDSize - 1
	idZeros    = gateway.IDSize - idInSID
	idRandom   = 16 // that a seed begins with
	maxSends   = 1<<8 - 1
	sidLetters = 2
)

// seedOf makes a seed whose verification has a SID. With the same random bytes,
// what is asked for tells one verification from another.
func seedOf(random []byte, asked ...string) []byte {
	seed := make([]byte, gateway.SeedSize)
	copy(seed, random)
	if strings.Join(asked, "") != "" {
		sum := sha256.Sum256([]byte(string(seed[:idRandom]) + strings.Join(asked, "\x00")))
		copy(seed[:idRandom], sum[:])
	}
	clear(seed[idRandom-idZeros : idRandom])
	return seed
}

// sidOf is the SID of a verification; ok is false for one that this dialect
// didn't start.
func sidOf(id gateway.ID) (s sid, ok bool) {
	b, ok := id.Bytes()
	if !ok || [idZeros]byte(b[idInSID:]) != [idZeros]byte{} {
		return s, false
	}
	copy(s[:idInSID], b[:])
	return s, true
}

// parseSID reads a SID that begins with letters.
func parseSID(letters, text string) (s sid, ok bool) {
	if len(text) != sidLetters+hex.EncodedLen(len(s)) || text[:sidLetters] != letters {
		return s, false
	}
	_, err := hex.Decode(s[:], []byte(text[sidLetters:]))
	return s, err == nil
}

// id is the gateway id of a verification's SID.
func (s sid) id() (gateway.ID, bool) {
	if s[idInSID] != 0 {
		return "", false
	}
	var b [gateway.IDSize]byte
	copy(b[:idInSID], s[:])
	return gateway.IDFromBytes(b)
}

// attempt is the SID of the n-th send, from 1, of the verification s.
func (s sid) attempt(n int) sid {
	s[idInSID] = byte(min(n, maxSends)) //nolint:gosec // G115: at most 255.
	return s
}

// verification is the SID of the verification that the attempt s belongs to.
func (s sid) verification() sid { return s.attempt(0) }

func (s sid) text(letters string) string { return letters + hex.EncodeToString(s[:]) }

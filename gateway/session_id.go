package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// SessionID names a [Session], "se_…": 32 characters of lower-case base32, of
// which the first says which Redis slot it lives in. It is unguessable, but no
// secret: it comes back to the app in a URL.
type SessionID string

const sessionPrefix = "se_"

// NewSessionID makes the id of a new session. A seed makes the same one
// again; nil takes a new one.
func NewSessionID(seed []byte) SessionID {
	var b [IDSize]byte
	if len(seed) == SeedSize {
		sum := sha256.Sum256(append([]byte("session\x00"), seed[:idRandom]...))
		copy(b[:], sum[:])
	} else {
		_, _ = rand.Read(b[:]) // never fails
	}
	return SessionID(sessionPrefix + idEncoding.EncodeToString(b[:]))
}

// Valid reports whether id is the id of a session, existing or not.
func (id SessionID) Valid() bool {
	name, found := strings.CutPrefix(string(id), sessionPrefix)
	return found && len(name) == IDSize*8/5 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// Name is id without its prefix, as it stands in a store's key.
func (id SessionID) Name() string { return strings.TrimPrefix(string(id), sessionPrefix) }

// Tag is the hash tag of id, 0 to [Tags]-1.
func (id SessionID) Tag() byte {
	if !id.Valid() {
		return 0
	}
	c := id[len(sessionPrefix)]
	if c >= 'a' {
		c -= 'a'
	} else {
		c -= '2' - 26
	}
	return c * (Tags / 32)
}

// newSecret makes a secret for a link, a cookie or a form: 160 random bits.
func newSecret() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails
	return idEncoding.EncodeToString(b[:])
}

// browserName is what the store calls the browser with a cookie: a hash, since
// whoever reads the store must not be able to act for a person.
func browserName(cookie string) string {
	sum := sha256.Sum256([]byte("browser\x00" + cookie))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

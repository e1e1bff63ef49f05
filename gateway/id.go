package gateway

import (
	"encoding/base32"
	"strings"
)

// ID names a verification: "vf_" and 32 characters of lower-case base32 that
// hold, in 20 bytes, what is needed to find and check it without a look-up:
//
//	0–1   id of the master key that its code derives from
//	2     hash tag, 0–63: which Redis slot it lives in
//	3     digits of its code
//	4–19  random
//
// The random part makes it unguessable; the rest is no secret.
type ID string

const (
	idPrefix = "vf_"
	idBytes  = 20
	idRandom = 16
	// Tags is how many hash tags there are. Few: they spread over any cluster
	// people run and tell nobody which number an id is for.
	Tags = 64
)

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// idParts is an [ID] taken apart.
type idParts struct {
	key    keyID
	tag    byte
	digits int
}

func newID(key keyID, tag byte, digits int, random []byte) ID {
	var b [idBytes]byte
	copy(b[:2], key[:])
	b[2], b[3] = tag, byte(digits) //nolint:gosec // G115: at most 10.
	copy(b[4:], random[:idRandom])
	var text [len(idPrefix) + idBytes*8/5]byte
	copy(text[:], idPrefix)
	idEncoding.Encode(text[len(idPrefix):], b[:])
	return ID(text[:])
}

// parse takes id apart; ok is false for anything this gateway can't have made.
func (id ID) parse() (p idParts, ok bool) {
	rest, found := strings.CutPrefix(string(id), idPrefix)
	if !found || len(rest) != idBytes*8/5 {
		return p, false
	}
	var src [idBytes * 8 / 5]byte
	var b [idBytes]byte
	copy(src[:], rest)
	if _, err := idEncoding.Decode(b[:], src[:]); err != nil {
		return p, false
	}
	p = idParts{key: keyID(b[:2]), tag: b[2], digits: int(b[3])}
	return p, p.tag < Tags && p.digits >= MinCodeLength && p.digits <= MaxCodeLength
}

// Tag is the hash tag of id, 0 to [Tags]-1; 0 for what isn't an id.
func (id ID) Tag() byte {
	p, _ := id.parse()
	return p.tag
}

// Name is id without its prefix, as it stands in a store's key.
func (id ID) Name() string { return strings.TrimPrefix(string(id), idPrefix) }

// IDFromName reverses [ID.Name].
func IDFromName(name string) ID { return ID(idPrefix + name) }

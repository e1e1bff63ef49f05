package gateway

import (
	"encoding/base32"
	"strings"
)

// ID names a verification, "vf_…", or a [Dispatch], "dl_…". 32 characters of
// lower-case base32 follow that hold, in 20 bytes, what is needed to find and
// check it without a look-up:
//
//	0–1   id of the master key that its code derives from
//	2     hash tag, 0–63: which Redis slot it lives in
//	3     digits of its code, with the high bit set if the caller chose the
//	      code itself; 0 in a dispatch, which has none
//	4–19  random
//
// The random part makes it unguessable; the rest is no secret.
type ID string

const (
	verificationPrefix = "vf_"
	dispatchPrefix     = "dl_"
	idPrefix           = len(verificationPrefix) // both are as long
	// IDSize is the length of an id's content in bytes.
	IDSize   = 20
	idRandom = 16
	ownCode  = 0x80
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
	own    bool // the caller chose the code
}

func newID(p idParts, random []byte) ID {
	var b [IDSize]byte
	copy(b[:2], p.key[:])
	b[2], b[3] = p.tag, byte(p.digits) //nolint:gosec // G115: at most 10.
	if p.own {
		b[3] |= ownCode
	}
	copy(b[4:], random[:idRandom])
	return encodeID(&b)
}

func encodeID(b *[IDSize]byte) ID {
	var text [idPrefix + IDSize*8/5]byte
	if b[3] == 0 {
		copy(text[:], dispatchPrefix)
	} else {
		copy(text[:], verificationPrefix)
	}
	idEncoding.Encode(text[idPrefix:], b[:])
	return ID(text[:])
}

// Bytes is what id holds; ok is false for what isn't an id.
func (id ID) Bytes() (b [IDSize]byte, ok bool) {
	if len(id) != idPrefix+IDSize*8/5 {
		return b, false
	}
	var src [IDSize * 8 / 5]byte
	copy(src[:], id[idPrefix:])
	if _, err := idEncoding.Decode(b[:], src[:]); err != nil {
		return b, false
	}
	switch id[:idPrefix] {
	case verificationPrefix:
		ok = b[3] != 0
	case dispatchPrefix:
		ok = b[3] == 0
	}
	return b, ok
}

// IDFromBytes reverses [ID.Bytes]; ok is false for what no gateway can have made.
func IDFromBytes(b [IDSize]byte) (id ID, ok bool) {
	id = encodeID(&b)
	_, ok = id.parse()
	return id, ok
}

// parse takes id apart; ok is false for anything this gateway can't have made.
func (id ID) parse() (p idParts, ok bool) {
	b, ok := id.Bytes()
	if !ok {
		return p, false
	}
	p = idParts{key: keyID(b[:2]), tag: b[2], digits: int(b[3] &^ ownCode), own: b[3]&ownCode != 0}
	least := MinCodeLength
	if p.own {
		least = MinOwnCodeLength
	}
	return p, p.tag < Tags && (b[3] == 0 || p.digits >= least && p.digits <= MaxCodeLength)
}

// Tag is the hash tag of id, 0 to [Tags]-1; 0 for what isn't an id.
func (id ID) Tag() byte {
	p, _ := id.parse()
	return p.tag
}

// IsVerification reports whether id begins as that of a verification.
func (id ID) IsVerification() bool { return strings.HasPrefix(string(id), verificationPrefix) }

// IsDispatch reports whether id is that of a [Dispatch].
func (id ID) IsDispatch() bool { return strings.HasPrefix(string(id), dispatchPrefix) }

// Name is id without its prefix, as it stands in a store's key.
func (id ID) Name() string { return string(id[min(idPrefix, len(id)):]) }

// IDFromName reverses [ID.Name].
func IDFromName(name string) ID {
	if id := ID(dispatchPrefix + name); id.valid() {
		return id
	}
	return ID(verificationPrefix + name)
}

func (id ID) valid() bool {
	_, ok := id.Bytes()
	return ok
}

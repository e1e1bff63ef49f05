package gateway

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
)

// MasterKeySize is the length of a master key in bytes.
const MasterKeySize = 32

// keyID tells master keys apart inside an [ID]. It is derived from the key, so
// rotation needs no numbering.
type keyID [2]byte

// Keyring derives everything secret from the master keys: codes, the names
// that numbers have in the store, and the seals on values. New things use the
// current key; things that a previous key made stay good.
type Keyring struct {
	current *masterKey
	byID    map[keyID]*masterKey
}

// masterKey is one master key's derived keys. Each use has its own, by HKDF
// (RFC 5869), so that no output of one says anything about another.
type masterKey struct {
	id     keyID
	code   macPool
	number macPool
	party  macPool
	seal   cipher.AEAD
}

// NewKeyring makes a keyring. Every key has [MasterKeySize] bytes.
func NewKeyring(master []byte, previous ...[]byte) (*Keyring, error) {
	r := &Keyring{byID: map[keyID]*masterKey{}}
	for _, secret := range append([][]byte{master}, previous...) {
		k, err := newMasterKey(secret)
		if err != nil {
			return nil, err
		}
		if _, dup := r.byID[k.id]; dup {
			return nil, errors.New("two master keys are the same, or look the same in an id: make another one")
		}
		r.byID[k.id] = k
		if r.current == nil {
			r.current = k
		}
	}
	return r, nil
}

func newMasterKey(secret []byte) (*masterKey, error) {
	if len(secret) != MasterKeySize {
		return nil, fmt.Errorf("a master key has %d bytes, this one %d", MasterKeySize, len(secret))
	}
	derive := func(use string) []byte {
		b, err := hkdf.Expand(sha256.New, secret, "denwa/1 "+use, sha256.Size)
		if err != nil { // only for lengths beyond 255 hashes
			panic(err)
		}
		return b
	}
	block, err := aes.NewCipher(derive("seal"))
	if err != nil {
		return nil, err
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &masterKey{
		id:     keyID(derive("id")),
		code:   newMACPool(derive("code")),
		number: newMACPool(derive("number")),
		party:  newMACPool(derive("party")),
		seal:   seal,
	}, nil
}

// SeedSize is the length of a seed in bytes.
const SeedSize = idRandom

// NewID makes the id of a new verification of number with a code of that many
// digits. A seed, [SeedSize] random bytes, makes the same id again for the same
// number; nil takes new ones.
func (r *Keyring) NewID(number StoreName, digits int, seed []byte) ID {
	return r.newID(number, idParts{digits: digits}, seed)
}

// newID makes the id of what p says, besides its key and tag.
func (r *Keyring) newID(number StoreName, p idParts, seed []byte) ID {
	p.key, p.tag = r.current.id, number.Tag()
	var random [idRandom]byte
	if len(seed) == SeedSize {
		copy(random[:], seed)
	} else {
		_, _ = rand.Read(random[:]) // never fails
	}
	return newID(p, random[:])
}

// StoreName is what a number, an address or a caller's key is called in the
// store: base64url of part of an HMAC, so that its first character, six bits,
// is also its hash tag.
type StoreName string

const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// Tag is the hash tag, 0 to [Tags]-1, of what belongs to n.
func (n StoreName) Tag() byte {
	if n == "" {
		return 0
	}
	return byte(strings.IndexByte(base64url, n[0])) % Tags //nolint:gosec // G115: 0 to 63.
}

// NumberName returns what a number, in E.164, is called in the store: 22
// characters, 128 bits.
func (r *Keyring) NumberName(e164 string) StoreName {
	return storeName(r.current.number.sum(e164), 16)
}

// PartyName returns what someone who acts for an app is called in the store:
// 16 characters, 96 bits. use keeps apart what may look alike, such as an
// address and the app's own reference of its user.
func (r *Keyring) PartyName(app, use, who string) StoreName {
	return storeName(r.current.party.sum(app, "\x00", use, "\x00", who), 12)
}

func storeName(sum [sha256.Size]byte, n int) StoreName {
	return StoreName(base64.RawURLEncoding.EncodeToString(sum[:n]))
}

// Seal encrypts plain (AES-256-GCM, random nonce), bound to what it is and
// whose, so that a sealed value can't be moved elsewhere.
func (r *Keyring) Seal(what, whose string, plain []byte) []byte {
	//nolint:gosec // G407: this AEAD makes its own random nonces.
	return r.current.seal.Seal(nil, nil, plain, []byte(what+"\x00"+whose))
}

// Unseal reverses [Keyring.Seal], under whichever key of the ring made it.
func (r *Keyring) Unseal(what, whose string, sealed []byte) ([]byte, error) {
	context := []byte(what + "\x00" + whose)
	plain, err := r.current.seal.Open(nil, nil, sealed, context)
	for _, k := range r.byID {
		if err == nil {
			break
		}
		plain, err = k.seal.Open(nil, nil, sealed, context)
	}
	if err != nil {
		return nil, fmt.Errorf("unseal %s: made under another master key, or damaged", what)
	}
	return plain, nil
}

// Knows reports whether id was made under a key of this ring.
func (r *Keyring) Knows(id ID) bool {
	p, ok := id.parse()
	return ok && r.byID[p.key] != nil
}

// key is the master key that id was made under; the current one if unknown.
func (r *Keyring) key(id ID) *masterKey {
	if p, ok := id.parse(); ok {
		if k := r.byID[p.key]; k != nil {
			return k
		}
	}
	return r.current
}

// macPool is HMAC-SHA256 under one key, without setting it up each time.
type macPool struct{ pool *sync.Pool }

// mac is one HMAC with the memory it works in.
type mac struct {
	hash.Hash
	in, out []byte
}

func newMACPool(key []byte) macPool {
	return macPool{&sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, key)} }}}
}

// sum is the HMAC of the parts, one after the other.
func (p macPool) sum(parts ...string) (out [sha256.Size]byte) {
	m, _ := p.pool.Get().(*mac)
	defer p.pool.Put(m)
	m.Reset()
	m.in = m.in[:0]
	for _, part := range parts {
		m.in = append(m.in, part...)
	}
	_, _ = m.Write(m.in) // never fails
	m.out = m.Sum(m.out[:0])
	copy(out[:], m.out)
	return out
}

package gateway

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"sync"
	"sync/atomic"
)

// MasterKeySize is the length of a master key in bytes.
const MasterKeySize = 32

// keyID tells master keys apart inside an [ID]. It is derived from the key, so
// rotation needs no numbering.
type keyID [2]byte

// Keyring derives everything secret from the master keys: codes, the names
// that numbers have in the store, and the seals on values. New codes and seals use
// the current key; what another key of the ring made is good as well. Names stay
// as they are, see [Keyring.ShareNames].
type Keyring struct {
	current *masterKey
	byID    map[keyID]*masterKey
	names   atomic.Pointer[names]
}

// masterKey is one master key's derived keys. Each use has its own, by HKDF
// (RFC 5869), so that no output of one says anything about another.
type masterKey struct {
	id    keyID
	code  macPool
	names namesSecret
	file  string // what its record of names is called, see ShareNames
	seal  cipher.AEAD
}

// NewKeyring makes a keyring whose current key is master and which accepts what
// the others made, or will have made. Every key has [MasterKeySize] bytes.
func NewKeyring(master []byte, accepted ...[]byte) (*Keyring, error) {
	r := &Keyring{byID: map[keyID]*masterKey{}}
	for _, secret := range append([][]byte{master}, accepted...) {
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
	r.names.Store(newNames(namesRecord{secret: r.current.names}))
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
		id:    keyID(derive("id")),
		code:  newMACPool(derive("code")),
		names: namesSecret(append(derive("number"), derive("party")...)),
		file:  hex.EncodeToString(derive("names file")[:8]),
		seal:  seal,
	}, nil
}

// SeedSize is the length of a seed in bytes.
const SeedSize = idRandom + len(keyID{})

// NewSeed makes a seed, from which the same id can be made again: random bytes,
// and the master key that the id is under. So the instance that makes it again
// makes the same one, also in the middle of a rotation.
func (r *Keyring) NewSeed() []byte {
	seed := make([]byte, SeedSize)
	_, _ = rand.Read(seed[:idRandom]) // never fails
	copy(seed[idRandom:], r.current.id[:])
	return seed
}

// NewID makes the id of a new verification of number with a code of that many
// digits. A seed makes the same id again for the same number; nil takes a new one.
func (r *Keyring) NewID(number StoreName, digits int, seed []byte) ID {
	return r.newID(number, idParts{digits: digits}, seed)
}

// newID makes the id of what p says, besides its key and tag.
func (r *Keyring) newID(number StoreName, p idParts, seed []byte) ID {
	if len(seed) != SeedSize {
		seed = r.NewSeed()
	}
	p.key, p.tag = keyID(seed[idRandom:]), number.Tag()
	if r.byID[p.key] == nil { // it was taken out of the ring
		p.key = r.current.id
	}
	return newID(p, seed[:idRandom])
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

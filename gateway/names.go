package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

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
	return storeName(r.names.Load().number.sum(e164), 16)
}

// PartyName returns what someone who acts for an app is called in the store:
// 16 characters, 96 bits. use keeps apart what may look alike, such as an
// address and the app's own reference of its user.
func (r *Keyring) PartyName(app, use, who string) StoreName {
	return storeName(r.names.Load().party.sum(app, "\x00", use, "\x00", who), 12)
}

func storeName(sum [sha256.Size]byte, n int) StoreName {
	return StoreName(base64.RawURLEncoding.EncodeToString(sum[:n]))
}

// namesSecret is what names are made with: a key for numbers and one for parties.
type namesSecret [2 * sha256.Size]byte

// names makes names.
type names struct {
	namesRecord
	number, party macPool
}

func newNames(r namesRecord) *names {
	return &names{r, newMACPool(r.secret[:sha256.Size]), newMACPool(r.secret[sha256.Size:])}
}

// NamesStore keeps records of what names are made with, sealed.
type NamesStore interface {
	// Names returns the records called files, nil where there is none.
	Names(ctx context.Context, files ...string) ([][]byte, error)
	// PutNames keeps a record, in place of one that there is.
	PutNames(ctx context.Context, file string, record []byte) error
}

// namesRecord is a record: since when the secret is used, in microseconds, or 0
// where it isn't shared yet, and the secret. It is sealed under the master key that its file belongs to.
type namesRecord struct {
	since  uint64
	secret namesSecret
}

// ShareNames agrees with all instances that share a master key on what names are
// made with, and reports whether that is new to r. At first it derives from the master key. Then it
// stays, also when that key is rotated: limits, blocks, repeated requests and all
// else that is found by a name would be lost otherwise. Of several secrets the
// oldest wins.
//
// Call it before anything is named, and again now and then: a store that lost
// everything is told again.
func (r *Keyring) ShareNames(ctx context.Context, store NamesStore) (changed bool, err error) {
	ring := []*masterKey{r.current}
	for _, k := range r.byID {
		if k != r.current {
			ring = append(ring, k)
		}
	}
	files := make([]string, len(ring))
	for i, k := range ring {
		files[i] = k.file
	}
	records, err := store.Names(ctx, files...)
	if err != nil {
		return false, fmt.Errorf("read the names: %w", err)
	}
	had := r.names.Load().namesRecord
	oldest, kept := had, false // kept is whether the current key's record is the one
	if oldest.since == 0 {
		oldest.since = uint64(time.Now().UnixMicro()) //nolint:gosec // G115: it is after 1970.
	}
	for i, k := range ring {
		if n, ok := k.openNames(records[i]); ok && (n.since < oldest.since || n == oldest) {
			oldest, kept = n, kept && n == oldest || i == 0
		}
	}
	if !kept {
		if err := store.PutNames(ctx, r.current.file, r.current.sealNames(oldest)); err != nil {
			return false, fmt.Errorf("keep the names: %w", err)
		}
	}
	if oldest != had {
		r.names.Store(newNames(oldest))
	}
	return oldest.secret != had.secret, nil
}

const sealedNames = "names\x00"

func (k *masterKey) sealNames(n namesRecord) []byte {
	plain := append(binary.BigEndian.AppendUint64(nil, n.since), n.secret[:]...)
	//nolint:gosec // G407: this AEAD makes its own random nonces.
	return k.seal.Seal(nil, nil, plain, []byte(sealedNames+k.file))
}

func (k *masterKey) openNames(record []byte) (n namesRecord, ok bool) {
	plain, err := k.seal.Open(nil, nil, record, []byte(sealedNames+k.file))
	if err != nil || len(plain) != 8+len(n.secret) {
		return n, false
	}
	return namesRecord{binary.BigEndian.Uint64(plain), namesSecret(plain[8:])}, true
}

package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"denwa/gateway/phone"
)

// AuditAction is what an operator did.
type AuditAction string

// The actions.
const (
	AuditBlock   AuditAction = "block"
	AuditUnblock AuditAction = "unblock"
)

// The bounds of what operators do and say.
const (
	// MaxBlock is how long an operator can block a number at most: ten years.
	MaxBlock = 10 * 365 * 24 * time.Hour
	// MaxReason is the length of a reason in bytes.
	MaxReason = 500
	// MaxOperator is the length of an operator's name in bytes.
	MaxOperator = 64
)

// AuditEntry is one thing that an operator did, as a store keeps it. The number
// is masked or sealed, the reason is sealed; both seals are bound to Number.
type AuditEntry struct {
	// At is the store's time.
	At     time.Time
	Action AuditAction
	By     string
	// Until is when the block ends; zero for what isn't a block.
	Until   time.Time
	Number  StoreName
	Masked  string
	Country string

	SealedTo     []byte
	SealedReason []byte
}

// StoredNumber is all that a store knows of a number.
type StoredNumber struct {
	// Holder is for parties that proved to hold it, Stranger for all others.
	Holder, Stranger NumberState
	// Block is the operator's last block, nil if there is none that still holds.
	// If its Until isn't BlockedUntil, the number's holder blocked it since.
	Block *AuditEntry
	// Now is the store's time.
	Now time.Time
}

// BlockStore keeps operators' blocks and their audit log.
type BlockStore interface {
	// Block blocks e.Number for d and logs e, in one step. It returns e with the
	// store's times.
	Block(ctx context.Context, e AuditEntry, d time.Duration) (AuditEntry, error)
	// Unblock ends whatever blocks e.Number and logs e, in one step. Without a
	// block it does neither and returns false.
	Unblock(ctx context.Context, e AuditEntry) (bool, error)
	// Number reads what is known of a number and changes nothing.
	Number(ctx context.Context, n StoreName) (StoredNumber, error)
	// Audit returns the audit log from since on, oldest first.
	Audit(ctx context.Context, since time.Time) ([]AuditEntry, error)
}

// Desk is where operators look at numbers and verifications, and block numbers.
// It sends nothing, and is safe for concurrent use.
type Desk struct {
	store   BlockStore
	service *Service // only to read verifications
	policy  *Policy
}

// NewDesk returns a desk on a store that is both.
func NewDesk(store interface {
	Store
	BlockStore
}, keys *Keyring, p *Policy,
) *Desk {
	return &Desk{store: store, service: &Service{store: store, keys: keys}, policy: p}
}

// Block blocks n for every app and channel: starts and resends are refused with
// [CodeBlocked] from now on. It replaces a block that there is, also a longer one.
func (d *Desk) Block(ctx context.Context, n phone.Number, by, reason string, life time.Duration) (until time.Time, err error) {
	if life < time.Second || life > MaxBlock {
		return until, fmt.Errorf("a block lasts from a second to %d days", MaxBlock/(24*time.Hour))
	}
	if reason == "" {
		return until, errors.New("a block needs a reason")
	}
	e, err := d.entry(AuditBlock, n, by, reason)
	if err != nil {
		return until, err
	}
	if e, err = d.store.Block(ctx, e, life); err != nil {
		return until, unavailable(err)
	}
	return e.Until, nil
}

// Unblock ends a block of n, an operator's or its holder's, and reports whether
// there was one.
func (d *Desk) Unblock(ctx context.Context, n phone.Number, by, reason string) (bool, error) {
	e, err := d.entry(AuditUnblock, n, by, reason)
	if err != nil {
		return false, err
	}
	was, err := d.store.Unblock(ctx, e)
	if err != nil {
		return false, unavailable(err)
	}
	return was, nil
}

func (d *Desk) entry(action AuditAction, n phone.Number, by, reason string) (AuditEntry, error) {
	if n.E164 == "" {
		return AuditEntry{}, errors.New("no app could verify this number anyway")
	}
	if by == "" || !plainLine(by, MaxOperator) {
		return AuditEntry{}, fmt.Errorf("an operator's name has 1 to %d bytes, all printable", MaxOperator)
	}
	if !plainLine(reason, MaxReason) {
		return AuditEntry{}, fmt.Errorf("a reason is one line of at most %d bytes", MaxReason)
	}
	name := d.service.keys.NumberName(n.E164)
	return AuditEntry{
		Action: action, By: by, Number: name, Masked: n.Masked, Country: n.Country,
		SealedTo:     d.service.keys.Seal("audit to", string(name), []byte(n.E164)),
		SealedReason: d.service.keys.Seal("audit reason", string(name), []byte(reason)),
	}, nil
}

// plainLine reports whether text can be printed in one line.
func plainLine(text string, most int) bool {
	return len(text) <= most && utf8.ValidString(text) &&
		!strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) && r != '\u3000' })
}

// AuditRecord is an [AuditEntry] to be read.
type AuditRecord struct {
	AuditEntry
	To     string // E.164; never log it
	Reason string
	// Unreadable is why To and Reason are empty: their master key is gone.
	Unreadable error
}

// Audit returns the audit log from since on, oldest first.
func (d *Desk) Audit(ctx context.Context, since time.Time) ([]AuditRecord, error) {
	entries, err := d.store.Audit(ctx, since)
	if err != nil {
		return nil, unavailable(err)
	}
	records := make([]AuditRecord, len(entries))
	for i, e := range entries {
		records[i] = d.unseal(e)
	}
	return records, nil
}

func (d *Desk) unseal(e AuditEntry) AuditRecord {
	to, err := d.service.keys.Unseal("audit to", string(e.Number), e.SealedTo)
	if err != nil {
		return AuditRecord{AuditEntry: e, Unreadable: err}
	}
	reason, err := d.service.keys.Unseal("audit reason", string(e.Number), e.SealedReason)
	if err != nil {
		return AuditRecord{AuditEntry: e, Unreadable: err}
	}
	return AuditRecord{AuditEntry: e, To: string(to), Reason: string(reason)}
}

// Verification reads a verification or dispatch of any app. What it returns has
// no code to show.
func (d *Desk) Verification(ctx context.Context, id string) (*Verification, error) {
	vid := ID(id)
	if !d.service.keys.Knows(vid) {
		return nil, notFound()
	}
	c, err := d.service.store.Load(ctx, vid, "")
	if err != nil {
		return nil, unavailable(err)
	}
	if c.Refusal.Reason != "" {
		return nil, notFound()
	}
	v, err := d.service.verification(c, d.policy)
	if err != nil {
		return nil, err
	}
	v.ShownCode = ""
	return v, nil
}

package smpp

import (
	"context"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// IDStore keeps what the message ids of one message centre stand for. All
// instances that use the account share it, because a receipt comes over any of
// their connections. It is safe for concurrent use, and fails when the store
// can't be reached.
type IDStore interface {
	// Remember keeps for ttl what an id stands for, in place of what it stood for.
	Remember(ctx context.Context, id, what string, ttl time.Duration) error
	// Recall returns what each of the ids stands for, "" for one that isn't known.
	Recall(ctx context.Context, ids ...string) (what []string, err error)
	// Collect adds an item to the set called name, unless it is in it, keeps the
	// set for ttl from now, and returns how many items it has.
	Collect(ctx context.Context, name, item string, ttl time.Duration) (int, error)
}

// deliveryPart is what a message id stands for: part n of a delivery's message.
type deliveryPart struct {
	name  string
	n, of int
}

// String is "name" for a message of one part, "name/n/of" otherwise.
func (d deliveryPart) String() string {
	if d.of == 1 {
		return d.name
	}
	return fmt.Sprintf("%s/%d/%d", d.name, d.n, d.of)
}

func parseDeliveryPart(s string) (deliveryPart, error) {
	fields := strings.Split(s, "/")
	if len(fields) == 1 && s != "" {
		return deliveryPart{s, 1, 1}, nil
	}
	if len(fields) == 3 {
		n, err := strconv.Atoi(fields[1])
		of, err2 := strconv.Atoi(fields[2])
		if err == nil && err2 == nil && fields[0] != "" && 1 <= n && n <= of {
			return deliveryPart{fields[0], n, of}, nil
		}
	}
	return deliveryPart{}, fmt.Errorf("a message id stands for what is no delivery, of %d bytes", len(s))
}

// idForm is how the id in a receipt becomes the one that the message was given.
type idForm uint32

// The forms, in the order in which they are tried.
const (
	asIs idForm = iota
	fromDecimal
	fromHexadecimal
)

// maxID bounds the ids that are converted: 64 characters are all that there is
// room for in SMPP 3.4.
const maxID = 64

// lookup is an id to look for.
type lookup struct {
	form idForm
	id   string
}

// lookups are the ids that a receipt's id may mean.
func lookups(id string, how ReceiptIDs) []lookup {
	same := normal(id)
	decimal, isDecimal := rebase(same, 10, 16)
	hexadecimal, isHexadecimal := rebase(same, 16, 10)
	switch {
	case how == Decimal && isDecimal:
		return []lookup{{fromDecimal, decimal}}
	case how == Hexadecimal && isHexadecimal:
		return []lookup{{fromHexadecimal, hexadecimal}}
	}
	all := []lookup{{asIs, same}}
	if how != AnyBase {
		return all
	}
	if isDecimal && decimal != same {
		all = append(all, lookup{fromDecimal, decimal})
	}
	if isHexadecimal && hexadecimal != same {
		all = append(all, lookup{fromHexadecimal, hexadecimal})
	}
	return all
}

// choose picks the one of several lookups that found something: the only one, or
// else the one whose form was right before, or the first. sure says that there
// was one only, though another one might have been.
func choose(all []lookup, found []string, before idForm) (which int, sure bool) {
	which = -1
	hits := 0
	for i, l := range all {
		if i >= len(found) || found[i] == "" { //nolint:gosec // G602: looked at just before.
			continue
		}
		hits++
		if which < 0 || l.form == before {
			which = i
		}
	}
	return which, hits == 1 && len(all) > 1
}

// normal is an id without what centres change about it: case, and zeros before
// a number.
func normal(id string) string {
	id = strings.ToLower(strings.TrimSpace(id))
	if strings.Trim(id, "0123456789abcdef") != "" || id == "" {
		return id
	}
	if id = strings.TrimLeft(id, "0"); id == "" {
		return "0"
	}
	return id
}

// rebase writes the number id in another base.
func rebase(id string, from, to int) (string, bool) {
	digits := "0123456789abcdef"[:from]
	if id == "" || len(id) > maxID || strings.Trim(id, digits) != "" {
		return "", false
	}
	n, ok := new(big.Int).SetString(id, from)
	if !ok {
		return "", false
	}
	return n.Text(to), true
}

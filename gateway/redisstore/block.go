package redisstore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
)

var _ gateway.BlockStore = (*Store)(nil)

// The audit log is one for each hash tag, so that a script can write it with
// the block. These bounds are docs/operate.md's.
const (
	auditMemory = 400 * 24 * time.Hour
	mostAudited = 2000 // of each hash tag
)

// auditText is what stands of an entry behind its times.
type auditText struct {
	Action  gateway.AuditAction `json:"action"`
	By      string              `json:"by"`
	Number  gateway.StoreName   `json:"number"`
	Masked  string              `json:"masked"`
	Country string              `json:"country"`
	To      []byte              `json:"to"`
	Reason  []byte              `json:"reason"`
}

// Block implements [gateway.BlockStore].
func (s *Store) Block(ctx context.Context, e gateway.AuditEntry, d time.Duration) (gateway.AuditEntry, error) {
	answer, err := s.block(ctx, e, d)
	if err != nil {
		return e, err
	}
	p := parser{}
	e.At, e.Until = p.micros(word(&answer)), p.micros(word(&answer))
	if p.err != nil {
		return e, fmt.Errorf("block: unreadable answer: %w", p.err)
	}
	return e, nil
}

// Unblock implements [gateway.BlockStore].
func (s *Store) Unblock(ctx context.Context, e gateway.AuditEntry) (bool, error) {
	answer, err := s.block(ctx, e, 0)
	return answer != "", err
}

func (s *Store) block(ctx context.Context, e gateway.AuditEntry, d time.Duration) (answer string, err error) {
	defer s.metrics.observe(opBlock, time.Now(), &err)
	text, err := json.Marshal(auditText{e.Action, e.By, e.Number, e.Masked, e.Country, e.SealedTo, e.SealedReason})
	if err != nil {
		return "", fmt.Errorf("block: %w", err)
	}
	answer, err = s.eval(ctx, opBlock, append(blockKeys(e.Number), auditKey(e.Number.Tag())),
		s.now(), d.Microseconds(), text, auditMemory.Microseconds(), mostAudited).Text()
	if err != nil {
		return "", fmt.Errorf("block: %w", err)
	}
	return answer, nil
}

// Number implements [gateway.BlockStore].
func (s *Store) Number(ctx context.Context, n gateway.StoreName) (known gateway.StoredNumber, err error) {
	defer s.metrics.observe(opNumber, time.Now(), &err)
	values, err := s.eval(ctx, opNumber, blockKeys(n), s.now(), string(n)).StringSlice()
	if err == nil {
		known, err = decodeNumber(values)
	}
	if err != nil {
		return known, fmt.Errorf("read number: %w", err)
	}
	return known, nil
}

func decodeNumber(values []string) (known gateway.StoredNumber, err error) {
	if len(values) != 5 {
		return known, fmt.Errorf("unreadable answer of %d values", len(values))
	}
	p := parser{rest: values[3] + "\n" + values[4]}
	known.Holder, known.Stranger = p.numberState(), p.numberState()
	known.Now = p.micros(values[0])
	known.Holder.BlockedUntil = p.micros(values[1])
	known.Stranger.BlockedUntil = known.Holder.BlockedUntil
	if p.err != nil || values[2] == "" {
		return known, p.err
	}
	e, err := decodeAudit(values[2])
	known.Block = &e
	return known, err
}

// Audit implements [gateway.BlockStore].
func (s *Store) Audit(ctx context.Context, since time.Time) (log []gateway.AuditEntry, err error) {
	defer s.metrics.observe(opAudit, time.Now(), &err)
	from := "-inf"
	if !since.IsZero() {
		from = strconv.FormatInt(since.UnixMicro(), 10)
	}
	cmds, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for tag := range byte(gateway.Tags) {
			p.ZRangeByScore(ctx, auditKey(tag), &redis.ZRangeBy{Min: from, Max: "+inf"})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	for _, cmd := range cmds {
		entries, _ := cmd.(*redis.StringSliceCmd)
		for _, text := range entries.Val() {
			e, err := decodeAudit(text)
			if err != nil {
				return nil, fmt.Errorf("read audit log: %w", err)
			}
			log = append(log, e)
		}
	}
	slices.SortStableFunc(log, func(a, b gateway.AuditEntry) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Number, b.Number))
	})
	return log, nil
}

// decodeAudit reads an entry as block.lua writes it.
func decodeAudit(entry string) (e gateway.AuditEntry, err error) {
	p := parser{}
	e.At, e.Until = p.micros(word(&entry)), p.micros(word(&entry))
	var t auditText
	if err := cmp.Or(p.err, json.NewDecoder(strings.NewReader(entry)).Decode(&t)); err != nil {
		return e, fmt.Errorf("unreadable entry: %w", err)
	}
	e.Action, e.By, e.Number, e.Masked, e.Country = t.Action, t.By, t.Number, t.Masked, t.Country
	e.SealedTo, e.SealedReason = t.To, t.Reason
	return e, nil
}

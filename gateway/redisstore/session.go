package redisstore

import (
	"context"
	"fmt"
	"time"

	"denwa/gateway"
)

var _ gateway.SessionStore = (*Store)(nil)

// CreateSession implements [gateway.SessionStore].
func (s *Store) CreateSession(ctx context.Context, r gateway.SessionRecord, life, keep time.Duration) (gateway.SessionRecord, error) {
	made, _, err := s.session(ctx, opSessionCreate, r.ID,
		r.App, life.Microseconds(), keep.Microseconds(), r.SealedRequest)
	return made, err
}

// LoadSession implements [gateway.SessionStore].
func (s *Store) LoadSession(ctx context.Context, id gateway.SessionID) (r gateway.SessionRecord, ok bool, err error) {
	return s.session(ctx, opSessionLoad, id)
}

// session runs a script that answers with the session.
func (s *Store) session(ctx context.Context, o op, id gateway.SessionID, args ...any) (r gateway.SessionRecord, ok bool, err error) {
	defer s.metrics.observe(o, time.Now(), &err)
	fields, err := s.eval(ctx, o, []string{sessionKey(id)}, append([]any{s.now()}, args...)...).StringSlice()
	if err == nil && len(fields) > 0 {
		r, err = decodeSession(id, fields)
	}
	if err != nil {
		return r, false, fmt.Errorf("%s: %w", o, err)
	}
	return r, len(fields) > 0, nil
}

// decodeSession reads what session.lua's reply() wrote.
func decodeSession(id gateway.SessionID, fields []string) (r gateway.SessionRecord, err error) {
	const count = 11
	if len(fields) != count {
		return r, fmt.Errorf("unreadable reply of %d fields", len(fields))
	}
	p := parser{}
	r = gateway.SessionRecord{
		ID: id, App: fields[0], Status: gateway.Status(fields[1]),
		CreatedAt: p.micros(fields[2]), ExpiresAt: p.micros(fields[3]),
		Turn: int(p.number(fields[4])), Sending: fields[5] == "1",
		Verification: gateway.ID(fields[6]), Browser: fields[7],
		SealedRequest: []byte(fields[8]), SealedDraft: []byte(fields[9]), Now: p.micros(fields[10]),
	}
	if p.err != nil {
		return r, fmt.Errorf("unreadable reply: %w", p.err)
	}
	return r, nil
}

// OpenSession implements [gateway.SessionStore].
func (s *Store) OpenSession(ctx context.Context, id gateway.SessionID, browser string) (gateway.SessionOutcome, error) {
	return s.sessionStep(ctx, opSessionOpen, id, browser)
}

// DraftSession implements [gateway.SessionStore].
func (s *Store) DraftSession(ctx context.Context, id gateway.SessionID, browser string, sealed []byte) (gateway.SessionOutcome, error) {
	return s.sessionStep(ctx, opSessionDraft, id, browser, sealed)
}

func (s *Store) sessionStep(ctx context.Context, o op, id gateway.SessionID, args ...any) (outcome gateway.SessionOutcome, err error) {
	defer s.metrics.observe(o, time.Now(), &err)
	text, err := s.eval(ctx, o, []string{sessionKey(id)}, append([]any{s.now()}, args...)...).Text()
	if err != nil {
		return "", fmt.Errorf("%s: %w", o, err)
	}
	return gateway.SessionOutcome(text), nil
}

// ClaimSession implements [gateway.SessionStore].
func (s *Store) ClaimSession(ctx context.Context, id gateway.SessionID, c gateway.SessionClaim) (o gateway.SessionOutcome, seed []byte, lease string, err error) {
	defer s.metrics.observe(opSessionClaim, time.Now(), &err)
	answer, err := s.eval(ctx, opSessionClaim, []string{sessionKey(id)},
		s.now(), c.Browser, string(c.What), string(c.Verification), c.Turn, c.Seed, c.Lease.Microseconds()).StringSlice()
	switch {
	case err != nil:
		return "", nil, "", fmt.Errorf("%s: %w", opSessionClaim, err)
	case len(answer) == 3:
		seed, lease = []byte(answer[1]), answer[2]
	}
	return gateway.SessionOutcome(answer[0]), seed, lease, nil
}

// SettleSession implements [gateway.SessionStore].
func (s *Store) SettleSession(ctx context.Context, id gateway.SessionID, lease string, v gateway.ID, expires time.Time) (err error) {
	defer s.metrics.observe(opSessionSettle, time.Now(), &err)
	err = s.eval(ctx, opSessionSettle, []string{sessionKey(id)},
		s.now(), lease, string(v), expires.UnixMicro()).Err()
	if err != nil {
		return fmt.Errorf("%s: %w", opSessionSettle, err)
	}
	return nil
}

// FinishSession implements [gateway.SessionStore].
func (s *Store) FinishSession(ctx context.Context, id gateway.SessionID, status gateway.Status) (err error) {
	defer s.metrics.observe(opSessionFinish, time.Now(), &err)
	err = s.eval(ctx, opSessionFinish, []string{sessionKey(id)}, string(status)).Err()
	if err != nil {
		return fmt.Errorf("%s: %w", opSessionFinish, err)
	}
	return nil
}

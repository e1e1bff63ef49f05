package redisstore

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"denwa/gateway"
)

// TwilioVerify keeps what the Twilio Verify dialect remembers.
type TwilioVerify struct {
	store *Store
	keep  time.Duration
	most  int
}

// TwilioVerify returns a store of the Twilio Verify dialect beside s. It keeps
// attempts for that long, and at most so many for each app.
func (s *Store) TwilioVerify(keep time.Duration, most int) *TwilioVerify {
	return &TwilioVerify{store: s, keep: keep, most: most}
}

// Point remembers for life which verification app has for a number.
func (s *TwilioVerify) Point(ctx context.Context, app string, number gateway.StoreName, which string, life time.Duration) error {
	_, err := s.point(ctx, app, number, which, max(1, life.Milliseconds()))
	return err
}

// Pointed is what [TwilioVerify.Point] remembers, or "".
func (s *TwilioVerify) Pointed(ctx context.Context, app string, number gateway.StoreName) (string, error) {
	return s.point(ctx, app, number, "", 0)
}

func (s *TwilioVerify) point(ctx context.Context, app string, number gateway.StoreName, which string, ms int64) (is string, err error) {
	defer s.store.metrics.observe(opPoint, time.Now(), &err)
	is, err = s.store.eval(ctx, opPoint, []string{pointKey(app, number)}, which, ms).Text()
	if err != nil {
		return "", fmt.Errorf("point: %w", err)
	}
	return is, nil
}

// Record keeps an attempt. One that is known is left as it is.
func (s *TwilioVerify) Record(ctx context.Context, app string, a gateway.TwilioAttempt) (err error) {
	defer s.store.metrics.observe(opAttempt, time.Now(), &err)
	err = s.store.eval(ctx, opAttempt, attemptsKeys(app),
		s.store.now(), a.SID[:], a.CreatedAt.UnixMicro(), encodeAttempt(a), s.keep.Microseconds(), s.most).Err()
	if err != nil {
		return fmt.Errorf("record attempt: %w", err)
	}
	return nil
}

// Convert notes that the first of these attempts that is kept had its code come back.
func (s *TwilioVerify) Convert(ctx context.Context, app string, sids ...[gateway.TwilioSIDSize]byte) (err error) {
	defer s.store.metrics.observe(opConvert, time.Now(), &err)
	args := []any{s.store.now()}
	for _, sid := range sids {
		args = append(args, sid[:])
	}
	if err = s.store.eval(ctx, opConvert, attemptsKeys(app)[1:], args...).Err(); err != nil {
		return fmt.Errorf("convert attempt: %w", err)
	}
	return nil
}

// Attempts returns those of the given attempts that are kept.
func (s *TwilioVerify) Attempts(ctx context.Context, app string, sids ...[gateway.TwilioSIDSize]byte) (kept []gateway.TwilioAttempt, err error) {
	defer s.store.metrics.observe(opAttempts, time.Now(), &err)
	if len(sids) == 0 {
		return nil, nil
	}
	fields := make([]string, len(sids))
	for i, sid := range sids {
		fields[i] = string(sid[:])
	}
	values, err := s.store.client.HMGet(ctx, attemptsKeys(app)[1], fields...).Result()
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	for i, v := range values {
		record, ok := v.(string)
		if !ok {
			continue
		}
		if kept, err = appendAttempt(kept, fields[i], record); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// AttemptsAfter returns up to n attempts, the latest first: those behind the
// attempt after, or with nil, those asked for before that time, the zero time
// being the end of time.
func (s *TwilioVerify) AttemptsAfter(ctx context.Context, app string, after *[gateway.TwilioSIDSize]byte, before time.Time, n int) (kept []gateway.TwilioAttempt, err error) {
	defer s.store.metrics.observe(opAttempts, time.Now(), &err)
	position, latest := "", "+inf"
	if after != nil {
		position = string(after[:])
	}
	if !before.IsZero() {
		latest = strconv.FormatInt(before.UnixMicro(), 10)
	}
	found, err := s.store.eval(ctx, opAttempts, attemptsKeys(app), position, latest, n).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	for i := 0; i+1 < len(found); i += 2 {
		if kept, err = appendAttempt(kept, found[i], found[i+1]); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// encodeAttempt writes a record as attempt.lua describes it. What only Go reads
// is "<s or c><country>|<sealed number>".
func encodeAttempt(a gateway.TwilioAttempt) []byte {
	status, channel := 'u', 's'
	if a.Converted {
		status = 'c'
	}
	if a.Channel == gateway.Voice {
		channel = 'c'
	}
	head := fmt.Sprintf("%c%016d%016d%c%s|", status, a.UpdatedAt.UnixMicro(), a.CreatedAt.UnixMicro(), channel, a.Country)
	return append([]byte(head), a.SealedTo...)
}

func appendAttempt(to []gateway.TwilioAttempt, sid, record string) ([]gateway.TwilioAttempt, error) {
	const head = 1 + 16 + 16 + 1
	country, sealed, ok := []byte(nil), []byte(nil), false
	if len(record) > head && len(sid) == gateway.TwilioSIDSize {
		country, sealed, ok = bytes.Cut([]byte(record[head:]), []byte("|"))
	}
	if !ok {
		return nil, fmt.Errorf("read attempts: a record of %d bytes is none", len(record))
	}
	p := parser{}
	a := gateway.TwilioAttempt{
		SID: [gateway.TwilioSIDSize]byte([]byte(sid)), Converted: record[0] == 'c',
		UpdatedAt: p.micros(record[1:17]), CreatedAt: p.micros(record[17:33]),
		Channel: gateway.SMS, Country: string(country), SealedTo: sealed,
	}
	if record[33] == 'c' {
		a.Channel = gateway.Voice
	}
	if p.err != nil {
		return nil, fmt.Errorf("read attempts: %w", p.err)
	}
	return append(to, a), nil
}

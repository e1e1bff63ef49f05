package redisstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
)

// TestAuditLogIsBounded: of one hash tag, the latest 2,000 entries are kept, and
// none for longer than 400 days.
func TestAuditLogIsBounded(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx, keys, now := context.Background(), testKeyring(t), time.Now().Truncate(time.Microsecond).UTC()
		s := newStore(t, client).WithClock(func() time.Time { return now })
		e := gateway.AuditEntry{Action: gateway.AuditBlock, Number: keys.NumberName("+819012345678"), SealedReason: []byte("\x00\n ")}
		const most, beyond = 2000, 3
		for i := range most + beyond {
			e.By = fmt.Sprint(i)
			if _, err := s.Block(ctx, e, time.Hour); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Second)
		}
		log, err := s.Audit(ctx, time.Time{})
		if err != nil || len(log) != most || log[0].By != fmt.Sprint(beyond) || log[most-1].By != fmt.Sprint(most+beyond-1) {
			t.Fatalf("%d entries, %v", len(log), err)
		}
		if string(log[0].SealedReason) != "\x00\n " || log[0].Number != e.Number {
			t.Errorf("%+v", log[0])
		}
		requireTTLs(t, client)

		now = now.Add(400 * 24 * time.Hour)
		if was, err := s.Unblock(ctx, e); err != nil || was {
			t.Fatal("the block didn't end by itself:", was, err)
		}
		if _, err := s.Block(ctx, e, time.Hour); err != nil {
			t.Fatal(err)
		}
		if log, err := s.Audit(ctx, time.Time{}); err != nil || len(log) != 1 {
			t.Errorf("after 400 days: %d entries, %v", len(log), err)
		}
		requireTTLs(t, client)
	})
}

// TestAuditLogIsOne: the logs of all hash tags come as one, by time.
func TestAuditLogIsOne(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		ctx, keys, now := context.Background(), testKeyring(t), time.Now().Truncate(time.Microsecond).UTC()
		s := newStore(t, client).WithClock(func() time.Time { return now })
		tags := map[byte]bool{}
		for i := range 20 {
			n := keys.NumberName(fmt.Sprintf("+8190123456%02d", i))
			tags[n.Tag()] = true
			if _, err := s.Block(ctx, gateway.AuditEntry{Action: gateway.AuditBlock, By: fmt.Sprint(i), Number: n}, time.Hour); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Microsecond)
		}
		log, err := s.Audit(ctx, time.Time{})
		if err != nil || len(log) != 20 || len(tags) < 2 {
			t.Fatal(len(log), len(tags), err)
		}
		var by []string
		for i, e := range log {
			by = append(by, e.By)
			if e.By != fmt.Sprint(i) {
				t.Fatal("out of order: ", strings.Join(by, " "))
			}
		}
	})
}

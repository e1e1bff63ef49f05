package redisstore_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/gateway/redisstore"
	"denwa/ratelimit/redistest"
)

// attemptOf is the n-th attempt of a test, asked for n minutes after begin.
func attemptOf(n int, begin time.Time) gateway.TwilioAttempt {
	a := gateway.TwilioAttempt{
		Channel: []gateway.Channel{gateway.SMS, gateway.Voice}[n%2], Country: []string{"JP", "001"}[n%2],
		SealedTo:  []byte("\x00|\xff\n" + string(rune('a'+n%26))),
		CreatedAt: begin.Add(time.Duration(n) * time.Minute), UpdatedAt: begin.Add(time.Duration(n) * time.Minute),
	}
	binary.BigEndian.PutUint32(a.SID[:], uint32(n))
	return a
}

func TestTwilioAttempts(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		begin := time.Now().UTC().Truncate(time.Microsecond)
		now := begin
		const keep, most = 30 * time.Minute, 10
		s := newStore(t, client).WithClock(func() time.Time { return now }).TwilioVerify(keep, most)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		list := func(after *[16]byte, before time.Time, n int) (numbers []int) {
			t.Helper()
			found, err := s.AttemptsAfter(t.Context(), "portal", after, before, n)
			must(err)
			for _, a := range found {
				n := int(binary.BigEndian.Uint32(a.SID[:]))
				if diff := cmp.Diff(attemptOf(n, begin), a); diff != "" {
					t.Errorf("attempt %d (-want +got):\n%s", n, diff)
				}
				numbers = append(numbers, n)
			}
			return numbers
		}
		expect := func(got []int, want ...int) {
			t.Helper()
			if !cmp.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		}
		for n := range 25 {
			now = attemptOf(n, begin).CreatedAt
			must(s.Record(t.Context(), "portal", attemptOf(n, begin)))
		}
		// No more than most are kept, the latest.
		expect(list(nil, time.Time{}, 100), 24, 23, 22, 21, 20, 19, 18, 17, 16, 15)
		expect(list(nil, time.Time{}, 3), 24, 23, 22)
		expect(list(nil, attemptOf(18, begin).CreatedAt, 2), 17, 16)
		after := attemptOf(17, begin).SID
		expect(list(&after, time.Time{}, 2), 16, 15)
		after = attemptOf(3, begin).SID
		expect(list(&after, time.Time{}, 2))

		// Old ones go, too.
		now = begin.Add(keep + 20*time.Minute)
		must(s.Record(t.Context(), "portal", attemptOf(50, begin)))
		expect(list(nil, time.Time{}, 100), 50, 24, 23, 22, 21, 20)

		// A record is written once, and converted once.
		again := attemptOf(50, begin)
		again.Country = "US"
		must(s.Record(t.Context(), "portal", again))
		now = now.Add(time.Second)
		must(s.Convert(t.Context(), "portal", again.SID))
		converted := now
		now = now.Add(time.Second)
		must(s.Convert(t.Context(), "portal", again.SID))
		must(s.Convert(t.Context(), "portal", attemptOf(3, begin).SID)) // which is gone
		must(s.Record(t.Context(), "portal", attemptOf(50, begin)))
		got, err := s.Attempts(t.Context(), "portal", attemptOf(3, begin).SID, again.SID, attemptOf(24, begin).SID)
		must(err)
		want := attemptOf(50, begin)
		want.Converted, want.UpdatedAt = true, converted
		if diff := cmp.Diff([]gateway.TwilioAttempt{want, attemptOf(24, begin)}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if other, err := s.Attempts(t.Context(), "other", again.SID); err != nil || len(other) != 0 {
			t.Errorf("another app has %v, %v", other, err)
		}

		// Nothing stays for ever.
		keys, err := client.Keys(t.Context(), "*").Result()
		must(err)
		if len(keys) != 2 {
			t.Errorf("%v", keys)
		}
		for _, key := range keys {
			if ttl, err := client.PTTL(t.Context(), key).Result(); err != nil || ttl <= 0 || ttl > keep {
				t.Errorf("%s lives for %v, %v", key, ttl, err)
			}
		}
	})
}

func TestTwilioPoint(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		s, number := newStore(t, client).TwilioVerify(time.Hour, 10), testKeyring(t).NumberName("+819012345678")
		pointed := func(app, want string) {
			t.Helper()
			if got, err := s.Pointed(t.Context(), app, number); err != nil || got != want {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
		}
		pointed("portal", "")
		for _, which := range []string{"first", "second"} {
			if err := s.Point(t.Context(), "portal", number, which, time.Minute); err != nil {
				t.Fatal(err)
			}
			pointed("portal", which)
		}
		pointed("other", "")
		keys, err := client.Keys(t.Context(), "*").Result()
		if err != nil || len(keys) != 1 {
			t.Fatalf("%v, %v", keys, err)
		}
		if ttl, err := client.PTTL(t.Context(), keys[0]).Result(); err != nil || ttl <= 0 || ttl > time.Minute {
			t.Errorf("%s lives for %v, %v", keys[0], ttl, err)
		}
	})
}

// TestTwilioCluster: each script stays in one slot.
func TestTwilioCluster(t *testing.T) {
	nodes := redistest.StartCluster(t, 3)
	c := redisstore.DefaultConfig()
	c.Cluster = true
	c.Addresses = nil
	for _, n := range nodes {
		c.Addresses = append(c.Addresses, n.Addr())
	}
	s, keys, begin := newStore(t, connect(t, c)).TwilioVerify(time.Hour, 100), testKeyring(t), time.Now()
	for i, app := range []string{"a", "b", "c", "portal", "other"} {
		a := attemptOf(i, begin)
		number := keys.NumberName("+81901234567" + app)
		for _, err := range []error{
			s.Record(t.Context(), app, a), s.Convert(t.Context(), app, a.SID), s.Point(t.Context(), app, number, "x", time.Minute),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.AttemptsAfter(t.Context(), app, nil, time.Time{}, 10)
		if err != nil || len(got) != 1 || !got[0].Converted {
			t.Errorf("%s: %+v, %v", app, got, err)
		}
	}
}

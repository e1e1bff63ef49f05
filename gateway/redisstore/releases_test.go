package redisstore_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/gateway/redisstore"
	"denwa/providers"
	"denwa/ratelimit"
)

// These tests hold what CONTRIBUTING.md says of what the store holds: instances
// of two releases share it while one follows the other.

// shared is a store, with a clock that tests move, and its keys.
type shared struct {
	*redisstore.Store
	t      *testing.T
	client redis.UniversalClient
	now    time.Time
	rules  gateway.Rules
}

func newShared(t *testing.T, client redis.UniversalClient) *shared {
	s := &shared{t: t, client: client, now: time.Now().Truncate(time.Microsecond).UTC(), rules: generous()}
	s.rules.Cooldown = ratelimit.Limit{Burst: 1, Count: 1, Period: 30 * time.Second}.GCRA()
	s.rules.FailedChecks = ratelimit.Limit{Burst: 2, Count: 2, Period: time.Hour}.GCRA()
	s.Store = newStore(t, client).WithClock(func() time.Time { return s.now })
	return s
}

func verificationKey(r gateway.Record) string {
	return fmt.Sprintf("dnw1:{%02x}:v:%s", r.ID.Tag(), r.ID.Name())
}

func (s *shared) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// extend adds to what is stored of r what a later release may.
func (s *shared) extend(r gateway.Record) {
	s.t.Helper()
	ctx, key := context.Background(), verificationKey(r)
	s.must(s.client.HSet(ctx, key, "later", "some thing").Err())
	fields, err := s.client.HGetAll(ctx, key).Result()
	s.must(err)
	for name, value := range fields {
		switch {
		case name == "f" || name == "g":
			value += " 7 later"
		case name[0] == 'd':
			value += "|later|7"
		default:
			continue
		}
		s.must(s.client.HSet(ctx, key, name, value).Err())
	}
	number := fmt.Sprintf("dnw1:{%02x}:n:u%s", r.Number.Tag(), r.Number)
	if value := s.client.Get(ctx, number).Val(); value != "" {
		s.must(s.client.Set(ctx, number, value+" 7 later", redis.KeepTTL).Err())
	}
}

// step is what one event led to, as far as two verifications can have it in common.
type step struct {
	event   string
	refusal gateway.Refusal
	effect  gateway.Effect
	state   gateway.State
	number  gateway.NumberState
	sealed  string
}

// live takes r through most that can happen to it, calling between before each step.
func (s *shared) live(r gateway.Record, between func()) (steps []step) {
	s.t.Helper()
	ctx := context.Background()
	apply := func(e gateway.Event) {
		s.t.Helper()
		between()
		c, err := s.Apply(ctx, r.ID, "app", e, s.rules)
		s.must(err)
		between()
		loaded, err := s.Load(ctx, r.ID, "app")
		s.must(err)
		if !reflect.DeepEqual(c.Record, loaded.Record) {
			s.t.Errorf("%+v:\nreplied %+v\n loaded %+v", e, c.Record, loaded.Record)
		}
		steps = append(steps, step{
			event: fmt.Sprintf("%T", e), refusal: c.Refusal, effect: c.Effect, state: c.Record.State, number: c.Number,
			sealed: string(c.Record.SealedContent),
		})
	}
	again := gateway.Resend{
		Channel: gateway.SMS, Provider: "again", Segments: 1, Request: "request",
		FollowUp: providers.FollowUp{Within: 20 * time.Second, Then: providers.ThenVoice},
	}
	apply(again) // the cooldown still holds
	apply(gateway.Check{Guess: "guess"})
	apply(gateway.Check{Guess: "guess"}) // the same one
	s.now = s.now.Add(30 * time.Second)
	apply(again)
	apply(again) // the same request
	apply(gateway.Report{N: 1, Provider: "first", Status: providers.Sent})
	s.now = s.now.Add(20 * time.Second)
	between()
	swept, err := s.Sweep(ctx)
	s.must(err)
	if len(swept.MovingOn) != 1 || swept.MovingOn[0] != r.ID {
		s.t.Errorf("to move on: %v", swept.MovingOn)
	}
	apply(gateway.MoveOn{N: 2, Channel: gateway.Voice, Provider: "moved", Segments: 1})
	apply(gateway.Resend{Channel: gateway.Voice, Provider: "again", Segments: 1}) // a call goes on
	apply(gateway.Check{})
	apply(gateway.Check{Match: true}) // refused: two wrong codes
	s.now = s.now.Add(time.Hour / 2)
	apply(gateway.Check{Match: true, Call: 3, Request: "check"})
	apply(gateway.Check{Match: true, Call: 3, Request: "check"}) // the same request
	return steps
}

// TestReleaseIgnoresWhatALaterOneAdds takes two verifications through the same,
// while a later release keeps adding to one of them.
func TestReleaseIgnoresWhatALaterOneAdds(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		s, keys := newShared(t, client), testKeyring(t)
		began := s.now
		var lives [2][]step
		for i, number := range []string{"+819012345678", "+819087654321"} {
			s.now = began
			r := record(keys, "app", number)
			r.SealedContent = []byte("content")
			b := begin()
			b.Life = time.Hour
			c, err := s.Start(t.Context(), r, b, s.rules, time.Hour)
			s.must(err)
			if c.Effect != gateway.EffectCreated {
				t.Fatal(c)
			}
			lives[i] = s.live(r, func() {
				if i == 1 {
					s.extend(r)
				}
			})
		}
		if last := lives[0][len(lives[0])-1]; last.state.Status != gateway.Approved || last.effect != gateway.EffectRepeated {
			t.Fatalf("it ended as %+v", last)
		}
		for i, want := range lives[0] {
			if got := lives[1][i]; !reflect.DeepEqual(got, want) {
				t.Errorf("step %d:\n got %+v\nwant %+v", i, got, want)
			}
		}
	})
}

// older writes a verification as a release did that knew neither follow-ups,
// nor repeated requests, nor brands.
func (s *shared) older(r gateway.Record) {
	s.t.Helper()
	ctx, at, expires := context.Background(), s.now.UnixMicro(), s.now.Add(time.Hour).UnixMicro()
	key := verificationKey(r)
	s.must(s.client.HSet(ctx, key, "a", "app", "s", "pending", "c", "sms", "n", 0, "x", 1, "up", at, "cr", at,
		"f", fmt.Sprintf("u%s 5 5 %d 1", r.Number, expires), "m", "code|JP|mobile|ja|sign_in||", "t", r.SealedTo,
		"q", 1, "d1", fmt.Sprintf("first|sms|1|%d|accepted|%d", at, at)).Err())
	s.must(s.client.PExpire(ctx, key, 2*time.Hour).Err())
	due := fmt.Sprintf("dnw1:{%02x}:due", r.ID.Tag())
	s.must(s.client.ZAdd(ctx, due, redis.Z{Score: float64(expires), Member: r.ID.Name()}).Err())
	s.must(s.client.PExpire(ctx, due, 2*time.Hour).Err())
	cooldown := s.now.Add(30 * time.Second).UnixMicro()
	s.must(s.client.Set(ctx, fmt.Sprintf("dnw1:{%02x}:n:u%s", r.Number.Tag(), r.Number),
		fmt.Sprintf("%d 0 0 0 0 0 0", cooldown), time.Hour).Err())
}

func TestReleaseReadsWhatAnEarlierOneWrote(t *testing.T) {
	each(t, func(t *testing.T, client redis.UniversalClient) {
		s, keys := newShared(t, client), testKeyring(t)
		r := record(keys, "app", "+819012345678")
		s.older(r)
		c, err := s.Load(t.Context(), r.ID, "app")
		s.must(err)
		if got := c.Record; got.Mode != gateway.ModeCode || got.Purpose != "sign_in" || got.Brand != "" || got.FollowUp.Then != "" ||
			string(got.SealedTo) != string(r.SealedTo) || got.ExpiresAt != s.now.Add(time.Hour) || len(got.Deliveries) != 1 {
			t.Errorf("loaded %+v", got)
		}
		lost, err := s.Apply(t.Context(), r.ID, "app", gateway.Report{N: 1, Provider: "first", Status: providers.Undelivered}, s.rules)
		s.must(err)
		if lost.Effect != gateway.EffectReport || lost.Record.FollowUp.Then != "" {
			t.Errorf("a lost delivery that nothing follows: %+v", lost)
		}
		steps := s.live(r, func() {})
		if first := steps[0].refusal; first.Limit != ratelimit.NumberCooldown {
			t.Errorf("a resend at once: %+v", first)
		}
		if last := steps[len(steps)-1]; last.state.Status != gateway.Approved || len(last.state.Deliveries) != 3 {
			t.Errorf("it ended as %+v", last)
		}
		requireTTLs(t, client)
	})
}

// TestReleaseDeliversAnyReleasesEvents claims, tries again, gives up and replays
// events whose records were rendered by an earlier and by a later release.
func TestReleaseDeliversAnyReleasesEvents(t *testing.T) {
	const earlier = "\n\n\n0\n%[1]d\n\n0\napp\npending\nsms\n0\n1\n%[1]d\n%[1]d\nu%[2]s 5 5 %[1]d 1\ncode|JP|mobile|ja|sign_in||\n1\n" +
		"first|sms|1|%[1]d|sent|%[1]d\n%[3]d\n%[4]s"
	const later = "\n\n\n0\n%[1]d\n1 2 3 4 5 6 7 8 later\n0\napp\npending\nsms\n0\n1\n%[1]d\n%[1]d\nu%[2]s 5 5 %[1]d 1 0 voice 8 later\n" +
		"code|JP|mobile|ja|sign_in||\n1\nfirst|sms|1|%[1]d|sent|%[1]d|8|later\n%[3]d\n%[4]s"
	eachEvents(t, func(t *testing.T, e *events) {
		for name, text := range map[string]string{"earlier": earlier, "later": later} {
			r := record(e.keys, "app", "+819012345678")
			at, slot := e.now.UnixMicro(), fmt.Sprintf("dnw1:{%02x}:", r.ID.Tag())
			id := "msg_" + r.ID.Name() + "_1"
			e.must(e.client.HSet(t.Context(), slot+"e:"+id, "t", "sent", "at", at, "n", 0,
				"s", fmt.Sprintf(text, at, r.Number, len(r.SealedTo), r.SealedTo)).Err())
			if name == "later" {
				e.must(e.client.HSet(t.Context(), slot+"e:"+id, "later", "some thing").Err())
			}
			e.must(e.client.ZAdd(t.Context(), slot+"o:app", redis.Z{Score: float64(at), Member: id}).Err())

			one := func() gateway.Notification {
				t.Helper()
				claimed := e.claim("app")
				if len(claimed) != 1 || claimed[0].ID != id {
					t.Fatalf("%s: claimed %+v", name, claimed)
				}
				return claimed[0]
			}
			n := one()
			got := n.Change.Record
			if n.Err != nil || n.Type != "verification.sent" || got.App != "app" || got.Status != gateway.Pending || got.Purpose != "sign_in" ||
				len(got.Deliveries) != 1 || got.Deliveries[0].Status != providers.Sent || string(got.SealedTo) != string(r.SealedTo) {
				t.Errorf("%s: claimed %+v", name, n)
			}
			if then := got.FollowUp.Then; name == "later" && then != providers.ThenVoice || name == "earlier" && then != "" {
				t.Errorf("%s: what follows is %q", name, then)
			}
			e.must(e.Retry(t.Context(), n, 0))
			e.must(e.Dead(t.Context(), one(), "refused", 1))
			if letters := e.dead("app"); len(letters) != 1 || letters[0].ID != id {
				t.Errorf("%s: given up: %+v", name, letters)
			}
			if found, err := e.Replay(t.Context(), "app", id); err != nil || !found {
				t.Errorf("%s: replayed %v, %v", name, found, err)
			}
			n = one()
			if n.Err != nil {
				t.Errorf("%s: after the replay %+v", name, n)
			}
			e.must(e.Done(t.Context(), n))
		}
		requireTTLs(t, e.client)
	})
}

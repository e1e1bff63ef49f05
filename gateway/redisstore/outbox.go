package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
)

// Outbox holds what apps are still to be told. Scripts that change a
// verification put its events there in the same step; see lua/emit.lua.
type Outbox struct{ store *Store }

// Outbox returns the store's outbox.
func (s *Store) Outbox() *Outbox { return &Outbox{s} }

// Claim leases what is due for apps, at most one event of each app and hash
// tag, in one pipeline. Until the lease ends nobody else gets them; after it
// they are due again. What was claimed is returned also beside an error.
func (o *Outbox) Claim(ctx context.Context, apps []string, lease time.Duration) (claimed []gateway.Notification, err error) {
	defer o.store.metrics.observe(opClaim, time.Now(), &err)
	cmds, err := o.store.eachTag(ctx, opClaim, func(tag byte) (keys []string, args []any) {
		for _, app := range apps {
			keys = append(keys, queueKey(tag, app))
		}
		return keys, []any{o.store.now(), lease.Microseconds(), 1}
	})
	for _, cmd := range cmds {
		values, cmdErr := cmd.StringSlice()
		for e := range slices.Chunk(values, 7) {
			var n gateway.Notification
			if n, cmdErr = decodeNotification(e, apps); cmdErr == nil {
				claimed = append(claimed, n)
			}
		}
		err = cmp.Or(err, cmdErr)
	}
	if err != nil {
		err = fmt.Errorf("claim events: %w", err)
	}
	return claimed, err
}

// Done forgets n: it was delivered.
func (o *Outbox) Done(ctx context.Context, n gateway.Notification) error {
	return o.settle(ctx, n, "done", "", 0)
}

// Retry counts a failed attempt and makes n due again after a while.
func (o *Outbox) Retry(ctx context.Context, n gateway.Notification, after time.Duration) error {
	return o.settle(ctx, n, "retry", strconv.FormatInt(after.Microseconds(), 10), 1)
}

// Release makes n due again at once, as if nobody had claimed it.
func (o *Outbox) Release(ctx context.Context, n gateway.Notification) error {
	return o.settle(ctx, n, "retry", "0", 0)
}

// Dead counts attempts more failed attempts, 0 or 1, and gives n up.
func (o *Outbox) Dead(ctx context.Context, n gateway.Notification, reason string, attempts int) error {
	return o.settle(ctx, n, "dead", reason, attempts)
}

// settle does nothing, without an error, when n's lease was lost.
func (o *Outbox) settle(ctx context.Context, n gateway.Notification, outcome, argument string, attempts int) (err error) {
	defer o.store.metrics.observe(opSettle, time.Now(), &err)
	tag := eventTag(n.ID)
	keys := []string{queueKey(tag, n.App), deadKey(tag, n.App), eventKey(tag, n.ID)}
	err = o.store.eval(ctx, opSettle, keys, o.store.now(), n.ID, n.Lease, outcome, argument, attempts).Err()
	if err != nil {
		return fmt.Errorf("settle event: %w", err)
	}
	return nil
}

// Backlog counts the events of each app that it hasn't taken.
func (o *Outbox) Backlog(ctx context.Context, apps []string) (map[string]gateway.Backlog, error) {
	backlog := map[string]gateway.Backlog{}
	var waiting, dead []*redis.IntCmd
	_, err := o.store.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, app := range apps {
			for tag := range byte(gateway.Tags) {
				waiting = append(waiting, p.ZCard(ctx, queueKey(tag, app)))
				dead = append(dead, p.ZCard(ctx, deadKey(tag, app)))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count events: %w", err)
	}
	for i := range waiting {
		app := apps[i/gateway.Tags]
		b := backlog[app]
		b.Waiting += int(waiting[i].Val())
		b.GivenUp += int(dead[i].Val())
		backlog[app] = b
	}
	return backlog, nil
}

// DeadLetters lists the events of app that were given up, the latest first and
// at most that many. They are kept for a week.
func (o *Outbox) DeadLetters(ctx context.Context, app string, most int) (letters []gateway.DeadLetter, err error) {
	defer o.store.metrics.observe(opDead, time.Now(), &err)
	cmds, err := o.store.eachTag(ctx, opDead, func(tag byte) ([]string, []any) {
		return []string{deadKey(tag, app)}, []any{most}
	})
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}
	for _, cmd := range cmds {
		values, err := cmd.StringSlice()
		if err != nil {
			return nil, fmt.Errorf("list dead letters: %w", err)
		}
		p := parser{}
		for e := range slices.Chunk(values, 6) {
			letters = append(letters, gateway.DeadLetter{
				ID: e[0], App: app, Type: eventType(e[1]), At: p.micros(e[2]),
				Attempts: int(p.number(e[3])), Reason: e[4], DiedAt: p.micros(e[5]),
			})
		}
		if p.err != nil {
			return nil, fmt.Errorf("list dead letters: %w", p.err)
		}
	}
	slices.SortFunc(letters, func(a, b gateway.DeadLetter) int {
		return cmp.Or(b.DiedAt.Compare(a.DiedAt), cmp.Compare(a.ID, b.ID))
	})
	return letters[:min(most, len(letters))], nil
}

// Replay makes a dead letter of app due again, with all its attempts, and takes
// back what [Outbox.Disable] said about the app. It reports whether there is one.
func (o *Outbox) Replay(ctx context.Context, app, event string) (found bool, err error) {
	defer o.store.metrics.observe(opReplay, time.Now(), &err)
	if err := o.store.client.Del(ctx, disabledKey(app)).Err(); err != nil {
		return false, fmt.Errorf("enable webhook: %w", err)
	}
	tag := eventTag(event)
	keys := []string{queueKey(tag, app), deadKey(tag, app), eventKey(tag, event)}
	n, err := o.store.eval(ctx, opReplay, keys, o.store.now(), event).Int()
	if err != nil {
		return false, fmt.Errorf("replay event: %w", err)
	}
	return n == 1, nil
}

// Disable remembers for a while that an app's endpoint wants no events. The
// endpoint is any text that names it; another one of the app isn't disabled.
func (o *Outbox) Disable(ctx context.Context, app, endpoint string, d time.Duration) error {
	if err := o.store.client.Set(ctx, disabledKey(app), endpoint, d).Err(); err != nil {
		return fmt.Errorf("disable webhook: %w", err)
	}
	return nil
}

// Disabled reports whether an app's endpoint was disabled.
func (o *Outbox) Disabled(ctx context.Context, app, endpoint string) (bool, error) {
	known, err := o.store.client.Get(ctx, disabledKey(app)).Result()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask whether webhook is disabled: %w", err)
	}
	return known == endpoint, nil
}

// decodeNotification reads what claim.lua answers for one event.
func decodeNotification(e, apps []string) (gateway.Notification, error) {
	if len(e) != 7 {
		return gateway.Notification{}, errors.New("unreadable answer")
	}
	p := parser{}
	n := gateway.Notification{
		ID: e[1], Type: eventType(e[2]), At: p.micros(e[3]), Attempts: int(p.number(e[4])), Lease: p.number(e[6]),
	}
	app := int(p.number(e[0]))
	if p.err != nil || app < 1 || app > len(apps) {
		return n, errors.New("unreadable answer")
	}
	n.App = apps[app-1]
	// Another release may have written it. It isn't this one's to give it up.
	n.Change, n.Err = decodeChange(e[5], eventVerification(n.ID))
	return n, nil
}

func eventType(what string) string { return "verification." + what }

// eventVerification is the verification that an event is about: see emit.lua.
func eventVerification(event string) gateway.ID {
	name, _, _ := strings.Cut(strings.TrimPrefix(event, "msg_"), "_")
	return gateway.IDFromName(name)
}

func eventTag(event string) byte { return eventVerification(event).Tag() }

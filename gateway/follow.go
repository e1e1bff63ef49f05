package gateway

import (
	"context"
	"time"
)

// Follower learns which verification or [Dispatch] the work in its context is
// about, so that log lines and traces of that work carry the id, and how it
// stands. It is told in the goroutine that does the work, maybe more than once.
type Follower interface {
	Follow(id ID, s Status)
}

// followerKey is where a context holds its follower.
type followerKey struct{}

// Followed is ctx for work that f follows. It replaces a follower that ctx has.
func Followed(ctx context.Context, f Follower) context.Context {
	return context.WithValue(ctx, followerKey{}, f)
}

// FollowerOf returns what was given to [Followed], or nil.
func FollowerOf(ctx context.Context) Follower {
	f, _ := ctx.Value(followerKey{}).(Follower)
	return f
}

// followedStore tells followers of what exists. An id that somebody only made
// up is told to nobody.
type followedStore struct{ Store }

func (s followedStore) Start(ctx context.Context, r Record, e Begin, rules Rules, retention time.Duration) (Change, error) {
	c, err := s.Store.Start(ctx, r, e, rules, retention)
	follow(ctx, c)
	return c, err
}

func (s followedStore) Apply(ctx context.Context, id ID, app string, e Event, rules Rules) (Change, error) {
	c, err := s.Store.Apply(ctx, id, app, e, rules)
	follow(ctx, c)
	return c, err
}

func (s followedStore) Load(ctx context.Context, id ID, app string) (Change, error) {
	c, err := s.Store.Load(ctx, id, app)
	follow(ctx, c)
	return c, err
}

func follow(ctx context.Context, c Change) {
	if c.Record.ID == "" {
		return // there is none
	}
	if f := FollowerOf(ctx); f != nil {
		f.Follow(c.Record.ID, c.Record.Status)
	}
}

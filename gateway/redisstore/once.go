package redisstore

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// once has a cluster's client send each command once. Its loop over redirects
// also sends a command again whose answer was lost, and no option ends that.
// Redirects are still followed: who answers with one has done nothing.
//
// Those repetitions are also how the client learns that a master is gone, so
// it is told to look.
type once struct{ cluster *redis.ClusterClient }

// DialHook implements [redis.Hook].
func (o once) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements [redis.Hook].
func (o once) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, unrepeated{cmd})
		o.look(ctx, err)
		return err
	}
}

// ProcessPipelineHook implements [redis.Hook].
func (o once) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if len(cmds) > 0 && cmds[0].Name() == "multi" { // all of them or none, and the client knows them by type
			return next(ctx, cmds)
		}
		single := make([]redis.Cmder, len(cmds))
		for i, cmd := range cmds {
			single[i] = unrepeated{cmd}
		}
		err := next(ctx, single)
		o.look(ctx, err)
		return err
	}
}

// look has the client ask for the masters, unless a server answered.
func (o once) look(ctx context.Context, err error) {
	var answer redis.Error
	if err != nil && !errors.As(err, &answer) && !errors.Is(err, context.Canceled) {
		o.cluster.ReloadState(ctx)
	}
}

// unrepeated is a command that isn't sent again.
type unrepeated struct{ redis.Cmder }

// NoRetry tells the client so.
func (unrepeated) NoRetry() bool { return true }

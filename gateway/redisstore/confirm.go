package redisstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// confirm makes a client wait until n replicas have what matters, see
// [confirmed]. A change that they don't have within that time fails, although
// the master has it and may keep it.
//
// Redis answers before its replicas know: a master that dies then takes the last
// changes with it. WAIT asks the replicas, on the connection that wrote, so it
// goes with the command in one round trip.
func confirm(client redis.UniversalClient, n int, within time.Duration) {
	switch c := client.(type) {
	case *redis.Client:
		c.AddHook(confirming{c, n, within})
	case *redis.ClusterClient: // which would send WAIT, as it has no key, to any node
		c.OnNewNode(func(node *redis.Client) { node.AddHook(confirming{node, n, within}) })
	}
}

type confirmedKey struct{}

// confirmed marks the scripts that run under ctx as mattering: a code is sent
// because of them, or somebody is told.
func confirmed(ctx context.Context) context.Context {
	return context.WithValue(ctx, confirmedKey{}, true)
}

// mattering reports whether one of cmds is such a script. What the client sends
// for itself, when it connects, has the same ctx.
func mattering(ctx context.Context, cmds ...redis.Cmder) bool {
	return ctx.Value(confirmedKey{}) != nil && slices.ContainsFunc(cmds, func(cmd redis.Cmder) bool {
		return cmd.Name() == "evalsha" || cmd.Name() == "eval"
	})
}

// confirming is the hook of one server's client.
type confirming struct {
	client *redis.Client
	n      int
	within time.Duration
}

// DialHook implements [redis.Hook].
func (c confirming) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements [redis.Hook].
func (c confirming) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !mattering(ctx, cmd) {
			return next(ctx, cmd)
		}
		_, err := c.client.Pipelined(ctx, func(p redis.Pipeliner) error { return p.Process(ctx, cmd) })
		return err
	}
}

// ProcessPipelineHook implements [redis.Hook].
func (c confirming) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if !mattering(ctx, cmds...) {
			return next(ctx, cmds)
		}
		wait := redis.NewIntCmd(ctx, "wait", c.n, c.within.Milliseconds())
		_ = next(ctx, append(slices.Clip(cmds), wait)) // the commands have it
		for _, cmd := range cmds {
			if err := cmd.Err(); err != nil {
				return err
			}
		}
		err := wait.Err()
		if err == nil && wait.Val() < int64(c.n) {
			err = fmt.Errorf("%d of %d replicas have it after %v (store.replicas)", wait.Val(), c.n, c.within)
		}
		if err != nil {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
		}
		return err
	}
}

package redisstore

import (
	"context"
	"embed"
	"strings"

	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/ratelimit"
)

// op is a script, and its name in metrics.
type op string

const (
	opStart    op = "start"
	opCheck    op = "check"
	opPress    op = "press"
	opResend   op = "resend"
	opFailover op = "failover"
	opReport   op = "report"
	opCancel   op = "cancel"
	opLoad     op = "load"
	opMoveOn   op = "moveon"
	opSweep    op = "sweep"
	opReserve  op = "reserve"
	opRenew    op = "renew"
	opComplete op = "complete"
	opRelease  op = "release"
	opClaim    op = "claim"
	opSettle   op = "settle"
	opDead     op = "dead"
	opReplay   op = "replay"
	opPoint    op = "point"
	opAttempt  op = "attempt"
	opConvert  op = "convert"
	opAttempts op = "attempts"

	opBlock  op = "block"
	opNumber op = "number"
	opAudit  op = "audit"  // no script: it reads all logs in one pipeline
	opProved op = "proved" // no script: one GET

	opSessionCreate op = "session_create"
	opSessionLoad   op = "session_load"
	opSessionOpen   op = "session_open"
	opSessionDraft  op = "session_draft"
	opSessionClaim  op = "session_claim"
	opSessionSettle op = "session_settle"
	opSessionFinish op = "session_finish"
)

// ofSession reports whether o is about sessions: those share session.lua alone.
func (o op) ofSession() bool { return strings.HasPrefix(string(o), "session_") }

func ops() []op {
	return []op{
		opStart, opCheck, opPress, opResend, opFailover, opReport, opCancel, opLoad, opMoveOn, opSweep,
		opReserve, opRenew, opComplete, opRelease, opClaim, opSettle, opDead, opReplay,
		opPoint, opAttempt, opConvert, opAttempts,
		opBlock, opNumber,
		opSessionCreate, opSessionLoad, opSessionOpen, opSessionDraft, opSessionClaim, opSessionSettle, opSessionFinish,
	}
}

//go:embed lua/*.lua
var sources embed.FS

// scripts are the Lua scripts by name, each with the shared parts before it.
var scripts = loadScripts()

func loadScripts() map[op]*redis.Script {
	read := func(name string) string {
		b, err := sources.ReadFile("lua/" + name + ".lua")
		if err != nil { // they are part of the binary
			panic(err)
		}
		return string(b) + "\n"
	}
	verification := ratelimit.Lua + "\n" + read("lib") + read("emit") + read("act")
	session := ratelimit.Lua + "\n" + read("session")
	loaded := map[op]*redis.Script{}
	for _, o := range ops() {
		shared := verification
		if o.ofSession() {
			shared = session
		}
		loaded[o] = redis.NewScript(shared + read(string(o)))
	}
	return loaded
}

// matters reports whether something follows from o that can't be taken back: a
// code is sent, or somebody is told. What else is lost is done again, or missed by
// nobody but a graph.
func (o op) matters() bool {
	switch o { //nolint:exhaustive // the others don't.
	case opStart, opCheck, opPress, opResend, opFailover, opMoveOn, opCancel,
		opReserve, opPoint, opBlock, opSessionCreate, opSessionClaim, opSessionSettle:
		return true
	}
	return false
}

// eval runs a script once.
func (s *Store) eval(ctx context.Context, o op, keys []string, args ...any) *redis.Cmd {
	if o.matters() {
		ctx = confirmed(ctx)
	}
	return scripts[o].Run(ctx, s.client, keys, args...)
}

// eachTag runs a script once for each hash tag, in one pipeline. It returns
// every answer; an error, which is the first of all, doesn't mean that all
// failed. A script that a server doesn't know is run there again, and only
// there: elsewhere it has done its work.
func (s *Store) eachTag(ctx context.Context, op op, call func(tag byte) (keys []string, args []any)) ([]*redis.Cmd, error) {
	script := scripts[op]
	cmds := make([]*redis.Cmd, gateway.Tags)
	_, _ = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for tag := range cmds {
			keys, args := call(byte(tag)) //nolint:gosec // G115: 0 to 63.
			cmds[tag] = script.EvalSha(ctx, p, keys, args...)
		}
		return nil
	})
	_, _ = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for tag, cmd := range cmds {
			if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
				keys, args := call(byte(tag)) //nolint:gosec // G115: 0 to 63.
				cmds[tag] = script.Eval(ctx, p, keys, args...)
			}
		}
		return nil
	})
	for _, cmd := range cmds {
		if cmd.Err() != nil {
			return cmds, cmd.Err()
		}
	}
	return cmds, nil
}

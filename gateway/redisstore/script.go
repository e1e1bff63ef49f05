package redisstore

import (
	"embed"

	"github.com/redis/go-redis/v9"

	"denwa/ratelimit"
)

// op is a script, and its name in metrics.
type op string

const (
	opStart    op = "start"
	opCheck    op = "check"
	opResend   op = "resend"
	opFailover op = "failover"
	opReport   op = "report"
	opCancel   op = "cancel"
	opLoad     op = "load"
	opExpire   op = "expire"
	opReserve  op = "reserve"
	opComplete op = "complete"
	opRelease  op = "release"
)

func ops() []op {
	return []op{
		opStart, opCheck, opResend, opFailover, opReport, opCancel, opLoad, opExpire,
		opReserve, opComplete, opRelease,
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
	shared := ratelimit.Lua + "\n" + read("lib")
	loaded := map[op]*redis.Script{}
	for _, o := range ops() {
		loaded[o] = redis.NewScript(shared + read(string(o)))
	}
	return loaded
}

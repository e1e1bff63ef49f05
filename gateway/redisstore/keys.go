package redisstore

import (
	"hash/fnv"
	"strconv"
	"time"

	"denwa/gateway"
)

// Every key of this package is built here. "dnw1" is the version of the layout:
// a release that changes it reads and writes another prefix. What belongs to
// one number, or to one caller's key, shares a hash tag, two hexadecimal
// digits, and with it a Redis Cluster slot:
//
//	dnw1:{2f}:v:<id>             verification (hash)
//	dnw1:{2f}:n:<class><number>  what a number's verifications share (string)
//	dnw1:{2f}:b:<number>         until when its holder blocked it (string)
//	dnw1:{2f}:bw:<number>        why an operator blocked it: an audit entry (string)
//	dnw1:{2f}:audit              what operators did to numbers, by when (sorted set)
//	dnw1:{2f}:c:<number>         who proved to hold it lately (string)
//	dnw1:{2f}:due                pending verifications by expiry (sorted set)
//	dnw1:{2f}:next               pending verifications by when to move on (sorted set)
//	dnw1:{2f}:i:<key>            idempotency key (hash)
//	dnw1:{2f}:o:<app>            events that wait, by when to try next (sorted set)
//	dnw1:{2f}:d:<app>            events that were given up (sorted set)
//	dnw1:{2f}:e:<event>          event (hash)
//	dnw1:{names}:k:<file>        what names are made with, sealed (string)
//	dnw1:gone:<app>              endpoint that wants no events (string), in a slot of its own
//	dnw1:{funnel}:m:<minute>     counts of a minute (hash), see [Funnel]
//	dnw1:{funnel}:t:<n>          counts of ten minutes (hash)
//	dnw1:{funnel}:b:<instance>   last batch of counts that was added (string)
//	dnw1:{funnel}:i              instances by when they last added (sorted set)
//	dnw1:{2f}:tv:<app>:<number>  verification of a number, for Twilio Verify's API (string)
//	dnw1:{2f}:ta:<app>           its attempts by time (sorted set), in a slot by the app's name
//	dnw1:{2f}:tr:<app>           its attempts (hash), likewise
//	dnw1:{2f}:s:<session>        session of the pages (hash)
//	dnw1:{2f}:w:<id>             pub/sub channel, not a key: id changed
//
// lua/lib.lua and lua/emit.lua document the values.

const tagDigits = "0123456789abcdef"

// slot is the prefix of all keys with one hash tag.
func slot(tag byte) string {
	return "dnw1:{" + string([]byte{tagDigits[tag>>4], tagDigits[tag&15]}) + "}:"
}

func verificationKey(id gateway.ID) string { return slot(id.Tag()) + "v:" + id.Name() }

func dueKey(tag byte) string { return slot(tag) + "due" }

func nextKey(tag byte) string { return slot(tag) + "next" }

func idempotencyKey(n gateway.StoreName) string { return slot(n.Tag()) + "i:" + string(n) }

func sessionKey(id gateway.SessionID) string { return slot(id.Tag()) + "s:" + id.Name() }

func wakeChannel(id gateway.ID) string { return slot(id.Tag()) + "w:" + id.Name() }

func provedKey(n gateway.StoreName) string { return slot(n.Tag()) + "c:" + string(n) }

// blockKeys are what blocks a number and why.
func blockKeys(n gateway.StoreName) []string {
	prefix := slot(n.Tag())
	return []string{prefix + "b:" + string(n), prefix + "bw:" + string(n)}
}

func auditKey(tag byte) string { return slot(tag) + "audit" }

func queueKey(tag byte, app string) string { return slot(tag) + "o:" + app }

func deadKey(tag byte, app string) string { return slot(tag) + "d:" + app }

func eventKey(tag byte, event string) string { return slot(tag) + "e:" + event }

func disabledKey(app string) string { return "dnw1:gone:" + app }

// The funnel's keys share a slot of their own: a day of counts is one pipeline
// to one node.
const (
	funnelSlot   = "dnw1:{funnel}:"
	instancesKey = funnelSlot + "i"
)

// funnelKey is the slot of time that at is in, a minute or ten minutes wide.
func funnelKey(width time.Duration, at time.Time) string {
	kind := "m:"
	if width == longSlot {
		kind = "t:"
	}
	return funnelSlot + kind + strconv.FormatInt(at.UnixMicro()/width.Microseconds(), 10)
}

func batchKey(instance string) string { return funnelSlot + "b:" + instance }

func pointKey(app string, n gateway.StoreName) string {
	return slot(n.Tag()) + "tv:" + app + ":" + string(n)
}

func attemptsKeys(app string) []string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(app)) // never fails
	prefix := slot(byte(h.Sum32() % gateway.Tags))
	return []string{prefix + "ta:" + app, prefix + "tr:" + app}
}

package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"denwa/providers"
)

// Behaviour is what a phone, or the carrier on the way to it, does next. It
// holds once: the next message uses up all but Voice, and the next call all
// but SMS. So of two carriers, one can fail and the other deliver.
type Behaviour struct {
	// SMS is the last status that the next message gets. With accepted and
	// sent, no final receipt comes.
	SMS providers.Status `json:"sms"`
	// Voice is what becomes of the next call. With ringing, a person decides; a
	// machine answers; what else there is, the call ends with.
	Voice providers.Status `json:"voice"`
	// DelayMS is the time to the last receipt in milliseconds; with Error, the
	// time the carrier takes to fail; with a Voice of ringing, to the first ring.
	DelayMS int `json:"delay_ms"`
	// Error is the failure with which the carrier refuses; empty for none. Nothing arrives then.
	Error providers.Kind `json:"error,omitempty"`
}

// maxDelayMS is ten minutes, the longest life of a verification.
const maxDelayMS = 600_000

// usual is how a phone behaves when nobody asked for anything.
func usual() Behaviour { return Behaviour{SMS: providers.Delivered, Voice: providers.Ringing} }

// voices are the values of Voice.
func voices() []providers.Status {
	return []providers.Status{
		providers.Ringing, providers.Busy, providers.NoAnswer, providers.Declined, providers.Unreachable, providers.Machine, providers.Failed,
	}
}

// delay is DelayMS as a duration.
func (b Behaviour) delay() time.Duration { return time.Duration(b.DelayMS) * time.Millisecond }

// afterMessage is what is left of b for later.
func (b Behaviour) afterMessage() Behaviour {
	left := usual()
	left.Voice = b.Voice
	return left
}

// afterCall is what is left of b for later.
func (b Behaviour) afterCall() Behaviour {
	left := usual()
	left.SMS = b.SMS
	return left
}

// badField is what is wrong with a field of a behaviour.
type badField struct{ field, detail string }

// parseBehaviour reads a behaviour. What isn't given is as usual; whatever else
// is not exactly as documented is refused.
func parseBehaviour(body []byte) (Behaviour, *badField) {
	b := usual()
	fields, ok := parseObject(body)
	if !ok {
		return b, &badField{detail: "the body must be a JSON object with any of delay_ms, error, sms, voice"}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		var problem string
		switch name {
		case "sms":
			problem = oneOf(fields[name], &b.SMS, providers.MessageStatuses())
		case "voice":
			problem = oneOf(fields[name], &b.Voice, voices())
		case "error":
			problem = oneOf(fields[name], &b.Error, providers.Kinds())
		case "delay_ms":
			var ms *int
			if json.Unmarshal(fields[name], &ms) != nil || ms == nil || *ms < 0 || *ms > maxDelayMS {
				problem = fmt.Sprintf("must be a whole number from 0 to %d", maxDelayMS)
			} else {
				b.DelayMS = *ms
			}
		default:
			problem = "is unknown; the fields are delay_ms, error, sms, voice"
		}
		if problem != "" {
			return b, &badField{name, name + " " + problem}
		}
	}
	return b, nil
}

// parseObject reads the fields of a JSON object.
func parseObject(body []byte) (fields map[string]json.RawMessage, ok bool) {
	err := json.Unmarshal(body, &fields)
	return fields, err == nil && fields != nil
}

// oneOf reads a string that must be one of allowed, or tells the problem.
func oneOf[T ~string](raw json.RawMessage, into *T, allowed []T) (problem string) {
	var value T
	if json.Unmarshal(raw, &value) == nil && slices.Contains(allowed, value) {
		*into = value
		return ""
	}
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = string(a)
	}
	return "must be one of " + strings.Join(words, ", ")
}

package hooks

import (
	"time"

	"denwa/gateway"
)

// service is how one login service speaks.
type service struct {
	kind gateway.HookType
	// patience is how long it waits for an answer. Denwa's comes before.
	patience time.Duration
	// memory is how long a repeat of its request is known for one.
	memory time.Duration
	// verify says whether r is by the service, and if not, why: for the operator,
	// without anything of the request.
	verify func(h gateway.Hook, r *request) error
	// decode reads what is to be sent. It fails with a [*gateway.Error].
	decode func(h gateway.Hook, r *request) (order, error)
	// answer tells the service what became of its request.
	answer func(res *result) reply
}

// moment is the memory for services that try once, name no message, and send the
// same code again when a person asks for it: what comes sooner is a proxy's retry,
// what comes later isn't. It is longer than a send takes.
const moment = time.Minute

// services lists every login service. A new one is one more line and a file.
func services() []service {
	return []service{
		{gateway.HookSupabase, 5 * time.Second, gateway.IdempotencyLife, verifyStandardWebhook, decodeSupabase, answerSupabase},
		{gateway.HookKratos, 30 * time.Second, gateway.IdempotencyLife, verifySecret, decodeKratos, answerKratos},
		{gateway.HookZitadel, 5 * time.Second, gateway.IdempotencyLife, verifyZitadel, decodeZitadel, answerJSON},
		{gateway.HookLogto, 30 * time.Second, moment, verifySecret, decodeLogto, answerText},
		{gateway.HookAuthentik, 30 * time.Second, moment, verifySecret, decodeAuthentik, answerText},
		{gateway.HookOkta, 3 * time.Second, gateway.IdempotencyLife, verifySecret, decodeOkta, answerOkta},
		{gateway.HookKeycloak, 30 * time.Second, moment, verifyKeycloak, decodeKeycloak, answerJSON},
	}
}

// order is what a login service wants to have sent.
type order struct {
	// to is the number. Where the service leaves out the plus of all numbers,
	// international is set.
	to            string
	international bool
	// text is the message as the service wrote it; where it writes none, Denwa
	// puts code into the app's.
	text, code string
	// locale is the language of the text, or the one to write it in (BCP 47).
	locale string
	// call asks for a phone call.
	call bool
	// validFor is how long the code is valid; 0 if the request doesn't say.
	validFor time.Duration
	// clientIP is the person's address, if the request says it.
	clientIP string
	// key is what a repeat of the request has in common with it, and no other has.
	key []string
}

// margin is how long before the service gives up it has its answer, and within
// what providers may take of that together, each what one of them may.
func (s service) margin() time.Duration { return s.patience / 10 }

func (s service) within() time.Duration { return s.patience - 2*s.margin() }

func (s service) each() time.Duration { return s.within() * 5 / 8 }

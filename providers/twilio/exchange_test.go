package twilio

import (
	"context"
	"errors"
	"sync"

	"denwa/ivr"
	"denwa/providers"
)

// exchange is a switchboard with one verification, as the gateway has it.
type exchange struct {
	mu       sync.Mutex
	script   ivr.Script
	shown    string // the digits on the screen, in keyed mode
	attempts int    // that are left
	failures int    // how many questions to fail first
	gone     bool   // no such call

	result  ivr.Verdict // of the verification; empty while it is pending
	pressed []string
}

var errStoreDown = errors.New("store is down")

func (e *exchange) ask(delivery string) error {
	if e.failures > 0 {
		e.failures--
		return errStoreDown
	}
	if e.gone || delivery != testDelivery {
		return providers.ErrNoCall
	}
	return nil
}

func (e *exchange) Script(_ context.Context, delivery string) (ivr.Script, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.ask(delivery); err != nil {
		return ivr.Script{}, err
	}
	return e.script, nil
}

func (e *exchange) Press(_ context.Context, provider, delivery, keys string) (ivr.Verdict, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.ask(delivery); err != nil {
		return "", err
	}
	if provider != "twilio-main" {
		return "", errors.New("pressed at provider " + provider)
	}
	e.pressed = append(e.pressed, keys)
	switch {
	case e.result != "":
		return ivr.Over, nil
	case keys == "0#":
		e.result = ivr.Denied
	case keys == "#" && e.script.Mode == ivr.ModeConfirm, keys == e.shown && e.script.Mode == ivr.ModeKeyed:
		e.result = ivr.Approved
	default:
		if e.attempts--; e.attempts > 0 {
			return ivr.Wrong, nil
		}
		e.result = ivr.Over
	}
	return e.result, nil
}

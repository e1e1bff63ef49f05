package twiml

import (
	"errors"
	"net/url"
	"strings"

	"denwa/ivr"
)

// maxDigits bounds the keys of one callback, above all that a step listens for.
const maxDigits = 32

var errDigits = errors.New("digits are not keys of a phone")

// Answer reads the callback at the answer. Whom machine detection doesn't know
// may be a person; nothing comes of it without a key.
func Answer(form url.Values) ivr.Input {
	by := form.Get("AnsweredBy")
	if by == "fax" || strings.HasPrefix(by, "machine") {
		return ivr.Input{Kind: ivr.Machine}
	}
	return ivr.Input{Kind: ivr.Answered}
}

// Gathered reads the callback of a <Gather>. Keys count also if the person hung
// up right after them.
func Gathered(form url.Values) (ivr.Input, error) {
	keys := form.Get("Digits")
	if keys == "hangup" { // as <Record> has it
		return ivr.Input{Kind: ivr.HungUp}, nil
	}
	// The key that finished is not among the digits. Twilio sends it, but doesn't
	// document that; without it, the call asks where it must know.
	if form.Get("FinishedOnKey") == "#" && !strings.HasSuffix(keys, "#") {
		keys += "#"
	}
	switch {
	case len(keys) > maxDigits || strings.Trim(keys, "0123456789*#ABCD") != "":
		return ivr.Input{}, errDigits
	case keys != "":
		return ivr.Input{Kind: ivr.Keys, Keys: keys}, nil
	case ended(form.Get("CallStatus")):
		return ivr.Input{Kind: ivr.HungUp}, nil
	}
	return ivr.Input{Kind: ivr.Silence}, nil
}

// ended reports whether a call of this status is over.
func ended(status string) bool {
	switch status {
	case "completed", "busy", "failed", "no-answer", "canceled":
		return true
	}
	return false
}

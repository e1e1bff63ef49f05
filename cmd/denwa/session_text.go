package main

import (
	"fmt"
	"strings"
)

// opening says what was started.
func (s *session) opening() string {
	life := s.v.ExpiresAt.Sub(s.v.CreatedAt)
	switch {
	case s.v.Channel != channelVoice:
		return fmt.Sprintf("A code goes to %s by SMS. It is good for %s.", s.v.ToMasked, inWords(life))
	case s.v.Mode == modeCode:
		return fmt.Sprintf("A call to %s reads out a code. It is good for %s.", s.v.ToMasked, inWords(life))
	case s.v.Mode == modeKeyed:
		return fmt.Sprintf("A call to %s asks for digits. Type %s and # on the phone.", s.v.ToMasked, s.display)
	default:
		return fmt.Sprintf("A call to %s asks for a key. Press # on the phone.", s.v.ToMasked)
	}
}

// news is the latest about the delivery.
func (s *session) news() string {
	d := s.v.latest()
	if d.Channel == channelVoice {
		return callNews(d.Status)
	}
	return messageNews(d)
}

func messageNews(d delivery) string {
	switch d.Status {
	case "accepted":
		return "handed to " + d.Provider
	case "sent":
		return "on its way"
	case "delivered":
		return "delivered"
	case "undelivered":
		return "the carrier couldn't deliver it"
	case "failed":
		return "it wasn't sent"
	case "expired":
		return "it wasn't delivered in time"
	}
	return strings.ReplaceAll(d.Status, "_", " ")
}

func callNews(status string) string {
	switch status {
	case "accepted":
		return "calling"
	case "ringing", "answered", "confirmed", "denied":
		return status
	case "no_input":
		return "no key was pressed"
	case "wrong_input":
		return "other keys were pressed"
	case "hung_up":
		return "the call was hung up"
	case "machine":
		return "a machine answered"
	case "busy":
		return "the line is busy"
	case "no_answer":
		return "nobody answered"
	case "declined":
		return "the call was declined"
	case "unreachable":
		return "the phone can't be reached"
	case "failed":
		return "the call failed"
	}
	return strings.ReplaceAll(status, "_", " ")
}

// callOver reports whether a call ended without a result.
func callOver(status string) bool {
	switch status {
	case "no_input", "wrong_input", "hung_up", "machine", "busy", "no_answer", "declined", "unreachable", "failed":
		return true
	}
	return false
}

// hint says what can be done besides answering.
func (s *session) hint() string {
	what := "sends it again"
	if s.v.Channel == channelVoice {
		what = "calls again"
	}
	_, possible := s.nextSend()
	wait := s.wait()
	switch {
	case !possible:
		return ""
	case s.again:
		return what + " in " + inWords(wait)
	case wait > 0:
		return "r + Enter " + what + ", in " + inWords(wait)
	default:
		return "r + Enter " + what
	}
}

func (s *session) prompt() string {
	if s.v.Mode == modeCode {
		return "Code: "
	}
	return ""
}

func attempts(n int) string {
	if n == 1 {
		return "One attempt is left."
	}
	return fmt.Sprintf("%d attempts are left.", n)
}

// verdict says why a verification that is over wasn't approved.
func verdict(status string) string {
	switch status {
	case "failed":
		return "too many wrong codes"
	case "expired":
		return "the time is over"
	case "denied":
		return "the person on the phone didn't ask for it"
	}
	return "it was " + status
}

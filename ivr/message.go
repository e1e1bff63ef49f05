package ivr

import (
	"slices"
	"time"
)

// keyMessage is the key of a part of a caller's own message. No recording has it.
const keyMessage = "message"

// between is the silence between the two readings of a message.
const between = 1500 * time.Millisecond

// What is read digit by digit: a run of so many digits is a code, a shorter one
// a number of something.
const (
	minRun = 4
	maxRun = 10
)

// message reads the caller's words twice: people hold the phone to their ear
// when the first words are over.
func (s Script) message() []Prompt {
	once := s.words()
	twice := slices.Concat(once, once)
	twice[len(once)-1].Pause = between
	return twice
}

// words are the message once, its codes digit by digit.
func (s Script) words() []Prompt {
	var prompts []Prompt
	text := s.Message
	for text != "" {
		start, end := run(text)
		if start > 0 {
			prompts = append(prompts, Prompt{Key: keyMessage, Text: text[:start]})
		}
		prompts = append(prompts, s.spell(text[start:end])...)
		text = text[end:]
	}
	prompts[len(prompts)-1].Pause = sentence
	return prompts
}

// run finds the first run of digits in text that is a code; both are len(text)
// if there is none.
func run(text string) (start, end int) {
	for i := 0; i < len(text); i++ {
		if !isDigit(text[i]) {
			continue
		}
		start = i
		for i < len(text) && isDigit(text[i]) {
			i++
		}
		if n := i - start; n >= minRun && n <= maxRun {
			return start, i
		}
	}
	return len(text), len(text)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// Recorded is s in recorded words only, for a line that can't speak text: a
// message becomes the one code in it, read out as [ModeCode] does. ok is false
// if there isn't exactly one.
func (s Script) Recorded() (recorded Script, ok bool) {
	if s.Mode != ModeMessage {
		return s, true
	}
	start, end := run(s.Message)
	if start == end {
		return s, false
	}
	code, rest := s.Message[start:end], s.Message[end:]
	for rest != "" {
		start, end = run(rest)
		if start < end && rest[start:end] != code {
			return s, false
		}
		rest = rest[end:]
	}
	s.Mode, s.Code, s.Message = ModeCode, code, ""
	return s, true
}

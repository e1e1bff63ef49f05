// Package ivr is a call as data: what it says, which keys it waits for, and
// what comes next.
//
// It is pure. A [Script] and what happened give the next [Step]; whoever holds
// the line plays it and reports back: TwiML by callbacks, SIP in-process. The
// question whether keys approve a verification is handed out as an [Ask],
// because only the gateway can answer it.
package ivr

import (
	"strings"
	"time"
)

// Mode is how the call proves that somebody holds the phone.
type Mode string

// The modes.
const (
	// ModeConfirm: "#" approves.
	ModeConfirm Mode = "confirm"
	// ModeCode: the call reads the code out, which comes back through the page.
	ModeCode Mode = "code"
	// ModeKeyed: digits shown on the page are typed on the phone, then "#".
	ModeKeyed Mode = "keyed"
	// ModeMessage: the call reads a message and asks for nothing.
	ModeMessage Mode = "message"
)

// Script is a call as data. "0#" denies in every mode but [ModeMessage].
type Script struct {
	Mode Mode
	// Locale is one of [Locales]; any other is spoken as "en".
	Locale string
	// Brand is who calls, as the greeting names it; empty names nobody.
	Brand string
	// Code is what [ModeCode] reads out; empty in the other modes. What is typed
	// in [ModeKeyed] is compared by the gateway.
	Code string
	// Message is what [ModeMessage] reads, in the caller's words; empty in the
	// other modes.
	Message string
	// Digits is how many are expected in [ModeKeyed].
	Digits int
	// Greeting is the operator's own greeting; empty for the locale's.
	Greeting string
	// GreetingAudio is the operator's own recording of it; empty for none.
	GreetingAudio string
}

// Prompt is one utterance.
type Prompt struct {
	// Key names its recording, one of those in [Prompts].
	Key string
	// Text is what it says, for a synthesiser. A recording of [Key] "greeting"
	// leaves the brand out.
	Text string
	// Audio is the operator's recording to play instead, as in
	// [Script.GreetingAudio]; mostly empty.
	Audio string
	// Pause is the silence after it.
	Pause time.Duration
}

// Listen is what to wait for. It begins with the first prompt of its step: a
// key stops the prompts and counts. What was pressed before doesn't.
type Listen struct {
	// Max is how many keys end it.
	Max int
	// Finish is the key that ends it, "#" or "" for none.
	Finish string
	// Timeout is how long to wait for a first key after the last prompt, and for
	// each further key after the one before.
	Timeout time.Duration
}

// Step is what to do next: say all of it, then listen or hang up. One of the
// two is set, save in the empty step that comes with an [Ask].
type Step struct {
	Say    []Prompt
	Listen *Listen
	HangUp bool
}

// Ask are keys whose meaning only the gateway knows: "#" (approve), "0#" (deny)
// or the digits that were typed, without "#".
type Ask string

// The asks that aren't digits.
const (
	AskApprove Ask = "#"
	AskDeny    Ask = "0#"
)

// Verdict is the gateway's answer to an [Ask].
type Verdict string

// The verdicts.
const (
	// Approved: the verification is approved by these keys.
	Approved Verdict = "approved"
	// Denied: it is denied by these keys.
	Denied Verdict = "denied"
	// Wrong: these are other digits than those on the screen; more may be tried.
	Wrong Verdict = "wrong"
	// Over: the verification isn't pending any more, or just ended with these keys.
	Over Verdict = "over"
)

// Outcome is the delivery status that a call ends with; empty for no news.
type Outcome string

// The outcomes, as the contract spells them.
const (
	// OutcomeConfirmed: the person pressed what approves it.
	OutcomeConfirmed Outcome = "confirmed"
	// OutcomeDenied: the person reported that they didn't ask for it.
	OutcomeDenied Outcome = "denied"
	// OutcomeDelivered: the code was read out to its end.
	OutcomeDelivered Outcome = "delivered"
	// OutcomeNoInput: nobody pressed anything in any round.
	OutcomeNoInput Outcome = "no_input"
	// OutcomeWrongInput: what was pressed meant nothing, or nothing any more.
	OutcomeWrongInput Outcome = "wrong_input"
	// OutcomeHungUp: the person hung up before the end.
	OutcomeHungUp Outcome = "hung_up"
	// OutcomeMachine: voicemail or a fax answered.
	OutcomeMachine Outcome = "machine"
)

// Outcomes lists every outcome.
func Outcomes() []Outcome {
	return []Outcome{
		OutcomeConfirmed, OutcomeDenied, OutcomeDelivered, OutcomeNoInput, OutcomeWrongInput, OutcomeHungUp, OutcomeMachine,
	}
}

const (
	// sentence is the silence after a sentence.
	sentence = 500 * time.Millisecond
	// slowly is the silence after a digit: time to write it down.
	slowly = 700 * time.Millisecond

	// answerTime is how long a person may think.
	answerTime = 10 * time.Second
	// farewell is how long the end of a code is open for a denial.
	farewell = 5 * time.Second
	// maxKeys bounds what is taken at once; nobody's code is as long.
	maxKeys = 20
)

// ask is the step that asks the script's question, after a first prompt.
func (s Script) ask(first Prompt) Step {
	if s.Mode == ModeMessage {
		// A message begins with its own words, and nothing is asked.
		return Step{Say: s.message(), Listen: &Listen{Max: 1, Timeout: time.Second}}
	}
	say := []Prompt{first}
	listen := &Listen{Max: 1, Timeout: answerTime}
	switch s.Mode {
	case ModeCode:
		say = append(say, s.prompt(keyYourCode))
		say = append(say, s.digits()...)
		say = append(say, s.prompt(keyCodeAgain))
		say = append(say, s.digits()...)
		listen.Timeout = farewell
	case ModeKeyed:
		say = append(say, s.prompt(keyTypeDigits))
		listen.Max, listen.Finish = maxKeys, "#"
	case ModeConfirm:
		say = append(say, s.prompt(keyPressHash))
	case ModeMessage: // above
	}
	return Step{Say: append(say, s.prompt(keyPressZeroHash)), Listen: listen}
}

// report is the step after a "0": it wants the "#" of a denial, and tells so,
// because a "#" that followed at once may have been lost between two steps.
func (s Script) report() Step {
	return Step{Say: []Prompt{s.prompt(keyReport)}, Listen: &Listen{Max: 1, Timeout: answerTime}}
}

// end is the step that says one last thing.
func (s Script) end(key string) Step {
	return Step{Say: []Prompt{s.prompt(key)}, HangUp: true}
}

func (s Script) greeting() Prompt {
	p := s.prompt(keyGreeting)
	switch {
	case s.Greeting != "":
		p.Text = s.Greeting
	case s.Brand != "":
		p.Text = strings.ReplaceAll(textsFor(s.Locale)[keyGreetingBrand], "{brand}", s.Brand)
	}
	p.Audio = s.GreetingAudio
	return p
}

// digits reads the code, one digit at a time.
func (s Script) digits() []Prompt { return s.spell(s.Code) }

func (s Script) spell(digits string) []Prompt {
	prompts := make([]Prompt, 0, len(digits))
	for _, c := range digits {
		p := s.prompt(keyDigit + string(c))
		p.Pause = slowly
		prompts = append(prompts, p)
	}
	return prompts
}

func (s Script) prompt(key string) Prompt {
	return Prompt{Key: key, Text: textsFor(s.Locale)[key], Pause: sentence}
}

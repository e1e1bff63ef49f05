package ivr

import (
	"errors"
	"fmt"
	"strings"
)

// InputKind is what happened on the line.
type InputKind uint8

// What can happen.
const (
	// Answered: somebody picked up, a person for all that is known.
	Answered InputKind = iota + 1
	// Machine: voicemail or a fax picked up.
	Machine
	// Keys: keys were pressed after the step's first prompt began.
	Keys
	// Silence: the time to listen is over, and nothing was pressed.
	Silence
	// HungUp: the person hung up. A verdict that was asked for comes first.
	HungUp
	// Judged: the gateway answered the last [Ask].
	Judged
)

// Input is what happened. Keys goes with [Keys], and holds the key that ended
// it where the line tells; Verdict goes with [Judged].
type Input struct {
	Kind    InputKind
	Keys    string
	Verdict Verdict
}

// maxRounds is how often a question is put.
const maxRounds = 3

// State is where a call stands. The zero State is a call that nobody answered
// yet. It is comparable, and holds nothing of the script.
type State struct {
	phase phase
	// rounds are those that led nowhere.
	rounds uint8
	// pressed is whether any key was, ever.
	pressed bool
}

// phase is what the call waits for.
type phase uint8

const (
	waiting phase = iota // for an answer
	asking               // for keys
	denying              // for the "#" of "0#"
	judging              // for the gateway
	over                 // for nothing
)

const phases = "wadjo" // in a state's text, by phase

var errState = errors.New("not the state of a call")

// Over reports whether nothing more can happen.
func (st State) Over() bool { return st.phase == over }

// String is the state as [ParseState] reads it: letters and digits only.
func (st State) String() string {
	text := fmt.Sprintf("%c%d", phases[st.phase], st.rounds)
	if st.pressed {
		text += "k"
	}
	return text
}

// ParseState reads what [State.String] wrote, and nothing else.
func ParseState(text string) (State, error) {
	rest, pressed := strings.CutSuffix(text, "k")
	if len(rest) == 2 && rest[1] >= '0' && rest[1] < '0'+maxRounds {
		for p := waiting; p <= over; p++ {
			if phases[p] == rest[0] {
				return State{phase: p, rounds: rest[1] - '0', pressed: pressed}, nil
			}
		}
	}
	return State{}, errState
}

// Begin is the call at the answer of a person.
func (s Script) Begin() (State, Step) {
	return State{phase: asking}, s.ask(s.greeting())
}

// Next is what follows when in happens in st.
//
// With an Ask, the step is empty: put the keys to the gateway and feed its
// verdict back. Anything that can't happen in st, such as a verdict that
// wasn't asked for, and anything after the end, hangs up and is no news.
func (s Script) Next(st State, in Input) (State, Step, Outcome, Ask) {
	switch {
	case st.phase == over:
		return hangUp("")
	case in.Kind == Machine:
		return hangUp(OutcomeMachine)
	case in.Kind == HungUp:
		return hangUp(OutcomeHungUp)
	}
	switch st.phase {
	case waiting:
		if in.Kind == Answered {
			st, step := s.Begin()
			return st, step, "", ""
		}
	case asking:
		switch {
		case in.Kind == Silence, in.Kind == Keys && s.blank(in.Keys):
			return s.silent(st)
		case in.Kind == Keys:
			st.pressed = true
			return s.keys(st, in.Keys)
		}
	case denying:
		switch {
		case in.Kind == Silence, in.Kind == Keys && in.Keys == "":
			return s.silent(st)
		case in.Kind == Keys && in.Keys == "#":
			return judge(st, AskDeny)
		case in.Kind == Keys:
			return s.wrong(st)
		}
	case judging:
		if in.Kind == Judged {
			return s.judged(st, in.Verdict)
		}
	case over: // above
	}
	return hangUp("")
}

// blank reports whether keys are as good as silence. Not every line can tell
// silence from the key that finishes digits.
func (s Script) blank(keys string) bool {
	return keys == "" || keys == "#" && s.Mode == ModeKeyed
}

// keys is what follows when the person answers the question.
func (s Script) keys(st State, keys string) (State, Step, Outcome, Ask) {
	typed := strings.TrimSuffix(keys, "#")
	switch {
	case s.Mode == ModeMessage: // it asks for none, so this may be "say that again"
		return s.again(st, Prompt{})
	case keys == "0#":
		return judge(st, AskDeny)
	case keys == "0":
		st.phase = denying
		return st, s.report(), "", ""
	case s.Mode == ModeConfirm && keys == "#":
		return judge(st, AskApprove)
	case s.Mode == ModeKeyed && len(typed) == s.Digits && digits(typed):
		return judge(st, Ask(typed))
	}
	return s.wrong(st)
}

func judge(st State, ask Ask) (State, Step, Outcome, Ask) {
	st.phase = judging
	return st, Step{}, "", ask
}

func (s Script) judged(st State, v Verdict) (State, Step, Outcome, Ask) {
	switch v {
	case Approved:
		return State{phase: over}, s.end(keyApproved), OutcomeConfirmed, ""
	case Denied:
		return State{phase: over}, s.end(keyDenied), OutcomeDenied, ""
	case Wrong:
		return s.wrong(st)
	case Over:
	}
	return s.giveUp(st)
}

// silent asks again from the start: who was silent may have heard nothing yet.
// A code or message that was heard to its end needs no answer.
func (s Script) silent(st State) (State, Step, Outcome, Ask) {
	if (s.Mode == ModeCode || s.Mode == ModeMessage) && st.phase == asking {
		return State{phase: over}, s.end(keyGoodbye), OutcomeDelivered, ""
	}
	return s.again(st, s.greeting())
}

// wrong says so and asks again.
func (s Script) wrong(st State) (State, Step, Outcome, Ask) {
	if s.Mode == ModeKeyed {
		return s.again(st, s.prompt(keyWrongDigits))
	}
	return s.again(st, s.prompt(keyWrongKey))
}

// again asks once more, after a first prompt, unless all rounds are used up.
func (s Script) again(st State, first Prompt) (State, Step, Outcome, Ask) {
	st.rounds++
	if st.rounds >= maxRounds {
		return s.giveUp(st)
	}
	st.phase = asking
	return st, s.ask(first), "", ""
}

// giveUp says goodbye.
func (s Script) giveUp(st State) (State, Step, Outcome, Ask) {
	outcome := OutcomeNoInput
	if st.pressed {
		outcome = OutcomeWrongInput
	}
	return State{phase: over}, s.end(keyGoodbye), outcome, ""
}

func hangUp(outcome Outcome) (State, Step, Outcome, Ask) {
	return State{phase: over}, Step{HangUp: true}, outcome, ""
}

func digits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

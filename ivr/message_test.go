package ivr

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMessageIsReadTwice(t *testing.T) {
	s := Script{Mode: ModeMessage, Locale: "ja", Message: "確認コードは 0123 です。5分間有効です。"}
	st, step := s.Begin()
	slow := 700 * time.Millisecond
	once := []Prompt{
		{Key: "message", Text: "確認コードは "},
		{Key: "digit_0", Text: "ゼロ", Pause: slow},
		{Key: "digit_1", Text: "いち", Pause: slow},
		{Key: "digit_2", Text: "に", Pause: slow},
		{Key: "digit_3", Text: "さん", Pause: slow},
		{Key: "message", Text: " です。5分間有効です。", Pause: 1500 * time.Millisecond},
	}
	want := slices.Concat(once, once)
	want[11].Pause = 500 * time.Millisecond
	if diff := cmp.Diff(want, step.Say); diff != "" {
		t.Error(diff)
	}
	st, step, outcome, ask := s.Next(st, Input{Kind: Keys, Keys: "1"})
	if outcome != "" || ask != "" || len(step.Say) != 12 || step.Listen == nil {
		t.Errorf("a key leads to %v, %q, %q; want the message again", step, outcome, ask)
	}
	st, step, outcome, ask = s.Next(st, Input{Kind: Silence})
	if outcome != OutcomeDelivered || ask != "" || !step.HangUp || !st.Over() {
		t.Errorf("the end leads to %v, %q, %q; want a delivered message", step, outcome, ask)
	}
}

// Nothing that a person presses during a message says anything about a verification.
func TestMessageAsksNothing(t *testing.T) {
	s := Script{Mode: ModeMessage, Locale: "en", Message: "Hello"}
	for _, keys := range []string{"#", "0", "0#", "012345", "012345#", "*"} {
		st, _ := s.Begin()
		for range maxRounds {
			next, _, _, ask := s.Next(st, Input{Kind: Keys, Keys: keys})
			if ask != "" {
				t.Errorf("%q is put to the gateway as %q", keys, ask)
			}
			st = next
		}
		if !st.Over() {
			t.Errorf("%q three times doesn't end the call", keys)
		}
	}
}

func TestRecorded(t *testing.T) {
	for message, code := range map[string]string{
		"Your code is 012345.":               "012345",
		"012345":                             "012345",
		"012345 is your code. Again: 012345": "012345",
		"Use 012345 within 10 min.":          "012345",
		"Call 03-1234-5678":                  "", // which of the two?
		"No code":                            "",
		"Too long: 01234567890":              "",
		"":                                   "",
	} {
		s, ok := Script{Mode: ModeMessage, Message: message}.Recorded()
		if ok != (code != "") || ok && (s.Code != code || s.Mode != ModeCode || s.Message != "") {
			t.Errorf("%q: %+v, %v; want the code %q", message, s, ok, code)
		}
	}
	confirm := Script{Mode: ModeConfirm, Brand: "Example"}
	if s, ok := confirm.Recorded(); !ok || s != confirm {
		t.Errorf("%+v, %v; want it unchanged", s, ok)
	}
}

package ivr

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// parse reads an input of a test: keys as they are, "-" for silence, or a word.
func parse(word string) Input {
	switch word {
	case "-":
		return Input{Kind: Silence}
	case "answered":
		return Input{Kind: Answered}
	case "machine":
		return Input{Kind: Machine}
	case "hang-up":
		return Input{Kind: HungUp}
	case "approved", "denied", "wrong", "over":
		return Input{Kind: Judged, Verdict: Verdict(word)}
	}
	return Input{Kind: Keys, Keys: word}
}

// tell is a step as a test writes it: the prompts, then what comes, "?" with
// the most keys and the one that finishes, or "bye". Digits are pulled together.
func tell(step Step) string {
	var words []string
	for _, p := range step.Say {
		digit, ok := strings.CutPrefix(p.Key, "digit_")
		switch {
		case ok && p.Pause == slowly && len(words) > 0 && strings.Trim(words[len(words)-1], "0123456789") == "":
			words[len(words)-1] += digit
		case ok && p.Pause == slowly:
			words = append(words, digit)
		case p.Pause == sentence:
			words = append(words, p.Key)
		default:
			words = append(words, p.Key+" with a wrong pause")
		}
	}
	if l := step.Listen; l != nil {
		words = append(words, fmt.Sprintf("?%d%s %v", l.Max, l.Finish, l.Timeout))
	}
	if step.HangUp {
		words = append(words, "bye")
	}
	return strings.Join(words, " ")
}

// What a call says in each mode; the greeting comes first, or what was wrong.
const (
	confirm = "press_hash press_zero_hash ?1 10s"
	code    = "your_code 012345 code_again 012345 press_zero_hash ?1 5s"
	keyed   = "type_digits press_zero_hash ?20# 10s"
	report  = "report ?1 10s"
	goodbye = "goodbye bye"
)

func TestCalls(t *testing.T) {
	tests := []struct {
		mode  Mode
		input string   // after the answer
		steps []string // after the first
		want  Outcome
	}{
		{ModeConfirm, "# approved", []string{"> #", "approved bye"}, OutcomeConfirmed},
		{ModeConfirm, "# over", []string{"> #", goodbye}, OutcomeWrongInput},
		{ModeConfirm, "0 # denied", []string{report, "> 0#", "denied bye"}, OutcomeDenied},
		{ModeConfirm, "0# denied", []string{"> 0#", "denied bye"}, OutcomeDenied},
		{ModeConfirm, "0 # over", []string{report, "> 0#", goodbye}, OutcomeWrongInput},
		{ModeConfirm, "1 * 9", []string{"wrong_key " + confirm, "wrong_key " + confirm, goodbye}, OutcomeWrongInput},
		{ModeConfirm, "- - -", []string{"greeting " + confirm, "greeting " + confirm, goodbye}, OutcomeNoInput},
		{ModeConfirm, "- 1 -", []string{"greeting " + confirm, "wrong_key " + confirm, goodbye}, OutcomeWrongInput},
		{ModeConfirm, "1 - # approved", []string{"wrong_key " + confirm, "greeting " + confirm, "> #", "approved bye"}, OutcomeConfirmed},
		{ModeConfirm, "0 - # approved", []string{report, "greeting " + confirm, "> #", "approved bye"}, OutcomeConfirmed},
		{ModeConfirm, "0 0 # approved", []string{report, "wrong_key " + confirm, "> #", "approved bye"}, OutcomeConfirmed},
		{ModeConfirm, "0 1 0 1 0 1", []string{report, "wrong_key " + confirm, report, "wrong_key " + confirm, report, goodbye}, OutcomeWrongInput},
		{ModeConfirm, "0 - 0 - 0 -", []string{report, "greeting " + confirm, report, "greeting " + confirm, report, goodbye}, OutcomeWrongInput},
		{ModeConfirm, "##", []string{"wrong_key " + confirm}, ""},
		{ModeConfirm, "hang-up", []string{"bye"}, OutcomeHungUp},
		{ModeConfirm, "0 hang-up", []string{report, "bye"}, OutcomeHungUp},
		{ModeConfirm, "machine", []string{"bye"}, OutcomeMachine},
		{ModeConfirm, "# approved #", []string{"> #", "approved bye", "bye"}, ""},
		{ModeConfirm, "# approved hang-up", []string{"> #", "approved bye", "bye"}, ""},
		{ModeConfirm, "approved", []string{"bye"}, ""},
		{ModeConfirm, "# #", []string{"> #", "bye"}, ""},
		{ModeConfirm, "answered", []string{"bye"}, ""},

		{ModeCode, "-", []string{goodbye}, OutcomeDelivered},
		{ModeCode, "0 # denied", []string{report, "> 0#", "denied bye"}, OutcomeDenied},
		{ModeCode, "0# denied", []string{"> 0#", "denied bye"}, OutcomeDenied},
		{ModeCode, "0 - -", []string{report, "greeting " + code, goodbye}, OutcomeDelivered},
		{ModeCode, "# -", []string{"wrong_key " + code, goodbye}, OutcomeDelivered},
		{ModeCode, "# 1 2", []string{"wrong_key " + code, "wrong_key " + code, goodbye}, OutcomeWrongInput},
		{ModeCode, "hang-up", []string{"bye"}, OutcomeHungUp},
		{ModeCode, "machine", []string{"bye"}, OutcomeMachine},

		{ModeKeyed, "012345# approved", []string{"> 012345", "approved bye"}, OutcomeConfirmed},
		{ModeKeyed, "012345 approved", []string{"> 012345", "approved bye"}, OutcomeConfirmed},
		{ModeKeyed, "999999# wrong 012345# approved", []string{"> 999999", "wrong_digits " + keyed, "> 012345", "approved bye"}, OutcomeConfirmed},
		{ModeKeyed, "999999# wrong 999998 wrong 999997# wrong", []string{"> 999999", "wrong_digits " + keyed, "> 999998", "wrong_digits " + keyed, "> 999997", goodbye}, OutcomeWrongInput},
		{ModeKeyed, "999999# over", []string{"> 999999", goodbye}, OutcomeWrongInput},
		{ModeKeyed, "01234# 0123456# 01234*#", []string{"wrong_digits " + keyed, "wrong_digits " + keyed, goodbye}, OutcomeWrongInput},
		{ModeKeyed, "0# denied", []string{"> 0#", "denied bye"}, OutcomeDenied},
		{ModeKeyed, "0 # denied", []string{report, "> 0#", "denied bye"}, OutcomeDenied},
		{ModeKeyed, "0 - 012345# approved", []string{report, "greeting " + keyed, "> 012345", "approved bye"}, OutcomeConfirmed},
		{ModeKeyed, "0 1 hang-up", []string{report, "wrong_digits " + keyed, "bye"}, OutcomeHungUp},
		{ModeKeyed, "# - #", []string{"greeting " + keyed, "greeting " + keyed, goodbye}, OutcomeNoInput},
		{ModeKeyed, "hang-up", []string{"bye"}, OutcomeHungUp},
		{ModeKeyed, "machine", []string{"bye"}, OutcomeMachine},
	}
	first := map[Mode]string{ModeConfirm: confirm, ModeCode: code, ModeKeyed: keyed}
	for _, locale := range Locales() {
		for _, tt := range tests {
			t.Run(fmt.Sprint(locale, " ", tt.mode, " ", tt.input), func(t *testing.T) {
				s := Script{Mode: tt.mode, Locale: locale, Code: "012345", Digits: 6}
				st, step := s.Begin()
				if got, want := tell(step), "greeting "+first[tt.mode]; got != want {
					t.Errorf("begins with %q, want %q", got, want)
				}
				var steps []string
				var last Outcome
				for word := range strings.FieldsSeq(tt.input) {
					if last != "" && word != "#" && word != "hang-up" {
						t.Fatalf("ended with %q before %q", last, word)
					}
					var ask Ask
					st, step, last, ask = s.Next(st, parse(word))
					if ask != "" {
						if diff := cmp.Diff(Step{}, step); diff != "" || last != "" {
							t.Errorf("an ask comes with outcome %q and step %s", last, diff)
						}
						steps = append(steps, "> "+string(ask))
						continue
					}
					steps = append(steps, tell(step))
					inLocale(t, locale, step)
				}
				if diff := cmp.Diff(tt.steps, steps); diff != "" {
					t.Errorf("steps (-want +got):\n%s", diff)
				}
				if last != tt.want {
					t.Errorf("outcome %q, want %q", last, tt.want)
				}
				if st.Over() != step.HangUp {
					t.Errorf("over is %v, hangs up is %v", st.Over(), step.HangUp)
				}
			})
		}
	}
}

// inLocale checks that a step says what is recorded in the locale.
func inLocale(t *testing.T, locale string, step Step) {
	t.Helper()
	for _, p := range step.Say {
		if !slices.ContainsFunc(Prompts(locale), func(r Prompt) bool { return r.Key == p.Key && r.Text == p.Text }) {
			t.Errorf("%s: %q is not recorded in %s", p.Key, p.Text, locale)
		}
	}
}

// The zero state is a call that rings.
func TestBeforeTheAnswer(t *testing.T) {
	s := Script{Mode: ModeConfirm, Locale: "ja"}
	st, step, outcome, ask := s.Next(State{}, Input{Kind: Answered})
	begun, first := s.Begin()
	if st != begun || !cmp.Equal(step, first) || outcome != "" || ask != "" {
		t.Errorf("answered: %v %v %q %q, want what Begin gives", st, step, outcome, ask)
	}
	for word, want := range map[string]Outcome{
		"machine": OutcomeMachine, "hang-up": OutcomeHungUp, "#": "", "0#": "", "-": "", "approved": "",
	} {
		st, step, outcome, ask := s.Next(State{}, parse(word))
		if !st.Over() || !step.HangUp || len(step.Say) > 0 || outcome != want || ask != "" {
			t.Errorf("%s before the answer: %v %v %q %q, want a hang-up with %q", word, st, step, outcome, ask, want)
		}
	}
}

func TestGreeting(t *testing.T) {
	for name, test := range map[string]struct {
		script Script
		want   Prompt
	}{
		"plain": {Script{Locale: "en"}, Prompt{Text: "This is an automated call to verify your phone number."}},
		"brand": {Script{Locale: "en", Brand: "A & B"}, Prompt{Text: "This is an automated call from A & B to verify your phone number."}},
		"ja":    {Script{Locale: "ja", Brand: "例"}, Prompt{Text: "例から、電話番号を確認するための、自動音声のお電話です。"}},
		"text":  {Script{Locale: "ja", Brand: "例", Greeting: "例です。"}, Prompt{Text: "例です。"}},
		"audio": {Script{Locale: "ja", GreetingAudio: "https://example.jp/a.wav"}, Prompt{Text: "電話番号を確認するための、自動音声のお電話です。", Audio: "https://example.jp/a.wav"}},
	} {
		t.Run(name, func(t *testing.T) {
			test.want.Key, test.want.Pause = "greeting", sentence
			test.script.Mode = ModeConfirm
			_, step := test.script.Begin()
			if diff := cmp.Diff(test.want, step.Say[0]); diff != "" {
				t.Errorf("greeting (-want +got):\n%s", diff)
			}
			_, step, _, _ = test.script.Next(State{phase: asking}, Input{Kind: Silence})
			if diff := cmp.Diff(test.want, step.Say[0]); diff != "" {
				t.Errorf("repeated greeting (-want +got):\n%s", diff)
			}
		})
	}
}

// The code is read twice, digit by digit, with leading zeros, and slowly.
func TestCodeIsReadSlowly(t *testing.T) {
	_, step := Script{Mode: ModeCode, Locale: "ja", Code: "007001"}.Begin()
	var said []string
	var silence time.Duration
	for _, p := range step.Say {
		if strings.HasPrefix(p.Key, "digit_") {
			said = append(said, p.Text)
			silence += p.Pause
		}
	}
	want := []string{"ゼロ", "ゼロ", "なな", "ゼロ", "ゼロ", "いち"}
	if diff := cmp.Diff(slices.Concat(want, want), said); diff != "" {
		t.Errorf("digits (-want +got):\n%s", diff)
	}
	if silence < 12*500*time.Millisecond {
		t.Errorf("all pauses together are %v", silence)
	}
}

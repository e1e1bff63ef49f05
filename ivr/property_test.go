package ivr

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func anyScript() *rapid.Generator[Script] {
	return rapid.Custom(func(t *rapid.T) Script {
		return Script{
			Mode:   rapid.SampledFrom([]Mode{ModeConfirm, ModeCode, ModeKeyed, ModeMessage}).Draw(t, "mode"),
			Locale: rapid.SampledFrom(Locales()).Draw(t, "locale"),
			Code:   "012345", Digits: 6, Message: "Your code is 012345.",
		}
	})
}

func anyInput() *rapid.Generator[Input] {
	return rapid.Custom(func(t *rapid.T) Input {
		return Input{
			Kind: InputKind(rapid.IntRange(0, int(Judged)+1).Draw(t, "kind")),
			Keys: rapid.OneOf(
				rapid.SampledFrom([]string{"#", "0", "0#", "012345", "012345#", "999999#", "1", "*", ""}),
				rapid.StringMatching(`[0-9*#]{0,20}`),
			).Draw(t, "keys"),
			Verdict: rapid.SampledFrom([]Verdict{Approved, Denied, Wrong, Over, "", "else"}).Draw(t, "verdict"),
		}
	})
}

// maxInputs is how many inputs end any call: in each round a "0", another key
// and a verdict.
const maxInputs = 1 + 3*maxRounds

// Whatever happens, a call ends soon, with one outcome at most; and it is
// confirmed or denied only by a verdict on keys that were pressed after the
// first prompt began.
func TestAnyCall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScript().Draw(t, "script")
		var st State
		begun := false
		var asked Ask
		outcomes := 0
		for i, in := range rapid.SliceOfN(anyInput(), maxInputs, maxInputs).Draw(t, "inputs") {
			was := st
			next, step, outcome, ask := s.Next(st, in)
			if read, err := ParseState(next.String()); err != nil || read != next {
				t.Fatalf("state %q is read as %v, %v", next, read, err)
			}
			switch {
			case ask != "" && (step.Listen != nil || step.HangUp || len(step.Say) > 0):
				t.Fatalf("ask %q comes with a step", ask)
			case ask == "" && (step.Listen != nil) == step.HangUp:
				t.Fatalf("step %d neither listens nor hangs up, or both", i)
			case next.Over() != step.HangUp:
				t.Fatalf("over is %v, hangs up is %v", next.Over(), step.HangUp)
			case step.Listen != nil && (len(step.Say) == 0 || step.Listen.Max < 1 || step.Listen.Timeout <= 0):
				t.Fatalf("step %d asks nothing", i)
			case was.Over() && (outcome != "" || len(step.Say) > 0):
				t.Fatal("something happens after the end")
			case ask != "" && (!begun || in.Kind != Keys || strings.Trim(string(ask), "#") != strings.Trim(in.Keys, "#") && ask != AskDeny):
				t.Fatalf("ask %q from %+v, begun is %v", ask, in, begun)
			case ask == AskApprove && s.Mode != ModeConfirm:
				t.Fatalf("%s approves in mode %s", ask, s.Mode)
			case (outcome == OutcomeConfirmed || outcome == OutcomeDenied) && (asked == "" || in.Kind != Judged):
				t.Fatalf("%s without an ask", outcome)
			}
			if outcome != "" {
				outcomes++
			}
			begun = begun || step.Listen != nil
			asked, st = ask, next
		}
		if !st.Over() || outcomes > 1 {
			t.Fatalf("%d inputs leave the call at %v, with %d outcomes", maxInputs, st, outcomes)
		}
	})
}

func FuzzNext(f *testing.F) {
	f.Add("confirm", "a0", uint8(Keys), "#", "")
	f.Add("keyed", "a2k", uint8(Keys), "012345#", "")
	f.Add("code", "d1k", uint8(Keys), "#", "")
	f.Add("confirm", "j0k", uint8(Judged), "", "approved")
	f.Add("", "w2k", uint8(Answered), "", "")
	f.Fuzz(func(t *testing.T, mode, state string, kind uint8, keys, verdict string) {
		st, err := ParseState(state)
		if err != nil {
			t.Skip()
		}
		s := Script{Mode: Mode(mode), Locale: "ja", Code: "012345", Digits: 6}
		in := Input{Kind: InputKind(kind), Keys: keys, Verdict: Verdict(verdict)}
		next, step, outcome, ask := s.Next(st, in)
		again, stepAgain, outcomeAgain, askAgain := s.Next(st, in)
		if next != again || outcome != outcomeAgain || ask != askAgain || !cmp.Equal(step, stepAgain) {
			t.Error("the same gives something else the second time")
		}
		if !next.Over() && st.phase != waiting && next.rounds < st.rounds {
			t.Errorf("from round %d back to round %d", st.rounds, next.rounds)
		}
		if outcome == OutcomeConfirmed && (st.phase != judging || in.Kind != Judged || in.Verdict != Approved) {
			t.Errorf("confirmed from %v by %+v", st, in)
		}
		if ask != "" && in.Kind != Keys {
			t.Errorf("asks %q after %+v", ask, in)
		}
	})
}

func FuzzParseState(f *testing.F) {
	for _, seed := range []string{"w0", "a2k", "d1", "j2k", "o0", "", "k", "kk", "a0kk", "a3", "x0", "a/", "a0 "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		st, err := ParseState(text)
		switch {
		case err != nil && st != State{}:
			t.Errorf("%q fails and is %v", text, st)
		case err == nil && st.String() != text:
			t.Errorf("%q is read as %v", text, st)
		}
	})
}

package sipcall

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"denwa/ivr"
)

// line is a phone that answers a player, without a clock.
type line struct {
	t        *testing.T
	player   *player
	outcomes []ivr.Outcome
	frames   int
}

func newLine(t *testing.T, s ivr.Script, extension string, events bool) *line {
	l := &line{t: t}
	l.player = newPlayer(s, extension, events, shippedPrompts(t), func(o ivr.Outcome) { l.outcomes = append(l.outcomes, o) })
	return l
}

// run plays for so long, or to the end, and returns what was heard.
func (l *line) run(d time.Duration) (sound []byte, ended bool) {
	for range d / frameTime {
		f, ok := l.player.next()
		if !ok {
			return sound, true
		}
		l.frames++
		sound = append(sound, f.sound...)
		sound = append(sound, nothing[len(f.sound):]...)
	}
	return sound, false
}

// says reports whether a prompt's recording is in sound.
func (l *line) says(sound []byte, key string) bool {
	recording := l.player.prompts.of(l.player.script.Locale, ivr.Prompt{Key: key})
	return len(recording) > 0 && bytes.Contains(sound, recording[:len(recording)/2])
}

var confirm = ivr.Script{Mode: ivr.ModeConfirm, Locale: "ja"}

func TestPlayerConfirms(t *testing.T) {
	l := newLine(t, confirm, "", true)
	sound, _ := l.run(6 * time.Second)
	if !l.says(sound, "greeting") || l.says(sound, "press_zero_hash") {
		t.Error("six seconds should hold the greeting, and not the last prompt")
	}
	l.player.press('#')
	if l.player.asked != ivr.AskApprove {
		t.Fatalf("asked %q", l.player.asked)
	}
	sound, _ = l.run(time.Second)
	if slices.ContainsFunc(sound, func(b byte) bool { return b != silence }) {
		t.Error("a key doesn't stop the prompts")
	}
	l.player.press('9') // nothing any more
	l.player.judged(ivr.Approved)
	sound, ended := l.run(time.Minute)
	if !ended || !l.says(sound, "approved") || !slices.Equal(l.outcomes, []ivr.Outcome{ivr.OutcomeConfirmed}) {
		t.Errorf("ended %t, outcomes %v", ended, l.outcomes)
	}
}

// A key before the first prompt began is nobody's consent.
func TestPlayerIgnoresEarlyKeys(t *testing.T) {
	l := newLine(t, confirm, "", true)
	l.player.press('#')
	l.run(leadIn)
	l.player.press('#')
	if l.player.asked != "" {
		t.Fatal("a key counts that was pressed before the prompt began")
	}
	l.run(frameTime)
	l.player.press('#')
	if l.player.asked != ivr.AskApprove {
		t.Fatal("a key doesn't count that was pressed after the prompt began")
	}
}

func TestPlayerDenies(t *testing.T) {
	l := newLine(t, confirm, "", true)
	l.run(2 * time.Second)
	l.player.press('0')
	l.run(200 * time.Millisecond)
	l.player.press('#')
	if l.player.asked != ivr.AskDeny {
		t.Fatalf("asked %q", l.player.asked)
	}
	l.player.judged(ivr.Denied)
	if sound, ended := l.run(time.Minute); !ended || !l.says(sound, "denied") {
		t.Error("the denial isn't confirmed")
	}
	if !slices.Equal(l.outcomes, []ivr.Outcome{ivr.OutcomeDenied}) {
		t.Errorf("outcomes %v", l.outcomes)
	}
}

func TestPlayerSilence(t *testing.T) {
	l := newLine(t, confirm, "", true)
	sound, ended := l.run(5 * time.Minute)
	if !ended || !l.says(sound, "goodbye") || !slices.Equal(l.outcomes, []ivr.Outcome{ivr.OutcomeNoInput}) {
		t.Errorf("ended %t, outcomes %v", ended, l.outcomes)
	}
	recording := l.player.prompts.of("ja", ivr.Prompt{Key: "press_hash"})
	if n := bytes.Count(sound, recording[:len(recording)/2]); n != 3 {
		t.Errorf("asked %d times, not 3", n)
	}
	// Three rounds of prompts, and of 10 seconds.
	if length := time.Duration(l.frames) * frameTime; length < 60*time.Second || length > 90*time.Second {
		t.Errorf("it took %v", length)
	}
}

func TestPlayerKeyed(t *testing.T) {
	l := newLine(t, ivr.Script{Mode: ivr.ModeKeyed, Locale: "en", Digits: 6}, "", true)
	l.run(3 * time.Second)
	for _, key := range "123456" {
		l.player.press(byte(key))
		l.run(8 * time.Second) // less than what ends it
	}
	if l.player.asked != "" {
		t.Fatal("asked before the last key")
	}
	l.player.press('#')
	if l.player.asked != "123456" {
		t.Fatalf("asked %q", l.player.asked)
	}
	l.player.judged(ivr.Wrong)
	if sound, _ := l.run(10 * time.Second); !l.says(sound, "wrong_digits") {
		t.Error("it doesn't say that they are wrong")
	}
	for _, key := range "000000" {
		l.player.press(byte(key))
	}
	l.run(11 * time.Second) // no "#"
	if l.player.asked != "000000" {
		t.Fatalf("asked %q", l.player.asked)
	}
	l.player.judged(ivr.Over)
	if _, ended := l.run(time.Minute); !ended || !slices.Equal(l.outcomes, []ivr.Outcome{ivr.OutcomeWrongInput}) {
		t.Errorf("ended %t, outcomes %v", ended, l.outcomes)
	}
}

func TestPlayerReadsCode(t *testing.T) {
	l := newLine(t, ivr.Script{Mode: ivr.ModeCode, Locale: "en", Code: "007"}, "", true)
	sound, ended := l.run(2 * time.Minute)
	if !ended || !slices.Equal(l.outcomes, []ivr.Outcome{ivr.OutcomeDelivered}) {
		t.Fatalf("ended %t, outcomes %v", ended, l.outcomes)
	}
	for key, want := range map[string]int{"digit_0": 4, "digit_7": 2, "digit_1": 0} {
		recording := l.player.prompts.of("en", ivr.Prompt{Key: key})
		if n := bytes.Count(sound, recording[:len(recording)/2]); n != want {
			t.Errorf("%s is said %d times, want %d", key, n, want)
		}
	}
}

func TestPlayerHungUp(t *testing.T) {
	for what, c := range map[string]struct {
		before func(l *line)
		want   []ivr.Outcome
	}{
		"before a key":      {func(*line) {}, []ivr.Outcome{ivr.OutcomeHungUp}},
		"after the outcome": {func(l *line) { l.player.press('#'); l.player.judged(ivr.Approved) }, []ivr.Outcome{ivr.OutcomeConfirmed}},
	} {
		l := newLine(t, confirm, "", true)
		l.run(3 * time.Second)
		c.before(l)
		l.player.hangUp()
		if _, ended := l.run(frameTime); !ended || !slices.Equal(l.outcomes, c.want) {
			t.Errorf("%s: ended %t, outcomes %v", what, ended, l.outcomes)
		}
	}
	// Pressed and hung up at once: the key counts, whatever it means.
	for verdict, want := range map[ivr.Verdict]ivr.Outcome{ivr.Approved: ivr.OutcomeConfirmed, ivr.Wrong: ivr.OutcomeHungUp} {
		l := newLine(t, confirm, "", true)
		l.run(3 * time.Second)
		l.player.press('#')
		l.player.hangUp()
		if len(l.outcomes) != 0 {
			t.Fatalf("outcomes %v before the verdict", l.outcomes)
		}
		l.player.judged(verdict)
		if !slices.Equal(l.outcomes, []ivr.Outcome{want}) {
			t.Errorf("%s: outcomes %v", verdict, l.outcomes)
		}
	}
}

// The extension is dialled before anything is said, in events or in tones.
func TestPlayerDialsExtension(t *testing.T) {
	l := newLine(t, confirm, "12", true)
	var dialled strings.Builder
	var last time.Duration
	for range 10 * time.Second / frameTime {
		f, _ := l.player.next()
		if f.sound != nil {
			break
		}
		if f.key != 0 && f.last {
			dialled.WriteByte(f.key)
			last = f.held
		}
		l.frames++
	}
	if dialled.String() != "12" || last != keyDown {
		t.Errorf("dialled %q, the last key for %v", dialled.String(), last)
	}
	if want := beforeExtension + 2*(keyDown+keyUp) + afterExtension + leadIn; time.Duration(l.frames)*frameTime != want {
		t.Errorf("the greeting begins after %v, want %v", time.Duration(l.frames)*frameTime, want)
	}
	l = newLine(t, confirm, "12", false)
	sound, _ := l.run(4 * time.Second)
	if !bytes.Contains(sound, tones('1', 800)) || !bytes.Contains(sound, tones('2', 800)) {
		t.Error("the tones of the extension aren't heard")
	}
}

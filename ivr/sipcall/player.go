package sipcall

import (
	"time"

	"denwa/ivr"
)

const (
	// frameTime is what one packet holds, frameSize in samples.
	frameTime = 20 * time.Millisecond
	frameSize = sampleRate / 50

	// leadIn is the silence before the first word: the phone is still on its
	// way to the ear.
	leadIn = 500 * time.Millisecond
	// Dialling an extension: wait for the switchboard, press, let go, wait for
	// whoever picks up.
	beforeExtension = 2 * time.Second
	keyDown         = 100 * time.Millisecond
	keyUp           = 120 * time.Millisecond
	afterExtension  = 2 * time.Second
)

// player plays a script, one frame after the other. It is pure: it knows no
// clock but the frames that it is asked for. It is for one goroutine.
type player struct {
	script  ivr.Script
	prompts *Prompts
	state   ivr.State

	queue []item // what is still to be sent before anything else happens
	step  ivr.Step
	// begun is whether the step's first prompt began: from then on keys count.
	begun   bool
	keys    string
	waited  time.Duration // since the last prompt or key
	asked   ivr.Ask       // what the gateway has to judge; nothing happens before
	hungUp  bool          // while the gateway was judging
	outcome func(ivr.Outcome)
	over    bool
}

// item is something to send: a sound in µ-law, silence, or a key.
type item struct {
	sound   []byte
	silence time.Duration
	key     byte
	held    time.Duration // how long the key was down so far
	first   bool          // the first of a step
}

// frame is what one packet carries: sound, at most frameSize bytes of µ-law,
// none for silence, or a key.
type frame struct {
	sound []byte
	key   byte
	// held is how long the key is down with this frame, and last whether it is
	// let go then.
	held time.Duration
	last bool
}

// newPlayer returns the player of a call that was answered. It dials the
// extension first, as sounds unless events is true, and tells outcome what the
// call comes to.
func newPlayer(s ivr.Script, extension string, events bool, prompts *Prompts, outcome func(ivr.Outcome)) *player {
	p := &player{script: s, prompts: prompts, outcome: outcome}
	if extension != "" {
		p.queue = append(p.queue, item{silence: beforeExtension})
		for i := range len(extension) {
			press := item{key: extension[i]}
			if !events {
				press = item{sound: tones(extension[i], int(keyDown.Seconds()*sampleRate))}
			}
			p.queue = append(p.queue, press, item{silence: keyUp})
		}
		p.queue = append(p.queue, item{silence: afterExtension})
	}
	p.queue = append(p.queue, item{silence: leadIn})
	var step ivr.Step
	p.state, step = s.Begin()
	p.play(step)
	return p
}

// play queues what a step says.
func (p *player) play(step ivr.Step) {
	p.step, p.begun, p.keys, p.waited = step, false, "", 0
	for i, prompt := range step.Say {
		p.queue = append(p.queue, item{sound: p.prompts.of(p.script.Locale, prompt), first: i == 0}, item{silence: prompt.Pause})
	}
}

// next returns what to send now, and false when the call is over.
func (p *player) next() (frame, bool) {
	for len(p.queue) > 0 {
		it := &p.queue[0]
		p.begun = p.begun || it.first
		switch {
		case it.key != 0:
			it.held += frameTime
			f := frame{key: it.key, held: it.held, last: it.held >= keyDown}
			if f.last {
				p.queue = p.queue[1:]
			}
			return f, true
		case len(it.sound) > 0:
			f := frame{sound: it.sound[:min(frameSize, len(it.sound))]}
			it.sound = it.sound[len(f.sound):]
			return f, true
		case it.silence > 0:
			it.silence -= frameTime
			return frame{}, true
		}
		p.queue = p.queue[1:]
	}
	p.begun = true
	switch {
	case p.over:
		return frame{}, false
	case p.asked != "": // nothing happens before the verdict
	case p.step.Listen == nil:
		p.over = true
		return frame{}, false
	case p.waited >= p.step.Listen.Timeout && p.keys == "":
		p.happened(ivr.Input{Kind: ivr.Silence})
	case p.waited >= p.step.Listen.Timeout:
		p.happened(ivr.Input{Kind: ivr.Keys, Keys: p.keys})
	default:
		p.waited += frameTime
	}
	return frame{}, true
}

// press is a key that was pressed. It counts only after the step's first prompt
// began, and then stops the prompts.
func (p *player) press(key byte) {
	listen := p.step.Listen
	if p.over || p.asked != "" || listen == nil || !p.begun {
		return
	}
	p.queue, p.waited = nil, 0
	p.keys += string(key)
	if string(key) == listen.Finish || len(p.keys) >= listen.Max {
		p.happened(ivr.Input{Kind: ivr.Keys, Keys: p.keys})
	}
}

// judged is the gateway's answer to what was asked.
func (p *player) judged(v ivr.Verdict) {
	p.asked = ""
	p.happened(ivr.Input{Kind: ivr.Judged, Verdict: v})
	if p.hungUp {
		p.hangUp()
	}
}

// hangUp is the other side's end of the call. The player is over then, unless
// it waits for a verdict, which comes first.
func (p *player) hangUp() {
	if p.hungUp = true; p.asked == "" && !p.over {
		p.happened(ivr.Input{Kind: ivr.HungUp})
		p.queue, p.over = nil, true
	}
}

// happened goes on with the script.
func (p *player) happened(in ivr.Input) {
	state, step, outcome, ask := p.script.Next(p.state, in)
	p.state, p.asked = state, ask
	p.play(step)
	if outcome != "" {
		p.outcome(outcome)
	}
}

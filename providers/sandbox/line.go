package sandbox

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"denwa/ivr"
	"denwa/providers"
)

// pressTimeout bounds how long the gateway may think about keys.
const pressTimeout = 5 * time.Second

// line runs one call, on a goroutine of its own. Prompts take no time to say,
// since they are read: a step's are on the screen at once.
type line struct {
	*call
	*Provider
	script    ivr.Script
	behaviour Behaviour
	ringTime  time.Duration
	report    *report

	timer  *time.Timer // of what happens if nothing else does
	state  ivr.State
	listen *ivr.Listen // while answered
	keys   string      // so far, of those that listen waits for
}

// begin does what happens before anybody can do anything.
func (l *line) begin() {
	l.timer = time.NewTimer(l.behaviour.delay())
	switch l.behaviour.Voice {
	case providers.Ringing:
		if l.behaviour.delay() == 0 {
			l.ring()
		}
	case providers.NoAnswer, providers.Declined, providers.Machine:
		l.become(providers.Ringing)
	default: // never rings
	}
}

// run is the call until it has ended, or ctx has. Then it is cut off without a
// receipt: the carrier is gone.
func (l *line) run(ctx context.Context) {
	defer close(l.over)
	defer l.timer.Stop()
	for ctx.Err() == nil && !l.Status.Final() {
		select {
		case <-ctx.Done():
		case <-l.timer.C:
			l.timeout(ctx)
		case <-l.gone:
			l.vanish(ctx)
		case a := <-l.acts:
			a.done <- l.act(ctx, a)
		}
	}
	if !l.Status.Final() {
		l.phones.show(l.call, func(s *screen) { s.Status, s.Listening = providers.Failed, false })
	}
}

// timeout is what happens when nothing else does.
func (l *line) timeout(ctx context.Context) {
	voice := l.behaviour.Voice
	switch {
	case l.Status == providers.Answered:
		l.heard(ctx)
	case voice == providers.Ringing && l.Status == providers.Accepted:
		l.ring()
	case voice == providers.Ringing:
		l.become(providers.NoAnswer)
	case voice == providers.Machine:
		l.become(providers.Answered)
		l.next(ctx, ivr.Input{Kind: ivr.Machine})
	default:
		l.become(voice)
	}
}

// vanish is what happens when the phone is no longer there.
func (l *line) vanish(ctx context.Context) {
	if l.Status == providers.Answered {
		l.next(ctx, ivr.Input{Kind: ivr.HungUp})
		return
	}
	l.become(providers.Unreachable)
}

// act is what happens when a person does something.
func (l *line) act(ctx context.Context, a act) *refusal {
	ringing, answered := l.Status == providers.Ringing, l.Status == providers.Answered
	switch {
	case l.behaviour.Voice != providers.Ringing:
		return refusedDecided
	case a.kind == answer && ringing:
		l.become(providers.Answered)
		l.next(ctx, ivr.Input{Kind: ivr.Answered})
	case a.kind == hangUp && ringing:
		l.become(providers.Declined)
	case a.kind == hangUp && answered:
		l.next(ctx, ivr.Input{Kind: ivr.HungUp})
	case a.kind == press && answered && a.heard == len(l.Said):
		l.press(ctx, a.keys)
	case a.kind == press: // too early for what is asked now
		return refusedListening
	default:
		return refusedRinging
	}
	return nil
}

// ring rings until somebody does something about it.
func (l *line) ring() {
	l.timer.Reset(l.ringTime)
	l.become(providers.Ringing)
}

// press presses keys one after the other, until the call ends.
func (l *line) press(ctx context.Context, keys string) {
	for _, key := range keys {
		if ctx.Err() != nil || l.Status.Final() {
			return
		}
		l.keys += string(key)
		if string(key) == l.listen.Finish || len(l.keys) >= l.listen.Max {
			l.heard(ctx)
		} else {
			l.timer.Reset(l.listen.Timeout)
		}
	}
}

// heard ends the listening.
func (l *line) heard(ctx context.Context) {
	in := ivr.Input{Kind: ivr.Keys, Keys: l.keys}
	if l.keys == "" {
		in.Kind = ivr.Silence
	}
	l.next(ctx, in)
}

// next goes on with the script. Where the gateway can't judge keys, the call
// is cut off.
func (l *line) next(ctx context.Context, in ivr.Input) {
	state, step, outcome, ask := l.script.Next(l.state, in)
	if ask != "" {
		l.phones.show(l.call, func(s *screen) { s.Listening = false })
		verdict, err := l.judge(ctx, ask)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			l.log.LogAttrs(ctx, slog.LevelError, "call cut off, the gateway doesn't judge its keys",
				slog.String("delivery", l.Delivery), slog.Any("error", err))
			l.become(providers.Failed)
			return
		}
		state, step, outcome, _ = l.script.Next(state, ivr.Input{Kind: ivr.Judged, Verdict: verdict})
	}
	l.state, l.listen, l.keys = state, step.Listen, ""
	l.phones.show(l.call, func(s *screen) {
		for _, p := range step.Say {
			s.Said = append(s.Said, p.Text)
		}
		s.Listening = step.Listen != nil
	})
	if step.HangUp {
		l.become(cmp.Or(providers.Status(outcome), providers.HungUp))
		return
	}
	l.timer.Reset(step.Listen.Timeout)
}

func (l *line) judge(ctx context.Context, ask ivr.Ask) (ivr.Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, pressTimeout)
	defer cancel()
	return l.switchboard.Press(ctx, l.name, l.Delivery, string(ask))
}

// become shows and reports how the call goes on, or how it ended.
func (l *line) become(s providers.Status) {
	l.phones.show(l.call, func(shown *screen) { shown.Status = s })
	l.reports.tell(l.report, s)
}

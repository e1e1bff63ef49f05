package main

import (
	"context"
	"errors"
	"slices"
	"time"
)

// The statuses and modes that a session treats differently.
const (
	statusPending  = "pending"
	statusApproved = "approved"

	modeCode  = "code"
	modeKeyed = "keyed"

	channelVoice = "voice"
)

// watchPause is the least time between two looks at a verification, for a
// gateway that doesn't wait because it is shutting down.
const watchPause = 300 * time.Millisecond

// patience is how many looks in a row may fail.
const patience = 5

// unfinishedError is why nobody will finish a verification.
type unfinishedError string

func (e unfinishedError) Error() string { return string(e) }

const errInputEnded = unfinishedError("the input ended before the right code")

// session takes one verification to its end: with codes that are typed, or
// with what happens on the phone.
type session struct {
	client  *client
	term    *terminal
	v       *verification
	ahead   time.Duration // the gateway's clock, less this machine's
	display string        // what has to be typed on the phone, in mode keyed
	again   bool          // another send was asked for, as soon as it is allowed
}

// newSession is for a verification that was started just now.
func newSession(c *client, t *terminal, v *verification) *session {
	return &session{client: c, term: t, v: v, ahead: time.Until(v.CreatedAt), display: v.DisplayCode}
}

// run returns nil when the verification is over. After an error it may still
// be pending.
func (s *session) run(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	news := make(chan look)
	go s.client.watch(watching, s.v.ID, news)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	defer s.term.clear()
	for s.v.Status == statusPending {
		s.term.show(s.news(), s.hint(), s.prompt())
		if err := s.step(ctx, news, second.C); err != nil {
			return err
		}
	}
	return nil
}

// step waits for the next thing to happen and deals with it.
func (s *session) step(ctx context.Context, news <-chan look, second <-chan time.Time) error {
	lines := s.term.lines
	if s.again && !s.term.interactive {
		lines = nil // the next line is for after the resend
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case line, ok := <-lines:
		switch {
		case ok:
			s.term.entered()
			if err := s.typed(ctx, line); err != nil {
				return err
			}
		case s.v.Mode == modeCode:
			return errInputEnded
		default:
			s.term.lines = nil // the answer comes by phone
		}
	case l := <-news:
		if l.err != nil {
			return l.err
		}
		if !l.v.staler(s.v) {
			s.v = l.v
		}
	case <-second:
	}
	switch {
	case s.v.Status != statusPending:
	case s.again && s.wait() == 0:
		return s.resend(ctx)
	case !s.term.interactive && s.v.Mode != modeCode && callOver(s.v.latest().Status):
		return unfinishedError(callNews(s.v.latest().Status)) // and nobody is there to ask for another
	}
	return nil
}

// typed deals with a line: "r", or a code.
func (s *session) typed(ctx context.Context, line string) error {
	switch {
	case line == "":
		return nil
	case slices.Contains([]string{"r", "R", "ｒ", "Ｒ"}, line): // also from a Japanese keyboard
		return s.wantAgain(ctx)
	case s.v.Mode != modeCode:
		s.term.say("The answer is given on the phone.")
		return nil
	}
	v, err := s.client.check(ctx, s.v.ID, line)
	var p *problem
	if errors.As(err, &p) && p.Field == "code" { // it can't be one, and cost no attempt: a script may have another, too
		s.term.say(sentence(p.Detail))
		return nil
	}
	switch {
	case hasCode(err, "not_pending"): // it ended meanwhile
		v, err = s.client.get(ctx, s.v.ID)
	case err == nil && v.Status == statusPending:
		s.term.say("That isn't the code. " + attempts(v.AttemptsRemaining))
	}
	return s.take(ctx, v, err)
}

// wantAgain asks for another send, now or when it is allowed.
func (s *session) wantAgain(ctx context.Context) error {
	at, ok := s.nextSend()
	switch {
	case !ok:
		return s.take(ctx, nil, errors.New("it can't be sent again; start a new verification"))
	case at.After(s.v.ExpiresAt):
		return s.take(ctx, nil, errors.New("it can be sent again only after this code has expired"))
	}
	s.again = true
	return nil
}

func (s *session) resend(ctx context.Context) error {
	s.again = false
	v, err := s.client.resend(ctx, s.v.ID)
	switch {
	case hasCode(err, "not_pending"):
		v, err = s.client.get(ctx, s.v.ID)
	case err == nil && v.Channel == channelVoice:
		s.term.say("Calling again.")
	case err == nil:
		s.term.say("Sent again.")
	}
	return s.take(ctx, v, err)
}

// take keeps what the gateway answered. A person can try again after most
// errors, so they are only shown; a script can't.
func (s *session) take(ctx context.Context, v *verification, err error) error {
	if err == nil {
		s.v = v
		return nil
	}
	var p *problem
	if errors.As(err, &p) && p.Verification != nil {
		s.v = p.Verification
	}
	if !s.term.interactive || ctx.Err() != nil || hasCode(err, "unauthorized", "forbidden", "not_found") {
		return err
	}
	s.term.say(sentence(err.Error()))
	return nil
}

// nextSend is when the message can be sent again, by the gateway's clock.
func (s *session) nextSend() (time.Time, bool) {
	at, ok := s.v.NextSendAt[s.v.Channel]
	return at, ok
}

// wait is how long until then.
func (s *session) wait() time.Duration {
	at, _ := s.nextSend()
	return max(0, at.Sub(time.Now().Add(s.ahead)))
}

// giveUp withdraws a verification that stays unfinished. If it ended
// meanwhile, that counts.
func (s *session) giveUp(ctx context.Context) error {
	v, err := s.client.cancel(ctx, s.v.ID)
	if hasCode(err, "not_pending") {
		ctx, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), cancelWithin, errNoAnswer)
		defer stop()
		v, err = s.client.get(ctx, s.v.ID)
	}
	if err == nil {
		s.v = v
	}
	return err
}

// look is a verification as it was seen, or why it couldn't be.
type look struct {
	v   *verification
	err error
}

// watch sends what becomes of a verification, until it is over, ctx ends or
// the gateway can't be asked. Each look says what the one before saw, so that
// nothing is missed between two of them.
func (c *client) watch(ctx context.Context, id string, out chan<- look) {
	known, failures := "", 0
	for {
		v, tag, err := c.await(ctx, id, known)
		var broken *unreachableError
		var pause time.Duration
		switch {
		case errors.As(err, &broken) || hasCode(err, "unavailable", "rate_limited", "internal"):
			failures++
			pause = time.Duration(failures) * time.Second
		case tag == known:
			failures, pause = 0, watchPause
		default:
			failures, known = 0, tag
		}
		if err == nil && v != nil || err != nil && (failures == 0 || failures == patience) {
			select {
			case out <- look{v, err}:
			case <-ctx.Done():
			}
			if err != nil || v.Status != statusPending {
				return
			}
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// staler reports whether v was read before u. Answers to two requests at once
// come in any order, and deliveries only grow and attempts only shrink.
func (v *verification) staler(u *verification) bool {
	return v.Status == statusPending &&
		(len(v.Deliveries) < len(u.Deliveries) || v.AttemptsRemaining > u.AttemptsRemaining)
}

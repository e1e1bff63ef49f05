package smpp

import (
	"container/list"
	"context"
	"errors"
	"sync"

	"denwa/providers"
)

var (
	errClosed = &providers.Error{Kind: providers.Unavailable, Err: errors.New("smpp: the provider is closed")}
	errBusy   = errors.New("smpp: no connection had room for the message")
)

// pool hands out room for messages on the links: each link's window, in turn.
// Who comes first is served first.
type pool struct {
	window int

	mu      sync.Mutex
	lanes   []*lane
	turn    int
	waiting list.List // of chan grant, which have room for one
	closed  bool
}

// lane is one bind, which has a link or is about to have one, or has failed to.
type lane struct {
	link *link
	free int
	err  *providers.Error // why it has none; nil while the first attempt is being made
}

// slot is room for one message on a link, until it is given back.
type slot struct {
	lane *lane
	link *link
}

// grant is what a waiter gets: room, or the reason why there is none.
type grant struct {
	slot slot
	err  *providers.Error
}

func newPool(lanes, window int) *pool {
	p := &pool{window: window, lanes: make([]*lane, lanes)}
	for i := range p.lanes {
		p.lanes[i] = &lane{}
	}
	return p
}

// take waits for room for as long as ctx lets it. It fails at once where
// no link is up and the last attempt to make one failed.
func (p *pool) take(ctx context.Context) (slot, *providers.Error) {
	p.mu.Lock()
	if g, ok := p.pick(); ok {
		p.mu.Unlock()
		return g.slot, g.err
	}
	granted := make(chan grant, 1)
	place := p.waiting.PushBack(granted)
	p.mu.Unlock()
	select {
	case g := <-granted:
		return g.slot, g.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	p.waiting.Remove(place)
	p.mu.Unlock()
	select {
	case g := <-granted: // it came while ctx ended
		if g.err == nil {
			p.give(g.slot)
		}
	default:
	}
	return slot{}, &providers.Error{Kind: providers.Unavailable, Err: errors.Join(errBusy, context.Cause(ctx))}
}

// give gives room back.
func (p *pool) give(s slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.lane.link == s.link { // otherwise the room went with the link
		s.lane.free++
		p.serve()
	}
}

// up notes that a lane has a link.
func (p *pool) up(l *lane, link *link) { p.change(l, link, nil) }

// down notes that a lane's link is over, and another one is being made.
func (p *pool) down(l *lane) { p.change(l, nil, nil) }

// failed notes that a lane's link couldn't be made.
func (p *pool) failed(l *lane, err *providers.Error) { p.change(l, nil, err) }

func (p *pool) change(l *lane, link *link, err *providers.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.link, l.err, l.free = link, err, 0
	if link != nil {
		l.free = p.window
	}
	p.serve()
}

// close refuses whoever waits or comes.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.serve()
}

// serve answers waiters, the first first, for as long as there are answers.
func (p *pool) serve() {
	for first := p.waiting.Front(); first != nil; first = p.waiting.Front() {
		g, ok := p.pick()
		if !ok {
			return
		}
		p.waiting.Remove(first)
		if granted, ok := first.Value.(chan grant); ok {
			granted <- g
		}
	}
}

// pick takes room on the next link that has some. ok is false where one has to
// wait: for a message to be answered, or for a link that is being made.
func (p *pool) pick() (_ grant, ok bool) {
	if p.closed {
		return grant{err: errClosed}, true
	}
	var failed *providers.Error
	hope := false
	for range p.lanes {
		l := p.lanes[p.turn%len(p.lanes)]
		p.turn++
		switch {
		case l.free > 0:
			l.free--
			return grant{slot: slot{l, l.link}}, true
		case l.err == nil:
			hope = true
		case failed == nil || l.err.Kind == providers.Auth: // which somebody must hear of
			failed = l.err
		}
	}
	return grant{err: failed}, !hope
}

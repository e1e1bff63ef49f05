package redisstore

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// pingInterval is how often the subscription asks for a sign of life.
	pingInterval = time.Second
	// maxSilence is how long nothing may come, pongs included. A server whose
	// machine is gone closes no connection: nobody would be woken until TCP
	// gives up, a quarter of an hour later.
	maxSilence = 3 * time.Second
	// resubscribeInterval keeps a server that refuses from being asked all the time.
	resubscribeInterval = 200 * time.Millisecond
)

// opWatch is the subscription in metrics: an error is a connection that couldn't
// be made, or broke.
const opWatch op = "watch"

var errHubClosed = errors.New("watch: the store is closed")

// hub shares one subscription connection among all who wait in this process.
// Scripts publish a change on a channel of its verification, so an instance
// hears only of those that somebody here waits for.
//
// Who comes and goes only says what should be subscribed. One goroutine sees to
// it, so that nobody waits for Redis but the one whom it serves.
type hub struct {
	client redis.UniversalClient
	failed func() // called when a connection couldn't be made, or broke

	mu      sync.Mutex // for memory only: Redis is never asked while it is held
	waiters map[string]map[chan struct{}]struct{}
	stale   map[string]struct{} // channels that have found, or lost, their waiters
	closed  bool
	end     context.CancelFunc // of the goroutine, which the first waiter starts
	ended   chan struct{}
	news    chan struct{} // sent to when something becomes stale
}

func newHub(client redis.UniversalClient, failed func()) *hub {
	return &hub{
		client: client, failed: failed,
		waiters: map[string]map[chan struct{}]struct{}{}, stale: map[string]struct{}{},
		ended: make(chan struct{}), news: make(chan struct{}, 1),
	}
}

// watch waits for news on channel. A waiter is woken once right away, when
// Redis confirms the subscription: what happened before that has to be read,
// what happens after it will be heard. The same again after a lost connection,
// since the next one subscribes anew.
func (h *hub) watch(channel string) (<-chan struct{}, func(), error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, nil, errHubClosed
	}
	if h.end == nil {
		ctx, end := context.WithCancel(context.Background())
		h.end = end
		go h.run(ctx)
	}
	changed := make(chan struct{}, 1)
	if h.waiters[channel] == nil {
		h.waiters[channel] = map[chan struct{}]struct{}{}
		h.spoil(channel)
	} else {
		changed <- struct{}{} // subscribed already, or about to be: then woken again
	}
	h.waiters[channel][changed] = struct{}{}
	return changed, func() { h.unwatch(channel, changed) }, nil
}

func (h *hub) unwatch(channel string, changed chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if delete(h.waiters[channel], changed); len(h.waiters[channel]) == 0 && h.waiters[channel] != nil {
		delete(h.waiters, channel)
		h.spoil(channel)
	}
}

// spoil has the goroutine look at channel. h.mu is held.
func (h *hub) spoil(channel string) {
	h.stale[channel] = struct{}{}
	select {
	case h.news <- struct{}{}:
	default: // it will look anyway
	}
}

// run keeps a connection while there is something to hear.
func (h *hub) run(ctx context.Context) {
	defer close(h.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.news:
		}
		if h.follow(ctx); ctx.Err() != nil {
			return
		}
		h.failed()
		h.lost()
		select {
		case <-ctx.Done():
			return
		case <-time.After(resubscribeInterval):
		}
	}
}

// lost makes everything stale that is waited for.
func (h *hub) lost() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for channel := range h.waiters {
		h.spoil(channel)
	}
}

// follow keeps what is waited for subscribed, over one connection, until that
// fails or ctx ends.
func (h *hub) follow(ctx context.Context) {
	s := subscription{PubSub: h.client.Subscribe(ctx), channels: map[string]struct{}{}}
	broken := make(chan struct{})
	// It connects, in a cluster to a node that has one of the channels.
	if h.settle(ctx, s) == nil {
		go h.listen(ctx, s, broken)
	} else {
		close(broken)
	}
	defer func() {
		_ = s.Close() // which ends listen
		<-broken
	}()
	ping := time.NewTicker(pingInterval)
	defer ping.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-broken:
			return
		case <-h.news:
			err = h.settle(ctx, s)
		case <-ping.C:
			err = s.Ping(ctx)
		}
		if err != nil {
			return
		}
	}
}

// subscription is one connection, and the channels asked for on it.
type subscription struct {
	*redis.PubSub
	channels map[string]struct{}
}

// settle brings s in line with what is waited for.
func (h *hub) settle(ctx context.Context, s subscription) error {
	found, left := h.takeStale(s)
	if len(found) > 0 {
		if err := s.Subscribe(ctx, found...); err != nil {
			return err
		}
	}
	if len(left) > 0 {
		return s.Unsubscribe(ctx, left...)
	}
	return nil
}

// takeStale returns which channels s has to subscribe to, and which to leave,
// and counts on its doing so.
func (h *hub) takeStale(s subscription) (found, left []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for channel := range h.stale {
		_, subscribed := s.channels[channel]
		_, wanted := h.waiters[channel]
		switch {
		case wanted && subscribed: // all left and somebody came: Redis has nothing to confirm
			h.wakeAll(channel)
		case wanted:
			s.channels[channel] = struct{}{}
			found = append(found, channel)
		case subscribed:
			delete(s.channels, channel)
			left = append(left, channel)
		}
	}
	clear(h.stale)
	return found, left
}

// listen wakes waiters until s fails, or is silent for too long.
func (h *hub) listen(ctx context.Context, s subscription, broken chan struct{}) {
	defer close(broken)
	for {
		message, err := s.ReceiveTimeout(ctx, maxSilence)
		if err != nil {
			return
		}
		switch m := message.(type) {
		case *redis.Message:
			h.wake(m.Channel)
		case *redis.Subscription:
			if m.Kind == "subscribe" {
				h.wake(m.Channel)
			}
		}
	}
}

func (h *hub) wake(channel string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wakeAll(channel)
}

// wakeAll wakes who waits for channel. h.mu is held.
func (h *hub) wakeAll(channel string) {
	for changed := range h.waiters[channel] {
		select {
		case changed <- struct{}{}:
		default: // it hasn't taken the last one yet
		}
	}
}

// close ends the subscription. Nobody is woken any more.
func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	end := h.end
	h.mu.Unlock()
	if end != nil {
		end()
		<-h.ended
	}
}

package redisstore

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"
)

// hub shares one subscription connection among all who wait in this process.
// Scripts publish a change on a channel of its verification, so an instance
// hears only of those that somebody here waits for.
type hub struct {
	client redis.UniversalClient

	mu       sync.Mutex
	pubsub   *redis.PubSub // opened by the first waiter
	waiters  map[string]map[chan struct{}]struct{}
	finished chan struct{} // closed when receive has returned
}

func newHub(client redis.UniversalClient) *hub {
	return &hub{client: client, waiters: map[string]map[chan struct{}]struct{}{}}
}

// watch subscribes to channel. A waiter is woken once right away, when Redis
// confirms the subscription: what happened before that has to be read, what
// happens after it will be heard. The same again after a lost connection, since
// go-redis then subscribes anew.
func (h *hub) watch(ctx context.Context, channel string) (<-chan struct{}, func(), error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pubsub == nil {
		h.pubsub = h.client.Subscribe(ctx)
		h.finished = make(chan struct{})
		go h.receive(h.pubsub, h.finished)
	}
	changed := make(chan struct{}, 1)
	if h.waiters[channel] == nil {
		if err := h.pubsub.Subscribe(ctx, channel); err != nil {
			h.forget(channel) //nolint:contextcheck // this must work when the waiter's context is over.
			return nil, nil, err
		}
		h.waiters[channel] = map[chan struct{}]struct{}{}
	} else {
		changed <- struct{}{} // subscribed already, or about to be: then woken again
	}
	h.waiters[channel][changed] = struct{}{}
	//nolint:contextcheck // leaving must work when the waiter's context is over.
	return changed, func() { h.unwatch(channel, changed) }, nil
}

func (h *hub) unwatch(channel string, changed chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiters[channel], changed)
	if len(h.waiters[channel]) == 0 && h.waiters[channel] != nil {
		delete(h.waiters, channel)
		if h.pubsub == nil { // closed already
			return
		}
		// Failing leaves a subscription that nobody listens to until the next
		// reconnection; go-redis has taken it off its list.
		_ = h.pubsub.Unsubscribe(context.Background(), channel)
	}
}

// forget takes a channel that couldn't be subscribed off go-redis's list, which
// keeps it for the next connection, and would keep every one that was tried
// while Redis was down. Its context is over, so that it doesn't dial for that.
func (h *hub) forget(channel string) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = h.pubsub.Unsubscribe(over, channel)
}

func (h *hub) receive(pubsub *redis.PubSub, finished chan struct{}) {
	defer close(finished)
	for message := range pubsub.ChannelWithSubscriptions(redis.WithChannelSize(1024)) {
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
	for changed := range h.waiters[channel] {
		select {
		case changed <- struct{}{}:
		default: // it hasn't taken the last one yet
		}
	}
}

func (h *hub) close() error {
	h.mu.Lock()
	pubsub := h.pubsub
	h.pubsub = nil
	h.mu.Unlock()
	if pubsub == nil {
		return nil
	}
	err := pubsub.Close()
	<-h.finished
	return err
}

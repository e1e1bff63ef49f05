package smpp

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"denwa/providers"
)

var errDown = &providers.Error{Kind: providers.Unavailable, Err: errors.New("down")}

func TestPoolTakesTurns(t *testing.T) {
	t.Parallel()
	p := newPool(3, 2)
	links := map[*link]int{}
	for _, l := range p.lanes[:2] {
		p.up(l, &link{})
	}
	p.failed(p.lanes[2], errDown)
	for range 4 {
		s, err := p.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		links[s.link]++
	}
	if links[p.lanes[0].link] != 2 || links[p.lanes[1].link] != 2 {
		t.Errorf("used %v", links)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := p.take(ctx); err == nil || err.Kind != providers.Unavailable || !errors.Is(err, errBusy) {
		t.Errorf("without room: %v", err)
	}
	if p.waiting.Len() != 0 {
		t.Error("who left still waits")
	}
}

func TestPoolServesInOrder(t *testing.T) {
	t.Parallel()
	p := newPool(1, 1)
	order := make(chan int, 5)
	var wg sync.WaitGroup
	for n := range 5 {
		wg.Go(func() {
			s, err := p.take(context.Background())
			if err != nil {
				t.Error(err)
			}
			order <- n
			p.give(s)
		})
		eventually(t, "it waits", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.waiting.Len() == n+1 })
	}
	p.up(p.lanes[0], &link{})
	wg.Wait()
	for want := range 5 {
		if got := <-order; got != want {
			t.Errorf("number %d was served as number %d", got, want)
		}
	}
	if p.lanes[0].free != 1 {
		t.Errorf("room for %d is left", p.lanes[0].free)
	}
}

// Room on a link that is over is not given back to the next one.
func TestPoolForgetsRoomOfOldLinks(t *testing.T) {
	t.Parallel()
	p := newPool(1, 1)
	p.up(p.lanes[0], &link{})
	s, err := p.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.down(p.lanes[0])
	p.up(p.lanes[0], &link{})
	p.give(s)
	if p.lanes[0].free != 1 {
		t.Errorf("room for %d in a window of 1", p.lanes[0].free)
	}
}

// While a link is being made one waits; when all have failed, one is told.
func TestPoolFails(t *testing.T) {
	t.Parallel()
	p := newPool(2, 1)
	p.failed(p.lanes[0], errDown)
	told := make(chan *providers.Error)
	go func() { _, err := p.take(context.Background()); told <- err }()
	eventually(t, "it waits", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.waiting.Len() == 1 })
	auth := &providers.Error{Kind: providers.Auth, Err: errors.New("refused")}
	p.failed(p.lanes[1], auth)
	if err := <-told; err != auth { //nolint:errorlint // that very one.
		t.Errorf("told %v", err)
	}
	if _, err := p.take(t.Context()); err != auth { //nolint:errorlint // that very one.
		t.Errorf("told %v, which nobody has to hear of", err)
	}
	p.close()
	if _, err := p.take(t.Context()); err != errClosed { //nolint:errorlint // that very one.
		t.Errorf("told %v", err)
	}
}

// Whoever leaves at the moment when room comes takes none of it along.
func TestPoolLosesNoRoom(t *testing.T) {
	t.Parallel()
	const window = 3
	p := newPool(1, window)
	p.up(p.lanes[0], &link{})
	var wg sync.WaitGroup
	for n := range 400 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(n%20)*100*time.Microsecond)
			defer cancel()
			if s, err := p.take(ctx); err == nil {
				time.Sleep(50 * time.Microsecond)
				p.give(s)
			}
		})
	}
	wg.Wait()
	if free := p.lanes[0].free; free != window || p.waiting.Len() != 0 {
		t.Errorf("room for %d of %d is left, %d wait", free, window, p.waiting.Len())
	}
}

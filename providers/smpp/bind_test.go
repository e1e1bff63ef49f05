package smpp

import (
	"context"
	"errors"
	"testing"
	"time"

	"denwa/providers"
)

// A centre that went silent, or says goodbye, or forgot about the bind, is bound again.
func TestRebinds(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(c *centre, l *centreLink){
		"it says goodbye": func(_ *centre, l *centreLink) { l.write(pdu{command: unbind, sequence: 5}.encode()) },
		"it forgot the bind": func(c *centre, _ *centreLink) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.onSubmit = func(l *centreLink, _ pdu) status {
				if get(l.centre, func() int { return c.binds }) == 1 {
					return statusNotBound
				}
				return statusOK
			}
		},
		"it closes": func(_ *centre, l *centreLink) { l.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCentre(t)
			w := newWorld(t, testConfig(c.addr()))
			w.send(t, testMessage(1, "493817"))
			spoil(c, get(c, func() *centreLink { return c.links[0] }))
			eventually(t, "it is bound again", func() bool {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				_, _ = w.SendMessage(ctx, testMessage(2, "493817"))
				return get(c, func() int { return c.binds }) == 2
			})
			w.send(t, testMessage(3, "493817"))
		})
	}
}

// A centre that went silent is given up, also where it stopped in the middle of a PDU.
func TestSilentCentre(t *testing.T) {
	t.Parallel()
	for name, last := range map[string][]byte{"silent": nil, "in the middle of a PDU": {0, 0, 0, 16, 0x80, 0, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCentre(t)
			cfg := testConfig(c.addr())
			cfg.EnquireLink, cfg.ResponseTimeout = time.Second, 500*time.Millisecond
			w := newWorld(t, cfg)
			w.send(t, testMessage(1, "493817"))
			eventually(t, "it is asked whether it is there", func() bool { return get(c, func() int { return c.enquired }) >= 2 })
			if n := get(c, func() int { return c.binds }); n != 1 {
				t.Fatalf("%d binds, though it answers", n)
			}
			c.mute.Store(true)
			get(c, func() *centreLink { return c.links[0] }).write(last)
			eventually(t, "it is bound again", func() bool { return get(c, func() int { return c.binds }) >= 2 })
		})
	}
}

// A refused bind says why at once, while it is tried on.
func TestRefusedBind(t *testing.T) {
	t.Parallel()
	for s, want := range map[status]providers.Kind{
		0x0D: providers.Auth, 0x0E: providers.Auth, 0x0F: providers.Auth, 0x53: providers.Auth, 0x05: providers.Unavailable,
		0x08: providers.Unavailable, statusThrottled: providers.Throttled, 0x0B: providers.Unavailable, 0x66: providers.Unavailable,
	} {
		c := newCentre(t)
		c.onBind = func(l *centreLink, p pdu) bool {
			if get(l.centre, func() int { return l.binds }) <= 2 {
				l.answer(p, s, nil)
				return false
			}
			return true
		}
		w := newWorld(t, testConfig(c.addr()))
		if e := w.failure(t, testMessage(1, "493817"), time.Minute); e.Kind != want {
			t.Errorf("%#x: %v", s, e)
		}
		if s == 0x0E {
			eventually(t, "it is bound in the end", func() bool {
				_, err := w.SendMessage(t.Context(), testMessage(2, "493817"))
				return err == nil
			})
		}
	}
}

// A bind that is answered with anything else is none.
func TestNonsenseBind(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(l *centreLink, p pdu){
		"another command":  func(l *centreLink, p pdu) { l.answer(pdu{command: submitSM, sequence: p.sequence}, statusOK, &taken{}) },
		"another sequence": func(l *centreLink, p pdu) { l.answer(pdu{command: p.command, sequence: 7}, statusOK, &bound{}) },
		"a nack of luck":   func(l *centreLink, p pdu) { l.write(pdu{command: genericNack, sequence: p.sequence}.encode()) },
		"half an answer":   func(l *centreLink, _ pdu) { l.write(octets(t, "00000012 80000009 00000000 00000001 6161")) },
		"a greeting":       func(l *centreLink, _ pdu) { l.write([]byte("220 mail.example.jp ESMTP\r\n")) },
		"nothing":          func(l *centreLink, _ pdu) { l.conn.Close() },
		"a nack": func(l *centreLink, p pdu) {
			l.write(pdu{command: genericNack, status: 0x08, sequence: p.sequence}.encode())
		},
	} {
		c := newCentre(t)
		c.onBind = func(l *centreLink, p pdu) bool { answer(l, p); return false }
		if e := newWorld(t, testConfig(c.addr())).failure(t, testMessage(1, "493817"), time.Minute); e.Kind != providers.Unavailable {
			t.Errorf("%s: %v", name, e)
		}
	}
}

// Close lets what is being sent be answered, and says goodbye on every connection.
func TestCloseDrains(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	c.onSubmit = func(l *centreLink, p pdu) status {
		time.AfterFunc(300*time.Millisecond, func() { l.answer(p, statusOK, &taken{messageID: l.take(p)}) })
		return silent
	}
	cfg := testConfig(c.addr())
	cfg.Binds = 3
	w := newWorld(t, cfg)
	eventually(t, "all are bound", func() bool { return c.bound() == 3 })
	sent := make(chan error)
	go func() { _, err := w.SendMessage(context.Background(), testMessage(1, "493817")); sent <- err }()
	eventually(t, "it is on its way", func() bool {
		w.pool.mu.Lock()
		defer w.pool.mu.Unlock()
		return w.pool.turn > 0
	})
	closed := make(chan error)
	go func() { closed <- w.Close() }()
	if err := <-sent; err != nil {
		t.Errorf("what was on its way: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if n := get(c, func() int { return c.unbound }); n != 3 {
		t.Errorf("%d goodbyes", n)
	}
	if _, err := w.SendMessage(context.Background(), testMessage(2, "493817")); !errors.Is(err, errClosed) {
		t.Errorf("after the end: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

package sipcall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pion/rtp"

	"denwa/ivr"
)

// Why a call ended before its script.
var (
	// ErrHungUp is the cause for the context of [Media.Play] when the other side hung up.
	ErrHungUp = errors.New("the other side hung up")
	// ErrNoMedia means that no sound came for too long.
	ErrNoMedia = errors.New("no media came")
)

// headerSize is that of RTP without extensions.
const headerSize = 12

// nothing is a frame of silence in µ-law.
var nothing = bytes.Repeat([]byte{silence}, frameSize)

// maxBehind is how far sending may lag before the lost time is skipped.
const maxBehind = 5 * frameTime

// Call is what to play, and whom to tell.
type Call struct {
	Script ivr.Script
	// Extension is dialled first: 0-9, * and #; empty for none.
	Extension string
	Prompts   *Prompts
	// Press asks the gateway what keys mean. The call waits for its verdict in
	// silence. An error ends the call.
	Press func(ctx context.Context, keys string) (ivr.Verdict, error)
	// Outcome is told what the call comes to, once, as soon as that is known.
	Outcome func(ivr.Outcome)
	// MediaTimeout is after how long without packets the call is given up.
	MediaTimeout time.Duration
}

// judgement is the gateway's answer to an Ask.
type judgement struct {
	verdict ivr.Verdict
	err     error
}

// Play plays the call to its end and returns nil, or why it ended before: the
// cause of ctx, [ErrNoMedia], or the error of Press. However it ends, a verdict
// that was asked for is waited for and counts.
func (m *Media) Play(ctx context.Context, c Call) error {
	p := m.peer.Load()
	if p == nil {
		return ErrNoPeer
	}
	var listening sync.WaitGroup
	listening.Go(m.receive)
	defer func() {
		_ = m.conn.SetReadDeadline(time.Unix(1, 0)) // it ends receive, as a closed port would
		listening.Wait()
	}()
	m.heard.Store(time.Now().UnixNano())

	out := m.newSender()
	player := newPlayer(c.Script, c.Extension, p.event != 0, c.Prompts, c.Outcome)
	verdicts := make(chan judgement, 1)
	ticker := time.NewTicker(frameTime)
	defer ticker.Stop()
	due, asking, done := time.Now(), false, ctx.Done()
	var end error // why the call is over, while a verdict is still to come
	for end == nil || asking {
		select {
		case <-done:
			if end, done = context.Cause(ctx), nil; errors.Is(end, ErrHungUp) {
				player.hangUp()
			}
		case key := <-m.keys:
			player.press(key)
		case j := <-verdicts:
			if j.err != nil {
				return fmt.Errorf("ask what the keys mean: %w", j.err)
			}
			asking = false
			player.judged(j.verdict)
		case now := <-ticker.C:
			switch {
			case end != nil:
			case c.MediaTimeout > 0 && m.lost(now, c.MediaTimeout):
				end = ErrNoMedia
			default:
				if due = out.catchUp(due, now); !m.advance(player, out, &due, now) {
					return nil
				}
			}
		}
		if player.asked != "" && !asking {
			asking = true
			go func(keys string) {
				verdict, err := c.Press(context.WithoutCancel(ctx), keys)
				verdicts <- judgement{verdict, err}
			}(string(player.asked))
		}
	}
	return end
}

// advance sends the frames that are due. It reports whether the call goes on.
func (m *Media) advance(player *player, out *sender, due *time.Time, now time.Time) bool {
	for ; !due.After(now); *due = due.Add(frameTime) {
		if m.peer.Load().held {
			out.pause() // nobody listens, so the script waits
			continue
		}
		f, ok := player.next()
		if !ok {
			return false
		}
		out.send(f)
	}
	return true
}

// lost reports whether nothing came for too long from a side that should send.
func (m *Media) lost(now time.Time, timeout time.Duration) bool {
	p := m.peer.Load()
	return !p.silent && !p.held && now.UnixNano()-m.heard.Load() > int64(timeout)
}

// sender sends frames. It is for one goroutine.
type sender struct {
	media  *Media
	header rtp.Header
	buffer []byte
	// clock is the RTP time of the next frame. It goes on while nothing is sent.
	clock uint32
	// pressed is the RTP time at which the last key went down.
	pressed uint32
	// quiet is whether the last frame wasn't sent: the next one begins a burst.
	quiet bool
}

func (m *Media) newSender() *sender {
	return &sender{
		media: m,
		// RFC 3550 wants random beginnings, against known plaintext; nothing is
		// encrypted here.
		header: rtp.Header{Version: 2, SSRC: rand.Uint32(), SequenceNumber: uint16(rand.Uint32())}, //nolint:gosec // see above
		clock:  rand.Uint32(),                                                                      //nolint:gosec // see above
		buffer: make([]byte, 0, headerSize+frameSize),
		quiet:  true,
	}
}

// catchUp returns when the next frame is due: as it was, or now if sending
// lags so far behind that the other side has missed those frames anyway.
func (s *sender) catchUp(due, now time.Time) time.Time {
	if behind := now.Sub(due); behind > maxBehind {
		s.clock += uint32(behind / frameTime * frameSize) //nolint:gosec // RTP time wraps
		return now
	}
	return due
}

// pause leaves out one frame.
func (s *sender) pause() {
	s.clock += frameSize
	s.quiet = true
}

// send sends one frame to where the other side is. What can't be sent is lost,
// as on any network: without packets in return the call is given up.
func (s *sender) send(f frame) {
	p := s.media.peer.Load()
	if f.key != 0 {
		s.sendKey(f, p)
	} else {
		s.header.PayloadType, s.header.Marker, s.header.Timestamp = uint8(p.law), s.quiet, s.clock
		packet := append(s.start(), f.sound...)
		packet = append(packet, nothing[len(f.sound):]...)
		if p.law == aLaw {
			for i, b := range packet[headerSize:] {
				packet[headerSize+i] = toALaw[b]
			}
		}
		s.write(packet, p)
	}
	s.clock += frameSize
	s.quiet = f.key != 0
}

// sendKey sends a packet of a key, and its last one three times (RFC 4733,
// section 2.5.1.4). All carry the time at which it was pressed, also when sending
// lags meanwhile: another time would be another press.
func (s *sender) sendKey(f frame, p *peer) {
	if p.event == 0 { // not any more
		return
	}
	first := f.held == frameTime
	if first {
		s.pressed = s.clock
	}
	held := uint16(min(s.clock+frameSize-s.pressed, math.MaxUint16)) //nolint:gosec // see min
	s.header.PayloadType, s.header.Marker, s.header.Timestamp = p.event, first, s.pressed
	copies := 1
	if f.last {
		copies = 3
	}
	for range copies {
		s.write(eventPayload(s.start(), f.key, held, f.last), p)
		s.header.Marker = false
	}
}

// start begins a packet with the next sequence number.
func (s *sender) start() []byte {
	s.header.SequenceNumber++
	packet := s.buffer[:headerSize]
	_, _ = s.header.MarshalTo(packet) // it fits
	return packet
}

func (s *sender) write(packet []byte, p *peer) {
	to := p.addr
	if target := s.media.target.Load(); target != nil {
		to = *target
	}
	_, _ = s.media.conn.WriteToUDPAddrPort(packet, to)
}

package smpp

import (
	"bufio"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Why a link is over. None of them quotes the centre.
var (
	errUnbound  = errors.New("the centre unbound")
	errFinished = errors.New("closed")
	errGarbage  = errors.New("the centre answered with something else")
)

const (
	// maxBurst is about how many octets are written at once.
	maxBurst = 32 << 10
	// spare is how many PDUs beside the window may wait to be written.
	spare = 64
)

// link is one bound connection. The goroutine of run reads; another one writes
// and asks whether the centre is still there.
type link struct {
	conn     net.Conn
	in       *bufio.Reader
	idle     time.Duration // after which the centre is asked whether it is there
	patience time.Duration // for its answer
	// request takes what the centre asks for, other than enquire_link and
	// unbind. It must not block.
	request func(ctx context.Context, l *link, p pdu, malformed bool)

	out  chan outgoing
	done chan struct{} // closed when the link is over
	once sync.Once
	why  error // that it is over; to be read after done

	mu       sync.Mutex
	sequence uint32
	pending  map[uint32]*exchange
}

// outgoing is a PDU to write.
type outgoing struct {
	frame []byte
	of    *exchange // nil where no answer is waited for
	last  bool      // after it the link is over
}

// exchange is a request and its answer.
type exchange struct {
	command command
	stage   atomic.Int32
	answer  chan pdu // has room for it
}

// Stages of an exchange.
const (
	queued int32 = iota
	written
	withdrawn
)

// withdraw keeps the request from being written, unless it may have been.
func (e *exchange) withdraw() bool {
	return e.stage.CompareAndSwap(queued, withdrawn) || e.stage.Load() == withdrawn
}

func newLink(conn net.Conn, in *bufio.Reader, cfg Config, request func(context.Context, *link, pdu, bool)) *link {
	return &link{
		conn: conn, in: in, idle: cfg.EnquireLink, patience: cfg.ResponseTimeout, request: request,
		out: make(chan outgoing, cfg.Window+spare), done: make(chan struct{}),
		sequence: 1, // was the bind's
		pending:  map[uint32]*exchange{},
	}
}

// run serves the link until it is over, and says why it is.
func (l *link) run(ctx context.Context) error {
	var writing sync.WaitGroup
	writing.Go(l.write)
	l.read(ctx)
	writing.Wait()
	return l.why
}

// end makes the link be over.
func (l *link) end(why error) {
	l.once.Do(func() {
		l.why = why
		close(l.done)
		_ = l.conn.Close()
	})
}

// unbind says goodbye and waits for as long as grace until the centre has, too.
func (l *link) unbind(grace time.Duration) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case l.out <- outgoing{frame: pdu{command: unbind, sequence: l.next(nil)}.encode()}:
	case <-l.done:
	case <-timer.C:
	}
	select {
	case <-l.done:
	case <-timer.C:
	}
	l.end(errFinished)
}

// ask queues a request. The caller waits for its answer or for the link's end,
// and calls forget when it does so no more.
func (l *link) ask(ctx context.Context, c command, b body) (e *exchange, forget func()) {
	e = &exchange{command: c, answer: make(chan pdu, 1)}
	sequence := l.next(e)
	select {
	case l.out <- outgoing{frame: pdu{command: c, sequence: sequence, body: b}.encode(), of: e}:
	case <-l.done:
	case <-ctx.Done():
		e.withdraw()
	}
	return e, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.pending[sequence] == e {
			delete(l.pending, sequence)
		}
	}
}

// next is a sequence number that is not in use (SMPP 3.4, 3.2: 1 to 0x7FFFFFFF),
// for e if it isn't nil.
func (l *link) next(e *exchange) uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		l.sequence = l.sequence%0x7FFFFFFF + 1
		if l.pending[l.sequence] == nil {
			break
		}
	}
	if e != nil {
		l.pending[l.sequence] = e
	}
	return l.sequence
}

// tell queues an answer. It doesn't wait for longer than the link lives.
func (l *link) tell(p pdu) { l.queue(outgoing{frame: p.encode()}) }

func (l *link) queue(o outgoing) {
	select {
	case l.out <- o:
	case <-l.done:
	}
}

// write writes what is queued, much of it at once where much waits, and asks
// from time to time whether the centre is there. Its answer needs nobody who
// waits for it: without any, the reader runs out of patience.
func (l *link) write() {
	ticker := time.NewTicker(l.idle)
	defer ticker.Stop()
	burst := make([]byte, 0, maxBurst)
	for {
		burst = burst[:0]
		last := false
		select {
		case <-l.done:
			return
		case <-ticker.C:
			burst = append(burst, pdu{command: enquireLink, sequence: l.next(nil)}.encode()...)
		case o := <-l.out:
			burst, last = o.appendTo(burst), o.last
		}
		for !last && len(burst) < maxBurst && len(l.out) > 0 {
			o := <-l.out
			burst, last = o.appendTo(burst), o.last
		}
		if err := l.conn.SetWriteDeadline(time.Now().Add(l.patience)); err != nil {
			l.end(err)
			return
		}
		if _, err := l.conn.Write(burst); err != nil {
			l.end(err)
			return
		}
		if last {
			l.end(errUnbound)
			return
		}
	}
}

// appendTo adds the PDU, unless it was withdrawn. From here on it counts as sent.
func (o outgoing) appendTo(burst []byte) []byte {
	if o.of != nil && !o.of.stage.CompareAndSwap(queued, written) {
		return burst
	}
	return append(burst, o.frame...)
}

// read reads what the centre says until the link is over. It must say
// something every so often, and finish what it began to say.
func (l *link) read(ctx context.Context) {
	buf := make([]byte, 0, 4<<10)
	for {
		if err := l.conn.SetReadDeadline(time.Now().Add(l.idle + l.patience)); err != nil {
			l.end(err)
			return
		}
		frame, err := readFrame(l.in, buf)
		if err != nil {
			l.end(err)
			return
		}
		p, err := decode(frame)
		if err = l.dispatch(ctx, p, err); err != nil {
			l.end(err)
			return
		}
		if p.command == unbind {
			<-l.done // when it is answered
			return
		}
	}
}

// dispatch gives p to whom it is for. malformed is what decode said. An error
// means that the centre can't be followed any more.
func (l *link) dispatch(ctx context.Context, p pdu, malformed error) error {
	switch {
	case malformed != nil && p.command.isAnswer():
		return malformed
	case p.command == unbind.answer():
		return errFinished
	case p.command.isAnswer():
		return l.answered(p)
	case p.command == enquireLink:
		l.tell(pdu{command: enquireLink.answer(), sequence: p.sequence})
	case p.command == unbind:
		l.queue(outgoing{frame: pdu{command: unbind.answer(), sequence: p.sequence}.encode(), last: true})
	default:
		l.request(ctx, l, p, malformed != nil)
	}
	return nil
}

// answered gives an answer to whoever asked. One that nobody waits for any more,
// or nobody asked for, is dropped.
func (l *link) answered(p pdu) error {
	l.mu.Lock()
	e := l.pending[p.sequence]
	delete(l.pending, p.sequence)
	l.mu.Unlock()
	switch {
	case p.command == genericNack && (p.sequence == 0 || p.status == statusOK):
		// It couldn't tell where a request ends, so who knows which were read.
		return errGarbage
	case e == nil:
		return nil
	case p.command != genericNack && p.command != e.command.answer():
		return errGarbage
	}
	e.answer <- p
	return nil
}

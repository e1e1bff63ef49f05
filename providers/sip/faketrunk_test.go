package sip

import (
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"denwa/providers/providertest"
)

// fakeTrunk is a trunk over TCP that misbehaves as a [providertest.Behaviour]
// says. Whatever it takes rings until it is taken back.
type fakeTrunk struct {
	listener  net.Listener
	behaviour providertest.Behaviour
	serving   sync.WaitGroup

	mu      sync.Mutex
	conns   []net.Conn
	invites []*sip.Request
}

func newFakeTrunk(t *testing.T, b providertest.Behaviour) *fakeTrunk {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeTrunk{listener: listener, behaviour: b}
	if b == providertest.Down {
		listener.Close()
		return f
	}
	f.serving.Go(f.serve)
	t.Cleanup(f.close)
	return f
}

func (f *fakeTrunk) addr() string { return f.listener.Addr().String() }

func (f *fakeTrunk) serve() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.conns = append(f.conns, conn)
		f.mu.Unlock()
		f.serving.Go(func() { f.talk(conn) })
	}
}

func (f *fakeTrunk) close() {
	f.listener.Close()
	f.mu.Lock()
	for _, conn := range f.conns {
		conn.Close()
	}
	f.mu.Unlock()
	f.serving.Wait()
}

// talk answers the requests of one connection until it ends.
func (f *fakeTrunk) talk(conn net.Conn) {
	defer conn.Close()
	stream, buffer := sip.NewParser().NewSIPStream(), make([]byte, 4096)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		_ = stream.ParseSIPStream(buffer[:n], func(m sip.Message) { // a part of a message is no mistake
			if req, ok := m.(*sip.Request); ok {
				f.take(conn, req)
			}
		})
	}
}

func (f *fakeTrunk) take(conn net.Conn, req *sip.Request) {
	switch req.Method {
	case sip.INVITE:
		f.mu.Lock()
		f.invites = append(f.invites, req)
		f.mu.Unlock()
		f.invited(conn, req)
	case sip.CANCEL:
		respondAs(conn, req, 200)
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, invite := range f.invites {
			if invite.CallID().Value() == req.CallID().Value() && f.behaviour != providertest.Hang {
				respondAs(conn, invite, 487)
			}
		}
	case sip.BYE:
		respondAs(conn, req, 200)
	default:
	}
}

// invited answers an INVITE.
func (f *fakeTrunk) invited(conn net.Conn, req *sip.Request) {
	switch f.behaviour {
	case providertest.Accept:
		respondAs(conn, req, 180)
	case providertest.Slow:
		time.Sleep(200 * time.Millisecond)
		respondAs(conn, req, 180)
	case providertest.Hang:
	case providertest.Cut:
		_, _ = conn.Write([]byte("SIP/2.0 180 Ringing\r\nVia: SIP/2."))
		conn.Close()
	default: // a code
		code, err := strconv.Atoi(string(f.behaviour))
		if err != nil {
			panic(err)
		}
		respondAs(conn, req, code)
	}
}

// respondAs responds with a code, quoting in vain what is private.
func respondAs(conn net.Conn, req *sip.Request, code int) {
	res := sip.NewResponseFromRequest(req, code, "No "+req.Recipient.User, nil)
	res.To().Params.Remove("tag")
	res.To().Params.Add("tag", "fake")
	if code == 503 {
		res.AppendHeader(sip.NewHeader("Retry-After", "7"))
	}
	_, _ = conn.Write([]byte(res.String()))
}

// asked is how often it was asked for a call. Over TCP nothing is repeated.
func (f *fakeTrunk) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.invites)
}

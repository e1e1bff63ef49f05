package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"denwa/providers"
)

// writeTime bounds writing one message: a trunk that doesn't read keeps nobody waiting.
const writeTime = 2 * time.Second

// endpoint is where SIP messages come and go.
//
// sipgo's parser, transports and transactions are used, and its dialogs
// aren't: those give up a call on its 11th response, and answer no challenge
// after the INVITE.
type endpoint struct {
	transport    *sip.TransportLayer
	transactions *sip.TransactionLayer
	network      string // UDP, TCP or TLS
	server       string // host:port of the trunk
	advertised   netip.Addr
	listener     net.PacketConn // of UDP
	local        *net.UDPAddr   // of listener
	serving      sync.WaitGroup

	mu     sync.RWMutex // held for reading while something is sent
	closed bool
}

// silence keeps sipgo from writing to the process's default logger. What it
// logs has numbers in it.
var silence = sync.OnceValue(func() *slog.Logger {
	log := slog.New(slog.DiscardHandler)
	sip.SetDefaultLogger(log)
	return log
})

// listen starts an endpoint. Requests from outside go to handle.
func listen(cfg Config, seen *providers.Certificates, handle sip.TransactionRequestHandler) (*endpoint, error) {
	host, _, err := net.SplitHostPort(cfg.Server)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	t, err := cfg.TLS.Load(host, seen)
	if err != nil {
		return nil, err
	}
	e := &endpoint{network: strings.ToUpper(string(cfg.Transport)), server: cfg.Server}
	if cfg.Media.Address != "" {
		e.advertised = netip.MustParseAddr(cfg.Media.Address)
	}
	log := silence()
	e.transport = sip.NewTransportLayer(net.DefaultResolver, sip.NewParser(), t, sip.WithTransportLayerLogger(log),
		sip.WithTransportLayerTransports(sip.TransportsConfig{
			TCP: &sip.TransportTCP{WriteTimeout: writeTime},
			TLS: &sip.TransportTLS{TransportTCP: &sip.TransportTCP{WriteTimeout: writeTime}},
		}))
	e.transactions = sip.NewTransactionLayer(e.transport,
		sip.WithTransactionLayerLogger(log),
		sip.WithTransactionLayerUnhandledResponseHandler(func(*sip.Response) {}),
		sip.WithTransactionLayerTerminateOnConnClose())
	e.transactions.OnRequest(handle)
	if cfg.Transport != UDP {
		return e, nil
	}
	if e.listener, err = net.ListenPacket("udp", cfg.Listen); err != nil { //nolint:noctx // there is nothing to wait for
		return nil, fmt.Errorf("listen: %w", err)
	}
	e.local = e.listener.LocalAddr().(*net.UDPAddr)
	e.serving.Go(func() { _ = e.transport.ServeUDP(e.listener) }) // it ends when the listener is closed
	e.awaitServing()
	return e, nil
}

// awaitServing waits until sipgo knows the listener, which it doesn't tell:
// before that, a request would try to open the same port again.
func (e *endpoint) awaitServing() {
	for {
		conn, err := e.transport.GetConnection(e.network, e.local.String())
		if err == nil {
			_, _ = conn.TryClose() // it only gives back what GetConnection took
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// close ends all transactions and waits until nothing is read any more.
func (e *endpoint) close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.transactions.Close()
	_ = e.transport.Close() // connections that can't be closed are closed
	if e.listener != nil {
		_ = e.listener.Close()
	}
	e.serving.Wait()
}

// address is where the trunk reaches this host: as configured, or where
// packets to the trunk leave from.
func (e *endpoint) address(ctx context.Context) (netip.Addr, error) {
	if e.advertised.IsValid() {
		return e.advertised, nil
	}
	if e.local != nil && !e.local.IP.IsUnspecified() {
		return e.local.AddrPort().Addr().Unmap(), nil
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", e.server) // no packet is sent
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// begin sends a request, with a Via of its own, and returns its transaction.
func (e *endpoint) begin(ctx context.Context, req *sip.Request) (*sip.ClientTx, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return nil, errClosed
	}
	e.route(req)
	tx, err := e.transactions.NewClientTransaction(ctx, req)
	if err != nil {
		return nil, private(err)
	}
	// Over a connection, its own end is what the other side can reach.
	if contact := req.Contact(); contact != nil && e.local == nil {
		if addr, ok := tx.Connection().LocalAddr().(*net.TCPAddr); ok {
			contact.Address.Port = addr.Port
		}
	}
	if err := tx.Init(); err != nil {
		tx.Terminate()
		return nil, private(err)
	}
	return tx, nil
}

// do sends a request that isn't an INVITE and returns its final response.
func (e *endpoint) do(ctx context.Context, req *sip.Request) (*sip.Response, error) {
	tx, err := e.begin(ctx, req)
	if err != nil {
		return nil, err
	}
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, nil
			}
		case <-tx.Done():
			return nil, private(tx.Err())
		case <-ctx.Done():
			tx.Terminate()
			return nil, context.Cause(ctx)
		}
	}
}

// write sends a request outside of any transaction: an ACK. The connection may
// be gone, and a new one isn't waited for as long as the system would.
func (e *endpoint) write(ctx context.Context, req *sip.Request) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return errClosed
	}
	e.route(req)
	conn, err := e.transport.ClientRequestConnection(ctx, req)
	if err != nil {
		return private(err)
	}
	err = conn.WriteMsg(req)
	_, _ = conn.TryClose() // it only gives the connection back
	return private(err)
}

// route gives req a Via, unless it has one, and the way it takes.
func (e *endpoint) route(req *sip.Request) {
	req.SetTransport(e.network)
	if req.Via() == nil {
		via := &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: e.network}
		if contact := req.Contact(); contact != nil && e.local != nil {
			via.Host, via.Port = contact.Address.Host, e.local.Port
		}
		via.Params.Add("branch", sip.GenerateBranchN(16))
		via.Params.Add("rport", "")
		req.PrependHeader(via)
	}
	if e.local != nil {
		req.Laddr = sip.Addr{IP: e.local.IP, Port: e.local.Port}
	}
}

// Causes of what failed on the way.
var (
	errTimeout = errors.New("no answer")
	errSend    = errors.New("a message couldn't be sent")
)

// private is err without what messages hold: sipgo quotes them.
func private(err error) error {
	var network *net.OpError
	var dns *net.DNSError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &network):
		return network
	case errors.As(err, &dns):
		return dns
	case errors.Is(err, sip.ErrTransactionTimeout):
		return errTimeout
	case errors.Is(err, sip.ErrUDPMTUCongestion):
		return fmt.Errorf("%w: %w; use tcp", errSend, sip.ErrUDPMTUCongestion)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return errTimeout
	}
	return errSend
}

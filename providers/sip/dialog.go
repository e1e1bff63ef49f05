package sip

import (
	"crypto/rand"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// allowed are the requests that Denwa takes within a call.
const allowed = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE"

// dialog is what both sides call a call by. It builds the requests of this side.
type dialog struct {
	target  sip.Uri // whom requests are for
	server  string  // host:port that the first one goes to
	contact sip.ContactHeader
	callID  sip.CallIDHeader
	from    sip.FromHeader
	to      sip.ToHeader // with the other side's tag once that is known
	routes  []sip.Header
	seq     uint32
	invite  *sip.Request // the last one
	auth    credentials
}

// newDialog is a call from the configured number to another one.
func newDialog(cfg Config, number string, contact netip.AddrPort) *dialog {
	host, port := hostPort(cfg.Server)
	d := &dialog{server: cfg.Server, callID: sip.CallIDHeader(rand.Text()), auth: credentials{username: cfg.Username, password: cfg.Password}}
	d.target = sip.Uri{Scheme: "sip", User: cfg.dialled(number), Host: host, Port: port}
	if cfg.Domain != "" {
		d.target.Host, d.target.Port = cfg.Domain, 0
	}
	d.from = sip.FromHeader{Address: sip.Uri{Scheme: "sip", User: cfg.From, Host: d.target.Host}}
	d.from.Params.Add("tag", rand.Text())
	d.to = sip.ToHeader{Address: d.target}
	d.to.Address.Port = 0
	d.contact = sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: cfg.From, Host: bracketed(contact.Addr()), Port: int(contact.Port())}}
	if cfg.Transport != UDP {
		d.contact.Address.UriParams.Add("transport", string(cfg.Transport))
	}
	return d
}

func hostPort(server string) (host string, port int) {
	at := strings.LastIndexByte(server, ':')
	port, _ = strconv.Atoi(server[at+1:]) // validated
	return server[:at], port
}

func bracketed(addr netip.Addr) string {
	if addr.Is6() {
		return "[" + addr.String() + "]"
	}
	return addr.String()
}

// request begins a request within the call.
func (d *dialog) request(method sip.RequestMethod, seq uint32) *sip.Request {
	req := sip.NewRequest(method, d.target)
	hops := sip.MaxForwardsHeader(70)
	req.AppendHeader(&hops)
	for _, route := range d.routes {
		req.AppendHeader(sip.HeaderClone(route))
	}
	req.AppendHeader(sip.HeaderClone(&d.from))
	req.AppendHeader(sip.HeaderClone(&d.to))
	req.AppendHeader(sip.HeaderClone(&d.callID))
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: method})
	req.AppendHeader(sip.HeaderClone(&d.contact))
	return req
}

// newInvite offers media. A further one answers a challenge.
func (d *dialog) newInvite(offer []byte) *sip.Request {
	d.seq++
	req := d.request(sip.INVITE, d.seq)
	req.AppendHeader(sip.NewHeader("Allow", allowed))
	req.AppendHeader(sip.NewHeader("User-Agent", "Denwa"))
	d.auth.authorize(req)
	req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	req.SetBody(offer)
	req.SetDestination(d.server)
	d.invite = req
	return req
}

// newCancel takes back the last INVITE (RFC 3261, section 9.1).
func (d *dialog) newCancel() *sip.Request {
	req := sip.NewRequest(sip.CANCEL, d.invite.Recipient)
	for _, h := range []sip.Header{d.invite.Via(), d.invite.MaxForwards(), d.invite.From(), d.invite.To(), d.invite.CallID()} {
		req.AppendHeader(sip.HeaderClone(h))
	}
	req.AppendHeader(&sip.CSeqHeader{SeqNo: d.invite.CSeq().SeqNo, MethodName: sip.CANCEL})
	req.SetBody(nil)
	req.SetDestination(d.server)
	return req
}

// answered returns the dialog that a 2xx makes of this one: two phones may
// answer, and each is a dialog of its own.
func (d *dialog) answered(res *sip.Response) *dialog {
	a := *d
	if to := res.To(); to != nil {
		a.to = *sip.HeaderClone(to).(*sip.ToHeader)
	}
	if contact := res.Contact(); contact != nil {
		a.target = *contact.Address.Clone()
	}
	recorded := res.GetHeaders("Record-Route")
	a.routes = make([]sip.Header, 0, len(recorded))
	for i := len(recorded) - 1; i >= 0; i-- {
		a.routes = append(a.routes, sip.NewHeader("Route", recorded[i].Value()))
	}
	return &a
}

// newAck confirms the 2xx. It bears the INVITE's number and credentials.
func (d *dialog) newAck() *sip.Request {
	req := d.request(sip.ACK, d.invite.CSeq().SeqNo)
	d.auth.authorize(req)
	req.SetBody(nil)
	return req
}

// newBye ends the call.
func (d *dialog) newBye(auth credentials) *sip.Request {
	d.seq++
	req := d.request(sip.BYE, d.seq)
	auth.authorize(req)
	req.SetBody(nil)
	return req
}

// tag is what the other side calls itself by; empty before it said.
func (d *dialog) tag() string { return d.to.Params.GetOr("tag", "") }

// owns reports whether a request from outside belongs to this dialog, or to
// the one that its INVITE may still make.
func (d *dialog) owns(req *sip.Request) bool {
	from, to := req.From(), req.To()
	if from == nil || to == nil || to.Params.GetOr("tag", "") != d.from.Params.GetOr("tag", "") {
		return false
	}
	return d.tag() == "" || from.Params.GetOr("tag", "") == d.tag()
}

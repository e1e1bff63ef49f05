package siptest

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// Script is a sipp that answers calls exactly as its steps say.
type Script struct {
	tb   testing.TB
	port int
	proc *process
	// errors is a file with what went otherwise than the steps say.
	errors string
	tunnel *tunnel // of transport tls
}

// Done waits until all calls are over, and fails the test if one of them went
// otherwise than the steps say.
func (s *Script) Done() {
	s.tb.Helper()
	select {
	case <-s.proc.done:
	case <-time.After(2 * patience):
		s.tb.Fatalf("sipp's calls aren't over")
	}
	if s.proc.err != nil {
		text, _ := os.ReadFile(s.errors)
		s.tb.Errorf("sipp: %v\n%s", s.proc.err, text)
	}
}

// contact is where sipp wants further requests.
const contact = "<sip:[local_ip]:[local_port];transport=[transport]>"

// Step is one step of a sipp scenario.
type Step string

// Expect waits for a request.
func Expect(method string) Step {
	if method != "INVITE" {
		return Step(`<recv request="` + method + `"/>`)
	}
	return `<recv request="INVITE"><action>` +
		`<ereg regexp="sip:[^&gt;]*" search_in="hdr" header="Contact:" assign_to="contact"/>` +
		`<ereg regexp=".*" search_in="hdr" header="From:" assign_to="from"/>` +
		`<ereg regexp=".*" search_in="hdr" header="To:" assign_to="to"/>` +
		`<ereg regexp=".*" search_in="hdr" header="Via:" assign_to="via"/>` +
		`<ereg regexp=".*" search_in="hdr" header="CSeq:" assign_to="cseq"/>` +
		`</action></recv>`
}

// ExpectWith waits for an INVITE that has a header with this in it.
func ExpectWith(method, header, text string) Step {
	return Step(fmt.Sprintf(`<recv request="%s"><action><ereg regexp="%s" search_in="hdr" header="%s" check_it="true" assign_to="checked"/></action></recv>`,
		method, strings.ReplaceAll(text, `"`, "&quot;"), header))
}

// ExpectResponse waits for a response to one of this side's requests.
func ExpectResponse(code int) Step { return Step(fmt.Sprintf(`<recv response="%d"/>`, code)) }

// ExpectEither waits for a response, and lets another one come before it.
func ExpectEither(code, before int) Step {
	return Step(fmt.Sprintf(`<recv response="%d" optional="true"/><recv response="%d"/>`, before, code))
}

// Pause waits.
func Pause(d time.Duration) Step {
	return Step(fmt.Sprintf(`<pause milliseconds="%d"/>`, d.Milliseconds()))
}

// SDP describes media at sipp's own address, where it echoes what it gets.
const SDP = `v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
`

// Respond answers the last request, with further headers if there are any.
func Respond(code int, reason, body string, headers ...string) Step {
	tag := ";tag=[call_number]"
	if code == 100 {
		tag = ""
	}
	return send(fmt.Sprintf("SIP/2.0 %d %s", code, reason), body, append([]string{
		"[last_Via:]", "[last_From:]", "[last_To:]" + tag, "[last_Call-ID:]", "[last_CSeq:]",
		"Contact: " + contact,
	}, headers...)...)
}

// RespondAgain answers a request within the call, which has both tags already.
func RespondAgain(code int, reason string) Step {
	return send(fmt.Sprintf("SIP/2.0 %d %s", code, reason), "", "[last_Via:]", "[last_From:]", "[last_To:]", "[last_Call-ID:]", "[last_CSeq:]")
}

// Request sends a request within the call, with a sequence number of its own.
func Request(method string, seq int, body string, headers ...string) Step {
	return send(method+" [$contact] SIP/2.0", body, append([]string{
		"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]",
		"From:[$to];tag=[call_number]", "To:[$from]", "Call-ID: [call_id]",
		fmt.Sprintf("CSeq: %d %s", seq, method), "Max-Forwards: 70",
		"Contact: " + contact,
	}, headers...)...)
}

// RespondToCancel takes a CANCEL. The INVITE still needs an answer of its own.
func RespondToCancel() Step {
	return send("SIP/2.0 200 OK", "", "[last_Via:]", "[last_From:]", "[last_To:];tag=[call_number]", "[last_Call-ID:]", "[last_CSeq:]")
}

// RespondToInvite answers the INVITE when other requests came after it, with
// SDP if it is taken.
func RespondToInvite(code int, reason string) Step {
	body := ""
	if code < 300 {
		body = SDP
	}
	return send(fmt.Sprintf("SIP/2.0 %d %s", code, reason), body,
		"Via:[$via]", "From:[$from]", "To:[$to];tag=[call_number]", "Call-ID: [call_id]", "CSeq:[$cseq]",
		"Contact: "+contact)
}

// Acknowledge confirms the final response to an INVITE of this side: a 2xx, or,
// with back, another one to the INVITE that was sent so many steps before.
func Acknowledge(seq int, body string, back int) Step {
	branch := "[branch]"
	if back > 0 {
		branch = fmt.Sprintf("[branch-%d]", back)
	}
	return send("ACK [$contact] SIP/2.0", body,
		"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch="+branch,
		"From:[$to];tag=[call_number]", "To:[$from]", "Call-ID: [call_id]", fmt.Sprintf("CSeq: %d ACK", seq), "Max-Forwards: 70")
}

func send(first, body string, headers ...string) Step {
	lines := append([]string{first}, headers...)
	if body != "" && strings.HasPrefix(body, "v=0") {
		lines = append(lines, "Content-Type: application/sdp")
	}
	lines = append(lines, "Content-Length: [len]", "", body)
	retransmit := ""
	if !strings.HasPrefix(first, "SIP/2.0") && !strings.HasPrefix(first, "ACK") {
		retransmit = ` retrans="500"`
	}
	return Step("<send" + retransmit + "><![CDATA[\n\n" + strings.Join(lines, "\n") + "\n\n]]></send>")
}

// StartScript starts a sipp that follows these steps in one call, and returns
// when it can be called. It takes transport udp, tcp or tls.
func StartScript(tb testing.TB, transport string, steps ...Step) *Script {
	tb.Helper()
	return StartScripts(tb, transport, 1, steps...)
}

// StartScripts starts a sipp that follows these steps in so many calls.
func StartScripts(tb testing.TB, transport string, calls int, steps ...Step) *Script {
	tb.Helper()
	command := need(tb, "sipp", "sip-tester")
	dir := tb.TempDir()
	var xml strings.Builder
	xml.WriteString("<?xml version=\"1.0\"?>\n<scenario name=\"test\">\n")
	for _, s := range steps {
		xml.WriteString(string(s) + "\n")
	}
	var assigned []string // sipp wants each to be used, and no other
	for _, name := range []string{"contact", "from", "to", "via", "cseq", "checked"} {
		if strings.Contains(xml.String(), `assign_to="`+name+`"`) {
			assigned = append(assigned, name)
		}
	}
	xml.WriteString("<Reference variables=\"" + strings.Join(assigned, ",") + "\"/>\n</scenario>\n")
	s := &Script{tb: tb, port: FreePorts(tb, 2)}
	media, scenario := FreePorts(tb, 4), xml.String()
	if transport == "tls" {
		transport = "tcp"
		s.tunnel = startTunnel(tb, fmt.Sprintf("127.0.0.1:%d", s.port))
		scenario = strings.ReplaceAll(scenario, contact, "<sip:"+s.Addr()+";transport=tls>")
	}
	mode := map[string]string{"udp": "u1", "tcp": "t1"}[transport]
	s.proc = run(tb, dir, command, "-sf", writeFile(tb, dir, "scenario.xml", scenario), "-t", mode,
		"-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", fmt.Sprint(s.port), "-mp", fmt.Sprint(media), "-rtp_echo",
		"-nostdin", "-trace_err", "-error_file", "errors.log", "-m", fmt.Sprint(calls))
	s.errors = dir + "/errors.log"
	eventually(tb, "sipp's port", func() bool {
		select {
		case <-s.proc.done:
			tb.Fatalf("sipp exited: %v\n%s", s.proc.err, s.proc.output.String())
		default:
		}
		return bound(transport, s.port)
	})
	return s
}

// Addr is its host:port.
func (s *Script) Addr() string {
	if s.tunnel != nil {
		return s.tunnel.listener.Addr().String()
	}
	return fmt.Sprintf("127.0.0.1:%d", s.port)
}

// CAFile is the file with the certificate to trust; empty without TLS.
func (s *Script) CAFile() string {
	if s.tunnel == nil {
		return ""
	}
	return s.tunnel.ca
}

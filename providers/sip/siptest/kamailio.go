package siptest

import (
	"fmt"
	"testing"
)

// Proxy is a kamailio that asks for digest credentials and passes calls on.
type Proxy struct {
	port int
	proc *process
}

// The credentials that a Proxy takes.
const (
	Username = "denwa"
	Password = "correct horse"
)

// ProxyOptions say how a proxy behaves.
type ProxyOptions struct {
	// Next is the host:port that calls are passed on to.
	Next string
	// Transport that it listens on: udp or tcp.
	Transport string
	// Within makes it ask within calls, too.
	Within bool
}

// StartProxy starts a proxy, and returns when it can be called.
func StartProxy(tb testing.TB, o ProxyOptions) *Proxy {
	tb.Helper()
	command := need(tb, "kamailio", "kamailio")
	dir := tb.TempDir()
	p := &Proxy{port: FreePorts(tb, 2)}
	within := ""
	if o.Within {
		within = `if (!is_method("ACK|CANCEL") && $si == "127.0.0.1" && $sp != ` + portOf(o.Next) + `) { route(AUTH); }`
	}
	config := fmt.Sprintf(`
#!KAMAILIO
debug=1
log_stderror=yes
fork=yes
children=2
tcp_children=2
auto_aliases=no
disable_core_dump=yes
listen=%[1]s:127.0.0.1:%[2]d
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/:/usr/lib/aarch64-linux-gnu/kamailio/modules/:/usr/lib64/kamailio/modules/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "auth.so"
modparam("auth", "qop", "auth")
request_route {
	if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
	if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }
	if (has_totag()) {
		if (!loose_route()) { sl_send_reply("404", "Not here"); exit; }
		%[4]s
		t_relay();
		exit;
	}
	t_check_trans();
	if (!is_method("INVITE")) { sl_send_reply("405", "Method Not Allowed"); exit; }
	route(AUTH);
	record_route();
	$du = "sip:%[3]s;transport=%[1]s";
	t_relay();
}
route[AUTH] {
	if (!pv_proxy_authenticate("127.0.0.1", "%[5]s", "0")) {
		auth_challenge("127.0.0.1", "1");
		exit;
	}
	consume_credentials();
}
`, o.Transport, p.port, o.Next, within, Password)
	p.proc = run(tb, dir, command, "-DD", "-E", "-f", writeFile(tb, dir, "kamailio.cfg", config), "-Y", dir, "-w", dir, "-m", "32", "-M", "4")
	eventually(tb, "kamailio's port", func() bool {
		select {
		case <-p.proc.done:
			tb.Fatalf("kamailio exited: %v", p.proc.err)
		default:
		}
		return bound(o.Transport, p.port)
	})
	return p
}

// Addr is its host:port.
func (p *Proxy) Addr() string { return fmt.Sprintf("127.0.0.1:%d", p.port) }

func portOf(addr string) string {
	for i := len(addr) - 1; i >= 0; i-- {
		if addr[i] == ':' {
			return addr[i+1:]
		}
	}
	return addr
}

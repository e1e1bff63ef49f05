package siptest

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Phone is a baresip without sound hardware. It records what it hears. Its
// methods are for the goroutine of the test.
type Phone struct {
	tb      testing.TB
	dir     string
	port    int
	control net.Conn

	mu     sync.Mutex
	events []Event
}

// Event is what baresip tells of a call.
type Event struct {
	Type  string `json:"type"`
	Param string `json:"param"`
	At    time.Time
}

// PhoneOptions say how a phone behaves.
type PhoneOptions struct {
	// Manual leaves a call ringing until [Phone.Answer].
	Manual bool
	// Codec is the only one that it knows, PCMU or PCMA; empty for both.
	Codec string
	// Info makes it tell of keys by SIP INFO.
	Info bool
	// Certificate is a PEM file with key and certificate for TLS.
	Certificate string
}

// Number is what a phone is called by.
const Number = "+819037264815"

// StartPhone starts a phone, and returns when it can be called.
func StartPhone(tb testing.TB, o PhoneOptions) *Phone {
	tb.Helper()
	command := need(tb, "baresip", "baresip-core")
	const modules = "/usr/lib/baresip/modules"
	p := &Phone{tb: tb, dir: tb.TempDir(), port: FreePorts(tb, 4)}
	rtp := FreePorts(tb, 8)
	if err := os.WriteFile(filepath.Join(p.dir, "silence.wav"), silence(10*time.Minute), 0o600); err != nil {
		tb.Fatal(err)
	}
	config := fmt.Sprintf(`
sip_listen 127.0.0.1:%d
sip_certificate %s
audio_source aufile,%s/silence.wav
audio_player aubridge,pseudo0
audio_alert aubridge,pseudo1
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtp_ports %d-%d
rtp_timeout 0
call_local_timeout 120
statmode_default off
module_path %s
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:%d
snd_path %s
`, p.port, o.Certificate, p.dir, rtp, rtp+7, modules, p.port+2, p.dir)
	answer, dtmf, codecs := "auto", "rtpevent", "PCMU/8000/1,PCMA/8000/1"
	if o.Manual {
		answer = "manual"
	}
	if o.Info {
		dtmf = "info"
	}
	if o.Codec != "" {
		codecs = o.Codec + "/8000/1"
	}
	writeFile(tb, p.dir, "config", config)
	writeFile(tb, p.dir, "accounts", fmt.Sprintf("<sip:%s@127.0.0.1>;regint=0;answermode=%s;dtmfmode=%s;audio_codecs=%s\n", Number, answer, dtmf, codecs))
	proc := run(tb, p.dir, command, "-f", p.dir)
	eventually(tb, "baresip's control port", func() bool {
		select {
		case <-proc.done:
			tb.Fatalf("baresip exited: %v", proc.err)
		default:
		}
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.port+2))
		p.control = conn
		return err == nil
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.listen()
	}()
	tb.Cleanup(func() {
		p.control.Close()
		<-ended
	})
	eventually(tb, "baresip's account", func() bool { return strings.Contains(proc.output.String(), "ready") })
	return p
}

// Addr is the phone's host:port for SIP over UDP and TCP.
func (p *Phone) Addr() string { return fmt.Sprintf("127.0.0.1:%d", p.port) }

// AddrTLS is its host:port for SIP over TLS.
func (p *Phone) AddrTLS() string { return fmt.Sprintf("127.0.0.1:%d", p.port+1) }

// Press presses keys one after the other.
func (p *Phone) Press(keys string) {
	p.tb.Helper()
	for _, key := range keys {
		p.command("sndcode", string(key))
		time.Sleep(120 * time.Millisecond)
		p.command("sndcode", "\x04") // let go
		time.Sleep(80 * time.Millisecond)
	}
}

// Answer picks up.
func (p *Phone) Answer() { p.command("accept", "") }

// HangUp ends the call.
func (p *Phone) HangUp() { p.command("hangup", "") }

// Hold puts the call on hold, and Resume takes it back.
func (p *Phone) Hold() { p.command("hold", "") }

// Resume takes the call back from hold.
func (p *Phone) Resume() { p.command("resume", "") }

// Await waits for an event, such as CALL_INCOMING, CALL_ESTABLISHED or CALL_CLOSED.
func (p *Phone) Await(kind string) Event {
	p.tb.Helper()
	var found Event
	eventually(p.tb, "baresip's "+kind, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, e := range p.events {
			if e.Type == kind {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// AwaitSound waits until the phone hears anything but silence.
func (p *Phone) AwaitSound() {
	p.tb.Helper()
	eventually(p.tb, "sound at the phone", func() bool {
		return slices.ContainsFunc(p.Heard(), func(v int16) bool { return v > 1000 || v < -1000 })
	})
}

// Keys returns the keys that the other side pressed until now.
func (p *Phone) Keys() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	keys := ""
	for _, e := range p.events {
		if e.Type == "CALL_DTMF_START" {
			keys += e.Param
		}
	}
	return keys
}

// Forget forgets what was heard and told of calls that are over.
func (p *Phone) Forget() {
	p.tb.Helper()
	for _, file := range p.recordings() {
		if err := os.Remove(file); err != nil {
			p.tb.Fatal(err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = nil
}

// recordings are the files of what was heard.
func (p *Phone) recordings() []string {
	p.tb.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "dump-*-dec.wav"))
	if err != nil {
		p.tb.Fatal(err)
	}
	return files
}

// Heard returns what was heard until now, samples at 8 kHz. A call that was on
// hold is in several recordings.
func (p *Phone) Heard() []int16 {
	p.tb.Helper()
	var samples []int16
	for _, file := range p.recordings() {
		data, err := os.ReadFile(file)
		if err != nil {
			p.tb.Fatal(err)
		}
		for b := data[min(44, len(data)):]; len(b) >= 2; b = b[2:] {
			samples = append(samples, int16(binary.LittleEndian.Uint16(b)))
		}
	}
	return samples
}

// command sends a netstring of JSON.
func (p *Phone) command(command, params string) {
	p.tb.Helper()
	text, err := json.Marshal(map[string]string{"command": command, "params": params})
	if err != nil {
		p.tb.Fatal(err)
	}
	if _, err := fmt.Fprintf(p.control, "%d:%s,", len(text), text); err != nil {
		p.tb.Fatalf("baresip %s: %v", command, err)
	}
}

// listen reads netstrings of events and replies until the connection ends.
func (p *Phone) listen() {
	r := bufio.NewReader(p.control)
	for {
		var n int
		if _, err := fmt.Fscanf(r, "%d:", &n); err != nil || n > 1<<20 {
			return
		}
		text := make([]byte, n+1) // and a comma
		for got := 0; got < len(text); {
			more, err := r.Read(text[got:])
			if err != nil {
				return
			}
			got += more
		}
		e := Event{At: time.Now()}
		if json.Unmarshal(text[:n], &e) == nil && e.Type != "" {
			p.mu.Lock()
			p.events = append(p.events, e)
			p.mu.Unlock()
		}
	}
}

// silence is a WAV file of that length, for a phone that says nothing.
func silence(d time.Duration) []byte {
	n := uint32(d.Seconds()) * 16000
	b := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, 36+n)...)
	b = append(b, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data"...)
	b = binary.LittleEndian.AppendUint32(b, n)
	return append(b, make([]byte, n)...)
}

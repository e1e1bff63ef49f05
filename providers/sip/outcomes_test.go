package sip

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"denwa/ivr"
	"denwa/providers"
	"denwa/providers/sip/siptest"
)

// pressed is a key that the other side tells of in INFO.
func pressed(seq int, key string) []siptest.Step {
	return []siptest.Step{
		siptest.Request("INFO", seq, "Signal="+key+"\nDuration=160", "Content-Type: application/dtmf-relay"), siptest.ExpectResponse(200),
	}
}

// greeted is long enough for the greeting to have begun, on a loaded machine too.
var greeted = siptest.Pause(3 * time.Second)

// hangsUp is the end of a call that the other side brings about.
func hangsUp(seq int) []siptest.Step {
	return []siptest.Step{siptest.Request("BYE", seq, ""), siptest.ExpectResponse(200)}
}

// outcome is one way in which a call goes.
type outcome struct {
	name      string
	trunk     []siptest.Step
	script    ivr.Script // confirm if it has no mode
	extension string
	change    func(*Config)
	kind      providers.Kind     // of PlaceCall's failure; empty if the trunk takes the call
	want      []providers.Status // the receipts after ringing
	code      string             // of the failure, or of the last receipt
	asked     []string           // the keys that were put to the gateway
}

// outcomes are all of them.
func outcomes() []outcome {
	rings := []siptest.Step{siptest.Expect("INVITE"), siptest.Respond(100, "Trying", ""), siptest.Respond(180, "Ringing", "")}
	ends := func(code int) []siptest.Step {
		return slices.Concat(rings, []siptest.Step{siptest.Pause(300 * time.Millisecond), siptest.Respond(code, "Whatever", ""), siptest.Expect("ACK")})
	}
	refuses := func(code int, headers ...string) []siptest.Step {
		return []siptest.Step{siptest.Expect("INVITE"), siptest.Respond(code, "Whatever", "", headers...), siptest.Expect("ACK")}
	}
	greets := func(then ...[]siptest.Step) []siptest.Step {
		return answered(slices.Concat(append([][]siptest.Step{{greeted}}, then...)...)...)
	}
	pause := []siptest.Step{siptest.Pause(500 * time.Millisecond)}
	answeredAnd := func(s ...providers.Status) []providers.Status {
		return append([]providers.Status{providers.Answered}, s...)
	}
	short := func(cfg *Config) { cfg.RingTimeout = time.Second }
	return []outcome{
		{name: "confirmed", trunk: greets(pressed(1, "#"), bye()), want: answeredAnd(providers.Confirmed), asked: []string{"#"}},
		{
			name: "confirmed after credentials", change: withPassword("", siptest.Password),
			trunk: slices.Concat(refuses(401, `WWW-Authenticate: Digest realm="a", nonce="1", qop="auth", algorithm=MD5`),
				[]siptest.Step{siptest.ExpectWith("INVITE", "Authorization:", `username="`+siptest.Username)},
				greets(pressed(1, "#"), bye())[1:]),
			want: answeredAnd(providers.Confirmed), asked: []string{"#"},
		},
		{
			name: "confirmed, and a late BYE", want: answeredAnd(providers.Confirmed), asked: []string{"#"},
			trunk: greets(pressed(1, "#"), bye(), pause, []siptest.Step{siptest.Request("BYE", 2, ""), siptest.ExpectResponse(481)}),
		},
		{
			name: "denied", want: answeredAnd(providers.Denied), asked: []string{"0#"},
			trunk: greets(pressed(1, "0"), pause, pressed(2, "#"), bye()),
		},
		{
			name: "wrong keys", want: answeredAnd(providers.WrongInput),
			trunk: greets(pressed(1, "5"), pause, pressed(2, "*"), pause, pressed(3, "8"), bye()),
		},
		{
			name: "six digits", script: ivr.Script{Mode: ivr.ModeKeyed, Digits: 6}, want: answeredAnd(providers.Confirmed), asked: []string{"123456"},
			trunk: greets(pressed(1, "1"), pressed(2, "2"), pressed(3, "3"), pressed(4, "4"), pressed(5, "5"), pressed(6, "6"), pressed(7, "#"), bye()),
		},
		{name: "silence", trunk: answered(bye()...), want: answeredAnd(providers.NoInput)},
		{name: "code read out", trunk: answered(bye()...), script: ivr.Script{Mode: ivr.ModeCode, Code: "07"}, want: answeredAnd(providers.Delivered)},
		{
			name: "code in a message read out", trunk: answered(bye()...), want: answeredAnd(providers.Delivered),
			script: ivr.Script{Mode: ivr.ModeMessage, Message: "Your code is 0707."},
		},
		{
			name: "key before the prompt", extension: "12", // whose dialling puts the prompt off
			trunk: answered(slices.Concat(pressed(1, "#"), []siptest.Step{siptest.Pause(time.Second)}, hangsUp(2))...),
			want:  answeredAnd(providers.HungUp),
		},
		{name: "hung up at once", trunk: answered(hangsUp(1)...), want: answeredAnd(providers.HungUp)},
		{name: "hung up in the prompt", trunk: greets(hangsUp(1)), want: answeredAnd(providers.HungUp)},
		{name: "hung up after the key", trunk: greets(pressed(1, "#"), hangsUp(2)), want: answeredAnd(providers.Confirmed), asked: []string{"#"}},
		{
			name: "no media", change: func(cfg *Config) { cfg.Media.Timeout = time.Second },
			trunk: append([]siptest.Step{
				siptest.Expect("INVITE"), siptest.Respond(200, "OK", strings.Replace(siptest.SDP, "[media_port]", "9", 1)), siptest.Expect("ACK"),
			}, bye()...),
			want: answeredAnd(providers.Failed), code: "no_media",
		},
		{name: "busy", trunk: ends(486), want: []providers.Status{providers.Busy}, code: "486"},
		{name: "declined", trunk: ends(603), want: []providers.Status{providers.Declined}, code: "603"},
		{name: "no answer", trunk: ends(480), want: []providers.Status{providers.NoAnswer}, code: "480"},
		{
			name: "no answer in time", change: short, want: []providers.Status{providers.NoAnswer}, code: "487",
			trunk: append(slices.Clone(rings), siptest.Expect("CANCEL"), siptest.RespondToCancel(), siptest.RespondToInvite(487, "Request Terminated"), siptest.Expect("ACK")),
		},
		{
			name: "answered too late", change: short, want: []providers.Status{providers.NoAnswer},
			trunk: append(append(slices.Clone(rings), siptest.Expect("CANCEL"), siptest.RespondToCancel(), siptest.RespondToInvite(200, "OK"), siptest.Expect("ACK")), bye()...),
		},
		{name: "unreachable", trunk: ends(404), want: []providers.Status{providers.Unreachable}, code: "404"},
		{name: "failed", trunk: ends(500), want: []providers.Status{providers.Failed}, code: "500"},
		{name: "unknown number", trunk: refuses(404), kind: providers.Invalid, code: "404"},
		{name: "wrong credentials", trunk: refuses(403), kind: providers.Auth, code: "403"},
		{name: "overloaded", trunk: refuses(503), kind: providers.Unavailable, code: "503"},
	}
}

// Each outcome, over each transport, with prompts of the operator's own that
// are short.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	prompts := shortPrompts(t)
	for _, transport := range []Transport{UDP, TCP, TLS} {
		for _, o := range outcomes() {
			t.Run(string(transport)+"/"+o.name, func(t *testing.T) {
				t.Parallel()
				trunk := siptest.StartScript(t, string(transport), o.trunk...)
				w := newWorld(t, trunk.Addr(), func(cfg *Config) {
					if o.change != nil {
						o.change(cfg)
					}
					cfg.Transport, cfg.TLS.CAFile, cfg.Prompts = transport, trunk.CAFile(), prompts
				})
				w.verdicts["123456"] = ivr.Approved
				o.check(t, w)
				trunk.Done()
				if seen := !w.Certificates().Known()["server"].IsZero(); seen != (transport == TLS) {
					t.Errorf("by %s, the trunk's certificate is known: %t", transport, seen)
				}
			})
		}
	}
}

// check places the call.
func (o outcome) check(t *testing.T, w *world) {
	t.Helper()
	script := o.script
	if script.Mode == "" {
		script = confirm
	}
	_, err := w.PlaceCall(t.Context(), providers.Call{
		Delivery: delivery, To: siptest.Number, Extension: o.extension, Script: script, ValidFor: 5 * time.Minute,
	})
	if o.kind == "" && err != nil {
		t.Fatal(err)
	}
	var e *providers.Error
	if o.kind != "" && (!errors.As(err, &e) || e.Kind != o.kind || e.Code != o.code) {
		t.Errorf("failed with %v, want %s and code %s", err, o.kind, o.code)
	}
	w.over(o.want...)
	if !slices.Equal(w.asked, o.asked) {
		t.Errorf("asked %q, want %q", w.asked, o.asked)
	}
	if o.code != "" && o.kind == "" {
		if last := w.receipts[len(w.receipts)-1]; last.Code != o.code {
			t.Errorf("the last receipt has code %q, want %q", last.Code, o.code)
		}
	}
}

// shortPrompts is a folder with a tone of a tenth of a second for each prompt.
func shortPrompts(t *testing.T) string {
	t.Helper()
	const samples = 800
	wav := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, 36+2*samples)...)
	wav = append(wav, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data"...)
	wav = binary.LittleEndian.AppendUint32(wav, 2*samples)
	for i := range samples {
		wav = binary.LittleEndian.AppendUint16(wav, uint16(int16(8000*math.Sin(float64(i)/3))))
	}
	dir := t.TempDir()
	for _, locale := range ivr.Locales() {
		if err := os.Mkdir(filepath.Join(dir, locale), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, prompt := range ivr.Prompts(locale) {
			if err := os.WriteFile(filepath.Join(dir, locale, prompt.Key+".wav"), wav, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

package sip

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"denwa/providers"
	"denwa/providers/sip/siptest"
)

// What a trunk answers, and what becomes of it.
func TestTrunkAnswers(t *testing.T) {
	t.Parallel()
	answer := func(before []siptest.Step, code int, headers ...string) []siptest.Step {
		steps := append([]siptest.Step{siptest.Expect("INVITE")}, before...)
		return append(steps, siptest.Respond(code, "Whatever", "", headers...), siptest.Expect("ACK"))
	}
	took := []siptest.Step{siptest.Respond(100, "Trying", ""), siptest.Pause(2 * time.Second)}
	rang := []siptest.Step{siptest.Respond(100, "Trying", ""), siptest.Respond(180, "Ringing", ""), siptest.Pause(300 * time.Millisecond)}
	early := []siptest.Step{siptest.Respond(183, "Session Progress", siptest.SDP), siptest.Pause(300 * time.Millisecond)}
	trying := []siptest.Step{siptest.Respond(100, "Trying", "")}
	for _, c := range []struct {
		name   string
		before []siptest.Step
		code   int
		// Either PlaceCall fails with kind, or the call ends with status.
		kind   providers.Kind
		status providers.Status
	}{
		{"unauthorized without credentials", nil, 401, providers.Auth, ""},
		{"forbidden", nil, 403, providers.Auth, ""},
		{"forbidden after trying", trying, 403, providers.Auth, ""},
		{"not found", nil, 404, providers.Invalid, ""},
		{"incomplete", nil, 484, providers.Invalid, ""},
		{"nowhere", trying, 604, providers.Invalid, ""},
		{"unwanted", nil, 607, providers.Rejected, ""},
		{"timeout", nil, 408, providers.Unavailable, ""},
		{"no codec", nil, 488, providers.Unavailable, ""},
		{"server error", nil, 500, providers.Unavailable, ""},
		{"overloaded", trying, 503, providers.Unavailable, ""},
		{"moved", nil, 302, providers.Unavailable, ""},
		{"busy at once", nil, 486, "", providers.Busy},
		{"busy", rang, 486, "", providers.Busy},
		{"busy everywhere", early, 600, "", providers.Busy},
		{"declined", rang, 603, "", providers.Declined},
		{"off", took, 480, "", providers.Unreachable},
		{"no answer", rang, 480, "", providers.NoAnswer},
		{"no answer in time", rang, 408, "", providers.NoAnswer},
		{"taken back by the network", rang, 487, "", providers.NoAnswer},
		{"unknown after a while", took, 404, "", providers.Unreachable},
		{"failed after ringing", rang, 500, "", providers.Failed},
		{"forbidden after ringing", rang, 403, "", providers.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			trunk := siptest.StartScript(t, "udp", answer(c.before, c.code, "Retry-After: 7 (busy hour)")...)
			w := newWorld(t, trunk.Addr(), nil)
			_, err := w.place(confirm)
			if c.kind != "" {
				var e *providers.Error
				if !errors.As(err, &e) || e.Kind != c.kind || e.Code != strconv.Itoa(c.code) || e.RetryAfter != 7*time.Second {
					t.Errorf("failed with %v, want kind %s", err, c.kind)
				}
				w.over()
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if r := w.await(c.status); r.Code != strconv.Itoa(c.code) {
				t.Errorf("the receipt has code %q", r.Code)
			}
			w.over(c.status)
			trunk.Done()
		})
	}
}

// Nobody answers at all: the next provider is asked within seconds, and a
// phone that rings after all is taken back.
func TestTrunkSilent(t *testing.T) {
	t.Parallel()
	trunk := siptest.StartScript(t, "udp",
		siptest.Expect("INVITE"), siptest.Pause(answerTime+500*time.Millisecond), siptest.Respond(180, "Ringing", ""),
		siptest.Expect("CANCEL"), siptest.RespondToCancel(), siptest.RespondToInvite(487, "Request Terminated"), siptest.Expect("ACK"))
	w := newWorld(t, trunk.Addr(), nil)
	begun := time.Now()
	if _, err := w.place(confirm); providers.KindOf(err) != providers.Unavailable {
		t.Errorf("failed with %v", err)
	}
	if took := time.Since(begun); took < answerTime {
		t.Errorf("gave up after %v", took)
	}
	w.over()
	trunk.Done()
}

func TestTrunkDown(t *testing.T) {
	t.Parallel()
	for _, transport := range []Transport{TCP, TLS} {
		w := newWorld(t, "127.0.0.1:1", func(cfg *Config) { cfg.Transport = transport })
		_, err := w.place(confirm)
		if providers.KindOf(err) != providers.Unavailable || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: failed with %v", transport, err)
		}
		w.over()
	}
	w := newWorld(t, "no-such-host.invalid:5060", func(cfg *Config) { cfg.Media.Address = "" })
	if _, err := w.place(confirm); providers.KindOf(err) != providers.Unavailable {
		t.Errorf("failed with %v", err)
	}
}

// The phone answers while it is taken back: it is hung up on.
func TestTrunkAnswersTooLate(t *testing.T) {
	t.Parallel()
	trunk := siptest.StartScript(t, "udp",
		siptest.Expect("INVITE"), siptest.Respond(180, "Ringing", ""),
		siptest.Expect("CANCEL"), siptest.RespondToCancel(), siptest.RespondToInvite(200, "OK"), siptest.Expect("ACK"),
		siptest.Expect("BYE"), siptest.RespondAgain(200, "OK"))
	w := newWorld(t, trunk.Addr(), func(cfg *Config) { cfg.RingTimeout = time.Second })
	w.mustPlace(confirm)
	w.over(providers.NoAnswer)
	trunk.Done()
}

// answered is a call that the trunk answers, and what comes then.
func answered(then ...siptest.Step) []siptest.Step {
	return append([]siptest.Step{
		siptest.Expect("INVITE"), siptest.Respond(180, "Ringing", ""), siptest.Respond(200, "OK", siptest.SDP), siptest.Expect("ACK"),
	}, then...)
}

// bye is the end of a call that this side brings about.
func bye() []siptest.Step {
	return []siptest.Step{siptest.Expect("BYE"), siptest.RespondAgain(200, "OK")}
}

// The other side ends the call at once, after a while, and not at all.
func TestTrunkHangsUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		after time.Duration
	}{{"at once", 0}, {"after a while", 700 * time.Millisecond}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			trunk := siptest.StartScript(t, "udp", answered(
				siptest.Pause(c.after), siptest.Request("BYE", 1, ""), siptest.ExpectResponse(200),
			)...)
			w := newWorld(t, trunk.Addr(), nil)
			w.mustPlace(confirm)
			w.over(providers.Answered, providers.HungUp)
			trunk.Done()
		})
	}
}

// A trunk that answers and sends nothing is hung up on.
func TestTrunkWithoutMedia(t *testing.T) {
	t.Parallel()
	deaf := strings.Replace(siptest.SDP, "[media_port]", "9", 1) // nobody echoes there
	trunk := siptest.StartScript(t, "udp", append([]siptest.Step{
		siptest.Expect("INVITE"), siptest.Respond(200, "OK", deaf), siptest.Expect("ACK"),
	}, bye()...)...)
	w := newWorld(t, trunk.Addr(), func(cfg *Config) { cfg.Media.Timeout = time.Second })
	w.mustPlace(confirm)
	w.over(providers.Answered, providers.Failed)
	if r := w.await(providers.Failed); r.Code != "no_media" {
		t.Errorf("the receipt has code %q", r.Code)
	}
	trunk.Done()
}

// An answer without usable media is confirmed and hung up on.
func TestTrunkWithoutSDP(t *testing.T) {
	t.Parallel()
	for name, sdp := range map[string]string{
		"none":    "",
		"video":   strings.NewReplacer("audio", "video").Replace(siptest.SDP),
		"G.729":   strings.NewReplacer("AVP 0", "AVP 18", "0 PCMU", "18 G729").Replace(siptest.SDP),
		"garbage": "v=0\nx\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trunk := siptest.StartScript(t, "udp", append([]siptest.Step{
				siptest.Expect("INVITE"), siptest.Respond(200, "OK", sdp), siptest.Expect("ACK"),
			}, bye()...)...)
			w := newWorld(t, trunk.Addr(), nil)
			w.mustPlace(confirm)
			w.over(providers.Failed)
			if r := w.await(providers.Failed); r.Code != "sdp" {
				t.Errorf("the receipt has code %q", r.Code)
			}
			trunk.Done()
		})
	}
}

// SDP comes before the answer, and only then. Nothing is said before the answer.
func TestTrunkEarlyMedia(t *testing.T) {
	t.Parallel()
	const early = 2 * time.Second
	trunk := siptest.StartScript(t, "udp",
		siptest.Expect("INVITE"), siptest.Respond(183, "Session Progress", siptest.SDP), siptest.Pause(early),
		siptest.Respond(200, "OK", ""), siptest.Expect("ACK"),
		greeted, siptest.Request("INFO", 1, "Signal=#\nDuration=160", "Content-Type: application/dtmf-relay"), siptest.ExpectResponse(200),
		siptest.Expect("BYE"), siptest.RespondAgain(200, "OK"))
	w := newWorld(t, trunk.Addr(), nil)
	begun := time.Now()
	w.mustPlace(confirm)
	w.await(providers.Answered)
	if after := time.Since(begun); after < early {
		t.Errorf("a call with early media counts as answered after %v", after)
	}
	w.over(providers.Answered, providers.Confirmed)
	trunk.Done()
}

// Requests in the middle of a call: a new offer, one that is wanted from here,
// one that can't be taken, a refresh, a question whether anybody is there, and
// what nobody knows.
func TestTrunkRenegotiates(t *testing.T) {
	t.Parallel()
	request := func(seq int, method, body string, code int, headers ...string) []siptest.Step {
		steps := []siptest.Step{siptest.Request(method, seq, body, headers...), siptest.ExpectResponse(code)}
		if method == "INVITE" {
			back := 0
			if code > 200 {
				back = 2
			}
			steps = append(steps, siptest.Acknowledge(seq, "", back))
		}
		return steps
	}
	var steps []siptest.Step
	for i, r := range []struct {
		method, body string
		code         int
		headers      []string
	}{
		{"INVITE", siptest.SDP + "a=sendonly\n", 200, nil},
		{"INVITE", siptest.SDP, 200, nil},
		{"INVITE", strings.Replace(siptest.SDP, "AVP 0", "AVP 18", 1), 488, nil},
		{"UPDATE", "", 200, nil},
		{"UPDATE", siptest.SDP, 200, nil},
		{"OPTIONS", "", 200, nil},
		{"REFER", "", 405, []string{"Refer-To: <sip:x@127.0.0.1>"}},
		{"INFO", "", 200, nil},
		{"INFO", "<xml/>", 415, []string{"Content-Type: application/media_control+xml"}},
	} {
		steps = append(steps, request(i+2, r.method, r.body, r.code, r.headers...)...)
	}
	// The answer to Denwa's own offer is in the ACK.
	steps = append(steps, siptest.Request("INVITE", 20, ""), siptest.ExpectResponse(200), siptest.Acknowledge(20, siptest.SDP, 0))
	// What came late counts no more.
	steps = append(steps, siptest.Request("INFO", 3, "Signal=#", "Content-Type: application/dtmf-relay"), siptest.ExpectResponse(500))
	steps = append(steps, siptest.Request("INFO", 21, "#", "Content-Type: application/dtmf"), siptest.ExpectResponse(200))
	trunk := siptest.StartScript(t, "udp", answered(append(append([]siptest.Step{greeted}, steps...), bye()...)...)...)
	w := newWorld(t, trunk.Addr(), nil)
	w.mustPlace(confirm)
	w.over(providers.Answered, providers.Confirmed)
	trunk.Done()
}

// Both sides ask at once.
func TestTrunkGlare(t *testing.T) {
	t.Parallel()
	trunk := siptest.StartScript(t, "udp",
		siptest.Expect("INVITE"), siptest.Respond(180, "Ringing", ""),
		siptest.Request("UPDATE", 1, siptest.SDP), siptest.ExpectResponse(491),
		siptest.RespondToInvite(200, "OK"), siptest.Expect("ACK"),
		siptest.Request("INVITE", 2, ""), siptest.ExpectResponse(200), // with Denwa's offer
		siptest.Request("INVITE", 3, siptest.SDP), siptest.ExpectEither(491, 200), siptest.Acknowledge(3, "", 3),
		siptest.Acknowledge(2, siptest.SDP, 0),
		siptest.Request("BYE", 4, ""), siptest.ExpectResponse(200))
	w := newWorld(t, trunk.Addr(), nil)
	w.mustPlace(confirm)
	w.over(providers.Answered, providers.HungUp)
	trunk.Done()
}

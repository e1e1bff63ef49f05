package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"denwa/providers/providertest"
)

// desk is one run of takeThrough in a synctest bubble: a double on one side,
// somebody who types on the other.
type desk struct {
	*testing.T
	gateway *double
	keys    *io.PipeWriter
	screen  *providertest.Log
	stop    context.CancelCauseFunc

	v   *verification
	err error
}

// at runs a verification while script acts, then waits for its end.
func at(t *testing.T, d *double, interactive bool, script func(d *desk)) *desk {
	t.Helper()
	k := &desk{T: t, gateway: d, screen: new(providertest.Log)}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancelCause(t.Context())
		defer stop(nil)
		in, keys := io.Pipe()
		k.keys, k.stop = keys, stop
		d.changed = make(chan struct{}) // made in the bubble, so that waiting for it lets time pass
		c, err := newClient("http://127.0.0.1:8080", "dnw_", d)
		if err != nil {
			t.Fatal(err)
		}
		term := &terminal{lines: readLines(ctx, in), out: k.screen, interactive: interactive, live: interactive}
		done := make(chan struct{})
		go func() {
			defer close(done)
			k.v, k.err = takeThrough(ctx, c, term, startRequest{To: "090-1234-5678"})
		}()
		synctest.Wait()
		script(k)
		<-done
		stop(nil)
		keys.Close()
		synctest.Wait()
	})
	return k
}

// Type types a line, on a screen that shows what is typed.
func (k *desk) Type(line string) {
	if _, err := io.WriteString(k.screen, line+"\r\n"); err != nil {
		k.Fatal(err)
	}
	k.Pipe(line)
}

// Pipe gives the line without an echo.
func (k *desk) Pipe(line string) {
	if _, err := io.WriteString(k.keys, line+"\n"); err != nil {
		k.Fatal(err)
	}
	synctest.Wait()
}

// Pass lets time pass.
func (k *desk) Pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (k *desk) wantEnd(status string, code int, message string) {
	k.Helper()
	if k.v == nil || k.v.Status != status {
		k.Errorf("ended as %+v, want %s", k.v, status)
	}
	if got := exitCode(k.err); got != code {
		k.Errorf("exit code %d, want %d", got, code)
	}
	got := ""
	if k.err != nil {
		got = k.err.Error()
	}
	if got != message {
		k.Errorf("error %q, want %q", got, message)
	}
}

func (k *desk) wantScreen(want string) {
	k.Helper()
	if got := render(k.T, k.screen.String()); got != strings.TrimSpace(want) {
		k.Errorf("the screen shows\n%s\n\nwant\n%s", got, strings.TrimSpace(want))
	}
}

func (k *desk) wantAsked(want ...string) {
	k.Helper()
	k.gateway.mu.Lock()
	defer k.gateway.mu.Unlock()
	asked := slices.DeleteFunc(slices.Clone(k.gateway.Asked), func(route string) bool { return route == "get" })
	if !slices.Equal(asked, want) {
		k.Errorf("asked the gateway for %q, want %q", asked, want)
	}
}

func TestWrongCodeThenRight(t *testing.T) {
	k := at(t, newDouble(), true, func(k *desk) {
		k.wantScreen(`
A code goes to +81 90-****-5678 by SMS. It is good for 10 min.
Read it at http://127.0.0.1:8080/sandbox/api/phones/+819012345678/messages
handed to sandbox · r + Enter sends it again, in 30 s
Code:`)
		k.gateway.Happen("", "delivered")
		k.Pass(12 * time.Second)
		k.wantScreen(`
A code goes to +81 90-****-5678 by SMS. It is good for 10 min.
Read it at http://127.0.0.1:8080/sandbox/api/phones/+819012345678/messages
delivered · r + Enter sends it again, in 18 s
Code:`)
		k.Type("999999")
		k.Type(rightCode)
	})
	k.wantEnd("approved", exitOK, "")
	k.wantScreen(`
A code goes to +81 90-****-5678 by SMS. It is good for 10 min.
Read it at http://127.0.0.1:8080/sandbox/api/phones/+819012345678/messages
Code: 999999
That isn't the code. 2 attempts are left.
Code: 012345`)
	k.wantAsked("start", "check", "check")
}

func TestAttemptsUsedUp(t *testing.T) {
	k := at(t, newDouble(), false, func(k *desk) {
		for range 3 {
			k.Pipe("999999")
		}
	})
	k.wantEnd("failed", exitNo, "not approved: too many wrong codes")
	k.wantScreen(`
A code goes to +81 90-****-5678 by SMS. It is good for 10 min.
Handed to sandbox.
That isn't the code. 2 attempts are left.
That isn't the code. One attempt is left.`)
}

// "r" before its time waits for it, and what is typed meanwhile still counts.
func TestResendWhenAllowed(t *testing.T) {
	k := at(t, newDouble(), true, func(k *desk) {
		k.Type("r")
		k.Pass(20 * time.Second)
		k.wantScreen(`
A code goes to +81 90-****-5678 by SMS. It is good for 10 min.
Read it at http://127.0.0.1:8080/sandbox/api/phones/+819012345678/messages
Code: r
handed to sandbox · sends it again in 10 s
Code:`)
		k.wantAsked("start")
		k.Type("999999")
		k.Pass(11 * time.Second)
		k.wantAsked("start", "check", "resend")
		k.Pass(31 * time.Second)
		k.Type("Ｒ")
		k.wantAsked("start", "check", "resend", "resend")
		k.Type("r") // three sends are all that the double allows
		k.Type(rightCode)
	})
	k.wantEnd("approved", exitOK, "")
	k.wantScreen(`
A code goes to +81 90-****-5678 by SMS. It is good for 10 min.
Read it at http://127.0.0.1:8080/sandbox/api/phones/+819012345678/messages
Code: r
Code: 999999
That isn't the code. 2 attempts are left.
Sent again.
Code: Ｒ
Sent again.
Code: r
It can't be sent again; start a new verification.
Code: 012345`)
}

// A right code makes the resend that was asked for unnecessary.
func TestCodeBeforeResend(t *testing.T) {
	k := at(t, newDouble(), true, func(k *desk) {
		k.Type("r")
		k.Type(rightCode)
	})
	k.wantEnd("approved", exitOK, "")
	k.wantAsked("start", "check")
	k.wantScreen(`
A code goes to +81 90-****-5678 by SMS. It is good for 10 min.
Read it at http://127.0.0.1:8080/sandbox/api/phones/+819012345678/messages
Code: r
Code: 012345`)
}

// A script's lines keep their order: what follows "r" is for the new message.
func TestResendFromPipe(t *testing.T) {
	k := at(t, newDouble(), false, func(k *desk) {
		go func() { _, _ = io.WriteString(k.keys, "r\n"+rightCode+"\n") }()
		k.Pass(29 * time.Second)
		k.wantAsked("start")
	})
	k.wantEnd("approved", exitOK, "")
	k.wantAsked("start", "resend", "check")
}

func TestResendOnlyAfterExpiry(t *testing.T) {
	k := at(t, newDouble(), true, func(k *desk) {
		k.gateway.mu.Lock()
		k.gateway.next = time.Now().Add(time.Hour)
		k.gateway.mu.Unlock()
		k.gateway.Happen("", "sent")
		k.Pass(time.Second)
		k.Type("r")
		k.Type(rightCode)
	})
	k.wantEnd("approved", exitOK, "")
	if !strings.Contains(k.screen.String(), "It can be sent again only after this code has expired.") {
		t.Error("it didn't say so")
	}
}

func TestInputEnds(t *testing.T) {
	k := at(t, newDouble(), false, func(k *desk) {
		k.Pipe("")
		k.Pipe("999999")
		k.keys.Close()
	})
	k.wantEnd("canceled", exitNo, "not approved: the input ended before the right code")
	k.wantAsked("start", "check", "cancel")
}

// Ctrl-D, which starts no new line on the screen.
func TestInputEndsOnScreen(t *testing.T) {
	k := at(t, newDouble(), true, func(k *desk) {
		k.Type("999999")
		k.keys.Close()
	})
	k.wantEnd("canceled", exitNo, "not approved: the input ended before the right code")
	k.wantScreen(`
A code goes to +81 90-****-5678 by SMS. It is good for 10 min.
Read it at http://127.0.0.1:8080/sandbox/api/phones/+819012345678/messages
Code: 999999
That isn't the code. 2 attempts are left.`)
}

// What happens between the start and the first look is seen.
func TestDeliveredAtOnce(t *testing.T) {
	d := newDouble()
	d.Refuse["get"] = []refusal{{Status: 503, Code: "unavailable", Detail: "busy"}}
	k := at(t, d, true, func(k *desk) {
		k.gateway.Happen("", "delivered") // while the watcher pauses
		k.Pass(2 * time.Second)
		if !strings.Contains(render(t, k.screen.String()), "delivered · ") {
			t.Error("the screen shows old news")
		}
		k.Type(rightCode)
	})
	k.wantEnd("approved", exitOK, "")
}

func TestInterrupt(t *testing.T) {
	k := at(t, newDouble(), true, func(k *desk) { k.stop(errors.New("signal")) })
	k.wantEnd("canceled", exitInterrupted, "exit status 130")
	k.wantAsked("start", "cancel")
	k.wantScreen(`
A code goes to +81 90-****-5678 by SMS. It is good for 10 min.
Read it at http://127.0.0.1:8080/sandbox/api/phones/+819012345678/messages`)
}

// What the gateway decided before the interrupt arrived counts.
func TestInterruptTooLate(t *testing.T) {
	d := newDouble()
	d.Refuse["cancel"] = []refusal{{Status: 409, Code: "not_pending", Detail: "it is over"}}
	k := at(t, d, true, func(k *desk) {
		k.gateway.mu.Lock()
		k.gateway.status = "approved" // and the watcher hasn't been told
		k.gateway.mu.Unlock()
		k.stop(errors.New("signal"))
	})
	k.wantEnd("approved", exitOK, "")
}

// What the gateway no longer has isn't said to stay open.
func TestForgotten(t *testing.T) {
	gone := refusal{Status: 404, Code: "not_found", Detail: "there is no such verification"}
	d := newDouble()
	d.Refuse["check"], d.Refuse["cancel"] = []refusal{gone}, []refusal{gone}
	k := at(t, d, false, func(k *desk) { k.Pipe("111111") })
	k.wantEnd("pending", exitUsage, "there is no such verification (not_found)")
	if strings.Contains(k.screen.String(), "stays open") {
		t.Errorf("said %q", k.screen.String())
	}
}

func TestExpires(t *testing.T) {
	k := at(t, newDouble(), true, func(k *desk) {
		k.Pass(5 * time.Minute)
		k.gateway.Happen("expired", "")
	})
	k.wantEnd("expired", exitNo, "not approved: the time is over")
}

// A code that arrives when it is over leads to how it ended.
func TestOverMeanwhile(t *testing.T) {
	d := newDouble()
	d.Refuse["check"] = []refusal{{Status: 409, Code: "not_pending", Detail: "it is over"}}
	k := at(t, d, true, func(k *desk) {
		k.gateway.mu.Lock()
		k.gateway.status = "denied"
		k.gateway.mu.Unlock()
		k.Type(rightCode)
	})
	k.wantEnd("denied", exitNo, "not approved: the person on the phone didn't ask for it")
}

func TestKeyPress(t *testing.T) {
	d := newDouble()
	d.Channel, d.Mode = "voice", "confirm"
	k := at(t, d, false, func(k *desk) {
		k.keys.Close() // the answer doesn't come by keyboard
		k.gateway.Happen("", "ringing")
		k.Pass(time.Second)
		k.gateway.Happen("", "answered")
		k.Pass(time.Second)
		k.gateway.Happen("approved", "confirmed")
	})
	k.wantEnd("approved", exitOK, "")
	k.wantScreen(`
A call to +81 90-****-5678 asks for a key. Press # on the phone.
Calling.
Ringing.
Answered.`)
}

func TestDigitsOnThePhone(t *testing.T) {
	d := newDouble()
	d.Channel, d.Mode = "voice", "keyed"
	k := at(t, d, true, func(k *desk) {
		k.wantScreen(`
A call to +81 90-****-5678 asks for digits. Type 482913 and # on the phone.
calling · r + Enter calls again, in 30 s`)
		k.Type("482913")
		k.gateway.Happen("approved", "")
	})
	k.wantEnd("approved", exitOK, "")
	k.wantAsked("start")
	if !strings.Contains(k.screen.String(), "The answer is given on the phone.") {
		t.Error("it didn't say where to type")
	}
}

// Nobody is there to ask for another call.
func TestBusyWithoutAPerson(t *testing.T) {
	d := newDouble()
	d.Channel, d.Mode = "voice", "confirm"
	k := at(t, d, false, func(k *desk) { k.gateway.Happen("", "busy") })
	k.wantEnd("canceled", exitNo, "not approved: the line is busy")
}

func TestBusyWithAPerson(t *testing.T) {
	d := newDouble()
	d.Channel, d.Mode = "voice", "confirm"
	k := at(t, d, true, func(k *desk) {
		k.gateway.Happen("", "busy")
		k.Pass(31 * time.Second)
		k.Type("r")
		k.wantAsked("start", "resend")
		k.Pass(time.Second)
		k.gateway.Happen("approved", "confirmed")
	})
	k.wantEnd("approved", exitOK, "")
}

// delivery_failed leaves a verification that can be sent again.
func TestDeliveryFails(t *testing.T) {
	failed := refusal{Status: 502, Code: "delivery_failed", Detail: "no provider accepted the message", Carries: true}
	t.Run("person", func(t *testing.T) {
		d := newDouble()
		d.Refuse["start"] = []refusal{failed}
		k := at(t, d, true, func(k *desk) {
			k.Type("r")
			k.Pass(31 * time.Second)
			k.Type(rightCode)
		})
		k.wantEnd("approved", exitOK, "")
		k.wantScreen(`
No provider accepted the message (delivery_failed).
Code: r
Sent again.
Code: 012345`)
	})
	t.Run("script", func(t *testing.T) {
		d := newDouble()
		d.Refuse["start"] = []refusal{failed}
		k := at(t, d, false, func(*desk) {})
		k.wantEnd("canceled", exitUsage, "no provider accepted the message (delivery_failed)")
	})
}

// A person can try again after a limit, a script is told.
func TestRefusedCheck(t *testing.T) {
	limited := refusal{Status: 429, Code: "rate_limited", Detail: "the limit api_key refuses this for now", RetryAfter: 2}
	t.Run("person", func(t *testing.T) {
		d := newDouble()
		d.Refuse["check"] = []refusal{limited}
		k := at(t, d, true, func(k *desk) {
			k.Type(rightCode)
			k.Type(rightCode)
		})
		k.wantEnd("approved", exitOK, "")
		if !strings.Contains(k.screen.String(), "The limit api_key refuses this for now (rate_limited); try again in 2 s.") {
			t.Error("it didn't say why")
		}
	})
	t.Run("script", func(t *testing.T) {
		d := newDouble()
		d.Refuse["check"] = []refusal{limited}
		k := at(t, d, false, func(k *desk) { k.Pipe(rightCode) })
		k.wantEnd("canceled", exitUsage, "the limit api_key refuses this for now (rate_limited); try again in 2 s")
	})
}

// A connection that broke after the gateway had done the work is asked again
// with the same key, and nothing is sent twice.
func TestBrokenConnection(t *testing.T) {
	for name, broken := range map[string]refusal{
		"before": {},
		"after":  {AfterDoing: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble()
			d.Refuse["start"] = []refusal{broken, {Status: 409, Code: "idempotency_conflict", Detail: "in flight"}}
			k := at(t, d, false, func(k *desk) {
				k.Pass(2 * time.Second)
				k.Pipe(rightCode)
			})
			k.wantEnd("approved", exitOK, "")
			k.wantAsked("start", "start", "start", "check")
			if d.sends != 1 {
				t.Errorf("%d messages were sent, want 1", d.sends)
			}
			if d.Keys[0] == "" || d.Keys[0] != d.Keys[1] || d.Keys[1] != d.Keys[2] || d.Keys[2] == d.Keys[3] {
				t.Errorf("the Idempotency-Keys were %q, want one per request that is meant to be new", d.Keys)
			}
		})
	}
}

func TestConnectionStaysBroken(t *testing.T) {
	d := newDouble()
	d.Refuse["start"] = []refusal{{}, {}}
	k := at(t, d, false, func(*desk) {})
	if k.v != nil || exitCode(k.err) != exitUsage ||
		k.err.Error() != "no gateway answers at http://127.0.0.1:8080: unexpected EOF" {
		t.Errorf("ended with %v, %v", k.v, k.err)
	}
	k.wantAsked("start", "start")
}

// The watcher bears a restart of the gateway, not its absence.
func TestWatchBearsFailures(t *testing.T) {
	away := refusal{Status: 503, Code: "unavailable", Detail: "the gateway's store doesn't answer", RetryAfter: 2}
	for _, c := range []struct {
		failures int
		status   string
		code     int
		message  string
	}{
		{patience - 1, "approved", exitOK, ""},
		{patience, "canceled", exitUsage, "the gateway's store doesn't answer (unavailable); try again in 2 s"},
	} {
		d := newDouble()
		d.Channel, d.Mode = "voice", "confirm"
		d.Refuse["get"] = slices.Repeat([]refusal{away}, c.failures)
		k := at(t, d, false, func(k *desk) {
			k.Pass(time.Minute)
			k.gateway.Happen("approved", "")
		})
		k.wantEnd(c.status, c.code, c.message)
	}
}

func TestStaler(t *testing.T) {
	seen := verification{Status: "pending", AttemptsRemaining: 4, Deliveries: make([]delivery, 2)}
	for name, c := range map[string]struct {
		v    verification
		want bool
	}{
		"same":           {seen, false},
		"over":           {verification{Status: "failed", AttemptsRemaining: 9}, false},
		"before a check": {verification{Status: "pending", AttemptsRemaining: 5, Deliveries: make([]delivery, 2)}, true},
		"before a send":  {verification{Status: "pending", AttemptsRemaining: 4, Deliveries: make([]delivery, 1)}, true},
	} {
		if got := c.v.staler(&seen); got != c.want {
			t.Errorf("%s: staler = %t, want %t", name, got, c.want)
		}
	}
}

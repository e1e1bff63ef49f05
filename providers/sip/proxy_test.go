package sip

import (
	"errors"
	"strings"
	"testing"
	"time"

	"denwa/providers"
	"denwa/providers/sip/siptest"
)

// A trunk that asks for credentials, in front of a real phone: at the
// beginning, within the call, and over TCP.
func TestProxyAsksForCredentials(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		transport Transport
		within    bool
	}{
		{"udp", UDP, false},
		{"tcp", TCP, false},
		{"within the call", UDP, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			phone := siptest.StartPhone(t, siptest.PhoneOptions{})
			proxy := siptest.StartProxy(t, siptest.ProxyOptions{Next: phone.Addr(), Transport: string(c.transport), Within: c.within})
			w := newWorld(t, proxy.Addr(), withPassword(c.transport, siptest.Password))
			w.mustPlace(confirm)
			phone.AwaitSound()
			phone.Press("#")
			phone.Await("CALL_CLOSED") // which BYE brought about, with credentials
			w.over(providers.Answered, providers.Confirmed)
		})
	}
}

// The phone behind the proxy rings, and is taken back through it.
func TestProxyCancel(t *testing.T) {
	t.Parallel()
	phone := siptest.StartPhone(t, siptest.PhoneOptions{Manual: true})
	proxy := siptest.StartProxy(t, siptest.ProxyOptions{Next: phone.Addr(), Transport: "udp"})
	w := newWorld(t, proxy.Addr(), func(cfg *Config) {
		withPassword(UDP, siptest.Password)(cfg)
		cfg.RingTimeout = 2 * time.Second
	})
	w.mustPlace(confirm)
	phone.Await("CALL_CLOSED")
	w.over(providers.NoAnswer)
}

func TestProxyRefusesCredentials(t *testing.T) {
	t.Parallel()
	proxy := siptest.StartProxy(t, siptest.ProxyOptions{Next: "127.0.0.1:9", Transport: "udp"})
	for _, password := range []string{"", "wrong"} {
		w := newWorld(t, proxy.Addr(), withPassword(UDP, password))
		_, err := w.place(confirm)
		var e *providers.Error
		if !errors.As(err, &e) || e.Kind != providers.Auth || e.Code != "407" {
			t.Errorf("with password %q: %v", password, err)
		}
		w.over()
	}
}

func withPassword(transport Transport, password string) func(*Config) {
	return func(cfg *Config) {
		cfg.Transport, cfg.Password = transport, password
		if password != "" {
			cfg.Username = siptest.Username
		}
	}
}

// Two who ask on the way of one call, one of them again because its nonce is
// stale, and one in an algorithm of today.
func TestProxiesInARow(t *testing.T) {
	t.Parallel()
	challenge := func(code int, header, value string) []siptest.Step {
		return []siptest.Step{siptest.Respond(code, "Who is there", "", header+": "+value), siptest.Expect("ACK")}
	}
	var steps []siptest.Step
	for _, c := range [][]siptest.Step{
		challenge(407, "Proxy-Authenticate", `Digest realm="a", nonce="1", qop="auth,auth-int", algorithm=MD5`),
		challenge(407, "Proxy-Authenticate", `Digest realm="a", nonce="2", qop="auth", algorithm=MD5, stale=TRUE`),
		challenge(401, "WWW-Authenticate", `Digest realm="b", nonce="3", qop="auth", algorithm=SHA-256`),
	} {
		steps = append(append(steps, siptest.Expect("INVITE")), c...)
	}
	steps = append(steps, siptest.ExpectWith("INVITE", "Proxy-Authorization:", `nonce="2"`), siptest.Respond(486, "Busy Here", ""), siptest.Expect("ACK"))
	trunk := siptest.StartScript(t, "udp", steps...)
	w := newWorld(t, trunk.Addr(), withPassword(UDP, siptest.Password))
	w.mustPlace(confirm)
	w.over(providers.Busy)
	trunk.Done()
}

// What can't be answered is a refusal, not a loop.
func TestChallengesThatCannotBeAnswered(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"basic":             `Basic realm="a"`,
		"unknown algorithm": `Digest realm="a", nonce="1", algorithm=AKAv1-MD5`,
		"no value":          ``,
		"garbage":           `Digest ,,,`,
		"always stale":      `Digest realm="a", nonce="1", stale=true`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := "WWW-Authenticate: " + value
			if value == "" {
				header = "X-Nothing: 1"
			}
			one := []siptest.Step{siptest.Expect("INVITE"), siptest.Respond(401, "Unauthorized", "", header), siptest.Expect("ACK")}
			steps := one
			if strings.Contains(value, "stale") {
				for range maxInvites - 1 {
					steps = append(steps, one...)
				}
			}
			trunk := siptest.StartScript(t, "udp", steps...)
			w := newWorld(t, trunk.Addr(), withPassword(UDP, siptest.Password))
			if _, err := w.place(confirm); providers.KindOf(err) != providers.Auth {
				t.Errorf("failed with %v", err)
			}
			w.over()
			trunk.Done()
		})
	}
}

package sip

import (
	"testing"
	"time"

	"denwa/providers"
	"denwa/providers/providertest"
	"denwa/providers/sip/siptest"
)

// tooMany is the refusal of the provider itself, before the trunk is asked.
const tooMany providertest.Behaviour = "as many calls as there may be"

// TestConformance isn't parallel: the suite counts goroutines.
func TestConformance(t *testing.T) {
	providertest.Run(t, providertest.Harness{
		Channel: providers.Voice,
		New: func(t *testing.T, e providertest.Env) providers.Provider {
			t.Helper()
			behaviour := e.Carrier
			if behaviour == tooMany {
				behaviour = providertest.Accept
			}
			trunk := newFakeTrunk(t, behaviour)
			p, err := New(testConfig(t, trunk.addr(), func(cfg *Config) {
				withPassword(TCP, siptest.Password)(cfg)
				if e.Carrier == tooMany {
					cfg.MaxCalls = 1
				}
			}), e.Receive, approving{}, e.Log)
			if err != nil {
				t.Fatal(err)
			}
			if e.Carrier == tooMany {
				call := providers.Call{Delivery: delivery, To: providertest.Number, Script: confirm}
				if _, err := p.PlaceCall(t.Context(), call); err != nil {
					t.Fatal(err)
				}
			}
			return p
		},
		Refusals: []providertest.Refusal{
			{Behaviour: "404", Kind: providers.Invalid, Code: "404"},
			{Behaviour: "608", Kind: providers.Rejected, Code: "608"},
			{Behaviour: "403", Kind: providers.Auth, Code: "403"},
			{Behaviour: "503", Kind: providers.Unavailable, Code: "503", RetryAfter: 7 * time.Second},
			{Behaviour: "302", Kind: providers.Unavailable, Code: "302"},
			{Behaviour: tooMany, Kind: providers.Throttled, RetryAfter: retrySoon},
		},
		Secrets: []string{siptest.Password},
		Skip: map[string]string{
			"receipts":        "a call goes one way only, so it can't report backwards or twice; TestOutcomes and TestReceiptsAreHandedOverAgain see its receipts",
			"forged callback": "nothing calls back by HTTP; TestStrangers sends what others could",
			"ambiguous":       "a refusal in SIP is clear; hang and cut are ambiguous",
		},
	})
}

// Whatever becomes of a call, the phone is asked for once: no failure makes
// another call of it.
func TestNobodyIsCalledTwice(t *testing.T) {
	t.Parallel()
	for _, behaviour := range []providertest.Behaviour{
		providertest.Accept, providertest.Hang, providertest.Cut, "302", "401", "408", "486", "500", "503", "603",
	} {
		t.Run(string(behaviour), func(t *testing.T) {
			t.Parallel()
			trunk := newFakeTrunk(t, behaviour)
			w := newWorld(t, trunk.addr(), func(cfg *Config) { cfg.Transport, cfg.RingTimeout = TCP, time.Second })
			_, _ = w.place(confirm)
			if behaviour != providertest.Hang { // whose INVITE is only given up when w is closed
				w.idle()
			}
			time.Sleep(time.Second)
			if n := trunk.asked(); n != 1 {
				t.Errorf("it was asked %d times", n)
			}
		})
	}
}

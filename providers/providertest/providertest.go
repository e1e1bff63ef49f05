// Package providertest is the conformance suite of providers. A provider
// passes it with one call of [Run]:
//
//	func TestConformance(t *testing.T) {
//		providertest.Run(t, providertest.Harness{New: …})
//	}
//
// The harness brings the far side: a local carrier that speaks the real
// protocol and can be told to misbehave. What a provider or its protocol can't
// do is skipped by name and with a reason, so that nothing goes untested unseen.
package providertest

import (
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"denwa/providers"
)

// Behaviour is what the carrier does with every message: one of these, or that
// of a [Refusal].
type Behaviour string

// The behaviours of any carrier.
const (
	// Accept: it takes messages.
	Accept Behaviour = "accept"
	// Slow: it takes messages, but answers only after 200 ms.
	Slow Behaviour = "slow"
	// Hang: it reads the request and never answers.
	Hang Behaviour = "hang"
	// Cut: it reads the request and closes the connection in the middle of its answer.
	Cut Behaviour = "cut"
	// Down: nothing listens at its address.
	Down Behaviour = "down"
)

// Refusal is a failure that the carrier reports itself.
type Refusal struct {
	// Behaviour is how Harness.New knows it, and the name of the subtest.
	Behaviour Behaviour
	// What the provider's error must say.
	Kind       providers.Kind
	Code       string
	RetryAfter time.Duration
}

// Number is the number that all messages and calls go to.
const Number = "+819037264815"

// Env is what a provider under test is given.
type Env struct {
	// Carrier is what the carrier does.
	Carrier Behaviour
	// Receive takes the receipts.
	Receive providers.Receiver
	// Log is searched for what must not be there.
	Log *slog.Logger
}

// Sent is a message that the provider accepted.
type Sent struct {
	providers.Message
	providers.Acceptance
}

// Harness is a provider and its carrier.
type Harness struct {
	// New starts a carrier that behaves as e says and returns a provider that
	// uses it. The suite closes the provider; t.Cleanup ends the carrier.
	New func(t *testing.T, e Env) providers.Provider
	// Channel is what the suite asks for: messages, or calls where it is
	// [providers.Voice]. Where the suite speaks of a message, it is a call then.
	Channel providers.Channel
	// Refusals are the failures that the carrier can report. There must be one
	// for each [providers.Kind], unless it is skipped.
	Refusals []Refusal
	// Secrets are the credentials that New gives the provider.
	Secrets []string

	// Statuses are those that the carrier can report, in their usual order.
	Statuses []providers.Status
	// Callback is the carrier's request to report that sent has status s, as
	// the provider's handler gets it. For a provider with [providers.Callbacks].
	Callback func(t *testing.T, p providers.Provider, sent Sent, s providers.Status) *http.Request
	// Forgeries turn such a request, by name, into one that the carrier didn't
	// make. Each must work with any body.
	Forgeries map[string]func(r *http.Request)
	// Report makes the carrier report by any other way that sent has status s,
	// and returns whether it was told that the report was taken. For a provider
	// without Callbacks.
	Report func(t *testing.T, p providers.Provider, sent Sent, s providers.Status) (taken bool)

	// Skip is what can't be, by the name of the subtest, and why.
	Skip map[string]string
}

// Run runs the suite. Run it with -race.
func Run(t *testing.T, h Harness) {
	t.Helper()
	tests := []struct {
		name string
		test func(t *testing.T, h Harness)
	}{
		{"name", testName},
		{"accept", testAccept},
		{"slow", testSlow},
		{"hang", testHang},
		{"cut", testCut},
		{"down", testDown},
		{"receipts", testReceipts},
		{"forged callback", testForgedCallback},
		{"concurrent", testConcurrent},
		{"close", testClose},
	}
	for _, k := range providers.Kinds() {
		tests = append(tests, struct {
			name string
			test func(t *testing.T, h Harness)
		}{string(k), func(t *testing.T, h Harness) { t.Helper(); testKind(t, h, k) }})
	}
	skipped := 0
	for _, test := range tests {
		reason, skip := h.Skip[test.name]
		if skip {
			skipped++
		}
		t.Run(test.name, func(t *testing.T) {
			if skip && reason == "" {
				t.Fatal("skipped without a reason")
			}
			if skip {
				t.Skip(reason)
			}
			test.test(t, h)
		})
	}
	if skipped != len(h.Skip) {
		t.Error("Harness.Skip names a subtest that isn't")
	}
	for _, r := range h.Refusals {
		if !slices.Contains(providers.Kinds(), r.Kind) {
			t.Errorf("the refusal %q has the unknown kind %q", r.Behaviour, r.Kind)
		}
	}
}

package gateway_test

import (
	"testing"
	"time"

	"denwa/gateway"
	"denwa/providers"
)

// TestFailoverAfterALostDelivery: a carrier reported a message as lost before the
// send of it failed. The next delivery is news all the same.
func TestFailoverAfterALostDelivery(t *testing.T) {
	began := time.Unix(1_800_000_000, 0).UTC()
	later := began.Add(time.Second)
	rules := gateway.Rules{}
	is := gateway.Transition(gateway.State{}, gateway.NumberState{}, gateway.Begin{
		Channel: gateway.SMS, Provider: "first", MaxAttempts: 1, MaxSends: 1, Life: time.Minute,
	}, rules, began)
	for _, e := range []gateway.Event{
		gateway.Report{N: 1, Provider: "first", Status: providers.Undelivered},
		gateway.Failover{N: 1, Next: "next"},
	} {
		later = later.Add(time.Second)
		is = gateway.Transition(is.State, is.Number, e, rules, later)
	}
	if is.Effect != gateway.EffectSend || !is.State.UpdatedAt.Equal(later) {
		t.Errorf("effect %q, updated at %v, want %v", is.Effect, is.State.UpdatedAt, later)
	}
}

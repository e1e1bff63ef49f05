package smpp

import (
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/providers"
	"denwa/providers/providertest"
)

// What the centre does in the suite besides the suite's own behaviours.
const (
	badPassword providertest.Behaviour = "bind refused"
	nonsense    providertest.Behaviour = "answer to another command"
)

// refusals are what the centre refuses messages with.
var refusals = map[providertest.Behaviour]status{
	"0x0B": 0x0B, "0x66": 0x66, "0x58": statusThrottled, "0x14": statusQueueFull, "0x08": 0x08, "0x0A": 0x0A, "0x0411": 0x0411,
}

func behave(c *centre, b providertest.Behaviour) {
	switch b {
	case providertest.Accept:
	case providertest.Slow:
		c.onSubmit = func(l *centreLink, p pdu) status {
			time.AfterFunc(200*time.Millisecond, func() { l.answer(p, statusOK, &taken{messageID: l.take(p)}) })
			return silent
		}
	case providertest.Hang:
		c.onSubmit = func(*centreLink, pdu) status { return silent }
	case providertest.Cut:
		c.onSubmit = func(l *centreLink, p pdu) status {
			l.write(pdu{command: p.command.answer(), sequence: p.sequence, body: &taken{messageID: "m1"}}.encode()[:18])
			l.conn.Close()
			return silent
		}
	case providertest.Down:
		c.close()
	case badPassword:
		c.onBind = func(l *centreLink, p pdu) bool { l.answer(p, 0x0E, nil); return false }
	case nonsense:
		c.onSubmit = func(l *centreLink, p pdu) status {
			l.write(pdu{command: deliverSM.answer(), sequence: p.sequence, body: &taken{messageID: testNumber}}.encode())
			return silent
		}
	default:
		c.onSubmit = func(*centreLink, pdu) status { return refusals[b] }
	}
}

// TestConformance isn't parallel: the suite counts goroutines.
func TestConformance(t *testing.T) {
	var centres sync.Map
	words := map[providers.Status]string{
		providers.Sent: "ENROUTE", providers.Failed: "REJECTD", providers.Undelivered: "UNDELIV",
		providers.Expired: "EXPIRED", providers.Delivered: "DELIVRD",
	}
	providertest.Run(t, providertest.Harness{
		New: func(t *testing.T, e providertest.Env) providers.Provider {
			t.Helper()
			c := newCentre(t)
			behave(c, e.Carrier)
			p, err := New(testConfig(c.addr()), newShelf(), e.Receive, NewMetrics(prometheus.NewRegistry()), e.Log)
			if err != nil {
				t.Fatal(err)
			}
			centres.Store(p, c)
			return p
		},
		Refusals: []providertest.Refusal{
			{Behaviour: "0x0B", Kind: providers.Invalid, Code: "0x0B"},
			{Behaviour: "0x66", Kind: providers.Rejected, Code: "0x66"},
			{Behaviour: "0x58", Kind: providers.Throttled, Code: "0x58", RetryAfter: leastPause},
			{Behaviour: "0x14", Kind: providers.Throttled, Code: "0x14", RetryAfter: leastPause},
			{Behaviour: "0x08", Kind: providers.Unavailable, Code: "0x08"},
			{Behaviour: "0x0A", Kind: providers.Unavailable, Code: "0x0A"},
			{Behaviour: "0x0411", Kind: providers.Unavailable, Code: "0x411"},
			{Behaviour: badPassword, Kind: providers.Auth, Code: "0x0E"},
			{Behaviour: nonsense, Kind: providers.Ambiguous},
		},
		Secrets:  []string{testPassword},
		Statuses: []providers.Status{providers.Sent, providers.Failed, providers.Undelivered, providers.Expired, providers.Delivered},
		Report: func(t *testing.T, p providers.Provider, sent providertest.Sent, s providers.Status) bool {
			t.Helper()
			value, _ := centres.Load(p)
			c, ok := value.(*centre)
			if !ok {
				t.Error("a provider of another harness")
				return false
			}
			answer, err := c.deliver(0, receiptOf(sent.Reference, words[s], "000"))
			if err != nil {
				t.Error(err)
			}
			return answer == statusOK
		},
		Skip: map[string]string{
			"forged callback": "nothing calls back by HTTP; receipts come over the provider's own connection",
		},
	})
}

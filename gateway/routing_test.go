package gateway_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"denwa/gateway"
	"denwa/providers"
)

// The routes of TestRouting. Weights that only one provider has put it first.
var (
	inOrder  = providers.Route{Providers: []string{"a", "b", "c"}}
	byWeight = providers.Route{Providers: []string{"a", "b", "c"}, Weights: map[string]int{"b": 1}}
	alone    = providers.Route{Providers: []string{"a"}}
	noTwice  = providers.Route{Providers: []string{"a", "b", "c"}, Then: providers.ThenStop}
	thenCall = providers.Route{Providers: []string{"a", "b"}, Then: providers.ThenVoice}
)

// TestRouting: after each failure, by each channel, on each kind of route, what
// was sent by whom, in which order, and how often. "-" fails the request.
func TestRouting(t *testing.T) {
	const sms, voice = gateway.SMS, gateway.Voice
	for _, test := range []struct {
		failing  string // who fails how; who isn't there accepts
		lost     string // whose delivery then comes back undelivered
		channel  gateway.Channel
		route    providers.Route
		want     string
		maxSends int // 5 if 0
	}{
		{"", "", sms, inOrder, "a", 0},
		{"", "", voice, inOrder, "a", 0},
		{"", "", sms, byWeight, "b", 0},
		{"", "", voice, byWeight, "b", 0},
		{"", "", sms, alone, "a", 0},

		{"a:invalid", "", sms, inOrder, "a -", 0},
		{"a:invalid", "", voice, inOrder, "a -", 0},
		{"b:invalid", "", sms, byWeight, "b -", 0},
		{"a:rejected", "", sms, inOrder, "a -", 0},
		{"a:rejected", "", voice, inOrder, "a -", 0},
		{"b:rejected", "", voice, byWeight, "b -", 0},

		{"a:throttled", "", sms, inOrder, "a b", 0},
		{"a:throttled", "", voice, inOrder, "a b", 0},
		{"b:throttled", "", sms, byWeight, "b a", 0},
		{"a:throttled", "", sms, alone, "a -", 0},
		{"a:unavailable", "", sms, inOrder, "a b", 0},
		{"a:unavailable", "", voice, inOrder, "a b", 0},
		{"b:unavailable", "", voice, byWeight, "b a", 0},
		{"a:auth", "", sms, inOrder, "a b", 0},
		{"a:auth", "", voice, inOrder, "a b", 0},
		{"b:auth", "", sms, byWeight, "b a", 0},
		{"a:throttled b:auth", "", sms, inOrder, "a b c", 0},
		{"a:unavailable b:throttled", "", voice, inOrder, "a b c", 0},
		{"b:unavailable a:unavailable", "", sms, byWeight, "b a c", 0},
		{"a:throttled b:unavailable c:auth", "", sms, inOrder, "a b c -", 0},
		{"a:unavailable b:invalid", "", sms, inOrder, "a b -", 0},
		{"a:unavailable b:rejected", "", voice, inOrder, "a b -", 0},

		{"a:ambiguous", "", sms, inOrder, "a b", 0},
		{"a:ambiguous", "", voice, inOrder, "a -", 0},
		{"b:ambiguous", "", sms, byWeight, "b a", 0},
		{"b:ambiguous", "", voice, byWeight, "b -", 0},
		{"a:ambiguous", "", sms, alone, "a -", 0},
		{"a:ambiguous b:ambiguous", "", sms, inOrder, "a b -", 0},
		{"a:ambiguous b:unavailable", "", sms, inOrder, "a b c", 0},
		{"a:ambiguous b:unavailable c:ambiguous", "", sms, inOrder, "a b c -", 0},
		{"a:unavailable b:ambiguous", "", sms, inOrder, "a b c", 0},
		{"a:unavailable b:ambiguous", "", voice, inOrder, "a b -", 0},
		{"a:ambiguous", "", sms, inOrder, "a -", 1}, // it may have been the only one allowed
		{"a:unavailable", "", sms, inOrder, "a b", 1},

		{"", "a", sms, inOrder, "a, b", 0},
		{"", "a b", sms, inOrder, "a, b, c", 0},
		{"", "a b c", sms, inOrder, "a, b, c", 0},
		{"", "b", sms, byWeight, "b, a", 0},
		{"", "a", sms, alone, "a", 0},
		{"", "a", sms, noTwice, "a", 0},
		{"", "a", sms, inOrder, "a", 1},
		{"", "a", sms, thenCall, "a, voice a", 0},
		{"a:unavailable", "b", sms, inOrder, "a b, c", 0},
		{"b:unavailable", "a", sms, inOrder, "a, b c", 0},
		{"a:ambiguous", "b", sms, inOrder, "a b, c", 0},
		{"a:ambiguous", "b", sms, inOrder, "a b", 2},
		{"a:unavailable", "b", sms, thenCall, "a b, voice a voice b", 0},
		{"", "a", voice, inOrder, "a, b", 0},
	} {
		limit := test.maxSends
		if limit == 0 {
			limit = 5
		}
		name := fmt.Sprintf("%s %v%v %s lost %q max %d", test.channel, test.route.Weights, test.route.Then, test.failing, test.lost, limit)
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			each(t, func(t *testing.T, client redis.UniversalClient) {
				test.route.Channel = test.channel
				routes := []providers.Route{test.route}
				if test.channel == sms {
					routes = append(routes, providers.Route{Channel: voice, Providers: []string{"a", "b"}})
				}
				m := newMoving(t, client, routes, func(c *gateway.Config) { c.Defaults.MaxSends = limit })
				kinds := map[string]providers.Kind{}
				for one := range strings.FieldsSeq(test.failing) {
					who, kind, _ := strings.Cut(one, ":")
					kinds[who] = providers.Kind(kind)
					for _, ch := range []gateway.Channel{sms, voice} {
						m.book.failing[fmt.Sprintf("%s by %s", ch, who)] = providers.Kind(kind)
					}
				}
				m.routed(t, test.channel, strings.Fields(test.lost), test.want, kinds)
			})
		})
	}
}

// routed starts a verification, loses what is said to get lost, and holds all
// that was sent, recorded and counted against want.
func (m *moving) routed(t *testing.T, ch gateway.Channel, lost []string, want string, kinds map[string]providers.Kind) {
	t.Helper()
	var err error
	m.v, err = m.Start(t.Context(), m.app("portal"), gateway.StartRequest{To: mobile, Channel: ch, Mode: gateway.ModeCode})
	refused := (*gateway.Error)(nil)
	if errors.As(err, &refused) {
		m.v = refused.Verification
	}
	if failed := strings.HasSuffix(want, " -"); failed != (gateway.CodeOf(err) == gateway.CodeDeliveryFailed) || m.v == nil {
		t.Fatalf("start: %+v, %v", m.v, err)
	}
	for _, provider := range lost {
		v := m.read()
		n := slices.IndexFunc(v.Deliveries, func(d gateway.Delivery) bool { return d.Provider == provider && d.Status == providers.Accepted })
		m.report(n+1, providers.Undelivered, "")
		m.after(30 * time.Second)
	}

	var sent, recorded []string
	outcomes := map[string]float64{}
	for send := range strings.FieldsSeq(strings.NewReplacer(" -", "", ",", "", "voice ", "voice.").Replace(want)) {
		by, who := string(ch), send
		if name, called := strings.CutPrefix(send, "voice."); called {
			by, who = "voice", name
		}
		sent = append(sent, by+" by "+who)
		status, outcome := providers.Accepted, "accepted"
		switch kind := kinds[who]; {
		case kind != "":
			status, outcome = providers.Failed, string(kind)
		case by == string(ch) && slices.Contains(lost, who):
			status = providers.Undelivered
		}
		recorded = append(recorded, by+" by "+who+" "+string(status))
		outcomes[by+" by "+who+" "+outcome]++
	}
	if diff := cmp.Diff(sent, m.book.read()); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	var got []string
	v := m.read()
	for _, d := range v.Deliveries {
		got = append(got, fmt.Sprintf("%s by %s %s", d.Channel, d.Provider, d.Status))
	}
	if diff := cmp.Diff(recorded, got); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(outcomes, m.counted(t)); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	for _, code := range m.book.codes {
		if code == "" || code != m.book.codes[0] {
			t.Errorf("the codes were %q", m.book.codes)
		}
	}
	if may := len(sent) - int(sum(outcomes, "invalid", "rejected", "throttled", "unavailable", "auth")); may > v.MaxSends || v.Sends > v.MaxSends {
		t.Errorf("up to %d messages reached the phone, %d sends, of %d", may, v.Sends, v.MaxSends)
	}
}

// sum adds up the counts with one of these outcomes.
func sum(counts map[string]float64, outcomes ...string) (n float64) {
	for what, count := range counts {
		if slices.ContainsFunc(outcomes, func(o string) bool { return strings.HasSuffix(what, " "+o) }) {
			n += count
		}
	}
	return n
}

// counted are the sends by channel, provider and outcome that Prometheus sees.
func (m *moving) counted(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := prometheus.Gatherer(m.registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "denwa_sends_total" {
			continue
		}
		for _, s := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range s.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if n := s.GetCounter().GetValue(); n > 0 {
				counts[labels["channel"]+" by "+labels["provider"]+" "+labels["outcome"]] += n
			}
		}
	}
	return counts
}

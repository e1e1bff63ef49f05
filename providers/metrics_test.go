package providers

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"denwa/ivr"
)

func TestMetrics(t *testing.T) {
	w := newWorld(t, []string{"a:auth", "b"}, nil, nil)
	if _, _, err := w.send(t); err != nil {
		t.Fatal(err)
	}
	// A number of no country, as +883 has.
	if _, _, err := w.Send(t.Context(), w.Plan(textJP), Message{}, "001", w.record); err != nil {
		t.Fatal(err)
	}
	m := w.Router.metrics
	m.Receipt("b", SMS, "JP", Sent, time.Second)
	m.Receipt("b", SMS, "JP", Delivered, 2*time.Second)
	m.Receipt("a", SMS, "JP", Undelivered, time.Hour)

	const want = `
# HELP denwa_failovers_total Times the next provider was asked, by what came before: a kind of failure, the status of a delivery, or no_receipt.
# TYPE denwa_failovers_total counter
denwa_failovers_total{channel="sms",from="a",reason="ambiguous",to="b"} 0
denwa_failovers_total{channel="sms",from="a",reason="auth",to="b"} 1
denwa_failovers_total{channel="sms",from="a",reason="throttled",to="b"} 0
denwa_failovers_total{channel="sms",from="a",reason="unavailable",to="b"} 0
denwa_failovers_total{channel="sms",from="a",reason="undelivered",to="b"} 0
denwa_failovers_total{channel="sms",from="a",reason="failed",to="b"} 0
denwa_failovers_total{channel="sms",from="a",reason="expired",to="b"} 0
denwa_failovers_total{channel="sms",from="a",reason="no_receipt",to="b"} 0
# HELP denwa_sends_total Messages and calls that a provider was asked for, by outcome: accepted, or the kind of failure.
# TYPE denwa_sends_total counter
denwa_sends_total{channel="sms",country="JP",outcome="accepted",provider="a"} 0
denwa_sends_total{channel="sms",country="JP",outcome="ambiguous",provider="a"} 0
denwa_sends_total{channel="sms",country="JP",outcome="auth",provider="a"} 1
denwa_sends_total{channel="sms",country="JP",outcome="invalid",provider="a"} 0
denwa_sends_total{channel="sms",country="JP",outcome="rejected",provider="a"} 0
denwa_sends_total{channel="sms",country="JP",outcome="throttled",provider="a"} 0
denwa_sends_total{channel="sms",country="JP",outcome="unavailable",provider="a"} 0
denwa_sends_total{channel="sms",country="none",outcome="accepted",provider="a"} 1
denwa_sends_total{channel="sms",country="JP",outcome="accepted",provider="b"} 1
denwa_sends_total{channel="sms",country="JP",outcome="ambiguous",provider="b"} 0
denwa_sends_total{channel="sms",country="JP",outcome="auth",provider="b"} 0
denwa_sends_total{channel="sms",country="JP",outcome="invalid",provider="b"} 0
denwa_sends_total{channel="sms",country="JP",outcome="rejected",provider="b"} 0
denwa_sends_total{channel="sms",country="JP",outcome="throttled",provider="b"} 0
denwa_sends_total{channel="sms",country="JP",outcome="unavailable",provider="b"} 0
# HELP denwa_deliveries_total Deliveries that reached a status.
# TYPE denwa_deliveries_total counter
denwa_deliveries_total{channel="sms",country="JP",provider="a",status="accepted"} 0
denwa_deliveries_total{channel="sms",country="JP",provider="a",status="delivered"} 0
denwa_deliveries_total{channel="sms",country="JP",provider="a",status="expired"} 0
denwa_deliveries_total{channel="sms",country="JP",provider="a",status="failed"} 0
denwa_deliveries_total{channel="sms",country="JP",provider="a",status="sent"} 0
denwa_deliveries_total{channel="sms",country="JP",provider="a",status="undelivered"} 1
denwa_deliveries_total{channel="sms",country="none",provider="a",status="accepted"} 1
denwa_deliveries_total{channel="sms",country="JP",provider="b",status="accepted"} 1
denwa_deliveries_total{channel="sms",country="JP",provider="b",status="delivered"} 1
denwa_deliveries_total{channel="sms",country="JP",provider="b",status="expired"} 0
denwa_deliveries_total{channel="sms",country="JP",provider="b",status="failed"} 0
denwa_deliveries_total{channel="sms",country="JP",provider="b",status="sent"} 1
denwa_deliveries_total{channel="sms",country="JP",provider="b",status="undelivered"} 0
`
	if err := testutil.GatherAndCompare(w.metrics, strings.NewReader(want),
		"denwa_sends_total", "denwa_failovers_total", "denwa_deliveries_total"); err != nil {
		t.Error(err)
	}
	for series, want := range map[string]uint64{
		"denwa_send_duration_seconds channel=sms provider=a":                2,
		"denwa_send_duration_seconds channel=sms provider=b":                1,
		"denwa_delivery_duration_seconds channel=sms country=JP provider=a": 0,
		"denwa_delivery_duration_seconds channel=sms country=JP provider=b": 1,
	} {
		got, ok := histograms(t, w.metrics)[series]
		if !ok || got.GetSampleCount() != want {
			t.Errorf("%s has %d samples, want %d", series, got.GetSampleCount(), want)
		}
		if len(got.GetBucket()) < 10 || got.Schema == nil {
			t.Errorf("%s is not both a classic and a native histogram", series)
		}
	}
	problems, err := testutil.GatherAndLint(w.metrics)
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

// histograms are the histograms of reg by name and labels.
func histograms(t *testing.T, reg *prometheus.Registry) map[string]*dto.Histogram {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*dto.Histogram{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if h := m.GetHistogram(); h != nil {
				series := f.GetName()
				for _, l := range m.GetLabel() {
					series += " " + l.GetName() + "=" + l.GetValue()
				}
				found[series] = h
			}
		}
	}
	return found
}

func TestStatusRank(t *testing.T) {
	ranked := MessageStatuses()
	slices.SortStableFunc(ranked, func(a, b Status) int { return a.Rank() - b.Rank() })
	if diff := cmp.Diff([]Status{Accepted, Sent, Undelivered, Failed, Expired, Delivered}, ranked); diff != "" {
		t.Errorf("ranked (-want +got):\n%s", diff)
	}
	for _, s := range slices.Concat(MessageStatuses(), CallStatuses()) {
		if want := !slices.Contains([]Status{Accepted, Sent, Ringing, Answered}, s); s.Final() != want {
			t.Errorf("%s: final is %v", s, !want)
		}
	}
	if Accepted.Rank() >= Ringing.Rank() || Ringing.Rank() >= Answered.Rank() {
		t.Error("accepted, ringing and answered don't rank in this order")
	}
	for _, s := range CallStatuses()[3:] {
		want := Failed.Rank()
		if slices.Contains([]Status{Confirmed, Denied, Delivered}, s) {
			want = Delivered.Rank()
		}
		if s.Rank() != want {
			t.Errorf("%s ranks %d, want %d", s, s.Rank(), want)
		}
	}
	if Status("eaten").Rank() >= Accepted.Rank() {
		t.Error("an unknown status outranks a known one")
	}
}

// Every outcome of a call is a status that a call can have, in the same words.
func TestOutcomesAreStatuses(t *testing.T) {
	for _, o := range ivr.Outcomes() {
		if s := Status(o); !slices.Contains(CallStatuses(), s) || !s.Final() {
			t.Errorf("the outcome %q is no final status", o)
		}
	}
}

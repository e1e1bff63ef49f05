package providers

import (
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestPlan(t *testing.T) {
	w := newWorld(t, []string{"a", "b", "c"}, []Route{
		{Channel: SMS, Countries: []string{"JP", "KR"}, Providers: []string{"b", "a"}},
		{Channel: SMS, Countries: []string{"JP", "US"}, Providers: []string{"c"}},
		{Channel: SMS, Providers: []string{"a"}},
	}, nil)
	for country, want := range map[string]string{"JP": "b", "KR": "b", "US": "c", "FR": "a", "": "a"} {
		if got := w.Plan(SMS, country).First(); got != want {
			t.Errorf("%q: first is %q, want %q", country, got, want)
		}
	}
	if got := w.Plan(Voice, "JP").First(); got != "" {
		t.Errorf("voice: first is %q, want nobody", got)
	}
	if diff := cmp.Diff([]Channel{SMS}, w.Offered()); diff != "" {
		t.Errorf("offered (-want +got):\n%s", diff)
	}
}

func TestDefaultRoutes(t *testing.T) {
	ps := []Provider{silent{"quiet"}, &carrier{name: "second"}, &carrier{name: "first"}}
	r, err := NewRouter(nil, ps, nil, NewMetrics(prometheus.NewRegistry(), ps, nil), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.chains) != 1 {
		t.Fatalf("%d routes, want one", len(r.chains))
	}
	want := Route{Channel: SMS, Providers: []string{"second", "first"}, Deadline: 15 * time.Second, Timeout: 5 * time.Second}
	if diff := cmp.Diff(want, r.chains[0].Route); diff != "" {
		t.Errorf("route (-want +got):\n%s", diff)
	}

	r, err = NewRouter(nil, nil, nil, NewMetrics(prometheus.NewRegistry(), nil, nil), slog.New(slog.DiscardHandler))
	if err != nil || len(r.Offered()) != 0 {
		t.Errorf("without providers: %v, %v", r.Offered(), err)
	}
}

func TestNewRouterReportsEveryMistake(t *testing.T) {
	ps := []Provider{&carrier{name: "a"}, &carrier{name: "a"}, &carrier{name: "Big"}, silent{"quiet"}}
	routes := []Route{
		{Channel: "pigeon", Countries: []string{"JP", "jp"}, Providers: []string{"a", "a", "gone", "quiet"}},
		{Channel: SMS, Providers: []string{"a"}, Deadline: time.Minute},
		{Channel: SMS, Countries: []string{"JP"}, Deadline: time.Second, Timeout: 2 * time.Second},
		{Channel: Voice, Providers: []string{"a"}, Deadline: -1, Timeout: -1},
	}
	bounds := map[string]Bounds{"gone": {Rate: 1}, "quiet": {Rate: math.NaN()}}
	_, err := NewRouter(routes, ps, bounds, NewMetrics(prometheus.NewRegistry(), nil, nil), slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		`two providers are named "a"`,
		`provider name "Big" must be 1 to 32 lower-case letters, digits and hyphens`,
		`bounds for provider "gone", which isn't configured`,
		`rate of provider "quiet" must be more than 0 calls per second`,
		`routes[0].channel must be sms or voice`,
		`routes[0].countries[1] must be two capital letters, as in ISO 3166-1 alpha-2`,
		`routes[0].providers[1] names "a" a second time`,
		`routes[0].providers[0] names "a", which can't do pigeon`,
		`routes[0].providers[1] names "a", which can't do pigeon`,
		`routes[0].providers[2] names "gone", which isn't configured`,
		`routes[0].providers[3] names "quiet", which can't do pigeon`,
		`routes[1].deadline must be at most 30s`,
		`routes[2].providers must name at least one provider`,
		`routes[2].timeout must be at most the deadline`,
		`routes[2] is never taken: routes[1] takes every country`,
		`routes[3].deadline must be at most 30s`,
		`routes[3].timeout must be at most the deadline`,
		`routes[3].providers[0] names "a", which can't do voice`,
	}
	got := strings.Split(err.Error(), "\n")
	if strings.HasPrefix(got[2], "rate of") { // bounds are a map
		got[2], got[3] = got[3], got[2]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "twilio-main": true, "0": true, strings.Repeat("x", 32): true,
		"": false, strings.Repeat("x", 33): false, "Twilio": false, "a_b": false, "a b": false, "電話": false, "a/b": false, "a\n": false,
	} {
		if ValidName(name) != want {
			t.Errorf("ValidName(%q) = %v", name, !want)
		}
	}
}

package providers

import (
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"
)

func TestPlan(t *testing.T) {
	w := newWorld(t, []string{"a", "b", "c", "d", "e"}, []Route{
		{Channel: SMS, Countries: []string{"JP"}, Apps: []string{"bank"}, NumberTypes: []NumberType{"mobile", "voip"}, Providers: []string{"d"}},
		{Channel: SMS, Apps: []string{"bank", "shop"}, Providers: []string{"e"}},
		{Channel: SMS, Countries: []string{"JP", "KR"}, Providers: []string{"b", "a"}},
		{Channel: SMS, Countries: []string{"JP", "US", NoCountry}, Providers: []string{"c"}},
		{Channel: SMS, NumberTypes: []NumberType{"mobile"}, Providers: []string{"a"}},
	}, nil)
	for _, test := range []struct {
		country, numberType, app, want string
	}{
		{"JP", "mobile", "portal", "b"},
		{"KR", "", "", "b"},
		{"US", "mobile", "portal", "c"},
		{NoCountry, "", "portal", "c"},
		{"FR", "mobile", "portal", "a"},
		{"", "mobile", "", "a"},
		{"FR", "fixed_line", "portal", ""},
		{"JP", "voip", "bank", "d"},
		{"JP", "fixed_line", "bank", "e"},
		{"FR", "mobile", "bank", "e"},
		{"JP", "mobile", "shop", "e"},
	} {
		to := Destination{SMS, test.country, NumberType(test.numberType), test.app}
		if got := w.Plan(to).First(); got != test.want || w.Reaches(to) != (test.want != "") {
			t.Errorf("%v: first is %q, want %q; reached: %v", to, got, test.want, w.Reaches(to))
		}
	}
	if got := w.Plan(callJP).First(); got != "" || w.Reaches(callJP) {
		t.Errorf("voice: first is %q, want nobody", got)
	}
	if diff := cmp.Diff([]Channel{SMS}, w.Offered()); diff != "" {
		t.Errorf("offered (-want +got):\n%s", diff)
	}
}

func TestPlanOfAnOrderedRouteAllocatesNothing(t *testing.T) {
	w := newWorld(t, []string{"a", "b"}, []Route{
		{Channel: SMS, Apps: []string{"bank"}, Providers: []string{"b"}},
		{Channel: SMS, Countries: []string{"KR", "JP"}, NumberTypes: []NumberType{"voip", "mobile"}, Providers: []string{"a", "b"}},
	}, breaks())
	to := Destination{SMS, "JP", "mobile", "portal"}
	if n := testing.AllocsPerRun(100, func() {
		if w.Plan(to).First() != "a" {
			t.Error("another route")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCheckOrder(t *testing.T) {
	for _, test := range []struct {
		name   string
		routes []Route
		want   []string
	}{
		{"one after the other", []Route{
			{Channel: SMS, Countries: []string{"JP"}},
			{Channel: SMS, NumberTypes: []NumberType{"mobile"}},
			{Channel: SMS, Apps: []string{"bank"}},
			{Channel: Voice},
			{Channel: SMS},
		}, nil},
		{"after one that takes all", []Route{
			{Channel: SMS}, {Channel: SMS, Countries: []string{"JP"}}, {Channel: Voice}, {Channel: SMS},
		}, []string{
			"1 is never taken: all that it would take goes by routes[0]",
			"3 is never taken: all that it would take goes by routes[0]",
		}},
		{"after several that take all together", []Route{
			{Channel: SMS, Countries: []string{"JP"}, NumberTypes: []NumberType{"mobile"}},
			{Channel: Voice},
			{Channel: SMS, Countries: []string{"JP"}, Apps: []string{"bank"}},
			{Channel: SMS, Countries: []string{"KR"}},
			{Channel: SMS, Countries: []string{"JP", "KR"}, NumberTypes: []NumberType{"voip", "mobile"}, Apps: []string{"bank"}},
			{Channel: SMS, Countries: []string{"JP", "KR"}, NumberTypes: []NumberType{"voip", "mobile"}},
		}, []string{"4 is never taken: all that it would take goes by routes[0], routes[2], routes[3]"}},
		{"no list is known to be complete", []Route{
			{Channel: SMS, Countries: []string{"JP", "KR"}}, {Channel: SMS, Apps: []string{"bank"}}, {Channel: SMS},
		}, nil},
	} {
		var got []string
		CheckOrder(test.routes, func(i int, problem string) { got = append(got, fmt.Sprint(i, " ", problem)) })
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestCheckOrderIsRight holds what is said of random routes against where each
// of all destinations goes.
func TestCheckOrderIsRight(t *testing.T) {
	some := func(t *rapid.T, values ...string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(values), 0, len(values), rapid.ID[string]).Draw(t, "selector")
	}
	rapid.Check(t, func(t *rapid.T) {
		var routes []Route
		taken := map[int]bool{}
		for range rapid.IntRange(1, 6).Draw(t, "routes") {
			r := Route{Channel: SMS, Countries: some(t, "JP", "KR"), Apps: some(t, "bank", "shop")}
			for _, n := range some(t, "mobile", "voip") {
				r.NumberTypes = append(r.NumberTypes, NumberType(n))
			}
			routes = append(routes, r)
		}
		for _, country := range []string{"JP", "KR", "US"} {
			for _, numberType := range []NumberType{"mobile", "voip", "fixed_line"} {
				for _, app := range []string{"bank", "shop", "portal"} {
					first := slices.IndexFunc(routes, func(r Route) bool { return r.takes(Destination{SMS, country, numberType, app}) })
					taken[first] = true
				}
			}
		}
		never := map[int]bool{}
		CheckOrder(routes, func(i int, _ string) { never[i] = true })
		for i, r := range routes {
			if taken[i] == never[i] {
				t.Errorf("routes[%d] %+v: taken %v, said to be never taken %v", i, r, taken[i], never[i])
			}
		}
	})
}

func TestDefaultRoutes(t *testing.T) {
	ps := []Provider{silent{"quiet"}, &carrier{name: "second"}, &carrier{name: "first"}}
	r, err := NewRouter(RouterOptions{Providers: ps, Metrics: NewMetrics(prometheus.NewRegistry(), ps, nil), Log: slog.New(slog.DiscardHandler)})
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

	r, err = NewRouter(RouterOptions{Metrics: NewMetrics(prometheus.NewRegistry(), nil, nil), Log: slog.New(slog.DiscardHandler)})
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
		{Channel: Voice, Providers: []string{"a"}, Deadline: -1, Timeout: -1, Weights: map[string]int{"b": 7, "a": 1001}},
		{Channel: SMS, NumberTypes: []NumberType{"mobile"}, Providers: []string{"a"}, Weights: map[string]int{"a": 0}},
	}
	bounds := map[string]Bounds{"gone": {Rate: 1}, "quiet": {Rate: math.NaN()}}
	_, err := NewRouter(RouterOptions{Routes: routes, Providers: ps, Bounds: bounds, Metrics: NewMetrics(prometheus.NewRegistry(), nil, nil), Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		`two providers are named "a"`,
		`provider name "Big" must be 1 to 32 lower-case letters, digits and hyphens`,
		`bounds for provider "gone", which isn't configured`,
		`rate of provider "quiet" must be more than 0 calls per second`,
		`routes[0].channel must be sms or voice`,
		`routes[0].countries[1] must be two capital letters, as in ISO 3166-1 alpha-2, or 001 for networks of no country`,
		`routes[0].providers[1] names "a" a second time`,
		`routes[0].providers[0] names "a", which can't do pigeon`,
		`routes[0].providers[1] names "a", which can't do pigeon`,
		`routes[0].providers[2] names "gone", which isn't configured`,
		`routes[0].providers[3] names "quiet", which can't do pigeon`,
		`routes[1].deadline must be at most 30s`,
		`routes[2].providers must name at least one provider`,
		`routes[2].timeout must be at most the deadline`,
		`routes[3].weights.a must be 0 to 1000`,
		`routes[3].weights.b is the weight of a provider that the route doesn't name in providers`,
		`routes[3].deadline must be at most 30s`,
		`routes[3].timeout must be at most the deadline`,
		`routes[3].providers[0] names "a", which can't do voice`,
		`routes[4].weights must give at least one provider more than 0`,
		`routes[2] is never taken: all that it would take goes by routes[1]`,
		`routes[4] is never taken: all that it would take goes by routes[1]`,
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

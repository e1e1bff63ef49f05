package providers

import (
	"context"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"denwa/ivr"
)

// exchange is a carrier that calls, too.
type exchange struct {
	*carrier
	calls []Call
}

func (e *exchange) PlaceCall(ctx context.Context, c Call) (Acceptance, error) {
	e.calls = append(e.calls, c)
	return e.SendMessage(ctx, Message{Delivery: c.Delivery, To: c.To})
}

func TestCall(t *testing.T) {
	for name, test := range map[string]struct {
		first    []string // how the first provider answers
		provider string
		kind     Kind // "" when accepted
		journal  []string
		called   [2]int
	}{
		"accepted":               {nil, "a", "", nil, [2]int{1, 0}},
		"unavailable goes on":    {[]string{"unavailable"}, "b", "", []string{"a unavailable > b"}, [2]int{1, 1}},
		"throttled goes on":      {[]string{"throttled"}, "b", "", []string{"a throttled > b"}, [2]int{1, 1}},
		"auth goes on":           {[]string{"auth"}, "b", "", []string{"a auth > b"}, [2]int{1, 1}},
		"invalid stops":          {[]string{"invalid"}, "a", Invalid, []string{"a invalid > nobody"}, [2]int{1, 0}},
		"nobody is called twice": {[]string{"ambiguous"}, "a", Ambiguous, []string{"a ambiguous > nobody"}, [2]int{1, 0}},
		"nor after a panic":      {[]string{"panic"}, "a", Ambiguous, []string{"a ambiguous > nobody"}, [2]int{1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := &exchange{carrier: &carrier{name: "a", answers: test.first}}, &exchange{carrier: &carrier{name: "b"}}
			all := []Provider{&carrier{name: "texts"}, a, b}
			r, err := NewRouter(RouterOptions{Providers: all, Metrics: NewMetrics(prometheus.NewRegistry(), all, []string{"JP"}), Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			w := &world{Router: r}
			call := Call{Delivery: "d1", To: number, Extension: "12", Script: ivr.Script{Mode: ivr.ModeConfirm, Locale: "ja"}}
			_, provider, err := r.Call(t.Context(), r.Plan(callJP), call, "JP", w.record)
			if provider != test.provider || (err == nil) != (test.kind == "") || err != nil && KindOf(err) != test.kind {
				t.Errorf("provider %q, error %v, want %q and kind %q", provider, err, test.provider, test.kind)
			}
			if diff := cmp.Diff(test.journal, w.journal); diff != "" {
				t.Errorf("journal (-want +got):\n%s", diff)
			}
			if got := [2]int{len(a.calls), len(b.calls)}; got != test.called {
				t.Errorf("called %v times, want %v", got, test.called)
			}
			if diff := cmp.Diff(call, a.calls[0]); diff != "" {
				t.Errorf("the first was given (-want +got):\n%s", diff)
			}
			for _, c := range b.calls {
				call.Delivery = "d2"
				if diff := cmp.Diff(call, c); diff != "" {
					t.Errorf("the second was given (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// texter has a method for calls, but isn't configured for them.
type texter struct{ *exchange }

func (texter) Serves(ch Channel) bool { return ch == SMS }

// A default route for calls has only those who call, and series of its own.
func TestServesVoice(t *testing.T) {
	caller := &exchange{carrier: &carrier{name: "a"}}
	all := []Provider{&carrier{name: "texts"}, caller, silent{"quiet"}, texter{&exchange{carrier: &carrier{name: "t"}}}}
	m := NewMetrics(prometheus.NewRegistry(), all, []string{"JP"})
	r, err := NewRouter(RouterOptions{Providers: all, Metrics: m, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Channel{SMS, Voice}, r.Offered()); diff != "" {
		t.Errorf("offered (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a"}, r.Plan(callJP).chain.Providers); diff != "" {
		t.Errorf("providers of calls (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"texts", "a", "t"}, r.Plan(textJP).chain.Providers); diff != "" {
		t.Errorf("providers of messages (-want +got):\n%s", diff)
	}
	if got, want := testutil.CollectAndCount(m.deliveries), 3*len(MessageStatuses())+len(CallStatuses()); got != want {
		t.Errorf("%d series of deliveries from the start, want %d", got, want)
	}
}

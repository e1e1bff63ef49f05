package providers

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
)

// TestRoutingDoc holds the table in docs/routing.md against what the router does
// after each kind of failure.
func TestRoutingDoc(t *testing.T) {
	doc, err := os.ReadFile("../docs/routing.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[Kind][]string{}
	for line := range strings.Lines(string(doc)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | ")
		if kind, ok := strings.CutPrefix(cells[0], "`"); ok && len(cells) == 5 {
			rows[Kind(strings.TrimSuffix(kind, "`"))] = cells[2:]
		}
	}
	if len(rows) != len(Kinds()) {
		t.Errorf("%d rows for %d kinds", len(rows), len(Kinds()))
	}
	for _, kind := range Kinds() {
		synctest.Test(t, func(t *testing.T) {
			want := []string{afterTwo(t, kind, SMS), afterTwo(t, kind, Voice), breakerAfter(t, kind)}
			if got := strings.Join(rows[kind], ", "); got != strings.Join(want, ", ") {
				t.Errorf("%s: the document says %q, the router does %q", kind, got, want)
			}
		})
	}
}

// afterTwo says how far a send goes whose first two providers fail.
func afterTwo(t *testing.T, kind Kind, ch Channel) string {
	t.Helper()
	var all []Provider
	var asked []*carrier
	for _, name := range []string{"a", "b", "c"} {
		c := &carrier{name: name}
		if name != "c" {
			c.answers = []string{string(kind)}
		}
		all, asked = append(all, &exchange{carrier: c}), append(asked, c)
	}
	r, err := NewRouter(RouterOptions{Providers: all, Metrics: NewMetrics(prometheus.NewRegistry(), all, nil), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Router: r}
	if to := (Destination{Channel: ch, Country: "JP"}); ch == Voice {
		_, _, _ = r.Call(t.Context(), r.Plan(to), Call{Delivery: "d1"}, "JP", w.record)
	} else {
		_, _, _ = r.Send(t.Context(), r.Plan(to), Message{Delivery: "d1"}, "JP", w.record)
	}
	switch {
	case asked[2].count() == 1:
		return "goes on"
	case asked[1].count() == 1:
		return "goes on once"
	default:
		return "stops"
	}
}

// breakerAfter says whether a failure counts for the breaker.
func breakerAfter(t *testing.T, kind Kind) string {
	t.Helper()
	w := newWorld(t, []string{"a:" + string(kind), "b"}, nil, map[string]Bounds{"a": {Breaker: Breaker{Failures: 1}}})
	_, _, _ = w.send(t)
	if w.Plan(textJP).First() == "b" {
		return "counts"
	}
	return "no"
}

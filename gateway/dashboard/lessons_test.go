package dashboard

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/providers"
	"denwa/providers/sandbox"
	"denwa/providers/sandbox/browsertest"
)

// taught is what routes over real providers learned from these blocks.
type taught struct {
	*providers.Router
	lessons []providers.Lesson
	fresh   bool
}

func (t *taught) Lessons() ([]providers.Lesson, bool) { return t.lessons, t.fresh }

// learn teaches the route at position what was approved and sent, by provider.
func (t *taught) learn(position int, country string, tallies ...providers.Tally) {
	for _, l := range t.Learners() {
		if l.Position == position {
			lesson := providers.Lesson{Route: l, Country: country}
			lesson.Standings, lesson.Enough = l.Judge([]providers.Block{{Tallies: tallies}})
			t.lessons = append(t.lessons, lesson)
		}
	}
}

// newTaught has every way in which a provider can stand.
func newTaught(t *testing.T) *taught {
	t.Helper()
	var all []providers.Provider
	for _, name := range []string{"domestic", "aggregator", "global"} {
		p, err := sandbox.New(sandbox.Config{Name: name}, sandbox.NewPhones(), nil, nil, discard)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		all = append(all, p)
	}
	router, err := providers.NewRouter(providers.RouterOptions{
		Routes: []providers.Route{
			{
				Channel: providers.SMS, Countries: []string{"JP", "KR", "TW", "TH", "VN", "PH"}, NumberTypes: []providers.NumberType{"mobile"},
				Providers: []string{"domestic", "aggregator", "global"}, Learn: providers.Learn{Explore: 0.1},
			},
			{
				Channel: providers.SMS, Apps: []string{"portal"}, Providers: []string{"aggregator", "global"},
				Weights: map[string]int{"aggregator": 3, "global": 1}, Learn: providers.Learn{Explore: 0.05, HalfLife: 90 * time.Minute},
			},
			{Channel: providers.SMS, Providers: []string{"global"}},
		},
		Providers: all, Metrics: providers.NewMetrics(prometheus.NewRegistry(), all, nil), Log: discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	l := &taught{Router: router, fresh: true}
	l.learn(0, "JP", providers.Tally{Sent: 1204.4, Approved: 411}, providers.Tally{Sent: 3390, Approved: 2810}, providers.Tally{Sent: 182, Approved: 150})
	l.learn(0, "KR", providers.Tally{Sent: 412, Approved: 330}, providers.Tally{Sent: 22, Approved: 17}, providers.Tally{Sent: 24, Approved: 18})
	l.learn(0, "TW", providers.Tally{Sent: 140, Approved: 92}, providers.Tally{Sent: 18, Approved: 16}, providers.Tally{Sent: 9, Approved: 6})
	l.learn(0, "", providers.Tally{Sent: 7, Approved: 2}, providers.Tally{}, providers.Tally{})
	return l
}

// learnPage serves a dashboard with what was learned.
func learnPage(t *testing.T, l Learning) string {
	t.Helper()
	server := httptest.NewServer(NewHandler(Options{Store: aDay{}, Learning: l, Log: discard, Zone: time.FixedZone("JST", 9*3600)}))
	t.Cleanup(server.Close)
	return server.URL + "/dashboard"
}

func TestLessonsInEveryView(t *testing.T) {
	for _, v := range []struct {
		name string
		browsertest.View
		says []string
	}{
		{"en-light-desktop", browsertest.View{Language: "en"}, []string{
			"routes[0] · SMS · JP, KR, TW, TH, … · mobile explores 10 %, half-life 1 h",
			"routes[1] · SMS · portal explores 5 %, half-life 90 min",
			"JP|domestic|5 % configured 100 %|34 %|1,204|converts worse than aggregator, to 99.9 % certain",
			"aggregator|90 % configured 0 %|83 %|3,390|takes over from others",
			"global|5 % configured 0 %|82 %|182|tried, to notice if it converts better",
			"KR|domestic|90 % configured 100 %|80 %|412|as configured",
			"|seems to convert worse than aggregator, to 9",
			"none|domestic|100 % configured 100 %|29 %|7|as configured: too little is known",
			"Nothing is known yet, so the route goes by its configuration.",
		}},
		{"ja-dark-phone", browsertest.View{Width: 390, Height: 844, Dark: true}, []string{
			"探索 10 %、半減期 1 時間", "半減期 90 分",
			"JP|domestic|5 % 設定 100 %|34 %|1,204|aggregator より承認率が低い（確度 99.9 %）",
			"|ほかの通信会社の分を引き受け", "|回復や改善に気づくための試行", "|設定どおり", "より承認率が低い模様（確度 9",
			"国なし|domestic|100 % 設定 100 %|29 %|7|データが少ないため設定どおり", "まだデータがないため、設定どおりに動作しています。",
		}},
	} {
		t.Run(v.name, func(t *testing.T) {
			tab := browser.Open(t, v.View)
			tab.Go(learnPage(t, newTaught(t)))
			tab.Wait("the learning routes", `document.querySelectorAll("table.lessons tbody").length === 4`)
			text, _ := tab.Evaluate(`[...document.querySelectorAll("h3, .lessons tr, [aria-labelledby=lessons] p")].map(
				e => e.cells ? [...e.cells].map(c => c.textContent.trim()).join("|") : e.textContent.trim()).join("\n")`).(string)
			for _, line := range v.says {
				if !strings.Contains(text, line) {
					t.Errorf("it doesn't say %q:\n%s", line, text)
				}
			}
			tab.Look("dashboard-lessons-"+v.name, axe)
		})
	}
}

// TestLessonsWhenTheyAreStale: nobody is led to believe that they hold, and
// nothing is shown where no route learns.
func TestLessonsWhenTheyAreStale(t *testing.T) {
	page := func(l Learning) string {
		answer := httptest.NewRecorder()
		NewHandler(Options{Store: aDay{}, Learning: l, Log: discard}).ServeHTTP(answer, httptest.NewRequest("GET", "/dashboard?lang=en", nil))
		return answer.Body.String()
	}
	l := newTaught(t)
	const stale = "can&#39;t be read at the moment, so routes go by their configuration"
	if body := page(l); strings.Contains(body, stale) || !strings.Contains(body, "Learning routes") {
		t.Error("a fresh one is called stale, or isn't shown")
	}
	l.fresh = false
	if !strings.Contains(page(l), stale) {
		t.Error("a stale one isn't called so")
	}
	off, err := providers.NewRouter(providers.RouterOptions{Metrics: providers.NewMetrics(prometheus.NewRegistry(), nil, nil), Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	for _, none := range []Learning{nil, &taught{Router: off}} {
		if strings.Contains(page(none), "Learning routes") {
			t.Error("shown, though no route learns")
		}
	}
}

// TestLessonsAreBounded: a route that reaches the world doesn't fill the page.
func TestLessonsAreBounded(t *testing.T) {
	l := newTaught(t)
	l.lessons = nil
	for c := 'A'; c <= 'Z'; c++ {
		l.learn(0, "X"+string(c), providers.Tally{Sent: 100, Approved: 50}, providers.Tally{}, providers.Tally{})
	}
	if got := newLessons(l, languages[0]); len(got.Routes) != 2 || len(got.Routes[0].Countries) != maxCountries || got.Routes[0].More != "and 14 more countries" {
		t.Errorf("%+v", got)
	}
}

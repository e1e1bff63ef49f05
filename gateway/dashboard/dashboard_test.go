package dashboard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/gateway"
	"denwa/gateway/redisstore"
	"denwa/providers"
	"denwa/providers/sandbox"
	"denwa/providers/sandbox/browsertest"
	"denwa/ratelimit/redistest"
)

var _ Store = (*redisstore.Funnel)(nil)

var (
	browser browsertest.Browser
	discard = slog.New(slog.DiscardHandler)
)

const axe = "../../.peers/node_modules/axe-core/axe.min.js"

func TestMain(m *testing.M) { os.Exit(browser.Main(m).Run()) }

// memory is a store in memory, which can be made to fail before or after it
// has done its work.
type memory struct {
	mu     sync.Mutex
	counts map[string]int64
	last   map[string]int64
	before error
	after  error
}

func newMemory() *memory { return &memory{counts: map[string]int64{}, last: map[string]int64{}} }

func (m *memory) fail(before, after error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before, m.after = before, after
}

func (m *memory) Add(_ context.Context, instance string, batch int64, counts map[string]int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.before != nil {
		return m.before
	}
	if batch > m.last[instance] {
		m.last[instance] = batch
		for f, n := range counts {
			m.counts[f] += n
		}
	}
	return m.after
}

func (m *memory) Read(context.Context, time.Duration, int) (time.Time, []map[string]int64, map[string]time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now(), []map[string]int64{maps.Clone(m.counts)}, nil, m.before
}

func (m *memory) sum() (n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.counts {
		n += k
	}
	return n
}

func TestRecorderLosesAndDoublesNothingWhileTheStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		r := NewRecorder(store, discard)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx) })
		want := int64(0)
		for _, failure := range []struct{ before, after error }{
			{}, {before: errors.New("down")}, {after: errors.New("answer lost")}, {}, {after: errors.New("answer lost")}, {before: errors.New("down")}, {},
		} {
			store.fail(failure.before, failure.after)
			for range 3 {
				r.Sent("a", providers.SMS, "JP", "accepted")
				want++
				time.Sleep(700 * time.Millisecond)
			}
		}
		r.Sent("a", providers.SMS, "JP", "accepted") // right before the end
		want++
		stop()
		running.Wait()
		if got := store.sum(); got != want {
			t.Errorf("the store has %d, want %d", got, want)
		}
	})
}

func TestRecorderIsBounded(t *testing.T) {
	store := newMemory()
	r := NewRecorder(store, discard)
	for i := range maxFields + 100 {
		r.Sent("p"+count(int64(i)), providers.SMS, "JP", "accepted")
	}
	if err := r.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := store.sum(); got != maxFields {
		t.Errorf("it kept %d fields, want %d", got, maxFields)
	}
}

// TestFunnelOfAWindow counts every step, by every group.
func TestFunnelOfAWindow(t *testing.T) {
	store := newMemory()
	r := NewRecorder(store, discard)
	for range 10 {
		r.Sent("a", providers.SMS, "JP", "accepted")
	}
	r.Sent("a", providers.SMS, "JP", "throttled")
	r.Sent("b", providers.SMS, "JP", "accepted")
	r.Sent("b", providers.Voice, "001", "accepted") // no country
	r.Receipt("a", providers.SMS, "JP", providers.Sent, time.Second)
	for range 8 {
		r.Receipt("a", providers.SMS, "JP", providers.Delivered, 4*time.Second)
	}
	r.Receipt("a", providers.SMS, "JP", providers.Undelivered, 9*time.Second)
	r.Receipt("b", providers.Voice, "", providers.Answered, 12*time.Second)
	r.Receipt("b", providers.Voice, "", providers.Confirmed, 20*time.Second)
	r.Finished("a", providers.SMS, "JP", gateway.Approved, 25*time.Second)
	r.Finished("b", providers.Voice, "", gateway.Approved, time.Hour)
	r.Finished("", providers.SMS, "JP", gateway.Expired, 0)
	r.Took("a", providers.SMS, 40*time.Millisecond)
	if err := r.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	now, counts, seen, _ := store.Read(t.Context(), 0, 0)
	counts[0]["x|y"] = 9 // of another release
	rep := summarise(now, time.Minute, counts, seen)

	funnels := func(rows []row) (lines []string) {
		for _, r := range rows {
			lines = append(lines, languages[0].route(r.route)+": "+count(r.Requested)+" "+count(r.Accepted)+" "+count(r.Delivered)+" "+count(r.Approved))
		}
		return lines
	}
	for _, c := range []struct {
		name string
		rows []row
		want []string
	}{
		{"all", []row{rep.Total}, []string{": 13 12 9 2"}},
		{"channels", rep.Channels, []string{"SMS: 12 11 8 1", "Call: 1 1 1 1"}},
		{"providers", rep.Providers, []string{"SMS · a: 11 10 8 1", "SMS · b: 1 1 0 0", "Call · b: 1 1 1 1"}},
		{"countries", rep.Countries, []string{"JP: 12 11 8 1"}},
		{"routes", rep.Routes, []string{"SMS · a · JP: 11 10 8 1", "SMS · b · JP: 1 1 0 0"}},
	} {
		if got := funnels(c.rows); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	var failures []string
	for _, f := range rep.Failures {
		failures = append(failures, languages[0].failure(f)+" "+count(f.N))
	}
	if want := []string{"Verification: expired 1", "Refused by the provider: throttled 1", "Not delivered 1"}; !slices.Equal(failures, want) {
		t.Errorf("failures: %q, want %q", failures, want)
	}
	if s := rep.Slots[0]; s.Requested != 13 || s.Approved != 2 || s.Fail != 2 {
		t.Errorf("the column is %+v", s)
	}
	times := languages[0].percentiles(rep.Providers[0].Asking)
	if times.P50 != "38 ms" || languages[0].percentiles(rep.Providers[2].Approval).P99 != "> 600 s" {
		t.Errorf("percentiles: %+v, %+v", times, languages[0].percentiles(rep.Providers[2].Approval))
	}
}

func TestPercentile(t *testing.T) {
	d := newTimes(deliveryTime)
	for range 50 {
		d.add(bucketOf(deliveryTime, 2500*time.Millisecond), 1) // 2 to 3
	}
	for range 50 {
		d.add(bucketOf(deliveryTime, 15*time.Second), 1) // 10 to 15, its bound included
	}
	for q, want := range map[float64]float64{0.25: 2.5, 0.5: 3, 0.75: 12.5, 1: 15} {
		if got, over := d.percentile(q); math.Abs(got-want) > 1e-9 || over {
			t.Errorf("p%v = %v, %v, want %v", q*100, got, over, want)
		}
	}
	d.add(bucketOf(deliveryTime, time.Hour), 900)
	if got, over := d.percentile(0.99); got != 300 || !over {
		t.Errorf("p99 = %v, %v, want over 300", got, over)
	}
	d.add("99", 1)
	d.add("x", 1)
	if d.n != 1000 {
		t.Errorf("buckets that don't exist count: %d", d.n)
	}
}

// TestBucketsAreThoseOfPrometheus holds limits against the histograms that
// measure the same.
func TestBucketsAreThoseOfPrometheus(t *testing.T) {
	registry := prometheus.NewRegistry()
	carrier, err := sandbox.New(sandbox.Config{Name: "a"}, sandbox.NewPhones(), nil, nil, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = carrier.Close() })
	providers.NewMetrics(registry, []providers.Provider{carrier}, []string{"JP"})
	config := gateway.DefaultConfig()
	config.Apps = []gateway.App{{Name: "app", Brand: "App"}}
	policy, err := gateway.NewPolicy(config, gateway.Everywhere(providers.Channels()))
	if err != nil {
		t.Fatal(err)
	}
	gateway.NewService(gateway.Parts{Metrics: gateway.NewMetrics(registry, policy.Routes()), Log: discard}, policy)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	bounds := map[string][]float64{}
	for _, f := range families {
		if h := f.GetMetric()[0].GetHistogram(); h != nil {
			for _, b := range h.GetBucket() {
				if !math.IsInf(b.GetUpperBound(), 1) {
					bounds[f.GetName()] = append(bounds[f.GetName()], b.GetUpperBound())
				}
			}
		}
	}
	for kind, name := range map[kind]string{
		askTime: "denwa_send_duration_seconds", deliveryTime: "denwa_delivery_duration_seconds", approvalTime: "denwa_verification_duration_seconds",
	} {
		if !slices.Equal(limits(kind), bounds[name]) {
			t.Errorf("%s has %v, the dashboard %v", name, bounds[name], limits(kind))
		}
	}
}

// TestWordsAreComplete holds the languages against each other, and against what
// there is to say.
func TestWordsAreComplete(t *testing.T) {
	for _, w := range languages {
		for _, k := range providers.Kinds() {
			if w.Kinds[k] == "" {
				t.Errorf("%s has no word for %s", w.Language, k)
			}
		}
		for _, s := range slices.Concat(providers.MessageStatuses(), providers.CallStatuses()) {
			if (field{kind: reported, detail: string(s)}).failed() && w.Statuses[s] == "" {
				t.Errorf("%s has no word for %s", w.Language, s)
			}
		}
		for _, s := range gateway.Statuses() {
			if (field{kind: ended, detail: string(s)}).failed() && w.Ends[string(s)] == "" {
				t.Errorf("%s has no word for %s", w.Language, s)
			}
		}
		for _, in := range windows() {
			if w.Windows[in.Name] == "" {
				t.Errorf("%s has no word for %s", w.Language, in.Name)
			}
		}
		if len(w.About) != len(languages[0].About) {
			t.Errorf("%s explains %d things, not %d", w.Language, len(w.About), len(languages[0].About))
		}
	}
}

func TestPageWhenTheStoreIsDown(t *testing.T) {
	store := newMemory()
	store.fail(errors.New("down"), nil)
	h := NewHandler(Options{Store: store, Log: discard})
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/dashboard?lang=ja", nil))
	if answer.Code != http.StatusServiceUnavailable || !strings.Contains(answer.Body.String(), "ストアが応答しない") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if got := answer.Header().Get("Content-Security-Policy"); got != policy {
		t.Errorf("policy: %q", got)
	}
	store.fail(nil, nil)
	answer = httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/dashboard", nil))
	if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), "Nothing was requested") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

// instances are two gateways with one Redis, and a dashboard on each.
func instances(t *testing.T) (recorders []*Recorder, urls []string) {
	t.Helper()
	c := redisstore.DefaultConfig()
	c.Addresses, c.Timeout = []string{redistest.Start(t).Addr()}, 20*time.Second
	for range 2 {
		client, closer, err := redisstore.Connect(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = closer() })
		store := redisstore.New(client, redisstore.NewMetrics(prometheus.NewRegistry()))
		t.Cleanup(func() { _ = store.Close() })
		r := NewRecorder(store.Funnel(), discard)
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx) })
		t.Cleanup(func() { stop(); running.Wait() })
		server := httptest.NewServer(NewHandler(Options{Store: store.Funnel(), Log: discard, Zone: time.FixedZone("JST", 9*3600)}))
		t.Cleanup(server.Close)
		recorders, urls = append(recorders, r), append(urls, server.URL+"/dashboard")
	}
	return recorders, urls
}

func TestTwoInstancesShowTheSameSum(t *testing.T) {
	recorders, urls := instances(t)
	for i, r := range recorders {
		for range 20 * (i + 1) {
			r.Sent("a", providers.SMS, "JP", "accepted")
		}
	}
	for _, url := range urls {
		tab := browser.Open(t, browsertest.View{Language: "en"})
		tab.Go(url)
		tab.WaitText(".funnel", "60")
		tab.WaitText(".as-of", "2 instances are counting")
	}
}

func TestPageIsLive(t *testing.T) {
	recorders, urls := instances(t)
	tab := browser.Open(t, browsertest.View{Language: "ja"})
	tab.Go(urls[0])
	tab.WaitText("main", "この期間に要求はありません。")
	tab.Evaluate(`void (window.same = true)`)
	recorders[1].Sent("carrier", providers.SMS, "JP", "accepted")
	recorders[1].Receipt("carrier", providers.SMS, "JP", providers.Undelivered, time.Second)
	tab.WaitText("#failures + .wide", "不達")
	tab.WaitText("tbody", "SMS")
	tab.Wait("the same page, not loaded anew", `window.same`)
	tab.Click(`nav a:last-of-type`)
	tab.WaitText("[aria-current]", "24 時間")
	tab.WaitText("#failures + .wide", "不達")
}

func TestPageRefreshesItselfWithoutScript(t *testing.T) {
	recorders, urls := instances(t)
	tab := browser.Open(t, browsertest.View{Language: "en", NoScript: true})
	tab.Go(urls[0] + "?window=1h&lang=en")
	tab.WaitText("main", "Nothing was requested")
	recorders[0].Sent("carrier", providers.SMS, "JP", "accepted")
	tab.WaitText("tbody", "SMS")
	tab.WaitText("[aria-current]", "1 hour")
}

// TestPageInEveryView looks at the page as people see it.
func TestPageInEveryView(t *testing.T) {
	server := httptest.NewServer(NewHandler(Options{Store: aDay{}, Log: discard, Zone: time.FixedZone("JST", 9*3600)}))
	t.Cleanup(server.Close)
	for _, language := range []string{"en", "ja"} {
		tab := browser.Open(t, browsertest.View{Width: 1000, Height: 760, Language: language})
		for _, window := range windows() {
			tab.Go(server.URL + "/dashboard?window=" + window.Name)
			tab.Wait("tables", `document.querySelectorAll("table").length === 6`)
			tab.Look("dashboard-"+window.Name+"-"+language, axe)
			tab.Shot("readme-dashboard-"+window.Name+"-"+language, false)
		}
	}
}

// TestLongNames: on the narrowest phone no provider's name is broken in the middle
// of a word, whatever its hyphens, and no number is covered by one.
func TestLongNames(t *testing.T) {
	store := newMemory()
	r := NewRecorder(store, discard)
	for _, name := range []string{"aggregator-of-short-messages-tyo", "thirtytwoletterswithoutanyhyphen"} {
		for range 1234 {
			r.Sent(name, providers.SMS, "JP", "accepted")
			r.Took(name, providers.SMS, 2*time.Second)
		}
		r.Receipt(name, providers.SMS, "JP", providers.Undelivered, 0)
	}
	if err := r.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(NewHandler(Options{Store: store, Log: discard}))
	t.Cleanup(server.Close)
	for _, dark := range []bool{false, true} {
		for _, width := range []int64{320, 390, 640} {
			tab := browser.Open(t, browsertest.View{Width: width, Height: 640, Language: "en", Dark: dark})
			tab.Go(server.URL + "/dashboard")
			tab.Wait("tables", `document.querySelectorAll("table").length === 6`)
			tab.Shot(fmt.Sprintf("dashboard-names-%d-dark-%v", width, dark), true)
			broken := tab.Evaluate(`[...document.querySelectorAll("tbody th, tbody td")].flatMap(cell => {
				const text = cell.firstChild, range = document.createRange(), wrong = [];
				for (const word of text.data.matchAll(/[a-z]+/g)) {
					range.setStart(text, word.index);
					range.setEnd(text, word.index + word[0].length);
					const at = [...range.getClientRects()], room = cell.getBoundingClientRect();
					if (at.length > 1 || at[0].right > room.right + 1) wrong.push(word[0]);
				}
				return wrong;
			}).join(" ")`)
			if broken != "" {
				t.Errorf("%d px, dark %v: broken or cut: %s", width, dark, broken)
			}
		}
	}
}

// aDay is a store with a day of a portal in it, and a carrier that fails for a while.
type aDay struct{}

func (aDay) Add(context.Context, string, int64, map[string]int64) error { return nil }

func (aDay) Read(_ context.Context, _ time.Duration, slots int) (time.Time, []map[string]int64, map[string]time.Time, error) {
	now := time.Date(2026, 11, 24, 18, 12, 5, 0, time.UTC)
	var all []map[string]int64
	for i := range slots {
		store := newMemory()
		r := NewRecorder(store, discard)
		wave := 40 + int(30*math.Sin(float64(i)*6/float64(slots)))
		broken := i > slots*2/3 && i < slots*5/6
		for n := range wave {
			carrier := "domestic"
			if n%5 == 0 {
				carrier = "global"
			}
			if broken && carrier == "domestic" {
				r.Sent(carrier, providers.SMS, "JP", "unavailable")
				carrier = "global"
			}
			r.Sent(carrier, providers.SMS, "JP", "accepted")
			r.Took(carrier, providers.SMS, time.Duration(20+n*3)*time.Millisecond)
			if n%11 == 3 {
				r.Receipt(carrier, providers.SMS, "JP", providers.Undelivered, 0)
				r.Finished(carrier, providers.SMS, "JP", gateway.Expired, 0)
				continue
			}
			r.Receipt(carrier, providers.SMS, "JP", providers.Delivered, time.Duration(900+n*120)*time.Millisecond)
			if n%9 != 4 {
				r.Finished(carrier, providers.SMS, "JP", gateway.Approved, time.Duration(8+n)*time.Second)
			}
		}
		for n := range wave / 6 {
			r.Sent("trunk", providers.Voice, "JP", "accepted")
			r.Took("trunk", providers.Voice, 180*time.Millisecond)
			if n%2 == 0 {
				r.Receipt("trunk", providers.Voice, "JP", providers.NoAnswer, 30*time.Second)
				continue
			}
			r.Receipt("trunk", providers.Voice, "JP", providers.Answered, 9*time.Second)
			r.Receipt("trunk", providers.Voice, "JP", providers.Confirmed, 20*time.Second)
			r.Finished("trunk", providers.Voice, "JP", gateway.Approved, 24*time.Second)
		}
		_ = r.flush(context.Background())
		all = append(all, store.counts)
	}
	return now, all, map[string]time.Time{"k3jx": now.Add(-time.Second), "p9ab": now, "zz4m": now.Add(-12 * time.Minute)}, nil
}

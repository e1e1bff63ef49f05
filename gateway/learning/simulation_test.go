package learning

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"denwa/providers"
)

// carrier accepts everything.
type carrier struct{ name string }

func (c carrier) Name() string { return c.name }
func (c carrier) Close() error { return nil }

func (c carrier) SendMessage(context.Context, providers.Message) (providers.Acceptance, error) {
	return providers.Acceptance{}, nil
}

// memory is a store of counts by its own clock.
type memory struct {
	mu    sync.Mutex
	slots map[time.Duration]map[int64]map[string]int64
	err   error
	reads int
}

func newMemory() *memory {
	return &memory{slots: map[time.Duration]map[int64]map[string]int64{minute: {}, ten: {}}}
}

func (m *memory) Count(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for width, slots := range m.slots {
		inner(slots, index(time.Now(), width))[name]++
	}
}

func (m *memory) Read(_ context.Context, width time.Duration, slots int) (time.Time, []map[string]int64, map[string]time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads += slots
	now := time.Now()
	var counts []map[string]int64
	for i := range slots {
		counts = append(counts, maps.Clone(m.slots[width][index(now, width)-int64(slots-1-i)]))
	}
	return now, counts, nil, m.err
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// world is a router whose carriers convert as a test says.
type world struct {
	*Teacher
	router *providers.Router
	store  *memory
	random *rand.Rand
	// converts is how many of a carrier's messages lead to an approval.
	converts map[string]float64
	late     []approval
	sent     []string
}

// approval is one that is still to come.
type approval struct {
	at   time.Time
	what func()
}

func newWorld(t *testing.T, route providers.Route, store *memory, log *slog.Logger) *world {
	t.Helper()
	w := &world{store: store, random: rand.New(rand.NewPCG(7, 7)), converts: map[string]float64{}} //nolint:gosec // G404: a test repeats it.
	var all []providers.Provider
	for _, name := range route.Providers {
		all = append(all, carrier{name})
		w.converts[name] = 0.8
	}
	var err error
	w.router, err = providers.NewRouter(providers.RouterOptions{
		Routes: []providers.Route{route}, Providers: all, Metrics: providers.NewMetrics(prometheus.NewRegistry(), all, nil),
		Random: w.random.Float64, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Teacher = New(Options{Routes: w.router, Counter: store, Counts: store, Reg: prometheus.NewRegistry(), Log: log})
	return w
}

// pass lets an hour's worth of perHour verifications be sent for d, and returns
// which share of them each carrier was asked for first.
func (w *world) pass(d time.Duration, perHour int) map[string]float64 {
	to := providers.Destination{Channel: providers.SMS, Country: "JP"}
	pause, n := time.Hour/time.Duration(perHour), 0
	asked := map[string]float64{}
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		time.Sleep(pause)
		for len(w.late) > 0 && !w.late[0].at.After(time.Now()) {
			w.late[0].what()
			w.late = w.late[1:]
		}
		provider := w.router.Plan(to).First()
		asked[provider]++
		w.sent = append(w.sent, provider)
		w.Sent(provider, to)
		if w.random.Float64() < w.converts[provider] {
			after := time.Duration(5+w.random.ExpFloat64()*25) * time.Second // most within a minute, some in many
			late := approval{time.Now().Add(after), func() { w.Converted(provider, to, after) }}
			at, _ := slices.BinarySearchFunc(w.late, late, func(a, b approval) int { return a.at.Compare(b.at) })
			w.late = slices.Insert(w.late, at, late)
		}
	}
	for provider := range asked {
		asked[provider] /= float64(n)
	}
	return asked
}

// simulate runs test while w learns.
func simulate(t *testing.T, route providers.Route, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, route, newMemory(), slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.Run(ctx) })
		defer running.Wait()
		defer stop()
		time.Sleep(3 * time.Millisecond) // never at the moment when the teacher reads
		test(t, w)
	})
}

func inOrder(explore float64, names ...string) providers.Route {
	return providers.Route{Channel: providers.SMS, Providers: names, Learn: providers.Learn{Explore: explore}}
}

// share is that of a provider now.
func (w *world) share(provider string) float64 {
	lessons, _ := w.Lessons()
	for _, l := range lessons {
		for _, s := range l.Standings {
			if s.Provider == provider {
				return s.Share
			}
		}
	}
	return -1
}

// TestShareMovesAndReturns: the first provider loses six of ten approvals, its
// share goes to the other one, and comes back when it has recovered.
func TestShareMovesAndReturns(t *testing.T) {
	for _, perHour := range []int{100, 300, 1500} {
		simulate(t, inOrder(0.1, "main", "spare"), func(t *testing.T, w *world) {
			if asked := w.pass(4*time.Hour, perHour); asked["spare"] < 0.07 || asked["spare"] > 0.13 || w.share("main") != 0.9 {
				t.Errorf("%d an hour: %v while all is well, %v now", perHour, asked, w.share("main"))
			}
			w.converts["main"] = 0.32
			before := len(w.sent)
			for w.share("main") > 0.11 && len(w.sent) < before+1000 {
				w.pass(time.Minute, perHour)
			}
			moved := len(w.sent) - before
			// Some of it is for the two minutes until a send counts.
			if limit := 150 + perHour/4; moved > limit {
				t.Errorf("%d an hour: moved after %d sends, not %d", perHour, moved, limit)
			}
			w.pass(30*time.Minute, perHour)
			if asked := w.pass(time.Hour, perHour); asked["main"] > 0.17 || w.share("main") > 0.12 {
				t.Errorf("%d an hour: %v while it fails", perHour, asked)
			}
			w.converts["main"] = 0.8
			w.pass(3*time.Hour, perHour)
			if share := w.share("main"); share < 0.89 {
				t.Errorf("%d an hour: after three hours it has %v", perHour, share)
			}
		})
	}
}

// TestNewcomerTakesOver: a provider of which nothing is known gets its part of
// what is explored, and all else once it has shown to be better.
func TestNewcomerTakesOver(t *testing.T) {
	simulate(t, inOrder(0.2, "main", "spare", "new"), func(t *testing.T, w *world) {
		w.converts["main"], w.converts["spare"], w.converts["new"] = 0.6, 0.5, 0.85
		w.pass(4*time.Minute, 1000)
		if share := w.share("new"); share != 0.1 {
			t.Errorf("it begins with %v", share)
		}
		w.pass(2*time.Hour, 1000)
		if share := w.share("new"); share != 0.8 {
			t.Errorf("it gets %v", share)
		}
	})
}

// TestAttackMovesNothing: who starts a lot and approves nothing makes all
// providers look bad alike, the better one as the worse one.
func TestAttackMovesNothing(t *testing.T) {
	for _, better := range []string{"main", "spare"} {
		simulate(t, inOrder(0.1, "main", "spare"), func(t *testing.T, w *world) {
			for name := range w.converts {
				if name != better {
					w.converts[name] = 0.3
				}
			}
			w.pass(3*time.Hour, 600)
			before, converts := w.share(better), w.converts
			w.converts = map[string]float64{}
			w.pass(10*time.Minute, 12_000)
			w.converts = converts
			for range 12 {
				w.pass(5*time.Minute, 600)
				if share := w.share(better); before < 0.85 || share < 0.85 {
					t.Fatalf("%s had %v before an attack, and %v after it", better, before, share)
				}
			}
		})
	}
}

// TestSameSeedSameSends: with the same draws, the same providers are asked.
func TestSameSeedSameSends(t *testing.T) {
	var runs [2][]string
	for i := range runs {
		simulate(t, inOrder(0.1, "main", "spare"), func(_ *testing.T, w *world) {
			w.converts["main"] = 0.4
			w.pass(2*time.Hour, 500)
			runs[i] = w.sent
		})
	}
	if diff := cmp.Diff(runs[0], runs[1]); diff != "" || !slices.Contains(runs[0], "spare") {
		t.Error(diff)
	}
}

// TestOffNothingIsDrawn: without learning, the order is the order, nothing is
// counted and nothing read.
func TestOffNothingIsDrawn(t *testing.T) {
	simulate(t, inOrder(0, "main", "spare"), func(t *testing.T, w *world) {
		w.converts["main"] = 0
		if asked := w.pass(3*time.Hour, 500); asked["main"] != 1 {
			t.Errorf("asked %v", asked)
		}
		if w.store.reads > 0 || len(w.store.slots[ten]) > 0 {
			t.Errorf("read %d slots, counted in %d", w.store.reads, len(w.store.slots[ten]))
		}
	})
}

// TestStoreDown: shares that nothing new is known of hold for two minutes; then
// the configuration does, until the store answers again.
func TestStoreDown(t *testing.T) {
	var said strings.Builder
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, inOrder(0.1, "main", "spare"), newMemory(), slog.New(slog.NewTextHandler(&said, nil)))
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.Run(ctx) })
		defer running.Wait()
		defer stop()
		time.Sleep(3 * time.Millisecond)
		w.converts["main"] = 0.1
		w.pass(3*time.Hour, 600)
		w.store.fail(errors.New("down"))
		for _, step := range []struct {
			after    time.Duration
			fresh    bool
			min, max float64 // what main is asked for
		}{
			{time.Minute, true, 0, 0.4}, {2 * time.Minute, false, 0.1, 1}, {10 * time.Minute, false, 1, 1},
		} {
			asked := w.pass(step.after, 600)
			if _, fresh := w.Lessons(); fresh != step.fresh || asked["main"] < step.min || asked["main"] > step.max {
				t.Errorf("down for %v more: fresh %v, asked %v", step.after, fresh, asked)
			}
		}
		w.store.fail(nil)
		w.pass(time.Minute, 600)
		if _, fresh := w.Lessons(); !fresh || w.share("main") > 0.11 {
			t.Errorf("after it was down: fresh %v, share %v", fresh, w.share("main"))
		}
	})
	for _, line := range []string{
		`level=WARN msg="provider converts worse than another one and is asked first less often" route=0 channel=sms country=JP provider=main better=spare`,
		`level=WARN msg="what routes learn from can't be read; trying on" error=`,
		`level=WARN msg="nothing new to learn from for a while: routes go by their configuration"`,
	} {
		if strings.Count(said.String(), line) != 1 {
			t.Errorf("the log doesn't say once: %s\n%s", line, said.String())
		}
	}
}

// TestForgottenCountry: what nothing was sent to for long is as if it had never been.
func TestForgottenCountry(t *testing.T) {
	simulate(t, inOrder(0.1, "main", "spare"), func(t *testing.T, w *world) {
		w.converts["main"] = 0.1
		w.pass(2*time.Hour, 600)
		if n := testutil.CollectAndCount(w.shares); n != 2 || w.share("main") > 0.11 {
			t.Fatalf("%d series, share %v", n, w.share("main"))
		}
		time.Sleep(9 * time.Hour)
		lessons, fresh := w.Lessons()
		if n := testutil.CollectAndCount(w.shares); n != 0 || len(lessons) != 0 || !fresh || len(w.lost) != 0 {
			t.Errorf("%d series, %d lessons, fresh %v, lost %v", n, len(lessons), fresh, w.lost)
		}
		if first := w.router.Plan(providers.Destination{Channel: providers.SMS, Country: "JP"}).First(); first != "main" {
			t.Errorf("%s is asked first", first)
		}
	})
}

// TestInstancesAgree: who reads the same counts comes to the same shares, from
// whenever it reads them.
func TestInstancesAgree(t *testing.T) {
	simulate(t, inOrder(0.1, "main", "spare"), func(t *testing.T, w *world) {
		w.converts["main"] = 0.5
		w.pass(2*time.Hour+7*time.Minute, 900)
		late := newWorld(t, inOrder(0.1, "main", "spare"), w.store, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		time.Sleep(time.Until(time.Now().Truncate(interval).Add(interval))) // when w reads
		running.Go(func() { late.Run(ctx) })
		defer running.Wait()
		defer stop()
		synctest.Wait()
		known, _ := w.Lessons()
		read, _ := late.Lessons()
		if len(known) != 1 || len(read) != 1 {
			t.Fatalf("%d and %d lessons", len(known), len(read))
		}
		if diff := cmp.Diff(known[0].Standings, read[0].Standings); diff != "" {
			t.Errorf("(-long running +just started):\n%s", diff)
		}
	})
}

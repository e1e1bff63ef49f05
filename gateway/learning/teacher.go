// Package learning has routes choose the provider that converts best.
//
// A [Teacher] counts which provider a verification was sent by first, and
// whether that one message was enough. The counts of all instances meet in the
// store; each instance reads them every ten seconds, judges the providers as
// [providers.Learner] says, and so comes to the same shares. Nothing of it is
// between a request and its answer: without the store, or without numbers,
// routes go by their configuration.
package learning

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"denwa/gateway"
	"denwa/providers"
)

var _ gateway.Conversion = (*Teacher)(nil)

const (
	// interval is how often the counts are read.
	interval    = 10 * time.Second
	readTimeout = 5 * time.Second
	// staleAfter is how long shares hold that nothing new was read for.
	staleAfter = 2 * time.Minute
	// minutesRead and tensRead are how many slots there are to know: half an
	// hour, and what the store keeps.
	minutesRead = 31
	tensRead    = 150
	// remembered is how many half-lives the counts are looked at.
	remembered = 8
)

// Routes are those that learn; [providers.Router] has them.
type Routes interface {
	Learners() []*providers.Learner
	LearnerOf(to providers.Destination) *providers.Learner
}

// Counter adds one to a count that all instances share. It doesn't block.
type Counter interface {
	Count(name string)
}

// Counts are all that was counted, summed over instances: so many slots of a
// minute, or of ten, oldest first and the last one that of now.
// [denwa/gateway/redisstore.Funnel] has them.
type Counts interface {
	Read(ctx context.Context, width time.Duration, slots int) (now time.Time, counts []map[string]int64, seen map[string]time.Time, err error)
}

// Teacher teaches the routes that learn.
type Teacher struct {
	routes  Routes
	counter Counter
	counts  Counts
	shares  *prometheus.GaugeVec
	log     *slog.Logger

	known    history
	complete bool              // whether everything was read once
	read     time.Time         // when it was read last
	lost     map[string]string // whom a provider lost its share to

	mu      sync.Mutex
	lessons []providers.Lesson
	fresh   bool
}

// Options are what a [Teacher] is made of.
type Options struct {
	Routes  Routes
	Counter Counter
	Counts  Counts
	Reg     prometheus.Registerer
	Log     *slog.Logger
}

// New returns a teacher that counts, and teaches once [Teacher.Run] runs.
func New(o Options) *Teacher {
	t := &Teacher{
		routes: o.Routes, counter: o.Counter, counts: o.Counts, log: o.Log, lost: map[string]string{},
		known: history{map[int64]slot{}, map[int64]slot{}},
		shares: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "denwa_route_share",
			Help: "Share of sends for which a learning route asks a provider first, by the route's place in the configuration.",
		}, []string{"route", "provider", "country"}),
	}
	o.Reg.MustRegister(t.shares)
	return t
}

// Sent implements [gateway.Conversion].
func (t *Teacher) Sent(provider string, to providers.Destination) { t.count(provider, to, sent) }

// Converted implements [gateway.Conversion].
func (t *Teacher) Converted(provider string, to providers.Destination, after time.Duration) {
	t.count(provider, to, approvedAfter(after))
}

func (t *Teacher) count(provider string, to providers.Destination, age string) {
	if l := t.routes.LearnerOf(to); l != nil && slices.Contains(l.Providers, provider) {
		t.counter.Count(count{l.Key, providers.CountryOf(to.Country), provider, age}.String())
	}
}

// Run teaches until ctx ends.
func (t *Teacher) Run(ctx context.Context) {
	if len(t.routes.Learners()) == 0 {
		return
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	t.read = time.Now()
	for failing := false; ; {
		now, err := t.update(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			t.teach(now)
			t.read = time.Now()
		case time.Since(t.read) > staleAfter:
			t.forget()
		}
		if err != nil && !failing {
			t.log.WarnContext(ctx, "what routes learn from can't be read; trying on", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// update reads what is new.
func (t *Teacher) update(ctx context.Context) (now time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if _, err = t.updateSlots(ctx, minute, minutesRead, t.known.minutes); err != nil {
		return now, err
	}
	if now, err = t.updateSlots(ctx, ten, t.tens(), t.known.tens); err != nil {
		return now, err
	}
	t.complete = true
	return now, nil
}

// updateSlots reads those slots of a width that may have changed since the last
// time, out of so many that there are to know.
func (t *Teacher) updateSlots(ctx context.Context, width time.Duration, all int, into map[int64]slot) (time.Time, error) {
	n := all
	if t.complete {
		n = min(all, int(time.Since(t.read)/width)+2) // that of now, and the one that it was then
	}
	now, read, _, err := t.counts.Read(ctx, width, n)
	if err != nil {
		return now, err
	}
	newest := index(now, width)
	for i, names := range read {
		into[newest-int64(len(read)-1-i)] = readSlot(names)
	}
	maps.DeleteFunc(into, func(i int64, _ slot) bool { return i <= newest-int64(all) })
	return now, nil
}

// tens is how many slots of ten minutes are worth knowing.
func (t *Teacher) tens() int {
	n := 0
	for _, l := range t.routes.Learners() {
		n = max(n, int(remembered*l.Route.Learn.Memory()/ten))
	}
	return min(n, tensRead)
}

// teach judges every provider of every learning route in every country.
func (t *Teacher) teach(now time.Time) {
	var lessons []providers.Lesson
	sums := t.known.tallies(now)
	for _, l := range t.routes.Learners() {
		shares := map[string][]float64{}
		for country, blocks := range sums[l.Key] {
			lesson := providers.Lesson{Route: l, Country: country}
			lesson.Standings, lesson.Enough = l.Judge(blocksOf(l, blocks, now))
			if lesson.Enough {
				shares[country] = nil
				for _, s := range lesson.Standings {
					shares[country] = append(shares[country], s.Share)
				}
			}
			t.tell(lesson)
			lessons = append(lessons, lesson)
		}
		l.Teach(shares)
	}
	slices.SortFunc(lessons, func(a, b providers.Lesson) int {
		return cmp.Or(cmp.Compare(a.Route.Position, b.Route.Position), cmp.Compare(b.Sent(), a.Sent()), cmp.Compare(a.Country, b.Country))
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, old := range t.lessons {
		if !slices.ContainsFunc(lessons, func(l providers.Lesson) bool { return l.Route == old.Route && l.Country == old.Country }) {
			t.unlearn(old) // nothing was sent there for so long that all is forgotten
		}
	}
	t.lessons, t.fresh = lessons, true
}

// unlearn ends what is measured of a country.
func (t *Teacher) unlearn(lesson providers.Lesson) {
	for _, s := range lesson.Standings {
		t.shares.DeleteLabelValues(strconv.Itoa(lesson.Route.Position), s.Provider, cmp.Or(lesson.Country, "none"))
		delete(t.lost, lesson.Route.Key+":"+lesson.Country+":"+s.Provider)
	}
}

func blocksOf(l *providers.Learner, sums map[int64]map[string]*tally, now time.Time) []providers.Block {
	var blocks []providers.Block
	for i, sum := range sums {
		middle := time.UnixMicro(i * ten.Microseconds()).Add(ten / 2)
		b := providers.Block{Age: max(0, now.Sub(middle)), Tallies: make([]providers.Tally, len(l.Providers))}
		for j, name := range l.Providers {
			if sum[name] != nil {
				b.Tallies[j] = sum[name].whole()
			}
		}
		blocks = append(blocks, b)
	}
	// In one order, so that sums come out the same to the last digit.
	slices.SortFunc(blocks, func(a, b providers.Block) int { return cmp.Compare(a.Age, b.Age) })
	return blocks
}

// tell measures what is taught, and says in the log when a provider loses its
// share or has it again.
func (t *Teacher) tell(lesson providers.Lesson) {
	route := strconv.Itoa(lesson.Route.Position)
	for _, s := range lesson.Standings {
		t.shares.WithLabelValues(route, s.Provider, cmp.Or(lesson.Country, "none")).Set(s.Share)
		at := lesson.Route.Key + ":" + lesson.Country + ":" + s.Provider
		rival, was := t.lost[at]
		is := lesson.Enough && (s.Lost() == 1 || was && s.Lost() > 0) // not each time that it wavers
		if is == was {
			continue
		}
		log := t.log.With("route", lesson.Route.Position, "channel", string(lesson.Route.Route.Channel),
			"country", lesson.Country, "provider", s.Provider)
		if is {
			t.lost[at] = s.Rival
			log.Warn("provider converts worse than another one and is asked first less often", "better", s.Rival,
				"probability", s.Worse, "share", s.Share)
		} else {
			delete(t.lost, at)
			log.Info("provider doesn't convert worse any more and has its share again", "better", rival, "share", s.Share)
		}
	}
}

// forget has all routes go by their configuration.
func (t *Teacher) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.fresh {
		return
	}
	t.fresh = false
	for _, l := range t.routes.Learners() {
		l.Teach(nil)
	}
	for _, lesson := range t.lessons {
		for _, s := range lesson.Standings {
			t.shares.WithLabelValues(strconv.Itoa(lesson.Route.Position), s.Provider, cmp.Or(lesson.Country, "none")).Set(s.Usual)
		}
	}
	t.log.Warn("nothing new to learn from for a while: routes go by their configuration")
}

// Learners are the routes that learn.
func (t *Teacher) Learners() []*providers.Learner { return t.routes.Learners() }

// Lessons are what the routes have learned, the most sent first. Fresh is
// whether they go by it: not before the first look at the store, nor while it
// hasn't answered for a while.
func (t *Teacher) Lessons() (lessons []providers.Lesson, fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lessons, t.fresh
}

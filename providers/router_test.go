package providers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

const (
	number = "+819012345678"
	text   = "your code is 123456"
)

var (
	textJP = Destination{Channel: SMS, Country: "JP"}
	callJP = Destination{Channel: Voice, Country: "JP"}
)

// carrier answers each message with the next of its answers, and accepts once
// they are used up. "" accepts, "hang" waits for the context, "panic" panics,
// "plain" fails without a kind, "unfit" can't do this one, a time accepts after
// it, and a kind fails so.
type carrier struct {
	name string

	mu      sync.Mutex
	answers []string
	asked   []string // deliveries
	times   []time.Time
}

func (c *carrier) Name() string { return c.name }
func (c *carrier) Close() error { return nil }

func (c *carrier) SendMessage(ctx context.Context, msg Message) (Acceptance, error) {
	c.mu.Lock()
	answer := ""
	if len(c.answers) > 0 {
		answer, c.answers = c.answers[0], c.answers[1:]
	}
	c.asked = append(c.asked, msg.Delivery)
	c.times = append(c.times, time.Now())
	c.mu.Unlock()
	if after, err := time.ParseDuration(answer); err == nil {
		time.Sleep(after)
		return Acceptance{}, nil
	}
	switch answer {
	case "":
		return Acceptance{Reference: c.name + "-ref"}, nil
	case "hang":
		<-ctx.Done()
		return Acceptance{}, fmt.Errorf("post %s: %w", msg.To, ctx.Err())
	case "panic":
		panic("can't send " + msg.Text + " to " + msg.To)
	case "index":
		return Acceptance{}, errors.New(c.name[99:])
	case "plain":
		return Acceptance{}, errors.New("can't send to " + msg.To)
	case "slow":
		time.Sleep(4 * time.Second)
		return Acceptance{}, &Error{Kind: Unavailable, Err: errors.New("the carrier is down")}
	case "unfit":
		return Acceptance{}, &Error{Kind: Unavailable, Unfit: true, Err: errors.New("the carrier can't do this")}
	case "nil":
		return Acceptance{}, (*Error)(nil)
	}
	return Acceptance{}, fmt.Errorf("carrier: %w", &Error{Kind: Kind(answer), Code: "42", Err: errors.New("as the carrier says")})
}

// count is how many calls there were.
func (c *carrier) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.asked)
}

// silent is a provider that does nothing at all, not even send.
type silent struct{ name string }

func (s silent) Name() string { return s.name }
func (s silent) Close() error { return nil }

// world is a router with carriers, its log and its metrics.
type world struct {
	*Router
	carriers map[string]*carrier
	log      *bytes.Buffer
	metrics  *prometheus.Registry
	counts   *Metrics
	journal  []string
}

// newWorld has one carrier for each word, "name" or "name:answer,answer".
func newWorld(t *testing.T, carriers []string, routes []Route, bounds map[string]Bounds) *world {
	t.Helper()
	w := &world{carriers: map[string]*carrier{}, log: new(bytes.Buffer), metrics: prometheus.NewRegistry()}
	var all []Provider
	for _, word := range carriers {
		name, answers, found := strings.Cut(word, ":")
		c := &carrier{name: name}
		if found {
			c.answers = strings.Split(answers, ",")
		}
		w.carriers[name] = c
		all = append(all, c)
	}
	var err error
	w.counts = NewMetrics(w.metrics, all, []string{"JP"})
	w.Router, err = NewRouter(RouterOptions{
		Routes: routes, Providers: all, Bounds: bounds, Metrics: w.counts, Log: slog.New(slog.NewTextHandler(w.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// record is a journal that names the deliveries after d1 d2, d3 and so on.
func (w *world) record(_ context.Context, f Failover) (string, error) {
	to := f.To
	if to == "" {
		to = "nobody"
	}
	w.journal = append(w.journal, f.From+" "+string(f.Err.Kind)+" > "+to)
	if f.To == "" {
		return "", nil
	}
	return fmt.Sprintf("d%d", len(w.journal)+1), nil
}

func (w *world) send(t *testing.T) (Acceptance, string, error) {
	t.Helper()
	return w.Send(t.Context(), w.Plan(textJP), Message{Delivery: "d1", To: number, Text: text}, "JP", w.record)
}

func (w *world) asked() map[string][]string {
	asked := map[string][]string{}
	for name, c := range w.carriers {
		if len(c.asked) > 0 {
			asked[name] = c.asked
		}
	}
	return asked
}

func TestSend(t *testing.T) {
	for _, test := range []struct {
		name     string
		carriers []string
		provider string
		kind     Kind // "" when accepted
		asked    map[string][]string
		journal  []string
	}{
		{
			"the first accepts",
			[]string{"a", "b"},
			"a", "",
			map[string][]string{"a": {"d1"}},
			nil,
		},
		{
			"invalid stops",
			[]string{"a:invalid", "b"},
			"a", Invalid,
			map[string][]string{"a": {"d1"}},
			[]string{"a invalid > nobody"},
		},
		{
			"rejected stops",
			[]string{"a:rejected", "b"},
			"a", Rejected,
			map[string][]string{"a": {"d1"}},
			[]string{"a rejected > nobody"},
		},
		{
			"throttled, unavailable and auth go on",
			[]string{"a:throttled", "b:unavailable", "c:auth", "d"},
			"d", "",
			map[string][]string{"a": {"d1"}, "b": {"d2"}, "c": {"d3"}, "d": {"d4"}},
			[]string{"a throttled > b", "b unavailable > c", "c auth > d"},
		},
		{
			"nobody is left",
			[]string{"a:throttled", "b:unavailable"},
			"b", Unavailable,
			map[string][]string{"a": {"d1"}, "b": {"d2"}},
			[]string{"a throttled > b", "b unavailable > nobody"},
		},
		{
			"ambiguous goes on once",
			[]string{"a:ambiguous", "b"},
			"b", "",
			map[string][]string{"a": {"d1"}, "b": {"d2"}},
			[]string{"a ambiguous > b"},
		},
		{
			"ambiguous goes on only once",
			[]string{"a:ambiguous", "b:ambiguous", "c"},
			"b", Ambiguous,
			map[string][]string{"a": {"d1"}, "b": {"d2"}},
			[]string{"a ambiguous > b", "b ambiguous > nobody"},
		},
		{
			"after an ambiguous failure a clear one goes on",
			[]string{"a:ambiguous", "b:unavailable", "c"},
			"c", "",
			map[string][]string{"a": {"d1"}, "b": {"d2"}, "c": {"d3"}},
			[]string{"a ambiguous > b", "b unavailable > c"},
		},
		{
			"a clear failure of the last one doesn't say what the first one did",
			[]string{"a:ambiguous", "b:unavailable"},
			"b", Ambiguous,
			map[string][]string{"a": {"d1"}, "b": {"d2"}},
			[]string{"a ambiguous > b", "b unavailable > nobody"},
		},
		{
			"a number that can't be reached wasn't",
			[]string{"a:ambiguous", "b:invalid"},
			"b", Invalid,
			map[string][]string{"a": {"d1"}, "b": {"d2"}},
			[]string{"a ambiguous > b", "b invalid > nobody"},
		},
		{
			"two ambiguous failures stop even apart",
			[]string{"a:ambiguous", "b:unavailable", "c:ambiguous", "d"},
			"c", Ambiguous,
			map[string][]string{"a": {"d1"}, "b": {"d2"}, "c": {"d3"}},
			[]string{"a ambiguous > b", "b unavailable > c", "c ambiguous > nobody"},
		},
		{
			"an error without a kind may have been sent",
			[]string{"a:plain", "b"},
			"b", "",
			map[string][]string{"a": {"d1"}, "b": {"d2"}},
			[]string{"a ambiguous > b"},
		},
		{
			"so may an error of an unknown kind",
			[]string{"a:busy", "b:busy"},
			"b", Ambiguous,
			map[string][]string{"a": {"d1"}, "b": {"d2"}},
			[]string{"a ambiguous > b", "b ambiguous > nobody"},
		},
		{
			"so may a nil *Error",
			[]string{"a:nil", "b"},
			"b", "",
			map[string][]string{"a": {"d1"}, "b": {"d2"}},
			[]string{"a ambiguous > b"},
		},
		{
			"so may a panic",
			[]string{"a:panic", "b:index"},
			"b", Ambiguous,
			map[string][]string{"a": {"d1"}, "b": {"d2"}},
			[]string{"a ambiguous > b", "b ambiguous > nobody"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, test.carriers, nil, nil)
			accepted, provider, err := w.send(t)
			if provider != test.provider {
				t.Errorf("provider %q, want %q", provider, test.provider)
			}
			if diff := cmp.Diff(test.asked, w.asked()); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.journal, w.journal); diff != "" {
				t.Errorf("journal (-want +got):\n%s", diff)
			}
			switch {
			case test.kind == "" && err != nil:
				t.Error(err)
			case test.kind == "" && accepted.Reference != test.provider+"-ref":
				t.Errorf("reference %q", accepted.Reference)
			case test.kind != "" && (err == nil || KindOf(err) != test.kind || !strings.HasPrefix(err.Error(), `send by provider "`+provider+`": `)):
				t.Errorf("error %v, want kind %s", err, test.kind)
			}
			said := w.log.String() + fmt.Sprint(err)
			for _, private := range []string{number[1:], text, "123456"} {
				if strings.Contains(said, private) {
					t.Errorf("%q leaked:\n%s", private, said)
				}
			}
		})
	}
}

// TestFailureText: what is logged names each cause once, in one line.
func TestFailureText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			carriers []string
			want     string
		}{
			{[]string{"a:ambiguous"}, `send by provider "a": ambiguous (code 42): as the carrier says`},
			{[]string{"a:ambiguous", "b:ambiguous"}, `send by provider "b": ambiguous (code 42): as the carrier says`},
			{
				[]string{"a:ambiguous", "b:unavailable"},
				`send by provider "b": ambiguous: unavailable (code 42): as the carrier says, after ambiguous (code 42): as the carrier says`,
			},
		} {
			if _, _, err := newWorld(t, test.carriers, nil, nil).send(t); err == nil || err.Error() != test.want {
				t.Errorf("%v: %q, want %q", test.carriers, err, test.want)
			}
		}
	})
}

func TestSendWithoutRoute(t *testing.T) {
	w := newWorld(t, []string{"a"}, []Route{{Channel: SMS, Countries: []string{"US"}, Providers: []string{"a"}}}, nil)
	if _, provider, err := w.send(t); KindOf(err) != Unavailable || provider != "" || len(w.asked()) > 0 {
		t.Errorf("got %q, %v; asked %v", provider, err, w.asked())
	}
}

func TestJournalFails(t *testing.T) {
	w := newWorld(t, []string{"a:unavailable", "b"}, nil, nil)
	broken := errors.New("the store doesn't answer")
	_, _, err := w.Send(t.Context(), w.Plan(textJP), Message{Delivery: "d1"}, "JP",
		func(context.Context, Failover) (string, error) { return "d2", broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want the journal's error", err)
	}
	if diff := cmp.Diff(map[string][]string{"a": {"d1"}}, w.asked()); diff != "" {
		t.Errorf("sent what isn't recorded (-want +got):\n%s", diff)
	}
	if got := testutil.ToFloat64(w.Router.metrics.failovers.WithLabelValues("sms", "a", "b", "unavailable")); got != 0 {
		t.Errorf("counted %v failovers that didn't happen", got)
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, []string{"a:hang", "b:throttled", "c"}, nil, nil)
		begin := time.Now()
		_, provider, err := w.send(t)
		if err != nil || provider != "c" || time.Since(begin) != defaultTimeout {
			t.Errorf("%q, %v after %v", provider, err, time.Since(begin))
		}
		if want := errTimeout.Error(); !strings.Contains(w.log.String(), want) {
			t.Errorf("the log doesn't say %q:\n%s", want, w.log)
		}
	})
}

// TestWithin: a caller with less time than the route gets its answer in that,
// and one with more gets no more than the route allows.
func TestWithin(t *testing.T) {
	for _, tt := range []struct {
		each, total, want time.Duration
		provider          string
	}{
		{time.Second, 3 * time.Second, time.Second, "b"},
		{2 * time.Second, time.Second, time.Second, "a"}, // no time is left for b
		{time.Minute, time.Minute, defaultTimeout, "b"},
		{0, 0, defaultTimeout, "b"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, []string{"a:hang", "b"}, nil, nil)
			plan := w.Plan(textJP).Within(tt.each, tt.total)
			begin := time.Now()
			_, provider, _ := w.Send(t.Context(), plan, Message{Delivery: "d1", To: number, Text: text}, "JP", w.record)
			if provider != tt.provider || time.Since(begin) != tt.want {
				t.Errorf("within %v, %v each: %q after %v, want %q after %v", tt.total, tt.each, provider, time.Since(begin), tt.provider, tt.want)
			}
		})
	}
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		route := Route{Channel: SMS, Providers: []string{"a", "b", "c", "d"}, Deadline: 10 * time.Second, Timeout: 5 * time.Second}
		w := newWorld(t, []string{"a:slow", "b:slow", "c:hang", "d"}, []Route{route}, nil)
		begin := time.Now()
		_, provider, err := w.send(t)
		if !errors.Is(err, errDeadline) || KindOf(err) != Ambiguous || provider != "c" || time.Since(begin) != 10*time.Second {
			t.Errorf("%q, %v after %v", provider, err, time.Since(begin))
		}
		if diff := cmp.Diff([]string{"a unavailable > b", "b unavailable > c", "c ambiguous > nobody"}, w.journal); diff != "" {
			t.Errorf("journal (-want +got):\n%s", diff)
		}
	})
}

// TestDeadlineInJournal: the provider that the journal names isn't asked when
// the journal took the rest of the time, and that is recorded too.
func TestDeadlineInJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		route := Route{Channel: SMS, Providers: []string{"a", "b"}, Deadline: time.Second}
		w := newWorld(t, []string{"a:unavailable", "b"}, []Route{route}, nil)
		_, _, err := w.Send(t.Context(), w.Plan(textJP), Message{Delivery: "d1"}, "JP",
			func(ctx context.Context, f Failover) (string, error) {
				time.Sleep(2 * time.Second)
				if ctx.Err() != nil {
					t.Errorf("the journal's context: %v", context.Cause(ctx))
				}
				return w.record(ctx, f)
			})
		if KindOf(err) != Unavailable || !errors.Is(err, errDeadline) {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff(map[string][]string{"a": {"d1"}}, w.asked()); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"a unavailable > b", "b unavailable > nobody"}, w.journal); diff != "" {
			t.Errorf("journal (-want +got):\n%s", diff)
		}
	})
}

func TestJournalIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, []string{"a:unavailable", "b"}, nil, nil)
		_, _, err := w.Send(t.Context(), w.Plan(textJP), Message{Delivery: "d1"}, "JP",
			func(ctx context.Context, _ Failover) (string, error) {
				<-ctx.Done()
				return "", context.Cause(ctx)
			})
		if !errors.Is(err, errJournal) || len(w.carriers["b"].asked) > 0 {
			t.Errorf("got %v, asked %v", err, w.asked())
		}
	})
}

// TestCallerGone: nobody else is asked, and the failure is recorded all the same.
func TestCallerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, []string{"a:hang", "b"}, nil, nil)
		gone := errors.New("the caller hung up")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(gone) })
		_, _, err := w.Send(ctx, w.Plan(textJP), Message{Delivery: "d1"}, "JP",
			func(ctx context.Context, f Failover) (string, error) {
				if ctx.Err() != nil {
					t.Error("the journal's context has ended")
				}
				return w.record(ctx, f)
			})
		if !errors.Is(err, gone) || KindOf(err) != Ambiguous {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff([]string{"a ambiguous > nobody"}, w.journal); diff != "" {
			t.Errorf("journal (-want +got):\n%s", diff)
		}
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Of six at once, each second, a takes one at once and those that wait
		// at most half of the timeout.
		route := Route{Channel: SMS, Providers: []string{"a", "b"}, Timeout: 4 * time.Second}
		w := newWorld(t, []string{"a", "b"}, []Route{route}, map[string]Bounds{"a": {Rate: 1}})
		begin := time.Now()
		var wg sync.WaitGroup
		var mu sync.Mutex
		var waited []time.Duration
		for range 6 {
			wg.Go(func() {
				_, provider, err := w.Send(t.Context(), w.Plan(textJP), Message{}, "JP",
					func(_ context.Context, f Failover) (string, error) {
						if f.Err.Kind != Throttled || f.Err.RetryAfter <= 2*time.Second {
							t.Errorf("failover %v, retry after %v", f, f.Err.RetryAfter)
						}
						return "", nil
					})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				if provider == "a" {
					waited = append(waited, time.Since(begin))
				}
			})
		}
		wg.Wait()
		if diff := cmp.Diff([]time.Duration{0, time.Second, 2 * time.Second}, waited); diff != "" {
			t.Errorf("a accepted after (-want +got):\n%s", diff)
		}
		if got := len(w.carriers["b"].asked); got != 3 {
			t.Errorf("b was asked %d times, want 3", got)
		}
		// Those that went elsewhere used up nothing.
		time.Sleep(time.Second)
		begin = time.Now()
		if _, provider, err := w.send(t); err != nil || provider != "a" || time.Since(begin) != 0 {
			t.Errorf("%q, %v after %v", provider, err, time.Since(begin))
		}
	})
}

func TestRateCallerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, []string{"a"}, nil, map[string]Bounds{"a": {Rate: 1}})
		if _, _, err := w.send(t); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, _, err := w.Send(ctx, w.Plan(textJP), Message{}, "JP", w.record)
		if KindOf(err) != Unavailable || len(w.carriers["a"].asked) != 1 {
			t.Errorf("got %v, asked %v", err, w.asked())
		}
		// Who gave up waiting used up nothing.
		time.Sleep(900 * time.Millisecond)
		begin := time.Now()
		if _, _, err := w.send(t); err != nil || time.Since(begin) != 0 {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, []string{"a:auth", "b:unavailable", "c"}, nil, nil)
		if _, _, err := w.send(t); err != nil {
			t.Fatal(err)
		}
		const when = "time=2000-01-01T00:00:00.000Z "
		want := `level=ERROR msg="send failed" verification=d1 delivery=d1 provider=a channel=sms country=JP kind=auth code=42 next=b error="as the carrier says"
level=WARN msg="send failed" verification=d2 delivery=d2 provider=b channel=sms country=JP kind=unavailable code=42 next=c error="as the carrier says"
level=INFO msg="delivery accepted" verification=d3 delivery=d3 provider=c channel=sms country=JP reference=c-ref
`
		if diff := cmp.Diff(want, strings.ReplaceAll(w.log.String(), when, "")); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
}

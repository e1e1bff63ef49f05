package ratelimit

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func problems(l Limit) (fields []string) {
	l.Validate(func(field, problem string) {
		if problem == "" {
			problem = "nothing said"
		}
		fields = append(fields, field+": "+problem)
	})
	return fields
}

func TestValidate(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		limit Limit
		want  []string
	}{
		"zero":             {Limit{}, nil},
		"off":              {Limit{Burst: -1, Period: -1}, nil},
		"plain":            {Limit{Burst: 5, Count: 5, Period: time.Hour, OnError: Closed}, nil},
		"one a µs":         {Limit{Burst: 1, Count: 1e6, Period: time.Second, OnError: Open}, nil},
		"longest":          {Limit{Burst: 1, Count: 1, Period: longest}, nil},
		"most burst":       {Limit{Burst: 366 * 24, Count: 1, Period: time.Hour}, nil},
		"no burst":         {Limit{Count: 5, Period: time.Hour}, []string{"burst: must be at least 1; count: 0 turns the limit off"}},
		"negative count":   {Limit{Burst: 1, Count: -1, Period: time.Hour}, []string{"count: must not be negative; 0 turns the limit off"}},
		"no period":        {Limit{Burst: 1, Count: 1}, []string{"period: must be more than 0s; count: 0 turns the limit off"}},
		"period too long":  {Limit{Burst: 1, Count: 1, Period: longest + 1}, []string{"period: must be at most 8784h"}},
		"faster than a µs": {Limit{Burst: 1, Count: 1e6 + 1, Period: time.Second}, []string{"count: must be at most one for each microsecond of the period"}},
		"too much burst":   {Limit{Burst: 366*24 + 1, Count: 1, Period: time.Hour}, []string{"burst: must be at most what is regained in 8784h"}},
		"overflow":         {Limit{Burst: math.MaxInt, Count: 1, Period: longest}, []string{"burst: must be at most what is regained in 8784h"}},
		"on_error":         {Limit{OnError: "ajar"}, []string{"on_error: must be closed or open"}},
		"all at once": {Limit{Burst: 0, Count: 1, Period: -1, OnError: "OPEN"}, []string{
			"on_error: must be closed or open",
			"burst: must be at least 1; count: 0 turns the limit off",
			"period: must be more than 0s; count: 0 turns the limit off",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, problems(tt.limit)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimitYAML(t *testing.T) {
	t.Parallel()
	var got Limit
	if err := yaml.Unmarshal([]byte("{burst: 20, count: 60, period: 1h30m, on_error: open}"), &got); err != nil {
		t.Fatal(err)
	}
	want := Limit{Burst: 20, Count: 60, Period: 90 * time.Minute, OnError: Open}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestLimitGCRA(t *testing.T) {
	t.Parallel()
	tests := []struct {
		limit Limit
		want  GCRA
	}{
		{Limit{Burst: 5}, GCRA{}},
		{Limit{Burst: 5, Count: 60, Period: time.Hour}, GCRA{Interval: time.Minute, Burst: 5}},
		{Limit{Burst: 7, Count: 7, Period: time.Second}, GCRA{Interval: 142857 * time.Microsecond, Burst: 7}},
		{Limit{Burst: 1, Count: 10, Period: time.Microsecond}, GCRA{Interval: time.Microsecond, Burst: 1}},
	}
	for _, tt := range tests {
		if got := tt.limit.GCRA(); got != tt.want {
			t.Errorf("%+v: %+v, want %+v", tt.limit, got, tt.want)
		}
	}
}

// The names are keys of the configuration, metric labels and parts of Redis
// keys: each is one plain word.
func TestNames(t *testing.T) {
	t.Parallel()
	want := []Name{"number_cooldown", "number_hour", "number_day", "number_failed_checks", "client_address", "app", "api_key"}
	if got := Names(); !slices.Equal(got, want) {
		t.Errorf("Names() = %q, want %q", got, want)
	}
}

// No limit makes the arithmetic panic. A limit that is valid does what it says,
// at any time until 2255, within what a double holds exactly.
func FuzzLimit(f *testing.F) {
	f.Add(5, 5, int64(time.Hour), int64(1.7e15))
	f.Add(5, 10, int64(time.Microsecond), int64(0))
	f.Add(1, -1, int64(math.MinInt64), int64(-1))
	f.Add(math.MaxInt, 1, int64(longest), int64(math.MaxInt64))
	f.Add(math.MaxInt, math.MaxInt, int64(math.MaxInt64), int64(math.MinInt64))
	f.Add(366*24, 1, int64(time.Hour), int64(8.9e15))
	f.Fuzz(func(t *testing.T, burst, count int, period, micros int64) {
		l := Limit{Burst: burst, Count: count, Period: time.Duration(period)}
		g := l.GCRA()
		now := time.UnixMicro(micros)
		d := g.Spend(time.Time{}, now)
		g.Peek(now, now)
		d.Header(l)
		if len(problems(l)) > 0 {
			return
		}
		if !d.Allowed {
			t.Fatalf("%+v refuses the first request", l)
		}
		if l.Count == 0 {
			return
		}
		if d.Remaining != burst-1 {
			t.Fatalf("%+v leaves %d after the first", l, d.Remaining)
		}
		const exact, year2255 = 1 << 53, 8.98e15
		if micros < 0 || micros > year2255 {
			return
		}
		empty := now.Add(g.full())
		if sum := empty.Add(g.Interval).UnixMicro(); sum > exact {
			t.Fatalf("%+v: %d is more than Lua counts exactly", l, sum)
		}
		d = g.Spend(empty, now)
		if d.Allowed || d.RetryAfter != g.Interval || d.Remaining != 0 {
			t.Fatalf("%+v, empty: %+v", l, d)
		}
		if d = g.Spend(empty, now.Add(d.RetryAfter)); !d.Allowed || d.Remaining != 0 {
			t.Fatalf("%+v, after RetryAfter: %+v", l, d)
		}
		// What the wait of an empty bucket says is the rate that was asked for.
		if n := l.Period / g.Interval; int64(n) < int64(count) {
			t.Fatalf("%+v regains only %d in a period", l, n)
		}
	})
}

package learning

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"denwa/providers"
)

func TestCountRoundTrip(t *testing.T) {
	for _, c := range []count{{"1f2e3d4c", "JP", "carrier", sent}, {"1f2e3d4c", "", "twilio-main", "0"}, {"0", "KR", "x", "10"}} {
		if got, ok := parseCount(c.String()); !ok || got != c {
			t.Errorf("%q is read as %+v, %v", c, got, ok)
		}
	}
	for _, name := range []string{"", "learn:", "a|sms|x|JP|accepted", "learn:1:JP:x", "learn:1:JP:x:s:1", "learn:1:JP:x:11", "learn:1:JP:x:-1", "learn:1:JP:x:y"} {
		if c, ok := parseCount(name); ok {
			t.Errorf("%q is read as %+v", name, c)
		}
	}
}

func TestApprovedAfter(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Second: "0", 0: "0", 29 * time.Second: "0", 31 * time.Second: "1", 2 * time.Minute: "2", time.Hour: "10"} {
		if got := approvedAfter(d); got != want {
			t.Errorf("%v is %s, not %s", d, got, want)
		}
	}
}

// TestTallies: an approval belongs to when its message was sent, nothing is
// counted twice, and what is too young not at all.
func TestTallies(t *testing.T) {
	midnight := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return midnight.Add(time.Duration(minutes) * time.Minute) }
	of := func(age string) count { return count{"k", "JP", "a", age} }
	h := history{
		minutes: map[int64]slot{
			index(at(31), minute): {of(sent): 1000}, // the tens have it
			index(at(40), minute): {of(sent): 8, of("0"): 3, of("2"): 1},
			index(at(55), minute): {of(sent): 4, of("1"): 2},
			index(at(56), minute): {of(sent): 2, of("0"): 1},
			index(at(59), minute): {of(sent): 16, of("0"): 8, of("4"): 1, of("10"): 1},
			index(at(60), minute): {of(sent): 32, of("1"): 8},
		},
		tens: map[int64]slot{
			index(at(20), ten): {of(sent): 100, of("0"): 50, of("5"): 10, of("10"): 7},
			index(at(40), ten): {of(sent): 1000}, // the minutes have it
		},
	}
	got := map[string]providers.Tally{}
	for i, block := range h.tallies(at(60).Add(30 * time.Second))["k"]["JP"] {
		got[fmt.Sprint(time.UnixMicro(i*ten.Microseconds()).Sub(midnight).Minutes())] = block["a"].whole()
	}
	want := map[string]providers.Tally{
		"10": {Approved: 5 + 7},
		"20": {Sent: 100, Approved: 50 + 5},
		"30": {Approved: 1},              // sent at 38
		"40": {Sent: 8, Approved: 3 + 1}, // sent at 40, and at 49
		"50": {Sent: 4 + 2, Approved: 2 + 1 + 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

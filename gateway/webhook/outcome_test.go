package webhook

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestBackOff(t *testing.T) {
	const least, most = 0, 1
	for _, tc := range []struct {
		failed     int
		retryAfter time.Duration
		jitter     float64
		want       time.Duration
	}{
		{1, 0, 0.5, 5 * time.Second},
		{1, 0, least, 4500 * time.Millisecond},
		{1, 0, most, 5500 * time.Millisecond},
		{2, 0, 0.5, 5 * time.Minute},
		{3, 0, 0.5, 30 * time.Minute},
		{4, 0, 0.5, 2 * time.Hour},
		{5, 0, 0.5, 5 * time.Hour},
		{6, 0, 0.5, 10 * time.Hour},
		{7, 0, most, 11 * time.Hour},
		{1, time.Minute, most, time.Minute},
		{2, time.Minute, 0.5, 5 * time.Minute}, // not sooner because it was asked
		{2, 5 * time.Minute, least, 5 * time.Minute},
		{1, 1000 * time.Hour, 0.5, maxRetryAfter},
	} {
		if got, again := backOff(tc.failed, tc.retryAfter, tc.jitter); !again || got != tc.want {
			t.Errorf("after %d, asked for %v, jitter %v: %v, %v; want %v", tc.failed, tc.retryAfter, tc.jitter, got, again, tc.want)
		}
	}
	if _, again := backOff(Attempts, 0, 0.5); again {
		t.Errorf("attempt %d is not the last", Attempts)
	}
	total := time.Duration(0)
	for _, d := range delays {
		total += d
	}
	if total < 24*time.Hour || total > 30*time.Hour {
		t.Errorf("retries go on for %v, want a day", total)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "0": 0, "120": 2 * time.Minute, "4294967295": 4294967295 * time.Second,
		"-1": 0, "1.5": 0, "4294967296": 0, "99999999999999999999": 0, "soon": 0, " 5": 0,
		"Wed, 01 Apr 2026 12:01:00 GMT": time.Minute, "Wed, 01 Apr 2026 11:59:00 GMT": 0,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

func TestOutcomesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range Outcomes() {
		if !strings.Contains(string(page), "\n| `"+string(o)+"` |") {
			t.Errorf("%s is not in docs/webhooks.md", o)
		}
	}
}

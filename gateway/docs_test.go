package gateway

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"denwa/ratelimit"
)

// TestLimitsDoc holds docs/limits.md against the defaults.
func TestLimitsDoc(t *testing.T) {
	doc, err := os.ReadFile("../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	limits := c.InForce()
	period := map[time.Duration]string{
		time.Second: "second", 30 * time.Second: "30 seconds", time.Minute: "minute", time.Hour: "hour", 24 * time.Hour: "day",
	}
	for _, name := range ratelimit.Names() {
		l := limits.byName(name)
		want := thousands(l.Count) + " per " + period[l.Period]
		if l.Burst != l.Count {
			want += ", " + thousands(l.Burst) + " at once"
		}
		found := false
		for line := range strings.Lines(string(doc)) {
			cells := strings.Split(line, " | ")
			found = found || len(cells) > 3 && strings.HasSuffix(cells[0], "`"+string(name)+"`") && strings.HasPrefix(cells[3], want)
		}
		if !found {
			t.Errorf("docs/limits.md has no row of %s with the default %q", name, want)
		}
	}
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

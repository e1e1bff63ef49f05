package learning

import (
	"strconv"
	"strings"
	"time"

	"denwa/providers"
)

// count is one of the counts that instances share: of verifications that were
// sent first by a provider of a learning route, or of those among them that
// were approved with that one message.
type count struct {
	route    string // its key
	country  string // "" for none
	provider string
	// age is "s" for sent, else how long after it was approved, in whole minutes.
	age string
}

const (
	sent = "s"
	// oldest is the age of what was approved later still. A verification lives
	// no longer than that.
	oldest = 10
)

// countPrefix tells the counts of this package from others in the same place.
const countPrefix = "learn:"

// String is the count's name in the store.
func (c count) String() string {
	return countPrefix + c.route + ":" + c.country + ":" + c.provider + ":" + c.age
}

// parseCount reads what String wrote, and nothing else.
func parseCount(name string) (c count, ok bool) {
	rest, ok := strings.CutPrefix(name, countPrefix)
	p := strings.Split(rest, ":")
	if !ok || len(p) != 4 {
		return count{}, false
	}
	c = count{p[0], p[1], p[2], p[3]}
	_, known := c.minutes()
	return c, known || c.age == sent
}

// minutes is the age of an approval.
func (c count) minutes() (n int, ok bool) {
	n, err := strconv.Atoi(c.age)
	return n, err == nil && n >= 0 && n <= oldest
}

func approvedAfter(d time.Duration) string {
	return strconv.Itoa(min(max(0, int(d.Round(time.Minute)/time.Minute)), oldest))
}

// slot is what was counted in a stretch of time, as read from the store.
type slot map[count]int64

func readSlot(names map[string]int64) slot {
	s := slot{}
	for name, n := range names {
		if c, ok := parseCount(name); ok {
			s[c] = n
		}
	}
	return s
}

// history is what the store knows, by slots of a minute for the last half hour
// and of ten before that.
type history struct {
	minutes, tens map[int64]slot // by their start, in their width since 1970
}

const (
	minute = time.Minute
	ten    = 10 * time.Minute
	// ripening is how old a send is before it counts: by then most people have
	// typed the code who will. Younger ones would make whoever gets more sends
	// now look as if it converted worse.
	ripening = 2 * time.Minute
)

func index(at time.Time, width time.Duration) int64 { return at.UnixMicro() / width.Microseconds() }

// tallies adds up history by route, country, and stretch of ten minutes, in
// which a verification belongs to the one that it was sent in.
func (h history) tallies(now time.Time) tallies {
	t := tallies{}
	ripe := now.Add(-ripening)
	// Tens up to border, then minutes; a count is in one of each.
	border := now.Truncate(ten).Add(-2 * ten)
	for i, s := range h.minutes {
		at := time.UnixMicro(i * minute.Microseconds())
		if at.Before(border) {
			continue
		}
		for c, n := range s {
			age, _ := c.minutes()
			if began := at.Add(-time.Duration(age) * minute); !began.Add(minute).After(ripe) {
				t.add(c, index(began, ten), n*oldest)
			}
		}
	}
	for i, s := range h.tens {
		if !time.UnixMicro(i * ten.Microseconds()).Before(border) {
			continue
		}
		for c, n := range s {
			// Of what was approved in these ten minutes, so many tenths were sent before them.
			age, _ := c.minutes()
			t.add(c, i, n*int64(oldest-age))
			t.add(c, i-1, n*int64(age))
		}
	}
	return t
}

// tallies by route, country, ten minutes and provider.
type tallies map[string]map[string]map[int64]map[string]*tally

// tally is a [providers.Tally] in tenths: whole numbers add up to the same in
// any order, so all instances come to the same shares.
type tally struct{ sent, approved int64 }

func (t *tally) whole() providers.Tally {
	return providers.Tally{Sent: float64(t.sent) / oldest, Approved: float64(t.approved) / oldest}
}

func (t tallies) add(c count, at, n int64) {
	if n == 0 {
		return
	}
	countries := inner(t, c.route)
	blocks := inner(countries, c.country)
	block := inner(blocks, at)
	if block[c.provider] == nil {
		block[c.provider] = &tally{}
	}
	if c.age == sent {
		block[c.provider].sent += n
	} else {
		block[c.provider].approved += n
	}
}

// inner is the map at key, made if it isn't there.
func inner[K, L comparable, V any, M ~map[K]map[L]V](outer M, key K) map[L]V {
	if outer[key] == nil {
		outer[key] = map[L]V{}
	}
	return outer[key]
}

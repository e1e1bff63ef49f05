package dashboard

import (
	"cmp"
	"slices"
	"time"

	"denwa/gateway"
	"denwa/providers"
)

// report is what became of deliveries in a window.
type report struct {
	Now   time.Time
	Total row
	// Slots are the window's, oldest first.
	Slots []slot
	// The same counts, grouped in four ways, the largest first. Providers are by
	// channel too.
	Channels, Providers, Countries, Routes []row
	// Failures are the most frequent first.
	Failures []failure
	// Counting are the instances that added counts just now, Silent are those
	// that did so within the last hour.
	Counting int
	Silent   []silence
}

// route is where counts belong. Empty parts are summed over.
type route struct {
	Channel           providers.Channel
	Provider, Country string
}

// row is the funnel of one route.
type row struct {
	route

	Requested, Accepted, Delivered, Approved int64
	Asking, Delivery, Approval               times
}

// slot is one column of the chart.
type slot struct {
	At                                   time.Time
	Requested, Delivered, Approved, Fail int64
}

// failure is one way in which deliveries failed. By is asked for what a provider
// refused, reported for what a receipt said, ended for what became of a
// verification.
type failure struct {
	route

	By   kind
	What string
	N    int64
}

// silence is an instance that stopped adding counts.
type silence struct {
	Instance string
	Since    time.Time
}

const (
	// liveWithin is how long after its last batch an instance counts as alive.
	liveWithin = 10 * time.Second
	// maxFailures is how many kinds of failure are listed.
	maxFailures = 20
)

// summarise makes a report of what [Store] answers.
func summarise(now time.Time, width time.Duration, slots []map[string]int64, seen map[string]time.Time) report {
	rep := report{Now: now}
	rows, failures := map[route]*row{}, map[failure]int64{}
	start := now.Truncate(width).Add(-time.Duration(len(slots)-1) * width)
	for i, counts := range slots {
		s := slot{At: start.Add(time.Duration(i) * width)}
		for name, n := range counts {
			f, ok := parseField(name)
			if !ok {
				continue
			}
			s.add(f, n)
			to := route{f.channel, f.provider, f.country}
			for _, r := range groupsOf(to) {
				if rows[r] == nil {
					rows[r] = &row{route: r, Asking: newTimes(askTime), Delivery: newTimes(deliveryTime), Approval: newTimes(approvalTime)}
				}
				rows[r].add(f, n)
			}
			if f.failed() {
				failures[failure{route: to, By: f.kind, What: f.detail}] += n
			}
		}
		rep.Slots = append(rep.Slots, s)
	}
	rep.group(rows)
	for f, n := range failures {
		f.N = n
		rep.Failures = append(rep.Failures, f)
	}
	slices.SortFunc(rep.Failures, func(a, b failure) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.What, b.What), compareRoutes(a.route, b.route))
	})
	rep.Failures = rep.Failures[:min(len(rep.Failures), maxFailures)]
	for instance, last := range seen {
		if now.Sub(last) <= liveWithin {
			rep.Counting++
		} else {
			rep.Silent = append(rep.Silent, silence{instance, last})
		}
	}
	slices.SortFunc(rep.Silent, func(a, b silence) int { return b.Since.Compare(a.Since) })
	return rep
}

// groupsOf are the groups that a route belongs to, each once.
func groupsOf(r route) []route {
	groups := []route{{}, {Channel: r.Channel}, {Channel: r.Channel, Provider: r.Provider}, {Country: r.Country}, r}
	slices.SortFunc(groups, compareRoutes)
	return slices.Compact(groups)
}

// group sorts rows into the tables that they belong to.
func (rep *report) group(rows map[route]*row) {
	for r, counted := range rows {
		if counted.Requested+counted.Delivered+counted.Approved == 0 {
			continue
		}
		switch {
		case r == route{}:
			rep.Total = *counted
		case r.Provider == "" && r.Country == "":
			rep.Channels = append(rep.Channels, *counted)
		case r.Country == "":
			rep.Providers = append(rep.Providers, *counted)
		case r.Channel == "":
			rep.Countries = append(rep.Countries, *counted)
		default:
			rep.Routes = append(rep.Routes, *counted)
		}
	}
	for _, table := range [][]row{rep.Channels, rep.Providers, rep.Countries, rep.Routes} {
		slices.SortFunc(table, func(a, b row) int {
			return cmp.Or(cmp.Compare(b.Requested, a.Requested), compareRoutes(a.route, b.route))
		})
	}
}

func compareRoutes(a, b route) int {
	return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Country, b.Country))
}

func (r *row) add(f field, n int64) {
	switch f.kind {
	case asked:
		r.Requested += n
		if !f.failed() {
			r.Accepted += n
		}
	case reported:
		if f.detail == string(arrival(f.channel)) {
			r.Delivered += n
		}
	case ended:
		if f.detail == string(gateway.Approved) {
			r.Approved += n
		}
	case askTime:
		r.Asking.add(f.detail, n)
	case deliveryTime:
		r.Delivery.add(f.detail, n)
	case approvalTime:
		r.Approval.add(f.detail, n)
	}
}

func (s *slot) add(f field, n int64) {
	switch {
	case f.kind == asked:
		s.Requested += n
	case f.kind == reported && f.detail == string(arrival(f.channel)):
		s.Delivered += n
	case f.kind == ended && f.detail == string(gateway.Approved):
		s.Approved += n
	}
	if f.failed() && f.kind != ended { // what ended badly, failed before
		s.Fail += n
	}
}

// failed reports whether f counts something that went wrong.
func (f field) failed() bool {
	switch f.kind {
	case asked:
		return f.detail != string(providers.Accepted)
	case reported:
		s := providers.Status(f.detail)
		return s.Final() && s != providers.Delivered && s != providers.Confirmed
	case ended:
		return f.detail == string(gateway.Failed) || f.detail == string(gateway.Expired) || f.detail == string(gateway.Denied)
	default:
		return false
	}
}

package dashboard

import (
	"strconv"
	"time"

	"denwa/providers"
)

// view is a report as the page shows it, in words.
type view struct {
	W       wording
	Known   bool // whether the store answered
	Empty   bool
	Windows []link
	At      string
	Window  string

	Counting string
	Silent   []string

	Stages   []stage
	Chart    chart
	Tables   []table
	Lessons  *lessons
	Times    []timing
	Failures []cell
}

// link is a choice of window.
type link struct {
	Name, Label string
	Current     bool
}

// stage is one step of the funnel. Width is its bar's, of 1000.
type stage struct {
	Name, Count, Share, Note string
	Width                    int64
	Level                    string
}

// table is the funnel of each group.
type table struct {
	ID, Title string
	Rows      []tableRow
}

type tableRow struct {
	Name   string
	Stages []stage
}

// timing is a row of latencies: three percentiles of each kind of time.
type timing struct {
	Name  string
	Kinds []percentiles
}

type percentiles struct{ P50, P95, P99 string }

// cell is a failure in words.
type cell struct{ Where, What, Count, Share string }

func newView(rep report, ok bool, in window, w wording, zone *time.Location) view {
	v := view{W: w, Known: ok, Window: in.Name}
	for _, other := range windows() {
		v.Windows = append(v.Windows, link{other.Name, w.Windows[other.Name], other.Name == in.Name})
	}
	if !ok {
		return v
	}
	now := rep.Now.In(zone)
	v.At = now.Format("15:04:05 MST")
	v.Counting = w.instances(rep.Counting)
	for _, s := range rep.Silent {
		v.Silent = append(v.Silent, w.silent(s.Instance, rep.Now.Sub(s.Since)))
	}
	v.Empty = rep.Total.Requested+rep.Total.Delivered+rep.Total.Approved == 0
	v.Stages = w.stages(rep.Total)
	v.Chart = newChart(rep.Slots, zone, w)
	for i, rows := range [][]row{rep.Channels, rep.Providers, rep.Countries, rep.Routes} {
		t := table{ID: "table" + strconv.Itoa(i), Title: w.Tables[i]}
		for _, r := range rows {
			t.Rows = append(t.Rows, tableRow{w.route(r.route), w.stages(r)})
		}
		v.Tables = append(v.Tables, t)
	}
	for _, r := range rep.Providers {
		t := timing{Name: w.route(r.route)}
		for _, times := range []times{r.Asking, r.Delivery, r.Approval} {
			t.Kinds = append(t.Kinds, w.percentiles(times))
		}
		v.Times = append(v.Times, t)
	}
	for _, f := range rep.Failures {
		v.Failures = append(v.Failures, cell{
			w.route(f.route), w.failure(f), count(f.N), share(f.N, rep.Total.Requested),
		})
	}
	return v
}

// enough is how many there must be before a share says something.
const enough = 20

// stages are the steps of a funnel, each with its share of the one before.
func (w wording) stages(r row) []stage {
	counts := []int64{r.Requested, r.Accepted, r.Delivered, r.Approved}
	most := max(r.Requested, 1)
	stages := make([]stage, len(counts))
	before := int64(0)
	for i, n := range counts {
		s := stage{Name: w.Stages[i], Note: w.Notes[i], Count: count(n), Width: min(1000, n*1000/most)}
		if i > 0 {
			s.Share = share(n, before)
			switch {
			case before < enough:
			case n*2 < before:
				s.Level = "bad"
			case n*5 < before*4:
				s.Level = "low"
			}
		}
		stages[i], before = s, n
	}
	return stages
}

// share is a part of the whole in percent. Receipts and codes may come after
// the window began for what was sent before, so it may be more than 100.
func share(part, whole int64) string {
	if whole == 0 {
		return "–"
	}
	percent := 100 * float64(part) / float64(whole)
	if percent < 10 {
		return strconv.FormatFloat(percent, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(percent, 'f', 0, 64) + " %"
}

// count writes a number with its thousands apart.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func (w wording) percentiles(t times) percentiles {
	if t.n == 0 {
		return percentiles{"–", "–", "–"}
	}
	at := func(q float64) string {
		s, over := t.percentile(q)
		text := seconds(s)
		if over {
			return "> " + text
		}
		return text
	}
	return percentiles{at(.5), at(.95), at(.99)}
}

// seconds is a time with as many digits as a percentile is good for.
func seconds(s float64) string {
	switch {
	case s < 1:
		return strconv.FormatFloat(s*1000, 'f', 0, 64) + " ms"
	case s < 10:
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	default:
		return strconv.FormatFloat(s, 'f', 0, 64) + " s"
	}
}

func (w wording) route(r route) string {
	name := ""
	for _, part := range []string{w.Channels[r.Channel], r.Provider, r.Country} {
		switch {
		case part == "":
		case name == "":
			name = part
		default:
			name += " · " + part
		}
	}
	return name
}

func (w wording) failure(f failure) string {
	switch f.By {
	case asked:
		return w.Refused + ": " + label(w.Kinds, providers.Kind(f.What))
	case ended:
		return w.Ended + ": " + label(w.Ends, f.What)
	default:
		return label(w.Statuses, providers.Status(f.What))
	}
}

// label is what a word is called, or itself if it is new.
func label[K ~string](labels map[K]string, word K) string {
	if l, ok := labels[word]; ok {
		return l
	}
	return string(word)
}

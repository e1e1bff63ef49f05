package dashboard

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"denwa/providers"
)

// Learning says what routes have learned; [denwa/gateway/learning.Teacher] does.
type Learning interface {
	// Learners are the routes that learn.
	Learners() []*providers.Learner
	// Lessons are what they know, the most sent first, and whether they go by it.
	Lessons() (lessons []providers.Lesson, fresh bool)
}

// maxCountries is how many countries of a route are shown.
const maxCountries = 12

// lessons are the learning routes as the page shows them.
type lessons struct {
	W      lessonWords
	Stale  bool
	Routes []lessonRoute
}

type lessonRoute struct {
	ID, Name, Settings string
	Countries          []lessonCountry
	More               string // how many countries aren't shown
}

type lessonCountry struct {
	Name string
	Rows []lessonRow
}

// lessonRow is one provider. Width is its share, of 1000.
type lessonRow struct {
	Provider, Share, Usual, Conversion, Sent, Why string
	Width                                         int64
	Level                                         string
}

// newLessons is nil if no route learns.
func newLessons(from Learning, w wording) *lessons {
	if from == nil || len(from.Learners()) == 0 {
		return nil
	}
	known, fresh := from.Lessons()
	l := &lessons{W: lessonLanguages[w.Language], Stale: !fresh}
	for _, learner := range from.Learners() {
		r := lessonRoute{ID: "route" + strconv.Itoa(learner.Position), Name: w.selectors(learner), Settings: l.W.settings(learner.Route.Learn)}
		hidden := 0
		for _, lesson := range known {
			switch {
			case lesson.Route != learner:
			case len(r.Countries) == maxCountries:
				hidden++
			default:
				r.Countries = append(r.Countries, l.W.country(lesson))
			}
		}
		if hidden > 0 {
			r.More = fmt.Sprintf(l.W.more, hidden)
		}
		l.Routes = append(l.Routes, r)
	}
	return l
}

// selectors name a route by its place and by what it takes.
func (w wording) selectors(l *providers.Learner) string {
	parts := []string{fmt.Sprintf("routes[%d]", l.Position), w.Channels[l.Route.Channel]}
	types := make([]string, len(l.Route.NumberTypes))
	for i, t := range l.Route.NumberTypes {
		types[i] = string(t)
	}
	for _, selector := range [][]string{l.Route.Countries, types, l.Route.Apps} {
		switch n := len(selector); {
		case n > 5:
			parts = append(parts, strings.Join(selector[:4], ", ")+", …")
		case n > 0:
			parts = append(parts, strings.Join(selector, ", "))
		}
	}
	return strings.Join(parts, " · ")
}

func (w lessonWords) settings(l providers.Learn) string {
	unit, n := w.hours, l.Memory().Hours()
	if l.Memory()%time.Hour != 0 {
		unit, n = w.minutes, l.Memory().Minutes()
	}
	return fmt.Sprintf(w.configured, percent(l.Explore), strconv.FormatFloat(n, 'f', -1, 64)+" "+unit)
}

func (w lessonWords) country(l providers.Lesson) lessonCountry {
	c := lessonCountry{Name: l.Country}
	if c.Name == "" {
		c.Name = w.noCountry
	}
	for _, s := range l.Standings {
		row := lessonRow{
			Provider: s.Provider, Share: percent(s.Share), Usual: fmt.Sprintf(w.usual, percent(s.Usual)), Conversion: "–",
			Sent: count(int64(math.Round(s.Sent))), Why: w.why(l, s), Width: int64(math.Round(1000 * s.Share)),
		}
		if s.Sent >= 0.5 {
			row.Conversion = percent(s.Approved / s.Sent)
		}
		switch lost := s.Lost(); {
		case !l.Enough:
		case lost == 1:
			row.Level = "bad"
		case lost > 0:
			row.Level = "low"
		}
		c.Rows = append(c.Rows, row)
	}
	return c
}

// why says what decides the share of s.
func (w lessonWords) why(l providers.Lesson, s providers.Standing) string {
	leads := !slices.ContainsFunc(l.Standings, func(o providers.Standing) bool { return o.Share > s.Share })
	sure := percent(min(s.Worse, 0.999))
	switch lost := s.Lost(); {
	case !l.Enough:
		return w.tooLittle
	case lost == 1:
		return fmt.Sprintf(w.worse, s.Rival, sure)
	case lost > 0:
		return fmt.Sprintf(w.perhapsWorse, s.Rival, sure)
	case s.Share > s.Usual+0.001 && leads:
		return w.takesOver
	case s.Share > s.Usual+0.001:
		return w.explored
	default:
		return w.asConfigured
	}
}

// percent is a part of one.
func percent(part float64) string {
	digits := 0
	if part < 0.0995 && part > 0 || part > 0.9905 && part < 1 {
		digits = 1
	}
	return strings.TrimSuffix(strconv.FormatFloat(100*part, 'f', digits, 64), ".0") + " %"
}

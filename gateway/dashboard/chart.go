package dashboard

import "time"

// The chart's size in its own units.
const (
	chartWidth  = 960
	chartHeight = 200
)

// chart is a column for each slot of time. Failures hang below the line, at the
// same scale.
type chart struct {
	Width, Height, Line int64
	Columns             []column
	Marks               []string // times below the chart: its begin, middle and end
	Most                string
	Label               string
}

// column is one slot. Heights are in the chart's units.
type column struct {
	X, Width                  int64
	Requested, Approved, Fail int64
	RequestedY, ApprovedY     int64
	Title                     string
}

func newChart(slots []slot, zone *time.Location, w wording) chart {
	most, failed := int64(1), int64(0)
	for _, s := range slots {
		most, failed = max(most, s.Requested, s.Approved), max(failed, s.Fail)
	}
	line := chartHeight * most / (most + failed)
	c := chart{Width: chartWidth, Height: chartHeight, Line: line, Most: count(most), Label: w.ChartLabel}
	n := int64(len(slots))
	for i, s := range slots {
		x := int64(i) * chartWidth / n
		width := int64(i+1)*chartWidth/n - x
		col := column{
			X: x, Width: max(1, width-max(1, width/6)),
			Requested: height(s.Requested, most, line), Approved: height(s.Approved, most, line), Fail: height(s.Fail, most, line),
			Title: w.column(s.At.In(zone).Format("15:04"), s),
		}
		col.RequestedY, col.ApprovedY = line-col.Requested, line-col.Approved
		c.Columns = append(c.Columns, col)
	}
	for _, at := range []int{0, len(slots) / 2, len(slots) - 1} {
		c.Marks = append(c.Marks, slots[at].At.In(zone).Format("15:04"))
	}
	return c
}

// height is n of most in units of full, and never so small that it can't be seen.
func height(n, most, full int64) int64 {
	if n == 0 {
		return 0
	}
	return max(2, n*full/most)
}

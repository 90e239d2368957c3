package pages

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/console/api"
)

// columnWidth and plotHeight are the units of a chart: a column, and the whole plot. The chart is
// stretched to the available space.
const columnWidth, plotHeight = 10, 100

// Series is what one colour stands for.
type Series struct {
	Name string
	// Class is the colour's.
	Class string
	// Link leads to what it is made of; empty for nowhere.
	Link string
	Sums api.Sums
	// Before is the cost in the stretch of time before; nil if that is not known.
	Before *api.Money
}

// Rect is a part of a bar.
type Rect struct{ X, Y, Width, Height, Class string }

// Column is what happened in an hour, day, week or month.
type Column struct {
	// Label stands below it; empty for most of many.
	Label string
	Name  string
	// Title says it all.
	Title string
	X     string
	Parts []Rect
	Costs []api.Money
	Total api.Money
	Link  string
}

// Stack is a chart of stacked bars, with its table.
type Stack struct {
	Width   int
	Ticks   []string
	Lines   []string
	Series  []Series
	Columns []Column
	Total   api.Sums
	// IsEmpty is whether there is nothing to show.
	IsEmpty bool
}

// stacking is what a Stack is made of.
type stacking struct {
	usage *api.Usage
	// of is the dimension that is stacked.
	of   string
	span span
	l    *locale
	// name is what a value is called, link where it leads, and day where an hour, day, week or
	// month does.
	name func(value string) string
	link func(value string) string
	day  func(at time.Time) string
}

// stack makes a Stack of usage by time and one other dimension: with a colour for each value that has
// rows, and one for all others together.
func (s stacking) stack() Stack {
	chart := Stack{Total: s.usage.Total, IsEmpty: s.usage.Total.Calls == 0 && s.usage.Total.Refused == 0}
	colours := map[string]int{}
	for i, one := range s.totals() {
		colours[one.Name] = i
		chart.Series = append(chart.Series, Series{Name: s.name(one.Name), Class: "s" + strconv.Itoa(i+1), Link: s.link(one.Name), Sums: one.Sums})
	}
	if s.usage.RestValues > 0 {
		rest := Series{Name: s.l.say("%s others", s.usage.RestValues), Class: "rest"}
		for _, row := range s.usage.Rest {
			rest.Sums = plus(rest.Sums, row.Sums)
		}
		chart.Series = append(chart.Series, rest)
	}
	s.columns(&chart, colours)
	return chart
}

// totals are the sums of each value, the greatest first.
func (s stacking) totals() []Series {
	sums := map[string]api.Sums{}
	for _, row := range s.usage.Rows {
		value := row.Values[s.of]
		sums[value] = plus(sums[value], row.Sums)
	}
	totals := make([]Series, 0, len(sums))
	for value, sum := range sums {
		totals = append(totals, Series{Name: value, Sums: sum})
	}
	slices.SortFunc(totals, func(a, b Series) int {
		return cmp.Or(cmp.Compare(b.Sums.Cost.Nanos, a.Sums.Cost.Nanos), cmp.Compare(b.Sums.Calls, a.Sums.Calls), strings.Compare(a.Name, b.Name))
	})
	return totals
}

// columns adds the columns of a chart, including those in which nothing happened.
func (s stacking) columns(chart *Stack, colours map[string]int) {
	starts := buckets(s.span.grain(), s.span.Start, s.span.End)
	costs := make([][]int64, len(starts))
	var most int64
	for i := range starts {
		costs[i] = make([]int64, len(chart.Series))
	}
	for _, row := range s.usage.Rows {
		costs[columnOf(starts, row)][colours[row.Values[s.of]]] += row.Cost.Nanos
	}
	for _, row := range s.usage.Rest {
		costs[columnOf(starts, row)][len(chart.Series)-1] += row.Cost.Nanos
	}
	for _, column := range costs {
		most = max(most, sum(column))
	}
	scale := newScale(most)
	chart.Width, chart.Ticks, chart.Lines = len(starts)*columnWidth, scale.ticks(s.l), scale.lines()
	every := (len(starts) + 6) / 7
	for i, start := range starts {
		column := Column{Name: s.l.bucket(s.span.grain(), start), X: strconv.Itoa(i * columnWidth), Total: dollarsOf(sum(costs[i]))}
		if s.day != nil {
			column.Link = s.day(start)
		}
		if i%every == 0 {
			column.Label = s.l.mark(s.span.grain(), start)
		}
		column.Parts, column.Title = s.bar(chart.Series, costs[i], i, scale)
		column.Title = column.Name + ": " + s.l.shortText(column.Total) + column.Title
		for _, cost := range costs[i] {
			column.Costs = append(column.Costs, dollarsOf(cost))
		}
		chart.Columns = append(chart.Columns, column)
	}
}

// bar are the parts of a column, from the bottom up, and a title that names them.
func (s stacking) bar(series []Series, costs []int64, at int, scale scale) (parts []Rect, title string) {
	var below int64
	for i, cost := range costs {
		if cost <= 0 {
			continue
		}
		top := scale.y(below + cost)
		parts = append(parts, Rect{
			X: decimal(float64(at*columnWidth) + 1.2), Width: "7.6", Y: decimal(top), Height: decimal(scale.y(below) - top), Class: series[i].Class,
		})
		title += "\n" + series[i].Name + ": " + s.l.shortText(dollarsOf(cost))
		below += cost
	}
	return parts, title
}

// columnOf is the column of a row: that of the last start that is not after it.
func columnOf(starts []time.Time, row api.UsageRow) int {
	i, found := slices.BinarySearchFunc(starts, *row.Start, time.Time.Compare)
	if found {
		return i
	}
	return max(0, i-1)
}

func sum(all []int64) (total int64) {
	for _, n := range all {
		total += n
	}
	return total
}

// scale maps nano-dollars to a plot's height.
type scale struct{ top, step int64 }

// steps is how many parts the axis has.
const steps = 4

// newScale is a scale of even steps up to at least an amount, however small: readers with a few calls
// of a cheap model see their columns, too.
func newScale(most int64) scale {
	const fourCents = 40_000_000
	if most <= 0 {
		most = fourCents
	}
	magnitude := math.Pow(10, math.Floor(math.Log10(float64(most)/steps)))
	for _, factor := range []float64{1, 2, 2.5, 5, 10} {
		if candidate := int64(factor * magnitude); candidate*steps >= most {
			return scale{candidate * steps, candidate}
		}
	}
	return scale{int64(10*magnitude) * steps, int64(10 * magnitude)}
}

func (s scale) y(nanos int64) float64 {
	return plotHeight * (1 - float64(nanos)/float64(s.top))
}

// ticks are the marks of the axis, the highest first.
func (s scale) ticks(l *locale) (marks []string) {
	for i := steps; i >= 0; i-- {
		marks = append(marks, l.dollars(s.step*int64(i)))
	}
	return marks
}

// lines are where the marks are.
func (s scale) lines() (at []string) {
	for i := range steps {
		at = append(at, decimal(plotHeight*float64(i)/steps))
	}
	return at
}

func decimal(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) }

// bucket is the name of an hour, day, week or month, and mark a short form of it.
func (l *locale) bucket(grain string, start time.Time) string {
	switch grain {
	case "hour":
		return l.moment(start)
	case "week":
		return l.say("Week from %s", l.day(start))
	case "month":
		return l.monthName(start)
	}
	return l.day(start)
}

func (l *locale) mark(grain string, start time.Time) string {
	switch grain {
	case "hour":
		return l.clock(start)
	case "month":
		return l.monthName(start)
	}
	return l.monthDay(start)
}

func (l *locale) monthName(start time.Time) string {
	if l.isSpanish {
		return spanishMonths[start.Month()-1] + " " + strconv.Itoa(start.Year())
	}
	return englishMonths[start.Month()-1] + " " + strconv.Itoa(start.Year())
}

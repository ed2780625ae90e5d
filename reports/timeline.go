package reports

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"orbitbench/harness/result"
	"orbitbench/reports/chart"
)

// stallNs is from when on a renewal counts as stalled in the timeline: the
// limit of the promise that capacity is judged by unless told otherwise.
const stallNs = 10e6

// timeline is one trial of an engine by the second.
type timeline struct {
	row     *row
	trial   int
	seconds []result.Interval // of renewals, in order
	spans   []result.Span
	length  float64 // seconds measured
}

// timelineBlock is the block that the timeline of a load shows: of the strongest
// class that has figures by the second. Nil without one.
func (r *Report) timelineBlock(group string) *block {
	for _, b := range slices.Backward(r.blocks) {
		if b.group == group && len(r.timelines(b)) > 0 {
			return b
		}
	}
	return nil
}

// timelines are the rows of a block by the second, each by the trial with the
// middle p99 of its trials: neither the luckiest nor the worst.
func (r *Report) timelines(b *block) []*timeline {
	var out []*timeline
	for _, row := range b.rows {
		if t := r.timelineOf(b, row); t != nil {
			out = append(out, t)
		}
	}
	return out
}

func (r *Report) timelineOf(b *block, row *row) *timeline {
	if row.status != statusOK {
		return nil
	}
	type trial struct {
		cell *result.Cell
		p99  int64
	}
	var trials []trial
	for _, c := range r.Cells {
		if c.Engine != row.engine.Name || c.Workload != b.workload || c.Durability != b.durability || c.Status != result.OK || c.ControlOf != "" || c.Measure == nil || row.path != "" && c.Path != row.path {
			continue
		}
		for _, o := range c.Measure.Ops {
			if o.Op == opWrite.name && o.Outcome == opWrite.outcome && o.Latency.Count > 0 && len(c.Measure.Intervals) > 0 {
				trials = append(trials, trial{c, o.Latency.P99Ns})
			}
		}
	}
	if len(trials) == 0 {
		return nil
	}
	slices.SortStableFunc(trials, func(x, y trial) int { return cmp.Compare(x.p99, y.p99) })
	c := trials[(len(trials)-1)/2].cell
	t := &timeline{row: row, trial: c.Trial, spans: c.Spans, length: c.Measure.Seconds}
	for _, i := range c.Measure.Intervals {
		if i.Op == opWrite.name && i.Count > 0 {
			t.seconds = append(t.seconds, i)
			t.length = math.Max(t.length, float64(i.Second)+1)
		}
	}
	if len(t.seconds) < 2 {
		return nil
	}
	slices.SortStableFunc(t.seconds, func(x, y result.Interval) int { return cmp.Compare(x.Second, y.Second) })
	return t
}

// stalls counts the seconds in which a renewal took stallNs or longer, and those
// of them in which the engine reported background work.
func (t *timeline) stalls() (all, busy int) {
	for _, s := range t.seconds {
		if float64(s.MaxNs) < stallNs {
			continue
		}
		all++
		if t.busy(float64(s.Second), float64(s.Second)+1) {
			busy++
		}
	}
	return all, busy
}

func (t *timeline) busy(from, to float64) bool {
	return slices.ContainsFunc(t.spans, func(s result.Span) bool { return s.BeginS < to && s.EndS > from })
}

// busySeconds counts the seconds in which background work was reported.
func (t *timeline) busySeconds() int {
	n := 0
	for _, s := range t.seconds {
		if t.busy(float64(s.Second), float64(s.Second)+1) {
			n++
		}
	}
	return n
}

// worst is the longest renewal of the trial in nanoseconds, and its second.
func (t *timeline) worst() (ns int64, second int) {
	for _, s := range t.seconds {
		if s.MaxNs > ns {
			ns, second = s.MaxNs, s.Second
		}
	}
	return ns, second
}

// binned reports whether the seconds hold their latencies, and not their percentiles alone.
func (t *timeline) binned() bool {
	return slices.ContainsFunc(t.seconds, func(s result.Interval) bool { return len(s.Bins) > 0 })
}

// kinds are the kinds of background work, each once.
func (t *timeline) kinds() string {
	var kinds []string
	for _, s := range t.spans {
		if !slices.Contains(kinds, s.Kind) {
			kinds = append(kinds, s.Kind)
		}
	}
	slices.Sort(kinds)
	return strings.Join(kinds, ", ")
}

// timelineHeadline says of the engine that stalled in the most seconds whether
// its background work explains them.
func timelineHeadline(lines []*timeline) string {
	if len(lines) == 0 {
		return "No trial was recorded by the second"
	}
	worst := slices.MaxFunc(lines, func(x, y *timeline) int {
		nx, _ := x.stalls()
		ny, _ := y.stalls()
		return cmp.Compare(nx, ny)
	})
	limit := plotTick(stallNs)
	all, busy := worst.stalls()
	if all == 0 {
		longest := slices.MaxFunc(lines, func(x, y *timeline) int {
			wx, _ := x.worst()
			wy, _ := y.worst()
			return cmp.Compare(wx, wy)
		})
		ns, second := longest.worst()
		return fmt.Sprintf("No renewal took %s; the longest was %s, %s in second %d", limit, plotTime(float64(ns)), longest.row.label(), second+1)
	}
	text := fmt.Sprintf("%s stalls most: above %s in %d of %s", worst.row.label(), limit, all, plural(len(worst.seconds), "second"))
	if n := worst.busySeconds(); n > 0 {
		return text + fmt.Sprintf("; %s in %d of these and in %d of all", worst.kinds(), busy, n)
	}
	return text + "; it reports no background work"
}

// The layout of the timeline: two columns of panels.
const (
	timelinePanel = 118.0
	timelineFrame = 104.0 // head and foot of the page
)

// timelineChart draws p50, p99 and the longest renewal of each second, a panel
// for each engine, over the spans of its background work.
func (r *Report) timelineChart(b *block) *chart.Figure {
	lines := r.timelines(b)
	title := timelineHeadline(lines)
	height := timelineFrame + timelinePanel*math.Ceil(float64(len(lines))/2)
	return &chart.Figure{
		Width: 760, Height: height, Title: title,
		Description: "Latency of renewals over the seconds of one trial under " + b.durability + ", a panel for each engine: p50 and p99 as lines, the longest as ticks, on a log scale, over grey bars where the engine reports background work. The figures are in timeline.csv.",
		Draw: func(c *chart.Canvas) {
			page := chart.Page{Width: 760, Height: height, Title: title, Stamp: r.stamp(), Subtitle: []string{timelineSubtitle(b, lines)}, Note: r.timelineNote(lines)}
			r.drawTimelines(c, page.Draw(c), lines)
		},
	}
}

func timelineSubtitle(b *block, lines []*timeline) string {
	text := "Latency of renewals by the second under " + b.durability
	if b.params != nil {
		text += ", " + b.loop()
	}
	if slices.ContainsFunc(lines, (*timeline).binned) {
		text += fmt.Sprintf(". Cell: 1 s by 1/%d decade, darker is more renewals (log)", result.BinsPerDecade)
	}
	return text + ". Solid: p99, dashed: p50, ticks: longest of each second; log scale. The trial with the middle p99 of each engine."
}

func (r *Report) timelineNote(lines []*timeline) string {
	var silent []string
	for _, t := range lines {
		if len(t.spans) == 0 {
			silent = append(silent, t.row.name())
		}
	}
	note := "Grey: background work that the engine itself reports"
	if len(silent) > 0 {
		note += "; none reported by " + list(silent)
	}
	e := r.Run.Environment
	return note + ". " + strings.Trim(fmt.Sprintf("%s, %s on %s", e.CPUModel, e.FileSystem, e.Device), ", ")
}

// timelineCSV writes the seconds of every trial and operation, raw.
func (r *Report) timelineCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(strings.Split("durability,workload,engine,path,trial,second,op,count,p50_ns,p99_ns,max_ns,background", ",")); err != nil {
		return err
	}
	for _, c := range r.Cells {
		if c.Measure == nil || c.Status != result.OK {
			continue
		}
		for _, i := range c.Measure.Intervals {
			var kinds []string
			for _, s := range c.Spans {
				if s.BeginS < float64(i.Second)+1 && s.EndS > float64(i.Second) && !slices.Contains(kinds, s.Kind) {
					kinds = append(kinds, s.Kind)
				}
			}
			slices.Sort(kinds)
			integer := func(n int64) string { return strconv.FormatInt(n, 10) }
			if err := out.Write([]string{c.Durability, c.Workload, c.Engine, c.Path, strconv.Itoa(c.Trial), strconv.Itoa(i.Second), i.Op,
				strconv.FormatUint(i.Count, 10), integer(i.P50Ns), integer(i.P99Ns), integer(i.MaxNs), strings.Join(kinds, " ")}); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

// hasSeconds reports whether any cell was recorded by the second.
func (r *Report) hasSeconds() bool {
	return slices.ContainsFunc(r.Cells, func(c *result.Cell) bool {
		return c.Status == result.OK && c.Measure != nil && len(c.Measure.Intervals) > 0
	})
}

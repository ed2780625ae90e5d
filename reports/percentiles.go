package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"orbitbench/reports/chart"
)

// percentilePanel is one durability class of the percentile chart.
type percentilePanel struct {
	block  *block
	curves []percentileCurve
	absent []string // engines without a curve, and why
	x, y   chart.Log
	area   chart.Rect
	rail   float64 // room for labels at its right
	labels []*row  // engines that no later panel shows
}

type percentileCurve struct {
	row    *row
	points []point
}

// Where the curves begin, and how far they may go: a chart ends at p99.9999.
const (
	firstNines  = 1.8
	lastNines   = 1e6
	curveSteps  = 40 // points a decade
	panelGap    = 24.0
	narrowPanel = 180.0 // below it, texts take their short form
	labelHeight = 11.5
	leader      = 16.0 // from a curve's end to its label
)

// percentileChart draws the latency of renewals by percentile, one panel per
// durability class of the load.
func (r *Report) percentileChart(group string) *chart.Figure {
	var panels []*percentilePanel
	for _, b := range r.blocks {
		if b.group == group && b.params != nil {
			panels = append(panels, r.percentilePanel(b))
		}
	}
	title := r.percentileHeadline(panels)
	return &chart.Figure{
		Width: 760, Height: 400, Title: title,
		Description: "Latency of lease renewals against percentile, both on log scales, a panel for each durability class and a line for each engine. The figures are in table.csv.",
		Draw: func(c *chart.Canvas) {
			page := chart.Page{Width: 760, Height: 400, Title: title, Subtitle: r.percentileSubtitle(panels), Note: r.chartNote(panels), Stamp: r.stamp()}
			r.drawPercentiles(c, page.Draw(c), panels)
		},
	}
}

func (r *Report) stamp() string {
	if r.Run.Preview {
		return "PREVIEW"
	}
	return ""
}

func (r *Report) percentilePanel(b *block) *percentilePanel {
	p := &percentilePanel{block: b}
	for _, row := range b.rows {
		points := row.latency(opWrite).curve(firstNines, lastNines, curveSteps)
		switch {
		case row.status == statusOK && len(points) > 1:
			p.curves = append(p.curves, percentileCurve{row, points})
		case row.status == statusOK:
			p.absent = append(p.absent, row.name()+" (too few renewals)")
		default:
			p.absent = append(p.absent, fmt.Sprintf("%s (%s)", row.name(), row.status))
		}
	}
	return p
}

// percentileHeadline is what the strongest class shows.
func (r *Report) percentileHeadline(panels []*percentilePanel) string {
	for _, p := range slices.Backward(panels) {
		rows := p.block.ranked()
		if len(rows) == 0 {
			continue
		}
		best, worst := rows[0], rows[len(rows)-1]
		at := func(row *row, q float64) float64 {
			ns, _ := row.latency(opWrite).quantile(q)
			return float64(ns)
		}
		class := strings.ToUpper(p.block.durability[:1]) + p.block.durability[1:]
		if len(rows) == 1 {
			text := fmt.Sprintf("%s: %s renews with a p99 of %s", class, best.label(), plotTime(at(best, .99)))
			if f, ok := r.floorRatio(best.latency(opWrite), .99); ok {
				text += fmt.Sprintf(", %s the device's own", plotFactor(f))
			}
			return text
		}
		medians := make([]float64, len(rows))
		for i, row := range rows {
			medians[i] = at(row, .5)
		}
		spread, tail := slices.Max(medians)/slices.Min(medians), at(worst, .99)/at(best, .99)
		ends := fmt.Sprintf("%s %s, %s %s", best.label(), plotTime(at(best, .99)), worst.label(), plotTime(at(worst, .99)))
		if spread < 2 && tail > 2*spread {
			return fmt.Sprintf("%s: medians lie within %s, p99s within %s (%s)", class, plotFactor(spread), plotFactor(tail), ends)
		}
		return fmt.Sprintf("%s: p99 of renewals differs by %s (%s)", class, plotFactor(tail), ends)
	}
	return "No durability class has a renewal that can be ranked"
}

func (r *Report) percentileSubtitle(panels []*percentilePanel) []string {
	if len(panels) == 0 {
		return []string{"Nothing was measured in this run."}
	}
	p := panels[0].block.params
	return []string{fmt.Sprintf("Latency of renewals by percentile, log scales; %s leases of %s, %s keys. Dotted = fewer than 10 samples above this quantile.",
		round(float64(p.Actors)), sizeChosen(p.ValueBytes), p.Distribution)}
}

// chartNote says how many samples the curves stand on, and where they were taken.
func (r *Report) chartNote(panels []*percentilePanel) string {
	var counts []string
	for _, p := range panels {
		var n []float64
		trials := 0
		for _, c := range p.curves {
			n = append(n, float64(c.row.latency(opWrite).count()))
			trials = max(trials, c.row.trials)
		}
		if len(n) == 0 {
			continue
		}
		lo, hi := number(lowest(n...)), number(highest(n...))
		text := fmt.Sprintf("%s n = %s", p.block.durability, lo)
		if lo != hi {
			text += " to " + hi
		}
		counts = append(counts, text+" per engine in "+plural(trials, "trial"))
	}
	note := strings.Join(counts, ", ")
	if note != "" {
		note += "; trials merged as histograms, percentiles are never averaged. "
	}
	e := r.Run.Environment
	return note + strings.Trim(fmt.Sprintf("%s, %s on %s", e.CPUModel, e.FileSystem, e.Device), ", ")
}

// percentileName is the label of 1/(1-q): "99.9" of 1000.
func percentileName(nines float64) string {
	digits := max(0, int(math.Round(math.Log10(nines)))-2)
	return fmt.Sprintf("%.*f", digits, 100*(1-1/nines))
}

// plotTime is a duration with the sign for micro that figures can show.
func plotTime(ns float64) string { return strings.ReplaceAll(duration(ns), "us", "µs") }

// plotTick is the label of a decade: "10 µs".
func plotTick(ns float64) string {
	return strings.ReplaceAll(span{ns, ns}.tick(), "us", "µs")
}

// plotFactor is a ratio with the sign for times that figures can show.
func plotFactor(f float64) string { return strings.TrimSuffix(factor(f), "x") + "×" }

// tick names the upper end of a chosen range without needless digits.
func (s span) tick() string {
	_, after, _ := strings.Cut(s.String(), "-")
	return after
}

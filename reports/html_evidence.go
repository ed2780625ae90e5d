package reports

import (
	"fmt"
	"math"
	"strconv"

	"orbitbench/reports/page"
	"orbitbench/reports/stats"
)

// evidenceTable shows what the verdicts about a block stand on: each engine beside
// the best one, by the rule.
func (r *Report) evidenceTable(b *block) *page.Table {
	t := &page.Table{ID: "evidence-" + slug(r.nameOf(b)), Caption: fmt.Sprintf("Each engine beside the one with the lowest median under %s. It is told apart where p, adjusted by Holm over all pairs of this report, is below %g, "+
		"the 95%% interval of the ratio holds no 1, and the ratio exceeds what counts: %.0f%%, or twice the noise of that figure.", r.blockName(b), stats.Alpha, 100*stats.Margin),
		Columns: []page.Column{{Head: "engine", Left: true}, {Head: "figure", Left: true}, {Head: "beside", Left: true}, {Group: "ratio", Head: "median"}, {Group: "ratio", Head: "95% interval"}, {Head: "trials"},
			{Group: "p", Head: "alone"}, {Group: "p", Head: "adjusted"}, {Head: "counts from"}, {Head: "noise", Left: true}, {Head: "outcome", Left: true}}}
	standings := []*standing{b.first, b.typical}
	for _, s := range r.deciding {
		if s.block == b {
			standings = append(standings, s)
		}
	}
	for i, s := range standings {
		if s == nil {
			continue
		}
		name := s.metric.name()
		if i > 1 {
			name += ", the note's choices"
		}
		for _, row := range s.order() {
			if d := s.against(row); d != nil {
				t.Rows = append(t.Rows, r.evidenceRow(s, row, d, name))
			}
		}
	}
	return t
}

func (r *Report) evidenceRow(s *standing, row *row, d *stats.Difference, name string) page.Row {
	line := page.Row{Engine: row.engine.Name, Glyph: r.glyph(row), Head: row.name()}
	ratio, trials := math.Exp(d.Ratio.Value), fmt.Sprintf("%d and %d", d.N, d.M)
	if d.Pairs > 0 {
		trials = plural(d.Pairs, "pair")
	}
	interval := noFigure
	if d.N > 1 && d.M > 1 {
		interval = fmt.Sprintf("%.3g–%.3g", math.Exp(d.Ratio.Lo), math.Exp(d.Ratio.Hi))
	}
	p := func(p float64) page.Cell {
		return page.Cell{Text: fmt.Sprintf("%.2g", p), Sort: sortKey(p, true)}
	}
	noise := page.Cell{Text: "not known", Left: true}
	if d.Noise.From != "" {
		noise.Text, noise.Subs = percent(d.Noise.Share), []string{d.Noise.From}
	}
	outcome := page.Cell{Left: true, Text: map[stats.Outcome]string{stats.Higher: "worse", stats.Lower: "better", stats.Equivalent: "equal within the margin", stats.Unclear: "not told apart", stats.Undecided: "not decided"}[d.Outcome]}
	if d.Why != "" {
		outcome.Subs = []string{d.Why}
	}
	adjusted := p(d.Adjusted)
	if d.Outcome == stats.Undecided {
		adjusted = page.Cell{Text: noFigure}
	}
	line.Cells = []page.Cell{{Text: name, Left: true}, {Text: s.order()[0].name(), Left: true, Href: "#" + r.anchor(s.block, s.order()[0])}, {Text: factor(ratio), Sort: sortKey(ratio, true)}, {Text: interval, Sort: sortKey(math.Exp(d.Ratio.Lo), d.N > 1)},
		{Text: trials, Sort: strconv.Itoa(min(d.N, d.M))}, p(d.P), adjusted, {Text: percent(d.Threshold()), Sort: sortKey(d.Threshold(), true)}, noise, outcome}
	return line
}

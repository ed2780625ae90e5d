package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"orbitbench/reports/stats"
)

// seedOfVerdicts is that of the bootstrap: the same run always gets the same verdict.
const seedOfVerdicts = 1

// standing is who is first of some rows in one metric, by the rule of compare:
// every row is held against the best one and against no other.
type standing struct {
	metric  metric
	block   *block
	rows    []*row // with the metric
	contest *stats.Contest
}

// twin is a row beside its A/A control.
type twin struct{ row, control *row }

// addTwins makes rows of the A/A controls of a block.
func (r *Report) addTwins(b *block, items []item, controls map[string]item) error {
	byRow := map[*row]*row{}
	for _, it := range items {
		c, ok := controls[it.plan.Key]
		if !ok || !usable(it.cell) || !usable(c.cell) {
			continue
		}
		i := slices.IndexFunc(b.rows, func(row *row) bool { return row.engine.Name == it.plan.Engine && row.path == it.cell.Path })
		if i < 0 {
			continue
		}
		own := b.rows[i]
		if byRow[own] == nil {
			byRow[own] = &row{engine: own.engine, path: own.path, ops: map[opKey]*op{}}
			b.twins = append(b.twins, twin{own, byRow[own]})
		}
		if err := r.addTrial(b, byRow[own], c, false); err != nil {
			return fmt.Errorf("%s: %w", r.cellPath(c.plan.Key), err)
		}
	}
	return nil
}

// noiseOf is what a metric differs from itself by in this block, for two rows.
func (b *block) noiseOf(m metric, x, y stats.Series) stats.Floor {
	var ratios []float64
	name := ""
	for _, t := range b.twins {
		own, control := stats.Pairs(m.series(t.row).Trials, m.series(t.control).Trials)
		ratios, name = append(ratios, stats.LogRatios(own, control)...), t.row.name()
	}
	return stats.NoiseFloor(ratios, name, x.Values(), y.Values())
}

// standingOf holds rows of the block against the best of them; nil where fewer than
// one has the metric. It is not decided before [Report.settle].
func (b *block) standingOf(m metric, rows []*row) *standing {
	s := &standing{metric: m, block: b}
	var series []stats.Series
	for _, row := range rows {
		if v, ok := m.value(row); ok && v > 0 && len(m.trials(row)) > 0 {
			s.rows, series = append(s.rows, row), append(series, m.series(row))
		}
	}
	if len(s.rows) == 0 {
		return nil
	}
	s.contest = stats.NewContest(series, func(x, y int) stats.Floor { return b.noiseOf(m, series[x], series[y]) }, seedOfVerdicts)
	return s
}

// settle decides everything that the report says of two engines as one family: the
// p99 and p50 of renewals in each block, the figures of the decision, the recovery curves.
func (r *Report) settle() {
	var all []*stats.Contest
	for _, b := range r.blocks {
		if b.first = b.standingOf(metricOf("write_p99"), b.ranked()); b.first != nil {
			all = append(all, b.first.contest)
		}
	}
	for _, b := range r.blocks {
		if b.typical = b.standingOf(metricOf("write_p50"), b.ranked()); b.typical != nil {
			all = append(all, b.typical.contest)
		}
	}
	for _, s := range r.decisiveStandings() {
		all = append(all, s.contest)
	}
	for _, b := range r.curveBlocks {
		if b.stand(); b.contest != nil {
			all = append(all, b.contest)
		}
	}
	stats.Settle(all...)
}

func (s *standing) pick(at []int) []*row {
	var rows []*row
	for _, i := range at {
		rows = append(rows, s.rows[i])
	}
	return rows
}

// order are the rows, the best first.
func (s *standing) order() []*row { return s.pick(s.contest.Order()) }

// level are the best row and those not told apart from it.
func (s *standing) level() []*row { return s.pick(s.contest.Level()) }

// worse are the rows that the rule calls worse than the best one.
func (s *standing) worse() []*row { return s.pick(s.contest.Worse()) }

// against is how a row stands to the best one; nil of that and of strangers.
func (s *standing) against(row *row) *stats.Difference {
	i := slices.Index(s.rows, row)
	if i < 0 {
		return nil
	}
	return s.contest.Against(i)
}

// undecided says why nothing could be told, "" where something could.
func (s *standing) undecided() string {
	if s.contest.Decided() {
		return ""
	}
	fewest := math.MaxInt
	for _, row := range s.rows {
		fewest = min(fewest, len(s.metric.trials(row)))
	}
	switch {
	case fewest == 1:
		return "one trial"
	case fewest < stats.LeastTrials:
		return fmt.Sprintf("%d trials of the %d that it takes", fewest, stats.LeastTrials)
	}
	for _, row := range s.order() {
		if d := s.against(row); d != nil && d.Why != "" {
			return d.Why
		}
	}
	return ""
}

// figure is what is compared of the row, the median over its trials, with its
// interval: "5.62 ms (CI 5.1-5.9 ms)".
func (s *standing) figure(row *row) string {
	text := s.metric.show(row)
	if trials := s.metric.trials(row); len(trials) > 1 {
		text = s.metric.format(stats.Median(trials))
	}
	if lo, hi, interval, ok := s.metric.between(row); ok {
		word := "trials"
		if interval {
			word = "CI"
		}
		text += fmt.Sprintf(" (%s %s)", word, strings.ReplaceAll(rangeText(s.metric.format(lo), s.metric.format(hi)), "–", "-"))
	}
	return text
}

// beside is how many times the best a row is: "1.67x".
func (s *standing) beside(row *row) string {
	d := s.against(row)
	if d == nil {
		return "1x"
	}
	return factor(math.Exp(d.Ratio.Value))
}

// named lists rows with their figures.
func (s *standing) named(rows []*row) string {
	var names []string
	for _, row := range rows {
		names = append(names, row.name()+" "+s.figure(row))
	}
	return list(names)
}

// behind lists rows with how many times the best they are.
func (s *standing) behind(rows []*row) string {
	var names []string
	for _, row := range rows {
		names = append(names, row.name()+" "+s.beside(row))
	}
	return list(names)
}

// doubts says of those level with the best why they are not told from it.
func (s *standing) doubts() string {
	var order []string
	of := map[string][]string{}
	for _, row := range s.level() {
		d := s.against(row)
		if d == nil {
			continue
		}
		why := d.Why
		if d.Outcome == stats.Equivalent {
			why = fmt.Sprintf("equal within %.0f%%", 100*stats.Margin)
		}
		if of[why] == nil {
			order = append(order, why)
		}
		of[why] = append(of[why], row.name())
	}
	var parts []string
	for _, why := range order {
		parts = append(parts, list(of[why])+": "+why)
	}
	return strings.Join(parts, "; ")
}

// largestP is the largest adjusted p of the rows that were told apart.
func (s *standing) largestP() float64 {
	p := 0.0
	for _, row := range s.worse() {
		p = max(p, s.against(row).Adjusted)
	}
	return p
}

// proof is the weakest evidence among those told apart from the best.
func (s *standing) proof() string {
	most := 0.0
	known := true
	for _, row := range s.worse() {
		d := s.against(row)
		most, known = max(most, d.Threshold()), known && d.Noise.From != ""
	}
	text := fmt.Sprintf("p %s adjusted, by more than %s that count here", pText(s.largestP()), percent(most))
	if !known {
		text += ", the noise of the machine not being known"
	}
	return text
}

// pText is a probability as people write it.
func pText(p float64) string {
	if p < .0001 {
		return "< 0.0001"
	}
	return fmt.Sprintf("<= %.2g", p)
}

package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Verdict is the outcome of the run by rule, as one line without its line
// break: data loss first, then for each class the engine with the lowest p99 of
// renewals among those that kept the offered rate, or why there is none.
func (r *Report) Verdict() string {
	var parts []string
	for _, b := range r.blocks {
		if b.params == nil && !slices.ContainsFunc(b.rows, func(row *row) bool { return row.planned > 0 }) {
			continue // recoveries alone, or nothing planned: no renewal to rank
		}
		parts = append(parts, r.blockName(b)+": "+b.verdict())
	}
	for _, b := range r.capacityBlocks {
		parts = append(parts, r.capacityVerdict(b))
	}
	for _, b := range r.curveBlocks {
		parts = append(parts, b.verdict())
	}
	if r.crashes != nil {
		parts = append(parts, r.crashes.verdict())
	}
	if len(parts) == 0 {
		parts = append(parts, "no renewal cell was planned, nothing is ranked")
	}
	text := strings.Join(parts, ". ") + "."
	if r.Run.Preview {
		text = "PREVIEW: " + text
	}
	if loss := r.DataLoss(); len(loss) > 0 {
		text = "DATA LOSS: " + strings.Join(loss, "; ") + ". " + text
	}
	return text
}

// DataLoss lists what the checks found lost, or present and never written, in
// breach of a cell's durability class: one sentence per engine and class,
// without its full stop. It is empty for a run whose checks all passed.
func (r *Report) DataLoss() []string {
	var found []string
	for _, b := range r.allBlocks() {
		for _, row := range b.rows {
			for _, l := range row.losses {
				found = append(found, fmt.Sprintf("%s under %s %s", row.name(), b.place(), l))
			}
		}
	}
	for _, b := range r.capacityBlocks {
		for _, row := range b.rows {
			for _, l := range row.losses {
				found = append(found, fmt.Sprintf("%s under %s %s", row.engine.Name, b.durability, l))
			}
		}
	}
	for _, b := range r.curveBlocks {
		for _, p := range b.points {
			for _, l := range p.losses {
				found = append(found, fmt.Sprintf("%s under %s %s", p.engine.Name, b.durability, l))
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// ranked returns the rows that may win, lowest p99 first. Baselines are never
// ranked, lost data and a missed rate disqualify.
func (b *block) ranked() []*row {
	var rows []*row
	for _, r := range b.rows {
		_, ok := r.latency(opWrite).quantile(0.99)
		if ok && r.status == statusOK && r.engine.Role != "baseline" && len(r.losses) == 0 && !r.early() && !r.missedRate() && !r.invalid {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(x, y *row) int {
		px, _ := x.latency(opWrite).quantile(0.99)
		py, _ := y.latency(opWrite).quantile(0.99)
		return cmp.Compare(px, py)
	})
	return rows
}

// verdict is the clause about one block.
func (b *block) verdict() string {
	rows := b.ranked()
	if len(rows) == 0 {
		return b.nobody()
	}
	return b.winner(rows) + b.condition(rows[0]) + b.excluded()
}

// excluded names the engines whose figures may not win, and why.
func (b *block) excluded() string {
	var parts []string
	for _, r := range b.rows {
		switch {
		case r.status != statusOK || r.engine.Role == "baseline":
		case len(r.losses) > 0:
			parts = append(parts, r.name()+" is disqualified for losing data")
		case r.early():
			parts = append(parts, r.name()+" is disqualified for acknowledging before the promise of its class")
		case r.missedRate():
			parts = append(parts, r.name()+" missed the offered rate")
		case r.invalid:
			parts = append(parts, r.name()+" has no valid measurement")
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + list(parts)
}

// winner is the outcome among the ranked rows, of which there is one at least.
func (b *block) winner(rows []*row) string {
	s := b.first
	if len(rows) == 1 {
		text := fmt.Sprintf("%s is the only engine that can be ranked, p99 of renewals %s", rows[0].name(), s.figure(rows[0]))
		if why := s.undecided(); why != "" {
			text += " (" + why + ", no winner is declared)"
		}
		return text
	}
	if why := s.undecided(); why != "" {
		return fmt.Sprintf("%s, no winner is declared; lowest p99 of renewals was %s %s, then %s %s",
			why, rows[0].name(), s.metric.show(rows[0]), rows[1].name(), s.metric.show(rows[1]))
	}
	level, worse := s.level(), s.worse()
	if len(level) == 1 {
		return fmt.Sprintf("%s wins with the lowest p99 of renewals, median over the trials %s; worse are %s (%s)", level[0].name(), s.figure(level[0]), s.behind(worse), s.proof())
	}
	text := fmt.Sprintf("no single winner; by the p99 of renewals, median over the trials, %s are not told apart from the best (%s)", s.named(level), s.doubts())
	if len(worse) > 0 {
		text += fmt.Sprintf("; worse than %s are %s (%s)", level[0].name(), s.behind(worse), s.proof())
	}
	return text
}

// condition says under which load a p99 was had.
func (b *block) condition(r *row) string {
	if r.offered > 0 {
		return fmt.Sprintf(", at %s/s offered", round(r.offered))
	}
	if b.params != nil {
		return fmt.Sprintf(", in a closed loop of %s", plural(b.params.Workers, "worker"))
	}
	return ""
}

// nobody says why no engine of a block can be ranked.
func (b *block) nobody() string {
	counts := map[string]int{}
	for _, r := range b.rows {
		switch {
		case r.status != statusOK:
			counts[string(r.status)]++
		case len(r.losses) > 0:
			counts["lost data"]++
		case r.engine.Role == "baseline":
			counts["baseline, never ranked"]++
		case r.early():
			counts["acknowledged before its promise"]++
		case r.missedRate():
			counts["missed the rate"]++
		case r.invalid:
			counts["not a valid measurement"]++
		default:
			counts["no renewal succeeded"]++
		}
	}
	var parts []string
	for what, n := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", n, what))
	}
	slices.Sort(parts)
	return "no valid cell to rank (" + strings.Join(parts, ", ") + ")"
}

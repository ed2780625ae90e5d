package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// The design note ends with a decision point: write a copy-on-write tree, take
// RocksDB, or fall back to mmap + WAL. It is answered by rule from the strongest
// class that was measured, in the note's own columns.

// candidateClaims are the rows of the note's table between which it decides.
var candidateClaims = []string{"COW B+ tree", "RocksDB", "mmap + WAL"}

// clause is a sentence of a verdict with the rows that it stands on.
type clause struct {
	text  string
	block *block
}

// decisive are the metrics that decide; complexity has proxies only and is
// named as the price.
var decisive = []string{"write_p99", "read_p99", "recovery", "memory_per_million"}

// candidates are the rows of a block that answer for the note's three choices
// and may be ranked, with what is missing.
func (b *block) candidates() (rows []*row, absent []string) {
	ranked := b.ranked()
	for _, title := range candidateClaims {
		i := slices.IndexFunc(ranked, func(r *row) bool {
			c := claimFor(r.engine)
			return c != nil && c.title == title && r.path != "generic"
		})
		if i < 0 {
			absent = append(absent, title)
			continue
		}
		rows = append(rows, ranked[i])
	}
	return rows, absent
}

// decisionBlock is the strongest class in which two choices at least can be compared.
func (r *Report) decisionBlock() *block {
	var best *block
	for _, b := range r.blocks {
		if rows, _ := b.candidates(); len(rows) > 1 && (best == nil || classRank(b.durability) > classRank(best.durability)) {
			best = b
		}
	}
	return best
}

// lead is who is best in one metric: one row, or several whose trials overlap.
type lead struct {
	metric  metric
	leaders []*row
	others  []*row
}

func leadOf(m metric, rows []*row) (lead, bool) {
	l := lead{metric: m}
	var have []*row
	for _, row := range rows {
		if v, ok := m.value(row); ok && v > 0 {
			have = append(have, row)
		}
	}
	if len(have) < 2 {
		return l, false
	}
	slices.SortStableFunc(have, func(x, y *row) int {
		vx, _ := m.value(x)
		vy, _ := m.value(y)
		return cmp.Compare(vx, vy)
	})
	_, top := m.extremes(have[0])
	for _, row := range have {
		if lo, _ := m.extremes(row); row == have[0] || lo <= top {
			l.leaders = append(l.leaders, row)
		} else {
			l.others = append(l.others, row)
		}
	}
	return l, true
}

func (l lead) sentence() string {
	var parts []string
	for _, row := range append(slices.Clone(l.leaders), l.others...) {
		parts = append(parts, row.name()+" "+strings.TrimSuffix(l.metric.show(row), fewMark))
	}
	return l.metric.name() + ": " + strings.Join(parts, ", ") + map[bool]string{true: " (their trials overlap)", false: ""}[len(l.leaders) > 1 && len(l.others) == 0]
}

// Decision answers the note's question in sentences; nil where fewer than two
// of its choices were measured under one class.
func (r *Report) decision() []clause {
	b := r.decisionBlock()
	if b == nil {
		return nil
	}
	rows, absent := b.candidates()
	var leads []lead
	for _, key := range decisive {
		if l, ok := leadOf(metricOf(key), rows); ok {
			leads = append(leads, l)
		}
	}
	answer := r.answer(b, rows, leads)
	if rest, ok := strings.CutPrefix(answer, "no "); ok { // an engine's name keeps its small letter
		answer = "No " + rest
	}
	out := []clause{{answer, b}}
	var evidence []string
	for _, l := range leads {
		evidence = append(evidence, l.sentence())
	}
	out = append(out, clause{"The evidence, under " + r.blockName(b) + ": " + strings.Join(evidence, "; ") + ".", b})
	if price := priceOf(rows); price != "" {
		out = append(out, clause{price, b})
	}
	limits := "Its limits: one machine, one load (" + b.workload + "), " + b.trialText() + "; complexity is shown by proxies only"
	if len(absent) > 0 {
		limits += "; not among those that could be ranked: " + list(absent)
	}
	if !r.crashTested() {
		limits += "; crash states of the device were not tested in this run"
	}
	return append(out, clause{limits + ".", b})
}

// fewestTrials is the smallest number of trials behind any of the rows.
func fewestTrials(rows []*row) int {
	return slices.MinFunc(rows, func(x, y *row) int { return cmp.Compare(x.trials, y.trials) }).trials
}

// answer is the rule: who is best, or level with the best, in every decisive
// figure is the answer; code of one's own has to beat RocksDB in one of them
// to be worth it.
func (r *Report) answer(b *block, rows []*row, leads []lead) string {
	level := slices.Clone(rows)
	for _, l := range leads {
		level = slices.DeleteFunc(level, func(row *row) bool { return slices.Contains(l.others, row) })
	}
	preface := ""
	if n := fewestTrials(rows); n < trialsToRank {
		preface = fmt.Sprintf("Not decided: %s, and it takes %d to tell a difference from noise. What they point to: ", plural(n, "trial"), trialsToRank)
	}
	var names []string
	rocks := slices.IndexFunc(rows, func(row *row) bool { return claimFor(row.engine).title == "RocksDB" })
	for _, row := range level {
		names = append(names, row.name())
	}
	switch {
	case len(leads) == 0:
		return preface + "no figure was measured for two of the choices."
	case len(level) == len(rows):
		return preface + "no measured reason to prefer one: " + list(names) + " are level in every figure that decides; take the one that you need not write."
	case rocks >= 0 && slices.Contains(level, rows[rocks]):
		return preface + "RocksDB is best or level in every figure that decides: no measured reason to write an engine."
	case len(level) == 1:
		return preface + level[0].name() + " is best or level in every figure that decides."
	case len(level) > 1:
		return preface + list(names) + " are level with each other and best in every figure that decides."
	}
	won := map[*row][]string{}
	for _, l := range leads {
		for _, row := range l.leaders {
			won[row] = append(won[row], l.metric.name())
		}
	}
	var parts []string
	for _, row := range rows {
		if len(won[row]) > 0 {
			parts = append(parts, row.name()+" leads or is level in "+list(won[row]))
		}
	}
	return preface + "no choice is best in everything: " + strings.Join(parts, "; ") + ". Which it is depends on what counts: see the chooser."
}

// priceOf names what the choices cost to keep, by proxy.
func priceOf(rows []*row) string {
	var parts []string
	for _, row := range rows {
		c := row.engine.Complexity
		if c == nil {
			continue
		}
		text := fmt.Sprintf("%s %s lines", row.name(), number(float64(c.Lines)))
		if row.engine.Cgo {
			text += " and cgo"
		}
		if row.engine.Role != "candidate" {
			text += ", kept by others"
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return ""
	}
	return "The price, by proxy: " + strings.Join(parts, "; ") + "."
}

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

// decisive are the metrics that decide, each with those that stand in where its
// trials have too few samples. Complexity has proxies only and is named as the price.
var decisive = [][]string{{"write_p99"}, {"read_p99", "read_p50"}, {"recovery"}, {"memory_per_million"}}

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

// decisiveStandings are the note's choices in each metric that decides, for two of
// them at least.
func (r *Report) decisiveStandings() []*standing {
	if r.deciding != nil {
		return r.deciding
	}
	b := r.decisionBlock()
	if b == nil {
		return nil
	}
	rows, _ := b.candidates()
	for _, keys := range decisive {
		for i, key := range keys {
			m := metricOf(key)
			short := slices.ContainsFunc(rows, func(row *row) bool { return m.few != nil && m.few(row) != "" })
			if short && i < len(keys)-1 {
				continue
			}
			if s := b.standingOf(m, rows); s != nil && len(s.rows) > 1 {
				r.deciding = append(r.deciding, s)
			}
			break
		}
	}
	return r.deciding
}

// sentence is the evidence of one metric: who is best, who is not told from it,
// and who is worse.
func (s *standing) sentence() string {
	name := s.metric.name()
	if s.undecided() != "" {
		return name + ": " + s.named(s.order()) + ", not decided"
	}
	level, worse := s.level(), s.worse()
	text := name + ": " + s.named(level)
	if len(level) > 1 {
		text += " not told apart"
		if doubts := s.doubts(); doubts != "" {
			text += " (" + doubts + ")"
		}
	}
	if len(worse) > 0 {
		var parts []string
		for _, row := range worse {
			parts = append(parts, fmt.Sprintf("%s %s, %s", row.name(), strings.TrimSuffix(s.figure(row), fewMark), s.beside(row)))
		}
		text += ", worse " + strings.Join(parts, " and ") + fmt.Sprintf(" (p %s)", pText(s.largestP()))
	}
	return text
}

// decision answers the note's question in sentences; nil where fewer than two
// of its choices were measured under one class.
func (r *Report) decision() []clause {
	b := r.decisionBlock()
	if b == nil {
		return nil
	}
	rows, absent := b.candidates()
	all := r.decisiveStandings()
	out := []clause{{r.answer(rows, all), b}}
	var evidence []string
	for _, s := range all {
		evidence = append(evidence, s.sentence())
	}
	if len(evidence) > 0 {
		out = append(out, clause{"The evidence, under " + r.blockName(b) + ": " + strings.Join(evidence, "; ") + ".", b})
	}
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

// answer is the rule: who is in no decisive figure worse than the best is the
// answer; code of one's own has to beat RocksDB in one of them to be worth it.
func (r *Report) answer(rows []*row, all []*standing) string {
	decided := slices.DeleteFunc(slices.Clone(all), func(s *standing) bool { return s.undecided() != "" })
	if len(all) == 0 {
		return "Not decided: no figure was measured for two of the choices."
	}
	if len(decided) == 0 {
		return fmt.Sprintf("Not decided: %s. What the figures point to is a look, and no result.", all[0].undecided())
	}
	preface := ""
	if n := len(all) - len(decided); n > 0 {
		preface = fmt.Sprintf("Of %s that decide %d could not be told. ", plural(len(all), "figure"), n)
	}
	level := slices.Clone(rows)
	for _, s := range decided {
		level = slices.DeleteFunc(level, func(row *row) bool { return slices.Contains(s.worse(), row) })
	}
	rocks := slices.IndexFunc(level, func(row *row) bool { return claimFor(row.engine).title == "RocksDB" })
	switch {
	case len(level) == len(rows):
		return preface + "No measured reason to prefer one: " + namesOf(level) + " are not told apart in any figure that decides; take the one that you need not write."
	case rocks >= 0:
		return preface + "RocksDB (" + level[rocks].name() + ") is worse than no other in any figure that decides: no measured reason to write an engine."
	case len(level) == 1:
		return preface + "The answer is " + claimFor(level[0].engine).title + " (" + level[0].name() + "): best, or not told apart from the best, in every figure that decides."
	case len(level) > 1:
		return preface + "The answer is one of " + namesOf(level) + ", which are best, or not told apart from the best, in every figure that decides."
	}
	var parts []string
	for _, row := range rows {
		var won, lost []string
		for _, s := range decided {
			switch {
			case slices.Contains(s.level(), row):
				won = append(won, s.metric.name())
			case slices.Contains(s.worse(), row):
				lost = append(lost, s.metric.name())
			}
		}
		switch {
		case len(won) == 0:
			parts = append(parts, row.name()+" is worse in all of them")
		default:
			parts = append(parts, row.name()+" leads or is not told from the leader in "+list(won)+" and is worse in "+list(lost))
		}
	}
	return preface + "No choice is best in everything: " + strings.Join(parts, "; ") + ". Which it is depends on what counts: see the chooser."
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

// fewestTrials is the smallest number of trials behind any of the rows.
func fewestTrials(rows []*row) int {
	return slices.MinFunc(rows, func(x, y *row) int { return cmp.Compare(x.trials, y.trials) }).trials
}

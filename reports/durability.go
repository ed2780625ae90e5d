package reports

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"orbitbench/harness/result"
)

// DurabilityTable prints the verdicts of durability passes for people. width is
// that of the terminal, 0 for none.
func DurabilityTable(w io.Writer, checks []result.Durability, width int) error {
	t := &textWriter{width: max(cmp.Or(width, defaultWidth), minWidth)}
	t.table(durabilityTable(checks))
	_, err := w.Write(t.buf.Bytes())
	return err
}

// durabilityTable has a row for each pass: syncs per acknowledgement of each
// phase, the calls that were made, and the verdict.
func durabilityTable(checks []result.Durability) *table {
	tab := &table{columns: []column{
		{head: "engine", left: true}, {head: "class", left: true},
		{group: "syncs per ack", head: "1 writer"}, {group: "syncs per ack", head: "8 writers"},
		{group: "calls", head: "with 1 writer", left: true},
		{group: "", head: "verdict", left: true},
	}}
	for _, d := range checks {
		row := tableRow{cells: []string{d.Engine, d.Durability, noFigure, noFigure, noFigure, d.Verdict}}
		for i, p := range d.Phases {
			if i < 2 {
				row.cells[2+i] = fmt.Sprintf("%.2f", p.SyncsPerAck)
			}
		}
		if len(d.Phases) > 0 {
			row.cells[4] = cmp.Or(callsText(d.Phases[0].Syncs), "none")
		}
		if d.Reason != "" {
			row.flags = []string{oneLine(d.Reason)}
		}
		if d.Verdict == result.DurabilityEarly {
			row.style = alarm
		}
		tab.rows = append(tab.rows, row)
	}
	return tab
}

// callsText lists kinds of calls with their counts, the most frequent first.
func callsText(calls map[string]int) string {
	var kinds []string
	for kind := range calls {
		kinds = append(kinds, kind)
	}
	slices.SortFunc(kinds, func(a, b string) int {
		return cmp.Or(cmp.Compare(calls[b], calls[a]), cmp.Compare(a, b))
	})
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", calls[kind], kind)
	}
	return strings.Join(kinds, ", ")
}

// promised sets what the trace found about the row's engine, and flags it where
// it broke its promise.
func (r *Report) promised(b *block, row *row) {
	d := r.Run.DurabilityOf(row.engine.Name, b.durability)
	if d == nil || !row.hasFigures() {
		return
	}
	row.promise = d
	if row.early() {
		row.flags = append(row.flags, notRanked(d))
	}
}

// notRanked is the flag of an engine that broke its promise.
func notRanked(d *result.Durability) string {
	return "NOT RANKED: it acknowledges before the promise of its class: " + oneLine(d.Reason)
}

// early reports whether the engine was seen to acknowledge before its promise.
func (r *row) early() bool { return r.promise != nil && r.promise.Verdict == result.DurabilityEarly }

// promises says of a block's engines what the trace found: one clause for those
// that were proven, with their syncs per acknowledgement, then one for each that
// was not. It is "" where no engine of the block was traced.
func (b *block) promises() string {
	var proven, others []string
	legend := ""
	for _, r := range b.rows {
		switch d := r.promise; {
		case d == nil:
		case d.Verdict == result.DurabilityProven:
			figures, what := perAck(d)
			proven = append(proven, r.name()+figures)
			legend = cmp.Or(legend, what)
		case d.Verdict == result.DurabilityNothing:
		default:
			text := r.name() + " " + d.Verdict
			if d.Reason != "" {
				text += " (" + shorten(oneLine(d.Reason), 200) + ")"
			}
			others = append(others, text)
		}
	}
	var parts []string
	if len(proven) > 0 {
		parts = append(parts, "proven for "+list(proven))
	}
	if parts = append(parts, others...); len(parts) == 0 {
		return ""
	}
	return "Promise of the class, traced apart from the figures" + legend + ": " + strings.Join(parts, "; ") + "."
}

// perAck is the syncs per acknowledgement in each phase, and what that is.
func perAck(d *result.Durability) (figures, legend string) {
	var counts, writers []string
	for _, p := range d.Phases {
		counts = append(counts, fmt.Sprintf("%.2f", p.SyncsPerAck))
		writers = append(writers, fmt.Sprint(p.Writers))
	}
	if len(counts) == 0 {
		return "", ""
	}
	return " (" + strings.Join(counts, ", ") + ")", " (syncs per acknowledgement with " + list(writers) + " writers)"
}

package reports

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"orbitbench/harness/result"
)

// The stores beside the leases have tables of their own: each with the
// operations that it has, so that no column mixes two loads.

// storeTitles are what the stores are called.
var storeTitles = map[string]string{
	result.KindNodes:      "cluster members",
	result.KindQueryCache: "query cache",
	result.KindTimeSeries: "time series",
}

// items are what the load's size counts.
func (b *block) items() string {
	switch b.kind {
	case result.KindNodes:
		return "nodes"
	case result.KindQueryCache:
		return "queries with entries"
	case result.KindTimeSeries:
		return "series with points"
	}
	return "leases"
}

// place is the durability of a block, with its store where that is not the leases'.
func (b *block) place() string {
	if result.IsStore(b.kind) {
		return b.durability + " (" + b.group + ")"
	}
	return b.durability
}

// nameOf is a block's name among those of its kind.
func (r *Report) nameOf(b *block) string {
	if result.IsStore(b.kind) {
		return b.place()
	}
	return r.blockName(b)
}

// storeTable is the table of one store under one durability.
func (r *Report) storeTable(b *block) *table {
	t := &table{columns: []column{{head: "engine", left: true}}}
	var shown []field
	add := func(f field) {
		shown = append(shown, f)
		t.columns = append(t.columns, f.column)
	}
	for i, op := range b.operations() {
		key := opKey{op, "ok"}
		add(field{column{op, "p50", false, 100 - 3*i}, quantileField(key, 0.5)})
		add(field{column{op, "p99", false, 99 - 3*i}, quantileField(key, 0.99)})
		add(field{column{op, "n", false, 60 - i}, countField(key)})
	}
	if b.kind == result.KindQueryCache {
		for _, outcome := range []string{"ok", "not_found", "expired", "evicted"} {
			add(field{column{"look-ups", lookUps[outcome], false, 80}, lookUpShare(outcome)})
		}
	}
	add(field{column{"", "rate", false, 70}, func(_ *Report, row *row) string {
		return medianField(row.achieved, func(v float64) string { return number(v) + "/s" })
	}})
	add(field{column{"memory", "used", false, 55}, func(_ *Report, row *row) string { return medianField(row.use.own, size) }})
	add(field{column{"resources", "disk", false, 40}, func(_ *Report, row *row) string { return medianField(row.use.disk, size) }})
	add(field{column{"resources", "wr.amp", false, 45}, func(_ *Report, row *row) string { return ratioField(row.use.writeAmplification()) }})
	if slices.ContainsFunc(b.rows, func(row *row) bool { return row.validity.judged > 0 }) {
		add(field{column{"", "validity", true, 65}, func(_ *Report, row *row) string { return row.validity.String() }})
	}
	for _, row := range b.rows {
		line := tableRow{cells: []string{row.name()}, flags: row.flags}
		if row.status == statusOK {
			for _, f := range shown {
				line.cells = append(line.cells, f.text(r, row))
			}
		} else {
			line.note, line.style = string(row.status)+": "+row.reason, dim
		}
		if row.status == statusFailed || len(row.losses) > 0 {
			line.style = alarm
		}
		t.rows = append(t.rows, line)
	}
	return t
}

// lookUps are the outcomes of a look-up in the query cache.
var lookUps = map[string]string{"ok": "hits", "not_found": "none", "expired": "expired", "evicted": "evicted"}

func lookUpShare(outcome string) func(*Report, *row) string {
	return func(_ *Report, r *row) string {
		all := uint64(0)
		for o := range lookUps {
			all += r.latency(opKey{"get", o}).count()
		}
		if all == 0 {
			return noFigure
		}
		return significant(100*float64(r.latency(opKey{"get", outcome}).count())/float64(all)) + "%"
	}
}

// operations are those that succeeded in any row, in a stable order.
func (b *block) operations() []string {
	var names []string
	for _, row := range b.rows {
		for _, k := range row.keys() {
			if k.outcome == "ok" && !slices.Contains(names, k.name) {
				names = append(names, k.name)
			}
		}
	}
	slices.SortFunc(names, func(x, y string) int {
		return slices.Index(operationOrder, x) - slices.Index(operationOrder, y)
	})
	return names
}

// textStore writes one store under one durability class and returns the columns
// it left out.
func (r *Report) textStore(t *textWriter, b *block) (dropped []column) {
	t.line(plain, "")
	t.line(bold, fmt.Sprintf("%s, %s: %s", strings.ToUpper(storeTitles[b.kind]), b.durability, classMeaning(b.durability)))
	t.paragraph("", b.load(), dim)
	t.line(plain, "")
	tab := r.storeTable(b)
	dropped = tab.fit(t.width)
	t.table(tab)
	if b.noise != nil {
		t.paragraph("", b.noise.String(), dim)
	}
	return dropped
}

func (r *Report) markdownStore(b *bytes.Buffer, bl *block) {
	fmt.Fprintf(b, "\n#### %s, %s: %s\n\n%s\n\n", escape(storeTitles[bl.kind]), escape(bl.durability), classMeaning(bl.durability), escape(bl.load()))
	writeMarkdownTable(b, r.storeTable(bl))
	b.WriteString("\n")
	for _, row := range bl.rows {
		for _, f := range row.flags {
			fmt.Fprintf(b, "- **%s**: %s\n", escape(row.name()), escape(f))
		}
	}
}

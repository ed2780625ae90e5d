package reports

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"orbitbench/harness/result"
	"orbitbench/reports/page"
)

// crashTested reports whether the run has a crash cell that was carried out.
func (r *Report) crashTested() bool {
	return r.crashes != nil && slices.ContainsFunc(r.crashes.rows, func(row CrashRow) bool {
		return slices.ContainsFunc(row.Cells, func(c CrashCell) bool { return c.Crash != nil })
	})
}

func (r *Report) crashSection() (page.Section, error) {
	s := page.Section{ID: "crash", Title: "Crash safety"}
	if r.crashes != nil {
		t, notes := r.crashPageTable()
		s.Parts = append(s.Parts, page.Part{Table: t})
		if len(notes) > 0 {
			part := page.Part{List: notes}
			if len(notes) > 12 {
				part.Folded = fmt.Sprintf("%d notes: findings, and what was not tested", len(notes))
			}
			s.Parts = append(s.Parts, part)
		}
	}
	if !r.crashTested() {
		s.Parts = append(s.Parts, page.Part{Text: "Crash states of the device: <strong>not tested</strong> in this run. Run <code>orbitbench crash</code>: it leaves each store in the states that a crash may leave and opens it again."})
	}
	if t := r.survivalTable(); len(t.Rows) > 0 {
		s.Parts = append(s.Parts, page.Part{Table: t})
	}
	return s, nil
}

const crashTable = "crash-matrix"

func crashAnchor(row CrashRow) string {
	return "crash-" + slug(row.Durability) + "-" + slug(row.Engine)
}

// anchors are where the engines of the matrix stand, by "NAME under DURABILITY"; an
// engine alone leads to its first row, and the total to the first row of all.
func (b *crashBlock) anchors() map[string]string {
	href := map[string]string{}
	for _, row := range b.rows {
		href[row.Engine+" under "+row.Durability] = "#" + crashAnchor(row)
		for _, name := range []string{row.Engine, "crashes"} {
			if href[name] == "" {
				href[name] = "#" + crashAnchor(row)
			}
		}
	}
	return href
}

// crashSigns are the marks of the matrix as the page shows them.
var crashSigns = map[CrashMark]string{CrashKept: "✓", CrashWithin: "½", CrashBroken: "✗", CrashKnown: "✗ known", CrashNotTested: "–", CrashFailed: "!"}

// crashPageTable is the matrix, each cell with its sign in words as well.
func (r *Report) crashPageTable() (*page.Table, []template.HTML) {
	t := &page.Table{ID: crashTable, Caption: sentence(r.crashes.totals()) + " ✓ kept everything that the class promises in every crash; ½ lost acknowledged commits, and only within the declared window; " +
		"✗ broke an invariant, and lost at most so many acknowledged commits in one crash; known: only by findings known of an engine that is not ours; – was not tested; ! the tool failed.",
		Columns: []page.Column{{Head: "engine", Left: true}, {Head: "class", Left: true}}}
	for _, m := range r.crashes.methods {
		t.Columns = append(t.Columns, page.Column{Group: "method", Head: m, Left: true})
	}
	t.Columns[1].Group = ""
	looks := r.styles()
	for _, row := range r.crashes.rows {
		line := page.Row{ID: crashAnchor(row), Engine: row.Engine, Glyph: looks[row.Engine].Shape.Mark(), Head: row.Engine, Cells: []page.Cell{{Text: row.Durability, Left: true}}}
		for _, c := range row.Cells {
			text := strings.TrimSpace(crashSigns[c.Mark] + " " + strings.TrimSpace(strings.TrimPrefix(c.Text, string(c.Mark))))
			if c.Mark == CrashNotTested {
				text = "– not tested"
			}
			line.Cells = append(line.Cells, page.Cell{Text: text, Left: true})
			line.Alarm = line.Alarm || c.Mark == CrashBroken
		}
		t.Rows = append(t.Rows, line)
	}
	_, texts := r.crashes.table()
	var notes []template.HTML
	for _, n := range texts {
		notes = append(notes, template.HTML(template.HTMLEscapeString(n)))
	}
	return t, notes
}

// crashStates sums up the crash cells of an engine under a class.
func (r *Report) crashStates(engine, durability string) string {
	if r.crashes == nil {
		return "– not tested: orbitbench crash"
	}
	passed, tested, worst := 0, 0, CrashKept
	order := []CrashMark{CrashKept, CrashWithin, CrashKnown, CrashFailed, CrashBroken}
	for _, row := range r.crashes.rows {
		if row.Engine != engine || row.Durability != durability {
			continue
		}
		for _, c := range row.Cells {
			if c.Mark == CrashNotTested {
				continue
			}
			if slices.Index(order, c.Mark) > slices.Index(order, worst) {
				worst = c.Mark
			}
			if c.Crash != nil {
				passed, tested = passed+c.Crash.Passed, tested+c.Crash.Tested
			}
		}
	}
	if tested == 0 && worst == CrashKept {
		return "– not tested: orbitbench crash"
	}
	return fmt.Sprintf("%s %d/%d", crashSigns[worst], passed, tested)
}

// checkCrash is the crash matrix in one state.
func (r *Report) checkCrash() page.Check {
	c := page.Check{State: isOpen, Name: "Crash states of the device", Text: "Not tested: run orbitbench crash.", Href: "#crash"}
	if !r.crashTested() {
		return c
	}
	c.State, c.Text = isGood, sentence(r.crashes.totals())
	for _, row := range r.crashes.rows {
		for _, cell := range row.Cells {
			switch {
			case cell.Mark == CrashBroken:
				c.State, c.Text = isBad, sentence(r.crashes.verdict())
			case (cell.Mark == CrashFailed || cell.Mark == CrashKnown) && c.State == isGood:
				c.State = isDoubt
			}
		}
	}
	return c
}

// survivalTable says what each engine survived under each class: kills, and what
// the checks found after a clean close.
func (r *Report) survivalTable() *page.Table {
	t := &page.Table{ID: "survival", Caption: "What was checked of what had been acknowledged. ✓ n/n: all n survived; ✗: some did not. A missing test says so.",
		Columns: []page.Column{{Head: "engine", Left: true}, {Head: "class", Left: true}, {Head: "kill -9, then every lease", Left: true}, {Head: "clean close, then every record", Left: true},
			{Head: "promise of the class, traced", Left: true}, {Head: "crash states", Left: true}}}
	for _, b := range r.allBlocks() {
		for _, row := range b.rows {
			if row.hasFigures() || len(row.losses) > 0 {
				t.Rows = append(t.Rows, r.crashRow(b, row))
			}
		}
	}
	return t
}

func (r *Report) crashRow(b *block, row *row) page.Row {
	kills := "– not tested in this class"
	if n := len(row.recovery.firstRead); n > 0 {
		kills = fmt.Sprintf("✓ %d/%d kills, %s leases compared", n, n, number(float64(row.recovery.acknowledged)))
		if row.recovery.lost > 0 {
			kills = fmt.Sprintf("✗ lost %d of %d acknowledged", row.recovery.lost, row.recovery.acknowledged)
			if classOf(b.durability) == "none" {
				kills = "– nothing is promised"
			}
		}
	}
	closed, checked := "– not checked", 0
	for _, c := range r.cellsOf(b, row) {
		if c.Check != nil {
			checked += c.Check.Records
			closed = fmt.Sprintf("✓ %s compared", number(float64(checked)))
		}
	}
	if len(row.losses) > 0 {
		closed = "✗ " + list(row.losses)
	}
	promise := "– not traced"
	if d := row.promise; d != nil {
		promise = map[string]string{result.DurabilityProven: "✓ ", result.DurabilityEarly: "✗ "}[d.Verdict] + d.Verdict
	}
	left := func(s string) page.Cell { return page.Cell{Text: s, Left: true} }
	cells := []page.Cell{left(r.nameOf(b)), left(kills), left(closed), left(promise), left(r.crashStates(row.engine.Name, b.durability))}
	return page.Row{Engine: row.engine.Name, Glyph: r.glyph(row), Head: row.name(), Cells: cells, Alarm: len(row.losses) > 0 || row.early()}
}

package reports

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"orbitbench/harness/result"
)

// crashPrefix begins the names of the workloads of crash cells; the method follows.
const crashPrefix = "crash-"

const crashLegend = "Crashes: v kept everything its class promises in all of them; half lost acknowledged commits, and only within the declared window; " +
	"x broke an invariant, and lost at most so many acknowledged commits in one crash; known is x where every finding is a known one about an engine that is not ours; - was not tested."

// CrashMark says how an engine stood a method.
type CrashMark string

// The marks of the crash matrix.
const (
	CrashKept      CrashMark = "v"     // all invariants in every crash
	CrashWithin    CrashMark = "half"  // losses within the declared window only
	CrashBroken    CrashMark = "x"     // a violation
	CrashKnown     CrashMark = "known" // violations that are known findings only
	CrashNotTested CrashMark = "-"     // Text says why
	CrashFailed    CrashMark = "!"     // the tool failed; Text says how
)

// CrashCell is one field of the crash matrix. Text is the whole of what a table
// shows, mark included; Why explains a mark that is not v.
type CrashCell struct {
	Method string
	Mark   CrashMark
	Text   string
	Why    []string
	Crash  *result.Crash // nil where nothing was tested
}

// CrashRow is an engine under a durability class, with a cell for every method of
// the matrix.
type CrashRow struct {
	Engine, Durability string
	Cells              []CrashCell
}

// crashBlock is the crash matrix of a run.
type crashBlock struct {
	methods []string
	rows    []CrashRow
}

// Crashes returns the crash matrix, with its methods in order; no rows where the
// run has no crash cells.
func (r *Report) Crashes() (methods []string, rows []CrashRow) {
	if r.crashes == nil {
		return nil, nil
	}
	return r.crashes.methods, r.crashes.rows
}

func (r *Report) crashesOnly() bool {
	return len(r.Run.Plan) > 0 && !slices.ContainsFunc(r.Run.Plan, func(p result.PlanCell) bool { return !strings.HasPrefix(p.Workload, crashPrefix) })
}

// crashMatrix joins the crash cells by engine and class.
func (r *Report) crashMatrix(items []item) *crashBlock {
	b := &crashBlock{}
	type place struct{ engine, durability string }
	cells := map[place]map[string]CrashCell{}
	var order []place
	for _, it := range items {
		if it.kind != result.KindCrash {
			continue
		}
		method := strings.TrimPrefix(it.plan.Workload, crashPrefix)
		if !slices.Contains(b.methods, method) {
			b.methods = append(b.methods, method)
		}
		at := place{it.plan.Engine, it.plan.Durability}
		if cells[at] == nil {
			cells[at], order = map[string]CrashCell{}, append(order, at)
		}
		cells[at][method] = crashCell(method, it.cell)
	}
	for _, at := range order {
		row := CrashRow{Engine: at.engine, Durability: at.durability}
		for _, m := range b.methods {
			c, ok := cells[at][m]
			if !ok {
				c = CrashCell{Method: m, Mark: CrashNotTested, Text: "-"}
			}
			row.Cells = append(row.Cells, c)
		}
		b.rows = append(b.rows, row)
	}
	if len(b.rows) == 0 {
		return nil
	}
	slices.SortStableFunc(b.rows, func(x, y CrashRow) int { return classRank(y.Durability) - classRank(x.Durability) })
	return b
}

func crashCell(method string, c *result.Cell) CrashCell {
	out := CrashCell{Method: method, Mark: CrashNotTested, Text: "-"}
	switch {
	case c == nil:
		out.Why = []string{"the run ended before this cell"}
		return out
	case c.Status == result.Skipped:
		out.Why = []string{"not tested: " + orUnknown(c.Reason)}
		return out
	case c.Status == result.Failed:
		out.Mark, out.Text, out.Why = CrashFailed, "! failed", []string{"failed: " + orUnknown(c.Reason)}
		if c.Crash == nil || c.Crash.Unknown() == 0 {
			return out
		}
	}
	k := c.Crash
	out.Crash = k
	switch {
	case k.Unknown() > 0:
		out.Mark, out.Text = CrashBroken, fmt.Sprintf("x %d/%d, lost %d", k.Passed, k.Tested, k.LostMax)
	case len(k.Findings) > 0:
		out.Mark, out.Text = CrashKnown, fmt.Sprintf("known %d/%d, lost %d", k.Passed, k.Tested, k.LostMax)
	case k.Within > 0:
		out.Mark, out.Text = CrashWithin, fmt.Sprintf("half %d/%d, at most %s", k.Passed, k.Tested, duration(float64(k.LostAgeMaxNs)))
		out.Why = []string{fmt.Sprintf("%s lost acknowledged commits, the oldest %s old, all within what the class declares",
			plural(k.Within, k.Unit), duration(float64(k.LostAgeMaxNs)))}
	default:
		out.Mark, out.Text = CrashKept, fmt.Sprintf("v %d/%d", k.Passed, k.Tested)
	}
	for _, f := range k.Findings {
		out.Why = append(out.Why, crashFinding(k, &f))
	}
	if k.NotMounted > 0 {
		out.Why = append(out.Why, fmt.Sprintf("%s would not mount, and say nothing about the engine", plural(k.NotMounted, k.Unit)))
	}
	return out
}

func crashFinding(k *result.Crash, f *result.CrashFinding) string {
	text := fmt.Sprintf("%s broke %s (%s), in the first %d of %d acknowledged commits were lost: %s; %s",
		plural(f.Count, k.Unit), f.Invariant, oneLine(f.Pattern), f.Lost, f.Acked, shorten(oneLine(f.Detail), 200), shorten(oneLine(f.Where), 300))
	if f.Known != "" {
		text += "; known: " + oneLine(f.Known)
	}
	if f.Replay != "" {
		text += "; replay: " + f.Replay
	}
	return text
}

// table is the matrix; what its fields do not say stands in notes.
func (b *crashBlock) table() (t *table, notes []string) {
	t = &table{columns: []column{{head: "engine", left: true}, {head: "class", left: true}}}
	for _, m := range b.methods {
		t.columns = append(t.columns, column{head: m, left: true})
	}
	said := map[string]bool{}
	for _, row := range b.rows {
		line := tableRow{cells: []string{row.Engine, row.Durability}}
		for _, c := range row.Cells {
			line.cells = append(line.cells, c.Text)
			if c.Mark == CrashBroken || c.Mark == CrashFailed {
				line.style = alarm
			}
			for _, why := range c.Why {
				note := fmt.Sprintf("%s, %s, %s: %s", row.Engine, row.Durability, c.Method, why)
				if c.Mark == CrashNotTested { // the same for every engine, as a rule
					note = fmt.Sprintf("%s %s", c.Method, why)
				}
				if !said[note] {
					notes = append(notes, note)
				}
				said[note] = true
			}
		}
		t.rows = append(t.rows, line)
	}
	return t, notes
}

func (b *crashBlock) totals() string {
	crashes, commits, broken, known := 0, 0, 0, 0
	var took time.Duration
	for _, row := range b.rows {
		for _, c := range row.Cells {
			if c.Crash == nil {
				continue
			}
			crashes, commits, took = crashes+c.Crash.Tested, commits+c.Crash.Commits, took+time.Duration(c.Crash.Seconds*1e9)
			broken += c.Crash.Unknown()
			known += len(c.Crash.Findings) - c.Crash.Unknown()
		}
	}
	return fmt.Sprintf("%d crashes after %s acknowledged commits, in %s: %s, %s", crashes, number(float64(commits)), duration(float64(took)),
		plural(broken, "sort")+" of violation", plural(known, "known finding"))
}

func (r *Report) textCrashes(t *textWriter) []column {
	t.line(plain, "")
	t.line(bold, "CRASHES: "+r.crashes.totals())
	t.line(plain, "")
	matrix, notes := r.crashes.table()
	dropped := matrix.fit(t.width)
	t.table(matrix)
	for _, n := range notes {
		t.paragraph("  ", n, plain)
	}
	return dropped
}

func (r *Report) markdownCrashes(w *bytes.Buffer) {
	fmt.Fprintf(w, "\n#### Crashes\n\n%s\n\n", escape(r.crashes.totals()))
	matrix, notes := r.crashes.table()
	writeMarkdownTable(w, matrix)
	w.WriteString("\n")
	for _, n := range notes {
		fmt.Fprintf(w, "- %s\n", escape(n))
	}
}

// verdict is one sentence, without its full stop.
func (b *crashBlock) verdict() string {
	var broken []string
	for _, row := range b.rows {
		for _, c := range row.Cells {
			if c.Mark == CrashBroken {
				broken = append(broken, fmt.Sprintf("%s under %s (%s)", row.Engine, row.Durability, c.Method))
			}
		}
	}
	if len(broken) > 0 {
		return "crashes: an invariant was broken by " + strings.Join(broken, ", ")
	}
	return "crashes: " + b.totals()
}

package reports

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
)

// markdownLimit is what a pull request comment takes, in bytes.
const markdownLimit = 64 << 10

// Markdown writes the report for a pull request or a step summary: the verdict
// in the first line, a table per durability class, the rest folded, then the
// environment and the command. It stays below 64 KB; what had to be left out
// for that is named. Its only errors are those of w.
func (r *Report) Markdown(w io.Writer) error {
	full := r.markdown(true)
	if len(full) >= markdownLimit {
		full = r.markdown(false)
	}
	if len(full) >= markdownLimit {
		cut := bytes.LastIndexByte(full[:markdownLimit-200], '\n')
		full = append(full[:cut:cut], "\n\nCut here: the report is longer than a comment may be; table.csv has every figure.\n"...)
	}
	_, err := w.Write(full)
	return err
}

func (r *Report) markdown(details bool) []byte {
	b := new(bytes.Buffer)
	fmt.Fprintf(b, "### orbitbench: %s\n\n", escape(r.Verdict()))
	if claims := r.Claims(); claims != "" {
		fmt.Fprintf(b, "%s\n\n", escape(claims))
	}
	for _, f := range r.facts() {
		fmt.Fprintf(b, "- %s: %s\n", f.name, escape(f.text))
	}
	for _, bl := range r.blocks {
		r.markdownBlock(b, bl)
	}
	for _, bl := range r.stores {
		r.markdownStore(b, bl)
	}
	for _, bl := range r.capacityBlocks {
		r.markdownCapacity(b, bl)
	}
	for _, bl := range r.curveBlocks {
		r.markdownCurve(b, bl)
	}
	if r.crashes != nil {
		r.markdownCrashes(b)
	}
	b.WriteString("\n")
	for _, note := range r.legend() {
		fmt.Fprintf(b, "%s\n", escape(note))
	}
	b.WriteString("\n")
	for _, p := range r.pictures() {
		fmt.Fprintf(b, "![%s](%s.svg)\n", escape(p.alt), p.name)
	}
	if len(r.warnings) > 0 {
		r.markdownWarnings(b, details)
	}
	if details {
		r.markdownOperations(b)
		r.markdownEngines(b)
	} else {
		b.WriteString("\nThe operations and the engines' configurations are left out to stay below 64 KB; table.csv has every figure.\n")
	}
	r.markdownEnvironment(b)
	return b.Bytes()
}

func (r *Report) markdownBlock(b *bytes.Buffer, bl *block) {
	fmt.Fprintf(b, "\n#### %s: %s\n\n%s\n\n", escape(r.blockName(bl)), classMeaning(bl.durability), escape(bl.load()))
	full := r.comparison(bl)
	writeMarkdownTable(b, full.only(func(c column) bool { return c.group != "resources" && c.group != "machine" }))
	b.WriteString("\n")
	for _, row := range bl.rows {
		for _, f := range row.flags {
			fmt.Fprintf(b, "- **%s**: %s\n", escape(row.name()), escape(f))
		}
	}
	if promises := bl.promises(); promises != "" {
		fmt.Fprintf(b, "\n%s\n", escape(promises))
	}
	if bl.noise != nil {
		fmt.Fprintf(b, "\n%s\n", escape(bl.noise.String()))
	}
	if claims, notes := r.claimsTable(bl); claims != nil {
		b.WriteString("\nClaimed against measured:\n\n")
		writeMarkdownTable(b, claims)
		b.WriteString("\n")
		for _, n := range notes {
			fmt.Fprintf(b, "- %s\n", escape(n))
		}
	}
	resources := full.only(func(c column) bool { return c.group == "resources" || c.group == "machine" })
	if len(resources.columns) > 1 {
		fmt.Fprintf(b, "\n<details><summary>Resources</summary>\n\n")
		writeMarkdownTable(b, resources)
		b.WriteString("\n</details>\n")
	}
}

// only returns the table with the columns that keep accepts; the first column
// and the rows that are a note remain.
func (t *table) only(keep func(column) bool) *table {
	out := &table{}
	for i, c := range t.columns {
		if i == 0 || keep(c) {
			out.columns = append(out.columns, c)
		}
	}
	for _, r := range t.rows {
		line := tableRow{note: r.note}
		for i, text := range r.cells {
			if i == 0 || keep(t.columns[i]) {
				line.cells = append(line.cells, text)
			}
		}
		out.rows = append(out.rows, line)
	}
	return out
}

func writeMarkdownTable(b *bytes.Buffer, t *table) {
	rule := "|"
	for _, c := range t.columns {
		b.WriteString("| " + escape(c.name()) + " ")
		if c.left {
			rule += " --- |"
		} else {
			rule += " ---: |"
		}
	}
	b.WriteString("|\n" + rule + "\n")
	for _, r := range t.rows {
		cells := r.cells
		if r.note != "" {
			cells = append([]string{r.cells[0], r.note}, make([]string, max(0, len(t.columns)-2))...)
		}
		for _, c := range cells {
			b.WriteString("| " + escape(c) + " ")
		}
		b.WriteString("|\n")
	}
}

// escape makes text safe in Markdown, table cells included: no character of
// it is markup.
func escape(s string) string {
	return markdownEscapes.Replace(oneLine(s))
}

var markdownEscapes = strings.NewReplacer(
	`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`)

func (r *Report) markdownWarnings(b *bytes.Buffer, all bool) {
	fmt.Fprintf(b, "\n<details><summary>%s</summary>\n\n", plural(len(r.warnings), "warning"))
	for i, w := range r.warnings {
		if !all && i == 20 {
			fmt.Fprintf(b, "- and %d more, see the cells\n", len(r.warnings)-i)
			break
		}
		fmt.Fprintf(b, "- %s\n", escape(shorten(w, 400)))
	}
	b.WriteString("\n</details>\n")
}

// markdownOperations lists every operation and outcome.
func (r *Report) markdownOperations(b *bytes.Buffer) {
	b.WriteString("\n<details><summary>Every operation and outcome</summary>\n")
	for _, bl := range r.allBlocks() {
		t := &table{columns: []column{
			{head: "engine", left: true}, {head: "operation", left: true}, {head: "outcome", left: true}, {head: "n"},
			{head: "p50"}, {head: "p90"}, {head: "p99"}, {head: "p99.9"}, {head: "p99.99"}, {head: "max"}, {head: "service p50"}, {head: "service p99"},
		}}
		for _, row := range bl.rows {
			for _, k := range row.keys() {
				o := row.ops[k]
				line := tableRow{cells: []string{row.name(), k.name, k.outcome, number(float64(o.latency.count()))}}
				for _, q := range []float64{.5, .9, .99, .999, .9999} {
					line.cells = append(line.cells, quantileText(o.latency, q))
				}
				line.cells = append(line.cells, quantileText(o.latency, 1), quantileText(o.service, .5), quantileText(o.service, .99))
				t.rows = append(t.rows, line)
			}
		}
		if len(t.rows) > 0 {
			fmt.Fprintf(b, "\n%s:\n\n", escape(r.nameOf(bl)))
			writeMarkdownTable(b, t)
		}
	}
	b.WriteString("\n</details>\n")
}

// operationOrder is the order in which operations are listed; others follow by name.
var operationOrder = []string{"renew", "acquire", "append", "get", "put", "list", "range", "update", "store", "remove", "release"}

// keys returns the row's operations that have samples, in a stable order.
func (r *row) keys() []opKey {
	var keys []opKey
	for k, o := range r.ops {
		if o.latency.count() > 0 {
			keys = append(keys, k)
		}
	}
	rank := func(name string) int {
		if i := slices.Index(operationOrder, name); i >= 0 {
			return i
		}
		return len(operationOrder)
	}
	slices.SortFunc(keys, func(a, b opKey) int {
		if d := rank(a.name) - rank(b.name); d != 0 {
			return d
		}
		if a.name != b.name {
			return strings.Compare(a.name, b.name)
		}
		if (a.outcome == "ok") != (b.outcome == "ok") {
			if a.outcome == "ok" {
				return -1
			}
			return 1
		}
		return strings.Compare(a.outcome, b.outcome)
	})
	return keys
}

func (r *Report) markdownEngines(b *bytes.Buffer) {
	b.WriteString("\n<details><summary>Engines and how they are configured</summary>\n\n")
	for _, e := range r.Run.Engines {
		fmt.Fprintf(b, "- **%s** (%s, %s): %s", escape(e.Name), escape(e.Role), escape(e.Module), escape(e.Summary))
		if e.Configuration != "" {
			fmt.Fprintf(b, " Configuration: %s", escape(e.Configuration))
		}
		if e.Complexity != nil && e.Complexity.Note != "" {
			fmt.Fprintf(b, " Complexity: %s.", escape(strings.TrimSuffix(e.Complexity.Note, ".")))
		}
		if e.VisibleBeforeDurable {
			b.WriteString(" Shows a commit to readers before it is durable.")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n</details>\n")
}

// environment lists what the run was made on and with.
func (r *Report) environment() []fact {
	e := r.Run.Environment
	tool := r.Run.Tool
	commit := tool.Commit
	if tool.Modified {
		commit += " with uncommitted changes"
	}
	rows := []fact{
		{"CPU", fmt.Sprintf("%s, %d usable, governor %s", e.CPUModel, e.CPUs, orNone(e.Governor))},
		{"memory", size(float64(e.MemoryBytes))},
		{"cgroup limits", fmt.Sprintf("CPU %s, memory %s", orNone(e.CgroupCPU), orNone(e.CgroupMemory))},
		{"system", fmt.Sprintf("%s, kernel %s, %s, virtualization %s", e.OS, e.Kernel, e.Arch, orNone(e.Virtualization))},
		{"load average at start", fmt.Sprintf("%.2f %.2f %.2f", e.LoadAverage[0], e.LoadAverage[1], e.LoadAverage[2])},
		{"file system", fmt.Sprintf("%s on %s (%s), %s free", e.FileSystem, e.MountSource, e.MountOptions, size(float64(e.FreeDiskBytes)))},
		{"device", fmt.Sprintf("%s %s, write cache %s, scheduler %s", orNone(e.Device), e.DeviceModel, orNone(e.WriteCache), orNone(e.Scheduler))},
		{"program", fmt.Sprintf("orbitbench %s, commit %s, %s", tool.Version, orNone(commit), tool.GoVersion)},
		{"seed", fmt.Sprint(r.Run.Seed)},
		{"run directory", r.Dir},
	}
	if len(e.Variables) > 0 {
		var set []string
		for k, v := range e.Variables {
			set = append(set, k+"="+v)
		}
		slices.Sort(set)
		rows = append(rows, fact{"variables", strings.Join(set, " ")})
	}
	for _, f := range r.Run.Doctor {
		text := f.Status + ": " + f.Found
		if f.Remedy != "" {
			text += "; " + f.Remedy
		}
		rows = append(rows, fact{"doctor " + f.Check, text})
	}
	return rows
}

func (r *Report) markdownEnvironment(b *bytes.Buffer) {
	b.WriteString("\n<details><summary>Environment</summary>\n\n| | |\n| --- | --- |\n")
	for _, f := range r.environment() {
		fmt.Fprintf(b, "| %s | %s |\n", escape(f.name), escape(f.text))
	}
	b.WriteString("\n</details>\n\nCommand:\n\n")
	fmt.Fprintf(b, "    %s\n", r.command())
}

func orNone(s string) string {
	if s == "" {
		return "not known"
	}
	return s
}

// quoteWord quotes a word for a POSIX shell where it needs it.
func quoteWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_=./:,@+%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

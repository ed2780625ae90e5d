package reports

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"orbitbench/harness/result"
)

// TextOptions says how the terminal rendering is laid out.
type TextOptions struct {
	// Width is the width of the terminal in characters; 0 means 120. Columns
	// that do not fit are left out and named. Below 60 it is taken as 60.
	Width int
	// Color allows ANSI escape sequences.
	Color bool
}

const (
	defaultWidth = 120
	minWidth     = 60
)

// textWriter lays out lines of text.
type textWriter struct {
	buf   bytes.Buffer
	width int
	color bool
}

// Text writes the comparison for a terminal: where it was measured, a table
// for each durability class, the doubts, and last the verdict and the path of
// the full report. Its only errors are those of w.
func (r *Report) Text(w io.Writer, o TextOptions) error {
	t := &textWriter{width: max(o.Width, minWidth), color: o.Color}
	if o.Width == 0 {
		t.width = defaultWidth
	}
	t.line(bold, r.title())
	for _, f := range r.facts() {
		t.paragraph(fmt.Sprintf("%-9s", f.name), f.text, plain)
	}
	var dropped []column
	for _, b := range r.blocks {
		dropped = append(dropped, r.textBlock(t, b)...)
	}
	for _, b := range r.stores {
		dropped = append(dropped, r.textStore(t, b)...)
	}
	for _, b := range r.capacityBlocks {
		dropped = append(dropped, r.textCapacity(t, b)...)
	}
	for _, b := range r.curveBlocks {
		dropped = append(dropped, r.textCurve(t, b)...)
	}
	if r.crashes != nil {
		dropped = append(dropped, r.textCrashes(t)...)
	}
	t.line(plain, "")
	for _, note := range r.legend() {
		t.paragraph("", note, dim)
	}
	if len(dropped) > 0 {
		t.paragraph("", fmt.Sprintf("Left out at this width (%d): %s. table.csv has every column.", t.width, columnNames(dropped)), dim)
	}
	r.textWarnings(t)
	t.line(plain, "")
	if claims := r.Claims(); claims != "" {
		t.paragraph("", claims, plain)
	}
	t.paragraph("", r.Verdict(), bold)
	t.line(plain, "report: "+filepath.Join(r.Dir, Dir, htmlFile))
	_, err := w.Write(t.buf.Bytes())
	return err
}

// bold is a style of whole lines only.
const bold style = 100

var escapes = map[style]string{bold: "\x1b[1m", dim: "\x1b[2m", alarm: "\x1b[31m"}

func (t *textWriter) line(s style, text string) {
	text = strings.TrimRight(text, " ")
	if e := escapes[s]; t.color && e != "" && text != "" {
		text = e + text + "\x1b[0m"
	}
	t.buf.WriteString(text + "\n")
}

// paragraph wraps text at the width; lines after the first are indented to the
// width of head.
func (t *textWriter) paragraph(head, text string, s style) {
	indent := strings.Repeat(" ", len(head))
	line, empty := head, true
	for _, word := range wrapWords(text) {
		if !empty && len(line)+1+len(word) > t.width {
			t.line(s, line)
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	t.line(s, line)
}

// wrapWords splits text where a line may break: between words, but not between
// a number and its unit.
func wrapWords(text string) []string {
	var words []string
	for _, w := range strings.Fields(text) {
		if n := len(words); n > 0 && strings.Contains("0123456789", words[n-1][len(words[n-1])-1:]) && isUnit(w) {
			words[n-1] += " " + w
			continue
		}
		words = append(words, w)
	}
	return words
}

func isUnit(word string) bool {
	word = strings.TrimRight(word, ",.;:)")
	switch word {
	case "k", "M", "G", "k/s", "M/s", "KiB", "MiB", "x":
		return true
	}
	return slices.ContainsFunc(slices.Concat(timeUnits, byteUnits), func(u unit) bool { return u.name == word })
}

// title names the run and stamps a preview.
func (r *Report) title() string {
	title := "orbitbench " + r.Run.Profile
	if r.Run.Preview {
		title += "   PREVIEW: too short to be more than a look"
	}
	return title
}

// fact is a named line about the whole run.
type fact struct{ name, text string }

// facts are the machine, the device's floor and what the harness costs.
func (r *Report) facts() []fact {
	e := r.Run.Environment
	device := e.Device
	if device == "" {
		device = e.MountSource
	}
	if e.WriteCache != "" {
		device += " (" + e.WriteCache + ")"
	}
	facts := []fact{{"machine", fmt.Sprintf("%s, %s, %s; %s, kernel %s; %s on %s", e.CPUModel, plural(e.CPUs, "CPU"),
		size(float64(e.MemoryBytes)), e.OS, e.Kernel, e.FileSystem, device)}}
	if r.crashesOnly() {
		return facts // nothing was timed
	}
	var floors []string
	for _, kind := range []string{result.FloorOverwrite, result.FloorAppend} {
		if f := r.floors[kind]; f != nil && f.dist.count() > 0 {
			floors = append(floors, f.describe(kind))
		}
	}
	if len(floors) == 0 {
		floors = []string{"not measured"}
	}
	facts = append(facts, fact{"floor", strings.Join(floors, "; ")})
	harness := "overhead not measured"
	if o := r.Run.Overhead; o != nil {
		harness = fmt.Sprintf("%s and %.3g allocations per operation on a no-op engine; %s give %s of one",
			duration(o.PerOpNs), o.AllocPerOp, plural(o.Threads, "thread"), factor(o.Speedup))
	}
	facts = append(facts, fact{"harness", harness})
	if wrong := r.wrong(); wrong != "" {
		facts = append(facts, fact{"doctor", wrong})
	}
	return facts
}

func (f *floor) describe(kind string) string {
	what := fmt.Sprintf("durable overwrite of %s", sizeChosen(f.bytes))
	if kind == result.FloorAppend {
		what = fmt.Sprintf("append of %s + fdatasync", sizeChosen(f.bytes))
	}
	return fmt.Sprintf("%s p50 %s, p99 %s (%s in %s)", what, quantileText(f.dist, .5), quantileText(f.dist, .99),
		number(float64(f.dist.count())), plural(f.probes, "probe"))
}

// textBlock writes one durability class and returns the columns it left out.
func (r *Report) textBlock(t *textWriter, b *block) (dropped []column) {
	t.line(plain, "")
	t.line(bold, fmt.Sprintf("%s: %s", strings.ToUpper(classOf(b.durability))+strings.TrimPrefix(b.durability, classOf(b.durability)), classMeaning(b.durability)))
	t.paragraph("", b.load(), dim)
	t.line(plain, "")
	main := r.comparison(b)
	dropped = main.fit(t.width)
	t.table(main)
	if promises := b.promises(); promises != "" {
		t.paragraph("", promises, dim)
	}
	if b.noise != nil {
		t.paragraph("", b.noise.String(), dim)
	}
	if claims, notes := r.claimsTable(b); claims != nil {
		t.line(plain, "")
		for _, c := range claims.fit(t.width) {
			dropped = append(dropped, column{group: "claimed " + c.group, head: c.head})
		}
		t.table(claims)
		for _, n := range notes {
			t.paragraph("", n, dim)
		}
	}
	return dropped
}

// columnNames lists columns by group: "memory per M; resources disk, CPU/op".
func columnNames(columns []column) string {
	var groups []string
	heads := map[string][]string{}
	for _, c := range columns {
		if heads[c.group] == nil {
			groups = append(groups, c.group)
		}
		if !slices.Contains(heads[c.group], c.head) {
			heads[c.group] = append(heads[c.group], c.head)
		}
	}
	slices.Sort(groups)
	for i, g := range groups {
		groups[i] = strings.TrimSpace(g + " " + strings.Join(heads[g], ", "))
	}
	return strings.Join(groups, "; ")
}

// load describes what was done to every engine of the block.
func (b *block) load() string {
	p := b.params
	if p == nil {
		return b.workload + b.recoveryText()
	}
	text := fmt.Sprintf("%s: %s %s of %s, %s, %s keys", b.workload, round(float64(p.Actors)), b.items(), sizeChosen(p.ValueBytes), mixText(p.Mix), p.Distribution)
	return text + "; " + b.loop() + ", " + b.trialText() + b.recoveryText()
}

// recoveryText says what was recovered, "" where nothing was.
func (b *block) recoveryText() string {
	kills := 0
	var v *recovery
	for _, r := range b.rows {
		if n := len(r.recovery.firstRead); n > 0 {
			v, kills = &r.recovery, max(kills, n)
		}
	}
	if v == nil {
		return ""
	}
	text := fmt.Sprintf("; recovery of %s leases, %s cache", round(float64(v.leases)), v.cache)
	if kills > 1 {
		text += fmt.Sprintf(", median of %d kills", kills)
	}
	return text
}

// loop says how the load was offered, and from when a latency runs.
func (b *block) loop() string {
	p := b.params
	if p.Loop == "closed" {
		return fmt.Sprintf("closed loop of %s, latency from the call", plural(p.Workers, "worker"))
	}
	return fmt.Sprintf("open loop at %s/s, latency from the intended start, %s", round(p.RatePerS), plural(p.Workers, "worker"))
}

func (b *block) trialText() string {
	least, most := 0, 0
	for _, r := range b.rows {
		if r.trials > 0 && (least == 0 || r.trials < least) {
			least = r.trials
		}
		most = max(most, r.trials)
	}
	text := plural(most, "trial")
	if least != most {
		text = fmt.Sprintf("%d to %s", least, text)
	}
	return text + " of " + seconds(b.params.Seconds)
}

// mixText lists the operations of a mix, the most frequent first.
func mixText(mix map[string]float64) string {
	var names []string
	for name, share := range mix {
		if share > 0 {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if mix[a] != mix[b] {
			if mix[a] > mix[b] {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %.4g%%", name, 100*mix[name])
	}
	return strings.Join(names, " ")
}

// table writes a table with a line of groups, a line of heads, and its rows.
func (t *textWriter) table(tab *table) {
	widths := tab.widths()
	var groups, heads strings.Builder
	at := 0
	for i, c := range tab.columns {
		at += tab.gap(i)
		if c.group != "" && (i == 0 || tab.columns[i-1].group != c.group) {
			pad(&groups, at)
			groups.WriteString(c.group)
		}
		pad(&heads, at)
		heads.WriteString(align(c.head, widths[i], c.left))
		at += widths[i]
	}
	t.line(dim, groups.String())
	t.line(dim, heads.String())
	for _, r := range tab.rows {
		t.row(tab, widths, r)
	}
}

func (t *textWriter) row(tab *table, widths []int, r tableRow) {
	if r.note != "" {
		t.paragraph(align(r.cells[0], widths[0], true)+"   ", r.note, r.style)
	} else {
		var line strings.Builder
		at := 0
		for i, c := range tab.columns {
			at += tab.gap(i)
			pad(&line, at)
			line.WriteString(align(r.cells[i], widths[i], c.left))
			at += widths[i]
		}
		t.line(r.style, line.String())
	}
	for _, f := range r.flags {
		t.paragraph("  ! ", f, alarm)
	}
}

// pad fills b with blanks up to column n; where b is longer, with one.
func pad(b *strings.Builder, n int) {
	if b.Len() >= n && b.Len() > 0 && n > 0 {
		b.WriteString(" ")
		return
	}
	b.WriteString(strings.Repeat(" ", n-b.Len()))
}

func align(s string, width int, left bool) string {
	blanks := strings.Repeat(" ", max(0, width-len(s)))
	if left {
		return s + blanks
	}
	return blanks + s
}

// legend explains what the tables abbreviate.
func (r *Report) legend() []string {
	const percentiles = "percentiles of the trials' merged histograms; n is samples; " + fewMark + " marks fewer than 10 samples above the percentile"
	var notes []string
	switch {
	case len(r.blocks) > 0 || len(r.stores)+len(r.capacityBlocks)+len(r.curveBlocks) == 0 && r.crashes == nil:
		notes = []string{
			"Write is renew, read is get, outcome ok; " + percentiles + "; /floor is write p50 over the floor's.",
			"Recovery is kill -9, then exec to the first verified read. Memory is resident minus harness and minus mapped pages of the store's files, which stand apart, and the same per million leases. " +
				"Complexity is shown by proxies: lines of code, modules drawn in.",
		}
	case len(r.stores) > 0:
		notes = []string{"Operations with outcome ok; " + percentiles + ". Memory is resident minus harness and minus mapped pages of the store's files."}
	}
	if slices.ContainsFunc(r.stores, func(b *block) bool { return b.kind == result.KindQueryCache }) {
		notes = append(notes, "Look-ups: none is a query that was never put, expired one whose time to live was over, evicted one that an engine which declares so had dropped.")
	}
	if len(r.capacityBlocks) > 0 {
		notes = append(notes, capacityLegend)
	}
	if len(r.curveBlocks) > 0 {
		notes = append(notes, curveLegend)
	}
	if r.crashes != nil {
		notes = append(notes, crashLegend)
	}
	return notes
}

const maxTextWarnings = 8

func (r *Report) textWarnings(t *textWriter) {
	if len(r.warnings) == 0 {
		return
	}
	t.line(plain, "")
	for i, w := range r.warnings {
		if i == maxTextWarnings {
			t.line(plain, fmt.Sprintf("warning: and %d more in report.md", len(r.warnings)-i))
			break
		}
		t.paragraph("warning: ", w, plain)
	}
}

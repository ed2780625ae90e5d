package reports

import (
	"fmt"
	"html/template"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"orbitbench/harness/result"
	"orbitbench/reports/chart"
	"orbitbench/reports/explain"
	"orbitbench/reports/page"
)

// htmlFile is the report as one page that holds everything it shows.
const htmlFile = "index.html"

// HTML writes the report as one page: what [Report.Markdown] says, with the
// pictures, the timeline, the chooser and the data in it. Its errors are those
// of w.
func (r *Report) HTML(w io.Writer) error {
	p, err := r.page()
	if err != nil {
		return err
	}
	return page.Render(w, p)
}

// page says what stands in the report, in the order in which it is read.
func (r *Report) page() (*page.Page, error) {
	var names []string
	looks := r.styles()
	p := &page.Page{Title: r.finding(), Subtitle: r.pageSubtitle(), Stamp: r.stamp(), Alarms: r.pageAlarms(), Lead: r.lead(), Validity: r.validity()}
	for _, e := range r.Run.Engines {
		names = append(names, e.Name)
		p.Engines = append(p.Engines, page.Engine{Name: e.Name, Glyph: looks[e.Name].Shape.Mark()})
	}
	p.Palette = template.CSS(chart.Palette(names))
	for _, c := range r.decision() {
		p.Decision = append(p.Decision, r.linked(c.text, c.block))
	}
	choice := r.choice()
	build := []func() (page.Section, error){
		r.claimsSection, r.comparisonSection, r.percentileSection, r.capacitySection, r.timelineSection, r.recoverySection,
		r.resourcesSection, r.crashSection, r.storeSection,
		func() (page.Section, error) { return r.chooserSection(choice), nil },
		r.caveatSection, r.environmentSection, r.glossarySection,
	}
	for _, f := range build {
		s, err := f()
		if err != nil {
			return nil, err
		}
		if len(s.Parts) > 0 {
			p.Sections = append(p.Sections, s)
		}
	}
	p.Data = r.pageData(names, choice)
	return p, nil
}

// pageData is what the page's script reads, and what a machine that finds the
// page alone can read of it.
func (r *Report) pageData(engines []string, choice *choiceData) any {
	type figure struct {
		Engine     string              `json:"engine"`
		Durability string              `json:"durability"`
		Workload   string              `json:"workload"`
		Status     string              `json:"status"`
		Trials     int                 `json:"trials"`
		Metrics    map[string]*float64 `json:"metrics,omitempty"` // ns, bytes or ratios
	}
	figures := []figure{}
	for _, b := range r.blocks {
		for _, row := range b.rows {
			f := figure{row.name(), b.durability, b.workload, string(row.status), row.trials, nil}
			for _, m := range metrics {
				if v, ok := m.value(row); ok && row.hasFigures() {
					if f.Metrics == nil {
						f.Metrics = map[string]*float64{}
					}
					f.Metrics[m.key] = &v
				}
			}
			figures = append(figures, f)
		}
	}
	if engines == nil {
		engines = []string{}
	}
	return struct {
		Schema  int         `json:"schema"`
		Seed    string      `json:"seed"`
		Commit  string      `json:"commit"`
		Engines []string    `json:"engines"`
		Figures []figure    `json:"figures"`
		Chooser *choiceData `json:"chooser"`
	}{1, fmt.Sprint(r.Run.Seed), r.Run.Tool.Commit, engines, figures, choice}
}

func (r *Report) pageSubtitle() string {
	parts := []string{plural(len(r.Run.Engines), "engine"), "profile " + r.Run.Profile, r.Run.Started.UTC().Format("2 January 2006 15:04 UTC")}
	if e := r.Run.Environment; e.CPUModel != "" {
		parts = append(parts, fmt.Sprintf("%s, %s", e.CPUModel, plural(e.CPUs, "CPU")), fmt.Sprintf("%s on %s", e.FileSystem, orNone(e.Device)))
	}
	if r.Run.Preview {
		parts = append(parts, "too short to be more than a look")
	}
	return strings.Join(parts, " · ")
}

func (r *Report) pageAlarms() []template.HTML {
	var out []template.HTML
	for _, l := range r.DataLoss() {
		engine, _, _ := strings.Cut(l, " ")
		text := "Data loss: " + l + "."
		if i := slices.IndexFunc(r.allBlocks(), func(b *block) bool { return strings.Contains(l, " under "+b.place()+" ") }); i >= 0 {
			out = append(out, r.linked(text, r.allBlocks()[i]))
			continue
		}
		out = append(out, linkedTo(text, map[string]string{engine: "#survival"}, "crash"))
	}
	for _, b := range r.allBlocks() {
		for _, row := range b.rows {
			if row.early() {
				out = append(out, r.linked(fmt.Sprintf("%s under %s acknowledges before the promise of its class.", row.name(), b.place()), b))
			}
		}
	}
	if r.Run.Interrupted {
		out = append(out, "The run was interrupted: it is not whole.")
	}
	return out
}

// figure makes a chart a part of the page, with the data that it shows.
func inline(id string, f *chart.Figure, data *page.Table, see string) (page.Part, error) {
	svg, err := f.Inline(id)
	if err != nil {
		return page.Part{}, fmt.Errorf("picture %s: %w", id, err)
	}
	return page.Part{Figure: &page.Figure{SVG: template.HTML(svg), Caption: f.Title, Data: data, See: see}}, nil
}

// slug makes a name fit for an anchor.
func slug(s string) string { return strings.Trim(strings.Map(fileRune, strings.ToLower(s)), "-") }

// blockAnchor is where a block's table stands.
func (r *Report) blockAnchor(b *block) string { return "class-" + slug(r.nameOf(b)) }

// anchor is where the figures of a row stand.
func (r *Report) anchor(b *block, row *row) string {
	return slug(r.nameOf(b)) + "-" + slug(row.name())
}

// claimsAnchor is where a block's claims are judged.
func (r *Report) claimsAnchor(b *block) string { return "claims-" + slug(r.nameOf(b)) }

// capacityAnchor is where an engine's capacity stands.
func capacityAnchor(b *capacityBlock, row *capacityRow) string {
	return "capacity-" + slug(b.workload) + "-" + slug(b.durability) + "-" + slug(row.engine.Name)
}

// curveAnchor is where a point of a recovery curve stands.
func curveAnchor(b *curveBlock, p *curvePoint) string {
	return slug(p.workload) + "-" + slug(b.durability) + "-" + slug(p.engine.Name)
}

func glossaryHref(key string) string { return "#explain-" + slug(key) }

func (r *Report) environmentSection() (page.Section, error) {
	s := page.Section{ID: "environment", Title: "Environment and command"}
	t := &page.Table{Caption: "Where and with what the run was made", Plain: true, Columns: []page.Column{{Head: "what", Left: true}, {Head: "found", Left: true}}}
	for _, f := range append(r.facts(), r.environment()...) {
		t.Rows = append(t.Rows, page.Row{Head: f.name, Note: oneLine(f.text)})
	}
	s.Parts = append(s.Parts, page.Part{Heading: "The exact command", Code: r.command()})
	s.Parts = append(s.Parts, page.Part{Table: t})
	if parts := r.partsTable(); len(parts.Rows) > 0 {
		s.Parts = append(s.Parts, page.Part{Heading: "Other runs in this report", ID: "runs", Table: parts})
	}
	if m := r.Run.Tool.Modules; len(m) > 0 {
		t := &page.Table{Caption: "Engine libraries", Plain: true, Columns: []page.Column{{Head: "module", Left: true}, {Head: "version", Left: true}}}
		for _, name := range sortedKeys(m) {
			t.Rows = append(t.Rows, page.Row{Head: name, Note: m[name]})
		}
		s.Parts = append(s.Parts, page.Part{Folded: "Versions of the engine libraries", Table: t})
	}
	return s, nil
}

// glossarySection explains what the page's heads link to.
func (r *Report) glossarySection() (page.Section, error) {
	s := page.Section{ID: "glossary", Title: "What the words mean"}
	s.Parts = append(s.Parts, page.Part{Text: "The same texts are printed by <code>orbitbench explain NAME</code>."})
	entries := explain.Static()
	for _, e := range r.Run.Engines {
		entries = append(entries, explain.OfEngine(e))
	}
	titles := map[string]string{explain.Metric: "Metrics", explain.Class: "Durability classes", explain.Workload: "Workloads", explain.Engine: "Engines and how they are configured"}
	for _, kind := range explain.Kinds {
		var terms []page.Term
		for _, e := range entries {
			if e.Kind == kind {
				id := "explain-" + slug(e.Name)
				if kind == explain.Engine {
					id = "engine-" + slug(e.Name)
				}
				terms = append(terms, page.Term{ID: id, Name: e.Name, Text: e.Text, Source: e.Source})
			}
		}
		if len(terms) > 0 {
			s.Parts = append(s.Parts, page.Part{Folded: titles[kind], Terms: terms})
		}
	}
	return s, nil
}

func (r *Report) caveatSection() (page.Section, error) {
	s := page.Section{ID: "caveats", Title: "Caveats"}
	var list []template.HTML
	for _, c := range caveats {
		list = append(list, template.HTML(template.HTMLEscapeString(c)))
	}
	s.Parts = append(s.Parts, page.Part{List: list})
	if len(r.warnings) > 0 {
		var warnings []template.HTML
		for _, w := range r.warnings {
			warnings = append(warnings, template.HTML(template.HTMLEscapeString(shorten(w, 600))))
		}
		s.Parts = append(s.Parts, page.Part{Folded: plural(len(r.warnings), "warning") + " of this run", List: warnings})
	}
	return s, nil
}

// caveats hold for every run.
var caveats = []string{
	"A run is one machine in one hour. Virtual machines drift by 15% and more; trials are interleaved for that reason.",
	"A device that acknowledges a flush before it is durable looks fast here; only a power cut shows it. The floor is printed so that an implausible one can be seen.",
	"Recovery is tested by kill -9, which loses the memory of the process and not the page cache of the kernel.",
	"The design note gives no durability class, data size, load or hardware for its ranges; each is judged in every class that was measured.",
	"Lines, modules and options are proxies of complexity, and C++ below a binding is not counted.",
	"The processor time of the load generator is part of every cell, and on a small machine part of its load.",
	"The engines are embedded: replication, consensus and object stores are not compared.",
}

func (r *Report) storeSection() (page.Section, error) {
	s := page.Section{ID: "stores", Title: "The stores beside the leases"}
	for _, b := range r.stores {
		t := r.pageTable(r.storeTable(b), "Operations of the "+storeTitles[b.kind]+" under "+b.durability+": "+b.load(), func(i int) (string, *row) { return r.anchor(b, b.rows[i]), b.rows[i] })
		s.Parts = append(s.Parts, page.Part{Heading: storeTitles[b.kind] + ", " + b.durability + ": " + classMeaning(b.durability), ID: r.blockAnchor(b), Table: t})
	}
	return s, nil
}

func (r *Report) chooserSection(d *choiceData) page.Section {
	s := page.Section{ID: "chooser-section", Title: "Chooser"}
	if d == nil {
		s.Parts = append(s.Parts, page.Part{Text: "No class has two engines that can be ranked: there is nothing to choose from."})
		return s
	}
	s.Parts = append(s.Parts, r.chooserPart(d))
	return s
}

// partsTable lists the runs that stand in the report of this one.
func (r *Report) partsTable() *page.Table {
	t := &page.Table{Caption: "Runs of the same machine whose cells stand in this report. Each was ranked within itself, and has its own hour.", Plain: true,
		Columns: []page.Column{{Head: "run", Left: true}, {Head: "started", Left: true}, {Head: "cells"}, {Head: "build", Left: true}, {Head: "load average"}, {Head: "command", Left: true}}}
	for _, p := range r.parts {
		load := p.run.Environment.LoadAverage
		t.Rows = append(t.Rows, page.Row{Head: filepath.Base(p.dir), Cells: []page.Cell{{Text: p.run.Started.UTC().Format("2006-01-02 15:04 UTC"), Left: true}, {Text: fmt.Sprint(len(p.run.Plan))},
			{Text: shortCommit(p.run.Tool.Commit), Left: true}, {Text: fmt.Sprintf("%.2f", load[0])}, {Text: quoted(p.run.CommandLine), Left: true}}})
	}
	return t
}

// command is the command line of the run, quoted for a shell.
func (r *Report) command() string { return quoted(r.Run.CommandLine) }

// quoted is a command line fit for a shell, the program by its name alone.
func quoted(command []string) string {
	var words []string
	for i, word := range command {
		if i == 0 {
			word = filepath.Base(word)
		}
		words = append(words, quoteWord(oneLine(word)))
	}
	return strings.Join(words, " ")
}

// cellsOf are the cells of a row that were carried out.
func (r *Report) cellsOf(b *block, row *row) []*result.Cell {
	var out []*result.Cell
	for _, c := range r.Cells {
		if c.Engine == row.engine.Name && c.Workload == b.workload && c.Durability == b.durability && c.Status == result.OK && c.ControlOf == "" && (row.path == "" || c.Path == row.path) {
			out = append(out, c)
		}
	}
	return out
}

func (r *Report) glyph(row *row) string { return r.styles()[row.engine.Name].Shape.Mark() }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Package page lays out the HTML report: one file that holds its style, its
// script, its pictures and its data, and asks nothing of the network. It knows
// nothing of results: whoever renders a [Page] says what stands in it.
//
// Everything that a reader needs is in the markup. The script adds sorting,
// filters and the chooser, and nothing is missing without it.
package page

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
)

// Page is the whole report.
type Page struct {
	Title    string
	Subtitle string
	Stamp    string          // "PREVIEW", or ""
	Alarms   []template.HTML // what no reader may miss
	Lead     []template.HTML // the verdict, a sentence each
	Decision []template.HTML // the answer to the design note's question, a sentence each
	Validity []Check
	Engines  []Engine // for the filter
	Sections []Section
	Palette  template.CSS // colours as custom properties
	Data     any          // for the script and for machines; JSON
}

// Check is one precondition of a valid comparison.
type Check struct {
	State string // good, doubt, bad or open
	Name  string
	Text  string
	Href  string // where it is shown, "" for nowhere
}

// Engine is one entry of the filter.
type Engine struct{ Name, Glyph string }

// Section is a part of the report with a heading of its own.
type Section struct {
	ID, Title string
	Parts     []Part
}

// Part is one thing in a section: what is set of it is shown, in this order.
type Part struct {
	Heading string
	ID      string // anchor of the heading
	Text    template.HTML
	Figure  *Figure
	Table   *Table
	List    []template.HTML
	Terms   []Term
	Code    string
	Chooser *Chooser
	Folded  string // a summary: all of the part is folded under it
}

// Figure is a picture with the data that it shows.
type Figure struct {
	SVG     template.HTML
	Caption string
	Data    *Table // nil: the table beside it has the data
	See     string // where the data is, without Data
}

// Table is a table that can be sorted by its columns.
type Table struct {
	ID, Caption string
	Columns     []Column
	Rows        []Row
	Plain       bool // no sorting
}

// Column is a column's head. Columns of a group stand side by side.
type Column struct {
	Group, Head string
	Href        string // where it is explained
	Left        bool
}

// Group is a run of columns with the same group.
type Group struct {
	Name string
	Span int
}

// Groups are the runs of columns from the second on; nil where none has a name.
func (t *Table) Groups() []Group {
	var out []Group
	named := false
	for _, c := range t.Columns[1:] {
		named = named || c.Group != ""
		if n := len(out); n > 0 && out[n-1].Name == c.Group {
			out[n-1].Span++
			continue
		}
		out = append(out, Group{c.Group, 1})
	}
	if !named {
		return nil
	}
	return out
}

// Row is a line of a table. Where Note is set it stands in place of the cells.
type Row struct {
	ID     string
	Engine string // whose it is, for the filter
	Head   string
	Glyph  string
	Cells  []Cell
	Note   string
	Alarm  bool
	Flags  []string
}

// Cell is one figure.
type Cell struct {
	Text string
	Subs []string // smaller, below it
	Sort string   // what sorting compares, a number; "" sorts last
	Best bool
	Href string
	Left bool
}

// Term is an entry of the glossary.
type Term struct {
	ID, Name string
	Text     string
	Source   string
}

// Chooser is the ranking by weights, as it is before anybody moves a slider.
type Chooser struct {
	Class      string // that is ranked at first
	Classes    []string
	Components []Component
	Ranking    *Table
	Flips      []string
	Excluded   []string
}

// Component is a slider with a hard limit beside it.
type Component struct {
	Key, Name, Unit, Href string
	Weight                float64
}

//go:embed page.html style.css script.js
var files embed.FS

var layout = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"file": func(name string) (string, error) {
		raw, err := files.ReadFile(name)
		return string(raw), err
	},
	"css":  func(s string) template.CSS { return template.CSS(s) },
	"js":   func(s string) template.JS { return template.JS(s) },
	"icon": func(state string) string { return map[string]string{"good": "✓", "doubt": "!", "bad": "✗"}[state] },
	"word": func(state string) string {
		return map[string]string{"good": "good", "doubt": "doubt", "bad": "failed"}[state]
	},
	"rest": func(c []Column) int { return max(1, len(c)-1) },
}).ParseFS(files, "page.html"))

// Render writes the page. Its errors are those of w and of data that is no JSON.
func Render(w io.Writer, p *Page) error {
	raw, err := json.Marshal(p.Data) // escapes <, > and &: it cannot end its own element
	if err != nil {
		return fmt.Errorf("the report's data: %w", err)
	}
	return layout.Execute(w, struct {
		*Page
		JSON template.JS
	}{p, template.JS(raw)})
}

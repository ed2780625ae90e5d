package reports

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"orbitbench/reports/chart"
)

// Dir is the directory within a run directory that holds the renderings.
const Dir = "report"

// The files within Dir, beside the charts.
const (
	markdownFile = "report.md"
	textFile     = "table.txt"
	csvFile      = "table.csv"
	capacityFile = "capacity.csv"
	curveFile    = "recovery_curve.csv"
	timelineFile = "timeline.csv"
)

// Write renders the run in dir into dir/report and returns the paths of what it
// wrote, index.html first. Each file is replaced whole or not at all. An
// unfinished or partly failed run is rendered and says so; input that is missing
// or damaged is an error that names its file (see [Load]), and then nothing is written.
func Write(dir string) (index []string, err error) {
	r, err := Load(dir)
	if err != nil {
		return nil, err
	}
	return r.Write()
}

// Write is the package's [Write] for a run that is already loaded.
func (r *Report) Write() (index []string, err error) {
	out := filepath.Join(r.Dir, Dir)
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	type rendering struct {
		name   string
		render func(io.Writer) error
	}
	all := []rendering{
		{htmlFile, r.HTML},
		{markdownFile, r.Markdown},
		{textFile, func(w io.Writer) error { return r.Text(w, TextOptions{}) }},
		{csvFile, r.CSV},
	}
	if len(r.capacityBlocks) > 0 {
		all = append(all, rendering{capacityFile, r.capacityCSV})
	}
	if len(r.curveBlocks) > 0 {
		all = append(all, rendering{curveFile, r.curveCSV})
	}
	if r.hasSeconds() {
		all = append(all, rendering{timelineFile, r.timelineCSV})
	}
	for _, p := range r.pictures() {
		figure := p.draw()
		all = append(all,
			rendering{p.name + ".svg", figure.SVG},
			rendering{p.name + ".png", figure.PNG})
	}
	for _, a := range all {
		path := filepath.Join(out, a.name)
		var buf bytes.Buffer
		if err := a.render(&buf); err != nil {
			return index, fmt.Errorf("%s: %w", path, err)
		}
		if err := replace(path, buf.Bytes()); err != nil {
			return index, err
		}
		index = append(index, path)
	}
	return index, nil
}

// replace writes a file beside path and renames it over path: a reader finds
// the old file or the new one, whole. It is not synced: a report can be made again.
func replace(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// picture is one chart of the report.
type picture struct {
	name string // of its files, without suffix
	alt  string // what it shows, for those who do not see it
	draw func() *chart.Figure
}

// pictures lists the charts: percentiles and claims of the first load, and the
// same for each further load of the run with its name behind.
func (r *Report) pictures() []picture {
	var out []picture
	for i, b := range r.capacityBlocks {
		suffix := ""
		if i > 0 {
			suffix = "-" + strings.Map(fileRune, b.workload+"-"+b.durability)
		}
		out = append(out, picture{"knee" + suffix, "Latency against throughput under " + b.durability, func() *chart.Figure { return r.kneeChart(b) }})
	}
	for i, b := range r.curveBlocks {
		suffix := ""
		if i > 0 {
			suffix = "-" + strings.Map(fileRune, b.durability)
		}
		out = append(out, picture{"recovery" + suffix, "Recovery time against store size under " + b.durability, func() *chart.Figure { return r.curveChart(b) }})
	}
	if len(r.blocks) == 0 && (len(out) > 0 || r.crashes != nil) {
		return out
	}
	for i, group := range r.groups() {
		suffix := ""
		if i > 0 {
			suffix = "-" + strings.Map(fileRune, group)
		}
		out = append(out,
			picture{"percentiles" + suffix, "Latency of renewals by percentile", func() *chart.Figure { return r.percentileChart(group) }},
			picture{"claims" + suffix, "Claimed against measured", func() *chart.Figure { return r.claimsChart(group) }})
		if b := r.timelineBlock(group); b != nil {
			out = append(out, picture{"timeline" + suffix, "Latency of renewals over time", func() *chart.Figure { return r.timelineChart(b) }})
		}
		if b := r.resourcesBlock(group); b != nil {
			out = append(out, picture{"resources" + suffix, "What each engine uses", func() *chart.Figure { return r.resourcesChart(b) }})
		}
	}
	return out
}

// fileRune keeps of a name what is safe in a file name.
func fileRune(c rune) rune {
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' {
		return c
	}
	return '-'
}

// groups are the loads of the run, in order; a run without cells has one
// without a name, so that its charts say that nothing was measured.
func (r *Report) groups() []string {
	var names []string
	for _, b := range r.blocks {
		if len(names) == 0 || names[len(names)-1] != b.group {
			names = append(names, b.group)
		}
	}
	if len(names) == 0 {
		return []string{""}
	}
	return names
}

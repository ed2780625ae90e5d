package reports

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orbitbench/harness/result"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// troubled is a run in which much goes wrong, loaded under a path that is the
// same on every machine.
func troubled(t *testing.T) *Report {
	t.Helper()
	dir := writeRun(t, []string{"appendlog", "rocksdb", "pebble", "bbolt", "memory"}, 1, func(c *result.Cell) bool {
		switch c.Engine + " " + c.Workload {
		case "rocksdb orbit-default-open":
			c.Status, c.Reason, c.Measure = result.Failed, "open: no space left on device", nil
		case "pebble orbit-default-open":
			c.Measure.AchievedPerS = 1312
			c.Warnings = []string{"the generator's lag is 7% of p50"}
		case "bbolt orbit-default-recovery":
			c.Recovery.Repetitions[0].Lost = 17
		case "appendlog orbit-default-recovery":
			return false
		}
		return true
	}, nil)
	t.Chdir(filepath.Dir(dir))
	return load(t, "run")
}

// golden compares with testdata/NAME, or writes it under -update.
func golden(t *testing.T, name string, render func(io.Writer) error) {
	t.Helper()
	var got bytes.Buffer
	require.NoError(t, render(&got))
	_, source, _, _ := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(source), "testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String(), "differs from %s; -update accepts it", name)
}

func TestGolden(t *testing.T) {
	r := troubled(t)
	golden(t, "table.txt", func(w io.Writer) error { return r.Text(w, TextOptions{}) })
	golden(t, "report.md", r.Markdown)
	golden(t, "table.csv", r.CSV)
	if runtime.GOARCH != "amd64" {
		t.Skip("places in the charts are compared on amd64 only: other machines fuse multiplications and round differently")
	}
	golden(t, "claims.svg", r.claimsChart("orbit-default").SVG)
	golden(t, "percentiles.svg", r.percentileChart("orbit-default").SVG)
	golden(t, "timeline.svg", r.timelineChart(r.timelineBlock("orbit-default")).SVG)
	golden(t, "resources.svg", r.resourcesChart(r.resourcesBlock("orbit-default")).SVG)
}

func TestTextFitsItsWidthAndNamesWhatItLeavesOut(t *testing.T) {
	r := troubled(t)
	for width := 60; width <= 200; width += 5 {
		var b bytes.Buffer
		require.NoError(t, r.Text(&b, TextOptions{Width: width}))
		for _, line := range strings.Split(b.String(), "\n") {
			require.LessOrEqual(t, len(line), width, "at width %d: %s", width, line)
		}
		require.Contains(t, b.String(), "Left out at this width")
		require.Contains(t, b.String(), "PREVIEW")
		require.Contains(t, b.String(), "failed: open: no space left on device")
	}
}

func TestTextShowsEverythingWhereThereIsRoom(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, troubled(t).Text(&b, TextOptions{Width: 400}))
	require.NotContains(t, b.String(), "Left out at this width")
	for _, head := range []string{"wr.amp", "sp.amp", "CPU/op", "goroutines", "cgo"} {
		require.Contains(t, b.String(), head)
	}
}

func TestTextColorIsOnlyColor(t *testing.T) {
	r := troubled(t)
	var plainText, colored bytes.Buffer
	require.NoError(t, r.Text(&plainText, TextOptions{Width: 100}))
	require.NoError(t, r.Text(&colored, TextOptions{Width: 100, Color: true}))
	require.NotContains(t, plainText.String(), "\x1b")
	require.Contains(t, colored.String(), "\x1b[31m")
	require.Equal(t, plainText.String(), regexp.MustCompile("\x1b\\[[0-9]+m").ReplaceAllString(colored.String(), ""))
}

func TestMarkdownBeginsWithTheVerdictAndStaysSmall(t *testing.T) {
	var b bytes.Buffer
	r := troubled(t)
	require.NoError(t, r.Markdown(&b))
	first, _, _ := strings.Cut(b.String(), "\n")
	require.Equal(t, "### orbitbench: "+escape(r.Verdict()), first)
	require.Less(t, b.Len(), markdownLimit)

	for i := range 3000 {
		r.warnings = append(r.warnings, fmt.Sprintf("warning %d %s", i, strings.Repeat("x", 300)))
	}
	b.Reset()
	require.NoError(t, r.Markdown(&b))
	require.Less(t, b.Len(), markdownLimit)
	require.Contains(t, b.String(), "left out to stay below 64 KB")
	require.Contains(t, b.String(), "Command:")

	for _, bl := range r.blocks {
		for _, row := range bl.rows {
			row.flags = append(row.flags, strings.Repeat("y", 20_000))
		}
	}
	b.Reset()
	require.NoError(t, r.Markdown(&b))
	require.Less(t, b.Len(), markdownLimit)
	require.Contains(t, b.String(), "Cut here")
}

func TestReasonsCannotBreakATable(t *testing.T) {
	const nasty = "a|b\n<script>*x*`y`"
	r := load(t, writeRun(t, []string{"appendlog", "pebble"}, 1, func(c *result.Cell) bool {
		if c.Engine == "pebble" {
			c.Status, c.Reason = result.Failed, nasty
		}
		return true
	}, nil))
	var b bytes.Buffer
	require.NoError(t, r.Markdown(&b))
	require.NotContains(t, b.String(), "<script>")
	var columns int
	for _, line := range strings.Split(b.String(), "\n") {
		if strings.HasPrefix(line, "|") {
			n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
			if strings.HasPrefix(line, "| engine") || strings.HasPrefix(line, "| | |") {
				columns = n
			}
			require.Equal(t, columns, n, line)
		}
	}
}

func TestCSVHoldsRawFiguresWithUnits(t *testing.T) {
	r := troubled(t)
	var b bytes.Buffer
	require.NoError(t, r.CSV(&b))
	lines, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	index := map[string]int{}
	for i, name := range lines[0] {
		require.NotContains(t, index, name)
		index[name] = i
	}
	unit := regexp.MustCompile(`_(ns|bytes|per_s|ratio)$`)
	engines := map[string]bool{}
	seen := map[string]bool{}
	for _, l := range lines[1:] {
		get := func(name string) string { return l[index[name]] }
		id := strings.Join([]string{get("engine"), get("durability"), get("op"), get("outcome")}, " ")
		require.False(t, seen[id], "%s stands twice", id)
		seen[id] = true
		engines[get("class")+" "+get("engine")] = true
		for name, i := range index {
			if unit.MatchString(name) && l[i] != "" {
				_, err := strconv.ParseFloat(l[i], 64)
				require.NoError(t, err, name)
			}
		}
		if get("status") == "ok" {
			require.Equal(t, "100", strconv.Itoa(100*len(get("trials"))))
			want := r.find(get("durability"), get("engine")).latency(opKey{get("op"), get("outcome")})
			ns, _ := want.quantile(.99)
			require.Equal(t, strconv.FormatInt(ns, 10), get("p99_ns"))
		} else {
			require.NotEmpty(t, get("reason"))
			require.Empty(t, get("p50_ns"))
		}
		require.Equal(t, writes[get("op")], get("p50_to_floor_ratio") != "", id)
	}
	require.Len(t, engines, 10, "every engine in every class")
	require.True(t, seen["appendlog sync renew conflict"])
	require.True(t, seen["appendlog sync acquire ok"])
}

func (r *Report) find(durability, engine string) *row {
	for _, b := range r.blocks {
		for _, row := range b.rows {
			if b.durability == durability && row.engine.Name == engine {
				return row
			}
		}
	}
	return nil
}

func TestWriteMakesEveryFileWhole(t *testing.T) {
	r := troubled(t)
	index, err := Write("run")
	require.NoError(t, err)
	want := []string{"index.html", "report.md", "table.txt", "table.csv", "timeline.csv", "percentiles.svg", "percentiles.png", "claims.svg", "claims.png",
		"timeline.svg", "timeline.png", "resources.svg", "resources.png"}
	for i := range want {
		want[i] = filepath.Join("run", "report", want[i])
	}
	require.Equal(t, want, index)
	entries, err := os.ReadDir(filepath.Join("run", "report"))
	require.NoError(t, err)
	require.Len(t, entries, len(want), "nothing else, no temporary file")

	first := map[string][]byte{}
	for _, path := range index {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		first[path] = raw
		switch filepath.Ext(path) {
		case ".png":
			img, err := png.Decode(bytes.NewReader(raw))
			require.NoError(t, err)
			require.Equal(t, 1583, img.Bounds().Dx())
		case ".svg":
			require.NoError(t, wellFormed(raw))
			require.Contains(t, string(raw), `role="img"`)
			require.Contains(t, string(raw), "'Liberation Sans',Arial,Helvetica,sans-serif")
			require.NotContains(t, string(raw), "font-family:Liberation Sans;")
			require.NotContains(t, string(raw), "NaN")
		}
	}
	_, err = r.Write()
	require.NoError(t, err)
	for path, raw := range first {
		again, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(raw, again), "%s differs when rendered again", path)
	}
}

func wellFormed(raw []byte) error {
	d := xml.NewDecoder(bytes.NewReader(raw))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// TestEveryShapeOfRunIsRendered renders runs of which little or nothing is there.
func TestEveryShapeOfRunIsRendered(t *testing.T) {
	drop := func(*result.Cell) bool { return false }
	only := func(kind, durability string) func(*result.Cell) bool {
		return func(c *result.Cell) bool { return c.Kind == kind && c.Durability == durability }
	}
	for name, c := range map[string]struct {
		engines []string
		edit    func(*result.Cell) bool
		run     func(*result.Run)
		want    string
	}{
		"no engines":      {nil, nil, func(r *result.Run) { r.Finished = nil }, "no renewal cell was planned"},
		"nothing ran yet": {[]string{"appendlog", "pebble"}, drop, func(r *result.Run) { r.Finished = nil }, "no valid cell to rank"},
		"all failed": {[]string{"appendlog"}, func(c *result.Cell) bool {
			c.Status, c.Reason, c.Measure, c.Recovery = result.Failed, "no", nil, nil
			return true
		}, nil, "no valid cell to rank (1 failed)"},
		"recovery alone": {[]string{"appendlog"}, only(result.KindRecovery, "sync"), func(r *result.Run) {
			r.Plan = r.Plan[2:3]
		}, "no renewal cell was planned"},
		"one class": {[]string{"appendlog", "memory"}, only(result.KindRenewal, "process"), func(r *result.Run) {
			r.Plan, r.Overhead, r.Floors = r.Plan[:1], nil, nil
		}, "(one trial, no winner"},
		"a few operations": {[]string{"appendlog"}, func(c *result.Cell) bool {
			if c.Measure != nil {
				c.Measure.Ops = []result.OpResult{{Op: "renew", Outcome: "ok", Latency: values(1)}}
			}
			return true
		}, nil, "1 ns* (one trial, no winner"},
		"no operation": {[]string{"appendlog"}, func(c *result.Cell) bool {
			if c.Measure != nil {
				c.Measure.Ops, c.Resources = nil, nil
			}
			return true
		}, nil, "no renewal succeeded"},
		"out of every range": {[]string{"appendlog"}, func(c *result.Cell) bool {
			if c.Measure != nil {
				c.Measure.Ops = []result.OpResult{{Op: "renew", Outcome: "ok", Latency: result.Latency{OutOfRange: 5}}}
			}
			return true
		}, nil, "no renewal succeeded"},
		"unknown engine": {[]string{"appendlog"}, nil, func(r *result.Run) {
			r.Engines = append(r.Engines, result.Engine{Name: "etcd", Title: "etcd", Role: "yardstick", Claim: "nobody's"})
		}, "PREVIEW"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeRun(t, c.engines, 1, c.edit, c.run)
			r := load(t, dir)
			require.Contains(t, r.Verdict(), c.want)
			renderings := []func(io.Writer) error{r.HTML, r.Markdown, r.CSV, r.timelineCSV, func(w io.Writer) error { return r.Text(w, TextOptions{}) }}
			for _, p := range r.pictures() {
				renderings = append(renderings, p.draw().SVG)
			}
			for _, render := range renderings {
				var b bytes.Buffer
				require.NoError(t, render(&b))
				require.NotContains(t, b.String(), "NaN")
				require.NotContains(t, b.String(), "%!")
			}
		})
	}
}

func TestEachLoadHasItsCharts(t *testing.T) {
	dir := writeRun(t, []string{"appendlog"}, 1, nil, nil)
	cells, err := result.ReadCells(dir)
	require.NoError(t, err)
	run, err := result.ReadRun(dir)
	require.NoError(t, err)
	for _, c := range cells {
		c.Key, c.Workload = "k8s-"+c.Key, strings.Replace(c.Workload, "orbit-default", "k8s/node", 1)
		require.NoError(t, result.WriteCell(dir, c))
		run.Plan = append(run.Plan, c.PlanCell)
	}
	require.NoError(t, result.WriteRun(dir, run))
	index, err := Write(dir)
	require.NoError(t, err)
	require.Contains(t, index, filepath.Join(dir, Dir, "percentiles-k8s-node.svg"))
	r := load(t, dir)
	require.Contains(t, r.Verdict(), "sync (k8s/node-open): appendlog is the only engine that can be ranked")
	require.Len(t, r.blocks, 4)
	require.NotEmpty(t, r.blocks[3].rows[0].recovery.firstRead, "a recovery belongs to its own load")
}

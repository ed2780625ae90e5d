package history

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"orbitbench/reports"
	"orbitbench/reports/compare"
	"orbitbench/reports/stats"
)

// Alpha is the chance that a change is found in a series that has none.
const Alpha = 0.01

const seed = 1 // of the permutations: the same runs always have the same changes

// Options are what a history may be asked for.
type Options struct {
	// Figures holds patterns ENGINE/WORKLOAD/DURABILITY/FIGURE as compare's gate
	// does; empty means the p50 and p99 of the main operation, and recovery.
	Figures []string
	// Force takes runs of different machines together.
	Force bool
}

// Result is the history of the figures of some runs.
type Result struct {
	Runs   []Run    `json:"runs"` // oldest first
	Series []Series `json:"series"`
	Notes  []string `json:"notes,omitempty"`
}

// Run is one of the runs.
type Run struct {
	Dir     string `json:"dir"`
	Started string `json:"started"`
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
}

// Name is what tells a run from others: its commit, or when it began.
func (r Run) Name() string {
	if r.Commit != "" {
		return r.Commit[:min(10, len(r.Commit))]
	}
	return r.Started
}

// Series is one figure over the runs.
type Series struct {
	Engine     string   `json:"engine"`
	Workload   string   `json:"workload"`
	Durability string   `json:"durability"`
	Figure     string   `json:"figure"`
	Unit       string   `json:"unit,omitempty"`
	Points     []Point  `json:"points"`
	Changes    []Change `json:"changes"`
}

// Name is the series' figure with its place.
func (s Series) Name() string {
	return strings.Join([]string{s.Engine, s.Workload, s.Durability, s.Figure}, " ")
}

// Point is the figure in one run: the median over its trials, with their range.
type Point struct {
	Run    int     `json:"run"` // index into Result.Runs
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Trials int     `json:"trials"`
}

// Change is a change of a series' level.
type Change struct {
	Run    int     `json:"run"`    // index of the first run after it
	Before float64 `json:"before"` // median of the runs since the change before
	After  float64 `json:"after"`  // and of those until the next
	Share  float64 `json:"change"` // after over before, less one
	P      float64 `json:"p"`
}

// Of returns the history of run directories. A *compare.UsageError means that
// they do not belong together; any other error names the file that is missing or damaged.
func Of(dirs []string, o Options) (*Result, error) {
	var runs []*reports.Report
	for _, dir := range dirs {
		r, err := reports.Load(dir)
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	slices.SortStableFunc(runs, func(a, b *reports.Report) int { return a.Run.Started.Compare(b.Run.Started) })
	res := &Result{Series: []Series{}}
	last := runs[len(runs)-1]
	for i, r := range runs {
		if i > 0 && runs[i-1].Run.Started.Equal(r.Run.Started) {
			return nil, &compare.UsageError{Err: fmt.Errorf("%s and %s are the same run", runs[i-1].Dir, r.Dir)}
		}
		if d := compare.MachineDifferences(r.Run, last.Run); len(d) > 0 {
			if !o.Force {
				return nil, &compare.UsageError{Err: fmt.Errorf("%s and %s are of different machines (--force takes them together): %s", r.Dir, last.Dir, strings.Join(d, "; "))}
			}
			res.Notes = append(res.Notes, fmt.Sprintf("FORCED: %s is of another machine than %s: %s", r.Dir, last.Dir, strings.Join(d, "; ")))
		}
		res.Runs = append(res.Runs, Run{r.Dir, r.Run.Started.UTC().Format("2006-01-02 15:04:05"), r.Run.Tool.Version, r.Run.Tool.Commit})
	}
	if err := res.collect(runs, o.Figures); err != nil {
		return nil, err
	}
	for i := range res.Series {
		res.Series[i].find()
	}
	slices.SortFunc(res.Series, func(a, b Series) int { return cmp.Compare(a.Name(), b.Name()) })
	return res, nil
}

// collect makes a series of each figure that any run has.
func (r *Result) collect(runs []*reports.Report, figures []string) error {
	at := map[string]int{}
	for i, run := range runs {
		values, err := compare.Values(run, figures)
		if err != nil {
			return err
		}
		if len(values) == 0 {
			r.Notes = append(r.Notes, run.Dir+" has no usable trial: its cells failed, or the machine has voided them")
		}
		for _, v := range values {
			if !v.Gated {
				continue
			}
			s := Series{Engine: v.Engine, Workload: v.Workload, Durability: v.Durability, Figure: v.Figure, Unit: v.Unit, Changes: []Change{}}
			k, ok := at[s.Name()]
			if !ok {
				k = len(r.Series)
				at[s.Name()] = k
				r.Series = append(r.Series, s)
			}
			r.Series[k].Points = append(r.Series[k].Points, Point{i, v.Median, v.Low, v.High, v.Trials})
		}
	}
	return nil
}

// find looks for changes of the level, by ratio.
func (s *Series) find() {
	logs := make([]float64, len(s.Points))
	for i, p := range s.Points {
		logs[i] = math.Log(max(p.Median, math.SmallestNonzeroFloat64))
	}
	found := stats.ChangePoints(logs, Alpha, seed)
	level := func(from, to int) float64 {
		var v []float64
		for _, p := range s.Points[from:to] {
			v = append(v, p.Median)
		}
		return stats.Median(v)
	}
	for i, c := range found {
		from, to := 0, len(s.Points)
		if i > 0 {
			from = found[i-1].Index
		}
		if i+1 < len(found) {
			to = found[i+1].Index
		}
		before, after := level(from, c.Index), level(c.Index, to)
		s.Changes = append(s.Changes, Change{s.Points[c.Index].Run, before, after, after/before - 1, c.P})
	}
}

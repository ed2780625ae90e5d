package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"orbitbench/harness/result"
	"orbitbench/reports/stats"
)

// The verdicts on a row.
const (
	Better       = "better"
	Worse        = "worse"
	Equivalent   = "equivalent"   // the interval lies within the margin
	Inconclusive = "inconclusive" // neither
	Shown        = "shown"        // not gated; Why says why
)

// The kinds of row.
const (
	Time  = "time"
	Count = "count"
)

// Row is one figure of one engine under one workload and durability.
type Row struct {
	Engine     string  `json:"engine"` // with " (generic)" behind it where that path was taken
	Workload   string  `json:"workload"`
	Durability string  `json:"durability"`
	Figure     string  `json:"figure"`
	Unit       string  `json:"unit,omitempty"`
	Kind       string  `json:"kind"`
	Base       float64 `json:"base"` // medians over the trials
	Head       float64 `json:"head"`
	BaseTrials int     `json:"base_trials"`
	HeadTrials int     `json:"head_trials"`
	// Change is the share by which the head is above the base; of a time the
	// estimate of the ratio, with its 95% interval where there are trials for one.
	Change    float64     `json:"change"`
	Interval  *[2]float64 `json:"interval,omitempty"`
	P         *float64    `json:"p,omitempty"`          // Mann-Whitney, of a time
	AdjustedP *float64    `json:"adjusted_p,omitempty"` // by Holm over the gated times
	Noise     *float64    `json:"noise,omitempty"`      // what the machine differs from itself by, as a share
	NoiseFrom string      `json:"noise_from,omitempty"`
	Threshold float64     `json:"threshold,omitempty"` // smallest change that counts here
	Gated     bool        `json:"gated"`
	Verdict   string      `json:"verdict"`
	Why       string      `json:"why,omitempty"`

	higher   bool
	estimate stats.Estimate
}

// Name is the row's figure with its place.
func (r *Row) Name() string {
	return strings.Join([]string{r.Engine, r.Workload, r.Durability, r.Figure}, " ")
}

// judge makes the rows: first what each figure is, then, over the gated times
// together, what it means.
func (r *Result) judge(base, head side, g gate) error {
	seen := map[string]bool{}
	for _, c := range slices.Concat(base.Cells, head.Cells) {
		p := place(c)
		if seen[p] || c.Status != result.OK || c.ControlOf != "" {
			continue
		}
		seen[p] = true
		r.place(base, head, c, g)
	}
	if err := r.family(); err != nil {
		return err
	}
	r.syncs(base, head)
	slices.SortStableFunc(r.Rows, func(a, b Row) int { return cmp.Compare(weight(a), weight(b)) })
	return nil
}

// weight orders rows: what has become worse first.
func weight(r Row) int {
	order := slices.Index([]string{Worse, Better, Inconclusive, Equivalent, Shown}, r.Verdict)
	if !r.Gated {
		order += 10
	}
	return order
}

// place adds the rows of all cells where c is.
func (r *Result) place(base, head side, c *result.Cell, g gate) {
	if broken := failures(head, place(c)); broken > 0 && failures(base, place(c)) < broken {
		r.Rows = append(r.Rows, Row{
			Engine: named(c), Workload: c.Workload, Durability: c.Durability, Figure: "failed_cells", Kind: Count, Gated: true, Verdict: Worse,
			Base: float64(failures(base, place(c))), Head: float64(broken), Why: firstFailure(head, place(c)),
		})
	}
	doubt := doubts(base, head, place(c))
	for _, f := range figuresOf(c) {
		a, b := samples(base, place(c), f), samples(head, place(c), f)
		row := Row{
			Engine: named(c), Workload: c.Workload, Durability: c.Durability, Figure: f.name, Unit: f.unit, Kind: Time,
			BaseTrials: len(a), HeadTrials: len(b), higher: f.higher,
		}
		if f.count != nil {
			row.Kind = Count
			judgeCount(&row, f, plain(a), plain(b))
		} else {
			r.describe(&row, a, b)
			n := noiseOf(base, head, c, f)
			if n.From != "" {
				row.Noise, row.NoiseFrom = &n.Share, n.From
			}
			row.Threshold = max(r.Margin, 2*n.Share)
			row.Why = cmp.Or(tooFew(&row, f, base, head, place(c)), doubt)
			row.Gated = g.includes(c, f) && row.Why == ""
			row.Verdict = Shown
		}
		r.Rows = append(r.Rows, row)
	}
}

func named(c *result.Cell) string {
	if c.Path == "generic" {
		return c.Engine + " (generic)"
	}
	return c.Engine
}

// describe fills in medians, change, interval and p of a time.
func (r *Result) describe(row *Row, a, b []sample) {
	base, head := plain(a), plain(b)
	row.Base, row.Head = stats.Median(base), stats.Median(head)
	if len(base) == 0 || len(head) == 0 {
		return
	}
	if x, y := pairs(a, b); r.Interleaved && len(x) == len(base) && len(y) == len(head) {
		row.estimate = stats.PairedInterval(stats.LogRatios(x, y), seed)
	} else {
		row.estimate = stats.Interval(base, head, seed)
	}
	row.Change = stats.Share(row.estimate.Value)
	p := stats.MannWhitney(base, head)
	row.P = &p
	if len(base) > 1 && len(head) > 1 {
		row.Interval = &[2]float64{stats.Share(row.estimate.Lo), stats.Share(row.estimate.Hi)}
	}
}

// tooFew says why a time may not be gated: too few trials, or too few samples
// above its percentile in one of them; "" if it may.
func tooFew(row *Row, f figure, base, head side, at string) string {
	if row.BaseTrials < LeastTrials || row.HeadTrials < LeastTrials {
		return fmt.Sprintf("%d and %d usable trials, a gate takes %d", row.BaseTrials, row.HeadTrials, LeastTrials)
	}
	if f.quantile == 0 {
		return ""
	}
	// 10/(1-q), without the error of 1-q in floating point.
	want := uint64(math.Round(10 / (1 - f.quantile)))
	for _, s := range []side{base, head} {
		for _, c := range s.Cells {
			if place(c) != at || !usable(c) || c.ControlOf != "" {
				continue
			}
			if n := latencyOf(c, f.op).Count; n < want {
				return fmt.Sprintf("%d samples in a trial of %s, this percentile takes %d", n, s.name, want)
			}
		}
	}
	return ""
}

// doubts says why no time of a place may be gated: a trial whose figures are
// invalid by the engine's own doing (a rate that it did not hold).
func doubts(base, head side, at string) string {
	for _, s := range []side{base, head} {
		for _, c := range s.Cells {
			if place(c) == at && usable(c) && c.Validity != nil && c.Validity.Verdict == result.Invalid {
				return fmt.Sprintf("trial %d of %s is invalid: %s", c.Trial, s.name, c.Validity.Text())
			}
		}
	}
	return ""
}

func failures(s side, at string) (n int) {
	for _, c := range s.Cells {
		if c.Status == result.Failed && sameCell(c, at) {
			n++
		}
	}
	return n
}

// sameCell compares without the path, which a cell that failed early lacks.
func sameCell(c *result.Cell, at string) bool {
	return place(c) == at || c.Path == "" && strings.TrimSuffix(at, " (generic)") == place(c)
}

func firstFailure(s side, at string) string {
	for _, c := range s.Cells {
		if c.Status == result.Failed && sameCell(c, at) {
			return strings.Join(strings.Fields(c.Reason), " ")
		}
	}
	return ""
}

// family judges the gated times together. A family so large that its trials
// could never find anything in it is refused.
func (r *Result) family() error {
	var rows []*Row
	var ps []float64
	for i := range r.Rows {
		if row := &r.Rows[i]; row.Gated && row.Kind == Time {
			rows, ps = append(rows, row), append(ps, *row.P)
		}
	}
	for _, row := range rows {
		least := stats.LeastP(row.BaseTrials, row.HeadTrials)
		if least*float64(len(rows)) >= Alpha && !r.same {
			return &UsageError{fmt.Errorf("the gate holds %d times, too many for %d and %d trials: the smallest p that %s can have is %.2g, and %d times that is not below %g; gate fewer (--gate) or take more trials",
				len(rows), row.BaseTrials, row.HeadTrials, row.Name(), least, len(rows), Alpha)}
		}
	}
	for i, adjusted := range stats.Holm(ps) {
		rows[i].AdjustedP = &adjusted
		rows[i].decide(r.Margin)
	}
	return nil
}

// decide applies the rule to a gated time.
func (row *Row) decide(margin float64) {
	outcome, why := stats.Decide(*row.AdjustedP, row.estimate, margin, row.Threshold)
	row.Why = why
	switch outcome {
	case stats.Higher, stats.Lower:
		row.Verdict = Worse
		if (outcome == stats.Higher) == row.higher {
			row.Verdict = Better
		}
	case stats.Equivalent:
		row.Verdict = Equivalent
	default:
		row.Verdict = Inconclusive
	}
}

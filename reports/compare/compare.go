package compare

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"orbitbench/harness/result"
	"orbitbench/reports"
	"orbitbench/reports/stats"
)

// The exit codes of a comparison.
const (
	ExitOK         = 0
	ExitRegression = 10
	ExitViolation  = 11 // the head loses leases, or acknowledges before its promise
	ExitUndecided  = 12 // no gated figure could be decided
)

// The numbers of the rule.
const (
	Alpha         = stats.Alpha       // chance of one false call in the whole family
	DefaultMargin = stats.Margin      // smallest change of a time that matters
	LeastTrials   = stats.LeastTrials // of a gated time, a side
	seed          = 1                 // of the intervals: the same runs always get the same verdict
)

// Options are what a comparison may be asked for.
type Options struct {
	// Gate holds patterns ENGINE/WORKLOAD/DURABILITY/FIGURE of the times that are
	// gated; each part is a pattern of path.Match and may be left out at the end.
	// Empty means the p50 and p99 of the main operation, and recovery. "none"
	// gates no time. Counts are always gated.
	Gate []string
	// Margin is the smallest change that matters, as a share; 0 is DefaultMargin.
	Margin float64
	// Force compares what does not belong together, and says so.
	Force bool
}

// UsageError is a comparison that was refused, or a gate that cannot work.
type UsageError struct{ Err error }

// Error is the error's own text.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the error itself.
func (e *UsageError) Unwrap() error { return e.Err }

// Side is what a result says about one of its runs.
type Side struct {
	Dir      string `json:"dir"`
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Profile  string `json:"profile"`
	Started  string `json:"started"`
	Command  string `json:"command"`
}

// Result is how head compares with base.
type Result struct {
	Verdict     string              `json:"verdict"` // one line
	ExitCode    int                 `json:"exit_code"`
	Base        Side                `json:"base"`
	Head        Side                `json:"head"`
	Environment *result.Environment `json:"environment"` // of the head
	Margin      float64             `json:"margin"`
	Interleaved bool                `json:"interleaved"`          // the trials of both were taken side by side
	Forced      []string            `json:"forced,omitempty"`     // differences that --force passed over
	Violations  []string            `json:"violations,omitempty"` // of the head
	Notes       []string            `json:"notes,omitempty"`
	Rows        []Row               `json:"rows"`

	same bool // the same run twice
}

// side is one loaded run.
type side struct {
	*reports.Report
	name string // base or head
}

// Runs compares the run directories base and head. A *UsageError means that the
// comparison was refused; any other error names the file that is missing or damaged.
func Runs(base, head string, o Options) (*Result, error) {
	if o.Margin == 0 {
		o.Margin = DefaultMargin
	}
	gate, err := parseGate(o.Gate)
	if err != nil {
		return nil, &UsageError{err}
	}
	var sides [2]side
	for i, dir := range []string{base, head} {
		r, err := reports.Load(dir)
		if err == nil && !o.Force {
			err = complete(r)
		}
		if err != nil {
			return nil, err
		}
		sides[i] = side{r, []string{"base", "head"}[i]}
	}
	res := &Result{
		Base: about(sides[0]), Head: about(sides[1]), Environment: &sides[1].Run.Environment, Margin: o.Margin,
		Interleaved: interleaved(sides[0], sides[1]), same: sameRun(sides[0].Run, sides[1].Run),
	}
	if different := differences(sides[0], sides[1]); len(different) > 0 {
		if !o.Force {
			return nil, &UsageError{fmt.Errorf("not a valid comparison (--force makes it anyway, and says so):\n  %s", strings.Join(different, "\n  "))}
		}
		res.Forced = different
	}
	res.Violations = violations(sides[1])
	if err := res.judge(sides[0], sides[1], gate); err != nil {
		return nil, err
	}
	res.conclude()
	res.note(sides[0], sides[1])
	return res, nil
}

// complete refuses a run of which a planned cell has no file: nothing that could
// not be read may pass for equal.
func complete(r *reports.Report) error {
	have := map[string]bool{}
	for _, c := range r.Cells {
		have[c.Key] = true
	}
	for _, p := range r.Run.Plan {
		if have[p.Key] {
			continue
		}
		path := result.CellPath(r.Dir, p.Key)
		if r.Run.Interrupted || r.Run.Finished == nil {
			return fmt.Errorf("%s: missing, because the run is not finished: `orbitbench resume %s` goes on with it", path, r.Dir)
		}
		return fmt.Errorf("%s: a planned cell of a finished run is missing", path)
	}
	if len(r.Run.Plan) == 0 {
		return fmt.Errorf("%s: %w", r.Dir, errors.New("a run without cells has nothing to compare"))
	}
	return nil
}

func about(s side) Side {
	return Side{
		Dir: s.Dir, Version: s.Run.Tool.Version, Commit: s.Run.Tool.Commit, Modified: s.Run.Tool.Modified,
		Go: s.Run.Tool.GoVersion, Profile: s.Run.Profile, Started: s.Run.Started.UTC().Format("2006-01-02 15:04:05 UTC"),
		Command: strings.Join(s.Run.CommandLine, " "),
	}
}

// sameRun reports whether both are one run.
func sameRun(a, b *result.Run) bool {
	return a.Started.Equal(b.Started) && a.Seed == b.Seed && strings.Join(a.CommandLine, "\x00") == strings.Join(b.CommandLine, "\x00")
}

// interleaved reports whether the trials of both runs were taken in turn: each
// trial of one began before the next of the other ended.
func interleaved(a, b side) bool {
	if sameRun(a.Run, b.Run) {
		return true
	}
	type span struct{ from, to int64 }
	spans := func(s side) map[int]span {
		all := map[int]span{}
		for _, c := range s.Cells {
			if c.Status != result.OK {
				continue
			}
			t, ok := all[c.Trial]
			if from := c.Started.UnixNano(); !ok || from < t.from {
				t.from = from
			}
			t.to = max(t.to, c.Finished.UnixNano())
			all[c.Trial] = t
		}
		return all
	}
	sa, sb := spans(a), spans(b)
	shared := 0
	for trial, t := range sa {
		u, ok := sb[trial]
		if !ok {
			continue
		}
		shared++
		if next, ok := sa[trial+1]; ok && next.from < u.from {
			return false
		}
		if next, ok := sb[trial+1]; ok && next.from < t.from {
			return false
		}
	}
	return shared > 1
}

// violations are what the checks of a run found, in any of its cells.
func violations(s side) []string {
	found := s.DataLoss()
	for _, c := range s.Cells {
		if c.Crash == nil {
			continue
		}
		for _, f := range c.Crash.Findings {
			if f.Known == "" {
				found = append(found, fmt.Sprintf("%s under %s breaks %s in %s crashes: %s", c.Engine, c.Durability, f.Invariant, c.Crash.Method, f.Pattern))
			}
		}
	}
	for _, d := range s.Run.DurabilityChecks {
		if d.Verdict == result.DurabilityEarly {
			found = append(found, fmt.Sprintf("%s under %s acknowledges before its promise: %s", d.Engine, d.Durability, d.Reason))
		}
	}
	return found
}

// note says what a reader must know about the whole comparison.
func (r *Result) note(base, head side) {
	if r.same {
		r.Notes = append(r.Notes, "base and head are the same run")
	} else if !r.Interleaved {
		r.Notes = append(r.Notes, "the runs were taken one after the other: what the machine did between them looks like a change (orbitbench pair takes both in turn)")
	}
	for _, s := range []side{base, head} {
		if s.Run.Preview {
			r.Notes = append(r.Notes, s.name+" is a PREVIEW, too short for its times to be gated")
		}
		if s.Run.Tool.Modified {
			r.Notes = append(r.Notes, s.name+" was built from a tree with uncommitted changes")
		}
	}
	if a, b := base.Run.Tool.GoVersion, head.Run.Tool.GoVersion; a != b {
		r.Notes = append(r.Notes, fmt.Sprintf("base was built with %s, head with %s", a, b))
	}
	if !slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Gated && row.Kind == Time }) && !r.same {
		r.Notes = append(r.Notes, "no time is gated, the verdict is that of counts and checks alone"+r.commonReason())
	}
	if old := violations(base); len(old) > 0 {
		r.Notes = append(r.Notes, "base has violations too: "+strings.Join(old, "; "))
	}
}

// tally counts the gated rows by verdict.
func (r *Result) tally() map[string]int {
	n := map[string]int{}
	for _, row := range r.Rows {
		if row.Gated {
			n["gated"]++
			n[row.Verdict]++
		}
	}
	return n
}

// conclude makes the line of verdict and the exit code.
func (r *Result) conclude() {
	n := r.tally()
	word := "NO REGRESSION"
	switch {
	case len(r.Violations) > 0:
		word, r.ExitCode = "VIOLATION", ExitViolation
	case n[Worse] > 0:
		word, r.ExitCode = "REGRESSION", ExitRegression
	case r.same:
	case n[Worse]+n[Better]+n[Equivalent] == 0:
		word, r.ExitCode = "NOT DECIDED", ExitUndecided
	}
	r.Verdict = fmt.Sprintf("%s (%s, %d worse, %d better, %d inconclusive)", word, cells(n["gated"]), n[Worse], n[Better], n[Inconclusive])
	if len(r.Violations) > 0 {
		r.Verdict += ": " + r.Violations[0]
	}
	if len(r.Forced) > 0 {
		r.Verdict += " - FORCED: not a valid comparison"
	}
}

func cells(n int) string {
	if n == 1 {
		return "1 cell"
	}
	return fmt.Sprintf("%d cells", n)
}

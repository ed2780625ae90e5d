package crash

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/result"
)

// Method is one way to hurt an engine.
type Method interface {
	// Name is the name on the command line and in the matrix: lower case, with dashes.
	Name() string
	// Unit is what it counts: kill, state, trial.
	Unit() string
	// Available is nil, or says why the method cannot be had on this machine.
	Available() error
	// Judges is nil, or says why the method can say nothing about an engine under
	// a durability class.
	Judges(info engines.Info, d engines.Durability) error
	// Run tests until t.Remaining is 0, and tells t what it saw. An error is one of
	// the harness, or of the engine before anything was done to it.
	Run(ctx context.Context, t *Trial) error
}

// Trial is one cell at work: a target, a method and what was seen. Its methods may
// be called concurrently.
type Trial struct {
	Target Target
	Method Method
	Seed   uint64
	Want   int    // crashes to be tested
	Dir    string // scratch; what is made there is removed by the caller
	// Failures is where the first failure of each sort is saved; "" saves nothing.
	Failures string
	Pool     *Pool
	// Known says why a violation is known, "" if it is not. May be nil.
	Known func(t *Target, method string, v Violation) string
	// Progress is called after each crash that was tested. May be nil.
	Progress func(tested, want int)

	mu       sync.Mutex
	result   result.Crash                    // guarded by mu
	findings map[string]*result.CrashFinding // guarded by mu; by invariant and pattern
	order    []string                        // guarded by mu; keys of findings as they came
	started  time.Time
}

// begin is called once, before Method.Run.
func (t *Trial) begin() {
	t.result = result.Crash{Method: t.Method.Name(), Unit: t.Method.Unit(), Wanted: t.Want}
	t.findings, t.started = map[string]*result.CrashFinding{}, time.Now()
}

// Remaining is how many crashes are still to be tested.
func (t *Trial) Remaining() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Want - t.result.Tested
}

// Recorded tells of a worker that was run.
func (t *Trial) Recorded(h *History) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Recordings++
	t.result.Commits += h.Acks()
}

// Recut tells that so many of the crashes that were tested lay within a recovery.
func (t *Trial) Recut(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Recut += n
}

// NotMounted tells of a state that the file system would not mount.
func (t *Trial) NotMounted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.NotMounted++
}

// Tested tells of one crash that was judged. where describes it; save, which may
// be nil, writes all it takes to see it again into a directory, and is called for
// the first crash of each sort of violation.
func (t *Trial) Tested(j *Judgement, where string, save func(dir string) error) error {
	fresh := t.count(j, where)
	if len(fresh) == 0 || save == nil || t.Failures == "" {
		return nil
	}
	dir := filepath.Join(t.Failures, fresh[0])
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := save(dir); err != nil {
		return fmt.Errorf("saving a failure: %w", err)
	}
	return nil
}

// count books a judgement, and returns the directory for what is new in it.
func (t *Trial) count(j *Judgement, where string) (fresh []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.result
	r.Tested++
	if len(j.Violations) == 0 {
		r.Passed++
		if j.Lost > 0 {
			r.Within++
		}
	}
	r.LostMax, r.LostAgeMaxNs = max(r.LostMax, j.Lost), max(r.LostAgeMaxNs, int64(j.LostAge))
	seen := map[string]bool{}
	for _, v := range j.Violations {
		sort := v.Invariant + ": " + v.Pattern
		f := t.findings[sort]
		if f == nil {
			f = &result.CrashFinding{Invariant: v.Invariant, Pattern: v.Pattern, Detail: v.Detail, Where: where, Lost: j.Lost, Acked: j.Acked}
			if t.Known != nil {
				f.Known = t.Known(&t.Target, t.Method.Name(), v)
			}
			t.findings[sort], t.order = f, append(t.order, sort)
			if len(fresh) == 0 && t.Failures != "" {
				fresh = append(fresh, fmt.Sprintf("%02d-%s", len(t.order), slug(v.Invariant)))
			}
			if len(fresh) > 0 {
				f.Replay = filepath.Join(filepath.Base(t.Failures), fresh[0])
			}
		}
		if !seen[sort] {
			f.Count++
		}
		seen[sort] = true
	}
	if t.Progress != nil {
		t.Progress(r.Tested, t.Want)
	}
	return fresh
}

func slug(s string) string { return strings.ReplaceAll(s, " ", "-") }

// Result is what was seen so far.
func (t *Trial) Result() *result.Crash {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.result
	r.Seconds = time.Since(t.started).Seconds()
	r.Findings = nil
	for _, sort := range t.order {
		r.Findings = append(r.Findings, *t.findings[sort])
	}
	return &r
}

// IsNew reports whether a violation's sort has not been seen yet.
func (t *Trial) IsNew(vs []Violation) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range vs {
		if t.findings[v.Invariant+": "+v.Pattern] == nil {
			return true
		}
	}
	return false
}

package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"orbitbench/engines"
	"orbitbench/harness/doctor"
	"orbitbench/harness/durability"
	"orbitbench/harness/env"
	"orbitbench/harness/plan"
	"orbitbench/harness/result"
)

// Options are what a run needs beside its plan.
type Options struct {
	// Out is the run directory. For Run it must be new or empty.
	Out string
	// DataDir is where the stores of the cells lie, in a directory of the run's
	// own that is removed at its end. "" means Out with .data added, so that it
	// lies on the same disk. It must not lie in Out. Resume takes "" only: it
	// goes on where the run was.
	DataDir string
	// KeepData leaves the stores where they are.
	KeepData bool
	// Lookup finds a driver by name.
	Lookup func(name string) (engines.Driver, error)
	// Complexity holds the proxies that are counted from the source, by engine.
	Complexity map[string]result.Complexity
	// Child is the command of a cell's process; nil means this program with the
	// hidden verb cell.
	Child []string
	// Inspect is the command that opens an engine, given by --engine and --dir,
	// and prints an Idle; nil leaves the count of goroutines out.
	Inspect []string
	// Durability traces an engine under a class (durability.Verify); nil leaves
	// the promises of the classes unverified.
	Durability func(context.Context, durability.Job) (result.Durability, error)
	// CommandLine and Tool go into run.json.
	CommandLine []string
	Tool        result.Tool
	// Progress is told what happens; nil tells nobody.
	Progress Progress
	// LockFile is the lock of the machine; "" means DefaultLockFile().
	LockFile string
	// RetryFailed makes Resume run failed cells again.
	RetryFailed bool
	// Through ends the run behind the cells of that trial; Resume goes on. 0 runs
	// all. So two programs can run their trials in turn.
	Through int
	// FreeBytes replaces the look at the disk, for tests.
	FreeBytes func(dir string) (uint64, error)
	// FloorTime is the time of each probe of the device; 0 means plan.FloorTime.
	FloorTime time.Duration
}

// Summary is how a run ended.
type Summary struct {
	Dir         string
	OK          int
	Failed      int
	Skipped     int
	Missing     int      // cells that have not run, because the run was interrupted
	Failures    []string // key and reason of each failed cell
	Violations  []string // what lost or made up a lease, or acknowledged before its promise
	Interrupted bool
	Stopped     bool // ended by Options.Through, with cells missing
}

// The exit codes of a run.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUsage       = 2
	ExitViolation   = 11
	ExitInterrupted = 130
)

// ExitCode is that of a program which ends with this summary. Skipped cells
// are no failure.
func (s *Summary) ExitCode() int {
	switch {
	case s.Interrupted:
		return ExitInterrupted
	case len(s.Violations) > 0:
		return ExitViolation
	case s.Failed > 0:
		return ExitFailure
	}
	return ExitOK
}

// run is one run in progress.
type run struct {
	Options
	plan     *plan.Plan
	cells    []plan.Cell
	done     map[string]*result.Cell
	record   *result.Run
	data     string // the run's own directory in DataDir; "" if it could not be made
	dataErr  error
	progress Progress

	// The cell that ended last waits for the floor behind it.
	last        *result.Cell
	lastFloorNs int64 // before it
}

// Run carries out p into o.Out. When ctx ends the current cell is given up and
// Run returns with Summary.Interrupted. A *UsageError is returned before
// anything was touched, a *LockError before anything was written.
func Run(ctx context.Context, p *plan.Plan, o Options) (*Summary, error) {
	if err := o.resolve(); err != nil {
		return nil, err
	}
	if err := checkOut(o.Out); err != nil {
		return nil, err
	}
	if err := checkApart(o.Out, o.DataDir); err != nil {
		return nil, err
	}
	if err := doctor.Refuse(env.Capture(o.DataDir), Durable(p), os.TempDir()); err != nil {
		return nil, &UsageError{err}
	}
	r := &run{Options: o, plan: p, cells: p.Cells(), done: map[string]*result.Cell{}}
	return r.locked(ctx, r.create)
}

// resolve makes the paths absolute and fills in defaults.
func (o *Options) resolve() (err error) {
	if o.Out, err = filepath.Abs(o.Out); err != nil {
		return usagef("output directory: %w", err)
	}
	if o.DataDir == "" {
		o.DataDir = o.Out + ".data"
	}
	if o.DataDir, err = filepath.Abs(o.DataDir); err != nil {
		return usagef("data directory: %w", err)
	}
	if o.Child == nil {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("own program: %w", err)
		}
		o.Child = []string{self, "cell"}
	}
	if o.LockFile == "" {
		o.LockFile = DefaultLockFile()
	}
	if o.FloorTime == 0 {
		o.FloorTime = plan.FloorTime
	}
	return nil
}

// locked holds the machine's lock around begin and the cells.
func (r *run) locked(ctx context.Context, begin func(context.Context) error) (s *Summary, err error) {
	if r.progress = r.Progress; r.progress == nil {
		r.progress = silent{}
	}
	lock, stale, err := TakeLock(r.LockFile, Holder{PID: os.Getpid(), Command: r.CommandLine, DataDir: r.DataDir, Started: time.Now()})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	r.sweep(stale)
	if err := os.MkdirAll(filepath.Join(r.Out, result.CellDir), 0o755); err != nil {
		return nil, err
	}
	data, dataErr := makeData(r.DataDir, r.KeepData)
	r.data, r.dataErr = data.dir, dataErr
	defer func() {
		if r.KeepData && r.data != "" {
			r.progress.Note("data kept in %s", r.data)
		}
		err = errors.Join(err, data.end(r.KeepData))
	}()
	if err := begin(ctx); err != nil {
		return nil, err
	}
	return r.execute(ctx)
}

// sweep removes the data that killed runs left here and where the lock's last
// holder had its own.
func (r *run) sweep(stale *Holder) {
	dirs := []string{r.DataDir}
	if stale != nil && stale.DataDir != "" && stale.DataDir != r.DataDir {
		dirs = append(dirs, stale.DataDir)
	}
	for _, dir := range dirs {
		removed, err := removeLeftovers(dir)
		for _, d := range removed {
			r.progress.Note("removed the data of a killed run: %s", d)
		}
		if err != nil {
			r.progress.Note("the data of a killed run could not be removed: %v", err)
		}
	}
}

// create writes plan.toml and run.json of a new run.
func (r *run) create(ctx context.Context) error {
	toml, err := r.plan.TOML()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.Out, PlanFile), toml, 0o644); err != nil {
		return err
	}
	r.record = &result.Run{
		Tool:        r.Tool,
		CommandLine: r.CommandLine,
		Profile:     r.plan.Profile,
		Preview:     r.plan.Preview,
		Seed:        r.plan.Seed,
		Started:     time.Now().UTC(),
		Environment: env.Capture(r.DataDir),
		Floors:      []result.Floor{},
	}
	for _, c := range r.cells {
		r.record.Plan = append(r.record.Plan, c.PlanCell)
	}
	if r.record.Engines, err = r.describe(ctx); err != nil {
		return err
	}
	r.examine(ctx)
	return result.WriteRun(r.Out, r.record)
}

// examine looks at the machine and says what is wrong with it. The cells run all
// the same: what stops one says so in its own words.
func (r *run) examine(ctx context.Context) {
	f := doctor.Look(ctx, doctor.Options{
		DataDir: r.DataDir, Durable: Durable(r.plan), NeedBytes: r.plan.DiskBytes(r.KeepData), ReserveBytes: ReserveBytes,
		FloorTime: min(r.FloorTime, doctor.DefaultFloorTime),
	})
	r.record.Doctor = doctor.Examine(f)
	for _, finding := range r.record.Doctor {
		if finding.Status == result.FindingWarn || finding.Status == result.FindingFail {
			r.progress.Note("%s", doctor.Line(finding))
		}
	}
}

// Durable reports whether any cell of a plan promises to survive a power cut.
func Durable(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Cells(), func(c plan.Cell) bool {
		return c.Skip == "" && (c.Durability.Class == engines.Sync || c.Durability.Class == engines.Interval)
	})
}

func (r *run) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.record.Warnings = append(r.record.Warnings, text)
	r.progress.Note("warning: %s", text)
}

// execute runs every cell that has no result, in the order of the plan.
func (r *run) execute(ctx context.Context) (*Summary, error) {
	r.progress.Begin(r.cells, r.done)
	defer r.progress.End()
	if r.record.Overhead == nil && len(r.done) < len(r.cells) && ctx.Err() == nil {
		if err := r.overhead(ctx); err != nil {
			return nil, err
		}
	}
	if len(r.done) < len(r.cells) {
		if err := r.promises(ctx); err != nil {
			return nil, err
		}
	}
	var lastRun *plan.Cell
	for i := 0; i < len(r.cells) || r.extend(); i++ {
		c := &r.cells[i]
		if r.done[c.Key] != nil {
			continue
		}
		if ctx.Err() != nil || r.beyond(c) {
			break
		}
		res, err := r.one(ctx, i, c)
		if err != nil {
			return nil, err
		}
		if res == nil {
			break // interrupted
		}
		if c.Skip == "" {
			lastRun = c
		}
	}
	if lastRun != nil && ctx.Err() == nil {
		if err := r.settleLast(r.floors(ctx, "", lastRun)); err != nil {
			return nil, err
		}
	}
	return r.finish(ctx)
}

// beyond reports whether a cell belongs to a trial that is not to run now.
func (r *run) beyond(c *plan.Cell) bool { return r.Through > 0 && c.Trial > r.Through }

// extend adds the cells that follow from the results; false if there are none.
func (r *run) extend() bool {
	next := r.plan.Next(r.done)
	r.add(next)
	if len(next) > 0 {
		r.progress.Extend(r.cells)
	}
	return len(next) > 0
}

// add adds cells that the run does not have yet.
func (r *run) add(next []plan.Cell) {
	for _, c := range next {
		if !slices.Contains(r.record.Plan, c.PlanCell) {
			r.cells = append(r.cells, c)
			r.record.Plan = append(r.record.Plan, c.PlanCell)
		}
	}
}

// one brings one cell to its result, which it writes; nil if ctx ended first.
func (r *run) one(ctx context.Context, i int, c *plan.Cell) (*result.Cell, error) {
	r.progress.CellStart(i, *c)
	var res *result.Cell
	if c.Skip != "" {
		res = r.blank(*c)
		res.Status, res.Reason = result.Skipped, c.Skip
	} else {
		before := r.floors(ctx, c.Key, c)
		if err := r.settleLast(before); err != nil {
			return nil, err
		}
		if res = r.cell(ctx, *c); res == nil {
			return nil, nil
		}
		r.judgeValidity(res, before)
	}
	if err := result.WriteCell(r.Out, res); err != nil {
		return nil, fmt.Errorf("result of %s: %w", c.Key, err)
	}
	r.done[c.Key] = res
	r.progress.CellDone(i, *c, res)
	if c.Skip != "" {
		return res, nil
	}
	return res, result.WriteRun(r.Out, r.record)
}

// finish writes how the run ended and sums it up.
func (r *run) finish(ctx context.Context) (*Summary, error) {
	s := &Summary{Dir: r.Out, Violations: brokenPromises(r.record.DurabilityChecks)}
	for _, c := range r.cells {
		res := r.done[c.Key]
		if res == nil {
			s.Missing++
			continue
		}
		s.count(c, res)
	}
	s.Stopped = s.Missing > 0 && r.Through > 0 && ctx.Err() == nil
	s.Interrupted = s.Missing > 0 && !s.Stopped
	r.record.Interrupted = s.Interrupted
	if r.record.Finished == nil && s.Missing == 0 {
		now := time.Now().UTC()
		r.record.Finished = &now
	}
	return s, result.WriteRun(r.Out, r.record)
}

func (s *Summary) count(c plan.Cell, res *result.Cell) {
	switch res.Status {
	case result.OK:
		s.OK++
	case result.Skipped:
		s.Skipped++
	default:
		s.Failed++
		s.Failures = append(s.Failures, c.Key+": "+res.Reason)
	}
	if v := violation(c, res); v != "" {
		s.Violations = append(s.Violations, c.Key+": "+v)
	}
}

// recordNames is what the records of a cell are called.
func recordNames(c plan.Cell) string {
	switch c.Workload.Kind {
	case result.KindNodes:
		return "nodes"
	case result.KindQueryCache:
		return "query results"
	case result.KindTimeSeries:
		return "points"
	}
	return "leases"
}

// violation says what a cell found against its durability class, or "".
func violation(c plan.Cell, res *result.Cell) string {
	if ch := res.Check; ch != nil {
		// Class none promises nothing across a close either.
		if ch.Lost > 0 && c.Durability.Class != engines.None {
			over := "across close and reopen"
			if res.Recovery != nil {
				over = "by kill -9"
			}
			return fmt.Sprintf("%d of %d %s were lost %s", ch.Lost, ch.Records, recordNames(c), over)
		}
		if ch.Phantom > 0 {
			return fmt.Sprintf("%d %s were there that nobody had stored", ch.Phantom, recordNames(c))
		}
	}
	// Class interval may lose its window; the crash suite judges how much.
	if res.Recovery == nil || (c.Durability.Class != engines.Sync && c.Durability.Class != engines.Process) {
		return ""
	}
	for _, t := range res.Recovery.Repetitions {
		if t.Lost > 0 {
			return fmt.Sprintf("%d of %d acknowledged leases were lost by kill -9", t.Lost, t.Acknowledged)
		}
	}
	return ""
}

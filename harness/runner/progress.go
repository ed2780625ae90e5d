package runner

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"orbitbench/harness/cell"
	"orbitbench/harness/plan"
	"orbitbench/harness/result"
)

// Progress is told how a run goes. Its methods are called by one goroutine,
// except Cell, which another one may call at the same time.
type Progress interface {
	Begin(cells []plan.Cell, done map[string]*result.Cell)
	CellStart(i int, c plan.Cell)
	Cell(p cell.Progress)
	// Extend adds cells that follow from results behind those of Begin; cells are all of them.
	Extend(cells []plan.Cell)
	CellDone(i int, c plan.Cell, res *result.Cell)
	Note(format string, args ...any)
	End()
}

type silent struct{}

func (silent) Begin([]plan.Cell, map[string]*result.Cell) {}
func (silent) Extend([]plan.Cell)                         {}
func (silent) CellStart(int, plan.Cell)                   {}
func (silent) Cell(cell.Progress)                         {}
func (silent) CellDone(int, plan.Cell, *result.Cell)      {}
func (silent) Note(string, ...any)                        {}
func (silent) End()                                       {}

// title names a cell for people.
func title(c plan.Cell) string {
	t := fmt.Sprintf("%s %s %s", c.Engine, c.Workload.Name, c.Durability)
	if c.Workload.Path != "" {
		t += " (" + c.Workload.Path + " path)"
	}
	if c.Trial > 1 {
		t += fmt.Sprintf(" trial %d", c.Trial)
	}
	return t
}

// outcome is how a cell ended, in a few words.
func outcome(res *result.Cell) string {
	switch res.Status {
	case result.Skipped:
		return "skipped: " + res.Reason
	case result.OK:
		return "ok in " + Duration(res.Finished.Sub(res.Started)) + headline(res)
	}
	return "FAILED: " + res.Reason
}

// headline is the figure that says most about a cell.
func headline(res *result.Cell) string {
	if c := res.Capacity; c != nil {
		return capacityHeadline(c)
	}
	if res.Recovery != nil && len(res.Recovery.Repetitions) > 0 {
		t := res.Recovery.Repetitions[len(res.Recovery.Repetitions)-1]
		return "  first verified read after " + Duration(time.Duration(t.FirstReadNs))
	}
	if res.Measure == nil {
		return ""
	}
	for _, op := range res.Measure.Ops {
		if op.Op == "renew" && op.Outcome == "ok" {
			return fmt.Sprintf("  renew p50 %s, p99 %s, %s/s", Duration(time.Duration(op.Latency.P50Ns)),
				Duration(time.Duration(op.Latency.P99Ns)), count(res.Measure.AchievedPerS))
		}
	}
	return ""
}

// capacityHeadline is the bracket of a search, or what a confirmation said.
func capacityHeadline(c *result.Capacity) string {
	switch {
	case c.Role == result.CapacityConfirm && c.KeptPerS > 0:
		return "  " + c.Promise + " kept with " + count(c.KeptPerS*c.RenewSeconds) + " leases, " + count(c.KeptPerS) + "/s"
	case c.Role == result.CapacityConfirm:
		return "  " + c.Promise + " missed with " + count(c.MissedPerS*c.RenewSeconds) + " leases, " + count(c.MissedPerS) + "/s"
	case c.MissedPerS == 0:
		return "  " + c.Promise + " kept up to the bound, " + count(c.KeptPerS) + "/s"
	}
	return "  " + c.Promise + " kept at " + count(c.KeptPerS) + "/s, missed at " + count(c.MissedPerS) + "/s"
}

// Lines is progress for a log: one line when a cell starts and one when it ends.
type Lines struct {
	W io.Writer

	mu    sync.Mutex // guards W: a note may come beside a cell's progress
	total int
}

// Begin says how much there is to do.
func (l *Lines) Begin(cells []plan.Cell, done map[string]*result.Cell) {
	l.total = len(cells)
	if len(done) > 0 && len(done) < len(cells) {
		l.Note("%d of %d cells have a result already", len(done), len(cells))
	}
}

// Extend notes the new number of cells.
func (l *Lines) Extend(cells []plan.Cell) { l.total = len(cells) }

// CellStart prints the cell's number and name.
func (l *Lines) CellStart(i int, c plan.Cell) {
	if c.Skip == "" {
		l.Note("[%d/%d] %s  started", i+1, l.total, title(c))
	}
}

// Cell prints nothing.
func (l *Lines) Cell(cell.Progress) {}

// CellDone prints how the cell ended.
func (l *Lines) CellDone(i int, c plan.Cell, res *result.Cell) {
	l.Note("[%d/%d] %s  %s", i+1, l.total, title(c), outcome(res))
}

// Note prints a line.
func (l *Lines) Note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Progress has no better place to report that it cannot be written.
	_, _ = fmt.Fprintf(l.W, format+"\n", args...)
}

// End prints nothing.
func (l *Lines) End() {}

// Duration is d for people: two or three digits and a unit.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Duration(-d)
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return digits(float64(d)/1e3) + " us"
	case d < time.Second:
		return digits(float64(d)/1e6) + " ms"
	case d < time.Minute:
		return digits(d.Seconds()) + " s"
	case d < time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%d m %d s", int(d.Minutes()), int(d.Seconds())%60), " 0 s")
	}
	return fmt.Sprintf("%d h %d m", int(d.Hours()), int(d.Minutes())%60)
}

func digits(v float64) string {
	switch {
	case v < 9.95:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.0f", v)
	}
}

// count prints a number with commas between thousands.
func count(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

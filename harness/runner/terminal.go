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

// redrawEvery bounds how often Terminal draws: at most four times a second.
const redrawEvery = 250 * time.Millisecond

// Terminal is progress for a terminal: two lines that are drawn over again,
// and above them what stays (failures, notes).
type Terminal struct {
	W     io.Writer
	Color bool
	// Width returns the columns of the terminal; nil means 80.
	Width func() int
	// Now replaces the clock, for tests.
	Now func() time.Time

	mu       sync.Mutex // guards everything below, and W
	cells    []plan.Cell
	current  int // index of the cell that runs, -1 between cells
	began    time.Time
	cellTime time.Time
	latest   cell.Progress
	before   time.Duration // estimates of the cells that were done when the run began
	done     time.Duration // estimates of the cells done since
	total    time.Duration // of all cells
	drawn    bool          // the two lines stand on the screen
	stop     chan struct{} // closed by End
	stopped  chan struct{} // closed by the redrawing goroutine
}

// Begin starts drawing.
func (t *Terminal) Begin(cells []plan.Cell, done map[string]*result.Cell) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.Now == nil {
		t.Now = time.Now
	}
	t.cells, t.current, t.began = cells, -1, t.Now()
	for _, c := range cells {
		t.total += c.Estimate()
		if done[c.Key] != nil {
			t.before += c.Estimate()
		}
	}
	t.stop, t.stopped = make(chan struct{}), make(chan struct{})
	go t.redraw()
}

func (t *Terminal) redraw() {
	defer close(t.stopped)
	tick := time.NewTicker(redrawEvery)
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-tick.C:
			t.mu.Lock()
			t.draw()
			t.mu.Unlock()
		}
	}
}

// Extend adds cells behind those that there were.
func (t *Terminal) Extend(cells []plan.Cell) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range cells[len(t.cells):] {
		t.total += c.Estimate()
	}
	t.cells = cells
}

// CellStart notes which cell runs.
func (t *Terminal) CellStart(i int, c plan.Cell) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current, t.cellTime, t.latest = i, t.Now(), cell.Progress{}
}

// Cell notes how far it is.
func (t *Terminal) Cell(p cell.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latest = p
}

// CellDone leaves a line behind for a cell that did not go well.
func (t *Terminal) CellDone(i int, c plan.Cell, res *result.Cell) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done += c.Estimate()
	t.current, t.latest = -1, cell.Progress{}
	if res.Status != result.OK {
		line := fmt.Sprintf("[%d/%d] %s  %s", i+1, len(t.cells), title(c), outcome(res))
		if res.Status == result.Failed {
			line = t.paint("31", line)
		}
		t.above(line)
	}
}

// Note leaves a line behind.
func (t *Terminal) Note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.above(fmt.Sprintf(format, args...))
}

// End removes the two lines.
func (t *Terminal) End() {
	close(t.stop)
	<-t.stopped
	t.mu.Lock()
	defer t.mu.Unlock()
	t.erase()
}

const (
	eraseLine = "\r\x1b[2K"
	eraseRest = "\x1b[K" // of the line
	lineUp    = "\x1b[1A"
)

func (t *Terminal) erase() {
	if t.drawn {
		t.print(eraseLine + lineUp + eraseLine)
		t.drawn = false
	}
}

func (t *Terminal) above(line string) {
	t.erase()
	t.print(line + "\n")
}

func (t *Terminal) print(s string) {
	// Progress has no better place to report that it cannot be written.
	_, _ = io.WriteString(t.W, s)
}

func (t *Terminal) paint(code, s string) string {
	if !t.Color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t *Terminal) draw() {
	first, second := t.lines()
	width := 80
	if t.Width != nil {
		if w := t.Width(); w > 0 {
			width = w
		}
	}
	start := ""
	if t.drawn {
		start = lineUp + "\r" // written over rather than erased first, which would flicker
	}
	t.print(start + t.paint("1", clip(first, width-1)) + eraseRest + "\n" + clip(second, width-1) + eraseRest)
	t.drawn = true
}

// lines are the cell and the whole.
func (t *Terminal) lines() (first, second string) {
	share := 0.0
	if t.current < 0 {
		first = "preparing"
		if t.latest.Phase != "" {
			first = "measuring the harness itself  " + phase(t.latest)
		}
	} else {
		c := t.cells[t.current]
		first = fmt.Sprintf("[%d/%d] %s  %s", t.current+1, len(t.cells), title(c), phase(t.latest))
		if est := c.Estimate(); est > 0 {
			share = min(float64(t.Now().Sub(t.cellTime))/float64(est), 0.99)
			share *= float64(est)
		}
	}
	elapsed := t.Now().Sub(t.began)
	done := float64(t.done) + share
	second = "total " + percent(float64(t.before)+done, float64(t.total)) + "  elapsed " + Duration(elapsed.Truncate(time.Second))
	left := float64(t.total) - float64(t.before) - done
	if done > 0 && t.done > 0 {
		left *= float64(elapsed) / done // as slow or fast against the estimate as so far
	}
	return first, second + "  ETA " + Duration(max(time.Duration(left), time.Second).Truncate(time.Second))
}

func percent(part, whole float64) string {
	if whole <= 0 {
		return "0%"
	}
	return fmt.Sprintf("%.0f%%", 100*part/whole)
}

// phase is what a cell does at the moment.
func phase(p cell.Progress) string {
	if p.Phase == "" {
		return "starting"
	}
	parts := []string{p.Phase}
	switch {
	case p.Total >= 1000:
		parts[0] += " " + percent(p.Done, p.Total)
	case p.Total > 0:
		parts[0] += fmt.Sprintf(" %.0f/%.0f", p.Done, p.Total)
	}
	if p.OpsPerS > 0 {
		parts = append(parts, count(p.OpsPerS)+"/s")
	}
	if p.P99Ns > 0 {
		parts = append(parts, "p99 "+Duration(time.Duration(p.P99Ns)))
	}
	return strings.Join(parts, "  ")
}

// clip cuts s to width characters.
func clip(s string, width int) string {
	runes := []rune(s)
	if width < 1 || len(runes) <= width {
		return s
	}
	return string(runes[:width-1]) + "~"
}

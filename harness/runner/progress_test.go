package runner

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orbitbench/engines"
	"orbitbench/harness/cell"
	"orbitbench/harness/plan"
	"orbitbench/harness/result"
)

func someCells() []plan.Cell {
	w := plan.Workload{Name: "load", Kind: result.KindRenewal, Params: result.Params{Seconds: 10}}
	c := func(engine string, trial int) plan.Cell {
		return plan.Cell{
			PlanCell: result.PlanCell{Key: engine, Engine: engine, Trial: trial},
			Workload: w, Durability: engines.Durability{Class: engines.Sync},
		}
	}
	return []plan.Cell{c("logstore", 1), c("treestore", 2)}
}

// screen plays the few escapes that Terminal uses and returns what a reader sees.
func screen(raw string) []string {
	lines := []string{""}
	row, column := 0, 0
	for raw != "" {
		switch {
		case strings.HasPrefix(raw, eraseLine):
			lines[row], column, raw = "", 0, raw[len(eraseLine):]
		case strings.HasPrefix(raw, eraseRest):
			lines[row], raw = lines[row][:column], raw[len(eraseRest):]
		case strings.HasPrefix(raw, lineUp):
			row, raw = row-1, raw[len(lineUp):]
		case raw[0] == '\r':
			column, raw = 0, raw[1:]
		case raw[0] == '\n':
			if row, column = row+1, 0; row == len(lines) {
				lines = append(lines, "")
			}
			raw = raw[1:]
		default:
			lines[row] = lines[row][:column] + raw[:1] + lines[row][min(column+1, len(lines[row])):]
			column, raw = column+1, raw[1:]
		}
	}
	return lines
}

func TestTerminalRedrawsTwoLines(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	cells := someCells()
	term := &Terminal{W: &out, Width: func() int { return 70 }, Now: func() time.Time { return now }}
	term.Begin(cells, nil)
	draw := func() {
		term.mu.Lock()
		defer term.mu.Unlock()
		term.draw()
	}
	term.CellStart(0, cells[0])
	term.Cell(cell.Progress{Phase: "measuring", Done: 4, Total: 10, P99Ns: 1_900_000, OpsPerS: 1998})
	now = now.Add(5 * time.Second)
	draw()
	draw()
	seen := screen(out.String())
	require.Len(t, seen, 2, "two lines, however often they are drawn")
	require.Equal(t, "[1/2] logstore load sync  measuring 4/10  1,998/s  p99 1.9 ms", seen[0])
	require.Regexp(t, regexp.MustCompile(`^total \d+%  elapsed 5\.0 s  ETA \d+ s$`), seen[1])

	term.CellDone(0, cells[0], &result.Cell{Status: result.Failed, Reason: "it broke"})
	term.CellStart(1, cells[1])
	draw()
	seen = screen(out.String())
	require.Equal(t, "[1/2] logstore load sync  FAILED: it broke", seen[0], "a failure stays")
	require.Equal(t, "[2/2] treestore load sync trial 2  starting", seen[1])

	term.End()
	seen = screen(out.String())
	require.Equal(t, []string{"[1/2] logstore load sync  FAILED: it broke", "", ""}, seen, "the two lines are gone")
	require.NotContains(t, out.String(), "\x1b[31m", "no colour unless it is asked for")
}

func TestTerminalClipsToItsWidth(t *testing.T) {
	var out bytes.Buffer
	term := &Terminal{W: &out, Color: true, Width: func() int { return 20 }}
	term.Begin(someCells(), nil)
	term.CellStart(0, someCells()[0])
	term.mu.Lock()
	term.draw()
	seen := screen(regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(out.String(), ""))
	term.mu.Unlock()
	term.End()
	require.Len(t, seen, 2)
	require.Equal(t, "[1/2] logstore loa~", seen[0])
	for _, line := range seen {
		require.LessOrEqual(t, len(line), 19)
	}
}

func TestLinesSayWhenACellStartsAndEnds(t *testing.T) {
	var out bytes.Buffer
	cells := someCells()
	cells[1].Skip = "it has no log"
	l := &Lines{W: &out}
	l.Begin(cells, map[string]*result.Cell{"logstore": nil})
	l.CellStart(0, cells[0])
	l.Cell(cell.Progress{Phase: "measuring"})
	start := time.Unix(0, 0)
	l.CellDone(0, cells[0], &result.Cell{Status: result.OK, Started: start, Finished: start.Add(3 * time.Second), Measure: &result.Measure{
		AchievedPerS: 12345, Ops: []result.OpResult{{Op: "renew", Outcome: "ok", Latency: result.Latency{P50Ns: 950, P99Ns: 25_000}}},
	}})
	l.CellStart(1, cells[1])
	l.CellDone(1, cells[1], &result.Cell{Status: result.Skipped, Reason: "it has no log"})
	l.End()
	require.Equal(t, []string{
		"1 of 2 cells have a result already",
		"[1/2] logstore load sync  started",
		"[1/2] logstore load sync  ok in 3.0 s  renew p50 950 ns, p99 25 us, 12,345/s",
		"[2/2] treestore load sync trial 2  skipped: it has no log",
	}, strings.Split(strings.TrimSpace(out.String()), "\n"))
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		17:                          "17 ns",
		1500:                        "1.5 us",
		42 * time.Microsecond:       "42 us",
		1900 * time.Microsecond:     "1.9 ms",
		12 * time.Second:            "12 s",
		90 * time.Second:            "1 m 30 s",
		11 * time.Minute:            "11 m",
		2*time.Hour + 5*time.Minute: "2 h 5 m",
		-3 * time.Millisecond:       "-3.0 ms",
		999_999 * time.Nanosecond:   "1000 us",
	} {
		require.Equal(t, want, Duration(d))
	}
	require.Equal(t, "-1,234,567", count(-1234567))
	require.Equal(t, "999", count(999))
}

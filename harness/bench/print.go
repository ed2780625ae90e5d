package bench

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"

	"orbitbench/engines"
)

// printHeader writes the lines that begin Go's benchmark format, and says of our
// own units which direction is better.
func printHeader(w io.Writer) error {
	_, err := fmt.Fprintf(w, "goos: %s\ngoarch: %s\npkg: orbitbench/harness/bench\n%s"+
		"Unit p50-ns better=lower\nUnit p99-ns better=lower\nUnit x-floor better=lower\n"+
		"Unit x-tool better=higher\nUnit achieved/s better=higher\nUnit lag-p50-ns better=lower\nUnit lag-p99-ns better=lower\nUnit x-ideal better=higher\nUnit x-pebble better=higher\nUnit x-lmdb better=higher\n"+
		"Unit flushes/op better=lower\nUnit device-writes/flush better=lower\nUnit log-B/op better=lower\nUnit conflicts/op better=lower\n"+
		"Unit x-steady better=higher\nUnit x-steady-p99 better=lower\nUnit x-steady-p99.9 better=lower\n"+
		"Unit open-ns better=lower\nUnit ready-ns better=lower\nUnit x-pebble-open better=lower\nUnit x-checksum better=lower\nUnit Mreplayed/s better=higher\n"+
		"Unit gc-cpu-pct better=lower\nUnit gc-pause-ns better=lower\nUnit gc-stop-ns better=lower\nUnit anon-B/lease better=lower\nUnit mapped-B/lease better=lower\n",
		runtime.GOOS, runtime.GOARCH, cpuLine())
	return err
}

// cpuLine is the cpu line of the header, or nothing where the model is not told.
func cpuLine() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return "cpu: " + strings.TrimSpace(value) + "\n"
		}
	}
	return ""
}

// printRound writes one line for every point of a complete round, except those
// that stood still.
func printRound(w io.Writer, s *sectionDone, r round) error {
	var errs []error
	for _, pt := range s.points {
		if _, ok := r[pt]; !ok {
			continue
		}
		_, err := fmt.Fprintln(w, benchLine(pt, r, s.zipf))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// line is a line of Go's benchmark format in the making.
type line struct {
	strings.Builder
	r round
	p point
}

func (l *line) add(v float64, unit string) { fmt.Fprintf(l, "\t%s %s", figure(v), unit) }

// ratio adds what can be had of a ratio.
func (l *line) ratio(of func(round, point) (float64, error), unit string) {
	if v, err := of(l.r, l.p); err == nil {
		l.add(v, unit)
	}
}

// benchLine is the line of one point: name, operations, and figures with units.
// races adds the share of renewals that lost to another writer.
func benchLine(p point, r round, races bool) string {
	s := r[p]
	l := &line{r: r, p: p}
	fmt.Fprintf(l, "%s\t%d", p.name(), s.ops)
	if p.kind == memoryKind {
		l.add(s.memory.Anonymous/float64(p.actors), "anon-B/lease")
		l.add(s.memory.Mapped/float64(p.actors), "mapped-B/lease")
		return l.String()
	}
	l.add(s.nsPerOp, "ns/op")
	switch p.kind {
	case harnessKind:
		l.add(s.allocs, "allocs/op")
	case recoverKind:
		l.add(s.recovery.OpenNs, "open-ns")
		l.add(s.recovery.ReadyNs, "ready-ns")
		l.add(s.recovery.Replayed, "replayed")
		l.ratio(recoveryOver("pebble"), "x-pebble-open")
		l.ratio(firstOverChecksum, "x-checksum")
		if p.state == afterDeltas {
			l.ratio(replayRate, "Mreplayed/s")
		}
	case checksumKind, toolKind:
	case openKind:
		l.add(s.p50, "p50-ns")
		l.add(s.p99, "p99-ns")
		l.add(s.p999, "p99.9-ns")
		l.ratio(p50OverFloor, "x-floor")
		l.add(s.open.achieved, "achieved/s")
		l.add(s.open.lagP50, "lag-p50-ns")
		l.add(s.open.lagP99, "lag-p99-ns")
	case collectorKind:
		l.add(100*s.collector.Share, "gc-cpu-pct")
		l.add(s.collector.PauseNs, "gc-pause-ns")
		l.add(s.collector.StopNs, "gc-stop-ns")
		l.add(s.collector.FloorNs, "gc-floor-ns")
		l.add(s.collector.Cycles, "gc-cycles")
	default:
		l.loop(s, races)
	}
	return l.String()
}

// loop adds the figures of a closed loop.
func (l *line) loop(s sample, races bool) {
	p := l.p
	l.add(s.p50, "p50-ns")
	l.add(s.p99, "p99-ns")
	switch p.kind {
	case checkpointKind:
		l.add(s.p999, "p99.9-ns")
		l.ratio(checkpointThroughput, "x-steady")
		l.ratio(checkpointP99, "x-steady-p99")
		l.ratio(checkpointP999, "x-steady-p99.9")
		l.add(s.checkpoints, "checkpoints")
	case putKind:
		l.ratio(speedOverTool, "x-tool")
	case getKind:
		l.ratio(speedOver("pebble"), "x-pebble")
		l.ratio(speedOver("lmdb"), "x-lmdb")
	case renewKind:
		if p.dur.Class == engines.Sync {
			l.ratio(p50OverFloor, "x-floor")
			l.ratio(shareOfIdeal, "x-ideal")
		}
		l.ratio(speedOver("pebble"), "x-pebble")
		l.add(s.flushes, "flushes/op")
		l.ratio(deviceWritesByFlush, "device-writes/flush")
		l.add(s.logBytes, "log-B/op")
		if races {
			l.add(s.conflicts, "conflicts/op")
		}
	}
	l.add(s.bytes, "B/op")
	l.add(s.allocs, "allocs/op")
}

// figure writes v with four digits, without an exponent for any value that occurs.
func figure(v float64) string {
	switch {
	case v == 0 || v < 0.0005 && v > -0.0005:
		return "0"
	case v >= 1000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

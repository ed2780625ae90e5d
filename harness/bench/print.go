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
		"Unit x-ideal better=higher\nUnit x-pebble better=higher\n"+
		"Unit flushes/op better=lower\nUnit log-B/op better=lower\nUnit conflicts/op better=lower\n",
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
func printRound(w io.Writer, p *plan, r round) error {
	var errs []error
	for _, pt := range p.points {
		if _, ok := r[pt]; !ok {
			continue
		}
		_, err := fmt.Fprintln(w, benchLine(pt, r, p.zipf))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// benchLine is the line of one point: name, operations, and figures with units.
// races adds the share of renewals that lost to another writer.
func benchLine(p point, r round, races bool) string {
	s := r[p]
	var b strings.Builder
	fmt.Fprintf(&b, "%s\t%d\t%s ns/op", p.name(), s.ops, figure(s.nsPerOp))
	if p.kind == harnessKind {
		fmt.Fprintf(&b, "\t%s allocs/op", figure(s.allocs))
		return b.String()
	}
	fmt.Fprintf(&b, "\t%s p50-ns\t%s p99-ns", figure(s.p50), figure(s.p99))
	ratio := func(unit string, of func(round, point) (float64, error)) {
		if v, err := of(r, p); err == nil {
			fmt.Fprintf(&b, "\t%s %s", figure(v), unit)
		}
	}
	if p.kind == renewKind {
		if p.dur.Class == engines.Sync {
			ratio("x-floor", p50OverFloor)
			ratio("x-ideal", shareOfIdeal)
		}
		ratio("x-pebble", speedOver("pebble"))
		fmt.Fprintf(&b, "\t%s flushes/op\t%s log-B/op", figure(s.flushes), figure(s.logBytes))
		if races {
			fmt.Fprintf(&b, "\t%s conflicts/op", figure(s.conflicts))
		}
	}
	fmt.Fprintf(&b, "\t%s B/op\t%s allocs/op", figure(s.bytes), figure(s.allocs))
	return b.String()
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

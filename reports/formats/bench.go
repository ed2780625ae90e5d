package formats

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"orbitbench/harness/result"
)

// bench writes Go's benchmark format (golang.org/design/14313-benchmark-format):
// a line for each trial, so that benchstat takes the trial as its sample. The last
// part of a name is the durability, which never ends in -N: that would be read
// as a number of processors. Keys that differ from run to run (times, commits)
// stay out, because benchstat would set such runs apart.
func bench(out io.Writer, run *result.Run, rows []*row) error {
	w := bufio.NewWriter(out)
	e := run.Environment
	for _, kv := range [][2]string{{"goos", "linux"}, {"goarch", e.Arch}, {"pkg", "orbitbench"}, {"cpu", e.CPUModel}, {"fs", e.FileSystem}, {"profile", run.Profile}} {
		if v := strings.Join(strings.Fields(kv[1]), " "); v != "" {
			fmt.Fprintf(w, "%s: %s\n", kv[0], v)
		}
	}
	for _, unit := range []string{"p50-ns", "p90-ns", "p99-ns", "p99.9-ns", "first-read-ns", "allocs/op", "cpu-ns"} {
		fmt.Fprintf(w, "Unit %s better=lower\n", unit)
	}
	fmt.Fprintln(w, "Unit ops/s better=higher")
	for _, r := range rows {
		for _, c := range r.cells {
			r.benchCell(w, c)
		}
	}
	return w.Flush()
}

func (r *row) benchCell(w io.Writer, c *result.Cell) {
	at := "/engine=" + key(r.name()) + "/workload=" + key(r.workload) + "/durability=" + key(r.durability)
	for _, k := range r.ops() {
		l, ok := latency(c, k)
		if !ok || k.outcome != "ok" {
			continue
		}
		fmt.Fprintf(w, "Benchmark%s%s\t%d\t%d p50-ns\t%d p90-ns\t%d p99-ns", title(k.op), at, l.Count, l.P50Ns, l.P90Ns, l.P99Ns)
		if l.Count >= 10_000 { // ten samples lie above it
			fmt.Fprintf(w, "\t%d p99.9-ns", l.P999Ns)
		}
		fmt.Fprintln(w)
	}
	if m := c.Measure; m != nil {
		n := operations(m)
		if n > 0 {
			fmt.Fprintf(w, "BenchmarkLoad%s\t%d\t%s ops/s", at, n, number(m.AchievedPerS))
			if res := c.Resources; res != nil {
				fmt.Fprintf(w, "\t%s cpu-ns\t%s allocs/op", number(res.CPUPerOpNs), number(float64(res.Allocations)/float64(n)))
			}
			fmt.Fprintln(w)
		}
	}
	if c.Recovery != nil {
		for _, t := range c.Recovery.Repetitions {
			if t.FirstReadNs > 0 {
				cache := ""
				if t.Cache != "" {
					cache = "/cache=" + t.Cache
				}
				fmt.Fprintf(w, "BenchmarkRecover%s%s\t1\t%d first-read-ns\n", cache, at, t.FirstReadNs)
			}
		}
	}
}

func operations(m *result.Measure) (n uint64) {
	for _, o := range m.Ops {
		n += o.Latency.Count + o.Latency.OutOfRange
	}
	return n
}

// key keeps of a name what may stand in a benchmark's.
func key(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '/' || c == ' ' || c == '=' || c < ' ' {
			return '_'
		}
		return c
	}, s)
}

func title(op string) string { return strings.ToUpper(op[:1]) + op[1:] }

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"orbitbench/engines"
)

// printTables writes the medians of every point, the judgement of every target
// and what is to be said about the machine. Without a complete round it writes nothing.
func printTables(w io.Writer, o Options, p *plan, rounds []round, machine *others) error {
	if len(rounds) == 0 {
		return nil
	}
	if err := printFigures(w, p, rounds); err != nil {
		return err
	}
	if err := printTargets(w, judge(o, rounds), len(rounds), machine.doubtful()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", machine.verdict())
	return err
}

func printFigures(w io.Writer, p *plan, rounds []round) error {
	fmt.Fprintf(w, "\nMedians of %d rounds; ratios were taken within a round\n", len(rounds))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tns/op\tp50 ns\tp99 ns\tx-floor\tx-ideal\tx-pebble\tflushes/op\tlog B/op\tallocs/op\t")
	for _, pt := range p.points {
		fmt.Fprintf(t, "%s\t", strings.TrimPrefix(pt.name(), "Benchmark"))
		column := func(of func(round, point) (float64, error)) {
			values := make([]float64, 0, len(rounds))
			for _, r := range rounds {
				if _, ok := r[pt]; !ok {
					continue
				}
				if v, err := of(r, pt); err == nil {
					values = append(values, v)
				}
			}
			if len(values) == 0 {
				fmt.Fprint(t, "-\t")
				return
			}
			fmt.Fprintf(t, "%s\t", figure(median(values)))
		}
		get := func(f func(sample) float64) func(round, point) (float64, error) {
			return func(r round, p point) (float64, error) { return f(r[p]), nil }
		}
		only := func(when bool, of func(round, point) (float64, error)) func(round, point) (float64, error) {
			return func(r round, p point) (float64, error) {
				if !when {
					return 0, missing("such a figure")
				}
				return of(r, p)
			}
		}
		column(get(func(s sample) float64 { return s.nsPerOp }))
		timed := pt.kind != harnessKind
		column(only(timed, get(func(s sample) float64 { return s.p50 })))
		column(only(timed, get(func(s sample) float64 { return s.p99 })))
		renew := pt.kind == renewKind
		sync := renew && pt.dur.Class == engines.Sync
		column(only(sync, p50OverFloor))
		column(only(sync, shareOfIdeal))
		column(only(renew, speedOver("pebble")))
		column(only(renew, get(func(s sample) float64 { return s.flushes })))
		column(only(renew, get(func(s sample) float64 { return s.logBytes })))
		column(get(func(s sample) float64 { return s.allocs }))
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// printTargets writes the judgements. A machine that others used makes each of
// them doubtful, and each says so: a row is often quoted without the rest.
func printTargets(w io.Writer, all []judgement, rounds int, doubtful bool) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "\nNo target applies to what was measured")
		return err
	}
	fmt.Fprintf(w, "\nTargets, judged by the median of %d rounds\n", rounds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\tpoint\tmeasure\ttarget\tmedian\tmin..max\tverdict")
	for _, j := range all {
		sign := ">="
		if j.atMost {
			sign = "<="
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s %s\t", j.row, j.subject, j.text, sign, figure(j.target))
		if len(j.values) == 0 {
			fmt.Fprintf(t, "-\t-\tnot judged: %s\n", j.missing)
			continue
		}
		verdict := "not reached"
		if j.reached() {
			verdict = "reached"
		}
		if doubtful {
			verdict += ", doubtful"
		}
		if j.missing != "" {
			verdict += fmt.Sprintf(" (in %d rounds of %d: %s)", len(j.values), rounds, j.missing)
		}
		fmt.Fprintf(t, "%s\t%s..%s\t%s\n", figure(j.median()), figure(slices.Min(j.values)), figure(slices.Max(j.values)), verdict)
	}
	return t.Flush()
}

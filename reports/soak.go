package reports

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"orbitbench/harness/result"
)

// Soak prints the result of a soak for people.
func Soak(w io.Writer, s *result.Soak) error {
	var b strings.Builder
	fmt.Fprintf(&b, "soak of %s, %s: %s leases, %d writers, %s, %s renewals, path %s\n",
		s.Engine, s.Durability, round(float64(s.Leases)), s.Writers, seconds(s.Seconds), number(float64(s.Renewals)), s.Path)
	fmt.Fprintf(&b, "%s took %s\n\n", plural(s.Checkpoints, "checkpoint"), duration(s.CheckpointSeconds*1e9))
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\ttime\trenewals/s\tp50\tp99\tp99.9\tmax\t")
	soakPart(t, "steady", s.Steady)
	soakPart(t, "under a checkpoint", s.During)
	if s.Steady.Renewals > 0 && s.During.Renewals > 0 {
		p50 := float64(s.During.P50Ns) / float64(max(s.Steady.P50Ns, 1))
		fmt.Fprintf(t, "ratio\t\t%s\t%s\t%s\t%s\t\t\n", factor(s.Throughput()), factor(p50), factor(s.P99()), factor(s.P999()))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	d := s.Disk
	fmt.Fprintf(&b, "\ndisk: at most %s in the first half and %s in the second (%s), %s at the kill; keys and values take %s\n",
		size(float64(d.FirstHalfPeakBytes)), size(float64(d.SecondHalfPeakBytes)), factor(d.Growth()), size(float64(d.AtKillBytes)), size(float64(d.LiveBytes)))
	if s.Check != nil {
		fmt.Fprintf(&b, "copy taken at the kill: %s compared with what was acknowledged: %s\n", plural(s.Check.Records, "lease"), oneLine(s.Check.Verdict))
	}
	b.WriteString(soakMachine(s))
	for _, warning := range s.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", oneLine(warning))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// soakMachine says what the machine and the device did meanwhile, and what that
// makes of the figures.
func soakMachine(s *result.Soak) string {
	var b strings.Builder
	if m := s.Machine; m != nil {
		fmt.Fprintf(&b, "machine: others %.0f%%, steal %.1f%% of the processors", 100*m.OthersCPUShare, 100*m.StealShare)
		for _, what := range []string{"cpu", "io", "memory"} {
			if share, ok := m.Pressure[what]; ok {
				fmt.Fprintf(&b, ", waiting for %s %.0f%% of the time", what, 100*share)
			}
		}
		b.WriteString("\n")
	}
	for i, f := range s.Floors {
		if when := []string{"before", "behind"}; f.Error == "" && i < len(when) {
			fmt.Fprintf(&b, "floor %s: one durable write p50 %s, p99 %s\n", when[i], duration(float64(f.Latency.P50Ns)), duration(float64(f.Latency.P99Ns)))
		}
	}
	if v := s.Validity; v != nil {
		fmt.Fprintf(&b, "validity: %s", v.Verdict)
		if text := v.Text(); text != "" {
			fmt.Fprintf(&b, ": %s", oneLine(text))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func soakPart(w io.Writer, name string, p result.SoakPart) {
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", name, duration(p.Seconds*1e9), number(p.PerS),
		duration(float64(p.P50Ns)), duration(float64(p.P99Ns)), duration(float64(p.P999Ns)), duration(float64(p.MaxNs)))
}

package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"orbitbench/reports/compare"
)

const compareHelp = `Say whether the run HEAD is worse than the run BASE, by one rule.

A time has changed if its Mann-Whitney p, adjusted by Holm over all gated times,
is below .05, the 95% bootstrap interval of its ratio excludes no change, and
the change exceeds both the margin and twice what this machine differs from
itself by (the A/A control trials of the runs). It is equivalent if the interval
lies within the margin, and inconclusive otherwise. A gate takes 7 trials a
side; figures with fewer, and trials that are not valid, are shown and not gated.

Counts (syncs per acknowledgement, allocations, bytes on disk, the offered rate)
are always gated, and so are failed cells. A lease lost in HEAD, or an
acknowledgement before its promise, is a violation.

--gate names the times to gate: ENGINE/WORKLOAD/DURABILITY/FIGURE, each a
pattern, the last ones optional, or "none". By default the p50 and p99 of
renewals and the recoveries of every engine. FIGURE is such as renew_p99,
get_p50, throughput, recovery_first_read.

Runs of different machines, workloads, classes or engine configurations are
refused unless --force is given, and then the verdict says so. Runs that were
taken in turn (orbitbench pair) are compared trial by trial.

Exit codes: 0 no regression, 1 an input is missing or damaged, 2 wrong usage or
a comparison that was refused, 10 a regression, 11 a violation in HEAD, 12 no
gated figure could be decided.`

// compareFlags are the flags of compare and pair.
type compareFlags struct {
	o      compare.Options
	margin float64 // percent
	format string
}

func (f *compareFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringSliceVar(&f.o.Gate, "gate", nil, "comma-separated `PATTERNS` of the times that are gated, or none")
	flags.Float64Var(&f.margin, "margin", 100*compare.DefaultMargin, "smallest change of a time that matters, in `PERCENT`")
	flags.StringVar(&f.format, "format", "text", "text, markdown, json or junit")
	flags.BoolVar(&f.o.Force, "force", false, "compare what does not belong together, and say so")
}

// options checks the flags.
func (f *compareFlags) options() (compare.Options, error) {
	if f.margin <= 0 || f.margin >= 1000 {
		return f.o, usage(fmt.Errorf("--margin %g: want a percentage above 0", f.margin))
	}
	if !slices.Contains([]string{"text", "markdown", "json", "junit"}, f.format) {
		return f.o, usage(fmt.Errorf("--format %s: want text, markdown, json or junit", f.format))
	}
	f.o.Margin = f.margin / 100
	return f.o, nil
}

func (a *app) compareCommand() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare BASE HEAD",
		Short: "say whether one run is worse than another",
		Long:  compareHelp,
		Example: "  orbitbench compare runs/base runs/head\n" +
			"  orbitbench compare runs/base runs/head --gate 'appendlog/*/sync,pebble' --format markdown > comment.md",
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, dirs []string) error {
			o, err := f.options()
			if err != nil {
				return err
			}
			return a.compare(dirs[0], dirs[1], o, f.format)
		},
	}
	f.add(cmd)
	return cmd
}

// compare prints how two runs compare and turns that into an exit code.
func (a *app) compare(base, head string, o compare.Options, format string) error {
	show := map[string]func(*compare.Result) error{
		"text":     func(r *compare.Result) error { return r.Text(a.stdout) },
		"markdown": func(r *compare.Result) error { return r.Markdown(a.stdout) },
		"junit":    func(r *compare.Result) error { return r.JUnit(a.stdout) },
		"json":     func(r *compare.Result) error { return a.printJSON(r) },
	}[format]
	r, err := compare.Runs(base, head, o)
	var refused *compare.UsageError
	switch {
	case errors.As(err, &refused):
		return usage(fmt.Errorf("compare: %w", err))
	case err != nil:
		return fmt.Errorf("compare: %w", err)
	}
	if err := show(r); err != nil {
		return err
	}
	if r.ExitCode != compare.ExitOK {
		return &exit{code: r.ExitCode}
	}
	return nil
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"orbitbench/reports/compare"
	"orbitbench/reports/history"
)

const historyHelp = `Find where the figures of many runs have changed their level.

Each figure of each engine, workload and durability becomes a series over the
runs, oldest first. Changes are found by E-divisive: the split that parts a
series best is a change if random orders of it hardly ever have one as good
(a permutation test from a fixed seed, p < .01); then both parts are searched. About
ten runs are needed. Nothing is gated here: compare says whether a head is worse.

--figures takes the patterns of compare's --gate. --charts DIR draws every series
that has a change, as SVG and PNG.

Exit codes: 0 ok, 1 an input is missing or damaged, 2 wrong usage or runs of
different machines.`

func (a *app) historyCommand() *cobra.Command {
	var o history.Options
	var charts string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "history DIR...",
		Short:   "find changes over many runs",
		Long:    historyHelp,
		Example: "  orbitbench history runs/nightly-*\n  orbitbench history runs/nightly-* --figures 'appendlog/*/sync' --charts charts",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(_ *cobra.Command, dirs []string) error {
			r, err := history.Of(dirs, o)
			var refused *compare.UsageError
			switch {
			case errors.As(err, &refused):
				return usage(fmt.Errorf("history: %w", err))
			case err != nil:
				return fmt.Errorf("history: %w", err)
			}
			if charts != "" {
				if err := a.drawHistory(r, charts); err != nil {
					return fmt.Errorf("history: %w", err)
				}
			}
			if asJSON {
				return a.printJSON(r)
			}
			return r.Text(a.stdout)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&o.Figures, "figures", nil, "comma-separated `PATTERNS` of figures (default the p50 and p99 of renewals, and recovery)")
	flags.StringVar(&charts, "charts", "", "draw the series that changed into `DIR`")
	flags.BoolVar(&o.Force, "force", false, "take runs of different machines together, and say so")
	flags.BoolVar(&asJSON, "json", false, "print the series and their changes as JSON")
	return cmd
}

// drawHistory draws every series that has a change.
func (a *app) drawHistory(r *history.Result, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, s := range r.Series {
		if len(s.Changes) == 0 {
			continue
		}
		figure := r.Chart(s)
		name := strings.NewReplacer(" ", "-", ":", "-", "/", "-").Replace(s.Name())
		for suffix, draw := range map[string]func(io.Writer) error{".svg": figure.SVG, ".png": figure.PNG} {
			f, err := os.Create(filepath.Join(dir, name+suffix))
			if err != nil {
				return err
			}
			if err := errors.Join(draw(f), f.Close()); err != nil {
				return err
			}
		}
		fmt.Fprintf(a.stderr, "drawn: %s\n", filepath.Join(dir, name+".svg"))
	}
	return nil
}

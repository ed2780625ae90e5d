package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"orbitbench/reports"
	"orbitbench/reports/formats"
)

const reportHelp = `Make the report of a run directory anew from its results, in DIR/report, and
print the table, one sentence of verdict and the path. DIR/bench.txt (benchstat) and
DIR/hlog (HdrHistogram's tools) are made anew too.

Crash matrix, capacity and recovery curve are runs of their own (crash, capacity,
recover). --with puts such runs into the report of DIR; those that lie in DIR/with
are in it always. Runs of another machine, or with other versions of an engine's
library, are refused unless --force is given, and then the report says so.

Exit codes: 0 ok, 1 a directory cannot be read, 2 wrong usage, or runs that do not
belong together.`

func (a *app) reportCommand() *cobra.Command {
	var asJSON, force bool
	var with []string
	cmd := &cobra.Command{
		Use:     "report DIR...",
		Short:   "make the report of runs anew and print their tables",
		Long:    reportHelp,
		Example: "  orbitbench report runs/20260102-150405-quick\n  orbitbench report runs/20260102-150405-standard --with runs/20260102-170000-crash,runs/20260102-180000-capacity-quick",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, dirs []string) error {
			if len(with) > 0 && len(dirs) > 1 {
				return usage(errors.New("--with puts runs into one report: give one DIR beside it"))
			}
			all := []ended{}
			for _, dir := range dirs {
				files, verdict, err := a.report(dir, with, force, !asJSON)
				if err != nil {
					return err
				}
				all = append(all, ended{Dir: dir, Report: files, Verdict: verdict})
			}
			if asJSON {
				return a.printReports(all)
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&with, "with", nil, "comma-separated run `DIRS` that stand in the report as well, beside those in DIR/with")
	cmd.Flags().BoolVar(&force, "force", false, "put runs of other machines or library versions into one report, and say so")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the files and the verdicts as JSON")
	return cmd
}

func (a *app) printReports(all []ended) error {
	type written struct {
		Dir     string   `json:"dir"`
		Files   []string `json:"files"`
		Verdict string   `json:"verdict"`
	}
	list := []written{}
	for _, e := range all {
		list = append(list, written{e.Dir, e.Report, e.Verdict})
	}
	return a.printJSON(list)
}

// report writes the report of dir, with the runs that stand in it, and its formats for other tools and, if show is set, prints the table, the
// verdict and the report's path.
func (a *app) report(dir string, with []string, force, show bool) (files []string, verdict string, err error) {
	r, err := reports.LoadTogether(dir, with, force)
	var refused *reports.Refused
	if errors.As(err, &refused) {
		return nil, "", usage(err)
	}
	if err != nil {
		return nil, "", fmt.Errorf("report: %w", err)
	}
	if files, err = r.Write(); err != nil {
		return nil, "", fmt.Errorf("report: %w", err)
	}
	others, err := formats.Write(r.Dir, r.Run, r.Cells)
	if err != nil {
		return nil, "", fmt.Errorf("report: %s: %w", r.Dir, err)
	}
	files = append(files, others...)
	if !show {
		return files, r.Verdict(), nil
	}
	err = r.Text(a.stdout, reports.TextOptions{Width: terminalWidth(a.stdout), Color: a.useColor(a.stdout)})
	return files, r.Verdict(), err
}

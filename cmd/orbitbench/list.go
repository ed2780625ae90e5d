package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"orbitbench/engines/all"
	"orbitbench/harness/plan"
	"orbitbench/harness/result"
	"orbitbench/harness/runner"
)

const listHelp = `List what a run can name:

  engines     with their durability classes
  workloads   what a run makes of a preset
  profiles    sizes of run
  presets     loads with a name and a source

Exit codes: 0 ok, 2 wrong usage.`

func (a *app) listCommand() *cobra.Command {
	var asJSON bool
	kinds := []string{"engines", "workloads", "profiles", "presets"}
	cmd := &cobra.Command{
		Use:       "list engines|workloads|profiles|presets",
		Short:     "list engines, workloads, profiles or presets",
		Long:      listHelp,
		Example:   "  orbitbench list engines\n  orbitbench list presets --json",
		ValidArgs: kinds,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(kinds, args[0]) {
				return fmt.Errorf("list %s: want one of %s", strings.Join(args, " "), strings.Join(kinds, ", "))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			rows, list := listing(args[0])
			if asJSON {
				return a.printJSON(list)
			}
			return a.printRows(rows)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print everything that is known of them as JSON")
	return cmd
}

// listing returns the table of a list, heading first, and the same as data.
func listing(kind string) (rows [][]string, list any) {
	switch kind {
	case "engines":
		return listEngines()
	case "profiles":
		profiles := plan.Profiles()
		rows = [][]string{{"PROFILE", "TRIALS", "CLASSES", "PRESETS", "WHAT"}}
		for _, p := range profiles {
			rows = append(rows, []string{p.Name, fmt.Sprint(p.Trials), strings.Join(p.Durability, ","), strings.Join(p.Presets, ","), p.Summary})
		}
		return rows, profiles
	case "presets":
		presets := plan.Presets()
		rows = [][]string{{"PRESET", "ACTORS", "LEASE/RENEW", "RATE", "VALUE", "SOURCE"}}
		for _, p := range presets {
			rows = append(rows, []string{
				p.Name, fmt.Sprint(p.Params.Actors), fmt.Sprintf("%g/%g s", p.Params.LeaseSeconds, p.Params.RenewSeconds),
				fmt.Sprintf("%g/s", p.Params.RatePerS), fmt.Sprintf("%d B", p.Params.ValueBytes), p.Source,
			})
		}
		return rows, presets
	default:
		workloads := plan.WorkloadNames()
		rows = [][]string{{"WORKLOAD", "KIND", "LOOP", "CLASSES", "WHAT"}}
		for _, w := range workloads {
			rows = append(rows, []string{w.Pattern, w.Kind, w.Loop, strings.Join(w.Classes, ","), w.Summary})
		}
		return rows, workloads
	}
}

func listEngines() (rows [][]string, list any) {
	engines := []result.Engine{}
	rows = [][]string{{"ENGINE", "ROLE", "CLASSES", "MODULE", "WHAT"}}
	for _, d := range all.Drivers() {
		e := runner.Describe(d.Info())
		engines = append(engines, e)
		if d.Info().Optional {
			e.Role += ", on request"
		}
		rows = append(rows, []string{e.Name, e.Role, strings.Join(e.Classes, ","), e.Module, e.Title})
	}
	return rows, engines
}

func (a *app) printRows(rows [][]string) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintln(w, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

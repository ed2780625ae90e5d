package main

import (
	"github.com/spf13/cobra"

	"orbitbench/harness/plan"
	"orbitbench/harness/result"
)

const planHelp = `Print the plan that run would carry out with the same flags, with every default
filled in, and run nothing. The output is a plan file: run --plan takes it.

In a plan file, [[workload]] tables replace the profile's workloads; each names
a preset and overrides what it likes. [engines.NAME] tables hold the options of
an engine. An unknown key is an error with its place.

Exit codes: 0 ok, 2 wrong usage.`

const planExample = `  orbitbench plan
  orbitbench plan --engines pebble --durability sync,interval:10ms > my.toml
  orbitbench plan --plan my.toml --json

A plan file:

  profile = "standard"
  engine_names = ["appendlog", "pebble"]
  durability = ["sync"]

  [engines.pebble]
  block_cache_size = 268435456

  [[workload]]
  name = "big-values"
  preset = "orbit-default"
  value_bytes = 4096
  rate_per_s = 1000`

func (a *app) planCommand() *cobra.Command {
	var flags planFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "plan",
		Short:   "print the plan in full and run nothing",
		Long:    planHelp,
		Example: planExample,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			p, err := flags.expand()
			if err != nil {
				return err
			}
			if asJSON {
				return a.printPlanJSON(p)
			}
			raw, err := p.TOML()
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(raw)
			return err
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the plan and its cells in their order as JSON")
	return cmd
}

func (a *app) printPlanJSON(p *plan.Plan) error {
	type cell struct {
		result.PlanCell
		EstimateSeconds float64 `json:"estimate_seconds"`
		Skip            string  `json:"skip,omitempty"`
	}
	out := struct {
		*plan.Plan
		EstimateSeconds float64 `json:"estimate_seconds"`
		DiskBytes       uint64  `json:"disk_bytes"`
		Cells           []cell  `json:"cells"`
	}{Plan: p, EstimateSeconds: p.Estimate().Seconds(), DiskBytes: p.DiskBytes(false), Cells: []cell{}}
	for _, c := range p.Cells() {
		out.Cells = append(out.Cells, cell{c.PlanCell, c.Estimate().Seconds(), c.Skip})
	}
	return a.printJSON(out)
}

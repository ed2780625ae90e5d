package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"orbitbench/engines/all"
	"orbitbench/harness/durability"
	"orbitbench/harness/plan"
	"orbitbench/harness/result"
	"orbitbench/harness/runner"
)

const runHelp = `Run a plan: every engine under every workload and durability class, each cell
in a fresh process and a fresh directory, trials interleaved and in random order.

Progress goes to stderr; the table, one sentence of verdict and the path of the
report go to stdout. Ctrl-C keeps the cells that are done (resume goes on),
a second Ctrl-C ends at once. One run at a time on a machine.

The stores of the engines lie in --data-dir, which must be on the disk to be
measured and apart from --out; they are removed after each cell. An engine that
cannot give a durability class has a skipped row with the reason.

Before the cells each engine is traced once for each class, untimed, to see
whether it acknowledges before its promise (see orbitbench help durability).

Exit codes: 0 ok, skipped cells included; 1 a cell failed; 2 wrong usage;
11 an engine lost or made up a lease, or acknowledges before the promise of its
class; 130 interrupted.`

const runExample = `  orbitbench run                                          quick profile, every engine
  orbitbench run --engines appendlog,pebble --durability sync --trials 7
  orbitbench run --workloads k8s-node --profile standard --out runs/k8s
  orbitbench run --plan my.toml --data-dir /mnt/nvme/data`

func (a *app) runCommand() *cobra.Command {
	var flags planFlags
	var o runner.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "run",
		Short:   "run a comparison and print its table",
		Long:    runHelp,
		Example: runExample,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := flags.expand()
			if err != nil {
				return err
			}
			return a.carryOut(cmd, p, "", &o, asJSON)
		},
	}
	flags.add(cmd)
	a.addOutFlags(cmd, &o, "TIME-PROFILE", &asJSON)
	return cmd
}

// noDurabilityCheck is the flag of run and resume that leaves the traces out.
const noDurabilityCheck = "no-durability-check"

// carryOut runs a plan that verb made, "" being run itself.
func (a *app) carryOut(cmd *cobra.Command, p *plan.Plan, verb string, o *runner.Options, asJSON bool) error {
	if o.Out == "" {
		o.Out = outDir(verb, p.Profile)
	}
	a.announce(p)
	if err := a.complete(cmd, o); err != nil {
		return err
	}
	defer noteInterrupt(cmd.Context(), o.Progress)()
	s, err := runner.Run(cmd.Context(), p, *o)
	return a.conclude(s, err, asJSON)
}

// addRunFlags adds the flags that run and resume share.
func (a *app) addRunFlags(cmd *cobra.Command, o *runner.Options, asJSON *bool) {
	cmd.Flags().Bool(noDurabilityCheck, false, "do not trace each engine and class once (half a second each) to verify its promise")
	cmd.Flags().StringVar(&o.LockFile, "lock-file", runner.DefaultLockFile(), "`FILE` whose lock lets one run at a time measure")
	cmd.Flags().IntVar(&o.Through, throughTrial, 0, "end behind the cells of trial `N`; resume goes on (see pair)")
	cmd.Flags().BoolVar(asJSON, "json", false, "print how the run ended as JSON instead of the table")
}

// announce prints what will run and for how long.
func (a *app) announce(p *plan.Plan) {
	cells := p.Cells()
	skipped := 0
	for _, c := range cells {
		if c.Skip != "" {
			skipped++
		}
	}
	var engines, workloads []string
	for _, e := range p.Engines {
		engines = append(engines, e.Name)
	}
	for _, w := range p.Workloads {
		workloads = append(workloads, w.Name)
	}
	more := ""
	if p.Grows() {
		more = " and their confirmations"
	}
	fmt.Fprintf(a.stderr, "plan: profile %s, %d cells (%d skipped)%s, about %s\n  engines    %s\n  workloads  %s\n",
		p.Profile, len(cells), skipped, more, runner.Duration(p.Estimate()), strings.Join(engines, ", "), strings.Join(workloads, ", "))
	if p.Preview {
		fmt.Fprintln(a.stderr, "  short trials: a PREVIEW, from which no engine is judged better than another")
	}
}

// complete fills in what the program knows about itself.
func (a *app) complete(cmd *cobra.Command, o *runner.Options) error {
	skip, err := cmd.Flags().GetBool(noDurabilityCheck)
	if err != nil {
		return err
	}
	if !skip {
		o.Durability = durability.Verify
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("own program: %w", err)
	}
	counts, err := all.Complexity()
	if err != nil {
		return err
	}
	o.Child, o.Inspect = []string{self, "cell"}, []string{self, "inspect"}
	o.Lookup = all.Lookup
	o.CommandLine = append([]string{"orbitbench"}, a.args...)
	o.Tool = runner.ToolInfo(version)
	o.Progress = a.progress()
	o.Complexity = map[string]result.Complexity{}
	for name, c := range counts {
		o.Complexity[name] = result.Complexity{Lines: c.Lines, Dependencies: c.Dependencies, Note: c.Note}
	}
	return nil
}

// noteInterrupt says that Ctrl-C was understood, until stop is called.
func noteInterrupt(ctx context.Context, p runner.Progress) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		p.Note("interrupted: ending the current cell and keeping those that are done (once more quits at once)")
	})
}

// ended is what run and resume print with --json.
type ended struct {
	Dir         string   `json:"dir"`
	OK          int      `json:"ok"`
	Failed      int      `json:"failed"`
	Skipped     int      `json:"skipped"`
	Missing     int      `json:"missing"`
	Interrupted bool     `json:"interrupted"`
	Failures    []string `json:"failures,omitempty"`
	Violations  []string `json:"violations,omitempty"`
	Report      []string `json:"report,omitempty"`
	Verdict     string   `json:"verdict,omitempty"`
}

// conclude prints how a run ended and turns that into an exit code.
func (a *app) conclude(s *runner.Summary, err error, asJSON bool) error {
	if err != nil {
		return err
	}
	for _, f := range s.Failures {
		fmt.Fprintf(a.stderr, "failed: %s\n", f)
	}
	for _, v := range s.Violations {
		fmt.Fprintf(a.stderr, "VIOLATION: %s\n", v)
	}
	out := ended{
		Dir: s.Dir, OK: s.OK, Failed: s.Failed, Skipped: s.Skipped, Missing: s.Missing,
		Interrupted: s.Interrupted, Failures: s.Failures, Violations: s.Violations,
	}
	if s.Interrupted {
		fmt.Fprintf(a.stderr, "interrupted with %d cells to go; go on with: orbitbench resume %s\n", s.Missing, shorten(s.Dir))
	} else if s.Stopped {
		fmt.Fprintf(a.stderr, "stopped as asked, with %d cells to go; go on with: orbitbench resume %s\n", s.Missing, shorten(s.Dir))
	} else if out.Report, out.Verdict, err = a.report(s.Dir, nil, false, !asJSON); err != nil {
		return errors.Join(err, codeOf(s))
	}
	if asJSON {
		if err := a.printJSON(out); err != nil {
			return err
		}
	}
	return codeOf(s)
}

func codeOf(s *runner.Summary) error {
	if code := s.ExitCode(); code != runner.ExitOK {
		return &exit{code: code}
	}
	return nil
}

// shorten makes a path relative to the working directory where that is shorter.
func shorten(path string) string {
	wd, err := filepath.Abs(".")
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(wd, path)
	if err != nil || len(rel) > len(path) {
		return path
	}
	return rel
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"orbitbench/harness/result"
	"orbitbench/harness/runner"
)

const pairHelp = `Run two builds of orbitbench in turn, trial by trial, and compare their runs.

BASE and HEAD are programs. Each trial of one is followed at once by the same
trial of the other, the order changing from trial to trial, so that a machine
that becomes slower is no regression of the later one. What stands behind -- is
given to "run" of both. The runs lie in OUT/base and OUT/head; the comparison is
that of "orbitbench compare", and so are the flags and the exit codes. Runs of
which only a part is done are gone on with when the same command is given again.

Exit codes: those of compare; 1 also if a build cannot be run; 130 interrupted.`

// pairing is one pair of builds.
type pairing struct {
	app      *app
	builds   [2]string // programs: base, head
	dirs     [2]string
	lockFile string
	args     []string // of run
}

func (a *app) pairCommand() *cobra.Command {
	var f compareFlags
	var out, lockFile string
	cmd := &cobra.Command{
		Use:     "pair BASE HEAD [-- RUN-FLAGS]",
		Short:   "run two builds in turn and compare them",
		Long:    pairHelp,
		Example: "  orbitbench pair ./base ./head --out runs/pr -- --profile ci --engines appendlog,cowbtree",
		Args: func(cmd *cobra.Command, args []string) error {
			n := cmd.ArgsLenAtDash()
			if n < 0 {
				n = len(args)
			}
			if n != 2 {
				return fmt.Errorf("pair takes two programs, BASE and HEAD, before --; got %d", n)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args[2:] {
				for _, own := range []string{"--out", "--through-trial", "--lock-file", "--json"} {
					if name, _, _ := strings.Cut(arg, "="); name == own {
						return usage(fmt.Errorf("%s cannot stand behind --: pair sets it itself", own))
					}
				}
			}
			o, err := f.options()
			if err != nil {
				return err
			}
			p := &pairing{app: a, dirs: [2]string{filepath.Join(out, "base"), filepath.Join(out, "head")}, lockFile: lockFile, args: args[2:]}
			for i, program := range args[:2] {
				if p.builds[i], err = exec.LookPath(program); err != nil {
					return usage(fmt.Errorf("%s: no program: %w", program, err))
				}
			}
			if err := p.run(cmd.Context()); err != nil {
				return err
			}
			return a.compare(p.dirs[0], p.dirs[1], o, f.format)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&out, "out", "", "`DIR` for both runs")
	cmd.Flags().StringVar(&lockFile, "lock-file", runner.DefaultLockFile(), "`FILE` whose lock lets one run at a time measure")
	if err := cmd.MarkFlagRequired("out"); err != nil {
		panic(err) // the flag stands two lines above
	}
	return cmd
}

// run takes the trials in turn. The first run says how many there are.
func (p *pairing) run(ctx context.Context) error {
	trials := 1
	for trial := 1; trial <= trials; trial++ {
		order := []int{0, 1}
		if trial%2 == 0 {
			order = []int{1, 0}
		}
		for _, i := range order {
			if err := p.step(ctx, i, trial); err != nil {
				return err
			}
		}
		run, err := result.ReadRun(p.dirs[0])
		if err != nil {
			return err
		}
		for _, c := range run.Plan {
			trials = max(trials, c.Trial)
		}
	}
	return nil
}

// step brings one of the runs through a trial. Failed cells and violations do
// not end it: they are for the comparison to judge.
func (p *pairing) step(ctx context.Context, i, trial int) error {
	args := []string{"resume", p.dirs[i]}
	if _, err := os.Stat(filepath.Join(p.dirs[i], result.RunFile)); errors.Is(err, os.ErrNotExist) {
		args = append([]string{"run", "--out", p.dirs[i]}, p.args...)
	}
	args = append(args, "--through-trial", strconv.Itoa(trial), "--lock-file", p.lockFile)
	cmd := exec.CommandContext(ctx, p.builds[i], args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdout, cmd.Stderr = p.app.stderr, p.app.stderr // stdout is for the comparison
	fmt.Fprintf(p.app.stderr, "== %s, trial %d: %s %s\n", []string{"base", "head"}[i], trial, p.builds[i], strings.Join(args, " "))
	err := cmd.Run()
	var ended *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return &exit{code: runner.ExitInterrupted}
	case err == nil:
		return nil
	case !errors.As(err, &ended):
		return fmt.Errorf("pair: %w", err)
	case ended.ExitCode() == runner.ExitViolation:
		return nil
	case ended.ExitCode() == runner.ExitFailure && p.through(i, trial):
		return nil
	case ended.ExitCode() == runner.ExitInterrupted:
		return &exit{code: runner.ExitInterrupted}
	case ended.ExitCode() == runner.ExitUsage:
		return usage(fmt.Errorf("pair: %s did not take its command line (a build from before --through-trial cannot be paired)", p.builds[i]))
	}
	return fmt.Errorf("pair: %s: %w", p.builds[i], err)
}

// through reports whether a run has a result for each of its cells up to a trial.
func (p *pairing) through(i, trial int) bool {
	run, err := result.ReadRun(p.dirs[i])
	if err != nil {
		return false
	}
	for _, c := range run.Plan {
		if c.Trial <= trial {
			if _, err := os.Stat(result.CellPath(p.dirs[i], c.Key)); err != nil {
				return false
			}
		}
	}
	return len(run.Plan) > 0
}

// throughTrial is the flag of run and resume that ends them early.
const throughTrial = "through-trial"

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"orbitbench/engines"
	"orbitbench/engines/all"
	"orbitbench/harness/cell"
	"orbitbench/harness/floor"
	"orbitbench/harness/result"
	"orbitbench/harness/runner"
	"orbitbench/harness/validity"
	"orbitbench/reports"
	"orbitbench/workloads"
)

// soakFlags are the flags of soak.
type soakFlags struct {
	engine, durability, dataDir string
	actors, writers, valueBytes int
	duration, every             time.Duration
	seed                        uint64
	json                        bool
}

// soakFloor is how long the device is probed before and behind a soak.
const soakFloor = 500 * time.Millisecond

const soakHelp = `Renew leases for a long time while checkpoints run, kill the process, and judge
a copy of what it left.

Many writers renew in a closed loop. Checkpoints are asked for on a schedule, and
the engine takes its own besides. Renewals that ended while one ran are told apart
from the steady state; the disk space is looked at each second. At the end the
process is killed with SIGKILL at work, its directory is copied, and the copy is
opened by another process, which compares every lease with what was acknowledged.

The figures are judged like those of a cell: valid, noisy or invalid, by the
machine, the device's floor before and behind, and a trend over the seconds.

Exit codes: 0 ok, 1 a failure, 2 wrong usage, 11 the copy lost or made up a lease,
130 interrupted.`

func (a *app) soakCommand() *cobra.Command {
	var f soakFlags
	cmd := &cobra.Command{
		Use:   "soak --engine NAME",
		Short: "renew for a long time under checkpoints, kill, and check a copy",
		Long:  soakHelp,
		Example: `  orbitbench soak --engine appendlog --duration 10m
  orbitbench soak --engine cowbtree --durability process --actors 1000000 --checkpoint-every 30s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.soak(cmd.Context(), &f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.engine, "engine", "", "`NAME` of the engine")
	flags.StringVar(&f.durability, "durability", "sync", "`CLASS`: process, interval:10ms or sync")
	flags.DurationVar(&f.duration, "duration", 10*time.Minute, "how long to renew")
	flags.DurationVar(&f.every, "checkpoint-every", 20*time.Second, "pause between checkpoints that are asked for; 0 leaves them to the engine")
	flags.IntVar(&f.actors, "actors", 1_000_000, "leases in the store")
	flags.IntVar(&f.writers, "writers", 64, "goroutines that renew")
	flags.IntVar(&f.valueBytes, "value-bytes", 196, "length of a lease record, without its key")
	flags.Uint64Var(&f.seed, "seed", 1, "seed of keys and choices")
	flags.StringVar(&f.dataDir, "data-dir", ".", "`DIR` on the device to be used; what is made there is removed")
	flags.BoolVar(&f.json, "json", false, "print the result as JSON")
	return cmd
}

func (f *soakFlags) spec() (cell.SoakSpec, error) {
	if f.engine == "" {
		return cell.SoakSpec{}, errors.New("--engine is missing: want the name of an engine")
	}
	driver, err := all.Lookup(f.engine)
	if err != nil {
		return cell.SoakSpec{}, err
	}
	d, err := engines.ParseDurability(f.durability)
	if err != nil {
		return cell.SoakSpec{}, err
	}
	if d.Class == engines.None {
		return cell.SoakSpec{}, errors.New("--durability none: nothing survives the kill by definition; want process, interval:10ms or sync")
	}
	if _, err := driver.Configure(engines.Options{Durability: d}); err != nil {
		return cell.SoakSpec{}, err
	}
	switch {
	case f.duration < time.Second:
		return cell.SoakSpec{}, fmt.Errorf("--duration %v: want at least 1s", f.duration)
	case f.every < 0:
		return cell.SoakSpec{}, fmt.Errorf("--checkpoint-every %v: want 0 or more", f.every)
	case f.writers < 1:
		return cell.SoakSpec{}, fmt.Errorf("--writers %d: want at least 1", f.writers)
	}
	p := workloads.Params{
		Actors: f.actors, ActorTypes: 20, Nodes: 5, LeaseSeconds: 3600, ValueBytes: f.valueBytes, Prefill: 1,
		Mix: map[string]float64{workloads.Renew.String(): 1}, Distribution: workloads.Uniform, Loop: workloads.Closed, Workers: f.writers,
	}
	if err := p.Validate(); err != nil {
		return cell.SoakSpec{}, err
	}
	if info, err := os.Stat(f.dataDir); err != nil {
		return cell.SoakSpec{}, fmt.Errorf("--data-dir: %w", err)
	} else if !info.IsDir() {
		return cell.SoakSpec{}, fmt.Errorf("--data-dir: %s is no directory", f.dataDir)
	}
	return cell.SoakSpec{
		Engine: f.engine, Durability: d, Params: result.Params(p), Seconds: f.duration.Seconds(),
		CheckpointSeconds: f.every.Seconds(), Seed: f.seed,
	}, nil
}

func (a *app) soak(ctx context.Context, f *soakFlags) (err error) {
	spec, err := f.spec()
	if err != nil {
		return usage(err)
	}
	dir, err := filepath.Abs(f.dataDir)
	if err != nil {
		return err
	}
	if spec.Dir, err = os.MkdirTemp(dir, "orbitbench-soak-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(spec.Dir)) }()
	before := floor.Probe(ctx, spec.Dir, result.FloorOverwrite, floor.BlockBytes, soakFloor)
	var said time.Time
	out, err := cell.Soak(ctx, spec, func(p cell.Progress) {
		if time.Since(said) < 10*time.Second && p.Phase != "loaded" {
			return
		}
		said = time.Now()
		line := fmt.Sprintf("%s %s  %.0f of %.0f", spec.Engine, p.Phase, p.Done, p.Total)
		if p.OpsPerS > 0 {
			line += fmt.Sprintf(" s  %.0f renewals/s", p.OpsPerS)
		}
		fmt.Fprintln(a.stderr, line) // progress that cannot be shown is no reason to stop
	})
	if out != nil {
		out.Floors = []result.Floor{before, floor.Probe(ctx, spec.Dir, result.FloorOverwrite, floor.BlockBytes, soakFloor)}
		out.Validity = validity.JudgeSoak(out, validity.Floors{BeforeNs: before.Latency.P50Ns, AfterNs: out.Floors[1].Latency.P50Ns})
		perr := a.printSoak(out, f.json)
		if errors.Is(err, cell.ErrSoakLost) {
			return &exit{runner.ExitViolation, err}
		}
		return errors.Join(err, perr)
	}
	return err
}

func (a *app) printSoak(s *result.Soak, asJSON bool) error {
	if asJSON {
		return a.printJSON(s)
	}
	return reports.Soak(a.stdout, s)
}

package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"orbitbench/engines"
	"orbitbench/engines/all"
	"orbitbench/harness/bench"
)

// benchFlags are the flags of bench.
type benchFlags struct {
	engines, rows, classes []string
	writers, actors        []int
	rounds                 int
	slice                  time.Duration
	quick                  bool
	zipf                   float64
	seed                   uint64
	dataDir                string
}

const benchHelp = `Measure what one lease renewal costs, and judge the speed targets.

All competitors stay open and take time slices in turn, in an order shuffled
anew for each round; the device floor (one durable 4 KiB overwrite) and the
ideal group commit (one such write for all waiting writers) are competitors
too. Ratios are taken within a round.

The figures go to standard output in Go's benchmark format, one line a round
and point, for benchstat; progress and the table of targets go to standard
error. Ctrl-C keeps the rounds that are complete.

Without --classes and --writers the rows decide what is measured. Recovery
(P11 to P13), the garbage collector beside ten million leases (P10) and memory
(P18) are measured in processes of their own, after everything else, with at
most three rounds. An estimate of the time is printed first.

Exit codes: 0 ok (a target that is not reached is no error), 1 a failure,
2 wrong usage, 130 interrupted.`

func (a *app) benchCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "measure renewals against the device floor and peers, in Go benchmark format",
		Long:  benchHelp,
		Example: `  orbitbench bench --quick > bench.txt
  orbitbench bench --rows P1,P3 --engines appendlog,pebble
  orbitbench bench --classes sync,process --writers 1,16 --actors 1000000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := f.options()
			if err != nil {
				return usage(err)
			}
			o.Stdout, o.Stderr = a.stdout, a.stderr
			if err := bench.Run(cmd.Context(), o); errors.Is(err, bench.ErrUsage) {
				return usage(err)
			} else if err != nil {
				return err
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringSliceVar(&f.rows, "rows", nil, fmt.Sprintf("targets to judge (default %v, with --quick %v)", bench.DefaultRows, bench.QuickRows))
	flags.StringSliceVar(&f.engines, "engines", nil, "engines by `NAME,...` (default those that the rows compare)")
	flags.StringSliceVar(&f.classes, "classes", nil, "durability `CLASS,...` of a grid: none, process, interval:10ms, sync (default sync)")
	flags.IntSliceVar(&f.writers, "writers", nil, "writer counts of a grid (default 1,8,64)")
	flags.IntSliceVar(&f.actors, "actors", nil, "actors in a store (default as the rows say, 100000 in a grid)")
	flags.IntVar(&f.rounds, "rounds", 0, fmt.Sprintf("rounds (default %d)", bench.DefaultRounds))
	flags.DurationVar(&f.slice, "slice", 0, fmt.Sprintf("time of each point in each round (default %v)", bench.DefaultSlice))
	flags.BoolVar(&f.quick, "quick", false, "shorter: three rounds, shorter slices, 100000 actors")
	flags.Float64Var(&f.zipf, "zipf", 0, "exponent above 1 of a Zipf choice of actors (default uniform)")
	flags.Uint64Var(&f.seed, "seed", 1, "seed of keys, choices and the order of points")
	flags.StringVar(&f.dataDir, "data-dir", ".", "`DIR` on the device to be measured; what is made there is removed")
	return cmd
}

func (f *benchFlags) options() (bench.Options, error) {
	o := bench.Options{
		Drivers: all.Drivers(), Engines: f.engines, Rows: f.rows, Writers: f.writers, Actors: f.actors,
		Rounds: f.rounds, Slice: f.slice, Quick: f.quick, ZipfS: f.zipf, Seed: f.seed, DataDir: f.dataDir,
	}
	for _, c := range f.classes {
		d, err := engines.ParseDurability(c)
		if err != nil {
			return o, err
		}
		o.Classes = append(o.Classes, d)
	}
	info, err := os.Stat(f.dataDir)
	if err != nil {
		return o, fmt.Errorf("--data-dir: %w", err)
	}
	if !info.IsDir() {
		return o, fmt.Errorf("--data-dir: %s is no directory", f.dataDir)
	}
	return o, nil
}

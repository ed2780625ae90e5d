package bench

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"orbitbench/engines"
)

// Procs is the GOMAXPROCS under which the targets are defined.
const Procs = 2

// ErrUsage marks errors that lie in the options.
var ErrUsage = errors.New("usage")

// Options say what is measured. Run works on a copy.
type Options struct {
	// Drivers are the engines that exist.
	Drivers []engines.Driver
	// Engines are names to choose from Drivers; nil means every engine that a
	// target compares.
	Engines []string
	// Rows are the targets to judge, such as P1; nil means DefaultRows, or
	// QuickRows. They decide the points unless Classes or Writers is given.
	Rows []string
	// Classes and Writers, if either is given, replace the points of the targets
	// by the grid of all classes, writers and actors (nil: sync; 1, 8, 64).
	Classes []engines.Durability
	Writers []int
	// Actors are the store sizes; nil means what the targets name.
	Actors []int
	// Rounds is the number of rounds, Slice the time of one point in one round;
	// 0 means DefaultRounds and DefaultSlice, or the quick ones.
	Rounds int
	Slice  time.Duration
	// Quick shortens rounds and slices and leaves the largest store out.
	Quick bool
	// ZipfS is the exponent of the key distribution, above 1; 0 means uniform.
	ZipfS float64
	// Seed decides keys, key choice and the order within the rounds.
	Seed uint64
	// DataDir is an existing directory on the device to be measured. Everything
	// made in it is removed.
	DataDir string
	// Stdout receives the benchmark lines, Stderr progress and the table.
	Stdout, Stderr io.Writer

	warmBytes   int           // most that the warm-up of a competitor rewrites
	collectTime time.Duration // for which the garbage collector is watched
	openSeconds float64       // measured time of an open loop
}

// The defaults.
const (
	DefaultRounds = 7
	DefaultSlice  = time.Second

	quickRounds = 3
	quickSlice  = 300 * time.Millisecond
)

// withDefaults returns o with every default filled in, or an ErrUsage.
func (o Options) withDefaults() (Options, error) {
	rounds, slice := DefaultRounds, DefaultSlice
	if o.Quick {
		rounds, slice = quickRounds, quickSlice
	}
	if o.Rounds == 0 {
		o.Rounds = rounds
	}
	if o.Slice == 0 {
		o.Slice = slice
	}
	if o.warmBytes == 0 {
		o.warmBytes = warmBytes
	}
	if o.openSeconds == 0 {
		o.openSeconds = openSeconds
	}
	if o.collectTime == 0 {
		o.collectTime = collectTime
	}
	if o.Classes != nil || o.Writers != nil {
		if o.Rows != nil {
			return o, fmt.Errorf("%w: --rows decides classes and writers itself: leave --classes and --writers out", ErrUsage)
		}
		if o.Classes == nil {
			o.Classes = []engines.Durability{{Class: engines.Sync}}
		}
		if o.Writers == nil {
			o.Writers = []int{1, 8, 64}
		}
	} else if o.Rows == nil && o.Quick {
		o.Rows = QuickRows
	} else if o.Rows == nil {
		o.Rows = DefaultRows
	}
	return o, o.validate()
}

func (o Options) grid() bool { return o.Classes != nil }

func (o Options) validate() error {
	switch {
	case o.Rounds < 1:
		return fmt.Errorf("%w: %d rounds, want at least 1", ErrUsage, o.Rounds)
	case o.Slice < 10*time.Millisecond:
		return fmt.Errorf("%w: slice of %v, want at least 10ms", ErrUsage, o.Slice)
	case o.ZipfS != 0 && o.ZipfS <= 1:
		return fmt.Errorf("%w: zipf exponent %v, want above 1, or 0 for uniform keys", ErrUsage, o.ZipfS)
	case o.DataDir == "":
		return fmt.Errorf("%w: no data directory", ErrUsage)
	}
	for _, w := range o.Writers {
		if w < 1 || w > 4096 {
			return fmt.Errorf("%w: %d writers, want 1 to 4096", ErrUsage, w)
		}
	}
	for _, a := range o.Actors {
		if a < 1 || a > 100_000_000 {
			return fmt.Errorf("%w: %d actors, want 1 to 100000000", ErrUsage, a)
		}
	}
	for _, r := range o.Rows {
		if !slices.Contains(RowNames(), r) {
			return fmt.Errorf("%w: unknown row %q, want one of %s", ErrUsage, r, strings.Join(RowNames(), ", "))
		}
	}
	for _, name := range o.Engines {
		if !slices.ContainsFunc(o.Drivers, func(d engines.Driver) bool { return d.Info().Name == name }) {
			return fmt.Errorf("%w: unknown engine %q, want one of %s", ErrUsage, name, strings.Join(o.driverNames(), ", "))
		}
	}
	return nil
}

func (o Options) driverNames() []string {
	names := make([]string, len(o.Drivers))
	for i, d := range o.Drivers {
		names[i] = d.Info().Name
	}
	return names
}

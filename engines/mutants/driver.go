package mutants

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"orbitbench/engines"
)

// Driver opens mutants with one flaw.
type Driver struct{ Flaw Flaw }

// Info describes the mutant.
func (d Driver) Info() engines.Info {
	i := engines.Info{
		Name:          d.Flaw.name(),
		Title:         "Mutant (" + string(d.Flaw) + ")",
		Role:          engines.Baseline,
		Summary:       "An engine that is broken on purpose.",
		Module:        "orbitbench",
		Package:       "orbitbench/engines/mutants",
		Classes:       []engines.Class{engines.Process, engines.Interval, engines.Sync},
		WhyNot:        map[engines.Class]string{engines.None: "mutants keep a journal"},
		Configuration: "It has no options.",
	}
	switch d.Flaw {
	case CacheGrows, CacheDropsNewest, CacheComesBack:
		i.QueryCacheEvicts = true
	case SeriesDeletes, SeriesHalfRefused:
		i.TimeSeriesAppendOnly = true
	}
	if d.Flaw == BadName {
		i.Name, i.Title = "Bad Name", ""
	}
	return i
}

// Config is the effective configuration: there is nothing to configure.
type Config struct{}

// Configure checks o.
func (d Driver) Configure(o engines.Options) (any, error) {
	var c Config
	err := d.Info().Supports(o.Durability)
	if err != nil && (d.Flaw != FallsBackSilently || errors.Is(err, engines.ErrInvalid)) {
		return nil, err
	}
	if err := o.DecodeConfig(&c); err != nil && d.Flaw != TakesAnyOption {
		return nil, err
	}
	if d.Flaw == ConfigureTouches {
		return c, os.MkdirAll(o.Dir, 0o755)
	}
	return c, nil
}

// Open opens the store in o.Dir.
func (d Driver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	if _, err := d.Configure(o); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := os.Mkdir(o.Dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("mutant: %w", err)
	}
	lock, err := lockDir(o.Dir, d.Flaw == NoLock)
	if err != nil {
		return nil, err
	}
	e := &engine{flaw: d.Flaw, durability: o.Durability, dir: o.Dir, lock: lock, state: newState()}
	if err := e.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("mutant: %w", err), lock.Close())
	}
	return e, nil
}

// lockDir opens the lock file of dir and, unless shared, takes it.
func lockDir(dir string, shared bool) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil || shared {
		return f, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%w: %s", engines.ErrLocked, dir)
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

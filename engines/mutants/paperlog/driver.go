package paperlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Name is the name of the control; a mutant's is Name+flaw, such as paperlog+nofsync.
const Name = "paperlog"

// Driver opens the engine, with a flaw or without.
type Driver struct {
	Flaw   Flaw
	Mapped bool // the default of the option mapped
}

var (
	_ engines.Driver   = Driver{}
	_ engines.Verifier = Driver{}
)

// Info describes the engine.
func (d Driver) Info() engines.Info {
	i := engines.Info{
		Name:          Name,
		Title:         "Paper log",
		Role:          engines.Baseline,
		Summary:       "A small log with snapshots on real files: the control of the crash suite.",
		Module:        "orbitbench",
		Package:       "orbitbench/engines/mutants/paperlog",
		Optional:      true,
		Classes:       engines.Classes(),
		Configuration: "The log is cut at 1 MiB, so that a short test meets checkpoints too.",
	}
	switch m, broken := Find(d.Flaw); {
	case broken:
		i.Name += "+" + string(d.Flaw)
		i.Title += ", " + m.What
		i.Summary = "Broken on purpose for the crash suite to find: it " + m.What + "."
	case d.Mapped:
		i.Name += "+mapped"
		i.Title += ", mapped"
	}
	return i
}

// Config holds the options, under the names that engines.Options.Config takes.
type Config struct {
	// LogBytes is the size of the log at which a commit takes a checkpoint first. Default 1 MiB.
	LogBytes int64 `json:"log_bytes"`
	// Mapped: the log is written through a shared mapping. Default false.
	Mapped bool `json:"mapped"`
	// VersionStride is how many versions are reserved at a time. Default 1048576.
	VersionStride uint64 `json:"version_stride"`
}

func (d Driver) configure(o engines.Options) (Config, error) {
	c := Config{LogBytes: 1 << 20, Mapped: d.Mapped, VersionStride: adapter.DefaultStride}
	if err := adapter.Decode(d.Info(), o, &c); err != nil {
		return c, err
	}
	return c, adapter.Judge(d.Info(), cmp.Or(
		adapter.Within("log_bytes", c.LogBytes, 4<<10, 1<<32),
		adapter.Within("version_stride", int64(min(c.VersionStride, 1<<41)), 1, 1<<40),
	))
}

// Configure returns the effective configuration.
func (d Driver) Configure(o engines.Options) (any, error) {
	c, err := d.configure(o)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Open opens the store in o.Dir, creating it if it is missing.
func (d Driver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	c, err := d.configure(o)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dir, err := adapter.PrepareDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("paperlog: %w", err)
	}
	lock, err := adapter.LockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("paperlog: %w", err)
	}
	e := &engine{files: files{dir: dir, flaw: d.Flaw}, config: c, options: o, lock: lock, gate: adapter.NewGate()}
	if err := e.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("paperlog: opening %s: %w", o.Dir, err), lock.Close())
	}
	return e, nil
}

// Verify reads everything in dir and changes nothing.
func (d Driver) Verify(ctx context.Context, dir string, progress func(done, total int64)) (engines.VerifyReport, error) {
	if err := ctx.Err(); err != nil {
		return engines.VerifyReport{}, err
	}
	found, err := files{dir: dir, flaw: d.Flaw}.load()
	if err != nil {
		return engines.VerifyReport{}, fmt.Errorf("paperlog: verify: %w", err)
	}
	report := engines.VerifyReport{Files: found.files, Bytes: found.bytes, Records: found.records()}
	if found.torn > 0 {
		report.TornTail, report.TornBytes = true, found.torn
		report.TornFile = filepath.Join(dir, logName(found.generation))
	}
	if progress != nil {
		progress(found.bytes, found.bytes)
	}
	return report, nil
}

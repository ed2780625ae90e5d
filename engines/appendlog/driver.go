package appendlog

import (
	"context"

	"orbitbench/engines"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// Driver opens append-log stores.
type Driver struct{}

// Info is engines.Driver.
func (Driver) Info() engines.Info {
	return engines.Info{
		Name:  "appendlog",
		Title: "Append log",
		Role:  engines.Candidate,
		Claim: "Append log",
		Summary: "Every commit is one record appended to a log with group commit; a hash index and all records are in memory " +
			"outside the Go heap; snapshots in the background cut the log.",
		Module:  "orbitbench",
		Package: "orbitbench/engines/appendlog",
		Classes: engines.Classes(),
		Configuration: "Defaults are the engine's own: 32 MiB segments recycled zero-filled, direct synchronous writes where the file " +
			"system takes them, group commit by cohorts, a snapshot when the log has grown by 256 MiB or the size of the last snapshot.",
	}
}

// Config is the engine's own configuration. A zero value in Options.Config is
// replaced by the default where one is given.
type Config struct {
	wal.Config
	// SnapshotLogBytes is how much log may pile up before a snapshot is taken: the
	// larger of this and the size of the last snapshot. Default 268435456; -1: only
	// Checkpoint and Close take one.
	SnapshotLogBytes int64 `json:"snapshot_log_bytes"`
	// SnapshotOnClose makes Close take a snapshot when the log since the last one
	// is longer than 256 KiB, so that the next Open has almost nothing to replay. Close then
	// takes as long as writing all records does. Default true.
	SnapshotOnClose bool `json:"snapshot_on_close"`
	// SnapshotShare is the part of the time that a snapshot may take while there are
	// commits, be it computing or writing, until the log has grown to four times what calls for one: above
	// 0, at most 1 (no rest). Default 0.1.
	SnapshotShare float64 `json:"snapshot_share"`
	// MemoryLimitBytes bounds the memory of records; beyond it commits that need
	// more are refused with ErrFull. 0, the default: 64 GiB, which is what a
	// record reference can address.
	MemoryLimitBytes int64 `json:"memory_limit_bytes"`
}

func defaults() Config {
	return Config{
		Config:           wal.DefaultConfig(),
		SnapshotLogBytes: 256 << 20,
		SnapshotOnClose:  true,
		SnapshotShare:    0.1,
	}
}

// Configure is engines.Driver.
func (d Driver) Configure(o engines.Options) (any, error) {
	c, err := d.configure(o)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (d Driver) configure(o engines.Options) (Config, error) {
	if err := d.Info().Supports(o.Durability); err != nil {
		return Config{}, err
	}
	c, def := defaults(), defaults()
	if err := o.DecodeConfig(&c); err != nil {
		return Config{}, err
	}
	c.Fill()
	storedir.OrDefault(&c.SnapshotLogBytes, def.SnapshotLogBytes)
	storedir.OrDefault(&c.SnapshotShare, def.SnapshotShare)
	return c, c.validate()
}

func (c Config) validate() error {
	switch {
	case c.SnapshotLogBytes < -1:
		return storedir.Bad("snapshot_log_bytes", c.SnapshotLogBytes, "-1 or more")
	case !(c.SnapshotShare > 0 && c.SnapshotShare <= 1):
		return storedir.Bad("snapshot_share", c.SnapshotShare, "above 0, at most 1")
	case c.MemoryLimitBytes < 0:
		return storedir.Bad("memory_limit_bytes", c.MemoryLimitBytes, "0 or more")
	}
	return c.Config.Validate()
}

// Open is engines.Driver.
func (d Driver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	e, err := open(ctx, vfs.OS, o)
	if err != nil {
		return nil, err
	}
	return e, nil
}

func (e *engine) logOptions() wal.Options {
	o := e.config.Options(e.durability)
	o.FS, o.Dir, o.OnSpan, o.Logf = e.fs, e.path(logName), e.spans.Add, e.logf
	return o
}

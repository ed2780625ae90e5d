package mmapwal

import (
	"context"

	"orbitbench/engines"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// Driver opens mmapwal stores.
type Driver struct{}

// Info is engines.Driver.
func (Driver) Info() engines.Info {
	return engines.Info{
		Name:  "mmapwal",
		Title: "mmap + WAL",
		Role:  engines.Candidate,
		Claim: "mmap + WAL",
		Summary: "Hash tables in a private mapping of one file and a write-ahead log with group commit; checkpoints write the " +
			"changed pages, so that the kernel never writes one that the log does not cover; opening reads nothing ahead.",
		Module:  "orbitbench",
		Package: "orbitbench/engines/mmapwal",
		Classes: engines.Classes(),
		Configuration: "Defaults are the engine's own: 16 MiB extents, 32 MiB log segments recycled zero-filled, direct synchronous writes " +
			"where the file system takes them, group commit by cohorts, a checkpoint when the log has grown by 256 MiB or the size of the last one.",
	}
}

// Config is the engine's own configuration. A zero value in Options.Config is
// replaced by the default where one is given.
type Config struct {
	wal.Config
	// ExtentBytes is by how much the table file grows, and the length of a mapping: a power of two,
	// 2097152 to 268435456; default 16777216. A store keeps the value with which it was made.
	ExtentBytes int64 `json:"extent_bytes"`
	// TableLimitBytes bounds the table file; beyond it commits that need more are refused
	// with ErrFull. 0, the default: 64 GiB, which is what a reference can address.
	TableLimitBytes int64 `json:"table_limit_bytes"`
	// CheckpointLogBytes is how much log may pile up before a checkpoint is taken: the
	// larger of this and the size of the last checkpoint. Default 268435456; -1: only
	// Checkpoint and Close take one.
	CheckpointLogBytes int64 `json:"checkpoint_log_bytes"`
	// CheckpointOnClose makes Close take a checkpoint, so that the next open replays nothing. Default true.
	CheckpointOnClose bool `json:"checkpoint_on_close"`
	// CheckpointShare is the part of the time that a background checkpoint may keep
	// the device busy: above 0, at most 1 (no rest). Default 0.25: every page is written twice, and read once.
	CheckpointShare float64 `json:"checkpoint_share"`
}

func defaults() Config {
	return Config{
		Config:             wal.DefaultConfig(),
		ExtentBytes:        16 << 20,
		CheckpointLogBytes: 256 << 20,
		CheckpointOnClose:  true,
		CheckpointShare:    0.25,
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
	storedir.OrDefault(&c.ExtentBytes, def.ExtentBytes)
	storedir.OrDefault(&c.CheckpointLogBytes, def.CheckpointLogBytes)
	storedir.OrDefault(&c.CheckpointShare, def.CheckpointShare)
	return c, c.validate()
}

func (c Config) validate() error {
	switch {
	case c.ExtentBytes < minExtentPages*pageBytes || c.ExtentBytes > maxExtentPages*pageBytes || c.ExtentBytes&(c.ExtentBytes-1) != 0:
		return storedir.Bad("extent_bytes", c.ExtentBytes, "a power of two from 2097152 to 268435456")
	case c.TableLimitBytes < 0 || c.TableLimitBytes > maxPages*pageBytes:
		return storedir.Bad("table_limit_bytes", c.TableLimitBytes, "0 to 68719476736")
	case c.CheckpointLogBytes < -1:
		return storedir.Bad("checkpoint_log_bytes", c.CheckpointLogBytes, "-1 or more")
	case !(c.CheckpointShare > 0 && c.CheckpointShare <= 1):
		return storedir.Bad("checkpoint_share", c.CheckpointShare, "above 0, at most 1")
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

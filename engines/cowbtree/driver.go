package cowbtree

import (
	"context"

	"orbitbench/engines"
	"orbitbench/engines/internal/storedir"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// Driver opens COW B+ tree stores.
type Driver struct{}

// Info is engines.Driver.
func (Driver) Info() engines.Info {
	return engines.Info{
		Name:  "cowbtree",
		Title: "COW B+ tree",
		Role:  engines.Candidate,
		Claim: "COW B+ tree",
		Summary: "A copy-on-write B+ tree for each keyspace in memory outside the Go heap, with readers that take no lock and views that " +
			"copy nothing; a write-ahead log with group commit; checkpoints in the background write the changed nodes to a page file.",
		Module:  "orbitbench",
		Package: "orbitbench/engines/cowbtree",
		Classes: engines.Classes(),
		Configuration: "Defaults are those of the design note: 256 keys a node, 1 MiB of log buffer, a log sync every 5 s in the classes that do " +
			"not sync themselves, no compression; a checkpoint when the log has grown by 256 MiB or a quarter of the page file.",
	}
}

// Config is the engine's own configuration. A zero value in Options.Config is
// replaced by the default where one is given.
type Config struct {
	wal.Config
	// MaxKeysPerNode is the number of records in a leaf and of children of an
	// inner node at most: 4 to 1024; default 256.
	MaxKeysPerNode int `json:"max_keys_per_node"`
	// EnableCompression compresses pages (S2) that become smaller by it. Pages
	// of either kind are read whatever it says. Default false.
	EnableCompression bool `json:"enable_compression"`
	// CheckpointLogBytes is how much log may pile up before a checkpoint: the
	// larger of this and a quarter of the page file. Default 268435456; -1: only
	// Checkpoint and Close make one.
	CheckpointLogBytes int64 `json:"checkpoint_log_bytes"`
	// CheckpointOnClose makes Close write a checkpoint, so that the next open has no
	// log to replay. Default true.
	CheckpointOnClose bool `json:"checkpoint_on_close"`
	// CheckpointShare is the part of the time that a checkpoint may be busy, on a
	// processor or the device, while the store is open: above 0, at most 1 (no rest). Default 0.25.
	CheckpointShare float64 `json:"checkpoint_share"`
	// MemoryLimitBytes bounds the memory of records and nodes; beyond it commits
	// that need more are refused with ErrFull. 0, the default: nearly 64 GiB, which is what
	// a reference can address.
	MemoryLimitBytes int64 `json:"memory_limit_bytes"`
}

func defaults() Config {
	c := Config{
		Config:             wal.DefaultConfig(),
		MaxKeysPerNode:     256,
		CheckpointLogBytes: 256 << 20,
		CheckpointOnClose:  true,
		CheckpointShare:    0.25,
	}
	c.WALSyncInterval = 5
	return c
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
	storedir.OrDefault(&c.MaxKeysPerNode, def.MaxKeysPerNode)
	storedir.OrDefault(&c.CheckpointLogBytes, def.CheckpointLogBytes)
	storedir.OrDefault(&c.CheckpointShare, def.CheckpointShare)
	return c, c.validate()
}

func (c Config) validate() error {
	switch {
	case c.MaxKeysPerNode < 4 || c.MaxKeysPerNode > 1024:
		return storedir.Bad("max_keys_per_node", c.MaxKeysPerNode, "4 to 1024")
	case c.CheckpointLogBytes < -1:
		return storedir.Bad("checkpoint_log_bytes", c.CheckpointLogBytes, "-1 or more")
	case !(c.CheckpointShare > 0 && c.CheckpointShare <= 1):
		return storedir.Bad("checkpoint_share", c.CheckpointShare, "above 0, at most 1")
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

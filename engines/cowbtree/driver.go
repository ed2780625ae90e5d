package cowbtree

import (
	"context"
	"fmt"

	"orbitbench/engines"
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
	// MaxKeysPerNode is the number of records in a leaf and of children of an
	// inner node at most: 4 to 1024; default 256.
	MaxKeysPerNode int `json:"max_keys_per_node"`
	// EnableCompression compresses pages (S2) that become smaller by it. Pages
	// of either kind are read whatever it says. Default false.
	EnableCompression bool `json:"enable_compression"`
	// SegmentBytes is the size of a log segment: 16384 to 4 GiB; default 33554432.
	SegmentBytes int64 `json:"segment_bytes"`
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
	// WALBufferSize is the size in bytes of each of the two buffers of the classes interval and sync; default 1048576.
	WALBufferSize int `json:"wal_buffer_size"`
	// WALSyncInterval is the time in seconds between syncs of the log under the
	// classes none and process; 0 leaves that to the kernel. Default 5. Class
	// interval syncs by its window and class sync at each commit, whatever this says.
	WALSyncInterval float64 `json:"wal_sync_interval"`
	// GroupCommitMax is the number of commits in a group above which the leader
	// no longer waits for more; default 128, -1: it never waits.
	GroupCommitMax int `json:"group_commit_max"`
	// GroupCommitWait is the part of the mean sync time that a leader waits at most; default 0.6.
	GroupCommitWait float64 `json:"group_commit_wait"`
	// MemoryLimitBytes bounds the memory of records and nodes; beyond it commits
	// that need more are refused with ErrFull. 0, the default: nearly 64 GiB, which is what
	// a reference can address.
	MemoryLimitBytes int64 `json:"memory_limit_bytes"`
}

func defaults() Config {
	return Config{
		MaxKeysPerNode:     256,
		SegmentBytes:       32 << 20,
		CheckpointLogBytes: 256 << 20,
		CheckpointOnClose:  true,
		CheckpointShare:    0.25,
		WALBufferSize:      1 << 20,
		WALSyncInterval:    5,
		GroupCommitMax:     128,
		GroupCommitWait:    0.6,
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
	orDefault(&c.MaxKeysPerNode, def.MaxKeysPerNode)
	orDefault(&c.SegmentBytes, def.SegmentBytes)
	orDefault(&c.CheckpointLogBytes, def.CheckpointLogBytes)
	orDefault(&c.CheckpointShare, def.CheckpointShare)
	orDefault(&c.WALBufferSize, def.WALBufferSize)
	orDefault(&c.GroupCommitMax, def.GroupCommitMax)
	orDefault(&c.GroupCommitWait, def.GroupCommitWait)
	return c, c.validate()
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (c Config) validate() error {
	bad := func(name string, got any, want string) error {
		return fmt.Errorf("%w: %s = %v, want %s", engines.ErrInvalid, name, got, want)
	}
	switch {
	case c.MaxKeysPerNode < 4 || c.MaxKeysPerNode > 1024:
		return bad("max_keys_per_node", c.MaxKeysPerNode, "4 to 1024")
	case c.SegmentBytes < 16<<10 || c.SegmentBytes > 4<<30:
		return bad("segment_bytes", c.SegmentBytes, "16384 to 4294967296")
	case c.CheckpointLogBytes < -1:
		return bad("checkpoint_log_bytes", c.CheckpointLogBytes, "-1 or more")
	case !(c.CheckpointShare > 0 && c.CheckpointShare <= 1):
		return bad("checkpoint_share", c.CheckpointShare, "above 0, at most 1")
	case c.WALBufferSize < 16<<10 || c.WALBufferSize > 1<<30:
		return bad("wal_buffer_size", c.WALBufferSize, "16384 to 1073741824")
	case !(c.WALSyncInterval >= 0 && c.WALSyncInterval <= 3600):
		return bad("wal_sync_interval", c.WALSyncInterval, "0 to 3600 seconds")
	case c.GroupCommitMax < -1:
		return bad("group_commit_max", c.GroupCommitMax, "-1 or more")
	case !(c.GroupCommitWait > 0 && c.GroupCommitWait <= 10):
		return bad("group_commit_wait", c.GroupCommitWait, "above 0, at most 10")
	case c.MemoryLimitBytes < 0:
		return bad("memory_limit_bytes", c.MemoryLimitBytes, "0 or more")
	}
	return nil
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
	c := e.config
	return wal.Options{
		FS:           e.fs,
		Dir:          e.path(logName),
		Class:        e.durability.Class,
		Window:       e.durability.Window,
		SegmentBytes: c.SegmentBytes,
		BufferBytes:  c.WALBufferSize,
		CohortMax:    c.GroupCommitMax,
		CohortWait:   c.GroupCommitWait,
		OnSpan:       e.spans.Add,
		Logf:         e.logf,
	}
}

package actorstore

import (
	"context"
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/internal/vfs"
	"orbitbench/engines/internal/wal"
)

// Driver opens actor stores.
type Driver struct{}

// Info is engines.Driver.
func (Driver) Info() engines.Info {
	return engines.Info{
		Name:  "actorstore",
		Title: "Actor-specific",
		Role:  engines.Candidate,
		Claim: "Actor-specific",
		Summary: "A store for each pattern: leases and nodes in memory with a log of renewal deltas and checkpoints, a query cache with " +
			"TTL and a bound, time series in compressed blocks. Class interval logs renewals in rounds, one delta a lease.",
		Module:               "orbitbench",
		Package:              "orbitbench/engines/actorstore",
		Classes:              engines.Classes(),
		QueryCacheEvicts:     true,
		TimeSeriesAppendOnly: true,
		Configuration: "Defaults are the engine's own: 32 MiB segments recycled zero-filled, direct synchronous writes where the file " +
			"system takes them, group commit by cohorts, a checkpoint when the log has grown by 256 MiB or the size of the last one.",
	}
}

// Config is the engine's own configuration. A zero value in Options.Config is
// replaced by the default where one is given.
type Config struct {
	// SegmentBytes is the size of a log segment: 16384 to 4 GiB; default 33554432.
	SegmentBytes int64 `json:"segment_bytes"`
	// CheckpointLogBytes is how much log may pile up before a checkpoint is taken: the
	// larger of this and the size of the last one. Default 268435456; -1: only
	// Checkpoint and Close take one.
	CheckpointLogBytes int64 `json:"checkpoint_log_bytes"`
	// CheckpointOnClose makes Close take a checkpoint when the log since the last one
	// is longer than 256 KiB, so that the next Open has almost nothing to replay. Close then
	// takes as long as writing all records does. Default true.
	CheckpointOnClose bool `json:"checkpoint_on_close"`
	// CheckpointShare is the part of the time that a background checkpoint may keep
	// the device busy: above 0, at most 1 (no rest). Default 0.5.
	CheckpointShare float64 `json:"checkpoint_share"`
	// QueryCacheBytes bounds the keys and values of the query cache; what is beyond
	// it is evicted, oldest and not lately read first. Default: Options.MemoryBytes.
	QueryCacheBytes int64 `json:"query_cache_bytes"`
	// QueryCacheTTLSeconds is the TTL in seconds of entries that have none of their
	// own; 0, the default: they do not expire.
	QueryCacheTTLSeconds int64 `json:"query_cache_ttl_seconds"`
	// SeriesTailPoints is how many points of time series may lie in the index before
	// a checkpoint seals them into blocks: 1 or more; default 1000000.
	SeriesTailPoints int64 `json:"series_tail_points"`
	// WALBufferSize is the size in bytes of each of the two buffers of class sync; default 1048576.
	WALBufferSize int `json:"wal_buffer_size"`
	// WALSyncInterval is the time in seconds between syncs of the log under the
	// classes none and process; 0, the default, leaves that to the kernel. Class
	// interval syncs by its window and class sync at each commit, whatever this says.
	WALSyncInterval float64 `json:"wal_sync_interval"`
	// GroupCommitMax is the number of commits in a group above which the leader
	// no longer waits for more; default 128, -1: it never waits.
	GroupCommitMax int `json:"group_commit_max"`
	// GroupCommitWait is the part of the mean sync time that a leader waits at most; default 0.6.
	GroupCommitWait float64 `json:"group_commit_wait"`
	// MemoryLimitBytes bounds the memory of records; beyond it commits that need
	// more are refused with ErrFull. 0, the default: 64 GiB, which is what a
	// record reference can address.
	MemoryLimitBytes int64 `json:"memory_limit_bytes"`
}

func defaults(o engines.Options) Config {
	return Config{
		SegmentBytes:       32 << 20,
		CheckpointLogBytes: 256 << 20,
		CheckpointOnClose:  true,
		CheckpointShare:    0.5,
		QueryCacheBytes:    o.Memory(),
		SeriesTailPoints:   1_000_000,
		WALBufferSize:      1 << 20,
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
	c, def := defaults(o), defaults(o)
	if err := o.DecodeConfig(&c); err != nil {
		return Config{}, err
	}
	orDefault(&c.SegmentBytes, def.SegmentBytes)
	orDefault(&c.CheckpointLogBytes, def.CheckpointLogBytes)
	orDefault(&c.CheckpointShare, def.CheckpointShare)
	orDefault(&c.QueryCacheBytes, def.QueryCacheBytes)
	orDefault(&c.SeriesTailPoints, def.SeriesTailPoints)
	orDefault(&c.WALBufferSize, def.WALBufferSize)
	orDefault(&c.GroupCommitMax, def.GroupCommitMax)
	orDefault(&c.GroupCommitWait, def.GroupCommitWait)
	return c, c.validate()
}

func orDefault[T comparable](field *T, def T) {
	var zero T
	if *field == zero {
		*field = def
	}
}

func (c Config) validate() error {
	bad := func(name string, got any, want string) error {
		return fmt.Errorf("%w: %s = %v, want %s", engines.ErrInvalid, name, got, want)
	}
	const century = 100 * 365 * 24 * 3600
	switch {
	case c.SegmentBytes < 16<<10 || c.SegmentBytes > 4<<30:
		return bad("segment_bytes", c.SegmentBytes, "16384 to 4294967296")
	case c.CheckpointLogBytes < -1:
		return bad("checkpoint_log_bytes", c.CheckpointLogBytes, "-1 or more")
	case !(c.CheckpointShare > 0 && c.CheckpointShare <= 1):
		return bad("checkpoint_share", c.CheckpointShare, "above 0, at most 1")
	case c.QueryCacheBytes < 1:
		return bad("query_cache_bytes", c.QueryCacheBytes, "1 or more")
	case c.QueryCacheTTLSeconds < 0 || c.QueryCacheTTLSeconds > century:
		return bad("query_cache_ttl_seconds", c.QueryCacheTTLSeconds, "0 to a hundred years")
	case c.SeriesTailPoints < 1:
		return bad("series_tail_points", c.SeriesTailPoints, "1 or more")
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

package actorstore

import (
	"context"

	"orbitbench/engines"
	"orbitbench/engines/internal/storedir"
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
	wal.Config
	// CheckpointLogBytes is how much log may pile up before a checkpoint is taken: the
	// larger of this and the size of the last one. Default 268435456; -1: only
	// Checkpoint and Close take one.
	CheckpointLogBytes int64 `json:"checkpoint_log_bytes"`
	// CheckpointOnClose makes Close take a checkpoint when the log since the last one
	// is longer than 256 KiB, so that the next Open has almost nothing to replay. Close then
	// takes as long as writing all records does. Default true.
	CheckpointOnClose bool `json:"checkpoint_on_close"`
	// CheckpointShare is the part of the time that a checkpoint may take while there are
	// commits, be it computing or writing, until the log has grown to four times what calls for one: above
	// 0, at most 1 (no rest). Default 0.1.
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
	// MemoryLimitBytes bounds the memory of records; beyond it commits that need
	// more are refused with ErrFull. 0, the default: 64 GiB, which is what a
	// record reference can address.
	MemoryLimitBytes int64 `json:"memory_limit_bytes"`
}

func defaults(o engines.Options) Config {
	return Config{
		Config:             wal.DefaultConfig(),
		CheckpointLogBytes: 256 << 20,
		CheckpointOnClose:  true,
		CheckpointShare:    0.1,
		QueryCacheBytes:    o.Memory(),
		SeriesTailPoints:   1_000_000,
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
	c.Fill()
	storedir.OrDefault(&c.CheckpointLogBytes, def.CheckpointLogBytes)
	storedir.OrDefault(&c.CheckpointShare, def.CheckpointShare)
	storedir.OrDefault(&c.QueryCacheBytes, def.QueryCacheBytes)
	storedir.OrDefault(&c.SeriesTailPoints, def.SeriesTailPoints)
	return c, c.validate()
}

func (c Config) validate() error {
	const century = 100 * 365 * 24 * 3600
	switch {
	case c.CheckpointLogBytes < -1:
		return storedir.Bad("checkpoint_log_bytes", c.CheckpointLogBytes, "-1 or more")
	case !(c.CheckpointShare > 0 && c.CheckpointShare <= 1):
		return storedir.Bad("checkpoint_share", c.CheckpointShare, "above 0, at most 1")
	case c.QueryCacheBytes < 1:
		return storedir.Bad("query_cache_bytes", c.QueryCacheBytes, "1 or more")
	case c.QueryCacheTTLSeconds < 0 || c.QueryCacheTTLSeconds > century:
		return storedir.Bad("query_cache_ttl_seconds", c.QueryCacheTTLSeconds, "0 to a hundred years")
	case c.SeriesTailPoints < 1:
		return storedir.Bad("series_tail_points", c.SeriesTailPoints, "1 or more")
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

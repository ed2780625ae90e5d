package appendlog

import (
	"context"
	"fmt"

	"orbitbench/engines"
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
	// SegmentBytes is the size of a log segment: 16384 to 4 GiB; default 33554432.
	SegmentBytes int64 `json:"segment_bytes"`
	// SnapshotLogBytes is how much log may pile up before a snapshot is taken: the
	// larger of this and the size of the last snapshot. Default 268435456; -1: only
	// Checkpoint and Close take one.
	SnapshotLogBytes int64 `json:"snapshot_log_bytes"`
	// SnapshotOnClose makes Close take a snapshot when the log since the last one
	// is longer than 256 KiB, so that the next Open has almost nothing to replay. Close then
	// takes as long as writing all records does. Default true.
	SnapshotOnClose bool `json:"snapshot_on_close"`
	// SnapshotShare is the part of the time that a background snapshot may keep
	// the device busy: above 0, at most 1 (no rest). Default 0.5.
	SnapshotShare float64 `json:"snapshot_share"`
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

func defaults() Config {
	return Config{
		SegmentBytes:     32 << 20,
		SnapshotLogBytes: 256 << 20,
		SnapshotOnClose:  true,
		SnapshotShare:    0.5,
		WALBufferSize:    1 << 20,
		GroupCommitMax:   128,
		GroupCommitWait:  0.6,
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
	for _, z := range []struct{ got, def *int64 }{{&c.SegmentBytes, &def.SegmentBytes}, {&c.SnapshotLogBytes, &def.SnapshotLogBytes}} {
		if *z.got == 0 {
			*z.got = *z.def
		}
	}
	if c.WALBufferSize == 0 {
		c.WALBufferSize = def.WALBufferSize
	}
	if c.SnapshotShare == 0 {
		c.SnapshotShare = def.SnapshotShare
	}
	if c.GroupCommitMax == 0 {
		c.GroupCommitMax = def.GroupCommitMax
	}
	if c.GroupCommitWait == 0 {
		c.GroupCommitWait = def.GroupCommitWait
	}
	return c, c.validate()
}

func (c Config) validate() error {
	bad := func(name string, got any, want string) error {
		return fmt.Errorf("%w: %s = %v, want %s", engines.ErrInvalid, name, got, want)
	}
	switch {
	case c.SegmentBytes < 16<<10 || c.SegmentBytes > 4<<30:
		return bad("segment_bytes", c.SegmentBytes, "16384 to 4294967296")
	case c.SnapshotLogBytes < -1:
		return bad("snapshot_log_bytes", c.SnapshotLogBytes, "-1 or more")
	case !(c.SnapshotShare > 0 && c.SnapshotShare <= 1):
		return bad("snapshot_share", c.SnapshotShare, "above 0, at most 1")
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

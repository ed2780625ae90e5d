package wal

import (
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/storedir"
)

// Config is what an engine's configuration says of its log.
type Config struct {
	// SegmentBytes is the size of a log segment: 16384 to 4 GiB; default 33554432.
	SegmentBytes int64 `json:"segment_bytes"`
	// WALBufferSize is the size in bytes of each of the two buffers of class sync; default 1048576.
	WALBufferSize int `json:"wal_buffer_size"`
	// WALSyncInterval is the time in seconds between syncs of the log under the
	// classes none and process; 0, the default of all engines but cowbtree, leaves that
	// to the kernel. Class interval syncs by its window and class sync at each commit,
	// whatever this says.
	WALSyncInterval float64 `json:"wal_sync_interval"`
	// GroupCommitMax is the number of commits in a group above which the leader
	// no longer waits for more; default 128, -1: it never waits.
	GroupCommitMax int `json:"group_commit_max"`
	// GroupCommitWait is the part of the mean sync time that a leader waits at most; default 0.6.
	GroupCommitWait float64 `json:"group_commit_wait"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		SegmentBytes:    defaultSegmentBytes,
		WALBufferSize:   defaultBufferBytes,
		GroupCommitMax:  defaultCohortMax,
		GroupCommitWait: defaultCohortWait,
	}
}

// Fill replaces what is zero by its default.
func (c *Config) Fill() {
	storedir.OrDefault(&c.SegmentBytes, defaultSegmentBytes)
	storedir.OrDefault(&c.WALBufferSize, defaultBufferBytes)
	storedir.OrDefault(&c.GroupCommitMax, defaultCohortMax)
	storedir.OrDefault(&c.GroupCommitWait, defaultCohortWait)
}

// Validate returns engines.ErrInvalid for a value out of its bounds.
func (c Config) Validate() error {
	switch {
	case c.SegmentBytes < minSegmentBytes || c.SegmentBytes > 4<<30:
		return storedir.Bad("segment_bytes", c.SegmentBytes, "16384 to 4294967296")
	case c.WALBufferSize < 16<<10 || c.WALBufferSize > 1<<30:
		return storedir.Bad("wal_buffer_size", c.WALBufferSize, "16384 to 1073741824")
	case !(c.WALSyncInterval >= 0 && c.WALSyncInterval <= 3600):
		return storedir.Bad("wal_sync_interval", c.WALSyncInterval, "0 to 3600 seconds")
	case c.GroupCommitMax < -1:
		return storedir.Bad("group_commit_max", c.GroupCommitMax, "-1 or more")
	case !(c.GroupCommitWait > 0 && c.GroupCommitWait <= 10):
		return storedir.Bad("group_commit_wait", c.GroupCommitWait, "above 0, at most 10")
	}
	return nil
}

// Options returns the options that follow from it and from the durability of the engine.
func (c Config) Options(d engines.Durability) Options {
	o := Options{
		Class:        d.Class,
		Window:       d.Window,
		SegmentBytes: c.SegmentBytes,
		BufferBytes:  c.WALBufferSize,
		CohortMax:    c.GroupCommitMax,
		CohortWait:   c.GroupCommitWait,
	}
	if d.Class <= engines.Process {
		o.SyncEvery = time.Duration(c.WALSyncInterval * float64(time.Second))
	}
	return o
}

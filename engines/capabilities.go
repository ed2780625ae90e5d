package engines

import (
	"context"
	"io"
	"time"

	"orbitbench/engines/lease"
)

// LeaseRenewer is the native renewal path: get, check and write in one call.
// Without it a caller gets the record, checks it and applies a batch with a
// condition and an OpRenew (the generic path).
type LeaseRenewer interface {
	// RenewLease extends the lease under key if its version is held, and
	// returns the new version. Errors as for Apply: ErrConflict when the
	// version differs, ErrNotFound, lease.ErrExpired. key is not kept. A
	// successful call allocates nothing.
	RenewLease(ctx context.Context, key []byte, held Version, r lease.Renewal) (Version, error)
}

// View is the state of a store at one point in time. It stays as it is while
// the engine goes on, and must be closed before the engine is.
type View interface {
	// Get is Engine.Get at the view's point in time.
	Get(ctx context.Context, ks Keyspace, key, dst []byte) ([]byte, Version, error)
	// Scan is Engine.Scan at the view's point in time: every record that
	// existed then is seen exactly once, with the value that it had.
	Scan(ctx context.Context, ks Keyspace, from, to []byte, yield func(key, value []byte, v Version) error) error
	// Close releases what the view holds.
	Close() error
}

// Viewer gives point-in-time views. Without it only single calls are consistent.
type Viewer interface {
	View(ctx context.Context) (View, error)
}

// Snapshotter copies the store at one point in time.
type Snapshotter interface {
	// Snapshot writes a copy that the engine's Driver can open into dir, which
	// must not exist or be empty. The copy holds every commit that was
	// acknowledged before the call and no part of a batch. It is durable when
	// Snapshot returns nil. Writers are not stopped.
	Snapshot(ctx context.Context, dir string) error
}

// Lender reads without a copy. Without it a caller uses Get.
type Lender interface {
	// Lend calls use with the value of the record where it lies, and its version, or
	// returns ErrNotFound. It sees what Get would see. value belongs to the
	// engine: it is valid until use returns, and must not be changed. Writers of
	// the record may have to wait meanwhile, so use should be short, and it must not call the
	// engine. An error of use is returned. A call allocates nothing of its own.
	Lend(ctx context.Context, ks Keyspace, key []byte, use func(value []byte, v Version) error) error
}

// Checkpointer writes what the log holds to its final place and cuts the log.
// Without it the harness cannot place a checkpoint, and says so.
type Checkpointer interface {
	Checkpoint(ctx context.Context) error
}

// Span is one piece of background work, for the timeline.
type Span struct {
	Kind  string // checkpoint, snapshot, flush, compaction, segment
	Begin time.Time
	End   time.Time // zero while it runs
	Bytes uint64    // bytes written
}

// Spanner reports background work. Without it the timeline shows none, and says so.
type Spanner interface {
	// Spans returns the latest spans since Open, oldest first, at most 4096.
	Spans() []Span
}

// Verifier is an optional interface of a Driver: it checks a closed store.
type Verifier interface {
	// Verify reads everything in dir, changes nothing, and returns what it
	// counted. Damage is a *CorruptError, and the first one ends it. progress may
	// be nil; else it is called now and then with bytes done and in all.
	Verify(ctx context.Context, dir string, progress func(done, total int64)) (VerifyReport, error)
}

// VerifyReport is what Verify counted.
type VerifyReport struct {
	Files     int    `json:"files"`
	Bytes     int64  `json:"bytes"`
	Records   uint64 `json:"records"`
	TornTail  bool   `json:"torn_tail"` // the last log record was cut off by a crash, as recovery expects
	TornFile  string `json:"torn_file,omitempty"`
	TornBytes int64  `json:"torn_bytes,omitempty"`
}

// Dumper is an optional interface of a Driver: it prints the physical
// structure of a closed store, file by file, for people.
type Dumper interface {
	Dump(ctx context.Context, dir string, w io.Writer) error
}

package engines

import (
	"context"
	"errors"
)

// Engine is an open store. All methods are safe for concurrent use. After
// Close every method but Close returns ErrClosed.
type Engine interface {
	// Apply commits b as one: every condition holds and every operation is
	// applied, across keyspaces, or nothing is. nil means that b survives what
	// the durability class of the engine names, and that the Assigned versions
	// are set. Errors: ErrConflict (a *ConflictError), ErrNotFound and
	// lease.ErrExpired (OpRenew), ErrInvalid, ErrFull, ErrFailed, ErrClosed,
	// ErrUnsupported, ctx.Err(). A context that ends after the commit has been
	// handed to the log does not undo it: Apply then waits for the outcome. An
	// error other than these leaves the outcome open until the store is reopened.
	Apply(ctx context.Context, b *Batch) error

	// Get appends the value of the record to dst and returns it with its
	// version, or returns ErrNotFound. It sees every commit that was
	// acknowledged before the call.
	Get(ctx context.Context, ks Keyspace, key, dst []byte) ([]byte, Version, error)

	// Scan calls yield in key order over [from, to); a nil to means the end of
	// the keyspace. A record that no Apply touches meanwhile is seen exactly
	// once. key and value belong to the engine and are valid until yield
	// returns. yield must not call the engine. An error of yield ends the scan
	// and is returned, except that ErrStopScan ends it with nil.
	Scan(ctx context.Context, ks Keyspace, from, to []byte, yield func(key, value []byte, v Version) error) error

	// Stats returns counters since Open. It is cheap enough to call each second.
	Stats() Stats

	// Close waits for running calls, makes everything acknowledged durable
	// (class None excepted) and releases the directory. A second Close returns ErrClosed.
	Close() error
}

// ErrStopScan is returned by a yield function to end a scan early.
var ErrStopScan = errors.New("stop scan")

// Stats are counters of one open engine; a counter that the engine does not
// have is 0. Bytes are bytes, times are nanoseconds.
type Stats struct {
	Commits         uint64 // batches and renewals acknowledged
	Conflicts       uint64 // batches and renewals refused with ErrConflict
	Flushes         uint64 // waits for the device by the write path (fsync, fdatasync, msync, O_DSYNC write)
	LogBytes        uint64 // bytes handed to the write-ahead log, padding included
	CheckpointBytes uint64 // bytes written by checkpoints, snapshots, flushes and compactions
	Checkpoints     uint64 // checkpoints (or flushes and compactions) completed
	Records         uint64 // live records, all keyspaces, where the engine knows it
	TableBytes      uint64 // in-memory tables, arenas and memtables outside or inside the Go heap
	CacheBytes      uint64 // block cache in use
	MappedBytes     uint64 // bytes of files mapped into memory
	ReplayedRecords uint64 // log records applied by this Open
}

package pebble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Driver opens Pebble stores.
type Driver struct{}

var info = engines.Info{
	Name:    "pebble",
	Title:   "Pebble (LSM tree)",
	Role:    engines.Candidate,
	Claim:   "LSM tree",
	Summary: "CockroachDB's LSM tree in Go: a commit goes to a write-ahead log and a memtable; memtables are flushed to sorted tables, which are compacted in the background.",
	Module:  "github.com/cockroachdb/pebble/v2 v2.1.7",
	Package: "orbitbench/engines/pebble",
	Classes: engines.Classes(),

	RecyclesLog:          true,
	VisibleBeforeDurable: true,

	Configuration: "Levels, blocks, filters, memtable threshold and compaction settings are those of the authors' own benchmark tool " +
		"(source: https://github.com/cockroachdb/pebble/blob/v2.1.7/cmd/pebble/db.go), with the default comparer, the newest format, and without its experimental value separation. " +
		"Half of the memory budget is block cache; the other half bounds the memtables (four of 32 MiB at 256 MiB; the tool has 64 MiB each). " +
		"Commits use ApplyNoSyncWait and SyncWait, so that no lock of ours is held through a sync and Pebble's group commit takes every waiting writer. " +
		"Class process is not one that Pebble offers: NoSync keeps up to 32 KiB of records in process memory, so the adapter commits with Sync on a file system wrapper whose log Sync is a no-op. " +
		"Class interval is NoSync with a log sync by the adapter twice per window. Class none disables the log.",
}

// Info describes the engine.
func (Driver) Info() engines.Info { return info }

// Configure returns the effective configuration.
func (Driver) Configure(o engines.Options) (any, error) { return adapter.Effective(configure(o)) }

// Open opens the store in o.Dir, creating or recovering it.
func (Driver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	return adapter.Open(ctx, info.Name, o, configure, func(dir string, c *effective) (engines.Engine, error) {
		e := newEngine(dir, c, o.Log)
		return e, e.open()
	})
}

// lock takes the store's LOCK file.
func lock(dir string) (*pebble.Lock, error) {
	l, err := pebble.LockDirectory(dir, vfs.Default)
	if err != nil {
		return nil, lockError(err)
	}
	return l, nil
}

// lockFile takes a lock file that exists.
func lockFile(name string, on vfs.FS) (io.Closer, error) {
	l, err := on.Lock(name)
	if err != nil {
		return nil, lockError(err)
	}
	return l, nil
}

// lockError turns an error of locking into the contract's.
func lockError(err error) error {
	// Pebble has no error of its own for this: within one process it has a
	// message, between processes the errno of fcntl.
	var path *fs.PathError
	held := err.Error() == "lock held by current process" || errors.Is(err, syscall.EAGAIN) ||
		errors.Is(err, syscall.EACCES) && !errors.As(err, &path)
	if held {
		return fmt.Errorf("%w: %w", engines.ErrLocked, err)
	}
	return adapter.MapError(err)
}

// open opens the library's store and reads the version state.
func (e *engine) open() (err error) {
	defer e.recovered(&err)
	if e.lock, err = lock(e.dir); err != nil {
		return err
	}
	opts := e.config.options()
	opts.FS, opts.Lock = e.fs, e.lock
	opts.Logger = logger{e}
	opts.EventListener = e.listener()
	defer func() {
		if e.db == nil {
			err = errors.Join(err, e.lock.Close())
		}
	}()
	db, err := pebble.Open(e.dir, opts)
	if err != nil {
		return e.mapError(err)
	}
	found, err := readState(db)
	if err != nil {
		return errors.Join(e.mapError(err), db.Close())
	}
	e.db = db
	e.versions = adapter.NewVersions(found, e.config.VersionStride, e.persist)
	if d := e.config.durability; d.Class == engines.Interval {
		e.flusher = adapter.NewFlusher(d.Window, e.syncLog)
	}
	return nil
}

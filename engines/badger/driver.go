//go:build badger

package badger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/y"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Driver opens Badger stores.
type Driver struct{}

// Info describes the engine.
func (Driver) Info() engines.Info { return info }

// Configure returns the effective configuration.
func (Driver) Configure(o engines.Options) (any, error) { return adapter.Effective(configure(o)) }

// Open opens the store in o.Dir, creating or recovering it.
func (Driver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	return adapter.Open(ctx, info.Name, o, configure, func(dir string, c *effective) (engines.Engine, error) { return open(dir, c, o.Log) })
}

// options returns the library's options for a store in dir.
func (c *effective) options(dir string, logf func(string, ...any)) badger.Options {
	return badger.DefaultOptions(dir).
		WithSyncWrites(c.SyncWrites).
		WithBlockCacheSize(c.BlockCacheSize).
		WithMemTableSize(c.MemTableSize).
		WithNumMemtables(c.NumMemtables).
		WithNumCompactors(c.NumCompactors).
		WithValueThreshold(c.ValueThreshold).
		WithCompression(options.Snappy).
		WithDetectConflicts(false).
		WithMetricsEnabled(false).
		WithLogger(logger{logf})
}

func open(dir string, c *effective, logf func(string, ...any)) (engines.Engine, error) {
	db, err := badger.Open(c.options(dir, logf))
	if err != nil {
		return nil, mapError(dir, err)
	}
	e := &engine{dir: dir, config: c, logf: logf, db: db, gate: adapter.NewGate(), latches: adapter.NewLatches()}
	e.calls.New = func() any { return &call{e: e, done: make(chan error, 1)} }
	var found adapter.VersionState
	err = db.View(func(txn *badger.Txn) error {
		raw, err := read(txn, stateKey, nil)
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return found.UnmarshalBinary(raw)
	})
	if err != nil {
		return nil, errors.Join(mapError(dir, err), db.Close())
	}
	e.versions = adapter.NewVersions(found, c.VersionStride, e.persist)
	return e, nil
}

// mapError turns Badger's errors into the contract's.
func mapError(dir string, err error) error {
	switch {
	case err == nil || errors.Is(err, engines.ErrCorrupt):
		return err
	case errors.Is(err, badger.ErrKeyNotFound):
		return engines.ErrNotFound
	case errors.Is(err, adapter.ErrRecord), errors.Is(err, y.ErrChecksumMismatch), errors.Is(err, badger.ErrTruncateNeeded):
		return &engines.CorruptError{File: dir, Offset: -1, Reason: err.Error()}
	case strings.Contains(err.Error(), "Cannot acquire directory lock"): // Badger has no value for it
		return fmt.Errorf("%w: %w", engines.ErrLocked, err)
	case errors.Is(err, badger.ErrBlockedWrites), errors.Is(err, badger.ErrDBClosed):
		return fmt.Errorf("%w: %w", engines.ErrFailed, err)
	}
	return adapter.MapError(err)
}

// logger receives what Badger logs.
type logger struct{ logf func(string, ...any) }

func (l logger) Errorf(format string, args ...any)   { l.say("error: ", format, args) }
func (l logger) Warningf(format string, args ...any) { l.say("warning: ", format, args) }
func (l logger) Infof(format string, args ...any)    { l.say("", format, args) }
func (l logger) Debugf(string, ...any)               {}

func (l logger) say(level, format string, args []any) {
	l.logf("badger: "+level+strings.TrimSpace(format), args...)
}

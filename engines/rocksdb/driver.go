//go:build rocksdb && cgo

package rocksdb

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Driver opens RocksDB stores.
type Driver struct{}

// Info describes the engine.
func (Driver) Info() engines.Info { return info }

// Configure returns the effective configuration.
func (Driver) Configure(o engines.Options) (any, error) {
	c, err := configure(o)
	if err != nil {
		return nil, err
	}
	return *c, nil
}

// Open opens the store in o.Dir, creating or recovering it.
func (Driver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	c, err := configure(o)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dir, err := adapter.PrepareDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("rocksdb: %w", err)
	}
	e, err := open(dir, c, o.Log)
	if err != nil {
		return nil, fmt.Errorf("rocksdb: opening %s: %w", o.Dir, err)
	}
	return e, nil
}

func open(dir string, c *effective, logf func(string, ...any)) (*engine, error) {
	s, err := openStore(dir, c)
	if err != nil {
		return nil, err
	}
	found, err := readState(s)
	if err != nil {
		s.close()
		return nil, mapError(dir, err)
	}
	e := &engine{
		dir: dir, config: c, logf: logf, store: s,
		gate: adapter.NewGate(), latches: adapter.NewLatches(),
		views:  adapter.Views{Shared: true},
		events: newEvents(filepath.Join(dir, "LOG")),
	}
	e.calls.New = func() any { return &call{e: e} }
	e.versions = adapter.NewVersions(found, c.VersionStride, e.persist)
	switch d := c.durability; {
	case d.Class == engines.Interval:
		e.flusher = adapter.NewFlusher(d.Window, e.syncLog)
	case d.Class == engines.Sync && c.Commit == commitSyncWAL:
		e.walSync = newWALSync(e.syncLog)
	}
	return e, nil
}

// stateKey holds the version state, in the default column family.
var stateKey = []byte("orbitbench.versions")

// readState reads the version state; a store without one is new.
func readState(s *store) (found adapter.VersionState, err error) {
	raw, err := s.getCF(s.read, handle(s.handles[0]), stateKey, nil)
	if errors.Is(err, engines.ErrNotFound) {
		return found, nil
	}
	if err != nil {
		return found, err
	}
	return found, found.UnmarshalBinary(raw)
}

//go:build sqlite && cgo

package sqlite

import (
	"context"
	"errors"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Driver opens SQLite stores.
type Driver struct{}

// Info describes the engine.
func (Driver) Info() engines.Info { return info }

// Configure returns the effective configuration.
func (Driver) Configure(o engines.Options) (any, error) { return adapter.Effective(configure(o)) }

// Open opens the store in o.Dir, creating it if it is missing.
func (Driver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	return adapter.Open(ctx, info.Name, o, configure, open)
}

func open(dir string, c *effective) (engines.Engine, error) {
	lock, err := adapter.LockDir(dir)
	if err != nil {
		return nil, err
	}
	s, err := openStore(dir, c)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	found, err := readState(s)
	if err != nil {
		return nil, errors.Join(err, s.close(), lock.Close())
	}
	e := &engine{config: c, store: s, lock: lock, gate: adapter.NewGate(), writer: make(chan struct{}, 1)}
	e.calls.New = func() any { return &call{e: e} }
	e.versions = adapter.NewVersions(found, c.VersionStride, e.persist)
	if d := c.durability; d.Class == engines.Interval {
		e.flusher = adapter.NewFlusher(d.Window, e.syncLog)
	}
	return e, nil
}

// readState reads the version state; a store without one is new.
func readState(s *store) (adapter.VersionState, error) {
	found, err := adapter.FoundState(s.get(s.writer, stateTable, stateKey, nil))
	return found, s.mapRecord(err)
}

//go:build sqlite && cgo

package sqlite

import (
	"context"
	"errors"
	"fmt"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Driver opens SQLite stores.
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

// Open opens the store in o.Dir, creating it if it is missing.
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
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	e, err := open(dir, c)
	if err != nil {
		return nil, fmt.Errorf("sqlite: opening %s: %w", o.Dir, err)
	}
	return e, nil
}

func open(dir string, c *effective) (*engine, error) {
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
func readState(s *store) (found adapter.VersionState, err error) {
	raw, err := s.get(s.writer, stateTable, stateKey, nil)
	if errors.Is(err, engines.ErrNotFound) {
		return found, nil
	}
	if err == nil {
		err = s.mapRecord(found.UnmarshalBinary(raw))
	}
	return found, err
}

//go:build rocksdb && cgo

package rocksdb

import (
	"context"
	"path/filepath"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// Driver opens RocksDB stores.
type Driver struct{}

// Info describes the engine.
func (Driver) Info() engines.Info { return info }

// Configure returns the effective configuration.
func (Driver) Configure(o engines.Options) (any, error) { return adapter.Effective(configure(o)) }

// Open opens the store in o.Dir, creating or recovering it.
func (Driver) Open(ctx context.Context, o engines.Options) (engines.Engine, error) {
	return adapter.Open(ctx, info.Name, o, configure, func(dir string, c *effective) (engines.Engine, error) { return open(dir, c, o.Log) })
}

func open(dir string, c *effective, logf func(string, ...any)) (engines.Engine, error) {
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
func readState(s *store) (adapter.VersionState, error) {
	return adapter.FoundState(s.getCF(s.read, handle(s.handles[0]), stateKey, nil))
}

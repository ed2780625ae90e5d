package pebble

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// View opens a view of the store as it is now.
func (e *engine) View(ctx context.Context) (engines.View, error) {
	return e.views.Open(ctx, e.gate, func() (adapter.Reading, error) {
		s := e.db.NewSnapshot()
		return reading{e, s, s}, nil
	})
}

// reading is the latest state, or a Pebble snapshot: a sequence number that compactions respect.
type reading struct {
	e      *engine
	reader pebble.Reader
	snap   *pebble.Snapshot // nil for the latest state
}

func (r reading) Get(ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	return r.e.get(r.reader, ks, key, dst)
}

func (r reading) Close() error {
	if r.snap == nil {
		return nil
	}
	return r.snap.Close()
}

// Snapshot makes a Pebble checkpoint: tables are linked, the log is copied.
func (e *engine) Snapshot(ctx context.Context, dir string) (err error) {
	if err := e.gate.Admit(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	defer e.recovered(&err)
	if err := adapter.VacantDir(dir); err != nil {
		return err
	}
	if e.config.durability.Class == engines.None {
		if err := e.db.Flush(); err != nil { // there is no log to copy
			return e.mapError(err)
		}
	}
	return e.mapError(e.db.Checkpoint(dir, pebble.WithFlushedWAL()))
}

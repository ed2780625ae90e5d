package actorstore

import (
	"fmt"
	"testing"

	"orbitbench/engines"
	"orbitbench/engines/internal/storetest"
	"orbitbench/engines/internal/wal"
	"orbitbench/engines/lease"
)

const crashDir = storetest.Dir

// subject is the engine as the shared tests see it. Busy rotates, takes checkpoints, seals
// and drops all the time.
var subject = storetest.Subject[*engine]{
	Open: open, Verify: verify, Dump: dump, Meta: metaFormat, Log: func(e *engine) *wal.Log { return e.log },
	Busy: map[string]any{
		"segment_bytes": 16384, "checkpoint_log_bytes": 8192, "wal_buffer_size": 16384, "checkpoint_share": 1,
		"memory_limit_bytes": 64 << 20, "series_tail_points": 40,
	},
	Checkpoint: "checkpoint",
	Fill: func(t *testing.T, e *engine, round int) { // points to seal
		for i := range 40 {
			putPoint(t, e, fmt.Sprintf("metric-%d", i%3), int64(round*100+i), float64(i))
		}
	},
}

var (
	stores    = storetest.Stores(engines.Sync, engines.Process, engines.Interval)
	syncClass = stores[0].Durability

	mustOpen  = subject.MustOpen
	mustClose = storetest.MustClose
	put       = storetest.Put
	readAll   = storetest.ReadAll
)

// putPoint stores a point of a series as lease.Point has it.
func putPoint(t *testing.T, e engines.Engine, metric string, at int64, value float64) engines.Version {
	t.Helper()
	p := lease.Point{Value: value, Labels: []lease.Tag{{Name: "host", Value: "a"}}}
	raw, err := p.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return put(t, e, engines.TimeSeries, string(lease.AppendPointKey(nil, metric, at)), string(raw))
}

package appendlog

import (
	"errors"

	"orbitbench/engines/internal/image"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/snapshot"
	"orbitbench/engines/internal/wal"
)

// snapshots is what appendlog calls its images (package image).
var snapshots = image.Format{Tag: snapshot.Tag([]byte("applog 3")), Prefix: "snapshot-"}

// loadSnapshot gives the index a snapshot to take its records from, and returns
// the snapshot's end. Of the file only header, footer, index and end are read here.
func (e *engine) loadSnapshot(start wal.LSN) (wal.LSN, error) {
	return snapshots.Load(e.fs, e.dir, start, e.meta.Seed(), e.index)
}

// warm brings all records into memory in the background.
func (e *engine) warm() {
	defer e.background.Done()
	if err := e.index.Warm(e.stopped, e.spans.Add); err != nil {
		e.logf("appendlog %s: loading the snapshot: %v", e.dir, err)
	}
}

// replayError makes what was wrong with operations of the log damage of it.
func (e *engine) replayError(err error) error {
	var bad *index.ReplayError
	if errors.As(err, &bad) {
		return wal.Corrupt(e.path(logName), "%v", bad)
	}
	return err
}

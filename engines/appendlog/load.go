package appendlog

import (
	"errors"
	"time"

	"orbitbench/engines/internal/image"
	"orbitbench/engines/internal/index"
	"orbitbench/engines/internal/snapshot"
	"orbitbench/engines/internal/wal"
)

// snapshots is what appendlog calls its images (package image).
var snapshots = image.Format{Tag: snapshot.Tag([]byte("applog 2")), Prefix: "snapshot-"}

// loadSnapshot gives the index a snapshot to take its records from, and returns
// the snapshot's end. Of the file only header, footer, index and end are read here.
func (e *engine) loadSnapshot(start wal.LSN) (wal.LSN, error) {
	return snapshots.Load(e.fs, e.dir, start, e.meta.Seed(), e.index, e.replayError)
}

// firstReads is how long the records stay in the snapshot after Open but for
// those that are asked for: loading would compete with the first of these.
const firstReads = 5 * time.Millisecond

// warm brings all records into memory in the background.
func (e *engine) warm() {
	defer e.background.Done()
	begin := time.Now()
	select {
	case <-e.stopped.Done():
		return
	case <-time.After(firstReads):
	}
	if err := e.index.LoadAll(e.stopped); err != nil {
		if e.stopped.Err() == nil {
			e.logf("appendlog %s: loading the snapshot: %v", e.dir, err)
		}
		return
	}
	e.spans.Add("load", begin, time.Now(), 0)
}

// replayError makes what was wrong with operations of the log damage of it.
func (e *engine) replayError(err error) error {
	var bad *index.ReplayError
	if errors.As(err, &bad) {
		return wal.Corrupt(e.path(logName), "%v", bad)
	}
	return err
}

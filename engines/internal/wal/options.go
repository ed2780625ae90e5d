package wal

import (
	"fmt"
	"time"

	"orbitbench/engines"
	"orbitbench/engines/internal/frame"
	"orbitbench/engines/internal/vfs"
)

// LSN is the sequence number of a record: the first is 1, each record the next.
type LSN uint64

// MaxRecordBytes is the longest payload that Append takes.
const MaxRecordBytes = frame.MaxPayload

const (
	minSegmentBytes     = 16 << 10
	defaultSegmentBytes = 32 << 20
	defaultBufferBytes  = 1 << 20
	defaultCohortMax    = 128
	defaultCohortWait   = 0.6
	defaultKeepFree     = 8
)

// Options are what Open takes. FS and Dir have no default.
type Options struct {
	FS  vfs.FS
	Dir string // of the log alone; made if it is missing (its parent is synced)

	Class  engines.Class
	Window time.Duration // class Interval: the most that a failure may lose

	SegmentBytes int64 // size of a segment file, rounded up to 4 KiB; 0 means 32 MiB; at least 16 KiB
	BufferBytes  int   // class Sync: each of two buffers; 0 means 1 MiB
	KeepFree     int   // dropped segments kept for reuse; 0 means 8, below 0 none
	Buffered     bool  // class Sync: write + fdatasync even where direct IO works

	// Next is the lowest number that the first new record may get: a snapshot
	// may be ahead of an empty log. 0 means no demand.
	Next LSN
	// ReplayWorkers is the number of goroutines that call apply; 0 means 1.
	ReplayWorkers int
	// Round, if set, makes replay with several workers take some segments at a time, in any
	// order. It is called after each round, while apply is not, and at the end of replay: records
	// up to valid belong to the log; those above it that apply was given in this round do
	// not, and no later one is given. An error ends Open and is returned.
	Round func(valid LSN) error
	// Text, if set, is given the segments that are replayed, each before the Round in which it was read.
	// It is the caller's to close, also when Open fails.
	Text *Text

	// CohortMax is the number of commits in a group above which the leader no
	// longer waits for more; 0 means 128, below 0 the leader never waits.
	CohortMax int
	// CohortWait is the part of the mean sync time that a leader waits at most; 0 means 0.6.
	CohortWait float64

	// SyncEvery is how often Upkeep syncs the log; 0 means never.
	SyncEvery time.Duration

	// OnSpan, if set, is told of background work: kind "segment" when a segment
	// file has been made ready. Called from a goroutine of the log.
	OnSpan func(kind string, begin, end time.Time, bytes uint64)
	// Logf, if set, receives what the log has to say (no direct IO, torn tail).
	Logf func(format string, args ...any)
}

func (o Options) withDefaults() (Options, error) {
	if err := (engines.Durability{Class: o.Class, Window: o.Window}).Validate(); err != nil {
		return o, fmt.Errorf("%w: log: %v", engines.ErrInvalid, err)
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegmentBytes
	}
	o.SegmentBytes = roundUp(o.SegmentBytes)
	if o.SegmentBytes < minSegmentBytes || o.SegmentBytes > 1<<32 {
		return o, fmt.Errorf("%w: log segments of %d bytes, want %d to 4 GiB", engines.ErrInvalid, o.SegmentBytes, minSegmentBytes)
	}
	if o.BufferBytes == 0 {
		o.BufferBytes = defaultBufferBytes
	}
	o.BufferBytes = int(roundUp(int64(max(o.BufferBytes, 4*vfs.BlockBytes))))
	if o.KeepFree == 0 {
		o.KeepFree = defaultKeepFree
	}
	o.ReplayWorkers = max(o.ReplayWorkers, 1)
	if o.CohortMax == 0 {
		o.CohortMax = defaultCohortMax
	}
	if o.CohortWait == 0 {
		o.CohortWait = defaultCohortWait
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	if o.OnSpan == nil {
		o.OnSpan = func(string, time.Time, time.Time, uint64) {}
	}
	return o, nil
}

func roundUp(n int64) int64 { return (n + vfs.BlockBytes - 1) &^ (vfs.BlockBytes - 1) }

// Record is one record of the log. Payload belongs to the log and is valid
// during the call that hands it out.
type Record struct {
	LSN     LSN
	Kind    uint8
	Payload []byte

	// Where the payload lies, for Options.Text.
	Segment int
	Offset  int64
}

// ReplayInfo tells what Open (or Verify) found.
type ReplayInfo struct {
	Segments int    // segment files that hold records
	Files    int    // segment files in all, free ones included
	Records  uint64 // records handed to apply (Verify: records read)
	Bytes    int64  // bytes of records, framing included
	First    LSN    // lowest number in the log, 0 if it is empty
	Last     LSN    // highest number in the log, 0 if it is empty
	Clean    bool   // the log had been closed
	// A torn tail is what a crash in mid-write leaves, and is expected then.
	TornFile   string // file that ends in one, or ""
	TornOffset int64  // where the first record that is not whole starts
	TornBytes  int64  // bytes from there to the last byte that was being written, as far as can be told
}

// Check demands that the log at dir holds the records from start on, those up to upTo,
// which the file named what demands, and those up to closed, where META says that it ended.
// Its errors are *CorruptError.
func (i ReplayInfo) Check(dir string, start, upTo, closed LSN, what string) error {
	have := max(i.Last, start-1)
	switch {
	case i.First > start:
		return Corrupt(dir, "begins with record %d, replay wants %d", i.First, start)
	case have < upTo:
		return Corrupt(dir, "ends with record %d, %s wants all up to %d", have, what, upTo)
	case have < closed:
		return Corrupt(dir, "ends with record %d, the store was closed at %d", have, closed)
	}
	return nil
}

// Corrupt is the *CorruptError of a log as a whole.
func Corrupt(dir, format string, args ...any) error {
	return &engines.CorruptError{File: dir, Offset: -1, Reason: "log " + fmt.Sprintf(format, args...)}
}

// AddTo adds the files and the torn tail of a log that was verified to a report.
func (i ReplayInfo) AddTo(r *engines.VerifyReport) {
	r.Files += i.Files
	if i.TornFile != "" {
		r.TornTail, r.TornFile, r.TornBytes = true, i.TornFile, i.TornBytes
	}
}

// Stats are counters since Open, but for the gauges marked so.
type Stats struct {
	Records      uint64        // records appended
	RecordBytes  uint64        // their bytes, framing included
	Flushes      uint64        // waits for the device on the write path
	Writes       uint64        // write calls on the write path
	WrittenBytes uint64        // bytes handed to them, padding included
	MeanSync     time.Duration // gauge: running mean of a flush
	Segments     int           // gauge: segment files that hold records or will next
	FreeSegments int           // gauge: dropped ones kept for reuse
	DiskBytes    int64         // gauge: bytes of all segment files
	MappedBytes  int64         // gauge: bytes mapped into memory
	Next         LSN           // gauge: number of the next record
	Durable      LSN           // gauge: every record up to here survives a power cut
}

package pebble

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// logger receives what Pebble logs, and its fatal errors.
type logger struct{ e *engine }

func (l logger) Infof(format string, args ...any)  { l.e.logf("pebble: "+format, args...) }
func (l logger) Errorf(format string, args ...any) { l.e.logf("pebble: error: "+format, args...) }

// fatal is what Fatalf panics with in a goroutine of ours.
type fatal struct{ error }

// Fatalf is where Pebble expects the process to end. It fails the engine
// instead and does not return either: in a call of ours it unwinds to the
// call's recover, in a goroutine of Pebble it ends that goroutine, which frees
// what the goroutine holds under defer.
func (l logger) Fatalf(format string, args ...any) {
	err := l.e.fail(fmt.Errorf("pebble gave up: "+format, args...))
	l.e.logf("%v", err)
	if inCall() {
		panic(fatal{err})
	}
	runtime.Goexit()
}

// inCall reports whether a method of engine is on the stack below Fatalf,
// which means that a recover waits there.
func inCall() bool {
	pcs := make([]uintptr, 256)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "orbitbench/engines/pebble.(*engine).") {
			return true
		}
		if !more {
			return false
		}
	}
}

// fail ends the engine: nothing of the store is changed any more, and every
// later call returns the error that fail returns.
func (e *engine) fail(cause error) error {
	err := e.gate.Fail(cause)
	e.fs.refuse(err)
	return err
}

// recovered turns a panic of Pebble, or a Fatalf, into *err. Pebble panics in
// its commit path with locks held, so the engine has failed.
func (e *engine) recovered(err *error) {
	switch p := recover().(type) {
	case nil:
	case fatal:
		*err = p.error
	default:
		*err = e.fail(fmt.Errorf("pebble panicked: %v", p))
	}
}

// recoveredRead is recovered for calls that run a caller's function, whose
// panics are not ours to take.
func (e *engine) recoveredRead(err *error) {
	switch p := recover().(type) {
	case nil:
	case fatal:
		*err = p.error
	default:
		panic(p)
	}
}

// mapError turns Pebble's errors into the contract's.
func (e *engine) mapError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pebble.ErrNotFound):
		return engines.ErrNotFound
	case errors.Is(err, engines.ErrCorrupt):
		return err
	case errors.Is(err, adapter.ErrRecord) || pebble.IsCorruptionError(err):
		if known := e.corrupt.Load(); known != nil {
			return fmt.Errorf("%w (%w)", known, err)
		}
		return &engines.CorruptError{File: e.dir, Offset: -1, Reason: err.Error()}
	case errors.Is(err, engines.ErrFailed):
		return err
	}
	return adapter.MapError(err)
}

// listener follows Pebble's background work.
func (e *engine) listener() *pebble.EventListener {
	l := &pebble.EventListener{
		BackgroundError: e.backgroundError,
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			e.corrupt.CompareAndSwap(nil, &engines.CorruptError{File: i.Path, Offset: -1, Reason: i.Details.Error()})
			e.logf("pebble: %s", i)
		},
		FlushBegin: func(i pebble.FlushInfo) { e.spans.Begin("flush", i.JobID, time.Now()) },
		FlushEnd: func(i pebble.FlushInfo) {
			var size uint64
			for _, t := range i.Output {
				size += t.Size
			}
			e.spans.End("flush", i.JobID, time.Now(), size)
			if i.Err == nil {
				e.full.Store(false)
			}
		},
		CompactionBegin: func(i pebble.CompactionInfo) { e.spans.Begin("compaction", i.JobID, time.Now()) },
		CompactionEnd: func(i pebble.CompactionInfo) {
			var size uint64
			for _, t := range i.Output.Tables {
				size += t.Size
			}
			if i.Reason == "move" {
				size = 0 // the table only changes its level
			}
			e.spans.End("compaction", i.JobID, time.Now(), size)
		},
	}
	return l
}

// backgroundError learns of a failed flush or compaction, which Pebble tries
// again. While the device is full commits are refused before they touch the
// store; without that they would fill the memtables and then wait for ever.
func (e *engine) backgroundError(err error) {
	if adapter.NoSpace(err) && !e.full.Swap(true) {
		e.logf("pebble: %v", err)
	}
}

// Spans lists flushes and compactions.
func (e *engine) Spans() []engines.Span { return e.spans.List() }

// Checkpoint flushes the memtable, after which the log before it is dropped.
func (e *engine) Checkpoint(ctx context.Context) (err error) {
	if err := e.gate.Admit(ctx); err != nil {
		return err
	}
	defer e.gate.Leave()
	defer e.recovered(&err)
	return e.mapError(e.db.Flush())
}

// Stats returns counters since Open. After Close they stay what they were.
func (e *engine) Stats() engines.Stats {
	// A failed store may hold the lock that its metrics want, for ever.
	return e.counters.Stats(e.gate, e.readStats)
}

// readStats asks the library, which must be open.
func (e *engine) readStats() engines.Stats {
	m := e.db.Metrics()
	total := m.Total()
	return engines.Stats{
		Flushes:         e.fs.logSyncs.Load(),
		LogBytes:        m.WAL.BytesWritten,
		CheckpointBytes: total.TableBytesFlushed + total.TableBytesCompacted + total.BlobBytesFlushed + total.BlobBytesCompacted,
		Checkpoints:     uint64(m.Flush.Count + m.Compact.Count),
		TableBytes:      m.MemTable.Size + m.MemTable.ZombieSize,
		CacheBytes:      uint64(m.BlockCache.Size),
	}
}

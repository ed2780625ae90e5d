package paperlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"orbitbench/engines"
	"orbitbench/engines/adapter"
)

// engine is an open store.
type engine struct {
	files
	config  Config
	options engines.Options
	lock    *os.File
	gate    *adapter.Gate
	flusher *adapter.Flusher // class interval only
	spans   adapter.Spans
	late    *lateSyncer // flaw AckEarly only

	mu       sync.RWMutex
	live     [engines.NumKeyspaces]map[string]record // guarded by mu
	log      *journal                                // guarded by mu
	cutAt    int64                                   // guarded by mu; size of the log at which a checkpoint comes first
	closedAt uint64                                  // guarded by mu; what CURRENT says is durable
	state    adapter.VersionState                    // guarded by mu; as it is on disk
	versions *adapter.Versions                       // used under mu
	scratch  adapter.Scratch                         // guarded by mu
	changes  []change                                // guarded by mu; of the running commit
	payload  []byte                                  // guarded by mu
	stats    engines.Stats                           // guarded by mu
}

var (
	_ engines.Engine       = (*engine)(nil)
	_ engines.Checkpointer = (*engine)(nil)
	_ engines.Spanner      = (*engine)(nil)
	_ adapter.Reader       = (*engine)(nil)
	_ adapter.Writer       = (*engine)(nil)
)

// Apply is engines.Engine.Apply.
func (e *engine) Apply(ctx context.Context, b *engines.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.Validate(); err != nil {
		return err
	}
	if err := e.gate.Enter(); err != nil {
		return err
	}
	defer e.gate.Leave()
	if err := e.commit(b); err != nil {
		return err
	}
	if e.flusher != nil {
		if err := e.flusher.Committed(); err != nil {
			return e.gate.Fail(err)
		}
	}
	return nil
}

func (e *engine) commit(b *engines.Batch) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.gate.Failure(); err != nil {
		return err // it failed while we waited
	}
	if err := e.cut(); err != nil {
		return err
	}
	e.changes = e.changes[:0]
	if err := e.scratch.Prepare(b, e, e, e.versions); err != nil {
		if errors.Is(err, engines.ErrConflict) {
			e.stats.Conflicts++
		}
		return err
	}
	if len(e.changes) > 0 {
		if err := e.record(); err != nil {
			return err
		}
	}
	for _, c := range e.changes {
		if c.version == 0 {
			delete(e.live[c.ks], c.key)
		} else {
			e.live[c.ks][c.key] = record{c.value, c.version}
		}
	}
	e.scratch.Assign(b)
	e.stats.Commits++
	return nil
}

// Read is adapter.Reader.Read, for Prepare.
func (e *engine) Read(ks engines.Keyspace, key, dst []byte) ([]byte, error) {
	r, ok := e.live[ks][string(key)]
	if !ok {
		return dst, engines.ErrNotFound
	}
	return adapter.AppendRecord(dst, r.version, r.value), nil
}

// Put is adapter.Writer.Put, for Prepare.
func (e *engine) Put(ks engines.Keyspace, key []byte, v engines.Version, value []byte) error {
	e.changes = append(e.changes, change{ks, string(key), v, slices.Clone(value)})
	return nil
}

// Delete is adapter.Writer.Delete, for Prepare.
func (e *engine) Delete(ks engines.Keyspace, key []byte) error {
	e.changes = append(e.changes, change{ks: ks, key: string(key)})
	return nil
}

// record logs the changes, as durably as the class says.
func (e *engine) record() error {
	m := e.log.mark()
	e.payload = e.payload[:0]
	for i, c := range e.changes {
		if c.version == 0 && e.flaw == ReleaseReturns {
			continue
		}
		e.payload = c.append(e.payload)
		if e.flaw == TornBatch && i < len(e.changes)-1 {
			e.log.add(frameBatch, e.payload)
			e.payload = e.payload[:0]
			if err := e.log.write(); err != nil {
				return e.failed(err, m)
			}
		}
	}
	e.log.add(frameBatch, e.payload)
	switch class := e.options.Durability.Class; {
	case e.flaw == AckEarly && class == engines.Sync:
		if err := e.log.write(); err != nil {
			return e.failed(err, m)
		}
		e.late.wake()
	case class == engines.Sync:
		return e.failed(e.log.sync(), m)
	case e.flaw == Buffered, class == engines.None && len(e.log.buffer) < 64<<10:
	default:
		return e.failed(e.log.write(), m)
	}
	return nil
}

// failed says what an error of the log means for the commit and the engine. On a
// full disk the frames since m are taken back; after any other error nobody knows
// what the file holds, and the engine stops.
func (e *engine) failed(err error, m mark) error {
	if err == nil {
		return nil
	}
	if adapter.NoSpace(err) && len(e.log.buffer) > 0 { // it was a write
		if dropErr := e.log.drop(m); dropErr == nil {
			return adapter.MapError(err)
		}
	}
	if e.flaw == RetriesFsync {
		return err
	}
	return e.gate.Fail(err)
}

// persist is what adapter.Versions calls to reserve versions.
func (e *engine) persist(s adapter.VersionState) error {
	raw, err := s.AppendBinary(nil)
	if err != nil {
		return err
	}
	m := e.log.mark()
	e.log.add(frameState, raw)
	if err := e.failed(e.log.sync(), m); err != nil {
		return err
	}
	e.state = s
	return nil
}

// syncLog makes the log durable, in the background.
func (e *engine) syncLog() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.gate.Failure(); err != nil {
		return err
	}
	if err := e.log.sync(); err != nil {
		return e.gate.Fail(err)
	}
	return nil
}

// Get is engines.Engine.Get.
func (e *engine) Get(ctx context.Context, ks engines.Keyspace, key, dst []byte) ([]byte, engines.Version, error) {
	if err := ctx.Err(); err != nil {
		return dst, 0, err
	}
	if err := engines.ValidateKey(ks, key); err != nil {
		return dst, 0, err
	}
	if err := e.gate.Enter(); err != nil {
		return dst, 0, err
	}
	defer e.gate.Leave()
	e.mu.RLock()
	r, ok := e.live[ks][string(key)]
	e.mu.RUnlock()
	if !ok {
		return dst, 0, engines.ErrNotFound
	}
	return append(dst, r.value...), r.version, nil
}

// Scan is engines.Engine.Scan.
func (e *engine) Scan(ctx context.Context, ks engines.Keyspace, from, to []byte, yield func(key, value []byte, v engines.Version) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !ks.Valid() {
		return fmt.Errorf("%w: unknown keyspace %d", engines.ErrInvalid, uint8(ks))
	}
	if err := e.gate.Enter(); err != nil {
		return err
	}
	defer e.gate.Leave()
	for _, f := range e.between(ks, from, to) {
		if err := yield([]byte(f.key), slices.Clone(f.value), f.version); err != nil {
			if errors.Is(err, engines.ErrStopScan) {
				return nil
			}
			return err
		}
	}
	return nil
}

type found struct {
	key string
	record
}

// between lists the records of [from, to) in order, as they are now.
func (e *engine) between(ks engines.Keyspace, from, to []byte) []found {
	var all []found
	e.mu.RLock()
	for k, r := range e.live[ks] {
		if k >= string(from) && (to == nil || k < string(to)) {
			all = append(all, found{k, r})
		}
	}
	e.mu.RUnlock()
	slices.SortFunc(all, func(a, b found) int { return strings.Compare(a.key, b.key) })
	return all
}

// Stats is engines.Engine.Stats.
func (e *engine) Stats() engines.Stats {
	e.mu.RLock()
	defer e.mu.RUnlock()
	st := e.stats
	st.Flushes, st.LogBytes = st.Flushes+e.log.flushes, st.LogBytes+e.log.bytes
	for ks := range e.live {
		st.Records += uint64(len(e.live[ks]))
	}
	return st
}

// Spans is engines.Spanner.Spans.
func (e *engine) Spans() []engines.Span { return e.spans.List() }

// Close is engines.Engine.Close.
func (e *engine) Close() error {
	if _, err := e.gate.Close(func() {}); err != nil {
		return err
	}
	if e.flusher != nil {
		e.flusher.Stop()
	}
	if e.late != nil {
		e.late.end()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.gate.Failure()
	if err == nil {
		err = e.finish()
	}
	if err = errors.Join(err, e.log.close(), e.lock.Close()); err != nil {
		return fmt.Errorf("paperlog: close: %w", err)
	}
	return nil
}

// finish makes everything durable and lets CURRENT say so.
func (e *engine) finish() error {
	if state, used := e.versions.CloseState(); used {
		raw, err := state.AppendBinary(nil)
		if err != nil {
			return err
		}
		e.log.add(frameState, raw)
	}
	if e.log.seq == e.closedAt {
		return nil
	}
	if err := e.log.write(); err != nil { // the flaw Buffered loses nothing at a close
		return err
	}
	if err := e.log.sync(); err != nil {
		return err
	}
	_, err := e.setCurrent(e.log.generation, e.log.seq)
	return err
}
